"""What a broker allows is kept to: one made by hand counts, because mosquitto is lenient with QoS 1."""

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.fakes import FakeClock
from tests.mosquitto import LIMIT_S, eventually
from wallbox2mqtt.config import MqttConfig
from wallbox2mqtt.mqtt import Connected, Event, MqttConnection

AT_ONCE, MANY = 3, 12


class StingyBroker:
    """Takes so many messages at once, and acknowledges one when it is told to."""

    def __init__(self) -> None:
        self.open: list[bytes] = []
        self.taken = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.close()
        self._thread.join(LIMIT_S)

    def _serve(self) -> None:
        self._connection, _ = self._server.accept()
        # a client that leaves may reset the connection
        with contextlib.suppress(ConnectionResetError), self._connection, self._connection.makefile("rb") as stream:
            while head := stream.read(2):
                body = stream.read(head[1])
                match head[0] >> 4:
                    case 1:  # CONNACK with «receive maximum»
                        self._connection.sendall(b"\x20\x06\x00\x00\x03\x21" + AT_ONCE.to_bytes(2, "big"))
                    case 8:
                        self._connection.sendall(b"\x90\x04" + body[:2] + b"\x00\x01")
                    case 3:
                        start = 2 + int.from_bytes(body[:2], "big")
                        self.open.append(body[start : start + 2])

    def acknowledge(self) -> None:
        self.taken += 1
        self._connection.sendall(b"\x40\x02" + self.open.pop(0))


@pytest.fixture
def stingy() -> Iterator[StingyBroker]:
    broker = StingyBroker()
    yield broker
    broker.close()


def test_never_more_under_way_than_the_broker_takes(stingy: StingyBroker, clock: FakeClock) -> None:
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    config = MqttConfig(host="127.0.0.1", port=stingy.port)
    mqtt = MqttConnection(config, filters=["w/+/set"], on_event=events.put, clock=clock)
    mqtt.start()
    assert isinstance(events.get(timeout=LIMIT_S), Connected)
    for number in range(MANY):
        mqtt.publish(f"w/{number}", "x")
    while stingy.taken < MANY:
        wanted = min(AT_ONCE, MANY - stingy.taken)
        eventually(lambda wanted=wanted: len(stingy.open) >= wanted, f"{wanted} are under way")  # type: ignore[misc]
        assert len(stingy.open) <= AT_ONCE
        stingy.acknowledge()
    mqtt.stop(timeout_s=1.0)
