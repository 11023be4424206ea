"""The budget is law: whatever is asked of it, whenever the process dies, whatever the clock says."""

import contextlib
import errno
import random
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import A_DAY, FakeClock
from tests.hostile import json_values
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.budget import Budget
from wallbox2mqtt.errors import BudgetSpentError, CloudError
from wallbox2mqtt.storage import Disk, Storage


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return Storage(tmp_path, "someone@example.org")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def spend(budget: Budget, times: int = 1) -> int:
    """Send as many of so many requests as may be sent now."""
    for sent in range(times):
        try:
            with budget.request():
                pass
        except BudgetSpentError:
            return sent
    return times


@pytest.mark.parametrize(("before", "after"), [(2, 7), (7, 2), (5, 0.5), (0.5, 5)])
def test_another_budget_counts_the_requests_of_the_last_minute(
    clock: FakeClock, store: Storage, before: float, after: float
) -> None:
    budget = Budget("writes", before, clock, store)
    sent = spend(budget, 99)
    budget.set_per_minute(after)
    assert (budget.per_minute, spend(budget, 99)) == (after, max(0, budget.limit - sent))
    clock.advance(budget.window_s + 1)
    assert spend(budget, 99) == budget.limit


@pytest.mark.parametrize(
    ("per_minute", "limit", "window_s", "interval_s"),
    [
        (1, 1, 60, 60),
        (5, 5, 60, 12),
        (0.5, 1, 120, 120),
        (0.01, 1, 6000, 6000),
        (1.5, 1, 60, 60),
        (2.9, 2, 60, 30),
        (100, 100, 60, 0.6),
    ],
)
def test_figures(
    store: Storage, clock: FakeClock, per_minute: float, limit: int, window_s: float, interval_s: float
) -> None:
    budget = Budget("reads", per_minute, clock, store)
    assert (budget.limit, budget.window_s) == (limit, window_s)
    assert budget.interval_s == pytest.approx(interval_s)
    assert spend(budget, limit + 3) == limit
    clock.advance(window_s)
    assert spend(budget) == 0, "a cloud that counts the sixtieth second must not be met"
    clock.advance(0.1)
    assert spend(budget, limit + 3) == limit


def test_the_wait_is_told(store: Storage, clock: FakeClock) -> None:
    budget = Budget("reads", 1, clock, store)
    assert budget.ready_in_s() == 0
    budget.check()
    spend(budget)
    clock.advance(20)
    with pytest.raises(BudgetSpentError, match="40") as caught:
        budget.check()
    assert caught.value.ready_in_s == pytest.approx(40.02)
    assert budget.ready_in_s() == pytest.approx(40.02)
    assert not isinstance(caught.value, CloudError), "nothing is wrong with the cloud"


def test_counted_from_the_end_of_a_request(store: Storage, clock: FakeClock) -> None:
    budget = Budget("reads", 1, clock, store)
    with budget.request():
        clock.advance(10)
        assert budget.ready_in_s() == 60, "one is under way"
    clock.advance(59.9)
    assert spend(budget) == 0
    clock.advance(0.2)
    assert spend(budget) == 1


def test_a_failed_request_counts(store: Storage, clock: FakeClock) -> None:
    budget = Budget("writes", 1, clock, store)
    error = CloudError("reset")
    with pytest.raises(CloudError), budget.request():
        raise error
    assert spend(budget) == 0
    assert budget.total == 1


def test_a_refused_one_does_not(store: Storage, clock: FakeClock) -> None:
    budget = Budget("writes", 1, clock, store)
    spend(budget)
    clock.advance(59)
    assert spend(budget) == 0
    clock.advance(1.1)
    assert spend(budget) == 1
    assert budget.total == 2


@pytest.mark.parametrize(
    ("per_minute", "spare", "free"), [(5, 0, 5), (5, 1, 4), (5, 2, 3), (5, 9, 1), (2, 1, 1), (1, 1, 1)]
)
def test_spare_requests_are_left(store: Storage, clock: FakeClock, per_minute: float, spare: int, free: int) -> None:
    budget = Budget("writes", per_minute, clock, store)
    sent = 0
    while budget.ready_in_s(spare) == 0:
        sent += spend(budget)
    assert sent == free
    assert spend(budget, 9) == per_minute - free


def test_requests_come_back_one_by_one(store: Storage, clock: FakeClock) -> None:
    budget = Budget("writes", 3, clock, store)
    for _ in range(3):
        spend(budget)
        clock.advance(10)
    assert budget.ready_in_s() == pytest.approx(30.02)
    clock.advance(30.1)
    assert spend(budget, 3) == 1
    assert budget.ready_in_s() == pytest.approx(9.92)


# --- restarts


def test_a_restart_keeps_it(store: Storage, clock: FakeClock) -> None:
    spend(Budget("reads", 2, clock, store), 1)
    clock.advance(30)
    again = Budget("reads", 2, FakeClock(monotonic=5, wall=clock.wall()), store)
    assert spend(again, 2) == 1
    assert again.ready_in_s() == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize(("per_minute", "grain_s"), [(5, 0.001), (60, 0.001), (100, 1.0)])
def test_a_restart_rounds_up_and_by_little(store: Storage, per_minute: float, grain_s: float) -> None:
    """A large budget is kept by the second, which is quick to write."""
    clock = FakeClock(wall=A_DAY + 0.0004)
    budget = Budget("reads", per_minute, clock, store)
    spend(budget, int(per_minute))
    clock.advance(5)
    longer_s = Budget("reads", per_minute, clock, store).ready_in_s() - budget.ready_in_s()
    assert 0.0001 < longer_s <= grain_s


def test_a_crash_in_the_middle_of_a_request_counts(store: Storage, clock: FakeClock) -> None:
    running = Budget("reads", 1, clock, store).request()
    running.__enter__()  # and the process dies
    clock.advance(5)
    again = Budget("reads", 1, clock, store)
    assert again.ready_in_s() == pytest.approx(60.02), "it may have arrived as late as the start"


def test_a_crash_loop_sends_one(store: Storage, clock: FakeClock) -> None:
    sent = 0
    for _ in range(50):
        sent += spend(Budget("reads", 1, clock, store), 3)
        clock.advance(1)
    assert sent == 1


@pytest.mark.parametrize("jump_s", [-5, -3600, -1e8])
def test_times_in_the_future_count_as_now(store: Storage, clock: FakeClock, jump_s: float) -> None:
    spend(Budget("reads", 1, clock, store))
    clock.advance(30)
    clock.jump(jump_s - 30)
    assert Budget("reads", 1, clock, store).ready_in_s() == pytest.approx(60.02)


def test_a_clock_that_jumps_while_it_runs_does_not_matter(store: Storage, clock: FakeClock) -> None:
    budget = Budget("reads", 1, clock, store)
    spend(budget)
    for jump in (3600, -7200, 1e9):
        clock.jump(jump)
        clock.advance(10)
        assert spend(budget) == 0
    assert budget.ready_in_s() == pytest.approx(30.02)


def test_smaller_and_larger_budgets_after_a_restart(store: Storage, clock: FakeClock) -> None:
    assert spend(Budget("writes", 5, clock, store), 4) == 4
    assert spend(Budget("writes", 2, clock, store), 5) == 0
    assert spend(Budget("writes", 0.5, clock, store), 5) == 0
    assert spend(Budget("writes", 9, clock, store), 9) >= 4


def test_reads_and_writes_are_apart(store: Storage, clock: FakeClock) -> None:
    spend(Budget("reads", 1, clock, store))
    assert spend(Budget("writes", 1, clock, store)) == 1


def test_without_a_state_dir_it_holds_all_the_same(tmp_path: Path, clock: FakeClock) -> None:
    file = tmp_path / "file"
    file.touch()
    budget = Budget("reads", 1, clock, Storage(file / "state", "x"))
    assert spend(budget, 3) == 1


DAMAGED: list[dict[str, Json]] = [
    {"ends": None, "running": None},
    {"ends": "soon"},
    {"ends": {"a": 1}},
    {"ends": [None, "1", True, [], {}]},
    {"ends": [10**400, -(10**400), 1e308, -1e308, 0]},
    {"running": "1"},
    {"running": True},
    {"running": -5},
    {"running": 10**30},
    {"running": 1.5},
]


@pytest.mark.parametrize("kept", DAMAGED, ids=repr)
def test_damaged_times_do_no_harm(store: Storage, clock: FakeClock, kept: dict[str, Json]) -> None:
    store.write("reads", kept)
    budget = Budget("reads", 1, clock, store)
    assert 0 <= budget.ready_in_s() <= 60.02
    clock.advance(60.1)
    assert spend(budget, 2) == 1


@given(st.fixed_dictionaries({}, optional={"ends": json_values | st.lists(json_values), "running": json_values}))
def test_any_kept_json_does_no_harm(kept: dict[str, Json]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = Storage(Path(directory), "x")
        store.write("reads", kept)
        clock = FakeClock()
        budget = Budget("reads", 2, clock, store)
        assert 0 <= budget.ready_in_s() <= 60.02
        clock.advance(60.1)
        assert spend(budget, 3) == 2


# --- it fails closed


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\0" * 100,
        b'{"ends": [], "running": 0, "version": 2}',
        b'{"ends": [[1, 1]]}',
        b'{"running": 0}',
    ],
    ids=repr,
)
def test_times_that_cannot_be_used_count_as_spent(
    store: Storage, clock: FakeClock, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.path("reads").write_bytes(content)
    budget = Budget("reads", 5, clock, store)
    assert budget.ready_in_s() == pytest.approx(60.02)
    assert "counts as spent for 60 s" in caplog.text
    clock.advance(60.1)
    assert spend(budget, 9) == 5
    assert spend(Budget("reads", 5, clock, store)) == 0, "and they are kept again"


def test_missing_times_of_a_known_account_count_as_spent(tmp_path: Path, clock: FakeClock) -> None:
    assert spend(Budget("reads", 1, clock, Storage(tmp_path, "new"))) == 1
    Storage(tmp_path, "known").write("tokens", {"way": "modern"})
    assert spend(Budget("reads", 1, clock, Storage(tmp_path, "known"))) == 0
    for lost in tmp_path.glob("*-reads.json"):
        lost.unlink()
    assert spend(Budget("reads", 1, clock, Storage(tmp_path, "new"))) == 1, "of this account nothing is there"


def test_a_first_start_leaves_both_files(tmp_path: Path, clock: FakeClock) -> None:
    """Else the next start would miss the one of what was never asked."""
    first = Storage(tmp_path, "x")
    for name in ("reads", "writes"):
        Budget(name, 1, clock, first)
    again = Storage(tmp_path, "x")
    for name in ("reads", "writes"):
        assert spend(Budget(name, 1, clock, again)) == 1


def test_times_that_can_no_longer_be_kept_count_as_spent(tmp_path: Path, clock: FakeClock) -> None:
    """On a disk that is full the old times would look as if they were the last ones."""

    class FullDisk(Disk):
        full = False

        def write(self, handle: int, content: bytes) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().write(handle, content)

    disk = FullDisk()
    budget = Budget("reads", 1, clock, Storage(tmp_path, "x", disk=disk))
    disk.full = True
    assert spend(budget) == 1, "a full disk is no reason to stop"
    assert spend(Budget("reads", 1, clock, Storage(tmp_path, "x", disk=disk))) == 0 or not list(tmp_path.iterdir())
    Storage(tmp_path, "x").write("tokens", {})
    assert spend(Budget("reads", 1, clock, Storage(tmp_path, "x"))) == 0


class TestRuntimeDirectory:
    """The times stand in memory, which a reboot takes away, and ``state_dir`` says where."""

    @pytest.fixture
    def runtime(self, tmp_path: Path) -> Path:
        return tmp_path / "run"

    @pytest.fixture
    def start(self, tmp_path: Path, runtime: Path, clock: FakeClock) -> Callable[..., Budget]:
        def begin(*, with_runtime: bool = True) -> Budget:
            return Budget("reads", 1, clock, Storage(tmp_path / "state", "x", runtime if with_runtime else None))

        return begin

    def test_state_dir_is_written_once(self, start: Callable[..., Budget], tmp_path: Path, clock: FakeClock) -> None:
        budget = start()
        (file,) = (tmp_path / "state").iterdir()
        before = file.stat().st_ino, file.read_bytes()
        for _ in range(5):
            assert spend(budget) == 1
            clock.advance(61)
        assert (file.stat().st_ino, file.read_bytes()) == before

    @pytest.mark.parametrize("with_runtime", [True, False], ids=["the same", "by hand, without"])
    def test_after_a_crash_it_is_found(self, start: Callable[..., Budget], *, with_runtime: bool) -> None:
        assert spend(start()) == 1
        assert spend(start(with_runtime=with_runtime)) == 0
        assert spend(start()) == 0, "and where it is stays known"

    @pytest.mark.parametrize("with_runtime", [True, False], ids=["the same", "by hand, without"])
    def test_lost_it_counts_as_spent(
        self, start: Callable[..., Budget], runtime: Path, clock: FakeClock, *, with_runtime: bool
    ) -> None:
        start()
        shutil.rmtree(runtime)
        clock.advance(3600)
        again = start(with_runtime=with_runtime)
        assert again.ready_in_s() == pytest.approx(60.02)
        clock.advance(61)
        assert spend(again) == 1

    def test_after_a_stop_in_order_it_is_in_state_dir(
        self, start: Callable[..., Budget], runtime: Path, clock: FakeClock
    ) -> None:
        budget = start()
        spend(budget)
        budget.close()
        shutil.rmtree(runtime)
        clock.advance(30)
        assert start(with_runtime=False).ready_in_s() == pytest.approx(30.02, abs=0.01)
        clock.advance(31)
        assert spend(start()) == 1

    def test_one_that_cannot_be_used_is_none(self, tmp_path: Path, clock: FakeClock) -> None:
        (tmp_path / "file").touch()
        budget = Budget("reads", 1, clock, Storage(tmp_path / "state", "x", tmp_path / "file" / "run"))
        assert spend(budget) == 1
        assert spend(Budget("reads", 1, clock, Storage(tmp_path / "state", "x"))) == 0


class PowerCutError(Exception):
    """The machine is off."""


class UnreliableDisk(Disk):
    """A disk that loses its power after so many steps, and with it what nobody has waited for."""

    def __init__(self) -> None:
        self.steps_left = 10**6
        self._open: dict[int, Path] = {}
        self._unsynced: set[Path] = set()
        self._renamed: list[tuple[Path, bytes | None]] = []

    def _step(self) -> None:
        if self.steps_left <= 0:
            raise PowerCutError
        self.steps_left -= 1

    def create(self, path: Path) -> int:
        self._step()
        handle = super().create(path)
        self._open[handle] = path
        self._unsynced.add(path)
        return handle

    def write(self, handle: int, content: bytes) -> None:
        self._step()
        super().write(handle, content)

    def sync(self, handle: int) -> None:
        self._step()
        self._unsynced.discard(self._open[handle])

    def replace(self, source: Path, target: Path) -> None:
        self._step()
        self._renamed.append((target, target.read_bytes() if target.exists() else None))
        super().replace(source, target)
        if source in self._unsynced:
            self._unsynced.remove(source)
            self._unsynced.add(target)
        else:
            self._unsynced.discard(target)

    def sync_directory(self, directory: Path) -> None:
        self._step()
        self._renamed = [(path, before) for path, before in self._renamed if path.parent != directory]

    def cut(self, chance: random.Random) -> None:
        """Lose what was not waited for, or some of it."""
        for path in self._unsynced:
            if path.exists():
                content = path.read_bytes()
                path.write_bytes(chance.choice([b"", content[: len(content) // 2], content]))
        for path, before in reversed(self._renamed):
            if chance.choice([True, False]):  # names reach the disk in any order
                if before is None:
                    path.unlink(missing_ok=True)
                else:
                    path.write_bytes(before)


@settings(deadline=None, max_examples=300)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 30.0, 61.0]), st.sampled_from([0.1, 5.0])), min_size=1, max_size=6
    ),
    cut_after=st.integers(0, 60),
    off=st.tuples(st.sampled_from([0.0, 5.0, 59.0]), st.sampled_from([0.0, -3600.0])),
    in_memory=st.booleans(),
    in_order=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_never_more_in_a_minute_whenever_the_power_fails(
    *,
    steps: list[tuple[float, float]],
    cut_after: int,
    off: tuple[float, float],
    in_memory: bool,
    in_order: bool,
    seed: int,
) -> None:
    """In a life after another one, at any step of it: at its start, around each request, at its end."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    clock, sent = FakeClock(), list[tuple[float, float]]()

    def live(budget: Budget) -> None:
        for wait_s, takes_s in steps:
            clock.advance(wait_s)
            with contextlib.suppress(BudgetSpentError), budget.request():
                begun = clock.monotonic()
                clock.advance(takes_s)
                sent.append((begun, clock.monotonic()))

    with tempfile.TemporaryDirectory() as name:
        runtime = Path(name) / "run" if in_memory else None
        disk = UnreliableDisk()

        def run(*, is_stopped: bool) -> None:
            budget = Budget("reads", 1, clock, Storage(Path(name) / "state", "x", runtime, disk))
            live(budget)
            if is_stopped:
                budget.close()

        run(is_stopped=in_order)
        disk.steps_left = cut_after
        with contextlib.suppress(PowerCutError):
            run(is_stopped=True)
        disk.cut(chance)
        if runtime is not None:
            shutil.rmtree(runtime)
        for passes, seconds in zip((clock.advance, clock.jump), off, strict=True):
            passes(seconds)
        live(Budget("reads", 1, clock, Storage(Path(name) / "state", "x", runtime)))
    assert all(later - ended >= 60 - 1e-6 for (_, ended), (later, _) in pairwise(sent))


# --- the law


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 70)),
        st.tuples(st.just("request"), st.sampled_from([0.0, 0.1, 10.0])),
        st.tuples(st.just("burst"), st.integers(1, 8)),
        st.tuples(st.just("restart"), st.just(0.0)),
        st.tuples(st.just("crash"), st.floats(0, 10)),
        st.tuples(st.just("back"), st.floats(0, 1e6)),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(per_minute=st.sampled_from([0.4, 1, 1.7, 2, 3, 5]) | st.floats(0.1, 10), steps=_steps)
def test_never_more_in_a_minute(per_minute: float, steps: list[tuple[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as directory, _Life(Storage(Path(directory), "x"), per_minute) as life:
        for step in steps:
            life.step(*step)
        requests = life.requests
    most = max(1, int(per_minute))
    window = max(60.0, 60.0 / per_minute)
    for begun, _ in requests:
        # from the end of one to the start of the next, and so wherever in between each arrives
        before = [end for start, end in requests if start < begun and begun - end < window - 1e-6]
        assert len(before) < most


class _Life:
    """A life with restarts, crashes and a clock that is set back; ``requests``: (begun, ended) of what was sent."""

    def __init__(self, store: Storage, per_minute: float) -> None:
        self.clock, self.store, self.per_minute = FakeClock(), store, per_minute
        self.requests: list[tuple[float, float]] = []
        self._dying = ExitStack()  # a request that nobody holds would be ended by the garbage collector
        self.restart()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._dying.close()

    def restart(self) -> None:
        self.budget = Budget("reads", self.per_minute, self.clock, self.store)

    def send(self, takes_s: float) -> None:
        try:
            with self.budget.request():
                self._pass(takes_s)
        except BudgetSpentError:
            pass

    def crash(self, takes_s: float) -> None:
        """Dies in the middle of a request, which may arrive until the next start."""
        try:
            self._dying.enter_context(self.budget.request())
        except BudgetSpentError:
            return
        self._pass(takes_s)
        assert self.store.read("reads")["running"] == 1, "a request that ended was no crash"
        self.restart()

    def _pass(self, takes_s: float) -> None:
        begun = self.clock.monotonic()
        self.clock.advance(takes_s + 1e-4)
        self.requests.append((begun, self.clock.monotonic()))

    def step(self, what: str, number: float) -> None:
        match what:
            case "wait":
                self.clock.advance(number)
            case "request":
                self.send(number)
            case "burst":
                for _ in range(int(number)):
                    self.send(0.01)
            case "crash":
                self.crash(number)
            case "back":
                self.clock.jump(-number)
                self.restart()
            case _:
                self.restart()


@given(st.lists(st.floats(0, 30), max_size=30))
def test_the_promised_wait_is_enough_and_not_too_long(waits: list[float]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        clock = FakeClock()
        budget = Budget("reads", 3, clock, Storage(Path(directory), "x"))
        for wait in waits:
            clock.advance(wait)
            ready = budget.ready_in_s()
            assert ready <= 60.02 + 1e-6
            assert ready == 0 or ready > 1e-6
            if ready > 0.001:
                clock.advance(ready - 0.001)
                assert spend(budget) == 0
                clock.advance(0.0011)
            else:
                clock.advance(ready)
            assert spend(budget) == 1


def test_threads_do_not_overspend(store: Storage, clock: FakeClock) -> None:
    budget = Budget("writes", 5, clock, store)
    start, sent = threading.Barrier(20), []

    def run() -> None:
        start.wait(30)
        sent.append(spend(budget))

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(sent) == 20
    assert sum(sent) == 5


# --- figures for people


def test_last_hour(store: Storage, clock: FakeClock) -> None:
    budget = Budget("reads", 1, clock, store)
    assert budget.last_hour() == 0
    for number in range(1, 11):
        spend(budget)
        assert budget.last_hour() == number
        clock.advance(61)
    clock.advance(3600)
    assert budget.last_hour() == 0
    assert budget.total == 10


@given(st.lists(st.floats(0.1, 4000), max_size=40))
def test_last_hour_is_right_to_the_minute(waits: list[float]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        clock = FakeClock()
        budget = Budget("reads", 600, clock, Storage(Path(directory), "x"))
        times: list[float] = []
        for wait in waits:
            clock.advance(wait)
            times += [clock.monotonic()] * spend(budget)
            now = clock.monotonic()
            surely = sum(now - time < 3540 for time in times)
            perhaps = sum(now - time < 3660 for time in times)
            assert surely <= budget.last_hour() <= perhaps


def test_a_store_is_written_before_the_request(store: Storage, clock: FakeClock) -> None:
    seen: list[Any] = []
    budget = Budget("reads", 1, clock, store)
    with budget.request():
        seen.append(store.read("reads"))
    assert seen[0]["running"] == 1
    assert store.read("reads")["running"] == 0


@pytest.mark.parametrize("restarts", [False, True], ids=["going on", "after a restart"])
def test_a_request_exactly_60_s_later_is_refused(clock: FakeClock, store: Storage, *, restarts: bool) -> None:
    budget = Budget("reads", 1, clock, store)
    with budget.request():
        pass
    clock.advance(60.0)
    if restarts:
        budget = Budget("reads", 1, clock, store)
    with pytest.raises(BudgetSpentError):
        budget.check()
    clock.advance(0.1)
    budget.check()
