"""How often is read, and what refusals do to it."""

import math
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.backoff import LONGEST_WAIT_S, Backoff
from wallbox2mqtt.storage import Storage


@pytest.mark.parametrize(
    ("wish_s", "budget_s", "interval_s"), [(60, 20, 60), (5, 60, 60), (60, 60, 60), (0.2, 0.1, 0.2)]
)
def test_the_larger_of_the_wish_and_what_the_budget_allows(
    clock: FakeClock, wish_s: float, budget_s: float, interval_s: float
) -> None:
    pace = Backoff(wish_s, budget_s, clock)
    assert pace.interval_s == interval_s
    assert not pace.is_slowed
    assert pace.wait_s() == 0


def test_back_off_doubles_from_two_intervals_to_15_minutes(clock: FakeClock) -> None:
    pace = Backoff(20, 20, clock)
    waits = []
    for _ in range(8):
        pace.refused(None)
        waits.append(pace.wait_s())
        clock.advance(pace.wait_s())
    assert waits == [40, 80, 160, 320, 640, 900, 900, 900]
    assert pace.refused_total == 8


def test_success_resets_the_back_off_but_not_the_pace(clock: FakeClock) -> None:
    pace = Backoff(20, 20, clock)
    pace.refused(None)
    pace.refused(None)
    pace.succeeded()
    clock.advance(1000)
    pace.refused(None)
    assert pace.wait_s() == 40
    assert pace.interval_s == 160


@pytest.mark.parametrize(
    ("asked_s", "wait_s"), [(0, 2), (1, 2), (7, 7), (899, 899), (901, 900), (math.inf, LONGEST_WAIT_S), (-5, 2)]
)
def test_retry_after_is_obeyed_and_capped(clock: FakeClock, asked_s: float, wait_s: float) -> None:
    pace = Backoff(20, 20, clock)
    pace.refused(asked_s)
    assert pace.wait_s() == wait_s


def test_a_retry_after_of_nothing_is_no_leave_to_hammer(clock: FakeClock) -> None:
    pace = Backoff(0, 12, clock)
    waits = []
    for _ in range(11):
        pace.refused(0)
        waits.append(pace.wait_s())
        clock.advance(pace.wait_s())
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    pace.succeeded()
    pace.refused(0)
    assert pace.wait_s() == 2


def test_a_refused_pace_is_not_tried_again_for_an_hour(clock: FakeClock) -> None:
    pace = Backoff(20, 20, clock)
    pace.refused(None)
    pace.succeeded()
    assert pace.interval_s == 40
    assert pace.is_slowed
    clock.advance(3599)
    assert pace.interval_s == 40
    clock.advance(1)
    assert pace.interval_s == 20
    assert not pace.is_slowed


def test_refusals_slow_down_to_15_minutes_at_most(clock: FakeClock) -> None:
    pace = Backoff(60, 60, clock)
    intervals = []
    for _ in range(6):
        pace.refused(None)
        intervals.append(pace.interval_s)
    assert intervals == [120, 240, 480, 900, 900, 900]


def test_a_slower_wish_is_never_made_faster(clock: FakeClock) -> None:
    pace = Backoff(3600, 60, clock)
    pace.refused(None)
    assert pace.interval_s == 3600
    assert pace.wait_s() == LONGEST_WAIT_S


def test_a_clock_that_jumps_changes_nothing(clock: FakeClock) -> None:
    pace = Backoff(20, 20, clock)
    pace.refused(None)
    clock.jump(-86400)
    assert pace.wait_s() == 40


class TestRestart:
    """What a refusal brought survives it, the time that passes meanwhile counts."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Storage:
        return Storage(tmp_path, "account")

    def pace(self, clock: FakeClock, store: Storage, wish_s: float = 20) -> Backoff:
        return Backoff(wish_s, 20, clock, store)

    @pytest.mark.parametrize(
        ("away_s", "wait_s", "interval_s"), [(0, 300, 40), (100, 200, 40), (400, 0, 40), (3600, 0, 20)]
    )
    def test_goes_on(self, clock: FakeClock, store: Storage, away_s: float, wait_s: float, interval_s: float) -> None:
        self.pace(clock, store).refused(300)
        clock.advance(away_s)
        again = self.pace(clock, store)
        assert again.wait_s() == pytest.approx(wait_s)
        assert again.interval_s == interval_s

    def test_the_back_off_doubles_on(self, clock: FakeClock, store: Storage) -> None:
        waits = []
        for _ in range(4):
            pace = self.pace(clock, store)
            pace.refused(None)
            waits.append(pace.wait_s())
            clock.advance(pace.wait_s())
        assert waits == [40, 80, 160, 320]
        self.pace(clock, store).succeeded()
        pace = self.pace(clock, store)
        pace.refused(None)
        assert pace.wait_s() == 40

    def test_another_wish_counts_from_the_interval_that_was_refused(self, clock: FakeClock, store: Storage) -> None:
        self.pace(clock, store).refused(None)
        assert self.pace(clock, store, 30).interval_s == 40
        assert self.pace(clock, store, 60).interval_s == 60

    @pytest.mark.parametrize("jump_s", [-86400, -10], ids=["back a day", "back a little"])
    def test_a_wall_clock_that_went_back_makes_nothing_older(
        self, clock: FakeClock, store: Storage, jump_s: float
    ) -> None:
        self.pace(clock, store).refused(300)
        clock.jump(jump_s)
        assert self.pace(clock, store).wait_s() == pytest.approx(300)

    @pytest.mark.parametrize(
        "kept",
        [
            {"refusals": "many", "wait_s": None, "interval_s": [], "slow_for_s": True},
            {"refusals": -5, "wait_s": -1e300, "interval_s": -1, "slow_for_s": -1e300, "saved": "x"},
        ],
        ids=["wrong kinds", "nonsense"],
    )
    def test_what_is_kept_may_be_damaged(self, clock: FakeClock, store: Storage, kept: dict[str, Json]) -> None:
        store.write("pace", kept)
        assert (self.pace(clock, store).wait_s(), self.pace(clock, store).interval_s) == (0, 20)

    def test_no_longer_than_the_longest(self, clock: FakeClock, store: Storage) -> None:
        kept: dict[str, Json] = {"refusals": 1e9, "wait_s": 1e9, "interval_s": 1e9, "slow_for_s": 1e9}
        store.write("pace", kept)
        pace = self.pace(clock, store)
        assert (pace.wait_s(), pace.interval_s) == (LONGEST_WAIT_S, LONGEST_WAIT_S)
        clock.advance(3600)
        assert pace.interval_s == 20
