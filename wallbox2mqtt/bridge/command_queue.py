"""Commands on their way: those that wait for the writer, and the answers that they get."""

import itertools
import threading
from dataclasses import dataclass, field

from wallbox2mqtt.catalogue import Intent
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.mqtt import Reply

_ORDER = itertools.count()


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
