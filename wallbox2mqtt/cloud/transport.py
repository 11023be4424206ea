"""How bytes travel to the cloud: a requests session with one deadline for a whole request.

requests' own timeout is per read: a server that drips a byte a second would hold a thread for ever. Here
every read waits only for what is left of the deadline, and what is read is counted below all that reads.
"""

import http.client
import io
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from wallbox2mqtt.clock import SystemClock

# urllib3 warns of each odd answer anew, with a traceback and with what it was sent: of a header without a colon, of
# two lengths. Where that matters our own error says it, once. It has no line above a warning.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

LARGEST_ANSWER = 2 * 1024 * 1024
"""Bytes of an answer's text, decompressed."""
_LARGEST_HEAD = 128 * 1024
"""Bytes of an answer's head and of all interim answers before it: http.client itself would take 6.5 MB for each."""
_LARGEST_BODY = 2 * LARGEST_ANSWER
"""Bytes of an answer's body as it travels: the frames of chunks take room, and lines after the last have no end."""
_CHUNK = 64 * 1024
_INTERIM = frozenset(range(100, 200)) - {101}
"""Statuses after which the answer is still to come. 101 is the last one: of HTTP, that is."""


class UnfitAnswerError(Exception):
    """Raised when an answer is not read to its end: it is larger than the limit, or its size is none."""


class Deadline:
    """The end of the present request, and how far it came; one for each session, which one thread uses."""

    def __init__(self) -> None:
        """Start without one."""
        self._clock = SystemClock()
        self._ends = 0.0
        self.connected = False
        """Whether the request may have left: what fails before cannot have reached the cloud."""

    def set(self, seconds: float) -> None:
        """Let it end in so many seconds."""
        self._ends = self._clock.monotonic() + seconds
        self.connected = False

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: none are.

        """
        left = self._ends - self._clock.monotonic()
        if left <= 0:
            msg = "the deadline has passed"
            raise TimeoutError(msg)
        return left


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket for as long as the deadline allows, and no more than was allowed."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._raw, self._sock, self._deadline = raw, sock, deadline
        self._left = _LARGEST_HEAD

    def allow(self, size: int) -> None:
        """Let so many more bytes be read, whatever is left of those that were allowed before."""
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - a writable buffer; typing has no name for it in 3.11
        if self._left <= 0:
            msg = "the answer is larger than any answer may be"
            raise UnfitAnswerError(msg)
        self._sock.settimeout(self._deadline.left())
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Buffer(io.BufferedReader):
    """Reads only what has a size: http.client takes a chunk of -1 bytes for all that there will ever be."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            msg = "the answer has a part without a size"
            raise UnfitAnswerError(msg)
        return super().read(size)


def _response_class(deadline: Deadline) -> type[http.client.HTTPResponse]:
    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
            super().__init__(sock, *args, **kwargs)
            self._reader = _DeadlineReader(self.fp.detach(), sock, deadline)
            self.fp = _Buffer(self._reader)

        def begin(self) -> None:
            super().begin()
            # http.client skips only 100. The answer to this request would be taken for that to the next one
            while self.status in _INTERIM:
                self.headers = self.msg = None  # type: ignore[assignment] # as before the first head, says http.client
                super().begin()
            self._reader.allow(_LARGEST_BODY)
            # before any jar sees them: they would be kept, and sent back, without a limit
            for name in ("Set-Cookie", "Set-Cookie2"):
                del self.headers[name]

    return Response


class _UntilDeadline(list[Any]):
    """Socket options, which are asked for before each address of a host is tried: there is no further one too late.

    urllib3 gives each address the whole timeout: a host with eight that are all silent would take eight times as long.
    """

    def __init__(self, options: Iterable[Any], deadline: Deadline) -> None:
        super().__init__(options)
        self._deadline = deadline

    def __iter__(self) -> Iterator[Any]:
        self._deadline.left()
        return super().__iter__()


def _with_deadline(connection: Any, deadline: Deadline) -> Any:  # noqa: ANN401 - two unrelated connection classes
    class Connection(connection):  # type: ignore[misc] # a class made of its argument
        response_class = _response_class(deadline)
        socket_options: Any

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
            super().__init__(*args, **kwargs)
            self.socket_options = _UntilDeadline(self.socket_options or (), deadline)

        def connect(self) -> None:
            super().connect()
            deadline.connected = True

        def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
            # a connection that is kept alive is not connected anew
            deadline.connected = self.sock is not None
            super().request(*args, **kwargs)

    return Connection


class _Adapter(HTTPAdapter):
    """requests' adapter over connections that know the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__(pool_connections=2, pool_maxsize=1, max_retries=0)

    def _bound(self, manager: urllib3.PoolManager) -> urllib3.PoolManager:
        def pool(kind: Any, connection: Any) -> Any:  # noqa: ANN401 - two unrelated pool classes
            return type(kind.__name__, (kind,), {"ConnectionCls": _with_deadline(connection, self._deadline)})

        manager.pool_classes_by_scheme = {
            "http": pool(urllib3.HTTPConnectionPool, urllib3.connection.HTTPConnection),
            "https": pool(urllib3.HTTPSConnectionPool, urllib3.connection.HTTPSConnection),
        }
        return manager

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager = self._bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the base has it
        new = not self.proxy_manager
        manager = super().proxy_manager_for(*args, **kwargs)
        return self._bound(manager) if new else manager


class _Session(requests.Session):
    """Follows no redirect. requests would work the next one out all the same, and read its whole body for that."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - as the base has it
        return None


def new_session(deadline: Deadline) -> requests.Session:
    """Return a session whose requests end at the deadline; proxies and authorities come from the environment."""
    session = _Session()
    # requests itself heeds REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, not what OpenSSL and everything else here heeds
    session.verify = os.environ.get("SSL_CERT_FILE") or True
    adapter = _Adapter(deadline)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def read_body(response: requests.Response) -> bytes:
    """Read a streamed answer, decompressed.

    Raises:
        UnfitAnswerError: it is larger than the limit, or its size is none.

    """
    read: Callable[[int], bytes] = lambda size: response.raw.read(size, decode_content=True)  # noqa: E731
    body = bytearray()
    while chunk := read(_CHUNK):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            msg = f"the answer is larger than {LARGEST_ANSWER} bytes"
            raise UnfitAnswerError(msg)
    return bytes(body)
