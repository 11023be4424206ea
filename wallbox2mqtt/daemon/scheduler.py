"""When main does what it does again and again, and when in its interval the bridge reads.

``schedule`` does it; what that lacks is here: a wall clock that jumps must not stop it.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import cast

import schedule

from wallbox2mqtt.clock import Clock

_JUMP_S = 2.0
_SHORTEST_S = 0.01
STEPS = 10
"""So many intervals are stretched, each by a tenth at most."""

Job = Callable[[], None]


class Scheduler:
    """Jobs with their intervals in real seconds. Main calls it.

    ``TZ`` has to be UTC: ``schedule`` compares naive local times and would pause for an hour at the end of summer time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scheduler = schedule.Scheduler()
        self._offset = 0.0
        self._done_at: dict[Job, float] = {}

    def set(self, jobs: Mapping[Job, float]) -> None:
        """Do each of these after so many real seconds, again and again, instead of what there was.

        What has passed of them counts, or jumps of the clock would put them off.
        """
        self._offset = self._clock.wall() - self._clock.monotonic()
        self._scheduler.clear()
        now = time.monotonic()
        for job, seconds in jobs.items():
            # schedule's annotation says int; it makes a timedelta of it, which takes fractions
            made: schedule.Job = self._scheduler.every(cast("int", max(seconds, _SHORTEST_S))).seconds.do(self._do, job)
            if made.next_run is not None:
                made.next_run -= timedelta(seconds=now - self._done_at.setdefault(job, now))

    def _do(self, job: Job) -> None:
        self._done_at[job] = time.monotonic()
        job()

    def has_jumped(self) -> bool:
        """Return whether the wall clock, which the jobs go by, has jumped: then they have to be set anew.

        No job may do this: after a jump back of an hour it would come an hour late.
        """
        # since they were set, and not since the last look: many small steps are a large one
        return abs(self._clock.wall() - self._clock.monotonic() - self._offset) > _JUMP_S

    def run(self) -> None:
        """Do what is due."""
        self._scheduler.run_pending()

    @property
    def idle_s(self) -> float:
        """Real seconds until something is due."""
        return max(self._scheduler.idle_seconds or 0.0, 0.0)


class ReadPhase:
    """When in its interval a process reads: many that were started together must not ask the cloud in step.

    The first read comes at once. Each of the next ones comes a little later than the interval says, until the phase is
    that of the account: between nothing and a whole interval, by its hash. Main calls it.
    """

    def __init__(self, account: str) -> None:
        digest = hashlib.sha256(account.encode()).digest()
        self._share = int.from_bytes(digest[:4]) / 2**32
        self._left = STEPS

    def stretched(self, interval_s: float) -> float:
        """Return the seconds from the last tick to the next one."""
        return interval_s * (1 + self._share / STEPS) if self._left else interval_s

    def record_tick(self) -> None:
        """Record that an interval has passed."""
        self._left = max(0, self._left - 1)
