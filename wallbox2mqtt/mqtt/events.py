"""What the broker's door tells: values that are handed over from paho's thread."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """Where an MQTT 5 client wants its answer."""

    topic: str
    correlation: bytes | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has accepted us and all subscriptions: everything is to be announced. ``denied``: filters refused."""

    denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection ended, or was refused; ``reason`` in words. ``twin``: another client uses our id."""

    reason: str
    twin: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker did not take what was published; ``reason`` in its words, each told once."""

    reason: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message. ``payload``: cut where it is larger than any command. ``arrived``: monotonic seconds."""

    topic: str
    payload: bytes
    retained: bool
    arrived: float
    reply: Reply | None = None


Event = Connected | Disconnected | Refused | Message
