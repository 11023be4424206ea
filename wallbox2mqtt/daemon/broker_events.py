"""What the broker tells and delivers: connections and their ends, births, commands, ``offline`` in our name.

After each connection and each birth of a consumer everything is announced anew, from what is in memory.
"""

import logging
import math
import random
import time
from collections.abc import Iterator, Mapping

from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import Config
from wallbox2mqtt.history import Prices
from wallbox2mqtt.homeassistant.announcer import Announcer
from wallbox2mqtt.log import RepeatedFault
from wallbox2mqtt.mqtt import (
    Connected,
    Disconnected,
    Event,
    Limited,
    Message,
    MqttConnection,
    QuietOver,
    QuietWait,
    Refused,
    Stable,
    Subscribed,
    Taken,
)
from wallbox2mqtt.topics import OFFLINE, Topics

_LOG = logging.getLogger(__name__)

_BIRTH_DELAY_S = (2.0, 10.0)
REPEAT_S = 600.0
_IDLE_S, _ANNOUNCING_S = 1.0, 0.05


class BrokerEvents:
    """Handles the broker's events. Main calls it."""

    def __init__(  # noqa: PLR0913 - the broker, and all who speak to it
        self,
        config: Config,
        topics: Topics,
        bridge: Bridge,
        *,
        mqtt: MqttConnection,
        announcer: Announcer,
        prices: Prices,
        clock: Clock,
    ) -> None:
        """Start without a connection."""
        self._config, self._topics, self._bridge, self._mqtt = config, topics, bridge, mqtt
        self._announcer, self._prices, self._clock = announcer, prices, clock
        self._birth_due = self._repeat_due = math.inf
        self._announcing: Iterator[int] | None = None
        absent = "not connected to the broker, trying again"
        self._absent = RepeatedFault(_LOG, absent, "connected again", clock)
        denied = "the broker refuses subscriptions, asking again"
        self._denied = RepeatedFault(_LOG, denied, "the broker takes all subscriptions", clock)
        refused = "the broker refuses what is published, nobody sees it, trying again"
        self._refused = RepeatedFault(_LOG, refused, "the broker takes all that is published", clock)

    def handle(self, event: Event) -> None:
        """Handle what the broker, or the connection to it, has brought."""
        match event:
            case Message():
                self._message(event)
            case Connected():
                self._connected(event)
            case Disconnected():
                self._disconnected(event)
            case QuietWait():
                self._waits_for_quiet(event)
            case QuietOver():
                _LOG.info("commands count, the broker is quiet waited_s=%.0f", event.waited_s)
            case Refused():
                details = f"reason={event.reason!r} topic={event.topic:.200} bytes={event.size} topics={event.topics}"
                kind = f"{event.reason} {event.topic.partition('/')[0]}"
                self._refused.occurs(kind, details, logging.ERROR)
            case _:
                self._say(event)

    def _say(self, event: Event) -> None:
        """Say what nothing need be done about."""
        match event:
            case Stable():
                self._absent.ended()
            case Subscribed():
                self._tell_denied(event.denied)
            case Taken():
                self._refused.ended()
            case Limited():
                _LOG.warning("%s", event.reason)

    def go_on(self) -> float:
        """Announce one more charger, where the broker takes it; return the real seconds for which main may wait.

        A fleet has more topics than are to wait at once, and neither commands nor the end are to wait for it.
        """
        if self._announcing is not None:
            if not self._mqtt.keeps_up:
                return _ANNOUNCING_S
            if next(self._announcing, None) is None:
                self._announcing = None
            return 0.0
        # what is on its way still comes first: once more when that is out, for who came late
        due = self._birth_due if math.isfinite(self._birth_due) else self._repeat_due
        left = due - time.monotonic()
        if left > 0 or not self._mqtt.keeps_up:
            return min(max(left, _ANNOUNCING_S), _IDLE_S)
        self._birth_due = math.inf
        self._bridge.status.still_here()
        self._announcer.announce()
        self._announce()
        return 0.0

    def _message(self, message: Message) -> None:
        if message.topic == self._topics.state:
            if message.payload == OFFLINE.encode():
                self._bridge.status.still_here()
        elif message.topic == self._config.home_assistant.births:
            is_birth = message.payload == self._config.home_assistant.birth_payload.encode()
            if is_birth and not message.retained and self._birth_due == math.inf:
                delay = random.uniform(*_BIRTH_DELAY_S)  # noqa: S311 - spreads bridges, hides nothing
                self._birth_due = time.monotonic() + self._clock.real_s(delay)
        elif message.topic == self._prices.topic:
            # what is stored counts: it is state, no command
            age_s = max(0.0, self._clock.monotonic() - message.arrived)
            self._prices.take(message.payload, self._clock.wall() - age_s)
        elif message.topic.endswith("/config"):
            self._announcer.take(message.topic, message.payload, retained=message.retained)
        else:
            self._bridge.command_handler.take(message)

    def _connected(self, event: Connected) -> None:
        if self._mqtt.connects == 1:
            _LOG.info("connected to the broker")
        if not event.flaps:
            self._absent.ended()
        self._tell_denied(event.denied)
        self._prices.connected(self._clock.wall())
        self._announcer.connected()
        self._announce()
        self._mqtt.flush_results()

    def _tell_denied(self, denied: Mapping[str, str]) -> None:
        """Say what will not arrive, and with which words the broker refuses it."""
        if not denied:
            self._denied.ended()
            return
        missed: dict[str, str] = {}
        for name, reason in denied.items():
            what = "commands"
            if name == self._topics.state:
                what = "others that say offline"
            elif name == self._config.home_assistant.births:
                what = "Home Assistant's start"
            elif name == self._prices.topic:
                what = "the price of energy"
            missed[what] = f"{missed[what]},{name}" if what in missed else f"{reason} {name}"
        details = "; ".join(f"{what} will not be noticed: {why}" for what, why in missed.items())
        self._denied.occurs("; ".join(missed), details, logging.ERROR)

    @staticmethod
    def _waits_for_quiet(event: QuietWait) -> None:
        if not event.waited_s:
            help_ = "commands are refused until nothing has come below the base topic for 5 s"
            _LOG.warning("%s reason=%r", help_, event.reason)
        else:
            still = "commands are still refused, the broker is not quiet"
            _LOG.warning("%s waited_s=%.0f last_topic=%.200s", still, event.waited_s, event.last)

    def _announce(self) -> None:
        # a broker that stores nothing is told again for those who come later
        self._repeat_due = math.inf if self._mqtt.stores else time.monotonic() + REPEAT_S
        self._bridge.status.announce()
        self._announcing = self._bridge.states.announcing()
        self.go_on()

    def _disconnected(self, event: Disconnected) -> None:
        self._announcing = None
        self._prices.disconnected(self._clock.wall())
        if event.twin:
            reason = "another client uses the same client id, the two end each other's connection"
            help_ = "give each bridge its own mqtt.client_id and mqtt.base_topic"
            details = f"reason={reason!r} client_id={self._config.mqtt.client_id} help={help_!r}"
            self._absent.occurs("twin", details, logging.ERROR)
        else:
            self._absent.occurs(event.reason, f"reason={event.reason!r}")
