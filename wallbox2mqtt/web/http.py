"""As much of HTTP as a read-only page needs: the head of a request, and a whole response."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from wallbox2mqtt.catalogue import Json

LARGEST_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""
END_OF_HEAD = b"\r\n\r\n"
METHODS = ("GET", "HEAD")
JSON, TEXT, EVENTS = "application/json", "text/plain; charset=utf-8", "text/event-stream"
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Connection": "close",
}
_WORDS_OF_REQUEST_LINE = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; headers do not matter."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. ``cache``: what ``Cache-Control`` says. ``streams``: the body never ends, the feed goes on with it."""

    body: bytes = b""
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK
    cache: str = "no-store"
    headers: Mapping[str, str] = field(default_factory=dict)
    streams: bool = False

    def encoded(self, *, with_body: bool) -> bytes:
        """Return head and body as they are sent."""
        headers = {"Date": formatdate(usegmt=True), "Content-Type": self.content_type, "Cache-Control": self.cache}
        headers |= {**_HEADERS, **self.headers}
        if not self.streams:
            headers["Content-Length"] = str(len(self.body))
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head + self.body if with_body else head


Handler = Callable[[Request], Response]
"""Makes the response to a request; called on the port's thread, so it must not wait for anything."""


def json_response(document: Json, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a response with a JSON document."""
    return Response(encoded_json(document), JSON, status)


def encoded_json(document: Json) -> bytes:
    """Return compact JSON. All beyond ASCII is escaped: not each text from the cloud is UTF-8."""
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def refusal(status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response that says in words why there is no other."""
    return Response(f"{text}\n".encode(), TEXT, status, headers=headers or {})


def parsed(head: bytes) -> Request | Response:
    """Return the request that a head is, or the response that refuses it."""
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    is_http = len(words) == _WORDS_OF_REQUEST_LINE and all(words) and words[2].startswith("HTTP/1.")
    if not is_http or not words[1].isascii():
        return refusal(HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1.1")
    method, target = words[:2]
    if method not in METHODS:
        return refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", {"Allow": ", ".join(METHODS)})
    try:
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query, max_num_fields=20).items()}
    except ValueError:
        return refusal(HTTPStatus.BAD_REQUEST, "this is no address")
    return Request(method, parts.path or "/", query)
