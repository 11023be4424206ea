"""Time as a constructor argument: the real clock, and one that runs faster for benchmarks and demos."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rest of the program knows of time. All lengths are seconds."""

    def monotonic(self) -> float:
        """Seconds that never jump; their zero is unknown."""

    def wall(self) -> float:
        """Seconds since 1970 (UTC) as the system believes them; they may jump."""

    def real_s(self, seconds: float) -> float:
        """How long so many of this clock's seconds take in truth."""

    def wait(self, condition: threading.Condition, timeout: float | None) -> bool:
        """Wait on a condition that the caller holds, for so many seconds at most; False when they ran out."""


def boot_time() -> float:
    """Return seconds that never jump; those in which the machine slept count where the system knows of them."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class SystemClock:
    """The machine's clock; ``speed`` makes its seconds shorter (a minute as 3 s: ``speed=20``)."""

    def __init__(self, speed: float = 1.0) -> None:
        """Start both clocks at the present; only what passes from now on is scaled."""
        self._speed = speed
        self._wall_start, self._start = time.time(), boot_time()

    def monotonic(self) -> float:
        """Seconds that never jump, those in which the machine slept among them: a command that waits grows older."""
        return self._start + (boot_time() - self._start) * self._speed

    def wall(self) -> float:
        """Seconds since 1970 as the system believes them."""
        return self._wall_start + (time.time() - self._wall_start) * self._speed

    def real_s(self, seconds: float) -> float:
        """How long so many of this clock's seconds take in truth; at most a day, which waits can bear."""
        return min(max(0.0, seconds) / self._speed, 86_400.0)

    def wait(self, condition: threading.Condition, timeout: float | None) -> bool:
        """Wait on a condition that the caller holds."""
        return condition.wait(None if timeout is None else self.real_s(timeout))


def iso_utc(wall: float) -> str:
    """ISO 8601 with ``+00:00`` and whole seconds, of seconds since 1970 (UTC)."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")
