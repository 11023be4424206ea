"""The connection to the broker, as the rest of the program sees it.

State is not queued while the broker is away: it is announced again after ``Connected``. Results
are kept and sent then. Publishing never waits: what a slow broker does not take yet is in the outbox.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import MqttConfig, Secret
from wallbox2mqtt.mqtt.events import Event
from wallbox2mqtt.mqtt.limits import QOS
from wallbox2mqtt.mqtt.outbox import Outgoing
from wallbox2mqtt.mqtt.paho_client import UNUSED, new_client
from wallbox2mqtt.mqtt.prelude import Prelude
from wallbox2mqtt.mqtt.session import BrokerSession
from wallbox2mqtt.topics import ONLINE
from wallbox2mqtt.watchdog import Pulse

LARGEST_PACKET = 4 * 1024 * 1024
"""What we let an MQTT 5 broker send us at once. A larger one, stored by anybody who may publish, would come at each
start; commands have a kilobyte, and one that is too long still gets its result up to this size."""
_LOOK_S = 0.02
_SHARES = 4
"""Of the time for the end: two for the results that wait, one for the last words, one for paho's thread."""


@dataclass(frozen=True, slots=True)
class OwnState:
    """What is published, retained, on each connection; when we vanish, the broker says ``offline`` there."""

    topic: str
    payload: str = ONLINE


class MqttConnection:
    """One connection to the broker, kept up for good. Any thread may publish; nobody waits for the broker."""

    def __init__(  # noqa: PLR0913 - what a connection is for
        self,
        config: MqttConfig,
        *,
        state: OwnState | None = None,
        filters: Sequence[str],
        accept_retained: bool = False,
        receipts: str | None = None,
        on_event: Callable[[Event], None],
        clock: Clock,
        prelude: Prelude | None = None,
    ) -> None:
        """Prepare the connection.

        Args:
            config: the broker and how to reach it.
            state: what is said on each connection, by which the broker is tried; None: nothing.
            filters: what else to subscribe to, anew on each connection.
            accept_retained: whether commands with the retain flag count, too.
            receipts: how topics end of which each message is reported when the broker has it; None: none do.
            on_event: called on paho's thread; it must return at once and never raise.
            clock: for arrival times.
            prelude: what is asked before all else on each connection; None: nothing.

        Raises:
            ConfigError: a certificate file cannot be used.

        """
        probe = None if state is None else Outgoing(state.topic, state.payload.encode(), retain=True)
        self._keepalive, self._is_list = config.keepalive, len(config.brokers) > 1
        self._v5 = config.protocol == "5"
        self._client = new_client(config)
        self._session = BrokerSession(
            self._client,
            config,
            probe=probe,
            filters=filters,
            accept_retained=accept_retained,
            receipts=receipts,
            emit=on_event,
            clock=clock,
            prelude=prelude,
        )
        self._outbox = self._session.outbox

    def start(self) -> None:
        """Start to connect; a broker that is not there yet is waited for."""
        self._session.set_will()
        if self._v5:
            limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho has no types there
            limits.MaximumPacketSize = LARGEST_PACKET
            self._client.connect_async(UNUSED, 1, self._keepalive, clean_start=True, properties=limits)
        else:
            self._client.connect_async(UNUSED, 1, self._keepalive)
        self._client.loop_start()

    @property
    def stores(self) -> bool:
        """Whether the broker keeps what is published with the retain flag."""
        return self._session.limits.stores

    @property
    def connects(self) -> int:
        """How often there was a connection with all subscriptions."""
        return self._session.connects

    @property
    def stalls(self) -> int:
        """How often a connection was given up because nothing went over it."""
        return self._session.stalls

    @property
    def unpublished(self) -> int:
        """How many topics do not show what they should, because the broker refuses it."""
        return len(self._session.unpublished)

    @property
    def online(self) -> bool:
        """Whether what is published reaches the broker."""
        return self._outbox.online

    @property
    def keeps_up(self) -> bool:
        """Whether the broker takes state nearly as fast as it comes; else what can be left out should be."""
        return self._outbox.keeps_up

    @property
    def is_settled(self) -> bool:
        """Whether what can wait may be asked: the next broker of a list may be busy with the loss of the last one."""
        is_stable = self._session.ends.is_stable and not self._session.subscriptions.is_recovering
        return is_stable or not self._is_list or self.connects <= 1

    @property
    def pulse(self) -> Pulse:
        """The sign of life of paho's thread."""
        return self._client.pulse

    @property
    def answers(self) -> bool:
        """Whether the broker has acknowledged something on this connection: one that is mute only seems to be there."""
        return self._outbox.online and self._session.has_answered

    @property
    def unanswered_s(self) -> float:
        """For how long the broker owes an answer; the connection is made anew before that is long."""
        return self._session.answers.waited_s

    def is_alive(self) -> bool:
        """Return whether paho's thread lives."""
        return (thread := self._client.thread) is not None and thread.is_alive()

    def listen(self, filters: Sequence[str]) -> None:
        """Subscribe to more topics while this connection lasts; of their messages only the beginning is handed over."""
        self._session.lookups.listen(filters)

    def leave(self, filters: Sequence[str]) -> None:
        """Unsubscribe from such topics."""
        self._session.lookups.leave(filters)

    def publish(self, topic: str, payload: str, *, retain: bool = True) -> None:
        """Publish a message, as often as it is said; nothing happens while the broker is away."""
        self._outbox.state(Outgoing(topic, payload.encode(), retain), each=True)

    def set_credentials(self, username: str | None, password: Secret | None) -> None:
        """Use these from the next connection on; one that stands is not ended for it."""
        self._client.username_pw_set(username, password.reveal() if password is not None else None)

    def show(self, topic: str, payload: str) -> None:
        """Publish state, retained: where the broker is slow, the newest of a topic.

        Nothing happens while the broker is away; only an empty payload, which ends a topic, is kept until it is back.
        """
        self._outbox.state(Outgoing(topic, payload.encode(), retain=True), each=False)

    def publish_event(self, topic: str, payload: str) -> None:
        """Publish what happened, for who listens now: left out while the broker is away or too slow."""
        if self.keeps_up:
            self._outbox.state(Outgoing(topic, payload.encode(), retain=False), each=True)

    def publish_result(self, topic: str, payload: str, correlation: bytes | None = None) -> None:
        """Publish the result of a command; kept while the broker is away, the newest 1,000."""
        self._outbox.result(Outgoing(topic, payload.encode(), retain=False, correlation=correlation))

    def flush_results(self) -> None:
        """Send the results that were kept: the broker has been told how things are."""
        self._outbox.flush_results()

    def dropped_results(self) -> int:
        """Return how many results were dropped since the last call, because too many waited."""
        return self._outbox.dropped_results()

    def release(self) -> None:
        """Hand over the commands that wait until it is known what the broker stores: the program ends."""
        self._session.guard.release()

    def send_now(self, topic: str, payload: str) -> Callable[[float], bool] | None:
        """Publish a state, retained, before all that waits; None where it cannot be handed over.

        The function that is returned waits for so many real seconds at most; it tells whether the broker has it.
        """
        if not self._outbox.online or not self.is_alive():
            return None
        info = self._session.send_now(Outgoing(topic, payload.encode(), retain=True))
        if info is None or info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None

        def wait(timeout_s: float) -> bool:
            info.wait_for_publish(timeout_s)
            return info.is_published()

        return wait

    def withdraw(self, *, timeout_s: float) -> None:
        """End the connection without last words, and without the will; the results that wait are sent first."""
        ends, share_s = time.monotonic() + timeout_s, timeout_s / _SHARES
        if self._client.is_connected():
            self._outbox.connected()
        self._outbox.close(2 * share_s)
        while self._client.is_connected() and self._client.unacknowledged and time.monotonic() < ends - share_s:
            time.sleep(_LOOK_S)
        self._leave(ends)

    def stop(self, *, last: tuple[str, str] | None = None, timeout_s: float) -> None:
        """Publish a last state (topic, payload), wait until the broker has it, and end the connection.

        Where the broker does not take it in time, the connection is cut, so that the will is published instead.
        """
        ends, share_s = time.monotonic() + timeout_s, timeout_s / _SHARES
        was_online = self._outbox.close(2 * share_s)  # nothing follows the last words
        if last is not None and not (was_online and self._say(*last, ends - share_s)):
            self._client.cut()
        self._leave(ends)

    def _leave(self, ends: float) -> None:
        self._client.disconnect()
        if (thread := self._client.thread) is not None:
            # it may be in the middle of a connect that nobody answers; it is a daemon and dies with the process
            thread.join(max(0.0, ends - time.monotonic()))

    def _say(self, topic: str, payload: str, until: float) -> bool:
        """Publish, and tell whether the broker has it by then."""
        if not self.is_alive():
            return False  # nobody reads the acknowledgements; with a full window it would not even be sent
        info = self._client.publish(topic, payload, qos=QOS, retain=True)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        info.wait_for_publish(max(0.0, until - time.monotonic()))
        return info.is_published()
