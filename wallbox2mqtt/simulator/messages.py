"""Requests and answers between the wire and the simulated cloud, and the log of them."""

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NoReturn
from urllib.parse import parse_qsl

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.simulator.paths import Json

JSON_TYPE = "application/json"
HTML_TYPE = "text/html; charset=utf-8"

_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})
_CHARGER = re.compile(r"(?:chargers?|status|config)/(\d+)(?:/|$)")
_LOG_LENGTH = 10_000


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is no JSON"
    raise ValueError(msg)


@dataclass(frozen=True)
class ApiRequest:
    """A request as it came in. ``path`` is without the slashes around it and the query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    query: str = ""
    client: str = "127.0.0.1"

    def header(self, name: str) -> str:
        """Return a header's value, empty where it is missing."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")

    def json(self) -> Json:
        """Parse the body, without the numbers that only Python's parser knows.

        Raises:
            ValueError: it is no JSON.

        """
        try:
            document: Json = json.loads(self.body, parse_constant=_refuse)
        except RecursionError as error:
            msg = "nested too deep"
            raise ValueError(msg) from error
        return document

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(self.query))

    @cached_property
    def charger(self) -> int | None:
        """The number of the charger in the path."""
        found = _CHARGER.search(self.path)
        return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer. ``limited``: the rate limit refused the request."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    limited: bool = False


class RefusedError(Exception):
    """Raised with a status and a text when the cloud refuses a request."""


def json_answer(document: object, status: int = 200) -> ApiAnswer:
    """Answer with a document."""
    return ApiAnswer(status, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))


def error_answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> ApiAnswer:
    """Answer with an error. The body is not documented; clients look for ``msg``, ``code`` and ``title`` [C]."""
    document = {"error": True, "code": status, "msg": text, "title": text, "status": status}
    return replace(json_answer(document, status), headers=headers or {})


@dataclass(slots=True)
class Seen:
    """A request in the log, which its answer completes. Times are monotonic seconds of the clock.

    ``body``: the parsed JSON, else the text; None where there was none. ``status`` is None until it is answered,
    and stays so where no answer was sent. ``limited``: refused by the rate limit.
    """

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: Json
    charger: int | None
    status: int | None = None
    limited: bool = False
    answered_at: float | None = None
    query: str = ""


class ReceivedRequests:
    """The newest requests, in the order of their arrival. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._seen: deque[Seen] = deque(maxlen=_LOG_LENGTH)

    def arrived(self, request: ApiRequest) -> Seen:
        """Record a request with its secrets redacted, and return the record."""
        headers = {
            name: f"{value.partition(' ')[0]} ***" if name.lower() in _SECRET else value
            for name, value in request.headers.items()
        }
        seen = Seen(
            at=self._clock.monotonic(),
            method=request.method,
            path=request.path,
            headers=headers,
            body=_readable(request.body),
            charger=request.charger,
            query=request.query,
        )
        with self._changed:
            self._seen.append(seen)
            self._changed.notify_all()
        return seen

    def answered(self, seen: Seen, answer: ApiAnswer) -> None:
        """Record the answer to a request."""
        with self._changed:
            seen.status, seen.limited, seen.answered_at = answer.status, answer.limited, self._clock.monotonic()
            self._changed.notify_all()

    def all(self) -> tuple[Seen, ...]:
        """Return the requests."""
        with self._changed:
            return tuple(self._seen)

    def clear(self) -> None:
        """Forget them."""
        with self._changed:
            self._seen.clear()

    def wait(self, holds: Callable[[tuple[Seen, ...]], bool], timeout_s: float) -> bool:
        """Wait (in real seconds) until something holds of the requests; False when the time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(tuple(self._seen)), timeout_s)


def _readable(body: bytes) -> Json:
    if not body:
        return None
    try:
        document: Json = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return document
