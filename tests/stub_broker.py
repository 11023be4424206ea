"""A broker made by hand, for what mosquitto does not do: stored messages without the flag, lost acknowledgements."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Self

from paho.mqtt.client import topic_matches_sub

from tests.mosquitto import LIMIT_S

_CONNACK, _PUBLISH, _PUBACK, _SUBACK, _UNSUBACK, _PINGRESP = 2, 3, 4, 9, 11, 13


@dataclass
class Temper:
    """How the broker behaves; may be changed while it runs.

    ``flags``: what it has stored comes with the retain flag. ``obeys``: it heeds MQTT 5's Retain Handling.
    ``replay_s``: it delivers what it has stored so long after it has confirmed a subscription; None: before.
    ``copies``: a message comes once for each filter that matches. ``acknowledges``: whether it answers what is
    published on a topic. ``refuses``: it says no to a topic or filter. ``most_qos``: up to which QoS it grants filters.
    ``closes``: it ends the connection for a topic or filter, and the size of the packet. ``connack``: properties of
    MQTT 5. ``answer``: its code to a connection, after ``answer_s``. ``only_3_1_1``: what it does with MQTT 5.
    """

    flags: bool = True
    obeys: bool = True
    stores: bool = True
    replay_s: float | None = 0.0
    copies: bool = False
    acknowledges: Callable[[str], bool] = lambda _: True
    refuses: Callable[[str], bool] = lambda _: False
    most_qos: int = 1
    closes: Callable[[str, int], bool] = lambda _topic, _size: False
    connack: bytes = b""
    answer: int = 0
    answer_s: float = 0.0
    only_3_1_1: Literal["", "closes", "is silent"] = ""


@dataclass
class _Client:
    connection: socket.socket
    v5: bool = False
    filters: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, kind: int, body: bytes) -> None:
        with self.lock, contextlib.suppress(OSError):
            self.connection.sendall(bytes([kind]) + _length(len(body)) + body)

    def deliver(self, topic: str, payload: bytes, *, flagged: bool) -> None:
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + (b"\x00" if self.v5 else b"") + payload
        self.send(_PUBLISH << 4 | flagged, body)


class StubBroker:
    """Serves any number of clients at QoS 0 and 1, in both protocols. A context."""

    def __init__(self, temper: Temper | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.temper = temper or Temper()
        self.stored: dict[str, bytes] = {}
        self.subscribed: list[str] = []
        """All filters that were ever asked for."""
        self.connects = 0
        self._tls = tls
        self.chosen: list[str | None] = []
        """The protocol by ALPN of each encrypted connection."""
        self.flags: list[int] = []
        """What each connection said of itself: its will and how."""
        self.heads: dict[str, int] = {}
        """How each topic was published last: QoS and retain flag."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._clients: list[_Client] = []
        self._timers: list[threading.Timer] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._threads[0].join(LIMIT_S)
        for timer in self._timers:
            timer.cancel()
        self.drop()
        for thread in self._threads:
            thread.join(LIMIT_S)

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    @property
    def listening(self) -> set[str]:
        """The filters of all who are connected."""
        return {name for client in list(self._clients) for name in client.filters}

    def drop(self) -> None:
        """End all connections."""
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.connection.shutdown(socket.SHUT_RDWR)

    def publish(self, topic: str, payload: bytes, *, flagged: bool = False) -> None:
        """Deliver a live message to all who have subscribed; ``flagged``: as some brokers do that retain everything."""
        for client in list(self._clients):
            matching = sum(topic_matches_sub(name, topic) for name in client.filters)
            for _ in range(matching if self.temper.copies else min(1, matching)):
                client.deliver(topic, payload, flagged=flagged)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    secure = self._tls.wrap_socket(connection, server_side=True)
                    self.chosen.append(secure.selected_alpn_protocol())
                    connection = secure
                client = _Client(connection)
                self._clients.append(client)
                self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self._threads[-1].start()

    def _serve(self, client: _Client) -> None:
        with contextlib.suppress(OSError, IndexError), client.connection, client.connection.makefile("rb") as stream:
            while head := stream.read(1):
                length = shift = 0
                while (byte := stream.read(1)[0]) & 0x80:
                    length |= (byte & 0x7F) << shift
                    shift += 7
                body = stream.read(length | byte << shift)
                if not self._handle(client, head[0], body):
                    break
        self._clients.remove(client)

    def _handle(self, client: _Client, head: int, body: bytes) -> bool:
        match head >> 4:
            case 1:
                self.connects += 1
                if self.temper.only_3_1_1 and body[6] == 5:
                    return self.temper.only_3_1_1 == "is silent"
                client.v5 = body[6] == 5
                self.flags.append(body[7])
                time.sleep(self.temper.answer_s)
                properties = bytes([len(self.temper.connack)]) + self.temper.connack
                client.send(_CONNACK << 4, bytes([0, self.temper.answer]) + (properties if client.v5 else b""))
                return not self.temper.answer
            case 3:
                return self._published(client, head, body)
            case 8:
                return self._subscribe(client, body)
            case 10:
                self._unsubscribe(client, body)
            case 12:
                client.send(_PINGRESP << 4, b"")
            case 14:
                return False
        return True

    def _published(self, client: _Client, head: int, body: bytes) -> bool:
        size = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        self.heads[topic] = head
        if self.temper.closes(topic, len(body)):
            return False
        is_acknowledged = bool(head & 0x06)
        mid, rest = (rest[:2], rest[2:]) if is_acknowledged else (b"", rest)
        refused = is_acknowledged and client.v5 and self.temper.refuses(topic)
        payload = rest[1 + rest[0] :] if client.v5 else rest
        if head & 1 and self.temper.stores and not refused:
            self.stored[topic] = payload  # before it is acknowledged: who has the answer may look
        if is_acknowledged and self.temper.acknowledges(topic):
            client.send(_PUBACK << 4, mid + (b"\x87" if refused else b""))
        if not refused:
            self.publish(topic, payload)
        return True

    def _subscribe(self, client: _Client, body: bytes) -> bool:
        rest, codes, replayed = body[2:], b"", []
        if client.v5:
            rest = rest[1 + rest[0] :]
        for name, options in _filters(rest, 1):
            self.subscribed.append(name)
            if self.temper.closes(name, len(body)):
                return False
            if self.temper.refuses(name) or options & 3 > self.temper.most_qos:
                codes += b"\x87" if client.v5 else b"\x80"
                continue
            codes += bytes([options & 3])
            client.filters.append(name)
            if not (client.v5 and self.temper.obeys and options >> 4 & 3 == 2):
                replayed.append(name)
        if self.temper.replay_s is None:
            self._replay(client, replayed)
        client.send(_SUBACK << 4, body[:2] + (b"\x00" if client.v5 else b"") + codes)
        if self.temper.replay_s is None:
            return True
        timer = threading.Timer(self.temper.replay_s, self._replay, (client, replayed))
        timer.daemon = True
        self._timers.append(timer)
        timer.start()
        return True

    def _replay(self, client: _Client, names: list[str]) -> None:
        for topic, payload in list(self.stored.items()):
            if any(topic_matches_sub(name, topic) for name in names):
                client.deliver(topic, payload, flagged=self.temper.flags)

    @staticmethod
    def _unsubscribe(client: _Client, body: bytes) -> None:
        rest = body[2:]
        if client.v5:
            rest = rest[1 + rest[0] :]
        names = [name for name, _ in _filters(rest, 0)]
        client.filters = [name for name in client.filters if name not in names]
        client.send(_UNSUBACK << 4, body[:2] + (b"\x00" + bytes(len(names)) if client.v5 else b""))


def _filters(rest: bytes, options: int) -> Iterator[tuple[str, int]]:
    while rest:
        end = 2 + int.from_bytes(rest[:2], "big")
        yield rest[2:end].decode(), rest[end] if options else 0
        rest = rest[end + options :]


def _length(number: int) -> bytes:
    coded = b""
    while True:
        number, low = number >> 7, number & 0x7F
        coded += bytes([low | (0x80 if number else 0)])
        if not number:
            return coded
