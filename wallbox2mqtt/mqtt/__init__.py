"""The broker: the one home of paho."""

from wallbox2mqtt.mqtt.connection import MqttConnection, OwnState
from wallbox2mqtt.mqtt.events import (
    Acknowledged,
    Connected,
    Disconnected,
    Event,
    Limited,
    Message,
    QuietOver,
    QuietWait,
    Refused,
    Reply,
    Stable,
    Subscribed,
    Taken,
    TellsStored,
)
from wallbox2mqtt.mqtt.outbox import MAX_KEPT_RESULTS, MAX_WAITING_RESULTS
from wallbox2mqtt.mqtt.prelude import Prelude

__all__ = [
    "MAX_KEPT_RESULTS",
    "MAX_WAITING_RESULTS",
    "Acknowledged",
    "Connected",
    "Disconnected",
    "Event",
    "Limited",
    "Message",
    "MqttConnection",
    "OwnState",
    "Prelude",
    "QuietOver",
    "QuietWait",
    "Refused",
    "Reply",
    "Stable",
    "Subscribed",
    "Taken",
    "TellsStored",
]
