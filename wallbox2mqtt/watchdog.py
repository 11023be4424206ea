"""Watches the threads: if one is dead or stuck, the program ends, and systemd or Docker restart it.

Each thread tells when it lives. What may take long for good reasons (a name that is looked up, a server that is
slow) says so before it begins, so that only silence without a reason counts. A thread of its own looks: it is
also there when main hangs, and then leaves without it.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from wallbox2mqtt.clock import Clock, Wakeup

_LOG = logging.getLogger(__name__)

SILENCE_S = 20.0
"""A thread that tells nothing for so long is stuck."""
LOOK_UP_S = 60.0
"""Looking up a name has no deadline of ours: the system's resolver tries its servers one after the other."""
_LOOK_S = 1.0
_LONGEST_LOOK_S = 2.0
_ORDERLY_S, _LAST_WORDS_S = 4.0, 2.5

_own = threading.local()


class Pulse:
    """A thread's sign of life; real seconds."""

    def __init__(self) -> None:
        self.beats, self.allowed_s = 0, SILENCE_S
        self._at = time.monotonic()

    def beat(self, allowed_s: float = SILENCE_S) -> None:
        """Tell that the thread lives, and for how long it may be silent from now on."""
        self.allowed_s, self._at = allowed_s, time.monotonic()
        self.beats += 1

    @property
    def silent_s(self) -> float:
        """For how long it has told nothing."""
        return max(0.0, time.monotonic() - self._at)


def beat(allowed_s: float = SILENCE_S) -> None:
    """Tell that the present thread lives, if anybody watches over it."""
    pulse: Pulse | None = getattr(_own, "pulse", None)
    if pulse is not None:
        pulse.beat(allowed_s)


@contextmanager
def allow_blocking(seconds: float) -> Iterator[None]:
    """Do what may take so long for good reasons."""
    beat(SILENCE_S + seconds)
    try:
        yield
    finally:
        beat()


class WatchedLock:
    """A lock, for as often as one thread likes, whose waiters tell that they live.

    Who holds it may be at the cloud for long, and is watched over itself.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        """Wait for it."""
        while not self._lock.acquire(timeout=_LOOK_S):
            beat()

    def __exit__(self, *_: object) -> None:
        """Release it."""
        self._lock.release()


class Worker(threading.Thread):
    """A thread that calls ``step`` for ever."""

    def __init__(self, name: str, step: Callable[[], float], wakeup: Wakeup, clock: Clock) -> None:
        """Name the thread.

        ``step`` returns the seconds for which it found nothing to do; ``wakeup`` ends that wait.
        """
        super().__init__(name=name, daemon=True)
        self._step, self._wakeup, self._clock = step, wakeup, clock
        self._stopping = False
        self.pulse = Pulse()

    def run(self) -> None:
        """Step until stopped."""
        _own.pulse = self.pulse
        while not self._stopping:
            self.pulse.beat()
            if (wait := self._step()) > 0:
                self.pulse.beat(SILENCE_S + self._clock.real_s(wait))
                self._wakeup.wait(wait)

    def stop(self) -> None:
        """End after the present step."""
        self._stopping = True
        self._wakeup.set()


@dataclass(slots=True)
class _Watched:
    name: str
    pulse: Pulse
    is_alive: Callable[[], bool]
    beats: int = -1
    silent_s: float = 0.0

    def trouble(self, passed_s: float) -> str | None:
        """Tell what is wrong with it."""
        if not self.is_alive():
            return f"the thread {self.name} is dead"
        if self.pulse.beats != self.beats:
            self.beats, self.silent_s = self.pulse.beats, 0.0
        else:
            self.silent_s += passed_s
        return f"the thread {self.name} is stuck" if self.silent_s > self.pulse.allowed_s else None


class Watchdog(threading.Thread):
    """Looks after the others each second.

    A thread in trouble: ``end`` is called with the reason, which asks main to end the program in order. If it does
    not, or main itself is in trouble, ``last_words`` is called, for which there is little time, and then ``leave``.
    """

    def __init__(
        self,
        end: Callable[[str], None],
        last_words: Callable[[], None],
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        """Watch over main only, as yet."""
        super().__init__(name="watchdog", daemon=True)
        self._end, self._last_words, self._leave = end, last_words, leave
        self._watched: list[_Watched] = []
        self._ended = threading.Event()
        self.main = Pulse()

    def watch(self, name: str, pulse: Pulse, is_alive: Callable[[], bool]) -> None:
        """Watch over a thread that runs; call this before ``start``."""
        self._watched.append(_Watched(name, pulse, is_alive))

    def run(self) -> None:
        """Look until the program ends."""
        # a process whose main thread is dead ends by itself
        main = _Watched("main", self.main, lambda: True)
        looked = time.monotonic()
        while not self._ended.wait(_LOOK_S):
            now = time.monotonic()
            # a machine, or a container, that was paused for an hour: nobody was silent, there was no time
            passed_s, looked = min(now - looked, _LONGEST_LOOK_S), now
            if (reason := main.trouble(passed_s)) is not None:
                self._give_up(reason)
                return
            troubles = [one.trouble(passed_s) for one in self._watched]
            if (reason := next(filter(None, troubles), None)) is not None:
                self._end(reason)
                if not self._ended.wait(_ORDERLY_S):
                    self._give_up(f"{reason}, and main does not end")
                return

    def _give_up(self, reason: str) -> None:
        def speak() -> None:
            _LOG.critical("leaving at once reason=%r", reason)
            self._last_words()

        # by another thread: whatever blocks main may block this, a full pipe behind stderr for one
        words = threading.Thread(target=speak, name="last words", daemon=True)
        words.start()
        words.join(_LAST_WORDS_S)
        self._leave(1)

    def watch_shutdown(self) -> None:
        """Look only after main, and not for long: it ends the program in order."""
        self._watched = []
        self.main.beat(_ORDERLY_S + _LAST_WORDS_S)

    def stop(self) -> None:
        """Stop looking: the program has ended."""
        self._ended.set()
