"""The picture: all that is known of the chargers, as it is published."""

from wallbox2mqtt.picture.charger import MAX_FIELDS, Snapshot
from wallbox2mqtt.picture.picture import Picture, Publish

__all__ = ["MAX_FIELDS", "Picture", "Publish", "Snapshot"]
