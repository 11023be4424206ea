"""One connection to the broker after the other: what paho's thread does on each, and when each ends.

The methods that begin with an underscore are paho's callbacks. They hand over and return; an exception in one would
end paho's thread.
"""

from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import MqttConfig
from wallbox2mqtt.mqtt.connection_ends import LONGEST_DELAY_S, ConnectionEnds
from wallbox2mqtt.mqtt.diagnosis import CANDIDATES, diagnose
from wallbox2mqtt.mqtt.events import Acknowledged, Connected, Disconnected, Event, Limited, Stable, Subscribed
from wallbox2mqtt.mqtt.limits import PACKET_OVERHEAD, QOS, BrokerLimits
from wallbox2mqtt.mqtt.liveness import CONNECT, AnswerWatch, GapMeter
from wallbox2mqtt.mqtt.lookups import Lookups
from wallbox2mqtt.mqtt.outbox import Outbox, Outgoing
from wallbox2mqtt.mqtt.paho_client import MAX_INFLIGHT, PahoClient
from wallbox2mqtt.mqtt.prelude import Prelude
from wallbox2mqtt.mqtt.receiver import Receiver
from wallbox2mqtt.mqtt.replay import ReplayGuard, Step
from wallbox2mqtt.mqtt.subscriptions import Subscriptions
from wallbox2mqtt.mqtt.unpublished import Unpublished
from wallbox2mqtt.topics import OFFLINE
from wallbox2mqtt.watchdog import LOOK_UP_S, SILENCE_S

_STORED_NEVER = 2
"""Retain Handling: the broker is not to send what it has stored."""
_UNEXPLAINED, _TAKEN_OVER = 0x80, 0x8E


class BrokerSession:
    """All that is done on paho's thread; ``send`` may be called by any."""

    def __init__(  # noqa: PLR0913 - what a connection is made of
        self,
        client: PahoClient,
        config: MqttConfig,
        *,
        probe: Outgoing | None,
        filters: Sequence[str],
        accept_retained: bool,
        receipts: str | None,
        emit: Callable[[Event], None],
        clock: Clock,
        prelude: Prelude | None,
    ) -> None:
        """Prepare the first connection; ``probe``: what is published first on each, and tells how the broker is."""
        self._client, self._probe, self._prelude, self._emit = client, probe, prelude, emit
        probed = [] if probe is None else [probe.topic]
        self._filters = [*filters, *(probed if accept_retained else [])]  # elsewhere the broker is tried with it
        self._accept_retained, self._receipts = accept_retained, receipts
        self._everything, self._v5 = f"{config.base_topic}/#", config.protocol == "5"
        self._speaks_plainly = config.transport == "tcp" and not config.tls.enabled
        self.outbox = Outbox(self.send, lambda: client.unacknowledged)
        self.limits, self.unpublished = BrokerLimits(emit), Unpublished(config.base_topic, emit)
        self.guard = guard = ReplayGuard(emit, probes=probe is not None, always=accept_retained)
        # a cluster that lost a node takes seconds for each filter: those that commands wait for come first
        self.subscriptions, self.ends = Subscriptions(self._subscribe), ConnectionEnds()
        self.lookups = Lookups(
            lambda names: self._subscribe(names, self.subscriptions.qos),
            lambda names: client.unsubscribe(list(names)),
            lambda: guard.has_asked,
        )
        self.answers, self._gaps = AnswerWatch(self._owed), GapMeter(client.has_unread)
        self._receiver = Receiver(
            config.base_topic,
            state=None if probe is None else probe.topic,
            listened=[*filters, *probed],
            lookups=self.lookups,
            guard=self.guard,
            gaps=self._gaps,
            clock=clock,
            emit=emit,
            prelude=prelude,
        )
        self._probe_mid = self._watch_mid = self._unwatch_mid = -1
        self._cut_reason: str | None = None
        self._was_accepted = self.has_answered = False
        self._diagnosed: str | None = None
        self.connects = self.stalls = 0
        self._set_callbacks()

    def _set_callbacks(self) -> None:
        client = self._client
        client.on_socket_open = lambda *_: self.answers.begin()  # what the last broker owed is not this one's
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_unsubscribe = self._unsubscribed
        client.on_connect_fail = lambda _client, _data: self._emit(Disconnected(client.problem))
        client.on_disconnect = self._disconnected
        client.on_message = lambda _client, _data, message: self._receiver.receive(message)
        client.on_publish = self._published
        # not ``on_publish``: there paho holds a lock that others need to publish
        client.on_turn = self._turn

    def set_will(self) -> None:
        """Leave with the broker, from the next connection on, what it says when we vanish."""
        if self._probe is not None:
            self._client.will_set(self._probe.topic, OFFLINE, qos=self.limits.qos, retain=self.limits.stores)

    def send(self, message: Outgoing) -> bool:
        """Hand a message to paho; return whether it goes its way, or never will."""
        info = self.send_now(message)
        return info is None or info.rc != MQTTErrorCode.MQTT_ERR_QUEUE_SIZE

    def send_now(self, message: Outgoing) -> MQTTMessageInfo | None:
        """Hand a message to paho; None where the broker does not take it: then it is kept, or told to be too large."""
        if not self.limits.takes(message):
            self.unpublished.too_large(message)
            return None
        return None if self.unpublished.holds(message) else self._publish(message)

    def _publish(self, message: Outgoing) -> MQTTMessageInfo:
        self.guard.sent(message.topic)
        info = self._client.send(message, qos=self.limits.qos, retain=message.retain and self.limits.stores)
        if message is self._probe:
            self._probe_mid = info.mid
        if self.limits.qos == 0:  # nothing will be acknowledged
            self._report_receipt(message)
        return info

    def _report_receipt(self, message: Outgoing) -> None:
        """Report that the broker has a message, where its sender wants to know."""
        if self._receipts is not None and message.topic.endswith(self._receipts):
            self._emit(Acknowledged(message.topic, message.payload.decode()))

    # From here on: on paho's thread.

    def _connected(self, _client: Client, _data: object, _flags: object, reason: Any, properties: Any) -> None:  # noqa: ANN401
        self._was_accepted = True  # or refused: it has answered, and with its own words
        if reason.is_failure:
            self.limits.ended(reason.value)
            self.set_will()
            words = getattr(properties, "ReasonString", None)
            self._emit(Disconnected(f"refused: {reason}" + (f" ({words})" if words else "")))
            return
        self.limits.connected(properties)
        self.set_will()
        self._client.limit_inflight(1 if self.ends.careful else getattr(properties, "ReceiveMaximum", MAX_INFLIGHT))
        for part in (self.lookups, self.guard, self.ends, self.unpublished, self._gaps):
            part.connected()
        self.answers.begin()
        self.has_answered = self._probe is None  # else the probe is to be answered first
        if self._prelude is None:
            self._subscribe_to_all()
        else:
            self._prelude.begin(self._subscribe([self._prelude.topic]))

    def _subscribe_to_all(self) -> None:
        # all at once, or each by itself where the broker takes no packet as large, or ends the connection for one;
        # and after a loss, since a cluster takes seconds for each that it refuses
        size = sum(len(name.encode()) + 3 for name in self._filters) + PACKET_OVERHEAD
        in_turn = self.ends.careful or self.connects > 0
        singly = in_turn or not self.limits.takes_size(size)
        groups = [[name] for name in self._filters] if singly else [self._filters]
        self.subscriptions.begin(groups, in_turn=in_turn, flaps=self.ends.flaps)

    def _subscribe(self, names: Sequence[str], qos: int = QOS) -> int | None:
        return self._client.subscribe([(name, self._options(name, qos)) for name in names])[1]

    def _options(self, name: str, qos: int) -> Any:  # noqa: ANN401 - paho takes a number or an object
        if not self._v5:
            return qos
        refused_anyway = self._receiver.is_command(name) and not self._accept_retained
        return SubscribeOptions(qos=qos, retainHandling=_STORED_NEVER if refused_anyway else 0)

    def _subscribed(self, _client: Client, _data: object, mid: int, reasons: Any, _properties: object) -> None:  # noqa: ANN401
        if (prelude := self._prelude) is not None and prelude.answered(mid):
            if reasons[0].is_failure and prelude.qos:  # as with the filters, a cluster may grant it at QoS 0
                prelude.begin(self._subscribe([prelude.topic], 0), 0)
            elif reasons[0].is_failure:
                self._emit(Limited(f"the broker refuses {prelude.topic}: another bridge will not be noticed"))
            return
        if mid == self._watch_mid:
            self.guard.watching()
            if reasons[0].is_failure:  # asked for the state alone, again, a cluster may show the flag after all
                self._do(Step.ASK)
        self.lookups.answered(mid)
        before = self.subscriptions.denied
        if self.subscriptions.answered(mid, reasons):
            self.connects += 1
            self.outbox.connected(self._probe)
            self._do(self.guard.subscribed())
            self._emit(Connected(self.subscriptions.denied, self.ends.flaps))
        elif (denied := self.subscriptions.denied) != before:
            self._emit(Subscribed(denied))

    def _unsubscribed(self, _client: Client, _data: object, mid: int, _reasons: object, _properties: object) -> None:
        if mid == self._unwatch_mid:
            self.guard.left()

    def _turn(self) -> None:
        self._gaps.turn()
        if (late := self.answers.turn()) is not None:
            self._give_up(late)
        if self.ends.turn():
            self._client.limit_inflight(MAX_INFLIGHT)
            self._emit(Stable())
        if self._prelude is not None and (words := self._prelude.first_words()) is not None:
            # behind the subscriptions: who was active takes what comes before these words, this one the rest
            self._subscribe_to_all()
            self.send_now(Outgoing(self._prelude.topic, words.encode(), retain=True))
        self.outbox.go_on()
        if self.outbox.online:
            self.subscriptions.turn()
            for message in self.unpublished.due():
                self._publish(message)
            self._do(self.guard.turn())
            self.lookups.go_on()

    def _owed(self) -> object | None:
        if not self._client.is_connected():
            return CONNECT
        asked = self._prelude.unanswered if self._prelude is not None else None
        return asked or self.subscriptions.unanswered or self._client.oldest

    def _give_up(self, late: object) -> None:
        """End a connection over which nothing goes any more, whatever answers the pings."""
        what = f"what was published at {late.topic}" if isinstance(late, MQTTMessage) else late
        self.stalls += 1
        self._client.endpoints.fails()
        self._cut_reason = f"the broker did not acknowledge {what} for {self.answers.waited_s:.0f} s"
        self.answers.begin()
        self._client.cut()

    def _do(self, step: Step | None) -> None:
        """Do what tells whether the broker marks what it has stored."""
        match step:
            case Step.ASK if self._probe is not None:
                self.subscriptions.ask([self._probe.topic], qos=0)  # a cluster answers it sooner
            case Step.WATCH:
                self._watch_mid = self._subscribe([self._everything], self.subscriptions.qos) or -1
            case Step.LEAVE:
                self._unwatch_mid = self._client.unsubscribe(self._everything)[1] or -1

    def _published(self, _client: Client, _data: object, mid: int, reason: Any, _properties: object) -> None:  # noqa: ANN401
        self.has_answered = True
        self._client.endpoints.serves()
        if mid == self._probe_mid and self._probe is not None:
            self.guard.acknowledged()
        if (sent := self._client.outgoing(mid)) is None:
            return
        self._report_receipt(sent)
        # «no matching subscribers» is no failure; without MQTT 5 the broker does not tell
        if reason.is_failure:
            self.unpublished.refused(sent, f"{reason} (0x{reason.value:02X})")
        else:
            self.unpublished.taken(sent.topic)

    def _disconnected(self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:  # noqa: ANN401
        was_online = self.outbox.disconnected()
        oldest, was_taken = self._oldest()
        lost = self._client.take_out()
        self.outbox.returned(lost)  # what nobody announces anew is sent again
        self.guard.release()
        if not was_online and not reason.is_failure:
            return
        cut_reason, self._cut_reason = self._cut_reason, None
        if not self._was_accepted and self._speaks_plainly and self.connects == 0:
            self._emit(Disconnected(self._diagnosis()))
            return
        self._was_accepted = False
        if cut_reason is not None:
            self.ends.ended(unexplained=False, oldest=None)
            self._emit(Disconnected(cut_reason))
            return
        self.limits.ended(reason.value)
        self.set_will()
        end = self.ends.ended(unexplained=reason.value == _UNEXPLAINED, oldest=oldest, was_taken=was_taken)
        self._client.reconnect_delay_set(self.ends.delay_s, LONGEST_DELAY_S)
        if end.cause is not None and not self.lookups.end(end.cause):
            if (message := next((one for one in lost if one.topic == end.cause), None)) is not None:
                self.unpublished.ended_by(message)
            else:
                self.subscriptions.ended_by(end.cause)
        self._emit(Disconnected(str(reason), end.twin or reason.value == _TAKEN_OVER))

    def _oldest(self) -> tuple[str | None, bool]:
        """Return what waits longest for its answer, a filter or a topic, and whether the broker took such before."""
        if (asked := self.subscriptions.unanswered or self.lookups.unanswered) is not None:
            return asked, self.subscriptions.has_granted(asked) or self.lookups.has_granted(asked)
        message = self._client.oldest
        # taken on this connection: where a twin pushes us out, the will comes first, and is contradicted to the end
        if message is None or (self.guard.is_acknowledged and self._probe and message.topic == self._probe.topic):
            return None, False
        return message.topic, self.unpublished.has_taken(message.topic)

    def _diagnosis(self) -> str:
        """Return why there is no answer to a connection; tried once."""
        if self._diagnosed is None and (present := self._client.endpoints.present) is not None:
            self._client.pulse.beat(SILENCE_S + LOOK_UP_S)
            self._diagnosed = diagnose(present.address, present.port)
        return self._diagnosed or CANDIDATES
