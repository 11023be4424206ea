"""Who is dead or stuck is found, with real threads; ``tests/faults`` holds it of the whole program."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.mosquitto import eventually
from wallbox2mqtt.clock import SystemClock, Wakeup
from wallbox2mqtt.watchdog import SILENCE_S, Pulse, Watchdog, WatchedLock, Worker, allow_blocking, beat

SHORT_S = 0.5
"""A silence that a test can wait for; the watchdog looks each second."""


class Work:
    """Steps that a test can hold up. ``allowed_s``: what the thread asks for before each."""

    def __init__(self, allowed_s: float = SHORT_S) -> None:
        self.go, self.steps, self.dies = threading.Event(), 0, False
        self.allowed_s = allowed_s
        self.go.set()

    def step(self) -> float:
        self.steps += 1
        if self.dies:
            raise SystemExit  # which threading.excepthook keeps to itself
        beat(self.allowed_s)
        self.go.wait(30)
        return 0.01


class Harness:
    """A worker and who watches over it."""

    def __init__(self, work: Work, last_words: Callable[[], None] = lambda: None) -> None:
        self.reasons: list[str] = []
        self.left: list[int] = []
        self.work = work
        self.worker = Worker("worker", work.step, Wakeup(SystemClock()), SystemClock())
        self.dog = Watchdog(self.reasons.append, last_words, self.left.append)
        self.worker.start()
        self.dog.watch("worker", self.worker.pulse, self.worker.is_alive)
        self.dog.start()

    def close(self) -> None:
        self.work.go.set()
        self.worker.stop()
        self.dog.stop()
        self.dog.join(30)
        assert not self.dog.is_alive()


def test_a_worker_that_works_is_left_alone() -> None:
    harness = Harness(Work())
    steps = harness.work.steps
    eventually(lambda: harness.work.steps > steps + 100, "it steps")
    harness.close()
    assert not harness.reasons
    assert not harness.left


def test_a_stuck_worker_ends_the_program() -> None:
    harness = Harness(Work())
    harness.work.go.clear()
    eventually(lambda: harness.reasons, "the program is asked to end")
    assert harness.reasons == ["the thread worker is stuck"]
    harness.close()
    assert not harness.left, "main ended it in order"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_worker_ends_the_program_though_it_says_nothing() -> None:
    harness = Harness(Work(30.0))
    harness.work.dies = True
    eventually(lambda: harness.reasons, "the program is asked to end", 5)
    assert harness.reasons == ["the thread worker is dead"]
    harness.close()


@pytest.mark.slow
def test_the_watchdog_ends_the_program_if_main_does_not() -> None:
    said: list[str] = []
    harness = Harness(Work(), lambda: said.append("offline"))
    harness.work.go.clear()
    eventually(lambda: harness.left, "the program is left")
    assert harness.left == [1]
    assert said == ["offline"]
    harness.close()


@pytest.mark.slow
def test_a_stuck_main_is_left_even_where_last_words_hang() -> None:
    harness = Harness(Work(), lambda: time.sleep(30))
    harness.dog.main.beat(SHORT_S)
    eventually(lambda: harness.left, "the program is left")
    assert harness.left == [1]
    assert not harness.reasons, "main is not asked"
    harness.close()


def test_who_says_that_it_takes_long_is_waited_for() -> None:
    pulse = Pulse()
    seen: list[float] = []

    def step() -> float:
        with allow_blocking(40.0):
            seen.append(worker.pulse.allowed_s)
        seen.append(worker.pulse.allowed_s)
        worker.stop()
        return 1.0

    worker = Worker("asking", step, Wakeup(SystemClock()), SystemClock())
    assert worker.pulse.beats == pulse.beats
    worker.start()
    worker.join(30)
    assert seen == [SILENCE_S + 40.0, SILENCE_S]
    beat()  # of a thread that nobody watches


def test_who_waits_for_a_lock_lives() -> None:
    lock = WatchedLock()

    def step() -> float:
        with lock, lock:
            worker.stop()
            return 1.0

    worker = Worker("waiting", step, Wakeup(SystemClock()), SystemClock())
    with lock:
        worker.start()
        eventually(lambda: worker.pulse.beats >= 3, "it tells that it lives")
        assert worker.is_alive()
    worker.join(30)
    assert not worker.is_alive()
