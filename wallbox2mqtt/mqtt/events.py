"""What the connection to the broker reports: values that are handed over from paho's thread."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reply:
    """Where an MQTT 5 client wants its answer."""

    topic: str
    correlation: bytes | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has accepted us and answered all subscriptions: everything is to be announced.

    ``denied``: filters that it refuses, with its words. ``flaps``: the last connection did not last, this one may not.
    """

    denied: Mapping[str, str] = field(default_factory=dict)
    flaps: bool = False


@dataclass(frozen=True, slots=True)
class Stable:
    """The connection has lasted for so long that it can be relied on."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The filters that the broker refuses are others than before."""

    denied: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Limited:
    """The broker does not take what others do; ``reason``: what, and what that costs."""

    reason: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection ended, or was refused; ``reason`` in words. ``twin``: another client uses our id."""

    reason: str
    twin: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker did not take what was published. ``topics``: how many do not show what they should."""

    reason: str
    topic: str
    size: int
    topics: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The broker takes everything again."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker has a message that its sender keeps until then, or refuses it for good."""

    topic: str
    payload: str


@dataclass(frozen=True, slots=True)
class TellsStored:
    """The broker marks what it has stored: commands count."""


@dataclass(frozen=True, slots=True)
class QuietWait:
    """Commands do not count until the broker is quiet; ``waited_s``: 0 when it begins, ``last``: what came last."""

    reason: str
    waited_s: float
    last: str


@dataclass(frozen=True, slots=True)
class QuietOver:
    """The broker is quiet: commands count."""

    waited_s: float


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    ``payload``: cut where it is larger than any command. ``retained``: it bears the retain flag. ``arrived``: monotonic
    seconds; after a pause of the process, those before it. ``stored``: the broker may have had it for long, with the
    flag or without. ``expires``: when its sender does not want it any more, monotonic seconds.
    """

    topic: str
    payload: bytes
    retained: bool
    arrived: float
    reply: Reply | None = None
    stored: bool = False
    expires: float = math.inf

    @property
    def size(self) -> int:
        """Bytes, nearly."""
        reply = 0 if self.reply is None else len(self.reply.topic) + len(self.reply.correlation or b"")
        return len(self.topic) + len(self.payload) + reply


Event = (
    Connected
    | Stable
    | Disconnected
    | Subscribed
    | Limited
    | Refused
    | Taken
    | Acknowledged
    | TellsStored
    | QuietWait
    | QuietOver
    | Message
)
