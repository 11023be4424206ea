"""Commands on their way: those that wait for the writer, and the answers that they get."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from wallbox2mqtt.catalogue import Json, Wish
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.mqtt import Reply
from wallbox2mqtt.topics import Topics, to_json

_ORDER = itertools.count()

PublishResult = Callable[[str, str, bytes | None], None]


@dataclass(slots=True, eq=False)
class Ticket:
    """A command from its arrival to its result.

    ``order``: its place; inherited from the one that it supersedes, or two dragged sliders would starve one
    another. ``tries``: requests that got no answer. ``not_before``: of the next try, monotonic. ``renewed``: it was
    refused for its token once.
    """

    charger_id: int
    key: str
    arrived: float
    reply: Reply | None = None
    wish: Wish | None = None
    order: int = field(default_factory=lambda: next(_ORDER))
    seen: int = field(default_factory=lambda: next(_ORDER))
    tries: int = 0
    not_before: float = 0.0
    renewed: bool = False
    answered: bool = False
    unconfirmed: bool = False

    @property
    def urgent(self) -> bool:
        """Whether it passes the others."""
        return self.wish is not None and self.wish.field.command is not None and self.wish.field.command.urgent


class Results:
    """Answers commands: exactly one result each, and at most one later «not confirmed»."""

    def __init__(self, topics: Topics, publish: PublishResult, clock: Clock) -> None:
        """``publish`` takes a topic, a payload and MQTT 5 correlation data."""
        self._topics, self._publish, self._clock = topics, publish, clock
        self._lock = threading.Lock()
        self.answered = 0

    def ok(self, ticket: Ticket, http_status: int | None = None) -> None:
        """It is done, or was so already."""
        self._answer(ticket, "ok", None, http_status)

    def rejected(self, ticket: Ticket, reason: str) -> None:
        """It was refused here; nothing was sent."""
        self._answer(ticket, "rejected", reason, None)

    def failed(self, ticket: Ticket, reason: str, http_status: int | None = None) -> None:
        """It was sent, or should have been, and did not succeed."""
        self._answer(ticket, "failed", reason, http_status)

    def expired(self, ticket: Ticket) -> None:
        """It became too old before it could be sent."""
        self._answer(ticket, "failed", "expired", None)

    def superseded(self, ticket: Ticket) -> None:
        """A newer command took its place."""
        self._answer(ticket, "superseded", "a newer command took its place", None)

    def not_confirmed(self, ticket: Ticket) -> None:
        """It was accepted, but the charger does not show it; said once, however many of its fields it is true of."""
        with self._lock:
            if ticket.unconfirmed:
                return
            ticket.unconfirmed = True
        self._send(ticket, "failed", "not confirmed", None)

    def _answer(self, ticket: Ticket, status: str, reason: str | None, http_status: int | None) -> None:
        with self._lock:
            if ticket.answered:
                return
            ticket.answered = True
            self.answered += 1
        self._send(ticket, status, reason, http_status)

    def _send(self, ticket: Ticket, status: str, reason: str | None, http_status: int | None) -> None:
        took = (self._clock.monotonic() - ticket.arrived) * 1000
        value = None if ticket.wish is None or status == "rejected" else ticket.wish.value
        result: dict[str, Json] = {
            "status": status,
            "value": value,
            "reason": reason,
            "http_status": http_status,
            "took_ms": max(0, round(took)),
        }
        text = to_json(result)
        self._publish(self._topics.result(ticket.charger_id, ticket.key), text, None)
        if ticket.reply is not None:
            self._publish(ticket.reply.topic, text, ticket.reply.correlation)


class CommandQueue:
    """The commands that wait. Of several for the same field of the same charger only the newest is kept."""

    def __init__(self, clock: Clock) -> None:
        """Begin empty."""
        self._clock = clock
        self._condition = threading.Condition()
        self._waiting: list[Ticket] = []
        self._poked = False

    def __len__(self) -> int:
        """Give the number that wait."""
        with self._condition:
            return len(self._waiting)

    def add(self, ticket: Ticket) -> list[Ticket]:
        """Let a command wait; gives those that it supersedes."""
        with self._condition:
            superseded = self._supersede(ticket)
            self._insert(ticket)
            self._wake()
            return superseded

    def put_back(self, ticket: Ticket) -> bool:
        """Let a command wait again at its place; False where a newer one has taken it meanwhile."""
        with self._condition:
            left = ticket.wish
            for newer in self._waiting:
                if newer.charger_id == ticket.charger_id and newer.seen > ticket.seen and newer.wish and left:
                    left = left.without(newer.wish.claims)
            if ticket.wish is not None and left is None:
                return False
            ticket.wish = left
            self._insert(ticket)
            return True

    def _supersede(self, new: Ticket) -> list[Ticket]:
        superseded = []
        for old in self._waiting:
            if old.charger_id != new.charger_id or old.wish is None or new.wish is None:
                continue
            left = old.wish.without(new.wish.claims)
            if left is None:
                superseded.append(old)
                new.order = min(new.order, old.order)
            else:
                old.wish = left
        self._waiting = [ticket for ticket in self._waiting if ticket not in superseded]
        return superseded

    def _insert(self, ticket: Ticket) -> None:
        self._waiting.append(ticket)
        self._waiting.sort(key=lambda waiting: (not waiting.urgent, waiting.order))

    def waiting(self) -> list[Ticket]:
        """Give those that wait, in the order in which they are to be sent."""
        with self._condition:
            return list(self._waiting)

    def take(self, ticket: Ticket) -> bool:
        """Take one out; False where it has been superseded since."""
        with self._condition:
            if ticket not in self._waiting:
                return False
            self._waiting.remove(ticket)
            return True

    def drain(self) -> list[Ticket]:
        """Take all out."""
        with self._condition:
            waiting, self._waiting = self._waiting, []
            return waiting

    def wait(self, timeout_s: float | None) -> None:
        """Wait until a command arrives, for so many seconds at most."""
        with self._condition:
            if not self._poked:
                self._clock.wait(self._condition, timeout_s)
            self._poked = False

    def poke(self) -> None:
        """Wake whoever waits."""
        with self._condition:
            self._wake()

    def _wake(self) -> None:
        self._poked = True
        self._condition.notify_all()
