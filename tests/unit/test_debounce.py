"""When a value that is not urgent goes out: streams of values, played against a budget of five writes a minute."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallbox2mqtt.bridge.debounce import LONGEST_S, PAUSE_S, SILENCE_S, Debounce

USABLE, WINDOW_S = 4, 60.0


def played(arrivals: Iterable[float]) -> list[tuple[float, float]]:
    """Return when something is sent, and when what is sent arrived; the budget takes four in any 60 s."""
    debounce = Debounce(USABLE + 1, WINDOW_S)
    sent: list[tuple[float, float]] = []
    waiting: tuple[float, float, float] | None = None
    ends = [*sorted(arrivals), float("inf")]

    def send(until: float) -> None:
        nonlocal waiting
        if waiting is None:
            return
        due, _, arrived = waiting
        when = max(due, arrived, sent[-USABLE][0] + WINDOW_S if len(sent) >= USABLE else 0.0)
        if when < until:
            debounce.sent(1, ["limit"], when)
            sent.append((when, arrived))
            waiting = None

    for arrived in ends:
        send(arrived)
        if arrived < float("inf"):
            since = arrived if waiting is None else waiting[1]
            waiting = debounce.due(1, ["limit"], arrived, since), since, arrived
    return sent


def times(arrivals: Iterable[float]) -> list[float]:
    return [round(when, 2) for when, _ in played(arrivals)]


def gaps_of(sent: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(sent)]


def test_a_single_value_goes_at_once() -> None:
    assert times([100.0]) == [100.0]


def test_each_goes_at_once_after_a_pause() -> None:
    assert times([100.0, 110.0, 121.0]) == [100.0, 110.0, 121.0]


@pytest.mark.parametrize("step", [0.02, 0.05, 0.065])
def test_a_drag_costs_two_writes(step: float) -> None:
    arrivals = [100 + step * number for number in range(30)]
    sent = played(arrivals)
    assert [arrived for _, arrived in sent] == [arrivals[0], arrivals[-1]]
    assert sent[-1][0] - arrivals[-1] <= SILENCE_S + 1e-9


def test_a_long_drag_shows_the_way_and_its_end() -> None:
    arrivals = [100 + 0.1 * number for number in range(50)]
    sent = played(arrivals)
    assert len(sent) == 3
    assert sent[1][0] == pytest.approx(100.1 + LONGEST_S, abs=0.01)
    assert sent[-1][1] == arrivals[-1]
    assert sent[-1][0] - arrivals[-1] == pytest.approx(SILENCE_S)


@pytest.mark.parametrize("every", [1.0, 2.0, 5.0])
def test_a_stream_is_spread_over_the_minute(every: float) -> None:
    arrivals = [100 + every * number for number in range(int(300 / every))]
    sent = times(arrivals)
    gaps = gaps_of(sent)
    assert gaps[0] <= max(2.0, every + SILENCE_S) + 1e-6
    assert max(gaps) <= 22
    assert len(sent) >= 300 / 20


def test_a_slow_stream_does_not_spend_the_minute_at_once() -> None:
    sent = times([100 + 10.0 * number for number in range(30)])
    assert max(gaps_of(sent)) <= 31


def test_a_stream_does_not_wait_for_ever() -> None:
    sent = times([100 + 0.3 * number for number in range(1000)])
    assert sent[1] - sent[0] <= 2 + LONGEST_S
    assert max(gaps_of(sent)) <= 22


def test_streams_of_other_fields_and_chargers_do_not_matter() -> None:
    debounce = Debounce(5, 60)
    assert debounce.due(1, ["a"], 100.0, 100.0) == 100.0
    assert debounce.due(1, ["b"], 100.1, 100.1) == 100.1
    assert debounce.due(2, ["a"], 100.2, 100.2) == 100.2
    assert debounce.due(1, ["a", "c"], 100.3, 100.3) > 100.3


@given(st.lists(st.floats(0, 200).map(lambda at: round(at, 2)), min_size=1, max_size=60, unique=True))
def test_the_newest_is_sent_in_the_end(offsets: list[float]) -> None:
    arrivals = sorted(100 + offset for offset in offsets)
    sent = played(arrivals)
    assert sent[0] == (arrivals[0], arrivals[0])
    assert sent[-1][1] == arrivals[-1]
    assert sent[-1][0] - arrivals[-1] <= WINDOW_S
    assert all(arrived <= when for when, arrived in sent)


def test_many_chargers_are_forgotten_after_a_while() -> None:
    debounce = Debounce(5, 60)
    for charger in range(20_000):
        debounce.due(charger, ["a"], 100.0 + charger, 100.0 + charger)
    assert debounce.due(1, ["a"], 20_200.0, 20_200.0) == 20_200.0
    assert len(debounce) <= 1001


def test_a_pause_is_ten_seconds() -> None:
    debounce = Debounce(5, 60)
    debounce.due(1, ["a"], 100.0, 100.0)
    debounce.sent(1, ["a"], 100.0)
    assert debounce.due(1, ["a"], 100.0 + PAUSE_S, 100.0 + PAUSE_S) == 100.0 + PAUSE_S
