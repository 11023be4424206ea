"""What arrives from the broker, handed on with its age and as much of it as anybody needs. On paho's thread."""

import math
from collections.abc import Callable, Collection

from paho.mqtt.client import MQTTMessage, topic_matches_sub

from wallbox2mqtt.catalogue import LONGEST_PAYLOAD_BYTES
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.mqtt.events import Event, Message, Reply
from wallbox2mqtt.mqtt.liveness import GapMeter
from wallbox2mqtt.mqtt.lookups import Lookups
from wallbox2mqtt.mqtt.prelude import Prelude
from wallbox2mqtt.mqtt.replay import ReplayGuard
from wallbox2mqtt.topics import LONGEST_REPLY, is_command_size, is_topic

_LOOKED_UP_BYTES = 4096
"""How much of a message that is looked up is handed on."""


class Receiver:
    """Tells commands, the bridge's own state and what else was asked for apart."""

    def __init__(  # noqa: PLR0913 - each is asked of every message
        self,
        base_topic: str,
        *,
        state: str | None,
        listened: Collection[str],
        lookups: Lookups,
        guard: ReplayGuard,
        gaps: GapMeter,
        clock: Clock,
        emit: Callable[[Event], None],
        prelude: Prelude | None,
    ) -> None:
        """Prepare to receive.

        ``state``: the topic of the bridge's own state, by which the broker is tried; None: it is not tried.
        ``listened``: filters of what else is to be handed on. ``guard`` takes the commands, ``prelude`` what comes on
        its topic, ``emit`` all else.
        """
        self._prelude = prelude
        self._below, self._state, self._listened = f"{base_topic}/", state, listened
        self._lookups, self._guard, self._gaps, self._clock, self._emit = lookups, guard, gaps, clock, emit

    def is_command(self, name: str) -> bool:
        """Return whether a topic, or a filter, is one of commands."""
        return name.startswith(self._below) and name.endswith("/set")

    def receive(self, message: MQTTMessage) -> None:
        """Hand a message on to whom it concerns."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        if not is_topic(topic):
            return  # no good broker sends it, and an answer to it would end the connection, or paho's caller
        if self._prelude is not None and self._is_of_another(self._prelude, topic, message):
            return
        if topic == self._state:
            self._guard.came_back(flagged=message.retain)
        elif topic.startswith(self._below):
            self._guard.seen(topic)
        is_looked_up = self._lookups.cover(topic)
        arrived = self._arrived(message, _LOOKED_UP_BYTES if is_looked_up else LONGEST_PAYLOAD_BYTES + 1)
        if self.is_command(topic):
            if is_command_size(topic.removeprefix(self._below)):
                self._guard.take(arrived)
        elif is_looked_up or any(topic_matches_sub(name, topic) for name in self._listened):
            self._emit(arrived)

    def _is_of_another(self, prelude: Prelude, topic: str, message: MQTTMessage) -> bool:
        """Return whether a message tells who is active, or is for the other one, who is."""
        if topic != prelude.topic:
            return prelude.is_lost
        if prelude.heard(bytes(message.payload)):
            self._guard.forget()
        return True

    def _arrived(self, message: MQTTMessage, most_bytes: int) -> Message:
        at = self._clock.monotonic() - self._gaps.age_s()
        life_s = getattr(message.properties, "MessageExpiryInterval", None)
        expires = math.inf if life_s is None else at + life_s
        payload = bytes(message.payload[:most_bytes])
        return Message(message.topic, payload, message.retain, at, _reply(message), expires=expires)


def _reply(message: MQTTMessage) -> Reply | None:
    to = getattr(message.properties, "ResponseTopic", None)
    if not to or {"+", "#"} & set(to):
        return None
    # one that is too long is no longer one, and says so: what it stands for must not wait
    correlation = getattr(message.properties, "CorrelationData", None)
    return Reply(to[: LONGEST_REPLY + 1], correlation and correlation[: LONGEST_REPLY + 1])
