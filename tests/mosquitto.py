"""A real mosquitto on a free port, and somebody who listens and publishes there with plain paho."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

LIMIT_S = 30.0
"""No wait in these tests is longer."""
MOST_PORTS = 200
_chance = random.SystemRandom()  # pytest-randomly gives all processes the same numbers
_NAP_S = 0.02


def find_mosquitto() -> str:
    """The program, or the test is skipped (fails with CI=true): Debian puts it where users do not look."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    if found := shutil.which("mosquitto", path=places):
        return found
    reason = "mosquitto is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


_ports: deque[socket.socket] = deque()
"""Sockets that mark the newest ports of this process as taken."""


def free_port() -> int:
    """Return a port that nobody else gets, though nobody listens there yet, or does not all the time.

    It is below those that the system gives to clients and to servers that ask for any. The UDP port of the same number
    is held: that tells other processes of tests.
    """
    while len(_ports) >= MOST_PORTS:
        _ports.popleft().close()
    while True:
        port = _chance.randrange(20_000, 32_000)
        mark = socket.socket(type=socket.SOCK_DGRAM)
        try:
            mark.bind(("127.0.0.1", port))
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            mark.close()
            continue
        _ports.append(mark)
        return port


def eventually(holds: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Look until something holds: for what no condition can be waited on."""
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        time.sleep(0.005)


def ends_within(process: subprocess.Popen[bytes], limit_s: float) -> int:
    """Return the code with which a process ends, which has to be in time.

    What counts are naps: on a machine that is too busy for the process they are longer, too.
    """
    for _ in range(round(limit_s / _NAP_S)):
        if (code := process.poll()) is not None:
            return code
        time.sleep(_NAP_S)
    raise subprocess.TimeoutExpired(process.args, limit_s)


class Broker:
    """A mosquitto of its own. Stopping and starting it wipes its memory."""

    def __init__(self, directory: Path, *options: str, listener: str = "") -> None:
        self.directory, self.port = directory, free_port()
        self._options, self._listener = options, listener
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        lines = [
            "per_listener_settings false",
            "persistence false",
            "set_tcp_nodelay true",
            "max_queued_messages 0",  # else it drops what a watcher has not taken yet
            "user root" if os.geteuid() == 0 else "",
            f"listener {self.port} 127.0.0.1",
            self._listener,
            *(self._options or ("allow_anonymous true",)),
        ]
        file = self.directory / "mosquitto.conf"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with (self.directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([find_mosquitto(), "-c", str(file)], stdout=log, stderr=log)  # noqa: S603
        eventually(self._answers, "mosquitto listens")
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "mosquitto.log").read_text(encoding="utf-8")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        if self._process is not None:
            self.freeze(frozen=False)
            self._process.kill()
            self._process.wait(LIMIT_S)
        self._process = None

    def reload(self) -> None:
        """Let it read its passwords and rights anew."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def freeze(self, *, frozen: bool) -> None:
        """Let it hang without closing a connection, or go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)


class DenyingBroker:
    """A broker made by hand: one connection at a time, every subscription but those of a filter with «no» in it.

    Mosquitto 2.0 grants every filter and delivers nothing.
    """

    def __init__(self, protocol: str = "5") -> None:
        self._v5 = protocol == "5"
        self._server = socket.create_server(("127.0.0.1", 0))
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.subscribed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.drop()
        self._thread.join(LIMIT_S)

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def drop(self, reason: int | None = None) -> None:
        """End the connection that there is; MQTT 5 may say why."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                if reason is not None:
                    self._connection.sendall(bytes([0xE0, 1, reason]))
                self._connection.shutdown(socket.SHUT_RDWR)

    def deliver(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Send a message over the connection that there is."""
        body = len(topic).to_bytes(2, "big") + topic.encode() + (b"\x00" if self._v5 else b"") + payload
        if self._connection is not None:
            self._connection.sendall(bytes([0x30 | retained, len(body)]) + body)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connection, _ = self._server.accept()
                self._serve(self._connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while kind := stream.read(1):
                body = stream.read(self._length(stream))
                if kind[0] >> 4 == 1:
                    connection.sendall(b"\x20\x03\x00\x00\x00" if self._v5 else b"\x20\x02\x00\x00")
                elif kind[0] >> 4 == 8:
                    start = 3 if self._v5 else 2  # after the packet's number, and the properties, of which it has none
                    answer = body[:2] + (b"\x00" if self._v5 else b"") + self._granted(body[start:])
                    connection.sendall(bytes([0x90, len(answer)]) + answer)
                    self.subscribed += 1

    @staticmethod
    def _length(stream: IO[bytes]) -> int:
        length = shift = 0
        while byte := stream.read(1):
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80:
                break
        return length

    def _granted(self, filters: bytes) -> bytes:
        codes = b""
        while filters:
            end = 2 + int.from_bytes(filters[:2], "big")
            denied = b"\x87" if self._v5 else b"\x80"
            codes += denied if b"no" in filters[2:end] else b"\x01"
            filters = filters[end + 1 :]
        return codes


@dataclass(frozen=True, slots=True)
class Heard:
    """A message. ``at``: monotonic."""

    topic: str
    payload: str
    retained: bool
    at: float
    correlation: bytes | None = None


class Watcher:
    """Hears everything below a topic, remembers it in order, and can publish. A context."""

    def __init__(
        self,
        port: int,
        topic: str = "#",
        *,
        v5: bool = True,
        qos: int = 1,
        client_id: str = "",
        user: tuple[str, str] | None = None,
    ) -> None:
        protocol = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
        if user is not None:
            self.client.username_pw_set(*user)
        self._port, self._topic, self._qos = port, topic, qos
        self._condition = threading.Condition()
        self._heard: list[Heard] = []
        self._last: dict[str, str] = {}
        self._subscribed = threading.Event()
        self.client.on_connect = self._connected
        self.client.on_subscribe = self._answered
        self.client.on_disconnect = self._disconnected
        self.is_refused = False
        self.ends = 0
        """How often the connection has ended: what came meanwhile was not heard."""
        self.client.on_message = self._message
        self.client.on_socket_open = lambda _c, _d, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[attr-defined]
        self.client.reconnect_delay_set(1, 1)

    def _connected(self, client: Client, *_: object) -> None:
        client.subscribe(self._topic, qos=self._qos)

    def _disconnected(self, *_: object) -> None:
        self.ends += 1

    def _answered(self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], *_: object) -> None:
        self.is_refused = any(reason.is_failure for reason in reasons)
        self._subscribed.set()

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        heard = Heard(
            message.topic, message.payload.decode(errors="replace"), message.retain, time.monotonic(), correlation
        )
        with self._condition:
            self._heard.append(heard)
            self._last[heard.topic] = heard.payload
            self._condition.notify_all()

    def __enter__(self) -> Self:
        self.client.connect("127.0.0.1", self._port)
        self.client.loop_start()
        assert self._subscribed.wait(LIMIT_S), "the watcher has no subscription"
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        with contextlib.suppress(AttributeError):  # paho's thread may end between its look at it and its join
            self.client.loop_stop()

    def subscribe_again(self) -> None:
        """Ask once more where the broker has refused: a cluster that lost a node does so for a while."""
        if self.is_refused:
            self.is_refused = False
            self.client.subscribe(self._topic, qos=self._qos)

    def publish(
        self,
        topic: str,
        payload: str | bytes,
        *,
        retain: bool = False,
        reply: str | None = None,
        correlation: bytes | None = None,
        life_s: int | None = None,
    ) -> None:
        properties = None
        if life_s is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho has no types there
            properties.MessageExpiryInterval = life_s
        if reply is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho has no types there
            properties.ResponseTopic = reply
            if correlation is not None:
                properties.CorrelationData = correlation
        self.client.publish(topic, payload, qos=1, retain=retain, properties=properties)

    @property
    def heard(self) -> list[Heard]:
        with self._condition:
            return list(self._heard)

    def forget(self) -> None:
        with self._condition:
            self._heard.clear()
            self._last.clear()

    def of(self, topic: str) -> list[str]:
        """The payloads of a topic, in order."""
        return [heard.payload for heard in self.heard if heard.topic == topic]

    def last(self) -> dict[str, str]:
        """The last payload of each topic."""
        with self._condition:
            return dict(self._last)

    def wait_for(self, holds: Callable[[list[Heard]], object], what: str, limit_s: float = LIMIT_S) -> None:
        with self._condition:
            held = self._condition.wait_for(lambda: holds(self._heard), limit_s)
            told = "" if held else f"not within {limit_s:g} s: {what}; heard {[h.topic for h in self._heard][-20:]}"
        assert held, told

    def wait(self, topic: str, payload: str | None = None, limit_s: float = LIMIT_S) -> Heard:
        """Wait for a message on a topic, with this payload if one is given; return the newest of them."""
        looked, found = 0, list[Heard]()

        def search(heard: list[Heard]) -> list[Heard]:
            nonlocal looked
            found.extend(one for one in heard[looked:] if one.topic == topic and payload in {None, one.payload})
            looked = len(heard)
            return found

        self.wait_for(search, f"{topic} {payload}", limit_s)
        return found[-1]
