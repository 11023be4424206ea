"""Whose the commands are that come while one bridge takes over from another."""

from tests.broker_connection import Open, Protocol
from tests.mosquitto import eventually
from tests.stub_broker import StubBroker, Temper
from wallbox2mqtt.mqtt import Message, Prelude

HANDOVER, COMMAND = "w/bridge/handover", "w/1/locked/set"


class Heir:
    """Takes over from whoever is there."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def hear(self, payload: bytes) -> bool:
        self.heard.append(payload)
        return True

    def begin(self) -> str:
        return "mine"


def test_commands_count_from_the_handover_on(make: Open, protocol: Protocol) -> None:
    with StubBroker() as broker:

        def handed_over(topic: str) -> bool:
            if topic == HANDOVER:
                assert "w/+/+/set" in broker.listening
                broker.publish(COMMAND, b"of the one before")
            return True

        broker.temper.acknowledges = handed_over
        connection = make(broker.port, protocol=protocol, prelude=Prelude(HANDOVER, Heir()))
        connection.connect()
        broker.publish(COMMAND, b"of this one")
        assert connection.next(Message).payload == b"of this one"
        assert not connection.left_out


def test_the_handover_is_heard_at_qos_0_where_qos_1_is_refused(make: Open, protocol: Protocol) -> None:
    """As by a cluster of NATS that has lost a node: who does not hear of the active bridge would be a second one."""
    with StubBroker(Temper(most_qos=0)) as broker:
        broker.stored[HANDOVER] = b"of the active one"
        heir = Heir()
        make(broker.port, protocol=protocol, prelude=Prelude(HANDOVER, heir)).mqtt.start()
        eventually(lambda: heir.heard[:1] == [b"of the active one"], "the handover is heard")
        assert broker.subscribed[:2] == [HANDOVER, HANDOVER]
