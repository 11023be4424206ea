"""When the schedules of a charger are read: after the start, daily, after a write, when a charger waits for one.

Times are monotonic seconds. Any thread may call.
"""

import math
import threading
from dataclasses import dataclass

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.statuses import SCHEDULED
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.errors import CloudError, RateLimitedError, RequestRefusedError, UnauthorizedError

DAY_S = 86_400.0
_AGAIN_S, _LATER_S = 60.0, 3600.0
_FIRST_TRIES = 3
_WAITS = (RateLimitedError, UnauthorizedError)
"""What says nothing of the schedules."""


@dataclass(slots=True)
class _SchedulesState:
    """What is known of one. ``has_some``: they could be read once."""

    due: float
    wanted: bool = False
    failures: int = 0
    has_some: bool = False
    problem: str = ""
    failed_at: float = -math.inf
    status_id: Json = None


class ScheduleReads:
    """Knows whose schedules are to be read next."""

    def __init__(self, clock: Clock, settle_s: float) -> None:
        """Start with nothing due; ``settle_s``: how long after a write the cloud may show the old ones."""
        self._clock, self._settle_s = clock, settle_s
        self._lock = threading.Lock()
        self._chargers: dict[int, _SchedulesState] = {}

    def _of(self, charger_id: int) -> _SchedulesState:
        return self._chargers.setdefault(charger_id, _SchedulesState(self._clock.monotonic()))

    def follow(self, charger_id: int, status_id: Json) -> None:
        """Record a charger's status: the schedules of a new one are due, and of one that begins to wait for a slot."""
        with self._lock:
            charger = self._of(charger_id)
            if status_id in SCHEDULED and charger.status_id not in {None, *SCHEDULED}:
                charger.due = self._clock.monotonic()
            charger.status_id = status_id

    def want(self, charger_id: int) -> None:
        """Read them as soon as the budget allows: a command waits for them."""
        with self._lock:
            self._of(charger_id).wanted = True

    def written(self, charger_id: int) -> None:
        """Record a write: they are due when the cloud must show it."""
        with self._lock:
            charger = self._of(charger_id)
            charger.due = min(charger.due, self._clock.monotonic() + self._settle_s)

    @property
    def is_wanted(self) -> bool:
        """Whether a command waits for some."""
        with self._lock:
            return any(charger.wanted for charger in self._chargers.values())

    def next(self, *, wanted: bool) -> int | None:
        """Return the charger whose are to be read now; ``wanted``: only where a command waits for them."""
        with self._lock:
            now = self._clock.monotonic()
            due = [
                one for one, charger in self._chargers.items() if charger.wanted or (charger.due <= now and not wanted)
            ]
            return min(due, key=lambda charger_id: not self._chargers[charger_id].wanted, default=None)

    def succeeded(self, charger_id: int) -> None:
        """Record that they were read."""
        with self._lock:
            charger = self._of(charger_id)
            charger.failures, charger.wanted, charger.has_some = 0, False, True
            charger.due = self._clock.monotonic() + DAY_S

    def failed(self, charger_id: int, error: CloudError) -> None:
        """Record that they could not be read; a command waits on where only the pace or the token was refused."""
        with self._lock:
            charger = self._of(charger_id)
            charger.failures += 1
            now, is_first = self._clock.monotonic(), charger.failures < _FIRST_TRIES
            charger.due = now + self._pause_s(charger, error, is_first=is_first)
            if not (isinstance(error, _WAITS) and is_first):
                charger.problem, charger.failed_at, charger.wanted = str(error), now, False

    @staticmethod
    def _pause_s(charger: _SchedulesState, error: CloudError, *, is_first: bool) -> float:
        """Return when to try again: a refusal lasts, unless it was for another reason, or they were read before."""
        if isinstance(error, RequestRefusedError):
            return _LATER_S if is_first or charger.has_some else DAY_S
        return _AGAIN_S if is_first else _LATER_S

    def problem_of(self, charger_id: int, since: float) -> str | None:
        """Return why they could not be read since a time; None where they could, or were not tried."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return charger.problem if charger is not None and charger.failed_at >= since else None

    def keep_only(self, charger_ids: set[int]) -> None:
        """Let go of all other chargers."""
        with self._lock:
            for charger_id in self._chargers.keys() - charger_ids:
                del self._chargers[charger_id]
