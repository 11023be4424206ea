"""Fakes at the program's own seams: time."""

import threading

A_DAY = 1_791_201_600.0
"""Monday, 5 October 2026, 12:00:00 UTC."""

_LONGEST_WAIT_S = 30.0


class FakeClock:
    """A clock that stands until it is told to go on. Waits end when it has passed them, or when they are notified."""

    def __init__(self, monotonic: float = 1000.0, wall: float = A_DAY) -> None:
        self._lock = threading.Lock()
        self._monotonic, self._wall = monotonic, wall
        self._waiting: list[threading.Condition] = []

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake who waits. The caller must not hold a condition that somebody waits on."""
        with self._lock:
            self._monotonic += seconds
            self._wall += seconds
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back; no time passes."""
        with self._lock:
            self._wall += seconds

    def wait(self, condition: threading.Condition, timeout: float | None) -> bool:
        """Wait on a condition that the caller holds; False when the fake time ran out (or 30 real seconds did)."""
        with self._lock:
            self._waiting.append(condition)
            ends = None if timeout is None else self._monotonic + timeout
        try:
            # whoever advances the clock from now on has to take the condition, which is ours until the wait begins
            if ends is not None and self._monotonic >= ends:
                return False
            woken = condition.wait(_LONGEST_WAIT_S)
            return woken and (ends is None or self._monotonic < ends)
        finally:
            with self._lock:
                self._waiting.remove(condition)
