"""The broker's door, against a real mosquitto, in both versions of the protocol."""

import gc
import math
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.door import STATE, Connection
from tests.fakes import FakeClock
from tests.faults.proxy import Proxy
from tests.mosquitto import LIMIT_S, Broker, DenyingBroker, Watcher, eventually, free_port
from wallbox2mqtt.catalogue import LONGEST_PAYLOAD_BYTES
from wallbox2mqtt.config import MqttConfig, Secret, TlsConfig
from wallbox2mqtt.errors import ConfigError
from wallbox2mqtt.mqtt import (
    MAX_KEPT_RESULTS,
    MAX_WAITING_RESULTS,
    Connected,
    Disconnected,
    Message,
    MqttConnection,
    Refused,
    Reply,
)
from wallbox2mqtt.mqtt.connection import LARGEST_PACKET
from wallbox2mqtt.mqtt.outbox import MOST_OPEN
from wallbox2mqtt.mqtt.paho_client import MAX_INFLIGHT

pytestmark = pytest.mark.broker

Protocol = Literal["5", "3.1.1"]


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request: pytest.FixtureRequest) -> Protocol:
    version: Protocol = request.param
    return version


Open = Callable[..., Connection]


@pytest.fixture
def make(clock: FakeClock) -> Iterator[Open]:
    doors: list[Connection] = []

    def make_door(port: int, **options: Any) -> Connection:  # noqa: ANN401 - any key of the configuration
        door = Connection(clock, port=port, **options)
        doors.append(door)
        return door

    yield make_door
    for door in doors:
        door.mqtt.stop(timeout_s=0.2)


class TestPublishing:
    def test_state_is_retained_and_results_are_not(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        door = make(broker.port, protocol=protocol)
        door.connect()
        with Watcher(broker.port) as before:
            door.mqtt.publish("w/1/locked", "1")
            door.mqtt.publish_result("w/1/locked/result", "{}")
            before.wait("w/1/locked/result", "{}")
            before.wait("w/1/locked", "1")
        with Watcher(broker.port) as after:
            assert after.wait("w/1/locked").retained
            door.mqtt.publish("w/1/end", "1")
            after.wait("w/1/end")
            assert after.of("w/1/locked/result") == []

    def test_nothing_is_queued_while_the_broker_is_away(self, broker: Broker, make: Open) -> None:
        door = make(broker.port)
        door.mqtt.publish("w/before", "1")
        door.connect()
        broker.stop()
        door.next(Disconnected)
        assert not door.mqtt.online
        for number in range(100):
            door.mqtt.publish("w/away", str(number))
        broker.start()
        with Watcher(broker.port) as watcher:
            door.next(Connected)
            assert door.mqtt.online
            assert door.mqtt.connects == 2
            door.mqtt.publish("w/after", "1")
            watcher.wait("w/after")
            assert watcher.of("w/before") == watcher.of("w/away") == []

    def test_results_are_kept_and_sent_in_order(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        door = make(broker.port, protocol=protocol)
        for number in range(MAX_KEPT_RESULTS + 20):
            door.mqtt.publish_result("w/result", str(number), b"c")
        with Watcher(broker.port) as watcher:
            door.connect()
            door.mqtt.flush_results()
            watcher.wait("w/result", str(MAX_KEPT_RESULTS + 19))
            assert watcher.of("w/result") == [str(number) for number in range(20, MAX_KEPT_RESULTS + 20)]
            door.mqtt.flush_results()
            door.mqtt.publish("w/end", "1")
            watcher.wait("w/end")
            assert len(watcher.of("w/result")) == MAX_KEPT_RESULTS

    def test_correlation_data(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        door = make(broker.port, protocol=protocol)
        door.connect()
        with Watcher(broker.port) as watcher:
            door.mqtt.publish_result("answers", "{}", b"\x00\xff")
            assert watcher.wait("answers").correlation == (b"\x00\xff" if protocol == "5" else None)

    def test_thousands_at_once_arrive_in_order(self, broker: Broker, make: Open) -> None:
        door = make(broker.port)
        door.connect()
        with Watcher(broker.port) as watcher:
            for number in range(3000):
                door.mqtt.publish(f"w/{number % 7}", str(number))
            watcher.wait("w/3", "2999")
            for topic in range(7):
                assert watcher.of(f"w/{topic}") == [str(number) for number in range(3000) if number % 7 == topic]

    def test_from_many_threads(self, broker: Broker, make: Open) -> None:
        door = make(broker.port)
        door.connect()

        def publish(name: int) -> None:
            for number in range(200):
                door.mqtt.publish(f"w/{name}", str(number))

        with Watcher(broker.port) as watcher:
            threads = [threading.Thread(target=publish, args=(name,)) for name in range(4)]
            for thread in threads:
                thread.start()
            for name, thread in enumerate(threads):
                thread.join(LIMIT_S)
                watcher.wait(f"w/{name}", "199")
                assert watcher.of(f"w/{name}") == [str(number) for number in range(200)]

    def test_a_broker_that_hangs_does_not_hold_who_publishes(self, broker: Broker, make: Open) -> None:
        door = make(broker.port, keepalive=1)
        door.connect()
        broker.freeze(frozen=True)
        done = threading.Event()

        def publish() -> None:
            for number in range(5000):
                door.mqtt.publish("w/1", str(number))
            done.set()

        threading.Thread(target=publish, daemon=True).start()
        assert done.wait(LIMIT_S)
        door.next(Disconnected)
        broker.freeze(frozen=False)
        door.next(Connected)

    def test_a_slow_broker_gets_the_newest_state(self, broker: Broker, make: Open) -> None:
        """What it does not take yet waits outside paho, which would keep a packet of each."""
        door = make(broker.port, keepalive=60)
        door.connect()
        with Watcher(broker.port) as watcher:
            broker.freeze(frozen=True)
            for number in range(20_000):
                door.mqtt.show(f"w/{number % 2}", str(number))
            door.mqtt.show("w/end", "1")
            assert door.mqtt.keeps_up
            assert door.mqtt._client.unacknowledged == MOST_OPEN  # noqa: SLF001 - nobody else could tell
            broker.freeze(frozen=False)
            watcher.wait("w/end")
            told = [int(one.payload) for one in watcher.heard if one.topic in {"w/0", "w/1"}]
            assert told == [*range(MOST_OPEN), 19_998, 19_999]

    def test_each_of_what_counts_one_by_one(self, broker: Broker, make: Open) -> None:
        door = make(broker.port, keepalive=60)
        door.connect()
        with Watcher(broker.port) as watcher:
            broker.freeze(frozen=True)
            for number in range(2000):
                door.mqtt.publish("w/1", str(number))
            assert not door.mqtt.keeps_up
            broker.freeze(frozen=False)
            watcher.wait("w/1", "1999")
            assert watcher.of("w/1") == [str(number) for number in range(2000)]
            assert door.mqtt.keeps_up

    def test_the_end_of_a_topic_is_kept_while_the_broker_is_away(self, broker: Broker, make: Open) -> None:
        """Nobody would announce it anew, and the broker would show the topic for good."""
        with Proxy(broker.port) as proxy, Watcher(broker.port) as watcher:
            door = make(proxy.port)
            door.connect()
            for topic in ("w/gone", "w/back"):
                door.mqtt.show(topic, "1")
                watcher.wait(topic, "1")
            proxy.silent = True
            proxy.cut()
            door.next(Disconnected)
            for topic in ("w/gone", "w/back"):
                door.mqtt.show(topic, "")
            door.mqtt.show("w/back", "2")
            proxy.silent = False
            proxy.cut()
            door.next(Connected)
            door.mqtt.show("w/back", "2")
            watcher.wait("w/back", "2")
            assert watcher.of("w/gone") == ["1", ""]

    @pytest.mark.slow
    def test_results_wait_for_a_slow_broker(self, broker: Broker, make: Open) -> None:
        door = make(broker.port, keepalive=60)
        door.connect()
        with Watcher(broker.port) as watcher:
            broker.freeze(frozen=True)
            for number in range(MOST_OPEN + MAX_WAITING_RESULTS + 20):
                door.mqtt.publish_result("w/result", str(number))
            door.mqtt.show("w/1", "1")
            assert door.mqtt._client.unacknowledged == MOST_OPEN  # noqa: SLF001 - nobody else could tell
            assert door.mqtt.dropped_results() == 20
            assert door.mqtt.dropped_results() == 0
            broker.freeze(frozen=False)
            last = MOST_OPEN + MAX_WAITING_RESULTS + 19
            watcher.wait("w/result", str(last), limit_s=90)  # 25,000 messages, one acknowledgement each
            told = [int(text) for text in watcher.of("w/result")]
            assert told == [*range(MOST_OPEN), *range(MOST_OPEN + 20, last + 1)]
            # it does not have to wait for all of them
            assert [one.topic for one in watcher.heard].index("w/1") <= MOST_OPEN + 2

    def test_larger_than_the_broker_takes(self, tmp_path: Path, make: Open) -> None:
        broker = Broker(tmp_path, "allow_anonymous true", "max_packet_size 200").start()
        try:
            door = make(broker.port)
            door.connect()
            with Watcher(broker.port) as watcher:
                for _ in range(3):
                    door.mqtt.publish("w/large", "x" * 300)
                door.mqtt.publish("w/small", "x" * 100)
                watcher.wait("w/small")
                assert watcher.of("w/large") == []
            for _ in range(3):
                refused = door.next(Refused)
                assert (refused.reason, refused.topic) == ("larger than the broker takes", "w/large")
            assert door.nothing_more()
        finally:
            broker.stop()

    def test_sends_without_waiting_for_more(self, broker: Broker, make: Open) -> None:
        door = make(broker.port)
        door.connect()
        sock: Any = door.mqtt._client.socket()  # noqa: SLF001 - nobody else could tell
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class TestReceiving:
    def test_a_message(self, broker: Broker, make: Open, protocol: Protocol, clock: FakeClock) -> None:
        door = make(broker.port, protocol=protocol)
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "stored", retain=True)
            watcher.wait("w/1/set")
            door.connect()
            if protocol == "3.1.1":  # with MQTT 5 it is not asked for
                stored = door.next(Message)
                assert (stored.topic, stored.payload, stored.retained) == ("w/1/set", b"stored", True)
            watcher.publish("w/2/set", b"\xff\x00")
            live = door.next(Message)
            watcher.publish("w/3/set", "retained but live", retain=True)
            alive = door.next(Message)
        assert (live.topic, live.payload, live.retained) == ("w/2/set", b"\xff\x00", False)
        assert alive.retained is False
        assert live.arrived == clock.monotonic()
        assert live.reply is None

    def test_a_large_payload_is_cut(self, broker: Broker, make: Open) -> None:
        door = make(broker.port)
        door.connect()
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", b"x" * 1_000_000)
            assert len(door.next(Message).payload) == LONGEST_PAYLOAD_BYTES + 1

    @pytest.mark.parametrize("correlation", [None, b"\x01"])
    def test_where_the_answer_is_wanted(self, broker: Broker, make: Open, correlation: bytes | None) -> None:
        door = make(broker.port)
        door.connect()
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "1", reply="me/answers", correlation=correlation)
            assert door.next(Message).reply == Reply("me/answers", correlation)

    @pytest.mark.parametrize("life_s", [None, 1, 3600])
    def test_how_long_its_sender_wants_it(
        self, broker: Broker, make: Open, clock: FakeClock, life_s: int | None
    ) -> None:
        door = make(broker.port)
        door.connect()
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "1", life_s=life_s)
            ends = math.inf if life_s is None else clock.monotonic() + life_s
            assert ends - 1 <= door.next(Message).expires <= ends

    def test_ten_thousand_at_once(self, broker: Broker, make: Open) -> None:
        door = make(broker.port)
        door.connect()
        with Watcher(broker.port, "none") as watcher:
            for number in range(10_000):
                watcher.client.publish("w/1/set", str(number), qos=0)
            watcher.publish("w/1/set", "end")
            while door.next(Message).payload != b"end":
                pass
        assert door.mqtt.is_alive()

    def test_what_is_too_large_for_any_command_does_not_come(
        self, tmp_path: Path, make: Open, request: pytest.FixtureRequest
    ) -> None:
        """MQTT 5 only: a client of 3.1.1 cannot say what it takes. mosquitto 2.1 takes less by default."""
        broker = Broker(tmp_path, "allow_anonymous true", f"max_packet_size {2 * LARGEST_PACKET}").start()
        request.addfinalizer(broker.stop)
        with Watcher(broker.port, "none") as watcher:
            watcher.publish("x/1", bytes(LARGEST_PACKET), retain=True)
            watcher.publish("x/2", bytes(LARGEST_PACKET - 100), retain=True)
            watcher.publish("none", "the broker has them")
            watcher.wait("none")
            door = make(broker.port, filters=("x/+",))
            door.connect(honest=False)
            watcher.publish("x/3", "1")
            topics = [door.next(Message).topic for _ in range(2)]
        assert topics == ["x/2", "x/3"]


class TestConnection:
    def test_the_will(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        door = make(broker.port, protocol=protocol)
        door.connect()
        with Watcher(broker.port) as watcher:
            sock: Any = door.mqtt._client.socket()  # noqa: SLF001 - as if the cable were cut
            sock.shutdown(socket.SHUT_RDWR)
            watcher.wait(STATE, "offline")
            door.next(Connected)

    def test_stop_says_the_last_words_and_no_will_follows(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        door = make(broker.port, protocol=protocol)
        door.connect()
        with Watcher(broker.port) as watcher:
            door.mqtt.publish_result("w/result", "stopping")
            door.mqtt.stop(last=(STATE, "the last"), timeout_s=2.0)
            watcher.wait(STATE, "the last")
            watcher.publish("w/end", "1")
            watcher.wait("w/end")
            assert [(one.topic, one.payload) for one in watcher.heard if not one.retained] == [
                ("w/result", "stopping"),
                (STATE, "the last"),
                ("w/end", "1"),
            ]
        assert not door.mqtt.is_alive()

    @pytest.mark.parametrize("frozen", [True, False], ids=["hanging", "away"])
    def test_stop_waits_no_longer_than_it_may(self, broker: Broker, make: Open, *, frozen: bool) -> None:
        door = make(broker.port)
        door.connect()
        if frozen:
            broker.freeze(frozen=True)
        else:
            broker.stop()
            door.next(Disconnected)
        done = threading.Event()

        def stop() -> None:
            door.mqtt.stop(last=(STATE, "offline"), timeout_s=1.0)
            done.set()

        threading.Thread(target=stop, daemon=True).start()
        assert done.wait(2.5)
        broker.freeze(frozen=False)

    def test_last_words_that_find_no_way_are_left_to_the_will(
        self, broker: Broker, make: Open, protocol: Protocol
    ) -> None:
        """A full window of messages that nobody acknowledges: what comes after them is not sent."""
        door = make(broker.port, protocol=protocol)
        door.connect()
        with Watcher(broker.port) as watcher:
            broker.freeze(frozen=True)
            for number in range(3 * MAX_INFLIGHT):
                door.mqtt.publish("w/1/status", str(number))
            door.mqtt.stop(last=(STATE, "offline"), timeout_s=0.5)
            broker.freeze(frozen=False)
            watcher.wait(STATE, "offline")

    def test_last_words_before_the_broker_has_answered_are_left_to_the_will(
        self, broker: Broker, make: Open, protocol: Protocol
    ) -> None:
        """A broker with a memory may still say ``online``, of the bridge before this one."""
        with Proxy(broker.port) as proxy, Watcher(broker.port) as watcher:
            watcher.publish(STATE, "online", retain=True)
            proxy.silent = True
            door = make(proxy.port, protocol=protocol)
            door.mqtt.start()
            eventually(lambda: proxy.passes, "the broker is asked")
            door.mqtt.stop(last=(STATE, "offline"), timeout_s=0.5)
            watcher.wait(STATE, "offline")

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_dead_thread_leaves_the_last_words_to_the_will(
        self, broker: Broker, make: Open, protocol: Protocol
    ) -> None:
        """Nobody reads the acknowledgements any more, so that the window stays full."""
        door = make(broker.port, protocol=protocol)
        door.connect()
        door.broken = True
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "1")
            eventually(lambda: not door.mqtt.is_alive(), "the thread dies")
            for number in range(3 * MAX_INFLIGHT):
                door.mqtt.publish("w/1/status", str(number))
            door.mqtt.stop(last=(STATE, "offline"), timeout_s=0.5)
            watcher.wait(STATE, "offline")

    def test_a_broker_that_is_not_there_yet(self, tmp_path: Path, make: Open) -> None:
        broker = Broker(tmp_path)
        door = make(broker.port)
        door.mqtt.start()
        assert door.next(Disconnected).reason.startswith("unreachable")
        broker.start()
        try:
            door.next(Connected)
        finally:
            broker.stop()

    def test_a_broker_that_lost_its_memory(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        door = make(broker.port, protocol=protocol)
        door.connect()
        broker.stop()
        broker.start()
        door.next(Connected)
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "1")
            assert door.next(Message).payload == b"1"

    def test_a_broker_that_hangs(self, broker: Broker, make: Open) -> None:
        door = make(broker.port, keepalive=1)
        door.connect()
        broker.freeze(frozen=True)
        door.next(Disconnected)
        broker.freeze(frozen=False)
        door.next(Connected)

    def test_the_newer_connection_of_an_id_stays(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        """A bridge that is started anew while the broker still has its old connection."""
        door = make(broker.port, protocol=protocol, client_id="same")
        door.connect()
        with Watcher(broker.port) as watcher:
            again = make(broker.port, protocol=protocol, client_id="same")
            again.connect()
            watcher.wait_for(lambda heard: [one.payload for one in heard][-1:] == ["online"], "the new one")
            told = [one.payload for one in watcher.heard if one.topic == STATE and not one.retained]
            assert told == ["offline", "online"]
            door.next(Disconnected)

    def test_two_that_kick_one_another_are_recognised(self, broker: Broker, make: Open) -> None:
        """Mosquitto 2.0 does not tell MQTT 5 clients either."""
        doors = [make(broker.port, client_id="twin") for _ in range(2)]
        for door in doors:
            door.mqtt.start()
        first = doors[0]
        while not first.next(Disconnected).twin:
            pass

    def test_a_broker_that_says_why_is_no_twin(self, make: Open) -> None:
        with DenyingBroker() as broker:
            door = make(broker.port)
            door.mqtt.start()
            for _ in range(4):
                door.next(Connected)
                broker.drop(0x97)
                end = door.next(Disconnected)
                assert (end.reason, end.twin) == ("Quota exceeded", False)

    def test_a_broker_that_only_restarts_is_no_twin(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        door = make(broker.port, protocol=protocol)
        door.connect()
        broker.stop()
        assert not door.next(Disconnected).twin


class TestAccess:
    @pytest.fixture
    def guarded(self, tmp_path: Path) -> Iterator[Broker]:
        """Lets in ``u`` with the password ``pä:ss``, who may subscribe to one topic and publish below ``w``."""
        password, acl = tmp_path / "passwords", tmp_path / "acl"
        # mosquitto_passwd -b of «pä:ss»: PBKDF2-SHA512, 101 rounds
        password.write_text(_mosquitto_password("u", "pä:ss"), encoding="utf-8")
        acl.write_text("user u\ntopic read w/ok/set\ntopic write w/#\n", encoding="utf-8")
        for file in (password, acl):
            file.chmod(0o600)
        broker = Broker(tmp_path, "allow_anonymous false", f"password_file {password}", f"acl_file {acl}").start()
        yield broker
        broker.stop()

    def test_user_and_password(self, guarded: Broker, make: Open, protocol: Protocol) -> None:
        door = make(guarded.port, protocol=protocol, username="u", password=Secret("pä:ss"), filters=("w/ok/set",))
        assert door.connect(honest=False).denied == {}

    @pytest.mark.parametrize("password", ["wrong", "pa:ss"])
    def test_a_wrong_password_is_told_and_tried_again(
        self, guarded: Broker, make: Open, protocol: Protocol, password: str
    ) -> None:
        door = make(guarded.port, protocol=protocol, username="u", password=Secret(password))
        door.mqtt.start()
        for _ in range(2):
            while door.next(Disconnected).reason != "refused: Not authorized":
                pass
        assert door.mqtt.is_alive()

    def test_a_subscription_that_is_denied(self, make: Open, protocol: Protocol) -> None:
        """Mosquitto 2.0 grants every filter and delivers nothing; others say so, as here a broker made by hand."""
        with DenyingBroker(protocol) as broker:
            door = make(broker.port, protocol=protocol, filters=("w/ok/set", "w/no/set"))
            assert door.connect(honest=False).denied.keys() == {"w/no/set"}
            door.mqtt.stop(timeout_s=1.0)


class TestTransports:
    # paho leaves the socket of a failed handshake to the garbage collector
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize(
        ("transport", "tls"),
        [("websockets", False), ("tcp", True), ("websockets", True)],
        ids=["websockets", "TLS", "both"],
    )
    def test_a_port_that_speaks_something_else(self, broker: Broker, make: Open, transport: str, *, tls: bool) -> None:
        door = make(broker.port, transport=transport, tls=TlsConfig(enabled=tls))
        door.mqtt.start()
        assert door.next(Disconnected).reason
        assert door.mqtt.is_alive()
        door.mqtt.stop(timeout_s=4.0)
        gc.collect()

    @pytest.mark.parametrize("name", ["ca_file", "cert_file"])
    @pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "damaged"])
    def test_files_that_cannot_be_used(self, tmp_path: Path, name: str, content: str | None, clock: FakeClock) -> None:
        file = tmp_path / "file.pem"
        if content is not None:
            file.write_text(content, encoding="utf-8")
        files: dict[str, Any] = {"cert_file": file, "key_file": file} if name == "cert_file" else {name: file}
        tls = TlsConfig(enabled=True, **files)
        with pytest.raises(ConfigError, match=rf"^mqtt\.tls\.{name}.*cannot be used"):
            MqttConnection(MqttConfig(tls=tls), filters=[], on_event=lambda _: None, clock=clock)


def test_a_name_that_nobody_knows(make: Open) -> None:
    door = make(1883, host="nobody.invalid")
    door.mqtt.start()
    assert door.next(Disconnected).reason.startswith("unreachable")
    assert door.mqtt.is_alive()


def test_a_host_that_is_no_name(make: Open) -> None:
    """The name service refuses it with another error than one of the network."""
    door = make(free_port(), host="a..b")
    door.mqtt.start()
    assert door.next(Disconnected).reason.startswith("unreachable")
    assert door.mqtt.is_alive()


def _mosquitto_password(user: str, password: str) -> str:
    """A line of a password file, as mosquitto_passwd writes it."""
    import base64  # noqa: PLC0415
    import hashlib  # noqa: PLC0415

    salt, rounds = b"0123456789ab", 101
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"{user}:$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}\n"


def test_paho_would_not_survive_an_exception_in_a_callback(broker: Broker) -> None:
    """Why callbacks only enqueue: if this fails one day, the rule can be loosened."""
    died = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id="fragile")

    def broken(*_: object) -> None:
        died.set()
        message = "a fault in a callback"
        raise ValueError(message)

    client.on_connect = broken
    hook, threading.excepthook = threading.excepthook, lambda _: None
    try:
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        assert died.wait(LIMIT_S)
        eventually(lambda: not any(one.name.endswith("fragile") for one in threading.enumerate()), "the thread ends")
    finally:
        threading.excepthook = hook
    client.disconnect()
