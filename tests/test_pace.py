"""How often is read, and what refusals do to it."""

import math

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.pace import LONGEST_WAIT_S, Pace


@pytest.mark.parametrize(
    ("wish_s", "budget_s", "interval_s"), [(60, 20, 60), (5, 60, 60), (60, 60, 60), (0.2, 0.1, 0.2)]
)
def test_the_larger_of_the_wish_and_what_the_budget_allows(
    clock: FakeClock, wish_s: float, budget_s: float, interval_s: float
) -> None:
    pace = Pace(wish_s, budget_s, clock)
    assert pace.interval_s == interval_s
    assert not pace.is_slowed
    assert pace.wait_s() == 0


def test_back_off_doubles_from_two_intervals_to_15_minutes(clock: FakeClock) -> None:
    pace = Pace(20, 20, clock)
    waits = []
    for _ in range(8):
        pace.refused(None)
        waits.append(pace.wait_s())
        clock.advance(pace.wait_s())
    assert waits == [40, 80, 160, 320, 640, 900, 900, 900]
    assert pace.refused_total == 8


def test_a_success_begins_the_back_off_anew_and_leaves_the_pace_slow(clock: FakeClock) -> None:
    pace = Pace(20, 20, clock)
    pace.refused(None)
    pace.refused(None)
    pace.succeeded()
    clock.advance(1000)
    pace.refused(None)
    assert pace.wait_s() == 40
    assert pace.interval_s == 160


@pytest.mark.parametrize(
    ("asked_s", "wait_s"), [(0, 0), (7, 7), (899, 899), (901, 900), (math.inf, LONGEST_WAIT_S), (-5, 0)]
)
def test_retry_after_is_obeyed_and_capped(clock: FakeClock, asked_s: float, wait_s: float) -> None:
    pace = Pace(20, 20, clock)
    pace.refused(asked_s)
    assert pace.wait_s() == wait_s


def test_a_refused_pace_is_not_tried_again_for_an_hour(clock: FakeClock) -> None:
    pace = Pace(20, 20, clock)
    pace.refused(None)
    pace.succeeded()
    assert pace.interval_s == 40
    assert pace.is_slowed
    clock.advance(3599)
    assert pace.interval_s == 40
    clock.advance(1)
    assert pace.interval_s == 20
    assert not pace.is_slowed


def test_each_refusal_slows_to_an_interval_of_15_minutes_at_most(clock: FakeClock) -> None:
    pace = Pace(60, 60, clock)
    intervals = []
    for _ in range(6):
        pace.refused(None)
        intervals.append(pace.interval_s)
    assert intervals == [120, 240, 480, 900, 900, 900]


def test_a_slower_wish_is_never_made_faster(clock: FakeClock) -> None:
    pace = Pace(3600, 60, clock)
    pace.refused(None)
    assert pace.interval_s == 3600
    assert pace.wait_s() == LONGEST_WAIT_S


def test_a_clock_that_jumps_changes_nothing(clock: FakeClock) -> None:
    pace = Pace(20, 20, clock)
    pace.refused(None)
    clock.jump(-86400)
    assert pace.wait_s() == 40
