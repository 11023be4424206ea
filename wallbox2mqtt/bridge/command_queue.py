"""The commands on their way: one place where they wait, one expiry, one drain. Any thread may call.

A command waits for a first reading of its charger, for its turn and the budget, or, where it asks for a reading, for
that. Of several for the same field of the same charger only the newest is kept.
"""

import enum
import itertools
import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from wallbox2mqtt.bridge.debounce import Debounce
from wallbox2mqtt.catalogue import Intent
from wallbox2mqtt.clock import Clock, Wakeup
from wallbox2mqtt.mqtt import Reply

_ORDER = itertools.count()

MAX_UNREAD = 10_000
MAX_UNREAD_BYTES = 12 * 1024 * 1024
"""How many commands may wait for a first reading, and how much of memory they may take. What waits for the budget
needs no limit: it is one a field and charger."""
_COMMAND_BYTES = 500


class Stage(enum.Enum):
    """What a command waits for."""

    UNREAD = "a first reading of its charger"
    READING = "the reading that it asks for"
    READY = "its turn and the budget"
    IN_FLIGHT = "the cloud's answer"


_WAITING = (Stage.READY, Stage.READING, Stage.UNREAD)


@dataclass(slots=True, eq=False)
class QueuedCommand:
    """A command from its arrival to its result. Times are monotonic.

    ``payload``: as it came. ``refusal``: why it is rejected once it is known that the charger is ours. ``intent``:
    None until it was understood; before the first reading it is only what can be understood without one.
    ``seen``: its number by arrival. ``order``: its place; inherited from the one that it supersedes, or two dragged
    sliders would starve one another. ``waits_since``: when the first of those arrived whose place it has.
    ``not_before`` and ``expires``: when it may be sent. ``tries``: requests that got no answer. ``unlocked``: its
    charger was unlocked for it. ``renewed``: it was refused for its token once. ``answered`` and ``unconfirmed``: it
    has its result, and the later one that corrects it.
    """

    charger_id: int
    key: str
    arrived: float
    reply: Reply | None = None
    payload: bytes = b""
    refusal: str | None = None
    intent: Intent | None = None
    stage: Stage | None = None
    order: int = field(default_factory=lambda: next(_ORDER))
    seen: int = field(default_factory=lambda: next(_ORDER))
    tries: int = 0
    not_before: float = 0.0
    waits_since: float = math.inf
    renewed: bool = False
    answered: bool = False
    unconfirmed: bool = False
    unlocked: bool = False
    expires: float = math.inf

    @property
    def urgent(self) -> bool:
        """Whether it passes the others."""
        return self.intent is not None and self.intent.command.urgent

    @property
    def size(self) -> int:
        """About how many bytes it takes while it waits for a first reading."""
        reply = 0 if self.reply is None else len(self.reply.topic) + len(self.reply.correlation or b"")
        return _COMMAND_BYTES + len(self.key) + len(self.payload) + reply


class CommandQueue:
    """Knows every command that has no result yet, by stage and charger."""

    def __init__(self, clock: Clock, debounce: Debounce) -> None:
        self._clock, self._debounce = clock, debounce
        self.wakeup = Wakeup(clock)
        self._lock = threading.Lock()
        self._stages: dict[Stage, dict[int, list[QueuedCommand]]] = {stage: {} for stage in Stage}
        self._unread = self._unread_bytes = 0
        self._first_deadline = math.inf

    def __len__(self) -> int:
        """Return the number of commands that wait."""
        with self._lock:
            return sum(1 for _ in self._all(*_WAITING))

    def set_budget(self, limit: int, window_s: float) -> None:
        """Spread values over so many writes in each ``window_s`` from now on."""
        with self._lock:
            self._debounce.set_budget(limit, window_s)
            self.wakeup.set()

    def _all(self, *stages: Stage) -> Iterator[QueuedCommand]:
        return (command for stage in stages for commands in self._stages[stage].values() for command in commands)

    def _enter(self, command: QueuedCommand, stage: Stage) -> None:
        command.stage = stage
        self._stages[stage].setdefault(command.charger_id, []).append(command)
        if stage is not Stage.IN_FLIGHT:
            self._first_deadline = min(self._first_deadline, command.expires)
        if stage is Stage.UNREAD:
            self._unread += 1
            self._unread_bytes += command.size

    def _leave(self, command: QueuedCommand) -> bool:
        """Take a command out; return whether it was there."""
        if command.stage is None:
            return False
        chargers = self._stages[command.stage]
        chargers[command.charger_id].remove(command)
        if not chargers[command.charger_id]:
            del chargers[command.charger_id]
        if command.stage is Stage.UNREAD:
            self._unread -= 1
            self._unread_bytes -= command.size
        command.stage = None
        return True

    def _take_out(self, commands: Iterable[QueuedCommand]) -> list[QueuedCommand]:
        taken = list(commands)
        for command in taken:
            self._leave(command)
        return taken

    # Waiting for a first reading

    def hold(self, command: QueuedCommand) -> bool:
        """Let a command wait for a first reading of its charger; False where too many do."""
        with self._lock:
            if self._unread >= MAX_UNREAD or self._unread_bytes + command.size > MAX_UNREAD_BYTES:
                return False
            self._enter(command, Stage.UNREAD)
            return True

    def release(self, charger_ids: Iterable[int]) -> list[QueuedCommand]:
        """Take out what waits for a first reading of these chargers, in order of arrival."""
        with self._lock:
            unread = self._stages[Stage.UNREAD]
            released = self._take_out(command for charger in charger_ids for command in unread.get(charger, ()))
        return sorted(released, key=lambda command: command.seen)

    def unread(self) -> list[int]:
        """Return the chargers for whose first reading commands wait."""
        with self._lock:
            return list(self._stages[Stage.UNREAD])

    # Waiting for a reading

    def awaited(self) -> set[int]:
        """Return the chargers for whose reading commands wait, be it the first or another."""
        with self._lock:
            return self._stages[Stage.UNREAD].keys() | self._stages[Stage.READING].keys()

    def awaits_reading(self, charger_id: int) -> bool:
        """Return whether a command asks for a reading of this charger."""
        with self._lock:
            return charger_id in self._stages[Stage.READING]

    def take_read(self, charger_id: int, begun: float) -> list[QueuedCommand]:
        """Take out the requests for a reading of this charger that are older than the one that began at ``begun``."""
        with self._lock:
            waiting = self._stages[Stage.READING].get(charger_id, ())
            return self._take_out(command for command in waiting if command.arrived <= begun)

    # Waiting for the budget

    def add(self, command: QueuedCommand) -> list[QueuedCommand]:
        """Let a command wait that was understood; return those that it supersedes."""
        with self._lock:
            superseded = self._supersede(command)
            asks_for_reading = command.intent is not None and command.intent.request is None
            self._enter(command, Stage.READING if asks_for_reading else Stage.READY)
            if command.intent is not None and not command.urgent and not asks_for_reading:
                waits_since = min([command.arrived, *(old.waits_since for old in superseded)])
                command.waits_since = waits_since
                command.not_before = self._debounce.due(
                    command.charger_id, command.intent.claims, command.arrived, waits_since
                )
            self.wakeup.set()
            return superseded

    def _rivals(self, command: QueuedCommand) -> list[QueuedCommand]:
        stages = (Stage.READING, Stage.READY)
        return [one for stage in stages for one in self._stages[stage].get(command.charger_id, ())]

    def _supersede(self, new: QueuedCommand) -> list[QueuedCommand]:
        superseded = []
        for old in self._rivals(new):
            if old.intent is None or new.intent is None:
                continue
            left = old.intent.without(new.intent.claims)
            if left is None:
                superseded.append(old)
                self._leave(old)
                new.order = min(new.order, old.order)
            else:
                old.intent = left
        return superseded

    def put_back(self, command: QueuedCommand) -> bool:
        """Let the command in flight wait again at its place; False where a newer one has taken it meanwhile."""
        with self._lock:
            if command.stage is not Stage.IN_FLIGHT:
                return True  # it was taken out at the end, and has its result
            left = command.intent
            for newer in self._rivals(command):
                if newer.seen > command.seen and newer.intent and left:
                    left = left.without(newer.intent.claims)
            if command.intent is not None and left is None:
                return False
            self._leave(command)
            command.intent = left
            self._enter(command, Stage.READY)
            return True

    def waiting(self) -> list[QueuedCommand]:
        """Return those that wait for the budget, in the order in which they are to be sent."""
        with self._lock:
            return sorted(self._all(Stage.READY), key=lambda command: (not command.urgent, command.order))

    def start(self, command: QueuedCommand) -> bool:
        """Name a command that is sent now; False where it has been superseded since, or is too old by now."""
        with self._lock:
            if command.stage is not Stage.READY or command.expires <= self._clock.monotonic():
                return False
            self._leave(command)
            self._enter(command, Stage.IN_FLIGHT)
            if command.intent is not None and not command.urgent:
                self._debounce.sent(command.charger_id, command.intent.claims, self._clock.monotonic())
            return True

    def remove(self, command: QueuedCommand) -> bool:
        """Take a command out; False where it is not there, or no longer."""
        with self._lock:
            return self._leave(command)

    @property
    def in_flight(self) -> QueuedCommand | None:
        """The command that is sent now."""
        with self._lock:
            return next(self._all(Stage.IN_FLIGHT), None)

    # The end of a command

    def finish(self, command: QueuedCommand) -> None:
        """Take out a command that was sent, unless it waits again."""
        with self._lock:
            if command.stage is Stage.IN_FLIGHT:
                self._leave(command)

    def expire(self) -> list[QueuedCommand]:
        """Take out what has become too old, whatever it waits for."""
        with self._lock:
            now = self._clock.monotonic()
            if now < self._first_deadline:
                return []  # not to look at thousands each time
            expired = self._take_out(command for command in self._all(*_WAITING) if command.expires <= now)
            self._first_deadline = min((command.expires for command in self._all(*_WAITING)), default=math.inf)
            return expired

    def expires_in_s(self) -> float:
        """Return the seconds until ``expire`` is to look: when the oldest command is too old, or would have been."""
        with self._lock:
            return max(0.0, self._first_deadline - self._clock.monotonic())

    def drain(self) -> tuple[list[QueuedCommand], list[QueuedCommand]]:
        """Take all out: those that wait, and what is in flight."""
        with self._lock:
            in_flight = self._take_out(self._all(Stage.IN_FLIGHT))
            return self._take_out(self._all(*_WAITING)), in_flight
