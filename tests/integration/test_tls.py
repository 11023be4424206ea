"""Encryption for real: to a mosquitto with certificates, and to a cloud behind https. Certificates: fixtures/tls."""

import contextlib
import gc
import os
import queue
import socket
import ssl
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import pytest

from tests.fakes import FakeClock, FixedTokens
from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually, free_port
from tests.stub_cloud import StubCloud, reply
from wallbox2mqtt.cloud import Account, CloudClient
from wallbox2mqtt.config import MqttConfig, Secret, TlsConfig, WallboxConfig
from wallbox2mqtt.errors import BadAnswerError, NotSentError
from wallbox2mqtt.mqtt import Connected, Disconnected, Event, Message, MqttConnection, OwnState, Refused
from wallbox2mqtt.storage import Storage

# paho leaves the socket of a failed handshake to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def _collect_sockets() -> Iterator[None]:
    """Here, where it is expected, and not in a test that knows nothing of it."""
    yield
    gc.collect()


FILES = Path(__file__).parents[1] / "fixtures" / "tls" / "broker"
CA, STRANGER, CLIENT, CLIENT_KEY = (FILES / name for name in ("ca.pem", "stranger.pem", "client.pem", "client.key"))
GOOD = TlsConfig(enabled=True, ca_file=CA)
MUTUAL = TlsConfig(enabled=True, ca_file=CA, cert_file=CLIENT, key_file=CLIENT_KEY)
Transport = Literal["tcp", "websockets"]


def encrypted(certificate: str = "server", *more: str) -> str:
    """What makes a listener of mosquitto's encrypted."""
    files = {"cafile": CA, "certfile": FILES / f"{certificate}.pem", "keyfile": FILES / f"{certificate}.key"}
    return "\n".join([*(f"{name} {file}" for name, file in files.items()), *more])


@contextmanager
def mosquitto(directory: Path, listener: str, transport: Transport = "tcp") -> Iterator[int]:
    """A broker with such a listener; return its port."""
    with both_ports(directory, listener, transport) as (_, port):
        yield port


@contextmanager
def both_ports(directory: Path, listener: str, transport: Transport) -> Iterator[tuple[int, int]]:
    """A broker with a plain listener, without which mosquitto 2.0.11 has no websockets, and with such a one."""
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", *(["protocol websockets"] if transport == "websockets" else []), listener]
    broker = Broker(directory, "allow_anonymous true", *lines)
    try:
        broker.start()
        eventually(lambda: answers(port), "the other listener")
        yield broker.port, port
    finally:
        broker.stop()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Connection:
    """The connection to the broker with its events."""

    def __init__(self, port: int, tls: TlsConfig, **config: Any) -> None:  # noqa: ANN401 - any key
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        known = {"host": "127.0.0.1", "keepalive": 5, **config}
        self.mqtt = MqttConnection(
            MqttConfig(port=port, tls=tls, **known), filters=["w/+/set"], on_event=self.events.put, clock=FakeClock()
        )

    def __enter__(self) -> Self:
        self.mqtt.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.mqtt.stop(timeout_s=1.0)

    def outcome(self) -> str:
        """``connected``, or why not."""
        event = self.events.get(timeout=LIMIT_S)
        assert isinstance(event, Connected | Disconnected)
        return "connected" if isinstance(event, Connected) else event.reason


@pytest.mark.broker
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_messages_go_both_ways(tmp_path: Path, transport: Transport, protocol: str) -> None:
    with (
        mosquitto(tmp_path, encrypted(), transport) as port,
        Connection(port, GOOD, transport=transport, protocol=protocol) as connection,
    ):
        assert connection.outcome() == "connected"
        connection.mqtt.publish("w/1", "x" * 100_000)
        connection.mqtt.publish("w/1/set", "of its own")
        message = connection.events.get(timeout=LIMIT_S)
        assert isinstance(message, Message)
        assert message.payload == b"of its own"


@pytest.mark.broker
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
@pytest.mark.parametrize("tls", [GOOD, TlsConfig()], ids=["TLS", "plain"])
def test_a_cut_connection_leaves_the_last_words_to_the_will(
    tmp_path: Path, transport: Transport, tls: TlsConfig
) -> None:
    went_on = threading.Event()

    def busy(event: Event) -> None:
        if isinstance(event, Message):
            arrived.set()
            assert went_on.wait(LIMIT_S)

    arrived = threading.Event()
    with (
        both_ports(tmp_path, encrypted() if tls.enabled else "", transport) as (plain, port),
        Watcher(plain) as watcher,
    ):
        config = MqttConfig(host="127.0.0.1", port=port, tls=tls, transport=transport)
        mqtt = MqttConnection(config, state=OwnState("w/state"), filters=["w/+/set"], on_event=busy, clock=FakeClock())
        mqtt.start()
        eventually(lambda: mqtt.online, "connected")
        watcher.publish("w/1/set", "1")
        assert arrived.wait(LIMIT_S)
        for number in range(100):
            mqtt.publish("w/1", str(number))
        mqtt.stop(last=("w/state", "offline"), timeout_s=0.2)
        went_on.set()
        watcher.wait("w/state", "offline")
        eventually(lambda: not mqtt.is_alive(), "paho's thread ends")


REFUSED = "the broker's certificate is not trusted"
CASES: dict[str, tuple[str, TlsConfig, str, str]] = {
    "own authority": ("server", GOOD, "127.0.0.1", "connected"),
    "by its name": ("server", GOOD, "localhost", "connected"),
    "wrong authority": ("server", TlsConfig(enabled=True, ca_file=STRANGER), "127.0.0.1", REFUSED),
    "authority of the system": ("server", TlsConfig(enabled=True), "127.0.0.1", REFUSED),
    "wrong name": ("elsewhere", GOOD, "127.0.0.1", REFUSED),
    "another address": ("server", GOOD, "127.0.0.2", REFUSED),
    "wrong authority, not verified": (
        "server", TlsConfig(enabled=True, ca_file=STRANGER, verify=False), "127.0.0.1", "connected",
    ),
    "wrong name, not verified": ("elsewhere", TlsConfig(enabled=True, verify=False), "127.0.0.1", "connected"),
    "no encryption there": ("plain", GOOD, "127.0.0.1", ""),
    "no encryption here": ("server", TlsConfig(), "127.0.0.1", ""),
}  # fmt: skip


@pytest.mark.broker
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
@pytest.mark.parametrize(("certificate", "tls", "host", "expected"), CASES.values(), ids=CASES)
def test_whom_the_bridge_trusts(
    tmp_path: Path, certificate: str, tls: TlsConfig, host: str, expected: str, transport: Transport
) -> None:
    listener = "" if certificate == "plain" else encrypted(certificate)
    with (
        mosquitto(tmp_path, listener, transport) as port,
        forwarded(host, port) as at,
        Connection(at, tls, host=host, transport=transport) as connection,
    ):
        outcome = connection.outcome()
        assert outcome.startswith(expected)
        if expected != "connected":
            assert outcome != "connected"
        assert connection.mqtt.is_alive()


@contextmanager
def forwarded(host: str, port: int) -> Iterator[int]:
    """A way to 127.0.0.1 from another address of the loopback; the port itself where it is not needed."""
    if host != "127.0.0.2":
        yield port
        return
    with socket.create_server((host, 0)) as server:
        threads: list[threading.Thread] = []

        def copy(source: socket.socket, target: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                source.close()
                target.close()

        def accept() -> None:
            while True:
                try:
                    near, _ = server.accept()
                except OSError:
                    return
                far = socket.create_connection(("127.0.0.1", port), LIMIT_S)
                for ends in ((near, far), (far, near)):
                    threads.append(threading.Thread(target=copy, args=ends, daemon=True))
                    threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        accepting.join(LIMIT_S)


@pytest.mark.broker
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
@pytest.mark.parametrize(("tls", "let_in"), [(MUTUAL, True), (GOOD, False)], ids=["with", "without"])
def test_a_broker_that_wants_a_client_certificate(
    tmp_path: Path, tls: TlsConfig, transport: Transport, *, let_in: bool
) -> None:
    listener = encrypted("server", "require_certificate true")
    with mosquitto(tmp_path, listener, transport) as port, Connection(port, tls, transport=transport) as connection:
        assert (connection.outcome() == "connected") is let_in
        assert connection.mqtt.is_alive()


@pytest.mark.broker
def test_the_name_of_the_client_certificate_is_the_user(tmp_path: Path) -> None:
    """Mutual TLS instead of a password: the access list knows the bridge by its certificate."""
    rights = tmp_path / "acl"
    rights.write_text("user client\ntopic readwrite w/#\n", encoding="utf-8")
    listener = encrypted("server", "require_certificate true", "use_identity_as_username true")
    port = free_port()
    broker = Broker(
        tmp_path, "per_listener_settings true", "allow_anonymous true",
        f"listener {port} 127.0.0.1", listener, f"acl_file {rights}",
    ).start()  # fmt: skip
    try:
        with Connection(port, MUTUAL) as connection:
            assert connection.outcome() == "connected"
            connection.mqtt.publish("w/1/set", "1")
            assert isinstance(connection.events.get(timeout=LIMIT_S), Message)
            connection.mqtt.publish("other/topic", "1")
            assert connection.events.get(timeout=LIMIT_S) == Refused("Not authorized (0x87)", "other/topic", 1, 1)
    finally:
        broker.stop()


@pytest.mark.broker
@pytest.mark.parametrize("path", ["/mqtt", "/"])
def test_plain_websockets(tmp_path: Path, path: str) -> None:
    with (
        mosquitto(tmp_path, "", "websockets") as port,
        Connection(port, TlsConfig(), transport="websockets", websocket_path=path) as connection,
    ):
        assert connection.outcome() == "connected"


class Server(ABC):
    """A server by hand; ``serve`` is called with each connection, one after another, until the test is over."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(LIMIT_S)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            sock.settimeout(LIMIT_S)
            self.serve(sock)

    @abstractmethod
    def serve(self, sock: socket.socket) -> None:
        """Speak with whoever has come, and close the connection."""


class Answers(Server):
    """A server that answers each connection with these bytes."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self._raw = raw

    def serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.recv(4096)
            sock.sendall(self._raw)


UPGRADES = {
    "no space after the colon": b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:x\r\n\r\n",
    "not UTF-8": b"HTTP/1.1 101 S\r\nSec-WebSocket-Accept: \xff\r\n\r\n",
    "no upgrade": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "another key": b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: eA==\r\n\r\n",
    "nothing": b"",
    "not HTTP": b"\x00" * 100,
}


@pytest.mark.parametrize("raw", UPGRADES.values(), ids=UPGRADES)
def test_a_websocket_that_is_none_does_not_end_the_thread(raw: bytes) -> None:
    with Answers(raw) as server, Connection(server.port, TlsConfig(), transport="websockets") as connection:
        assert connection.outcome() not in {"connected", ""}
        assert connection.mqtt.is_alive()


# --- versions


class Handshakes(Server):
    """A server that speaks TLS up to a version; of each connection it tells what became of it."""

    def __init__(self, newest: ssl.TLSVersion) -> None:
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(FILES / "server.pem", FILES / "server.key")
        limit_to(self.context, newest)
        self.told: queue.SimpleQueue[str] = queue.SimpleQueue()

    def serve(self, sock: socket.socket) -> None:
        try:
            with self.context.wrap_socket(sock, server_side=True) as safe:
                safe.recv(1)
                self.told.put(safe.version() or "none")
        except OSError:
            self.told.put("refused")


def limit_to(context: ssl.SSLContext, newest: ssl.TLSVersion) -> None:
    """Let a context speak old versions; this system's OpenSSL would refuse their digests by itself."""
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    if newest is ssl.TLSVersion.TLSv1_1:
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            context.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = newest
    else:
        context.maximum_version = newest


VERSIONS = {
    "1.1": (ssl.TLSVersion.TLSv1_1, "refused"),
    "1.2": (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
    "1.3": (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
}


@pytest.mark.parametrize(("newest", "expected"), VERSIONS.values(), ids=VERSIONS)
@pytest.mark.parametrize("verify", [True, False], ids=["verify", "trust"])
def test_oldest_version_to_the_broker(newest: ssl.TLSVersion, expected: str, *, verify: bool) -> None:
    with Handshakes(newest) as server, Connection(server.port, TlsConfig(enabled=True, ca_file=CA, verify=verify)):
        assert server.told.get(timeout=LIMIT_S) == expected


@pytest.mark.parametrize(("newest", "expected"), VERSIONS.values(), ids=VERSIONS)
def test_oldest_version_to_the_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest: ssl.TLSVersion, expected: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CA))
    with Handshakes(newest) as server:
        with pytest.raises(Exception, match=r"TLS failed|the connection broke"):
            cloud(f"https://127.0.0.1:{server.port}", tmp_path).detail(1)
        assert server.told.get(timeout=LIMIT_S) == expected


def test_that_server_does_speak_the_old_version() -> None:
    """Or the tests above would hold of any client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(CA)
    limit_to(context, ssl.TLSVersion.TLSv1_1)
    with (
        Handshakes(ssl.TLSVersion.TLSv1_1) as server,
        socket.create_connection(("127.0.0.1", server.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
    ):
        sock.sendall(b"x")
        assert server.told.get(timeout=LIMIT_S) == "TLSv1.1"


# --- the cloud


def cloud(url: str, directory: Path) -> CloudClient:
    clock, password = FakeClock(), Secret("p")
    config = WallboxConfig(
        email="a@example.org",
        password=password,
        api_url=url,
        user_api_url=url,
        timeout=LIMIT_S,
        reads_per_minute=100,
        writes_per_minute=100,
    )
    store = Storage(directory, "a")
    return Account(config, clock, store, FixedTokens()).client()


_READ = """
import sys
from pathlib import Path
from tests.integration.test_tls import cloud
print(cloud(sys.argv[1], Path(sys.argv[2])).detail(1).body)
"""
_FROM_OUTSIDE = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "no_proxy")


def read_with(url: str, directory: Path, **environ: str) -> str:
    """Read a detail in a process with these variables; return its output and the end of its errors."""
    clean = {
        name: text
        for name, text in os.environ.items()
        if name not in _FROM_OUTSIDE and not name.lower().endswith("_proxy")
    }
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _READ, url, str(directory / "state")],
        env={**clean, **environ}, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    return done.stdout + "".join(done.stderr.splitlines()[-1:])


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FILES / "server.pem", FILES / "server.key")
    return context


@pytest.mark.parametrize(
    ("variable", "file", "expected"),
    [
        ("REQUESTS_CA_BUNDLE", CA, "{'of': 'the cloud'}"),
        ("CURL_CA_BUNDLE", CA, "{'of': 'the cloud'}"),
        ("SSL_CERT_FILE", CA, "{'of': 'the cloud'}"),
        ("REQUESTS_CA_BUNDLE", STRANGER, "the certificate is not trusted"),
        ("SSL_CERT_FILE", STRANGER, "the certificate is not trusted"),
        ("UNRELATED", CA, "the certificate is not trusted"),
    ],
    ids=["requests", "curl", "openssl", "requests wrong", "openssl wrong", "none"],
)
def test_authorities_of_the_environment(tmp_path: Path, variable: str, file: Path, expected: str) -> None:
    with StubCloud(otherwise=reply(body={"of": "the cloud"}), tls=server_context()) as server:
        assert expected in read_with(server.url, tmp_path, **{variable: str(file)})
        assert bool(server.seen) is expected.startswith("{")


def test_a_proxy_sees_no_token_of_https(tmp_path: Path) -> None:
    """It is only asked for a tunnel, and when it offers none, the bridge does not go round it."""
    with StubCloud(tls=server_context()) as target, StubCloud(otherwise=reply(403)) as proxy:
        told = read_with(target.url, tmp_path, HTTPS_PROXY=proxy.url, REQUESTS_CA_BUNDLE=str(CA))
        assert "NotSentError" in told
        assert [seen.method for seen in proxy.seen] == ["CONNECT"]
        assert "authorization" not in proxy.seen[0].headers
        assert target.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", [lambda one: one.detail(1), lambda one: one.chargers()], ids=["detail", "list"])
def test_the_token_goes_nowhere_else(tmp_path: Path, status: int, ask: Callable[[CloudClient], object]) -> None:
    with socket.create_server(("127.0.0.2", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        there = f"http://127.0.0.2:{elsewhere.getsockname()[1]}/"
        with StubCloud(otherwise=reply(status, Location=there)) as server:
            with pytest.raises(BadAnswerError):
                ask(cloud(server.url, tmp_path))
            assert len(server.seen) == 1
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_plain_http_is_no_fallback(tmp_path: Path) -> None:
    with StubCloud() as server:
        with pytest.raises(NotSentError):
            cloud(server.url.replace("http:", "https:"), tmp_path).detail(1)
        # the bytes of a handshake are random, and may fall into three words like the first line of a request
        assert not [seen for seen in server.seen if seen.method.isalpha() or "Bearer" in str(seen.headers)]
