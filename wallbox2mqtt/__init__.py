"""wallbox2mqtt: a bridge between the Wallbox cloud and MQTT."""

__version__ = "0.1.0"
