"""How many reads a minute are tried, and what refusals do to it."""

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.budget import Budget
from wallbox2mqtt.cloud.read_rate import DAY_S, PROBATION_S, ReadRate
from wallbox2mqtt.storage import Storage

HOUR_S = 3600.0


class Account:
    """An account that accepts so many reads a minute, and a bridge that reads at the rate's pace."""

    def __init__(self, clock: FakeClock, store: Storage, accepts: int = 3, wish_s: float = 20) -> None:
        self.clock, self.store, self.accepts, self.wish_s = clock, store, accepts, wish_s
        self.refusals: list[float] = []
        self.start()

    def start(self) -> None:
        self.budget = Budget("reads", 1, self.clock, self.store, most=3)
        self.rate = ReadRate("auto", self.wish_s, self.budget, self.clock, self.store)

    @property
    def pace(self) -> float:
        return self.budget.per_minute

    def run(self, seconds: float) -> None:
        """Read every five minutes, which is often enough for the rules."""
        for _ in range(round(seconds / 300)):
            if self.pace > self.accepts:
                self.refusals.append(self.clock.monotonic())
                self.rate.record_refusal()
            else:
                self.rate.record_success()
            self.clock.advance(300)


@pytest.fixture
def account(clock: FakeClock, store: Storage) -> Account:
    return Account(clock, store)


def test_a_configured_number_is_kept_to(clock: FakeClock, store: Storage) -> None:
    budget = Budget("reads", 2, clock, store)
    rate = ReadRate(2, 20, budget, clock, store)
    for _ in range(100):
        rate.record_success()
        clock.advance(HOUR_S)
    assert not rate.record_refusal()
    assert (budget.per_minute, budget.limit, rate.next_try) == (2, 2, None)
    assert rate.last_refusal == clock.wall()


def test_an_end_in_order_keeps_the_time_without_a_refusal(account: Account) -> None:
    account.run(PROBATION_S - 300)
    account.rate.close()
    account.start()
    account.run(900)
    assert account.pace == 2


def test_from_auto_to_a_number_and_back_while_it_runs(account: Account) -> None:
    account.run(PROBATION_S + 600)
    assert account.pace == 2
    account.rate.configure(0.5)
    assert (account.pace, account.budget.window_s, account.rate.is_auto, account.rate.next_try) == (
        0.5,
        120,
        False,
        None,
    )
    account.rate.configure("auto")
    assert (account.pace, account.budget.limit, account.rate.is_auto) == (2, 2, True)


def test_two_and_three_are_tried_after_six_hours_each(account: Account) -> None:
    account.run(PROBATION_S)
    assert account.pace == 1
    account.run(600)
    assert (account.pace, account.budget.limit) == (2, 2)
    account.run(PROBATION_S)
    assert (account.pace, account.budget.limit) == (3, 3)
    account.run(10 * DAY_S)
    assert (account.pace, account.rate.next_try, account.refusals) == (3, None, [])


@pytest.mark.slow
@pytest.mark.parametrize(("accepts", "settles"), [(1, 1), (2, 2)])
def test_a_refused_pace_waits_up_to_seven_days(clock: FakeClock, store: Storage, accepts: int, settles: int) -> None:
    account = Account(clock, store, accepts)
    account.run(40 * DAY_S)
    days = [
        round((later - earlier) / DAY_S) for earlier, later in zip(account.refusals, account.refusals[1:], strict=False)
    ]
    assert days[:8] == [1, 2, 3, 4, 5, 6, 7, 7][: len(days)]
    assert len(days) >= 7
    assert account.pace in {settles, settles + 1}


def test_what_was_found_out_survives_a_restart(account: Account) -> None:
    account.run(2 * PROBATION_S + 900)
    account.start()
    assert (account.pace, account.budget.limit) == (3, 3)
    account.accepts = 2
    account.run(300)
    account.start()
    assert account.pace == 2
    assert account.rate.last_refusal is not None
    account.run(DAY_S - 600)
    account.start()
    assert account.pace == 2
    account.accepts = 3
    account.run(1200)
    assert account.pace == 3


def test_the_time_without_the_bridge_proves_nothing(account: Account, clock: FakeClock) -> None:
    account.run(HOUR_S)
    clock.advance(10 * HOUR_S)
    account.start()
    account.run(4 * HOUR_S)
    assert account.pace == 1


@pytest.mark.parametrize(("wish_s", "most"), [(1, 3), (20, 3), (25, 3), (30, 2), (59, 2), (60, 1), (600, 1)])
def test_the_wish_caps_the_pace(clock: FakeClock, store: Storage, wish_s: float, most: int) -> None:
    account = Account(clock, store, wish_s=wish_s)
    assert account.rate.cap == (most if most < 3 else None)
    account.run(3 * DAY_S)
    assert account.pace == most


def test_a_refusal_after_days_is_another_client(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    account.run(3 * DAY_S)
    assert not account.rate.is_shared
    account.accepts = 1
    account.run(300)
    assert account.rate.is_shared
    assert "another client" in caplog.text
    account.start()
    assert account.rate.is_shared
    account.accepts = 3
    account.run(2 * DAY_S)
    assert not account.rate.is_shared


def test_a_refused_trial_is_no_other_client(account: Account) -> None:
    account.accepts = 1
    account.run(10 * DAY_S)
    assert not account.rate.is_shared


@pytest.mark.parametrize(
    "kept",
    [
        {"pace": "x", "proven": None, "holds": [], "quiet_s": True, "hold_s": "1", "last_refusal": {}},
        {"pace": 1e300, "proven": -1, "holds": 1e9, "quiet_s": -1e300, "hold_s": 1e300, "last_refusal": -1},
    ],
    ids=["wrong kinds", "nonsense"],
)
def test_what_is_kept_may_be_damaged(account: Account, store: Storage, kept: dict[str, Json]) -> None:
    store.write("rate", kept)
    account.start()
    assert account.pace in {1, 2, 3}
    account.run(8 * DAY_S)
    assert account.pace == 3
