"""Jobs again and again. ``schedule`` goes by the system's clock: the intervals here are short and real."""

import time
from collections import Counter

import pytest

from tests.fakes import FakeClock
from tests.mosquitto import eventually
from wallbox2mqtt.daemon.scheduler import Scheduler

LONG_S = 3600.0


class Jobs:
    """A timetable, and how often each job was done."""

    def __init__(self, clock: FakeClock) -> None:
        self.table = Scheduler(clock)
        self.done = Counter[str]()

    def often(self) -> None:
        self.done["often"] += 1

    def seldom(self) -> None:
        self.done["seldom"] += 1

    def run(self) -> Counter[str]:
        self.table.run()
        return self.done


@pytest.fixture
def jobs(clock: FakeClock) -> Jobs:
    return Jobs(clock)


def test_each_at_its_interval(jobs: Jobs) -> None:
    begun = time.monotonic()
    jobs.table.set({jobs.often: 0.02, jobs.seldom: LONG_S})
    assert 0 <= jobs.table.idle_s <= 0.02
    eventually(lambda: jobs.run()["often"] == 5, "five times")
    assert time.monotonic() - begun >= 0.09
    assert jobs.done["seldom"] == 0


def test_without_jobs_nothing_is_due(jobs: Jobs) -> None:
    jobs.table.set({})
    assert jobs.run() == {}


def test_what_has_passed_counts_when_it_is_set_anew(jobs: Jobs) -> None:
    """However often that is: a clock that jumps again and again must not put a job off for ever."""
    begun = time.monotonic()

    def anew() -> bool:
        jobs.table.set({jobs.often: 0.2})
        return jobs.run()["often"] > 0

    eventually(anew, "it is done all the same")
    assert time.monotonic() - begun >= 0.19


def test_what_is_left_out_is_done_no_more(jobs: Jobs) -> None:
    jobs.table.set({jobs.often: 0.0})
    eventually(lambda: jobs.run()["often"] == 1, "once")
    jobs.table.set({jobs.seldom: 0.0})
    eventually(lambda: jobs.run()["seldom"] == 3, "three times")
    assert jobs.done["often"] == 1


@pytest.mark.parametrize("steps", [[2.5], [-2.5], [-86400], [1, 1, 1]], ids=["forward", "back", "a day", "small steps"])
def test_jumps_of_the_wall_clock(jobs: Jobs, clock: FakeClock, steps: list[float]) -> None:
    jobs.table.set({jobs.seldom: LONG_S})
    clock.advance(10_000)
    assert not jobs.table.has_jumped(), "time that only passes is no jump"
    for step in steps:
        assert not jobs.table.has_jumped()
        clock.jump(step)
    assert jobs.table.has_jumped()
    jobs.table.set({jobs.seldom: LONG_S})
    assert not jobs.table.has_jumped()
