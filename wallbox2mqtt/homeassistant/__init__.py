"""Home Assistant's MQTT discovery, worked out from the rows: what is announced of a charger and of the bridge.

Only data in, only data out. One unknown key at the root throws a whole device away, so nothing is passed
through; the keys are Home Assistant's (its pages on MQTT discovery and on each platform).
"""

from wallbox2mqtt.homeassistant.bridge_device import bridge, bridge_name
from wallbox2mqtt.homeassistant.charger_device import ChargerDevice
from wallbox2mqtt.homeassistant.entities import expected_keys
from wallbox2mqtt.homeassistant.messages import (
    MIGRATE,
    Announcement,
    bridge_node,
    charger_node,
    label_of,
    slug,
    topics_of,
)

__all__ = [
    "MIGRATE",
    "Announcement",
    "ChargerDevice",
    "bridge",
    "bridge_name",
    "bridge_node",
    "charger_node",
    "expected_keys",
    "label_of",
    "slug",
    "topics_of",
]
