"""Commands that a broker has stored, at brokers that mark them and at brokers that do not."""

import pytest

from tests.broker_connection import STATE, Open, Protocol
from tests.mosquitto import Broker, Watcher, eventually
from tests.stub_broker import StubBroker, Temper
from wallbox2mqtt.mqtt import Message, QuietOver, QuietWait, TellsStored
from wallbox2mqtt.mqtt.replay import QUIET_S

pytestmark = pytest.mark.broker

SET = "w/1/locked/set"
UNFLAGGED = Temper(flags=False, obeys=False)


def test_mosquitto_marks_them_and_live_ones_count_at_once(broker: Broker, make: Open, protocol: Protocol) -> None:
    with Watcher(broker.port) as watcher:
        watcher.publish(SET, "0", retain=True)
        watcher.wait(SET)
        connection = make(broker.port, protocol=protocol)
        connection.mqtt.start()
        watcher.wait("w/bridge/state", "online")
        watcher.publish(SET, "1")
        if protocol == "3.1.1":
            stored = connection.next(Message)
            assert (stored.payload, stored.retained, stored.stored) == (b"0", True, False)
        live = connection.next(Message)
        assert (live.payload, live.retained, live.stored) == (b"1", False, False)
        assert watcher.of("w/bridge/state") == ["online"], "once a connection"


def test_what_commands_wait_for_is_asked_first(make: Open) -> None:
    with StubBroker() as broker:

        def looked_up_meanwhile(topic: str) -> bool:
            if topic == STATE:
                connection.mqtt.listen(["homeassistant/#"])
            return True

        broker.temper.acknowledges = looked_up_meanwhile
        connection = make(broker.port)
        connection.connect()
        eventually(lambda: "homeassistant/#" in broker.subscribed, "it is looked up")
        assert broker.subscribed.index(STATE) < broker.subscribed.index("homeassistant/#")


@pytest.mark.slow
@pytest.mark.parametrize("replay_s", [0.2, 1.0])
def test_unmarked_ones_never_count(make: Open, protocol: Protocol, replay_s: float) -> None:
    with StubBroker(Temper(flags=False, obeys=False, replay_s=replay_s)) as broker:
        broker.stored[SET] = b"0"
        connection = make(broker.port, protocol=protocol)
        connection.mqtt.start()
        connection.next(QuietWait)
        broker.publish(SET, b"live")
        connection.next(QuietOver)
        seen = connection.left_out
        assert {message.payload for message in seen} >= {b"0", b"live"}
        assert all(message.stored for message in seen)
        assert "w/#" not in broker.listening
        broker.publish(SET, b"1")
        live = connection.next(Message)
        assert (live.payload, live.stored) == (b"1", False)


def test_a_broker_that_stores_nothing(make: Open, protocol: Protocol) -> None:
    with StubBroker(Temper(stores=False)) as broker:
        connection = make(broker.port, protocol=protocol)
        connection.mqtt.start()
        connection.next(QuietWait)
        connection.next(QuietOver)
        broker.publish(SET, b"1")
        assert connection.next(Message).stored is False


def test_a_broker_that_marks_them(make: Open, protocol: Protocol) -> None:
    with StubBroker() as broker:
        connection = make(broker.port, protocol=protocol)
        connection.mqtt.start()
        connection.next(TellsStored)
        broker.publish(SET, b"1")
        assert connection.next(Message).stored is False
        assert "w/#" not in broker.subscribed


def test_a_broker_that_marks_late_and_refuses_the_wildcard(make: Open, protocol: Protocol) -> None:
    with StubBroker(Temper(flags=False)) as broker:

        def refuses(name: str) -> bool:
            broker.temper.flags |= name == "w/#"
            return name == "w/#"

        broker.temper.refuses = refuses
        connection = make(broker.port, protocol=protocol)
        connection.mqtt.start()
        connection.next(QuietWait)
        assert connection.next(QuietOver).waited_s < QUIET_S
        assert broker.subscribed.count("w/bridge/state") == 2


def test_each_connection_is_tried(make: Open) -> None:
    with StubBroker() as broker:
        connection = make(broker.port)
        connection.mqtt.start()
        connection.next(TellsStored)
        broker.temper = UNFLAGGED
        broker.stored[SET] = b"0"
        broker.drop()
        connection.next(QuietWait)
        assert connection.next(Message).stored


@pytest.mark.parametrize("copies", [True, False])
def test_where_retained_ones_are_accepted_it_is_waited_for_quiet(
    make: Open, protocol: Protocol, *, copies: bool
) -> None:
    with StubBroker(Temper(copies=copies)) as broker:
        broker.stored[SET] = b"0"
        connection = make(broker.port, protocol=protocol, accept_retained=True)
        connection.mqtt.start()
        connection.next(QuietWait)
        broker.publish(SET, b"live")
        connection.next(QuietOver)
        seen = [message.payload for message in connection.left_out]
        assert sorted(seen) == [b"0", b"live"], "each once"
        assert all(message.stored for message in connection.left_out)


def test_commands_awaiting_the_verdict_are_answered_at_the_end(make: Open) -> None:
    with StubBroker(Temper(acknowledges=lambda _: False)) as broker:
        connection = make(broker.port)
        connection.connect(honest=False)
        broker.publish(SET, b"1")
        eventually(lambda: broker.stored, "the state is asked for")
        assert connection.nothing_more()
        connection.mqtt.release()
        assert connection.next(Message).stored
