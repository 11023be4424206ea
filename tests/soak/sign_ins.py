"""A sign-in host of every temper, and whether it is asked no sooner than it may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from wallbox2mqtt.simulator import Seen

_FIRST_WAIT_S, _LONGEST_WAIT_S, _LEAST_OF_A_WAIT = 3.0, 900.0, 2 / 3
"""What a bridge waits at least after a sign-in that failed, doubled with each further one, of its own time."""
SICK: dict[str, dict[str, Any]] = {
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "429, now": {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}},
    "429": {"kind": "status", "status": 429},
    "400": {"kind": "status", "status": 400, "body": "json"},
    "reset": {"kind": "reset"},
    "hang": {"kind": "hang"},
    "drip": {"kind": "drip", "seconds": 0.02},
    "nonsense": {"kind": "html"},
    "null": {"kind": "null"},
    "cut": {"kind": "cut"},
    "huge": {"kind": "huge"},
    "no refresh, 401": {"kind": "status", "status": 401, "body": "json", "path": "users/refresh-token"},
    "no refresh, 403": {"kind": "status", "status": 403, "body": "json", "path": "users/refresh-token"},
}
"""The tempers of a sign-in host."""


_NOT_OFFERED = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}
_PATHS = ("users/signin", "users/refresh-token", "auth/token/user")


@dataclass
class SignIns:
    """Counts the requests for tokens, and those that came before the wait after a failure was over."""

    asked: int = 0
    too_soon: int = 0
    failures: int = 0
    last: Seen | None = None

    def look(self, requests: Sequence[Seen]) -> None:
        """Look at those that have come since."""
        for one in requests:
            if one.path in _PATHS and (self.last is None or one.at > self.last.at):
                self.asked += 1
                if self.last is not None and one.at - self.last.at < self._wait_s(self.last):
                    self.too_soon += 1
                self.last = one

    def _wait_s(self, before: Seen) -> float:
        """Return the least wait after a request; none after what may have succeeded, or leads on to another kind."""
        if before.status == HTTPStatus.OK:
            self.failures = 0
            return 0.0
        is_refused = before.status is not None and before.status < HTTPStatus.TOO_MANY_REQUESTS
        if (is_refused and before.path == "users/refresh-token") or before.status in _NOT_OFFERED:
            return 0.0
        self.failures += 1
        return _LEAST_OF_A_WAIT * min(_FIRST_WAIT_S * 2.0 ** (self.failures - 1), _LONGEST_WAIT_S)
