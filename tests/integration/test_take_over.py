"""Whose the commands are that come while one bridge takes over from another."""

from tests.broker_connection import Open, Protocol
from tests.stub_broker import StubBroker
from wallbox2mqtt.mqtt import Message, Prelude

HANDOVER, COMMAND = "w/bridge/handover", "w/1/locked/set"


class Heir:
    """Takes over from whoever is there."""

    def hear(self, _: bytes) -> bool:
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
