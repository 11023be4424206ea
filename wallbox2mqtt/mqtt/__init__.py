"""The broker: the one home of paho."""

from wallbox2mqtt.mqtt.connection import MAX_KEPT_RESULTS, Mqtt
from wallbox2mqtt.mqtt.events import Connected, Disconnected, Event, Message, Refused, Reply

__all__ = ["MAX_KEPT_RESULTS", "Connected", "Disconnected", "Event", "Message", "Mqtt", "Refused", "Reply"]
