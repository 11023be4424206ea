"""What one bridge leaves to the next: written, read back, and never believed more than it should be."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock
from tests.parts import Parts
from tests.unit.test_candidate import HANDOVER, text
from wallbox2mqtt.bridge.handover import (
    LONGEST_BYTES,
    Claim,
    HandoverError,
    adopt,
    count_as_spent,
    parse,
    stamp,
    written,
)
from wallbox2mqtt.simulator import ChargerSpec, Settings, Simulator

CLAIM = Claim(is_owner=False, term=3, instance="first")
ONE = 900001


@pytest.fixture
def cloud(clock: FakeClock) -> Iterator[Simulator]:
    with Simulator(chargers=[ChargerSpec(id=ONE)], clock=clock, settings=Settings()) as cloud:
        yield cloud


def parts(cloud: Simulator, clock: FakeClock, directory: Path, **options: Any) -> Parts:  # noqa: ANN401 - any key
    return Parts(cloud, clock, directory, reads_per_minute=2, **options)


@pytest.fixture
def first(cloud: Simulator, clock: FakeClock, tmp_path: Path) -> Parts:
    return parts(cloud, clock, tmp_path / "first")


@pytest.fixture
def second(cloud: Simulator, clock: FakeClock, tmp_path: Path) -> Parts:
    return parts(cloud, clock, tmp_path / "second")


def left_by(one: Parts) -> bytes:
    return json.dumps(written(one.whole, CLAIM)).encode()


def test_the_last_minute(first: Parts, second: Parts) -> None:
    first.run(130.0)
    first.send(f"{ONE}/max_charging_current", "10")
    first.settle()
    assert len(first.sent_writes) == 1
    adopt(second.whole, parse(left_by(first)), 0.0)
    assert second.reads.ready_in_s() == pytest.approx(first.reads.ready_in_s(), abs=0.01)
    assert second.writes.free == first.writes.free == 4
    assert second.registry.chargers == [ONE]


def test_time_has_passed_since(first: Parts, second: Parts) -> None:
    first.run(5.0)
    first.reads.spend()
    adopt(second.whole, parse(left_by(first)), 45.0)
    assert second.reads.ready_in_s() == pytest.approx(15.0, abs=0.1)


def test_a_request_under_way_counts_as_now(first: Parts, second: Parts) -> None:
    with first.writes.request():
        left = left_by(first)
    adopt(second.whole, parse(left), 59.0)
    assert second.writes.free == 4


def test_refusals(first: Parts, second: Parts) -> None:
    first.pace.refused(200.0)
    adopt(second.whole, parse(left_by(first)), 0.0)
    assert second.pace.wait_s() == pytest.approx(first.pace.wait_s(), abs=1.0)
    assert second.pace.interval_s == pytest.approx(first.pace.interval_s)


def test_the_pace_that_auto_has_found(cloud: Simulator, clock: FakeClock, tmp_path: Path) -> None:
    first, second = (parts(cloud, clock, tmp_path / name) for name in ("first", "second"))
    for one in (first, second):
        one.shared.rate.configure("auto")
    first.shared.rate.adopt({"pace": 3, "proven": 2, "holds": 1, "quiet_s": 50, "hold_s": 0})
    adopt(second.whole, parse(left_by(first)), 0.0)
    assert second.reads.per_minute == 3
    assert second.shared.rate.is_on_trial


def test_a_failed_sign_in_is_waited_for(first: Parts, second: Parts) -> None:
    first.tokens.adopt(3, 500.0)
    adopt(second.whole, parse(left_by(first)), 100.0)
    assert second.tokens.failures == 3
    assert second.tokens.failed_wait_s() == pytest.approx(400.0, abs=1.0)


def test_unknown(second: Parts) -> None:
    count_as_spent(second.whole)
    assert second.reads.ready_in_s() == pytest.approx(60.0, abs=0.1)
    assert second.writes.free == 0


def test_what_changes_it(first: Parts) -> None:
    before = stamp(first.whole)
    first.clock.advance(50.0)
    assert stamp(first.whole) == before
    with first.writes.request():
        assert stamp(first.whole) != before


def test_it_has_no_secret(first: Parts) -> None:
    first.run(10.0)
    told = left_by(first).decode()
    assert first.tokens.token().reveal() not in told
    assert "@" not in told
    assert len(told) < LONGEST_BYTES / 4


@pytest.mark.parametrize("per_minute", [1, 5, 60_000])
def test_large_budgets_stay_short(cloud: Simulator, clock: FakeClock, tmp_path: Path, per_minute: int) -> None:
    one = parts(cloud, clock, tmp_path, writes_per_minute=per_minute)
    for _ in range(min(per_minute, 500)):
        with one.writes.request():
            pass
        clock.advance(0.1)
    left = left_by(one)
    assert len(left) < LONGEST_BYTES
    assert sum(1 for _ in parse(left).writes.ages) == min(per_minute, 500)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"\xff", id="no-text"),
        pytest.param(b"[" * 4000, id="deep"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(text(chargers=[7] * 3) + b" " * LONGEST_BYTES, id="oversized"),
        pytest.param(text(version=2), id="another-version"),
        pytest.param(text(instance=""), id="no-name"),
        pytest.param(text(instance="x" * 65), id="a-long-name"),
        pytest.param(text(term=-1), id="a-negative-term"),
        pytest.param(text(term=10**13), id="a-huge-term"),
        pytest.param(text(term=True), id="a-truth-for-a-term"),
        pytest.param(text(owner=1), id="a-number-for-a-truth"),
        pytest.param(text(chargers=["7"]), id="text-for-an-id"),
        pytest.param(text(chargers=list(range(1, 102))), id="many-chargers"),
        pytest.param(text(reads=[]), id="no-reads"),
        pytest.param(text(writes={"ages": [[1.0, 0]], "under_way": 0}), id="a-count-of-none"),
        pytest.param(text(writes={"ages": ["x"], "under_way": 0}), id="no-ages"),
        pytest.param(text(writes={"ages": [], "under_way": -1}), id="fewer-than-none-under-way"),
        pytest.param(text(failed_sign_ins=-1), id="fewer-than-no-failures"),
        pytest.param(text(sign_in_wait_s="1"), id="text-for-a-wait"),
    ],
)
def test_damaged(payload: bytes) -> None:
    with pytest.raises(HandoverError):
        parse(payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


PAYLOADS = st.builds(lambda key, value: json.dumps(HANDOVER | {key: value}), st.sampled_from(sorted(HANDOVER)), JSON)


def test_whatever_stands_there(cloud: Simulator, clock: FakeClock, tmp_path: Path) -> None:
    """It is refused, or it can be adopted, and then no wait is longer than it may be."""
    second = parts(cloud, clock, tmp_path)

    @given(payload=PAYLOADS, passed_s=st.floats(0, 1e9))
    def holds(payload: str, passed_s: float) -> None:
        try:
            heard = parse(payload.encode())
        except HandoverError:
            return
        adopt(second.whole, heard, passed_s)
        assert 0.0 <= second.reads.ready_in_s() <= 61.0
        assert 0.0 <= second.pace.wait_s() <= 900.0
        assert 0.0 <= second.tokens.failed_wait_s() <= 900.0

    holds()


def claim(term: int, instance: str, *, is_owner: bool = False) -> Claim:
    return Claim(is_owner, term, instance)


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        pytest.param(claim(1, "b"), claim(2, "a"), id="the-later-term"),
        pytest.param(claim(9, "b"), claim(0, "a", is_owner=True), id="the-one-that-never-stands-by"),
        pytest.param(claim(2, "a"), claim(2, "b"), id="of-two-at-once-the-greater-name"),
    ],
)
def test_of_two_one_is_right(weaker: Claim, stronger: Claim) -> None:
    assert weaker < stronger
    assert not stronger < weaker
