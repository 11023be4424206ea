"""The real clock, and the one that runs faster."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import A_DAY, FastClock
from wallbox2mqtt.clock import iso_utc


def test_a_fast_clock_begins_now_and_runs_faster() -> None:
    clock = FastClock(speed=1000)
    begun, wall = clock.monotonic(), clock.wall()
    assert abs(wall - time.time()) < 60
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        pass
    assert 50 <= clock.monotonic() - begun < 5000
    assert 50 <= clock.wall() - wall < 5000


@pytest.mark.parametrize(
    ("speed", "seconds", "expected"),
    [(1, 60, 60), (20, 60, 3), (0.5, 60, 120), (1, 0, 0), (1, -5, 0), (1, 1e12, 86_400), (0.01, 3600, 86_400)],
)
def test_real_seconds(speed: float, seconds: float, expected: float) -> None:
    assert FastClock(speed).real_s(seconds) == expected


def test_waits_end_at_the_deadline_or_when_notified() -> None:
    clock, condition = FastClock(speed=100), threading.Condition()
    with condition:
        assert not clock.wait(condition, 1)
        assert not clock.wait(condition, -1)

    def notify() -> None:
        with condition:
            condition.notify_all()

    with condition:
        thread = threading.Thread(target=notify)
        thread.start()
        assert clock.wait(condition, None)
        thread.join(30)


@given(st.floats(0, 4e9))
def test_iso_utc_is_whole_seconds(wall: float) -> None:
    text = iso_utc(wall)
    assert text.endswith("+00:00")
    assert len(text) == len("2026-10-05T12:00:00+00:00")


def test_iso_utc() -> None:
    assert iso_utc(A_DAY + 0.9) == "2026-10-05T12:00:00+00:00"
