"""How bytes travel to the cloud: requests' HTTPAdapter, with one deadline for a whole request.

The adapter alone follows no redirect, keeps no cookie and reads no ``.netrc``. Its time-out is per read: a server that
drips a byte a second would hold a thread for ever. Here a timer shuts the socket at the deadline.
"""

import contextlib
import http.client
import logging
import os
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import requests
import urllib3
from requests.adapters import HTTPAdapter

# urllib3 warns of each odd header anew, with a traceback and with what it was sent. Where that matters our own error
# says it, once. It has no line above a warning.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

LARGEST_RESPONSE = 2 * 1024 * 1024
"""Bytes of a response's body, as it travels and decompressed."""
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name the certificate authorities to trust; the first that is set counts."""
_CHUNK = 64 * 1024
_DROP = struct.pack("ii", 1, 0)
"""Of SO_LINGER: on, and for no time."""
_INTERIM = frozenset(range(100, 200)) - {101}
"""Statuses after which the response is still to come. 101 is the last one: of HTTP, that is."""


class UnfitResponseError(Exception):
    """Raised when a response is not read to its end: too large, or encoded in a way that was not asked for."""


class _Deadline:
    """The end of one request. What it watches is shut then, whatever the request waits for."""

    def __init__(self, seconds: float, admit: Callable[[], None]) -> None:
        self._admit = admit
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self.has_passed = False
        self.is_sent = False
        """Whether the request may have left: what fails before cannot have reached the cloud."""

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for sock in self._watched:
                sock.close()
            self._watched.clear()

    def watch(self, sock: socket.socket) -> None:
        """Shut this socket at the deadline. A duplicate, because TLS takes the first one over."""
        with self._lock:
            self._watched.append(socket.socket(fileno=os.dup(sock.fileno())))

    def check(self) -> None:
        """Make sure that there is time left.

        Raises:
            TimeoutError: there is none.

        """
        if self.has_passed or time.monotonic() >= self._ends:
            self.has_passed = True
            msg = "the deadline has passed"
            raise TimeoutError(msg)

    def drop(self) -> None:
        """Let the end of this drop what the kernel could not deliver; else an unlock may arrive minutes late."""
        with self._lock:
            for sock in self._watched:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)

    def leaves(self) -> None:
        """Record that the request leaves now, once it is made sure that it still may."""
        self._admit()
        self.check()
        self.is_sent = True

    def _shut(self) -> None:
        with self._lock:
            self.has_passed = True
            for sock in self._watched:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


class _UntilDeadline(list[Any]):
    """Socket options, which urllib3 reads before it tries each address of a host: there is no further one too late."""

    def __init__(self, options: Iterable[Any], deadline: Callable[[], _Deadline]) -> None:
        super().__init__(options)
        self._deadline = deadline

    def __iter__(self) -> Iterator[Any]:
        self._deadline().check()
        return super().__iter__()


class _Response(http.client.HTTPResponse):
    """Skips all interim responses; http.client skips only 100. Reads no part whose size is negative: it has no end."""

    def begin(self) -> None:
        super().begin()
        while self.status in _INTERIM:
            self.headers = self.msg = None  # type: ignore[assignment] # as before the first head, says http.client
            super().begin()

    def _safe_read(self, amt: int) -> bytes:
        if amt < 0:
            msg = "the response has a part without a size"
            raise UnfitResponseError(msg)
        read: bytes = super()._safe_read(amt)  # type: ignore[misc] # it is no part of the library's stubs
        return read


def _watched(connection: Any, deadline: Callable[[], _Deadline]) -> Any:  # noqa: ANN401 - two unrelated classes
    """Return the class of a connection whose sockets the present deadline watches."""

    class Connection(connection):  # type: ignore[misc] # a class made of its argument
        response_class = _Response
        socket_options: Any

        def _new_conn(self) -> Any:  # noqa: ANN401 - as the base has it
            self.socket_options = _UntilDeadline(self.socket_options or (), deadline)
            sock = super()._new_conn()
            deadline().watch(sock)
            return sock

        def connect(self) -> None:
            super().connect()
            deadline().leaves()  # TLS that begins on a socket that was shut makes no handshake, and no error

        def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
            if self.sock is not None:  # a connection that is kept alive is not connected anew
                deadline().watch(self.sock)
                deadline().leaves()
            super().request(*args, **kwargs)

    return Connection


class _Adapter(HTTPAdapter):
    """requests' adapter over connections that know the deadline."""

    def __init__(self, deadline: Callable[[], _Deadline]) -> None:
        self._pools = {
            scheme: type(pool.__name__, (pool,), {"ConnectionCls": _watched(pool.ConnectionCls, deadline)})
            for scheme, pool in (("http", urllib3.HTTPConnectionPool), ("https", urllib3.HTTPSConnectionPool))
        }
        super().__init__(pool_connections=2, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the base has it
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response as it came. ``body``: decompressed, or what went wrong while it was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes | Exception


class Sender(Protocol):
    """How a client's requests travel: a Transport, or a test's own way."""

    def send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout_s: float,
        admit: Callable[[], None],
    ) -> RawResponse:
        """Send a request and read its whole response within the deadline.

        ``admit`` is called when a connection is there and before the first byte leaves; what it raises ends it.
        """

    def close(self) -> None:
        """Let go of the connections; the next request makes new ones."""


class TransportError(Exception):
    """Raised when no response came. ``sent``: whether the request may have left; ``late``: the deadline had passed."""

    def __init__(self, cause: Exception, *, sent: bool, late: bool) -> None:
        """Keep the library's error, which may hold a header: it is for telling kinds apart, not for showing."""
        super().__init__(type(cause).__name__)
        self.cause, self.sent, self.late = cause, sent, late


_FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, UnfitResponseError, OSError, ValueError)


class Transport:
    """One keep-alive connection to each host, for one thread."""

    def __init__(self) -> None:
        self._adapter = _Adapter(lambda: self._deadline)
        self._deadline = _Deadline(0.0, lambda: None)

    def close(self) -> None:
        """Let go of the connections; the next request makes new ones."""
        self._adapter.close()

    def send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout_s: float,
        admit: Callable[[], None],
    ) -> RawResponse:
        """Send a request and read its whole response within the deadline.

        Raises:
            TransportError: there is no response.

        """
        self._deadline = _Deadline(timeout_s, admit)
        with self._deadline as deadline:
            try:
                response = self._adapter.send(
                    requests.Request(method, url, headers, data=body).prepare(),
                    stream=True,
                    timeout=timeout_s,
                    verify=next(filter(None, map(os.environ.get, CA_VARIABLES)), True),
                    proxies=requests.utils.get_environ_proxies(url),
                )
            except _FAULTS as error:
                deadline.drop()
                self.close()
                raise TransportError(error, sent=deadline.is_sent, late=deadline.has_passed) from None
            return RawResponse(response.status_code, response.headers, self._body(response, deadline))

    def _body(self, response: requests.Response, deadline: _Deadline) -> bytes | Exception:
        with response:
            try:
                body = _read(response)
                deadline.check()  # a socket that was shut looks like the end of a body without a length
            except _FAULTS as error:
                deadline.drop()
                self.close()
                # without its traceback, which would keep what was read for as long as somebody keeps the error
                return TimeoutError() if deadline.has_passed else error.with_traceback(None)
            return body


def _read(response: requests.Response) -> bytes:
    """Read the body, decompressed by ourselves: older urllib3s have no limit for what a chunk may grow to."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        msg = "the response is encoded in a way that was not asked for"
        raise UnfitResponseError(msg)
    inflate = zlib.decompressobj(zlib.MAX_WBITS + 16) if encoding == "gzip" else None
    body, travelled = bytearray(), 0
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        travelled += len(chunk)
        body += chunk if inflate is None else _inflated(inflate, chunk, LARGEST_RESPONSE + 1 - len(body))
        if max(travelled, len(body)) > LARGEST_RESPONSE:
            msg = f"the response is larger than {LARGEST_RESPONSE} bytes"
            raise UnfitResponseError(msg)
    if inflate is not None and not inflate.eof:
        msg = "the compressed response is cut off"
        raise UnfitResponseError(msg)
    return bytes(body)


def _inflated(inflate: Any, chunk: bytes, most: int) -> bytes:  # noqa: ANN401 - zlib's class has no public name
    try:
        inflated: bytes = inflate.decompress(chunk, most)
    except zlib.error as error:
        msg = f"the response is not compressed as it says: {error}"
        raise UnfitResponseError(msg) from None
    return inflated
