"""A bridge and a command that ask of one account at once: together they hold its budget, and both come to it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock
from wallbox2mqtt.cloud.budget import Budget
from wallbox2mqtt.errors import BudgetSpentError
from wallbox2mqtt.storage import Disk, Storage

ACCOUNT = "someone@example.org"


def bridge(directory: Path, clock: FakeClock, per_minute: float = 1, runtime: Path | None = None) -> Budget:
    return Budget("reads", per_minute, clock, Storage(directory, ACCOUNT, runtime), most=3)


def command(directory: Path, clock: FakeClock, per_minute: float = 1) -> Budget:
    return Budget("reads", per_minute, clock, Storage(directory, ACCOUNT), most=3, is_command=True)


def spend(budget: Budget) -> bool:
    try:
        with budget.request():
            return True
    except BudgetSpentError:
        return False


@pytest.mark.parametrize("in_memory", [False, True])
def test_each_sees_what_the_other_asked(tmp_path: Path, *, in_memory: bool) -> None:
    clock = FakeClock()
    first = bridge(tmp_path / "state", clock, runtime=tmp_path / "run" if in_memory else None)
    second = command(tmp_path / "state", clock)
    assert spend(first)
    clock.advance(20)
    assert second.ready_in_s() == pytest.approx(40, abs=0.1)
    assert not spend(second)
    clock.advance(40.1)
    assert spend(second)
    assert first.ready_in_s() == pytest.approx(61, abs=0.1), "the command has the next turn, if it wants"
    assert not spend(first)


@pytest.mark.parametrize("per_minute", [0.5, 1, 2, 3])
def test_both_come_to_it(tmp_path: Path, per_minute: float) -> None:
    clock = FakeClock()
    both = {"bridge": bridge(tmp_path, clock, per_minute), "command": command(tmp_path, clock, per_minute)}
    asked: list[tuple[str, float]] = []
    for _ in range(12):
        name = min(both, key=lambda one: both[one].ready_in_s())
        clock.advance(both[name].ready_in_s())
        assert spend(both[name])
        asked.append((name, clock.monotonic()))
    assert {name for name, _ in asked[-3:]} == set(both)
    times = [when for _, when in asked]
    limit, window_s = both["bridge"].limit, both["bridge"].window_s
    assert all(later - sooner > window_s for sooner, later in zip(times, times[limit:], strict=False))
    assert times[-1] - times[0] < 13 * (both["bridge"].interval_s + 2), "none of the budget is left unused"


@settings(max_examples=50)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from([0, 0.5, 3, 19, 21, 59.9, 60.1])), max_size=25),
    per_minute=st.sampled_from([1, 2, 3]),
)
def test_never_more_together(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, float]], per_minute: int
) -> None:
    directory, clock = tmp_path_factory.mktemp("state"), FakeClock()
    first, second = bridge(directory, clock, per_minute), command(directory, clock, per_minute)
    sent: list[float] = []
    for is_first, pause_s in steps:
        clock.advance(pause_s)
        if spend(first if is_first else second):
            sent.append(clock.monotonic())
    assert all(later - sooner > 60 for sooner, later in zip(sent, sent[per_minute:], strict=False))


def test_what_is_under_way_counts(tmp_path: Path) -> None:
    clock = FakeClock()
    first, second = bridge(tmp_path, clock), command(tmp_path, clock)
    with first.request():
        assert not spend(second)
        clock.advance(30)
        assert not spend(second)
    clock.advance(60.1)
    with second.request():
        clock.advance(0.1)
        assert not spend(first)


def test_a_killed_command_delays_the_bridge(tmp_path: Path) -> None:
    clock = FakeClock()
    killed = command(tmp_path, clock).request()
    killed.__enter__()
    first = bridge(tmp_path, clock)
    for _ in range(3):
        clock.advance(30)
        assert not spend(first)
    clock.advance(60)
    assert spend(first)


class Late(Disk):
    """Lets the other one ask after this one has looked, and before its first word is on the disk."""

    def __init__(self) -> None:
        self.other: Budget | None = None
        self.sent = False

    def create(self, path: Path) -> int:
        other, self.other = self.other, None
        if other is not None:
            self.sent = spend(other)
        return super().create(path)


def test_who_comes_second_by_a_moment_withdraws(tmp_path: Path) -> None:
    clock, late = FakeClock(), Late()
    first = Budget("reads", 1, clock, Storage(tmp_path, ACCOUNT, disk=late), most=3)
    late.other = command(tmp_path, clock)
    assert not spend(first)
    assert late.sent


def test_the_first_bridge_knows_an_earlier_command(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    assert spend(command(tmp_path, clock))
    assert not spend(bridge(tmp_path, clock))
    assert not caplog.records
    clock.advance(61.1)
    assert spend(bridge(tmp_path, clock))
    assert not spend(command(tmp_path, clock)), "and a later command knows of the bridge"
    assert not caplog.records


@pytest.mark.parametrize("text", ["{", "[]", '{"ends": 1}', '{"ends": [[1]], "running": "x"}', '{"version": 9}'])
@pytest.mark.parametrize("is_command", [False, True])
def test_a_damaged_file_of_the_other_stops_nobody_for_long(tmp_path: Path, text: str, *, is_command: bool) -> None:
    clock = FakeClock()
    first, second = bridge(tmp_path, clock), command(tmp_path, clock)
    name = "reads" if is_command else "reads-beside"
    Storage(tmp_path, ACCOUNT).path(name).write_text(text, encoding="utf-8")
    mine = second if is_command else first
    spend(mine)
    clock.advance(61.1)
    assert spend(mine)


def test_a_file_in_memory_that_was_damaged_is_read_again(tmp_path: Path) -> None:
    clock = FakeClock()
    first = bridge(tmp_path / "state", clock, runtime=tmp_path / "run")
    Storage(tmp_path / "run", ACCOUNT).path("reads").write_text("{", encoding="utf-8")
    second = command(tmp_path / "state", clock)
    assert second.ready_in_s() > 0
    clock.advance(61.1)
    assert spend(first)
    assert second.ready_in_s() == pytest.approx(60, abs=0.1)
