"""The requests to the cloud and their outcome: counted since the start, and one by one for ten minutes."""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.errors import CloudError, RequestRefusedError, UnauthorizedError

KEPT_S = 600.0
MOST_KEPT = 200
OK = "ok"


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request. ``at``: when it was sent, monotonic seconds.

    ``budget``: ``read``, ``write`` or ``sign_in``. ``kind``: what was asked for. ``outcome``: ``ok``, or what went
    wrong.
    """

    at: float
    budget: str
    kind: str
    outcome: str


class RequestLog:
    """The requests of an account. Any thread may call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: deque[LoggedRequest] = deque(maxlen=MOST_KEPT)
        self._totals: Counter[tuple[str, str, str]] = Counter()

    @contextmanager
    def request(self, budget: str, kind: str) -> Iterator[None]:
        """Record the request that this encloses, unless it was not sent after all."""
        at = self._clock.monotonic()
        try:
            yield
        except CloudError as error:
            self._record(LoggedRequest(at, budget, kind, _outcome(error)))
            raise
        self._record(LoggedRequest(at, budget, kind, OK))

    def _record(self, request: LoggedRequest) -> None:
        with self._lock:
            self._recent.append(request)
            self._totals[request.budget, request.kind, request.outcome] += 1

    def recent(self) -> list[LoggedRequest]:
        """Return the requests of the last ten minutes, the oldest first; of very many the newest."""
        oldest = self._clock.monotonic() - KEPT_S
        with self._lock:
            return [request for request in self._recent if request.at >= oldest]

    def totals(self) -> dict[tuple[str, str, str], int]:
        """Return how many requests there were since the start, by budget, kind and outcome."""
        with self._lock:
            return dict(self._totals)


def _outcome(error: CloudError) -> str:
    if isinstance(error, UnauthorizedError):
        return "unauthorized"
    # of a refused request the status tells more than the cloud's reason
    return f"http_{error.http_status}" if isinstance(error, RequestRefusedError) else error.reason
