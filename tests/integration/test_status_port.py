"""The status port over real sockets: what it answers, and what those cannot do who are slow, many or hostile."""

import errno
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.mosquitto import LIMIT_S, eventually, free_port
from wallbox2mqtt.web import THREAD, routes
from wallbox2mqtt.web.client import Limits
from wallbox2mqtt.web.http import Request, Response
from wallbox2mqtt.web.listen import listen
from wallbox2mqtt.web.port import StatusPort
from wallbox2mqtt.web.server import KEEP_ALIVE, Events, Server

HOST = "127.0.0.1"
LARGE = b"x" * 3_000_000
"""More than the buffers of a connection take."""


class Numbers(Events):
    """Events that a test tells: ``whole`` has what was told last."""

    def __init__(self) -> None:
        self.begun = 0
        self.waiting: list[bytes] = []
        self.told = b"data: 0\n\n"

    def begin(self) -> None:
        self.begun += 1

    def whole(self) -> bytes:
        return b"event: status\n" + self.told

    def change(self) -> bytes | None:
        if not self.waiting:
            return None
        self.told = self.waiting.pop(0)
        return b"event: change\n" + self.told

    def beat(self) -> bytes:
        return b"event: beat\ndata: {}\n\n"


class Exhausted(socket.socket):
    """A socket that can be made to accept nobody, as when the process has no descriptors left."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.family, listener.type, fileno=listener.detach())
        self.is_empty, self.tries = False, 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.tries += 1
        if self.is_empty:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


class Harness:
    """A server on a port of its own, on a thread."""

    def __init__(self, limits: Limits, listening: str = HOST, clients: Collection[str] = ()) -> None:
        self.events = Numbers()
        self.wrong: list[str] = []
        table = {
            "/events": routes.stream,
            "/livez": routes.verdict(lambda: (self.wrong, "")),
            "/large": lambda _: Response(LARGE),
        }
        self.listener = Exhausted(listen((listening, 0)))
        self.port: int = self.listener.getsockname()[1]
        self.server = Server(self.listener, routes.router(table), self.events, limits, clients)
        self.thread = threading.Thread(target=self.server.serve, daemon=True)
        self.thread.start()

    def connect(self, text: str = "") -> socket.socket:
        sock = socket.socket()
        sock.settimeout(LIMIT_S)
        # before it connects, or the system takes megabytes for who reads nothing
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.connect((HOST, self.port))
        sock.sendall(text.encode())
        return sock

    def view(self) -> socket.socket:
        """Follow the events; the first one has come."""
        sock = self.connect("GET /events HTTP/1.1\r\n\r\n")
        until(sock, b"event: status\n")
        return sock

    def ask(self, path: str = "/livez", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        with closing(HTTPConnection(HOST, self.port, timeout=LIMIT_S)) as client:
            client.request(method, path)
            response = client.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def stop(self) -> None:
        self.server.stop()
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive()


def until(sock: socket.socket, text: bytes) -> bytes:
    """All that comes until a text has come."""
    received = b""
    while text not in received:
        chunk = sock.recv(65_536)
        assert chunk, f"the connection ended before {text!r}: {received[-200:]!r}"
        received += chunk
    return received


def all_of(sock: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    received = b""
    while chunk := sock.recv(65_536):
        received += chunk
    return received


Make = Callable[..., Harness]


@pytest.fixture
def make() -> Iterator[Make]:
    harnesses: list[Harness] = []

    def make_harness(**limits: Any) -> Harness:  # noqa: ANN401
        harnesses.append(Harness(Limits(**limits)))
        return harnesses[-1]

    yield make_harness
    for harness in harnesses:
        harness.stop()


class TestRequests:
    @pytest.mark.parametrize(
        ("text", "status"),
        [
            pytest.param("GET /livez HTTP/1.1\r\n\r\n", 200, id="get"),
            pytest.param("GET /livez HTTP/1.0\r\n\r\n", 200, id="http-1.0"),
            pytest.param("GET /livez?a=1&b HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200, id="any-host"),
            pytest.param("GET http://any.example/livez HTTP/1.1\r\n\r\n", 200, id="absolute"),
            pytest.param("HEAD /livez HTTP/1.1\r\n\r\n", 200, id="head"),
            pytest.param("GET / HTTP/1.1\r\n\r\n", 404, id="unknown"),
            pytest.param("GET /livez/ HTTP/1.1\r\n\r\n", 404, id="trailing-slash"),
            pytest.param("GET /static/../server.py HTTP/1.1\r\n\r\n", 404, id="traversal"),
            pytest.param("GET /static/%2e%2e%2fserver.py HTTP/1.1\r\n\r\n", 404, id="escaped-traversal"),
            pytest.param("POST /livez HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405, id="post"),
            pytest.param("DELETE /livez HTTP/1.1\r\n\r\n", 405, id="delete"),
            pytest.param("get /livez HTTP/1.1\r\n\r\n", 405, id="lower-case"),
            pytest.param("GET /livez\r\n\r\n", 400, id="http-0.9"),
            pytest.param("\r\n\r\n", 400, id="empty"),
            pytest.param("GET http://[::1 HTTP/1.1\r\n\r\n", 400, id="no-address"),
            pytest.param("\x16\x03\x01\x02\r\n\r\n", 400, id="tls"),
            pytest.param(f"GET /livez HTTP/1.1\r\nA: {'a' * 20_000}\r\n\r\n", 431, id="large-head"),
        ],
    )
    def test_status(self, make: Make, text: str, status: int) -> None:
        with closing(make().connect(text)) as sock:
            assert all_of(sock).startswith(f"HTTP/1.1 {status} ".encode())

    def test_request_in_pieces(self, make: Make) -> None:
        with closing(make().connect()) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in ("GET /li", "vez HTTP/1.1\r", "\n\r", "\n"):
                sock.sendall(piece.encode())
            assert b'"healthy":true' in all_of(sock)

    def test_probe_says_what_is_wrong(self, make: Make) -> None:
        harness = make()
        harness.wrong.append("the main loop is silent")
        status, _, body = harness.ask()
        assert status == HTTPStatus.SERVICE_UNAVAILABLE
        assert json.loads(body) == {"healthy": False, "problems": ["the main loop is silent"], "state": None}

    def test_headers(self, make: Make) -> None:
        _, headers, _ = make().ask()
        assert headers.pop("Date").endswith(" GMT")
        assert headers == {
            "Content-Type": "application/json",
            "Content-Length": "43",
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'self'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Connection": "close",
        }

    @pytest.mark.parametrize("path", ["/livez", "/events"])
    def test_head_has_no_body(self, make: Make, path: str) -> None:
        with closing(make().connect(f"HEAD {path} HTTP/1.1\r\n\r\n")) as sock:
            head, _, body = all_of(sock).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert not body

    def test_large_response_is_whole(self, make: Make) -> None:
        assert make().ask("/large")[2] == LARGE


class TestEvents:
    def test_whole_then_changes(self, make: Make) -> None:
        harness = make()
        with closing(harness.view()) as one, closing(harness.view()) as other:
            harness.events.waiting.append(b"data: 1\n\n")
            for sock in (one, other):
                until(sock, b"event: change\ndata: 1\n\n")
        assert harness.events.begun == 1

    def test_quiet_line_shows_that_it_lives(self, make: Make) -> None:
        with closing(make(keep_alive_s=0.01).view()) as sock:
            until(sock, KEEP_ALIVE + b"event: beat\n")

    def test_viewer_that_falls_behind_gets_everything_once_more(self, make: Make) -> None:
        harness = make()
        with closing(harness.view()) as slow, closing(harness.view()) as quick:
            for text in (b"data: %s\n\n" % LARGE, b"data: 2\n\n", b"data: 3\n\n"):
                harness.events.waiting.append(text)
                until(quick, text[-20:])
            received = until(slow, b"event: status\ndata: 3\n\n")
        assert b"data: 2" not in received

    def test_viewer_that_takes_nothing_is_dropped(self, make: Make) -> None:
        harness = make(stalled_s=0.2)
        with closing(harness.view()):
            harness.events.waiting.append(b"data: %s\n\n" % LARGE)
            eventually(lambda: harness.server.connections == 0, "the one that takes nothing is dropped")

    def test_no_more_viewers_than_may_be(self, make: Make) -> None:
        harness = make(viewers=2)
        with closing(harness.view()), closing(harness.view()):
            status, headers, _ = harness.ask("/events")
            assert (status, headers["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "30")
            assert harness.ask()[0] == HTTPStatus.OK


class TestCrowd:
    """Connections that others hold open, and more of them than may be."""

    def test_viewers_and_probes_beside_half_open_connections(self, make: Make) -> None:
        harness = make(connections=180, viewers=120)
        with ExitStack() as stack:
            viewers = [stack.enter_context(closing(harness.view())) for _ in range(100)]
            begun = time.monotonic()
            for number in range(300):
                half = "GET /livez HTTP/1.1\r\nX: y" if number % 2 else ""
                stack.enter_context(closing(harness.connect(half)))
                if number % 50 == 0:
                    assert harness.ask()[0] == HTTPStatus.OK
            harness.events.waiting.append(b"data: 1\n\n")
            for viewer in viewers:
                until(viewer, b"event: change\ndata: 1\n\n")
            assert harness.ask()[0] == HTTPStatus.OK
            assert harness.server.connections <= 180
            assert time.monotonic() - begun < LIMIT_S

    def test_slow_request_is_ended(self, make: Make) -> None:
        harness = make(request_s=0.1)
        with closing(harness.connect("GET /livez HTTP/1.1\r\n")) as sock:
            assert not all_of(sock)

    def test_client_that_does_not_hang_up_is_ended(self, make: Make) -> None:
        harness = make(linger_s=0.1)
        with closing(harness.connect("GET /livez HTTP/1.1\r\n\r\n")) as sock:
            all_of(sock)
            eventually(lambda: harness.server.connections == 0, "the connection is dropped")

    def test_no_descriptors_are_left_for_a_while(self, make: Make) -> None:
        harness = make()
        harness.listener.is_empty, harness.listener.tries = True, 0
        begun = time.monotonic()
        with closing(harness.connect("GET /livez HTTP/1.1\r\n\r\n")) as sock:
            eventually(lambda: harness.listener.tries >= 4, "it is tried again")
            assert time.monotonic() - begun > 0.3, "again and again without a pause"
            harness.listener.is_empty = False
            assert b" 200 " in all_of(sock)

    def test_stop_ends_all_at_once(self, make: Make) -> None:
        harness = make()
        with closing(harness.view()) as viewer, closing(harness.connect("GET ")) as half:
            harness.stop()
            for sock in (half, viewer):
                with suppress(ConnectionResetError):  # what the server had not read yet makes an end a reset
                    assert b"HTTP/1.1 5" not in all_of(sock)


class Port:
    """A status port on a given address, whose probe can fail in a way that nobody has thought of."""

    def __init__(self, port: int) -> None:
        self.events, self.breaks = Numbers(), False
        self.address = (HOST, port)
        self.port = StatusPort(self.address, self._route, self.events, FakeClock(), again_s=0.05)

    def _route(self, _: Request) -> Response:
        if self.breaks:
            raise RuntimeError
        return Response(b"well")

    def is_open(self) -> bool:
        try:
            with closing(HTTPConnection(*self.address, timeout=LIMIT_S)) as client:
                client.request("GET", "/")
                return client.getresponse().read() == b"well"
        except OSError:
            return False


@pytest.fixture
def port() -> Iterator[Port]:
    made = Port(free_port())
    yield made
    made.port.stop()


class TestPort:
    def test_address_in_use_is_told_and_tried_again(self, port: Port, caplog: pytest.LogCaptureFixture) -> None:
        with socket.create_server(port.address):
            port.port.start()
            eventually(lambda: caplog.records, "the error is told")
            (record,) = caplog.records
            assert record.levelno == logging.ERROR
            assert f"web.listen={HOST}:{port.address[1]} error=Address already in use" in record.getMessage()
        eventually(port.is_open, "the port is open")

    def test_address_of_another_machine(self, caplog: pytest.LogCaptureFixture) -> None:
        elsewhere = StatusPort(("192.0.2.1", 8080), lambda _: Response(), Numbers(), FakeClock(), again_s=0.01)
        elsewhere.start()
        eventually(lambda: caplog.records, "the error is told")
        elsewhere.stop()
        assert len(caplog.records) == 1
        assert "error=Cannot assign requested address" in caplog.text

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_thread_that_died_is_started_anew(self, port: Port, caplog: pytest.LogCaptureFixture) -> None:
        port.port.start()
        eventually(port.is_open, "the port is open")
        port.breaks = True
        assert not port.is_open()
        eventually(lambda: THREAD not in {thread.name for thread in threading.enumerate()}, "the thread is dead")
        port.breaks = False
        port.port.look()
        eventually(port.is_open, "the port is open again")
        assert "is started anew" in caplog.text

    def test_stop_closes_the_port(self, port: Port) -> None:
        port.port.start()
        eventually(port.is_open, "the port is open")
        port.port.stop()
        with socket.create_server(port.address):
            pass


@pytest.mark.parametrize("listening", ["127.0.0.1", ""])
@pytest.mark.parametrize("asks", ["127.0.0.1", "127.0.0.2"])
def test_only_named_clients_may_connect(listening: str, asks: str) -> None:
    harness = Harness(Limits(), listening, ["127.0.0.2"])
    where, received = (HOST, harness.port), b""
    try:
        # who is turned away may find the connection reset at any time
        with socket.create_connection(where, LIMIT_S, source_address=(asks, 0)) as client, suppress(ConnectionError):
            client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
            received = all_of(client)
    finally:
        harness.stop()
    assert received.startswith(b"HTTP/1.1 200 ") == (asks == "127.0.0.2")


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        pytest.param("", HOST, id="all"),
        pytest.param("0.0.0.0", HOST, id="all-of-ipv4"),  # noqa: S104 - what is tested
        pytest.param("localhost", "localhost", id="name"),
    ],
)
def test_listens_on(host: str, asked: str) -> None:
    with listen((host, 0)) as listener, socket.create_connection((asked, listener.getsockname()[1]), LIMIT_S):
        pass


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["", "::1"])
def test_listens_on_ipv6(host: str) -> None:
    with listen((host, 0)) as listener, socket.create_connection(("::1", listener.getsockname()[1]), LIMIT_S):
        pass
