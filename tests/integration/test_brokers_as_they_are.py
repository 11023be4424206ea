"""Brokers that refuse, that take no retained messages or no QoS 1, and that answer by closing."""

import socket
from collections import Counter
from typing import Any

import pytest

from tests.broker_connection import STATE, Connection, Open, Protocol
from tests.mosquitto import LIMIT_S, eventually
from tests.stub_broker import StubBroker, Temper
from wallbox2mqtt.mqtt import Acknowledged, Connected, Disconnected, Limited, Refused, Subscribed, Taken, TellsStored

pytestmark = pytest.mark.broker

NO_RETAIN, NO_QOS = b"\x25\x00", b"\x24\x00"
WILL_RETAIN, WILL_QOS = 0x20, 0x18


@pytest.fixture
def make(make: Open) -> Open:
    """Return a function that makes connections which begin at once."""

    def start(port: int, **options: Any) -> Connection:  # noqa: ANN401 - any key of the configuration
        connection = make(port, **options)
        connection.mqtt.start()
        return connection

    return start


class TestLimits:
    @pytest.mark.parametrize("code", [None, 0x9A], ids=["told", "refused"])
    def test_no_retained_messages(self, make: Open, code: int | None) -> None:
        with StubBroker(Temper(answer=code or 0, connack=NO_RETAIN if code is None else b"")) as broker:
            connection = make(broker.port)
            assert "stores no messages" in connection.next(Limited).reason
            broker.temper.answer = 0
            connection.next(Connected)
            if code is not None:
                assert [bool(flags & WILL_RETAIN) for flags in broker.flags][:2] == [True, False]
            connection.mqtt.show("w/1/locked", "1")
            eventually(lambda: "w/1/locked" in broker.heads, "it is published")
            assert not {topic for topic, head in broker.heads.items() if head & 1}
            assert not connection.mqtt.stores

    @pytest.mark.parametrize("code", [None, 0x9B], ids=["told", "refused"])
    def test_no_acknowledged_messages(self, make: Open, code: int | None) -> None:
        with StubBroker(Temper(answer=code or 0, connack=NO_QOS if code is None else b"")) as broker:
            connection = make(broker.port)
            assert "QoS 0" in connection.next(Limited).reason
            broker.temper.answer = 0
            connection.next(Connected)
            if code is not None:
                assert [bool(flags & WILL_QOS) for flags in broker.flags][:2] == [True, False]
            connection.mqtt.show("w/1/locked", "1")
            eventually(lambda: broker.heads.get("w/1/locked") == 0x31, "it is published at QoS 0")
            connection.mqtt.flush_results()
            connection.mqtt.publish_result("w/1/kept", "1")
            assert connection.next(Acknowledged) == Acknowledged("w/1/kept", "1"), "nothing better will come"
            assert connection.mqtt.answers


@pytest.mark.slow
def test_each_broker_has_its_own_time_to_accept(make: Open) -> None:
    """The nodes of a cluster may need as long for each other as a client waits for one."""
    with StubBroker(Temper(answer=3, answer_s=6.0)) as refuses, StubBroker(Temper(answer_s=6.0)) as accepts:
        hosts = ",".join(f"127.0.0.1:{broker.port}" for broker in (refuses, accepts))
        connection = make(accepts.port, host=hosts, protocol="3.1.1", keepalive=30)
        while not isinstance(event := connection.events.get(timeout=LIMIT_S), Connected):
            assert not connection.mqtt.stalls, event
        assert (refuses.connects, accepts.connects, connection.mqtt.stalls) == (1, 1, 0)


class TestRefusedSubscriptions:
    @pytest.mark.slow
    def test_are_asked_for_again(self, make: Open, protocol: Protocol) -> None:
        with StubBroker(Temper(refuses=lambda name: name == "w/+/set")) as broker:
            connection = make(broker.port, protocol=protocol)
            denied = connection.next(Connected).denied
            assert denied == {"w/+/set": "Not authorized (0x87)" if protocol == "5" else "Unspecified error (0x80)"}
            broker.temper.refuses = lambda _: False
            assert connection.next(Subscribed).denied == {}
            assert broker.subscribed.count("w/+/set") == 2

    def test_are_had_at_qos_0_where_they_were_granted_before(self, make: Open, protocol: Protocol) -> None:
        """As a cluster of NATS that has lost a node."""
        with StubBroker() as broker:
            filters = ("w/+/+/set", "w/+/+/+/set", "homeassistant/status")
            connection = make(broker.port, protocol=protocol, filters=filters)
            connection.next(TellsStored)
            before = len(broker.subscribed)
            broker.temper.most_qos = 0
            broker.drop()
            assert connection.next(Connected).denied == {}
            connection.next(TellsStored)
            asked = [filters[0], filters[0], *filters[1:], STATE]
            assert broker.subscribed[before:] == asked, "one refusal tells it of all"

    def test_one_that_ends_the_connection_costs_no_other(self, make: Open, protocol: Protocol) -> None:
        with StubBroker(Temper(closes=lambda name, _: name == "homeassistant/status")) as broker:
            filters = ("w/+/+/set", "homeassistant/status")
            connection = make(broker.port, protocol=protocol, filters=filters)
            assert set(connection.next(Connected).denied) == {"homeassistant/status"}
            assert "w/+/+/set" in broker.listening


class TestRefusedMessages:
    @pytest.mark.slow
    def test_come_when_they_may(self, make: Open) -> None:
        """An access list that forbids, and is then mended."""
        with StubBroker(Temper(refuses=lambda name: name == "w/1/locked")) as broker:
            connection = make(broker.port)
            connection.next(Connected)
            connection.mqtt.show("w/1/locked", "1")
            refused = connection.next(Refused)
            assert refused == Refused("Not authorized (0x87)", "w/1/locked", 1, 1)
            connection.mqtt.show("w/1/locked", "0")
            assert connection.mqtt.unpublished == 1
            broker.temper.refuses = lambda _: False
            connection.next(Taken)
            assert broker.stored["w/1/locked"] == b"0"
            assert connection.mqtt.unpublished == 0

    @pytest.mark.parametrize("topic", ["w/1/large", "homeassistant/device/x/config"])
    def test_one_that_ends_the_connection_costs_no_other(self, make: Open, protocol: Protocol, topic: str) -> None:
        with StubBroker(Temper(closes=lambda name, size: name == topic and size > 200)) as broker:
            connection = make(broker.port, protocol=protocol)
            while not isinstance(event := connection.events.get(timeout=LIMIT_S), Refused):
                for name in ("w/1/a", topic, "w/1/b") if isinstance(event, Connected) else ():
                    connection.mqtt.show(name, "x" * 300 if name == topic else "1")
            assert (event.topic, event.size) == (topic, 300)
            connection.next(Connected)
            for name in ("w/1/a", topic, "w/1/b"):
                connection.mqtt.show(name, "x" * 300 if name == topic else "1")
            eventually(lambda: {"w/1/a", "w/1/b", STATE} <= broker.stored.keys(), "the rest is served")
            ends = [event for event in connection.ends if event.twin]
            assert ends == []
            assert broker.connects <= 4

    def test_what_was_taken_before_is_not_why_it_ends(self, make: Open, protocol: Protocol) -> None:
        """A twin pushes us out: the will is contradicted on the connection that ends, and nobody answers that."""
        seen: Counter[int] = Counter()

        def closes(name: str, _size: int) -> bool:
            seen[broker.connects] += name == STATE
            return seen[broker.connects] == 3  # published, subscribed to, published again

        with StubBroker(Temper(closes=closes)) as broker:
            connection = make(broker.port, protocol=protocol)
            for _ in range(2):
                connection.next(TellsStored)
                connection.mqtt.show(STATE, "online")
                connection.next(Disconnected)
            assert connection.mqtt.unpublished == 0

    def test_two_cut_connections_hold_nothing_back(self, make: Open, protocol: Protocol) -> None:
        with StubBroker(Temper(closes=lambda name, _: name == STATE and broker.connects in {2, 3})) as broker:
            connection = make(broker.port, protocol=protocol)
            connection.next(TellsStored)
            broker.drop()
            connection.next(TellsStored)
            assert broker.connects == 4
            assert connection.mqtt.unpublished == 0

    def test_a_field_that_was_taken_before_is_not_held_back(self, make: Open, protocol: Protocol) -> None:
        """What changes all the time is often what waits for its acknowledgement when the network is cut."""
        with StubBroker(Temper(closes=lambda name, _: name == "w/2/power" and broker.connects in {2, 3})) as broker:
            connection = make(broker.port, protocol=protocol)
            connection.next(TellsStored)
            connection.mqtt.show("w/1/power", "1")
            eventually(lambda: "w/1/power" in broker.stored, "the other charger's is taken")
            broker.drop()
            for _ in range(2):
                connection.next(Connected)
                connection.mqtt.show("w/2/power", "1")
                connection.next(Disconnected)
            connection.next(Connected)
            connection.mqtt.show("w/2/power", "2")
            eventually(lambda: broker.stored.get("w/2/power") == b"2", "it is published")
            assert connection.mqtt.unpublished == 0


class TestSeveral:
    def test_the_next_one_serves_when_one_is_gone(self, make: Open, protocol: Protocol) -> None:
        with StubBroker() as second:
            with StubBroker() as first:
                hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
                connection = make(first.port, host=hosts, protocol=protocol)
                connection.next(Connected)
                eventually(lambda: STATE in first.stored, "it serves")
            connection.next(Connected)
            eventually(lambda: STATE in second.stored, "the other one serves")

    @pytest.mark.slow
    def test_one_that_says_nothing_is_left_after_ten_seconds(self, make: Open) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute, StubBroker() as second:
            hosts = f"127.0.0.1:{mute.getsockname()[1]},127.0.0.1:{second.port}"
            connection = make(second.port, host=hosts, keepalive=30)
            connection.next(Connected)
            (end,) = connection.ends
            assert end.reason.startswith("something accepts the connection and does not answer")
