"""Sessions and lifetime energy, from what the readings show."""

from wallbox2mqtt.history.prices import Prices
from wallbox2mqtt.history.recorder import Recorder

__all__ = ["Prices", "Recorder"]
