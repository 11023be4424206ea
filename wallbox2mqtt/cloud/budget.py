"""The budget of an account is law: in no 60 s does the cloud see more requests than it allows.

Counted from the end of one request to the start of the next, so that it holds at the cloud's end of the line too,
however long a request was under way. Kept over restarts, so that a crash loop cannot hammer; where the times of the
last requests are lost, the budget counts as spent for one window.
"""

import logging
import math
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from wallbox2mqtt.catalogue.quantities import Json, is_number
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.journal import Journal
from wallbox2mqtt.errors import BudgetSpentError
from wallbox2mqtt.storage import StateError, Storage

_LOG = logging.getLogger(__name__)

MINUTE_S = 60.0
_HOUR_S = 3600.0
_FINE_S, _COARSE_S, _FEW = 0.001, 1.0, 60
_ROUNDING_S = 1e-6
_NO_TIMES = "damaged: these are no times"
_GRAIN_S = 0.02
"""A cloud that counts «within 60 s» inclusively, or whose clock is a little slower, must not be met."""


class Budget:
    """The reads, or the writes, of an account: so many a minute; a fraction makes the window longer."""

    def __init__(self, name: str, per_minute: float, clock: Clock, store: Storage, most: int = 1) -> None:
        """Restore the requests of the last minute before this start; ``most``: what it may be set to later."""
        self._name, self._clock, self._journal = name, clock, Journal(name, store)
        self._lock = threading.Lock()
        self._most = most
        self._running = 0
        self._ends: deque[float] = deque(maxlen=most)
        self.set_per_minute(per_minute)
        self._minutes: deque[tuple[int, int]] = deque()
        self.total = 0
        self._restore()

    def set_per_minute(self, per_minute: float) -> None:
        """Allow so many requests a minute from now on; those of the last minute count."""
        with self._lock:
            self.per_minute = per_minute
            self.slots = max(1, int(per_minute))
            self.window_s = MINUTE_S if per_minute >= 1 else MINUTE_S / per_minute
            if self.slots > self._most:
                self._most = self.slots
                self._ends = deque(self._ends, maxlen=self._most)

    @property
    def interval_s(self) -> float:
        """Seconds between requests that are spread evenly."""
        return self.window_s / self.slots

    def ready_in_s(self, spare: int = 0) -> float:
        """Return the seconds until a request may start that leaves so many free: 0 is now."""
        with self._lock:
            return self._ready_in_s(spare)

    def _ready_in_s(self, spare: int) -> float:
        free = self.slots - self._running - min(spare, self.slots - 1)
        if free <= 0:
            return self.window_s
        if len(self._ends) < free:
            return 0.0
        # the request that must have left the window before this one may start
        ready = self._ends[-free] + self.window_s + _GRAIN_S - self._clock.monotonic()
        # less than a microsecond is the rounding of a sum, not a wait
        return ready if ready > _ROUNDING_S else 0.0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count the request that this encloses.

        Raises:
            BudgetSpentError: it may not start yet.

        """
        with self._lock:
            self._check()
            self._running += 1
            self._count()
            self._journal.write(self._content(), durable=True)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self._ends.append(self._clock.monotonic())
                # a power cut may lose this: the request then counts as one that was under way
                self._journal.write(self._content(), durable=False)

    def check(self) -> None:
        """Make sure that a request may start now.

        Raises:
            BudgetSpentError: it may not.

        """
        with self._lock:
            self._check()

    def _check(self) -> None:
        if (ready := self._ready_in_s(0)) > 0:
            raise BudgetSpentError(ready)

    def last_hour(self) -> int:
        """Return the number of requests of the last 60 minutes."""
        with self._lock:
            self._forget()
            return sum(count for _, count in self._minutes)

    def _count(self) -> None:
        self.total += 1
        minute = int(self._clock.monotonic() // MINUTE_S)
        last, count = self._minutes.pop() if self._minutes and self._minutes[-1][0] == minute else (minute, 0)
        self._minutes.append((last, count + 1))
        self._forget()

    def _forget(self) -> None:
        oldest = int((self._clock.monotonic() - _HOUR_S) // MINUTE_S)
        while self._minutes and self._minutes[0][0] <= oldest:
            self._minutes.popleft()

    def close(self) -> None:
        """Keep the times over a stop in order."""
        with self._lock:
            self._journal.close(self._content())

    def _content(self) -> dict[str, Json]:
        """Return when the requests ended, rounded up; large budgets by the second, to keep it quick."""
        now = self._clock.monotonic()
        offset = self._clock.wall() - now
        grain = _FINE_S if len(self._ends) <= _FEW else _COARSE_S
        recent = (end for end in self._ends if now - end < self.window_s + _GRAIN_S)
        counted = Counter(math.ceil((end + offset) / grain) for end in recent)
        ends: list[Json] = [[tick * grain, count] for tick, count in counted.items()]
        return {"ends": ends, "running": self._running}

    def _restore(self) -> None:
        """Restore the ends of the last window's requests; where they are not known, the budget is spent."""
        try:
            kept = self._journal.load()
            self._ends.extend([] if kept is None else self._ends_of(kept))
        except StateError as error:
            spent = f"it counts as spent for {self.window_s:.0f} s"
            _LOG.warning("the times of the last requests are unknown, %s budget=%s error=%s", spent, self._name, error)
            self._spend_all()
        if not self._journal.open(self._content()) and not self._journal.is_new:
            self._spend_all()

    def _spend_all(self) -> None:
        self._ends.extend([self._clock.monotonic()] * self._most)

    def _ends_of(self, kept: dict[str, Json]) -> list[float]:
        """Return the ends in this process' time; what is in the future ended now.

        Raises:
            StateError: these are no times.

        """
        now, wall = self._clock.monotonic(), self._clock.wall()
        ends, running = kept.get("ends"), kept.get("running")
        if not isinstance(ends, list) or not isinstance(running, int) or isinstance(running, bool) or running < 0:
            raise StateError(_NO_TIMES)
        times = [end for entry in ends for end in self._times(entry)]
        # a request was under way when the process died: it may have arrived as late as that
        times += [wall] * min(running, self._most)
        recent = [end for end in times if wall - end < self.window_s + _GRAIN_S]
        return sorted(now - max(0.0, wall - end) for end in recent)[-self._most :]

    def _times(self, entry: Json) -> list[float]:
        """Return the times of an entry, which is (time, count).

        Raises:
            StateError: it is something else.

        """
        match entry:
            case [int() | float() as end, int() as count] if is_number(end) and is_number(count) and count > 0:
                return [float(end)] * min(count, self._most)
        raise StateError(_NO_TIMES)
