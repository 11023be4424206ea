"""The budget of an account: the cloud never sees more requests than it allows in any 60 s.

Counted from the end of one request to the start of the next, so that it holds at the cloud's end of the line too,
however long a request was under way. Kept over restarts, so that a crash loop cannot hammer; where the times of the
last requests are lost, the budget counts as spent for one window. A command that asks beside the bridge takes turns
with it: each sees the other's requests in its file.
"""

import logging
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.journal import Journal
from wallbox2mqtt.cloud.turns import ASKED, OtherProcess, times_of
from wallbox2mqtt.errors import BudgetSpentError
from wallbox2mqtt.storage import StateError, Storage, number

_LOG = logging.getLogger(__name__)

MINUTE_S = 60.0
_HOUR_S = 3600.0
_FINE_S, _COARSE_S, _FEW = 0.001, 1.0, 60
_ROUNDING_S = 1e-6
_NO_TIMES = "damaged: these are no times"
_GRAIN_S = 0.02
"""A cloud that counts «within 60 s» inclusively, or whose clock is a little slower, must not be met."""
_COURTESY_S = 1.0
"""So much later than it might does the bridge ask while a command asks too, whose turn it is then."""


class Budget:
    """The reads, or the writes, of an account: so many per minute; a fraction makes the window longer."""

    def __init__(
        self, name: str, per_minute: float, clock: Clock, store: Storage, most: int = 1, *, is_command: bool = False
    ) -> None:
        """Restore the requests of the last minute before this start.

        ``name``: of the file. ``most``: what ``per_minute`` may be set to later. ``is_command``: whether this is a
        command, which asks in turn with a bridge that may run.
        """
        own, other = (f"{name}-beside", name) if is_command else (name, f"{name}-beside")
        if is_command and store.is_new:
            Journal(other, store).open({"ends": [], "running": 0})  # or the first bridge would miss its file
        self._name, self._clock, self._is_command = name, clock, is_command
        self._journal, self._other = Journal(own, store, is_expected=not is_command), OtherProcess(other, store)
        self._lock = threading.RLock()
        self._most = most
        self._running = 0
        self._asked = clock.wall() if is_command else 0.0
        self.held_s: Callable[[], float] = lambda: 0.0
        """Returns the seconds for which nothing may be asked, whatever the budget allows; called without a wait."""
        self._ends: deque[float] = deque(maxlen=most)
        self.set_per_minute(per_minute)
        self._hour: deque[float] = deque()
        self.total = 0
        self._restore()

    def set_per_minute(self, per_minute: float) -> None:
        """Allow so many requests a minute from now on; those of the last minute count."""
        with self._lock:
            self.per_minute = per_minute
            self.limit = max(1, int(per_minute))
            self.window_s = MINUTE_S if per_minute >= 1 else MINUTE_S / per_minute
            if self.limit > self._most:
                self._most = self.limit
                self._ends = deque(self._ends, maxlen=self._most)

    @property
    def interval_s(self) -> float:
        """Seconds between requests that are spread evenly."""
        return self.window_s / self.limit

    def ready_in_s(self, spare: int = 0) -> float:
        """Return the seconds until a request may start that leaves so many free: 0 is now."""
        with self._lock:
            return max(self.held_s(), self._free_in_s(spare))

    @property
    def has_company(self) -> bool:
        """Whether another process of this machine asks of the same account."""
        self._other.look(now := self._clock.wall())
        return self._other.is_near(now, self.window_s)

    def _free_in_s(self, spare: int) -> float:
        free = self.limit - self._running - min(spare, self.limit - 1)
        if free <= 0:
            return self.window_s
        has_company = self.has_company
        others = self._recent(self._other.ends(self._clock.wall(), self._most))
        ends = sorted([*self._ends, *others]) if others else self._ends
        # the request that must have left the window before this one may start
        since = ends[-free] + self.window_s + _GRAIN_S if len(ends) >= free else -math.inf
        # a command asks at every second interval, the bridge a little later than it might, so that both come to it
        if has_company and not self._is_command:
            since += _COURTESY_S
        elif has_company and self._ends:
            since = max(since, self._ends[-1] + 2 * self.interval_s)
        ready = since - self._clock.monotonic()
        # less than a microsecond is the rounding of a sum, not a wait
        return ready if ready > _ROUNDING_S else 0.0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count the request that this encloses.

        One that is not sent after all, for which BudgetSpentError is raised inside, is not counted.

        Raises:
            BudgetSpentError: it may not start yet.

        """
        with self._lock:
            self.check()
            self._asked = self._clock.wall()
            self._journal.write(self._content(starting=1), durable=True)
            # where the other process wrote one down at the same moment, both withdraw theirs
            if (ready := self.ready_in_s()) > 0:
                self._journal.write(self._content(), durable=False)
                raise BudgetSpentError(ready)
            self._running += 1
            self.total += 1
            self._hour.append(self._clock.monotonic())
        was_sent = True
        try:
            yield
        except BudgetSpentError:
            was_sent = False
            raise
        finally:
            with self._lock:
                self._running -= 1
                if was_sent:
                    self._ends.append(self._clock.monotonic())
                # a power cut may lose this: the request then counts as one that was under way
                self._journal.write(self._content(), durable=False)

    def check(self) -> None:
        """Make sure that a request may start now.

        Raises:
            BudgetSpentError: it may not.

        """
        if (ready := self.ready_in_s()) > 0:
            raise BudgetSpentError(ready)

    @property
    def free(self) -> int:
        """How many requests may start now."""
        with self._lock:
            return max(0, self.limit - self._running - len(self._ages()))

    def last_hour(self) -> int:
        """Return the number of requests of the last 60 minutes."""
        with self._lock:
            while self._hour and self._clock.monotonic() - self._hour[0] >= _HOUR_S:
                self._hour.popleft()
            return len(self._hour)

    def _ages(self) -> list[float]:
        """Return how long ago requests ended that still count."""
        now = self._clock.monotonic()
        return [now - end for end in self._ends if now - end < self.window_s + _GRAIN_S]

    @property
    def _grain_s(self) -> float:
        """To what times are rounded; large budgets by the second, to keep it short."""
        return _FINE_S if len(self._ends) <= _FEW else _COARSE_S

    def last_window(self) -> tuple[list[tuple[float, int]], int]:
        """Return how long ago requests of the last window ended, each with their number, and how many are under way.

        Rounded down, so that nothing is older than it was.
        """
        with self._lock:
            grain = self._grain_s
            counted = Counter(math.floor(age / grain) for age in self._ages())
            return [(round(tick * grain, 3), count) for tick, count in counted.items()], self._running

    def adopt(self, ages: Iterable[float]) -> None:
        """Count requests of another one that spent this budget before, which ended so many seconds ago."""
        with self._lock:
            now = self._clock.monotonic()
            others = [now - max(0.0, age) for age in ages if age < self.window_s + _GRAIN_S]
            self._ends = deque(sorted([*self._ends, *others]), maxlen=self._most)
            self._journal.write(self._content(), durable=True)

    def spend(self) -> None:
        """Count as spent for one window: nobody knows what another one has asked."""
        self.adopt([0.0] * self._most)

    def close(self) -> None:
        """Keep the times over a stop in order."""
        with self._lock:
            self._journal.close(self._content())

    def _content(self, starting: int = 0) -> dict[str, Json]:
        """Return when the requests ended, rounded up, so that nothing is older than it was."""
        wall, grain = self._clock.wall(), self._grain_s
        counted = Counter(math.ceil((wall - age) / grain) for age in self._ages())
        ends: list[Json] = [[tick * grain, count] for tick, count in counted.items()]
        return {"ends": ends, "running": self._running + starting, ASKED: self._asked}

    def _restore(self) -> None:
        """Restore the ends of the last window's requests; where they are not known, the budget is spent."""
        try:
            kept = self._journal.load()
            if kept is not None:
                self._ends.extend(self._ends_of(kept))
                self._asked = max(self._asked, number(kept, ASKED))
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
        entries, running = kept.get("ends"), kept.get("running")
        if not isinstance(entries, list) or not isinstance(running, int) or isinstance(running, bool) or running < 0:
            raise StateError(_NO_TIMES)
        ends = [times_of(entry, self._most) for entry in entries]
        if not all(ends):
            raise StateError(_NO_TIMES)
        # a request was under way when the process died: it may have arrived as late as that
        ends.append([self._clock.wall()] * min(running, self._most))
        return self._recent(chain.from_iterable(ends))[-self._most :]

    def _recent(self, ends: Iterable[float]) -> list[float]:
        """Return those of the last window, which are seconds since 1970, in this process' time and in order."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        recent = [end for end in ends if wall - end < self.window_s + _GRAIN_S]
        return sorted(now - max(0.0, wall - end) for end in recent)
