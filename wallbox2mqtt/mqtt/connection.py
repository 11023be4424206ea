"""The broker's door: the one home of paho. Its callbacks only enqueue; an exception in one would kill its thread.

State is not queued while the broker is away: whoever holds it announces it anew after ``Connected``. Results
are kept and sent then. Publishing never waits: what a slow broker does not take yet is in the outbox.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from wallbox2mqtt.catalogue import MAX_PAYLOAD_BYTES
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import MqttConfig, Secret
from wallbox2mqtt.mqtt.diagnosis import CANDIDATES, diagnose
from wallbox2mqtt.mqtt.ends import LONGEST_DELAY_S, ConnectionEnds
from wallbox2mqtt.mqtt.events import (
    Connected,
    Disconnected,
    Event,
    Limited,
    Message,
    Refused,
    Reply,
    Stable,
    Subscribed,
    Taken,
)
from wallbox2mqtt.mqtt.liveness import CONNECT, AnswerWatch, GapMeter
from wallbox2mqtt.mqtt.outbox import Outbox, Outgoing
from wallbox2mqtt.mqtt.paho_client import MAX_INFLIGHT, UNUSED, PahoClient, new_client, no_delay
from wallbox2mqtt.mqtt.replay import ReplayGuard, Step
from wallbox2mqtt.mqtt.subscriptions import ENDED, Subscriptions
from wallbox2mqtt.mqtt.unpublished import Unpublished
from wallbox2mqtt.topics import LONGEST_REPLY, OFFLINE, ONLINE, is_command_size, is_topic
from wallbox2mqtt.watchdog import LOOK_UP_S, SILENCE_S, Pulse

QOS = 1
_LONGEST_TOPIC = 65535
_PACKET_OVERHEAD = 32
LARGEST_PACKET = 4 * 1024 * 1024
"""What we let an MQTT 5 broker send us at once. A larger one, stored by anybody who may publish, would come at each
start; commands have a kilobyte, and one that is too long still gets its answer up to this size."""
_FILTERS_AT_ONCE, _LOOKED_UP_BYTES = 20, 4096
"""How many filters one packet has, and how much of a message that is looked up is handed over."""
_STORED_NEVER = 2
"""Retain Handling: the broker is not to send what it has stored."""
_UNEXPLAINED, _TAKEN_OVER, _NO_RETAIN, _NO_QOS = 0x80, 0x8E, 0x9A, 0x9B


@dataclass(frozen=True, slots=True)
class OwnState:
    """What is published, retained, on each connection. ``has_will``: when we vanish, the broker says ``offline``."""

    topic: str
    payload: str = ONLINE
    has_will: bool = True


class MqttConnection:
    """One connection to the broker, kept up for good. Any thread may publish; nobody waits for the broker."""

    def __init__(
        self,
        config: MqttConfig,
        *,
        state: OwnState | None = None,
        filters: Sequence[str],
        accept_retained: bool = False,
        on_event: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        """Prepare the connection.

        Args:
            config: the broker and how to reach it.
            state: what is said on each connection, by which the broker is tried; None: nothing.
            filters: what else to subscribe to, anew on each connection.
            accept_retained: whether commands with the retain flag count, too.
            on_event: called on paho's thread; it must return at once and never raise.
            clock: for arrival times.

        Raises:
            ConfigError: a certificate file cannot be used.

        """
        self._probe = None if state is None else Outgoing(state.topic, state.payload.encode(), retain=True)
        self._has_will = state is not None and state.has_will
        self._accept_retained, self._on_event, self._clock = accept_retained, on_event, clock
        self._everything = f"{config.base_topic}/#"
        self._filters = list(filters)
        self._listened = [name for name in filters if not self._is_command(name)]
        if self._probe is not None:
            self._listened.append(self._probe.topic)
        self._looked_up: frozenset[str] = frozenset()
        self._lookups: dict[int, str] = {}
        self._may_look_up = True
        self._keepalive = config.keepalive
        self._v5 = config.protocol == "5"
        self._client = self._prepared(new_client(config))
        self._outbox = Outbox(self._send, lambda: self._client.unacknowledged)
        self._unpublished, self._subscriptions = Unpublished(config.base_topic), Subscriptions(self._subscribe)
        self._guard = ReplayGuard(on_event, probes=self._probe is not None, always=accept_retained)
        self._answers, self._gaps, self._ends = (
            AnswerWatch(self._owed),
            GapMeter(self._client.has_unread),
            ConnectionEnds(),
        )
        self._probe_mid = self._watch_mid = -1
        self._unwatch_mid: int | None = None
        self._largest: int | None = None
        self._qos, self.stores = QOS, True
        self._has_answered = False
        self._cut_reason: str | None = None
        self._speaks_plainly = config.transport == "tcp" and not config.tls.enabled
        self._was_accepted = False
        self._diagnosed: str | None = None
        self._denied: Mapping[str, str] = {}
        self.connects = self.stalls = 0

    def _prepared(self, client: PahoClient) -> PahoClient:
        client.on_socket_open = no_delay
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_unsubscribe = self._unsubscribed
        client.on_connect_fail = self._failed
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_publish = self._published
        # not ``on_publish``: there paho holds a lock that others need to publish
        client.on_turn = self._turn
        return client

    def start(self) -> None:
        """Start to connect; a broker that is not there yet is waited for."""
        self._set_will()
        if self._v5:
            limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho has no types there
            limits.MaximumPacketSize = LARGEST_PACKET
            self._client.connect_async(UNUSED, 1, self._keepalive, clean_start=True, properties=limits)
        else:
            self._client.connect_async(UNUSED, 1, self._keepalive)
        self._client.loop_start()

    def _set_will(self) -> None:
        if self._probe is not None and self._has_will:
            self._client.will_set(self._probe.topic, OFFLINE, qos=self._qos, retain=self.stores)

    @property
    def unpublished(self) -> int:
        """How many topics do not show what they should, because the broker refuses it."""
        return len(self._unpublished)

    @property
    def online(self) -> bool:
        """Whether what is published reaches the broker."""
        return self._outbox.online

    @property
    def keeps_up(self) -> bool:
        """Whether the broker takes state nearly as fast as it comes; else what can be left out should be."""
        return self._outbox.keeps_up

    @property
    def pulse(self) -> Pulse:
        """The sign of life of paho's thread."""
        return self._client.pulse

    @property
    def answers(self) -> bool:
        """Whether the broker has acknowledged something on this connection: one that is mute only seems to be there."""
        return self._outbox.online and (self._has_answered or self._probe is None)

    @property
    def unanswered_s(self) -> float:
        """For how long the broker owes an answer; the connection is made anew before that is long."""
        return self._answers.waited_s

    def is_alive(self) -> bool:
        """Return whether paho's thread lives."""
        return (thread := self._client.thread) is not None and thread.is_alive()

    def listen(self, filters: Sequence[str]) -> None:
        """Subscribe to more topics while this connection lasts; of their messages only the beginning is handed over."""
        if not self._may_look_up:
            return
        self._looked_up |= set(filters)
        for start in range(0, len(filters), _FILTERS_AT_ONCE):
            if (mid := self._subscribe(filters[start : start + _FILTERS_AT_ONCE])) is not None:
                self._lookups[mid] = filters[start]

    def leave(self, filters: Sequence[str]) -> None:
        """Unsubscribe from such topics."""
        self._looked_up -= set(filters)
        for start in range(0, len(filters), _FILTERS_AT_ONCE):
            self._client.unsubscribe(list(filters[start : start + _FILTERS_AT_ONCE]))

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
        """Publish an answer to a command; kept while the broker is away, the newest 1,000."""
        self._outbox.result(Outgoing(topic, payload.encode(), retain=False, correlation=correlation))

    def flush_results(self) -> None:
        """Send the answers that were kept: the broker has been told how things are."""
        self._outbox.answer()

    def dropped_results(self) -> int:
        """Return how many answers were dropped since the last call, because too many waited."""
        return self._outbox.dropped_results()

    def release(self) -> None:
        """Hand over the commands that wait until it is known what the broker stores: the program ends."""
        self._guard.release()

    def stop(self, *, last: tuple[str, str] | None = None, timeout_s: float) -> None:
        """Publish a last state (topic, payload), wait until the broker has it, and end the connection.

        Where the broker does not take it in time, the connection is cut, so that the will is published instead.
        """
        was_online = self._outbox.close()  # nothing follows the last words
        if last is not None and not (was_online and self._say(*last, timeout_s)):
            self._client.cut()
        self._client.disconnect()
        if (thread := self._client.thread) is not None:
            # it may be in the middle of a connect that nobody answers; it is a daemon and dies with the process
            thread.join(timeout_s / 2)

    def _say(self, topic: str, payload: str, timeout_s: float) -> bool:
        """Publish, and tell whether the broker has it."""
        if not self.is_alive():
            return False  # nobody reads the acknowledgements; with a full window it would not even be sent
        info = self._client.publish(topic, payload, qos=QOS, retain=True)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        info.wait_for_publish(timeout_s)
        return info.is_published()

    def _send(self, message: Outgoing) -> bool:
        """Hand a message to paho; return whether it goes its way, or never will."""
        topic_size = len(message.topic.encode())
        size = len(message.payload) + topic_size + len(message.correlation or b"") + _PACKET_OVERHEAD
        if topic_size > _LONGEST_TOPIC or (self._largest is not None and size > self._largest):
            self._on_event(Refused("larger than the broker takes", message.topic, size, len(self._unpublished)))
            return True
        return self._unpublished.holds(message) or self._hand_over(message)

    def _hand_over(self, message: Outgoing) -> bool:
        properties = None
        if message.correlation is not None and self._v5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho has no types there
            properties.CorrelationData = message.correlation
        self._guard.sent(message.topic)
        retain = message.retain and self.stores
        info = self._client.publish(message.topic, message.payload, qos=self._qos, retain=retain, properties=properties)
        if message is self._probe:
            self._probe_mid = info.mid
        return info.rc != MQTTErrorCode.MQTT_ERR_QUEUE_SIZE

    # From here on: callbacks, on paho's thread. They hand over and return.

    def _connected(self, _client: Client, _data: object, _flags: object, reason: Any, properties: Any) -> None:  # noqa: ANN401
        if reason.is_failure:
            self._was_accepted = True  # it has answered, and with its own words
            self._obey(retain=reason.value != _NO_RETAIN, qos=0 if reason.value == _NO_QOS else QOS)
            words = getattr(properties, "ReasonString", None)
            self._on_event(Disconnected(f"refused: {reason}" + (f" ({words})" if words else "")))
            return
        self._was_accepted = True
        retain = getattr(properties, "RetainAvailable", 1) == 1
        self._obey(retain=retain, qos=min(QOS, getattr(properties, "MaximumQoS", QOS)))
        self._largest = getattr(properties, "MaximumPacketSize", None)
        self._client.limit_inflight(1 if self._ends.careful else getattr(properties, "ReceiveMaximum", MAX_INFLIGHT))
        self._looked_up, self._lookups = frozenset(), {}
        for part in (self._guard, self._ends, self._unpublished):
            part.connected()
        self._answers.begin()
        self._gaps.begin()
        self._has_answered = False
        names = [*self._filters, *self._probed_at_once()]
        # all at once, or each by itself where the broker takes no packet as large, or ends the connection for one
        size = sum(len(name.encode()) + 3 for name in names) + _PACKET_OVERHEAD
        singly = self._ends.careful or (self._largest is not None and size > self._largest)
        self._subscriptions.begin([[name] for name in names] if singly else [names], in_turn=self._ends.careful)

    def _obey(self, *, retain: bool, qos: int) -> None:
        """Do without what the broker says that it does not take; it may say so at any time."""
        if self.stores and not retain:
            self.stores = False
            cost = "who connects later sees nothing until it changes, or for 10 minutes"
            self._on_event(Limited(f"the broker stores no messages: {cost}"))
        if qos < self._qos:
            self._qos = qos
            self._on_event(Limited("the broker takes only QoS 0: what is published may be lost on the way"))
        self._set_will()

    def _probed_at_once(self) -> list[str]:
        """Return the topic of the probe where the broker is not tried with it."""
        return [self._probe.topic] if self._probe is not None and self._accept_retained else []

    def _subscribe(self, names: Sequence[str]) -> int | None:
        return self._client.subscribe([(name, self._options(name)) for name in names])[1]

    def _is_command(self, name: str) -> bool:
        """Return whether a topic, or a filter, is one of commands."""
        return name.startswith(self._everything[:-1]) and name.endswith("/set")

    def _options(self, name: str) -> Any:  # noqa: ANN401 - paho takes a number or an object
        if not self._v5:
            return QOS
        refused_anyway = self._is_command(name) and not self._accept_retained
        return SubscribeOptions(qos=QOS, retainHandling=_STORED_NEVER if refused_anyway else 0)

    def _subscribed(self, _client: Client, _data: object, mid: int, reasons: Any, _properties: object) -> None:  # noqa: ANN401
        if mid == self._watch_mid:
            self._guard.watching()
        self._lookups.pop(mid, None)
        is_first_round_over = self._subscriptions.answered(mid, reasons)
        denied, before = self._subscriptions.denied, self._denied
        self._denied = denied
        if is_first_round_over:
            self.connects += 1
            self._outbox.connected(self._probe)
            self._do(self._guard.subscribed())
            self._on_event(Connected(denied, self._ends.flaps))
        elif denied != before:
            self._on_event(Subscribed(denied))

    def _unsubscribed(self, _client: Client, _data: object, mid: int, _reasons: object, _properties: object) -> None:
        if mid == self._unwatch_mid:
            self._guard.left()

    def _turn(self) -> None:
        self._gaps.turn()
        if (late := self._answers.turn()) is not None:
            self._give_up(late)
        if self._ends.turn():
            self._client.limit_inflight(MAX_INFLIGHT)
            self._on_event(Stable())
        self._outbox.go_on()
        if self._outbox.online:
            self._subscriptions.turn()
            for message in self._unpublished.due():
                self._hand_over(message)
            self._do(self._guard.turn())

    def _owed(self) -> object | None:
        if not self._client.is_connected():
            return CONNECT
        return self._subscriptions.unanswered or self._client.oldest

    def _give_up(self, late: object) -> None:
        """End a connection over which nothing goes any more, whatever answers the pings."""
        what = f"what was published at {late.topic}" if isinstance(late, MQTTMessage) else late
        self.stalls += 1
        self._client.endpoints.fails()
        self._cut_reason = f"the broker did not acknowledge {what} for {self._answers.waited_s:.0f} s"
        self._answers.begin()
        self._client.cut()

    def _do(self, step: Step | None) -> None:
        """Do what tells whether the broker marks what it has stored."""
        match step:
            case Step.ASK if self._probe is not None:
                self._subscriptions.ask([self._probe.topic])
            case Step.WATCH:
                self._watch_mid = self._subscribe([self._everything]) or -1
            case Step.LEAVE:
                self._unwatch_mid = self._client.unsubscribe(self._everything)[1]

    def _published(self, _client: Client, _data: object, mid: int, reason: Any, _properties: object) -> None:  # noqa: ANN401
        self._has_answered = True
        self._client.endpoints.serves()
        if mid == self._probe_mid:
            self._guard.acknowledged()
        if (sent := self._client.outgoing(mid)) is None:
            return
        # «no matching subscribers» is no failure; without MQTT 5 the broker does not tell
        if reason.is_failure:
            self._unpublished.refused(Outgoing(sent.topic, bytes(sent.payload), sent.retain))
            words = f"{reason} (0x{reason.value:02X})"
            self._on_event(Refused(words, sent.topic, len(sent.payload), len(self._unpublished)))
        elif self._unpublished.taken(sent.topic):
            self._on_event(Taken())

    def _failed(self, _client: Client, _data: object) -> None:
        self._on_event(Disconnected(self._client.problem))

    def _disconnected(self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:  # noqa: ANN401
        was_online = self._outbox.disconnected()
        oldest = self._oldest()
        lost = self._take_back()
        self._guard.release()
        if not was_online and not reason.is_failure:
            return
        cut_reason, self._cut_reason = self._cut_reason, None
        if not self._was_accepted and self._speaks_plainly and self.connects == 0:
            self._on_event(Disconnected(self._diagnosis()))
            return
        self._was_accepted = False
        if cut_reason is not None:
            self._ends.ended(unexplained=False, oldest=None)
            self._on_event(Disconnected(cut_reason))
            return
        self._obey(retain=reason.value != _NO_RETAIN, qos=0 if reason.value == _NO_QOS else self._qos)
        end = self._ends.ended(unexplained=reason.value == _UNEXPLAINED, oldest=oldest)
        self._client.reconnect_delay_set(self._ends.delay_s, LONGEST_DELAY_S)
        if end.cause is not None:
            self._hold_back(end.cause, lost.get(end.cause))
        self._on_event(Disconnected(str(reason), end.twin or reason.value == _TAKEN_OVER))

    def _oldest(self) -> str | None:
        """Return the filter or topic of what waits longest for its answer."""
        message = self._client.oldest
        lookup = next(iter(self._lookups.values()), None)
        return self._subscriptions.unanswered or lookup or (None if message is None else message.topic)

    def _take_back(self) -> Mapping[str, Outgoing]:
        """Return what the broker has not acknowledged by its topics; what nobody announces anew is sent again."""
        messages = [
            Outgoing(one.topic, bytes(one.payload), one.retain, getattr(one.properties, "CorrelationData", None))
            for one in self._client.take_out()
        ]
        self._outbox.returned(messages)
        return {message.topic: message for message in reversed(messages)}

    def _diagnosis(self) -> str:
        """Return why there is no answer to a connection; tried once."""
        if self._diagnosed is None and (present := self._client.endpoints.present) is not None:
            self._client.pulse.beat(SILENCE_S + LOOK_UP_S)
            self._diagnosed = diagnose(present.address, present.port)
        return self._diagnosed or CANDIDATES

    def _hold_back(self, cause: str, message: Outgoing | None) -> None:
        """Do without what the broker answers by ending the connection: a message, or else a filter."""
        if cause in self._lookups.values():
            self._may_look_up = False  # nothing depends on it that a connection is to be lost for
        elif message is None:
            self._subscriptions.ended_by(cause)
        else:
            self._unpublished.ended_by(message)
            self._on_event(Refused(ENDED, cause, len(message.payload), len(self._unpublished)))

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        if not is_topic(topic):
            return  # no good broker sends it, and an answer to it would end the connection, or paho's caller
        if self._probe is not None and topic == self._probe.topic:
            self._guard.came_back(flagged=message.retain)
        elif topic.startswith(self._everything[:-1]):
            self._guard.seen(topic)
        reply = None
        to = getattr(message.properties, "ResponseTopic", None)
        if to and not {"+", "#"} & set(to):
            # one that is too long is no longer one, and says so: what it stands for must not wait
            correlation = getattr(message.properties, "CorrelationData", None)
            reply = Reply(to[: LONGEST_REPLY + 1], correlation and correlation[: LONGEST_REPLY + 1])
        looked_up = any(topic_matches_sub(name, topic) for name in self._looked_up)
        payload = bytes(message.payload[: _LOOKED_UP_BYTES if looked_up else MAX_PAYLOAD_BYTES + 1])
        at = self._clock.monotonic() - self._gaps.age_s()
        life_s = getattr(message.properties, "MessageExpiryInterval", None)
        expires = math.inf if life_s is None else at + life_s
        arrived = Message(topic, payload, message.retain, at, reply, expires=expires)
        if self._is_command(topic):
            if is_command_size(topic.removeprefix(self._everything[:-1])):
                self._guard.take(arrived)
        elif looked_up or any(topic_matches_sub(name, topic) for name in self._listened):
            self._on_event(arrived)
