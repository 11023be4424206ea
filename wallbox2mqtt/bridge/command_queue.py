"""Commands on their way: those that wait for the writer, and the answers that they get."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from wallbox2mqtt.catalogue import Intent, Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.mqtt import Reply
from wallbox2mqtt.topics import Topics, to_json

_ORDER = itertools.count()

PublishResult = Callable[[str, str, bytes | None], None]


@dataclass(slots=True, eq=False)
class QueuedCommand:
    """A command from its arrival to its result.

    ``order``: its place; inherited from the one that it supersedes, or two dragged sliders would starve one
    another. ``tries``: requests that got no answer. ``not_before``: of the next try, monotonic. ``renewed``: it was
    refused for its token once.
    """

    charger_id: int
    key: str
    arrived: float
    reply: Reply | None = None
    intent: Intent | None = None
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
        return self.intent is not None and self.intent.field.command is not None and self.intent.field.command.urgent


class Results:
    """Answers commands: exactly one result each, and at most one later «not confirmed»."""

    def __init__(self, topics: Topics, publish: PublishResult, clock: Clock) -> None:
        """``publish`` takes a topic, a payload and MQTT 5 correlation data."""
        self._topics, self._publish, self._clock = topics, publish, clock
        self._lock = threading.Lock()
        self.answered = 0

    def ok(self, command: QueuedCommand, http_status: int | None = None) -> None:
        """Answer a command that is done, or was so already."""
        self._answer(command, "ok", None, http_status)

    def rejected(self, command: QueuedCommand, reason: str) -> None:
        """Answer a command that was refused here; nothing was sent."""
        self._answer(command, "rejected", reason, None)

    def failed(self, command: QueuedCommand, reason: str, http_status: int | None = None) -> None:
        """Answer a command that was sent, or should have been, and did not succeed."""
        self._answer(command, "failed", reason, http_status)

    def expired(self, command: QueuedCommand) -> None:
        """Answer a command that became too old before it could be sent."""
        self._answer(command, "failed", "expired", None)

    def superseded(self, command: QueuedCommand) -> None:
        """Answer a command whose place a newer one took."""
        self._answer(command, "superseded", "a newer command took its place", None)

    def not_confirmed(self, command: QueuedCommand) -> None:
        """Tell once that the charger does not show an accepted command, however many of its fields it is true of."""
        with self._lock:
            if command.unconfirmed:
                return
            command.unconfirmed = True
        self._send(command, "failed", "not confirmed", None)

    def _answer(self, command: QueuedCommand, status: str, reason: str | None, http_status: int | None) -> None:
        with self._lock:
            if command.answered:
                return
            command.answered = True
            self.answered += 1
        self._send(command, status, reason, http_status)

    def _send(self, command: QueuedCommand, status: str, reason: str | None, http_status: int | None) -> None:
        took = (self._clock.monotonic() - command.arrived) * 1000
        value = None if command.intent is None or status == "rejected" else command.intent.value
        result: dict[str, Json] = {
            "status": status,
            "value": value,
            "reason": reason,
            "http_status": http_status,
            "took_ms": max(0, round(took)),
        }
        text = to_json(result)
        self._publish(self._topics.result(command.charger_id, command.key), text, None)
        if command.reply is not None:
            self._publish(command.reply.topic, text, command.reply.correlation)


class CommandQueue:
    """The commands that wait. Of several for the same field of the same charger only the newest is kept."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self._clock = clock
        self._condition = threading.Condition()
        self._waiting: list[QueuedCommand] = []
        self._poked = False

    def __len__(self) -> int:
        """Return the number that wait."""
        with self._condition:
            return len(self._waiting)

    def add(self, command: QueuedCommand) -> list[QueuedCommand]:
        """Let a command wait; return those that it supersedes."""
        with self._condition:
            superseded = self._supersede(command)
            self._insert(command)
            self._wake()
            return superseded

    def put_back(self, command: QueuedCommand) -> bool:
        """Let a command wait again at its place; False where a newer one has taken it meanwhile."""
        with self._condition:
            left = command.intent
            for newer in self._waiting:
                if newer.charger_id == command.charger_id and newer.seen > command.seen and newer.intent and left:
                    left = left.without(newer.intent.claims)
            if command.intent is not None and left is None:
                return False
            command.intent = left
            self._insert(command)
            return True

    def _supersede(self, new: QueuedCommand) -> list[QueuedCommand]:
        superseded = []
        for old in self._waiting:
            if old.charger_id != new.charger_id or old.intent is None or new.intent is None:
                continue
            left = old.intent.without(new.intent.claims)
            if left is None:
                superseded.append(old)
                new.order = min(new.order, old.order)
            else:
                old.intent = left
        self._waiting = [command for command in self._waiting if command not in superseded]
        return superseded

    def _insert(self, command: QueuedCommand) -> None:
        self._waiting.append(command)
        self._waiting.sort(key=lambda waiting: (not waiting.urgent, waiting.order))

    def waiting(self) -> list[QueuedCommand]:
        """Return those that wait, in the order in which they are to be sent."""
        with self._condition:
            return list(self._waiting)

    def take(self, command: QueuedCommand) -> bool:
        """Take one out; False where it has been superseded since."""
        with self._condition:
            if command not in self._waiting:
                return False
            self._waiting.remove(command)
            return True

    def drain(self) -> list[QueuedCommand]:
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
