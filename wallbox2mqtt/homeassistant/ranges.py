"""Ranges that Home Assistant knows: it refuses a number outside its range for good, with an error."""

import threading
from collections.abc import Mapping

from wallbox2mqtt.homeassistant.messages import Components
from wallbox2mqtt.mqtt import MqttConnection

Range = tuple[float, float]


class Ranges:
    """Holds a number back until a range that allows it was announced. Any thread shows, main announces."""

    def __init__(self, mqtt: MqttConnection) -> None:
        self._mqtt = mqtt
        self._lock = threading.Lock()
        self._ranges: dict[str, Range] = {}
        self._held: dict[str, str] = {}

    def show(self, topic: str, text: str) -> None:
        """Publish state, or hold it back where the range that was announced does not allow it."""
        with self._lock:
            if (span := self._ranges.get(topic)) is not None and not _allows(span, text):
                self._held[topic] = text
                return
            self._held.pop(topic, None)
        self._mqtt.show(topic, text)

    def publish_result(self, topic: str, payload: str, correlation: bytes | None = None) -> None:
        """Publish the result of a command; no range counts for it."""
        self._mqtt.publish_result(topic, payload, correlation)

    def publish_event(self, topic: str, payload: str) -> None:
        """Publish what happened; no range counts for it."""
        self._mqtt.publish_event(topic, payload)

    def announced(self, components: Components) -> list[str]:
        """Record the ranges of a device that was announced; return the topics of those that are other than before."""
        ranges = _ranges(components)
        with self._lock:
            changed = [topic for topic, span in ranges.items() if self._ranges.get(topic) != span]
            self._ranges |= ranges
        return changed

    def release(self) -> None:
        """Publish what was held back: all announcements that were due are out."""
        with self._lock:
            held, self._held = self._held, {}
        for topic, text in held.items():
            self._mqtt.show(topic, text)


def _ranges(components: Components) -> Mapping[str, Range]:
    return {
        str(component["state_topic"]): (least, most)
        for component in components.values()
        if isinstance(least := component.get("min"), int | float)
        and isinstance(most := component.get("max"), int | float)
        and component["platform"] == "number"
    }


def _allows(span: Range, text: str) -> bool:
    """Return whether Home Assistant would take this state; what is no number it does not compare."""
    try:
        return span[0] <= float(text) <= span[1]
    except ValueError:
        return True
