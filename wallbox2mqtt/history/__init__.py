"""Sessions and energy for life, from what the readings show."""

from wallbox2mqtt.history.recorder import Recorder

__all__ = ["Recorder"]
