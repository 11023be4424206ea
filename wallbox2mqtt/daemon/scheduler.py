"""What is done again and again, by ``schedule``, and what that lacks: a wall clock that jumps must not stop it."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import cast

import schedule

from wallbox2mqtt.clock import Clock

_JUMP_S = 2.0
_SHORTEST_S = 0.01

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
