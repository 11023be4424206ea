"""The account's rate limit: so many requests in any 60 s, reads and writes apart, as users saw it."""

import math
import threading
from collections import deque
from dataclasses import replace
from email.utils import formatdate

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.simulator.messages import ApiAnswer, error_answer
from wallbox2mqtt.simulator.settings import Settings

WINDOW_S = 60.0


class Limiter:
    """Counts the requests that were let through; refused ones do not count. [?] Whether they do is not public."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[bool, deque[float]] = {True: deque(), False: deque()}

    def refusal(self, settings: Settings, *, write: bool) -> ApiAnswer | None:
        """Count a request, or return the answer that refuses it."""
        most = settings.writes_per_minute if write else settings.reads_per_minute
        with self._lock:
            now, times = self._clock.monotonic(), self._times[write]
            while times and now - times[0] >= WINDOW_S:
                times.popleft()
            if most is None or len(times) < most:
                times.append(now)
                return None
            oldest = times[len(times) - most] if most else now
        return _refused(settings, oldest + WINDOW_S - now, self._clock.wall())


def _refused(settings: Settings, wait_s: float, wall: float) -> ApiAnswer:
    status = 403 if settings.refusal == "403" else 429  # 403 since 2026, without a known body, as users report
    retry_after = {
        "429 seconds": str(math.ceil(wait_s)),
        "429 date": formatdate(math.ceil(wall + wait_s), usegmt=True),
        "429 zero": "0",
    }.get(settings.refusal)
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return replace(error_answer(status, "Too many requests", headers), limited=True)
