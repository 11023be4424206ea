"""What a broker says that it does not accept. Its methods are for paho's thread; any thread may ask."""

from collections.abc import Callable

from wallbox2mqtt.mqtt.events import Limited
from wallbox2mqtt.mqtt.outbox import Outgoing

QOS = 1
PACKET_OVERHEAD = 32
_LONGEST_TOPIC = 65535
_NO_RETAIN, _NO_QOS = 0x9A, 0x9B


class BrokerLimits:
    """What the broker takes: QoS, stored messages, the size of a packet."""

    def __init__(self, emit: Callable[[Limited], None]) -> None:
        """Expect all; ``emit`` tells what has to be done without."""
        self._emit = emit
        self._largest: int | None = None
        self.qos, self.stores = QOS, True

    def connected(self, properties: object) -> None:
        """Heed what the broker said when it accepted a connection."""
        self._largest = getattr(properties, "MaximumPacketSize", None)
        retain = getattr(properties, "RetainAvailable", 1) == 1
        self._obey(retain=retain, qos=min(QOS, getattr(properties, "MaximumQoS", QOS)))

    def ended(self, code: int) -> None:
        """Heed the code with which the broker refused or ended a connection."""
        self._obey(retain=code != _NO_RETAIN, qos=0 if code == _NO_QOS else self.qos)

    def _obey(self, *, retain: bool, qos: int) -> None:
        if self.stores and not retain:
            self.stores = False
            cost = "who connects later sees nothing until it changes, or for 10 minutes"
            self._emit(Limited(f"the broker stores no messages: {cost}"))
        if qos < self.qos:
            self.qos = qos
            self._emit(Limited("the broker takes only QoS 0: what is published may be lost on the way"))

    def takes_size(self, size: int) -> bool:
        """Return whether a packet of so many bytes is not too large."""
        return self._largest is None or size <= self._largest

    def takes(self, message: Outgoing) -> bool:
        """Return whether a message is not too large."""
        size = len(message.payload) + len(message.topic.encode()) + len(message.correlation or b"") + PACKET_OVERHEAD
        return len(message.topic.encode()) <= _LONGEST_TOPIC and self.takes_size(size)
