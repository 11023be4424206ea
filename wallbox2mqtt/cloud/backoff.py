"""How often to read, and what a refusal does to it. Kept in ``state_dir``, so that a restart does not read sooner."""

import math
import threading
from collections.abc import Callable

from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.storage import Storage, age_s, number

LONGEST_WAIT_S = 15 * 60.0
_SLOW_FOR_S = 3600.0
_LEAST_WAIT_S = 2.0
"""The wait after a first refusal, however little it asked for; doubled with each further one."""


class Backoff:
    """The interval between reads: the larger of what is configured and what the budget allows, longer after refusals.

    An unspent read cannot be saved for later, so there is no slower pace for quiet times.
    """

    def __init__(
        self,
        wish_s: float,
        budget_interval_s: float,
        clock: Clock,
        store: Storage | None = None,
        name: str = "pace",
    ) -> None:
        """Restore the refusals of the last run; without a store, start without any. ``name``: of what is kept."""
        self._wish_s, self._base_s = wish_s, max(wish_s, budget_interval_s)
        self._clock, self._storage, self._name = clock, store, name
        self._lock = threading.Lock()
        self._slowness, self._slow_until = 1.0, 0.0
        self._refusals, self._not_before = 0, 0.0
        self.is_told = False
        """Whether the cloud said how long to wait after the last refusal."""
        self.refused_total = 0
        if store is not None:
            self._restore(store.read(name))

    @property
    def interval_s(self) -> float:
        """The interval at present. A pace that was refused is not tried again for an hour."""
        with self._lock:
            return self._interval_s()

    def _interval_s(self) -> float:
        if self._slowness > 1.0 and self._clock.monotonic() >= self._slow_until:
            self._slowness = 1.0
        return self._base_s * self._slowness

    @property
    def is_slowed(self) -> bool:
        """Whether a refusal has made the pace slower than it was."""
        return self.interval_s > self._base_s

    def set_budget_interval(self, seconds: float) -> None:
        """Read no more often than the budget allows from now on; what a refusal has made slower stays so."""
        with self._lock:
            interval = self._interval_s()
            is_slowed = self._slowness > 1.0
            self._base_s = max(self._wish_s, seconds)
            self._slowness = max(1.0, interval / self._base_s) if is_slowed else 1.0

    def wait_s(self) -> float:
        """Return the seconds for which nothing is read after a refusal; 0 when reading may go on."""
        with self._lock:
            return max(0.0, self._not_before - self._clock.monotonic())

    def refused(self, retry_after_s: float | None, *, is_slower: bool = False) -> None:
        """Record a refusal.

        Args:
            retry_after_s: what the cloud asked for.
            is_slower: the budget was made smaller for it, so that the interval need not be longer than that.

        """
        with self._lock:
            now = self._clock.monotonic()
            interval = self._interval_s()
            self._refusals += 1
            self.refused_total += 1
            doubled = 2.0 ** min(self._refusals, 20)
            self.is_told = retry_after_s is not None
            # «Retry-After: 0» is no leave to hammer
            wait = self._base_s * doubled if retry_after_s is None else max(retry_after_s, _LEAST_WAIT_S / 2 * doubled)
            self._not_before = now + min(wait, LONGEST_WAIT_S)
            if not is_slower:
                self._slowness = max(1.0, min(interval * 2, LONGEST_WAIT_S) / self._base_s)
                self._slow_until = now + _SLOW_FOR_S
            self._keep()

    def succeeded(self) -> None:
        """Record a request that was accepted: the next refusal begins at the shortest wait again."""
        with self._lock:
            if self._refusals:
                self._refusals = 0
                self._keep()

    def told(self) -> dict[str, Json]:
        """Return what the cloud has refused, as another one can ``adopt`` it; empty where nothing of it matters now."""
        with self._lock:
            told = self._told()
            return {**told} if max(told["wait_s"], told["slow_for_s"]) > 0 else {}

    def adopt(self, told: dict[str, Json]) -> None:
        """Heed what another one was told, where there is any of it."""
        with self._lock:
            if told:
                self._restore(told)
                self._keep()

    def _told(self) -> dict[str, float]:
        now = self._clock.monotonic()
        return {
            "refusals": self._refusals,
            "wait_s": round(self._not_before - now, 1),
            "interval_s": self._base_s * self._slowness,
            "slow_for_s": round(self._slow_until - now, 1),
        }

    def _keep(self) -> None:
        if self._storage is not None:
            self._storage.write(self._name, {"saved": self._clock.wall(), **self._told()})

    def _restore(self, kept: dict[str, Json]) -> None:
        now, age = self._clock.monotonic(), age_s(kept, self._clock.wall())
        self._refusals = int(min(max(number(kept, "refusals"), 0), 20))
        self._not_before = now + min(number(kept, "wait_s"), LONGEST_WAIT_S) - age
        self._slowness = max(1.0, min(number(kept, "interval_s"), LONGEST_WAIT_S) / self._base_s)
        self._slow_until = now + min(number(kept, "slow_for_s"), _SLOW_FOR_S) - age


class RetryDelay:
    """A wait that doubles with each failure in a row, for one thing that is tried again and again. Not thread-safe."""

    def __init__(
        self, first_s: float, longest_s: float, clock: Clock, spread: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Start without a wait; ``spread``: 0 to 1, by how much of a third each wait is shortened."""
        self._first_s, self._longest_s = first_s, longest_s
        self._clock, self._spread = clock, spread
        self._not_before = -math.inf
        self.failures = 0

    @property
    def left_s(self) -> float:
        """Seconds until the next try; 0 when it may be now."""
        return max(0.0, self._not_before - self._clock.monotonic())

    @property
    def is_longest(self) -> bool:
        """Whether the wait has grown as long as it may."""
        return self._first_s * 2.0 ** (self.failures - 1) >= self._longest_s

    def failed(self, at_least_s: float = 0.0) -> None:
        """Record a failure; ``at_least_s``: the wait that was asked for, obeyed up to the longest one."""
        self.failures += 1
        doubled = min(self._first_s * 2.0 ** min(self.failures - 1, 30), self._longest_s)
        wait = max(doubled * (1 - self._spread() / 3), min(at_least_s, self._longest_s))
        self._not_before = self._clock.monotonic() + wait

    def succeeded(self) -> None:
        """Record a success: the next failure waits for the shortest time again."""
        self.failures, self._not_before = 0, -math.inf

    def restore(self, failures: float, left_s: float) -> None:
        """Restore what an earlier run has met, within reason."""
        self.failures = int(min(max(failures, 0.0), 100.0))
        self._not_before = self._clock.monotonic() + min(left_s, self._longest_s) if self.failures else -math.inf
