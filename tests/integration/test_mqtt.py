"""The broker's connection, against a real mosquitto, in both versions of the protocol."""

import gc
import math
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.broker_connection import STATE, Open, Protocol
from tests.fakes import FakeClock
from tests.faults.proxy import Proxy
from tests.mosquitto import LIMIT_S, Broker, DenyingBroker, Watcher, eventually, free_port
from tests.stub_broker import StubBroker
from wallbox2mqtt.catalogue import LONGEST_PAYLOAD_BYTES
from wallbox2mqtt.config import MqttConfig, Secret, TlsConfig
from wallbox2mqtt.errors import ConfigError
from wallbox2mqtt.mqtt import (
    MAX_KEPT_RESULTS,
    MAX_WAITING_RESULTS,
    Acknowledged,
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


def test_no_wait_between_the_brokers_of_a_list(broker: Broker, make: Open) -> None:
    """With 1, 2, 4, 8, 10 and 10 s it would take longer than any test waits."""
    gone = [f"127.0.0.1:{free_port()}" for _ in range(6)]
    make(broker.port, host=",".join([*gone, "127.0.0.1"])).connect()


@pytest.mark.parametrize(("others", "waits"), [([], False), (["127.0.0.1:9"], True)], ids=["one-broker", "a-list"])
def test_what_can_wait_waits_after_a_loss(make: Open, others: list[str], *, waits: bool) -> None:
    with StubBroker() as broker:
        connection = make(broker.port, host=",".join(["127.0.0.1", *others]))
        connection.connect()
        assert connection.mqtt.is_settled
        broker.drop()
        connection.next(Disconnected)
        connection.next(Connected)
        assert connection.mqtt.is_settled != waits


class TestPublishing:
    def test_state_is_retained_and_results_are_not(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        connection = make(broker.port, protocol=protocol)
        connection.connect()
        with Watcher(broker.port) as before:
            connection.mqtt.publish("w/1/locked", "1")
            connection.mqtt.publish_result("w/1/locked/result", "{}")
            before.wait("w/1/locked/result", "{}")
            before.wait("w/1/locked", "1")
        with Watcher(broker.port) as after:
            assert after.wait("w/1/locked").retained
            connection.mqtt.publish("w/1/end", "1")
            after.wait("w/1/end")
            assert after.of("w/1/locked/result") == []

    def test_nothing_is_queued_while_the_broker_is_away(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port)
        connection.mqtt.publish("w/before", "1")
        connection.connect()
        broker.stop()
        connection.next(Disconnected)
        assert not connection.mqtt.online
        for number in range(100):
            connection.mqtt.publish("w/away", str(number))
        broker.start()
        with Watcher(broker.port) as watcher:
            connection.next(Connected)
            assert connection.mqtt.online
            assert connection.mqtt.connects == 2
            connection.mqtt.publish("w/after", "1")
            watcher.wait("w/after")
            assert watcher.of("w/before") == watcher.of("w/away") == []

    def test_results_are_kept_and_sent_in_order(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        connection = make(broker.port, protocol=protocol)
        for number in range(MAX_KEPT_RESULTS + 20):
            connection.mqtt.publish_result("w/result", str(number), b"c")
        with Watcher(broker.port) as watcher:
            connection.connect()
            connection.mqtt.flush_results()
            watcher.wait("w/result", str(MAX_KEPT_RESULTS + 19))
            assert watcher.of("w/result") == [str(number) for number in range(20, MAX_KEPT_RESULTS + 20)]
            connection.mqtt.flush_results()
            connection.mqtt.publish("w/end", "1")
            watcher.wait("w/end")
            assert len(watcher.of("w/result")) == MAX_KEPT_RESULTS

    def test_correlation_data(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        connection = make(broker.port, protocol=protocol)
        connection.connect()
        with Watcher(broker.port) as watcher:
            connection.mqtt.publish_result("answers", "{}", b"\x00\xff")
            assert watcher.wait("answers").correlation == (b"\x00\xff" if protocol == "5" else None)

    def test_who_keeps_a_message_learns_that_it_arrived(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        connection = make(broker.port, protocol=protocol)
        connection.mqtt.publish_result("w/1/kept", "before")
        connection.connect()
        connection.mqtt.publish_result("w/1/other", "1")
        connection.mqtt.publish_result("w/1/kept", "after")
        connection.mqtt.flush_results()
        assert connection.next(Acknowledged) == Acknowledged("w/1/kept", "before")
        assert connection.next(Acknowledged) == Acknowledged("w/1/kept", "after")

    def test_thousands_at_once_arrive_in_order(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port)
        connection.connect()
        with Watcher(broker.port) as watcher:
            for number in range(3000):
                connection.mqtt.publish(f"w/{number % 7}", str(number))
            watcher.wait("w/3", "2999")
            for topic in range(7):
                assert watcher.of(f"w/{topic}") == [str(number) for number in range(3000) if number % 7 == topic]

    def test_from_many_threads(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port)
        connection.connect()

        def publish(name: int) -> None:
            for number in range(200):
                connection.mqtt.publish(f"w/{name}", str(number))

        with Watcher(broker.port) as watcher:
            threads = [threading.Thread(target=publish, args=(name,)) for name in range(4)]
            for thread in threads:
                thread.start()
            for name, thread in enumerate(threads):
                thread.join(LIMIT_S)
                watcher.wait(f"w/{name}", "199")
                assert watcher.of(f"w/{name}") == [str(number) for number in range(200)]

    def test_a_broker_that_hangs_does_not_hold_who_publishes(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port, keepalive=1)
        connection.connect()
        broker.freeze(frozen=True)
        done = threading.Event()

        def publish() -> None:
            for number in range(5000):
                connection.mqtt.publish("w/1", str(number))
            done.set()

        threading.Thread(target=publish, daemon=True).start()
        assert done.wait(LIMIT_S)
        connection.next(Disconnected)
        broker.freeze(frozen=False)
        connection.next(Connected)

    def test_a_slow_broker_gets_the_newest_state(self, broker: Broker, make: Open) -> None:
        """What it does not take yet waits outside paho, which would keep a packet of each."""
        connection = make(broker.port, keepalive=60)
        connection.connect()
        with Watcher(broker.port) as watcher:
            broker.freeze(frozen=True)
            for number in range(20_000):
                connection.mqtt.show(f"w/{number % 2}", str(number))
            connection.mqtt.show("w/end", "1")
            assert connection.mqtt.keeps_up
            assert connection.mqtt._client.unacknowledged == MOST_OPEN  # noqa: SLF001 - nobody else could tell
            broker.freeze(frozen=False)
            watcher.wait("w/end")
            told = [int(one.payload) for one in watcher.heard if one.topic in {"w/0", "w/1"}]
            assert told == [*range(MOST_OPEN), 19_998, 19_999]

    def test_each_of_what_counts_one_by_one(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port, keepalive=60)
        connection.connect()
        with Watcher(broker.port) as watcher:
            broker.freeze(frozen=True)
            for number in range(2000):
                connection.mqtt.publish("w/1", str(number))
            assert not connection.mqtt.keeps_up
            broker.freeze(frozen=False)
            watcher.wait("w/1", "1999")
            assert watcher.of("w/1") == [str(number) for number in range(2000)]
            assert connection.mqtt.keeps_up

    def test_clearing_a_topic_waits_for_the_broker(self, broker: Broker, make: Open) -> None:
        """Nobody would announce it anew, and the broker would show the topic for good."""
        with Proxy(broker.port) as proxy, Watcher(broker.port) as watcher:
            connection = make(proxy.port)
            connection.connect()
            for topic in ("w/gone", "w/back"):
                connection.mqtt.show(topic, "1")
                watcher.wait(topic, "1")
            proxy.silent = True
            proxy.cut()
            connection.next(Disconnected)
            for topic in ("w/gone", "w/back"):
                connection.mqtt.show(topic, "")
            connection.mqtt.show("w/back", "2")
            proxy.silent = False
            proxy.cut()
            connection.next(Connected)
            connection.mqtt.show("w/back", "2")
            watcher.wait("w/back", "2")
            assert watcher.of("w/gone") == ["1", ""]

    @pytest.mark.slow
    def test_results_wait_for_a_slow_broker(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port, keepalive=60)
        connection.connect()
        with Watcher(broker.port) as watcher:
            broker.freeze(frozen=True)
            for number in range(MOST_OPEN + MAX_WAITING_RESULTS + 20):
                connection.mqtt.publish_result("w/result", str(number))
            connection.mqtt.show("w/1", "1")
            assert connection.mqtt._client.unacknowledged == MOST_OPEN  # noqa: SLF001 - nobody else could tell
            assert connection.mqtt.dropped_results() == 20
            assert connection.mqtt.dropped_results() == 0
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
            connection = make(broker.port)
            connection.connect()
            with Watcher(broker.port) as watcher:
                for _ in range(3):
                    connection.mqtt.publish("w/large", "x" * 300)
                connection.mqtt.publish("w/small", "x" * 100)
                watcher.wait("w/small")
                assert watcher.of("w/large") == []
            for _ in range(3):
                refused = connection.next(Refused)
                assert (refused.reason, refused.topic) == ("larger than the broker takes", "w/large")
            assert connection.nothing_more()
        finally:
            broker.stop()

    def test_sends_without_waiting_for_more(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port)
        connection.connect()
        sock: Any = connection.mqtt._client.socket()  # noqa: SLF001 - nobody else could tell
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class TestReceiving:
    def test_a_message(self, broker: Broker, make: Open, protocol: Protocol, clock: FakeClock) -> None:
        connection = make(broker.port, protocol=protocol)
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "stored", retain=True)
            watcher.wait("w/1/set")
            connection.connect()
            if protocol == "3.1.1":  # with MQTT 5 it is not asked for
                stored = connection.next(Message)
                assert (stored.topic, stored.payload, stored.retained) == ("w/1/set", b"stored", True)
            watcher.publish("w/2/set", b"\xff\x00")
            live = connection.next(Message)
            watcher.publish("w/3/set", "retained but live", retain=True)
            alive = connection.next(Message)
        assert (live.topic, live.payload, live.retained) == ("w/2/set", b"\xff\x00", False)
        assert alive.retained is False
        assert live.arrived == clock.monotonic()
        assert live.reply is None

    def test_a_large_payload_is_cut(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port)
        connection.connect()
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", b"x" * 1_000_000)
            assert len(connection.next(Message).payload) == LONGEST_PAYLOAD_BYTES + 1

    @pytest.mark.parametrize("correlation", [None, b"\x01"])
    def test_where_the_answer_is_wanted(self, broker: Broker, make: Open, correlation: bytes | None) -> None:
        connection = make(broker.port)
        connection.connect()
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "1", reply="me/answers", correlation=correlation)
            assert connection.next(Message).reply == Reply("me/answers", correlation)

    @pytest.mark.parametrize("life_s", [None, 1, 3600])
    def test_how_long_its_sender_wants_it(
        self, broker: Broker, make: Open, clock: FakeClock, life_s: int | None
    ) -> None:
        connection = make(broker.port)
        connection.connect()
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "1", life_s=life_s)
            ends = math.inf if life_s is None else clock.monotonic() + life_s
            assert ends - 1 <= connection.next(Message).expires <= ends

    def test_ten_thousand_at_once(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port)
        connection.connect()
        with Watcher(broker.port, "none") as watcher:
            for number in range(10_000):
                watcher.client.publish("w/1/set", str(number), qos=0)
            watcher.publish("w/1/set", "end")
            while connection.next(Message).payload != b"end":
                pass
        assert connection.mqtt.is_alive()

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
            connection = make(broker.port, filters=("x/+",))
            connection.connect(honest=False)
            watcher.publish("x/3", "1")
            topics = [connection.next(Message).topic for _ in range(2)]
        assert topics == ["x/2", "x/3"]


class TestConnection:
    def test_the_will(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        connection = make(broker.port, protocol=protocol)
        connection.connect()
        with Watcher(broker.port) as watcher:
            sock: Any = connection.mqtt._client.socket()  # noqa: SLF001 - as if the cable were cut
            sock.shutdown(socket.SHUT_RDWR)
            watcher.wait(STATE, "offline")
            connection.next(Connected)

    def test_stop_says_the_last_words_and_no_will_follows(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        connection = make(broker.port, protocol=protocol)
        connection.connect()
        with Watcher(broker.port) as watcher:
            connection.mqtt.publish_result("w/result", "stopping")
            connection.mqtt.stop(last=(STATE, "the last"), timeout_s=2.0)
            watcher.wait(STATE, "the last")
            watcher.publish("w/end", "1")
            watcher.wait("w/end")
            assert [(one.topic, one.payload) for one in watcher.heard if not one.retained] == [
                ("w/result", "stopping"),
                (STATE, "the last"),
                ("w/end", "1"),
            ]
        assert not connection.mqtt.is_alive()

    @pytest.mark.parametrize("frozen", [True, False], ids=["hanging", "away"])
    def test_stop_waits_no_longer_than_it_may(self, broker: Broker, make: Open, *, frozen: bool) -> None:
        connection = make(broker.port, keepalive=300)
        connection.connect()
        if frozen:
            broker.freeze(frozen=True)
        else:
            broker.stop()
            connection.next(Disconnected)
        done = threading.Event()

        def stop() -> None:
            connection.mqtt.stop(last=(STATE, "offline"), timeout_s=1.0)
            done.set()

        threading.Thread(target=stop, daemon=True).start()
        assert done.wait(LIMIT_S), "it waits for the broker"
        broker.freeze(frozen=False)

    def test_the_will_replaces_last_words_that_cannot_be_sent(
        self, broker: Broker, make: Open, protocol: Protocol
    ) -> None:
        """A full window of messages that nobody acknowledges: what comes after them is not sent."""
        connection = make(broker.port, protocol=protocol)
        connection.connect()
        with Watcher(broker.port) as watcher:
            broker.freeze(frozen=True)
            for number in range(3 * MAX_INFLIGHT):
                connection.mqtt.publish("w/1/status", str(number))
            connection.mqtt.stop(last=(STATE, "offline"), timeout_s=0.5)
            broker.freeze(frozen=False)
            watcher.wait(STATE, "offline")

    def test_last_words_before_an_answer_are_left_to_the_will(
        self, broker: Broker, make: Open, protocol: Protocol
    ) -> None:
        """A broker with a memory may still say ``online``, of the bridge before this one."""
        with Proxy(broker.port) as proxy, Watcher(broker.port) as watcher:
            watcher.publish(STATE, "online", retain=True)
            proxy.silent = True
            connection = make(proxy.port, protocol=protocol)
            connection.mqtt.start()
            eventually(lambda: proxy.passes, "the broker is asked")
            connection.mqtt.stop(last=(STATE, "offline"), timeout_s=0.5)
            watcher.wait(STATE, "offline")

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_dead_thread_leaves_the_last_words_to_the_will(
        self, broker: Broker, make: Open, protocol: Protocol
    ) -> None:
        """Nobody reads the acknowledgements any more, so that the window stays full."""
        before = threading.enumerate()
        connection = make(broker.port, protocol=protocol)
        connection.connect()
        connection.broken = True
        (thread,) = (one for one in threading.enumerate() if one not in before)
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "1")
            thread.join(LIMIT_S)  # and no earlier: its exception would be told in the next test
            assert not connection.mqtt.is_alive()
            for number in range(3 * MAX_INFLIGHT):
                connection.mqtt.publish("w/1/status", str(number))
            connection.mqtt.stop(last=(STATE, "offline"), timeout_s=0.5)
            watcher.wait(STATE, "offline")

    def test_a_broker_that_is_not_there_yet(self, tmp_path: Path, make: Open) -> None:
        broker = Broker(tmp_path)
        connection = make(broker.port)
        connection.mqtt.start()
        assert connection.next(Disconnected).reason.startswith("unreachable")
        broker.start()
        try:
            connection.next(Connected)
        finally:
            broker.stop()

    def test_a_broker_that_lost_its_memory(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        connection = make(broker.port, protocol=protocol)
        connection.connect()
        broker.stop()
        broker.start()
        connection.next(Connected)
        with Watcher(broker.port) as watcher:
            watcher.publish("w/1/set", "1")
            assert connection.next(Message).payload == b"1"

    def test_a_broker_that_hangs(self, broker: Broker, make: Open) -> None:
        connection = make(broker.port, keepalive=1)
        connection.connect()
        broker.freeze(frozen=True)
        connection.next(Disconnected)
        broker.freeze(frozen=False)
        connection.next(Connected)

    def test_the_newer_connection_of_an_id_stays(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        """A bridge that is started anew while the broker still has its old connection."""
        connection = make(broker.port, protocol=protocol, client_id="same")
        connection.connect()
        with Watcher(broker.port) as watcher:
            again = make(broker.port, protocol=protocol, client_id="same")
            again.connect()
            watcher.wait_for(lambda heard: len([one for one in heard if not one.retained]) >= 2, "the new one")
            told = [one.payload for one in watcher.heard if one.topic == STATE and not one.retained]
            assert told == ["offline", "online"]
            connection.next(Disconnected)

    def test_two_that_kick_one_another_are_recognised(self, broker: Broker, make: Open) -> None:
        """Mosquitto 2.0 does not tell MQTT 5 clients either."""
        connections = [make(broker.port, client_id="twin") for _ in range(2)]
        for connection in connections:
            connection.mqtt.start()
        first = connections[0]
        while not first.next(Disconnected).twin:
            pass

    def test_a_broker_that_says_why_is_no_twin(self, make: Open) -> None:
        with DenyingBroker() as broker:
            connection = make(broker.port)
            connection.mqtt.start()
            for _ in range(4):
                connection.next(Connected)
                broker.drop(0x97)
                end = connection.next(Disconnected)
                assert (end.reason, end.twin) == ("Quota exceeded", False)

    def test_a_broker_that_only_restarts_is_no_twin(self, broker: Broker, make: Open, protocol: Protocol) -> None:
        connection = make(broker.port, protocol=protocol)
        connection.connect()
        broker.stop()
        assert not connection.next(Disconnected).twin


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
        connection = make(
            guarded.port, protocol=protocol, username="u", password=Secret("pä:ss"), filters=("w/ok/set",)
        )
        assert connection.connect(honest=False).denied == {}

    @pytest.mark.parametrize("password", ["wrong", "pa:ss"])
    def test_a_wrong_password_is_told_and_tried_again(
        self, guarded: Broker, make: Open, protocol: Protocol, password: str
    ) -> None:
        connection = make(guarded.port, protocol=protocol, username="u", password=Secret(password))
        connection.mqtt.start()
        for _ in range(2):
            while connection.next(Disconnected).reason != "refused: Not authorized":
                pass
        assert connection.mqtt.is_alive()

    def test_a_subscription_that_is_denied(self, make: Open, protocol: Protocol) -> None:
        """Mosquitto 2.0 grants every filter and delivers nothing; others say so, as here a broker made by hand."""
        with DenyingBroker(protocol) as broker:
            connection = make(broker.port, protocol=protocol, filters=("w/ok/set", "w/no/set"))
            assert connection.connect(honest=False).denied.keys() == {"w/no/set"}
            connection.mqtt.stop(timeout_s=1.0)


class TestTransports:
    # paho leaves the socket of a failed handshake to the garbage collector
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize(
        ("transport", "tls"),
        [("websockets", False), ("tcp", True), ("websockets", True)],
        ids=["websockets", "TLS", "both"],
    )
    def test_a_port_that_speaks_something_else(self, broker: Broker, make: Open, transport: str, *, tls: bool) -> None:
        connection = make(broker.port, transport=transport, tls=TlsConfig(enabled=tls))
        connection.mqtt.start()
        assert connection.next(Disconnected).reason
        assert connection.mqtt.is_alive()
        connection.mqtt.stop(timeout_s=4.0)
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
    connection = make(1883, host="nobody.invalid")
    connection.mqtt.start()
    assert connection.next(Disconnected).reason.startswith("unreachable")
    assert connection.mqtt.is_alive()


def test_a_host_that_is_no_name(make: Open) -> None:
    """The name service refuses it with another error than one of the network."""
    connection = make(free_port(), host="a..b")
    connection.mqtt.start()
    assert connection.next(Disconnected).reason.startswith("unreachable")
    assert connection.mqtt.is_alive()


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
