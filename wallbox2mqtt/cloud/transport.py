"""How bytes travel to the cloud: requests' HTTPAdapter, with one deadline for a whole request.

The adapter alone follows no redirect, keeps no cookie and reads no ``.netrc``. Its time-out is per read: a server that
drips a byte a second would hold a thread for ever. Here each read is given what is left of the request's time.
"""

import http.client
import io
import logging
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from wallbox2mqtt.cloud.requests_alone import HTTPAdapter, requests

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
    """The end of one request. Before each step its socket is told how much time is left, whatever came so far."""

    def __init__(self, seconds: float, admit: Callable[[], None]) -> None:
        self._ends, self._admit = time.monotonic() + seconds, admit
        self.is_sent = False
        """Whether the request may have left: what fails before cannot have reached the cloud."""

    @property
    def has_passed(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() >= self._ends

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: there are none.

        """
        left = self._ends - time.monotonic()
        if left <= 0:
            msg = "the deadline has passed"
            raise TimeoutError(msg)
        return left

    def leaves(self) -> None:
        """Record that the request leaves now, once it is made sure that it still may."""
        self._admit()
        self.left_s()
        self.is_sent = True


class _UntilDeadline(list[Any]):
    """Socket options, which urllib3 reads before it tries each address of a host: there is no further one too late."""

    def __init__(self, options: Iterable[Any], deadline: Callable[[], _Deadline]) -> None:
        super().__init__(options)
        self._deadline = deadline

    def __iter__(self) -> Iterator[Any]:
        self._deadline().left_s()
        return super().__iter__()


class _Bytes(io.RawIOBase):
    """The bytes of a response, each read of them with what is left of the time. ``makefile``: as sockets have it."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock, self._deadline = sock, deadline
        self._file = sock.makefile("rb", buffering=0)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - as the base has it
        self._sock.settimeout(self._deadline.left_s())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


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


def _bounded(connection: Any, deadline: Callable[[], _Deadline]) -> Any:  # noqa: ANN401 - two unrelated classes
    """Return the class of a connection that keeps to the present deadline."""

    class Connection(connection):  # type: ignore[misc] # a class made of its argument
        socket_options: Any
        timeout: float

        def response_class(self, sock: socket.socket, **kwargs: Any) -> _Response:  # noqa: ANN401 - as the base has it
            return _Response(_Bytes(sock, deadline()), **kwargs)  # type: ignore[arg-type] # all that it needs of one

        def _new_conn(self) -> Any:  # noqa: ANN401 - as the base has it
            self.socket_options = _UntilDeadline(self.socket_options or (), deadline)
            sock = super()._new_conn()
            sock.settimeout(deadline().left_s())  # for what TLS and a proxy say
            # its end drops what the kernel could not deliver; else an unlock may arrive minutes late
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)
            return sock

        def connect(self) -> None:
            self.timeout = deadline().left_s()
            super().connect()
            deadline().leaves()

        def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
            self.timeout = deadline().left_s()
            if self.sock is not None and not deadline().is_sent:  # one that is kept alive is not connected anew
                deadline().leaves()
            super().request(*args, **kwargs)

    return Connection


class _Adapter(HTTPAdapter):
    """requests' adapter over connections that know the deadline."""

    def __init__(self, deadline: Callable[[], _Deadline]) -> None:
        self._pools = {
            scheme: type(pool.__name__, (pool,), {"ConnectionCls": _bounded(pool.ConnectionCls, deadline)})
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

        ``admit`` is called when a connection is there and before the first byte leaves; what it raises ends it.

        Raises:
            TransportError: there is no response.

        """
        self._deadline = deadline = _Deadline(timeout_s, admit)
        try:
            response = self._adapter.send(
                requests.Request(method, url, headers, data=body).prepare(),
                stream=True,
                timeout=timeout_s,
                verify=next(filter(None, map(os.environ.get, CA_VARIABLES)), True),
                proxies=requests.utils.get_environ_proxies(url),
            )
        except _FAULTS as error:
            self.close()
            raise TransportError(error, sent=deadline.is_sent, late=deadline.has_passed) from None
        return RawResponse(response.status_code, response.headers, self._body(response))

    def _body(self, response: requests.Response) -> bytes | Exception:
        with response:
            try:
                return _read(response)
            except _FAULTS as error:
                self.close()
                # without its traceback, which would keep what was read for as long as somebody keeps the error
                return TimeoutError() if self._deadline.has_passed else error.with_traceback(None)


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
