"""Home Assistant's MQTT discovery, worked out from the rows: what is announced of a charger and of the bridge.

Only data in, only data out. One unknown key at the root throws a whole device away, so nothing is passed
through; the keys are Home Assistant's (its pages on MQTT discovery and on each platform).
"""

from wallbox2mqtt.discovery.announcement import (
    MIGRATE,
    Announcement,
    bridge_node,
    charger_node,
    label_of,
    slug,
    topics_of,
)
from wallbox2mqtt.discovery.bridge import bridge
from wallbox2mqtt.discovery.charger import Charger
from wallbox2mqtt.discovery.entities import basic_keys

__all__ = [
    "MIGRATE",
    "Announcement",
    "Charger",
    "basic_keys",
    "bridge",
    "bridge_node",
    "charger_node",
    "label_of",
    "slug",
    "topics_of",
]
