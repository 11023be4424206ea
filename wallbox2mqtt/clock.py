"""Time as a constructor argument: the machine's clock here, and others in the tests."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

_LONGEST_WAIT_S = 86_400.0


class Clock(Protocol):
    """What the rest of the program knows of time. All lengths are seconds."""

    def monotonic(self) -> float:
        """Seconds that never jump; their zero is unknown."""

    def wall(self) -> float:
        """Seconds since 1970 (UTC) as the system believes them; they may jump."""

    def real_s(self, seconds: float) -> float:
        """How many real seconds so many of this clock's seconds take."""

    def wait(self, condition: threading.Condition, timeout: float | None) -> bool:
        """Wait on a condition that the caller holds, for so many seconds at most; False when they ran out."""


def boot_time() -> float:
    """Return seconds that never jump; those in which the machine slept count where the system knows of them."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Seconds that never jump, those in which the machine slept among them: a command that waits grows older."""
        return boot_time()

    def wall(self) -> float:
        """Seconds since 1970 as the system believes them."""
        return time.time()

    def real_s(self, seconds: float) -> float:
        """So many seconds, but at most a day, which waits can bear."""
        return min(max(0.0, seconds), _LONGEST_WAIT_S)

    def wait(self, condition: threading.Condition, timeout: float | None) -> bool:
        """Wait on a condition that the caller holds."""
        return condition.wait(None if timeout is None else self.real_s(timeout))


class Wakeup:
    """Ends the wait of another thread, also one that begins only afterwards."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._condition = clock, threading.Condition()
        self._is_set = False

    def set(self) -> None:
        """End the present wait, or the next one."""
        with self._condition:
            self._is_set = True
            self._condition.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait to be woken, for so many seconds at most."""
        with self._condition:
            if not self._is_set:
                self._clock.wait(self._condition, timeout_s)
            self._is_set = False


def iso_utc(wall: float) -> str:
    """ISO 8601 with ``+00:00`` and whole seconds, of seconds since 1970 (UTC)."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")
