"""What the broker does not accept: kept in its newest form, and tried again after a while."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from wallbox2mqtt.mqtt.events import Refused, Taken
from wallbox2mqtt.mqtt.outbox import Outgoing
from wallbox2mqtt.mqtt.subscriptions import ENDED

REFUSED_S, REFUSED_LONGEST_S = 10.0, 300.0
CLOSED_S, CLOSED_LONGEST_S = 60.0, 3600.0
"""Trying again costs a connection where the broker answers by ending it."""
MOST_TOPICS, MOST_BYTES = 5_000, 2 * 1024 * 1024
_TOPICS_OF_A_LEVEL = 2


@dataclass(slots=True)
class _Held:
    message: Outgoing | None
    wait_s: float
    due: float
    is_tried: bool = False
    ends_connections: bool = False


class Unpublished:
    """The topics that the broker refuses. Any thread may ask ``holds``; the rest is for paho's."""

    def __init__(
        self, base_topic: str, emit: Callable[[Refused | Taken], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._base, self._emit, self._now = f"{base_topic}/", emit, now
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._bytes = 0
        self._levels: Counter[str] = Counter()
        self._looked = 0.0
        self._taken: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        """Return how many topics do not show what they should."""
        return len(self._held)

    def connected(self) -> None:
        """Try nothing before its time: what was tried on the last connection has had no answer."""
        with self._lock:
            for held in self._held.values():
                held.is_tried = False

    def refused(self, message: Outgoing, reason: str) -> None:
        """Record that the broker refuses a message, and in which words."""
        if message.retain:
            with self._lock:
                self._hold(message, REFUSED_S, REFUSED_LONGEST_S)
        self._tell(reason, message)

    def too_large(self, message: Outgoing) -> None:
        """Tell that a message is never sent: what is announced next may be smaller."""
        self._tell("larger than the broker takes", message)

    def _tell(self, reason: str, message: Outgoing) -> None:
        self._emit(Refused(reason, message.topic, len(message.payload), len(self._held)))

    def ended_by(self, message: Outgoing) -> None:
        """Record that the broker ends the connection for a message."""
        with self._lock:
            held = self._hold(message, CLOSED_S, CLOSED_LONGEST_S)
            if held is not None and not held.ends_connections:
                held.ends_connections = True
                self._levels[self._level(message.topic)] += 1
        self._tell(ENDED, message)

    def _hold(self, message: Outgoing, first_s: float, longest_s: float) -> _Held | None:
        held = self._held.get(message.topic)
        if held is None:
            if len(self._held) >= MOST_TOPICS:
                return None
            held = self._held[message.topic] = _Held(None, first_s, 0.0)
        else:
            held.wait_s = min(2 * held.wait_s, longest_s)
        held.due, held.is_tried = self._now() + held.wait_s, False
        self._keep(held, held.message or message)
        return held

    def _keep(self, held: _Held, message: Outgoing) -> None:
        """Keep the newest form of a topic, where there is room; else it is published when it is announced next."""
        self._bytes -= 0 if held.message is None else len(held.message.payload)
        held.message = None
        if message.retain and self._bytes + len(message.payload) <= MOST_BYTES:
            held.message = message
            self._bytes += len(message.payload)

    def holds(self, message: Outgoing) -> bool:
        """Take a message whose topic is refused; return whether it has to wait."""
        if not self._held:
            return False
        with self._lock:
            held = self._held.get(message.topic)
            level = self._level(message.topic)
            if held is None and level and self._levels[level] >= _TOPICS_OF_A_LEVEL:
                # the broker does not let us publish there at all, and would end one connection after the other
                held = self._hold(message, CLOSED_S, CLOSED_LONGEST_S)
            if held is None:
                return False
            self._keep(held, message)
            return True

    def due(self) -> list[Outgoing]:
        """Return what is to be tried now."""
        now = self._now()
        if not self._held or now - self._looked < 1.0:
            return []
        self._looked = now
        with self._lock:
            ready = [held for held in self._held.values() if not held.is_tried and now >= held.due]
            gone = [topic for topic, held in self._held.items() if held in ready and held.message is None]
            for topic in gone:
                self._forget(topic)
            # one at a time of those that may cost the connection
            closing = [held for held in ready if held.ends_connections and held.message is not None][:1]
            tried = [held for held in ready if not held.ends_connections] + closing
            for held in tried:
                held.is_tried = True
            return [held.message for held in tried if held.message is not None]

    def taken(self, topic: str) -> None:
        """Record that the broker took a message, and tell when it was the last topic that it did not."""
        self._taken.add(_kind(topic))
        if topic in self._held:
            with self._lock:
                self._forget(topic)
            if not self._held:
                self._emit(Taken())

    def has_taken(self, topic: str) -> bool:
        """Return whether the broker took such a message before; what it takes of one charger, it takes of others."""
        return _kind(topic) in self._taken

    def _forget(self, topic: str) -> None:
        held = self._held.pop(topic)
        self._bytes -= 0 if held.message is None else len(held.message.payload)
        if held.ends_connections:
            self._levels[self._level(topic)] = 0

    def _level(self, topic: str) -> str:
        """Return the first level of a topic that is not below the base topic; empty for our own."""
        return "" if topic.startswith(self._base) else topic.partition("/")[0]


def _kind(topic: str) -> tuple[str, str]:
    """Return a topic's first and last level; all topics would be megabytes with hundreds of chargers."""
    levels = topic.split("/")
    return levels[0], levels[-1]
