"""The claim to be the one active bridge of an account: told to the broker, compared with others, and given up.

What a successor needs stands, retained, in ``bridge/handover``. Where bridges stand by for one another, no request
goes to the cloud before the broker has acknowledged that it is about to: a bridge that does not reach the broker
asks nothing, and one that takes over knows of everything that was asked.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from wallbox2mqtt.bridge import handover
from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.bridge.handover import Claim, Handover, HandoverError
from wallbox2mqtt.clock import boot_time
from wallbox2mqtt.errors import BudgetSpentError
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.topics import to_json

_LOG = logging.getLogger(__name__)

STEPPED_DOWN = -1
"""What a run ends with that gave way to another bridge; no exit code."""
_AGAIN_S = 1.0
_NEXT_S = 0.25
"""Between two handovers of a bridge that never stands by: nobody waits for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Real seconds. The active bridge shows every ``repeat_s`` that it is alive; ``silence_s`` is several of these.

    ``delay_s``: the shortest and the longest wait before a take-over. ``settle_s``: after each connection, for which
    nothing is asked: two that took over at once hear of each other. ``stored_s``: after a subscription, within which
    the broker has sent what it keeps. ``acknowledge_s``: for the broker. ``apart_s``:
    between two handovers that no request waits for.
    """

    delay_s: tuple[float, float] = (2.0, 10.0)
    settle_s: float = 2.0
    stored_s: float = 2.0
    silence_s: float = 180.0
    repeat_s: float = 60.0
    acknowledge_s: float = 5.0
    apart_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What the predecessor left, as it stands at the broker; empty: nothing. ``passed_s``: how old it is at least."""

    payload: bytes
    passed_s: Callable[[], float]


def new_instance() -> str:
    """Return a name for this process."""
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class Succession:
    """As who a bridge is active, and what it goes on from; without an inheritance it never stands by."""

    claim: Claim = field(default_factory=lambda: Claim(is_owner=True, term=0, instance=new_instance()))
    inheritance: Inheritance | None = None
    timing: Timing = field(default_factory=Timing)


class Leadership:
    """One claim, from the start of the active part to its end."""

    _mqtt: MqttConnection
    _bridge: Bridge
    _topic: str

    def __init__(
        self, succession: Succession, step_down: Callable[[str], None], call_later: Callable[[Callable[[], None]], None]
    ) -> None:
        """Say nothing yet.

        ``step_down`` is told which other bridge is the active one. ``call_later`` has main do something. Both return
        at once.
        """
        self._claim, self._step_down, self._call_later = succession.claim, step_down, call_later
        self._inheritance, self._timing = succession.inheritance, succession.timing
        self._lock = threading.Lock()
        self._is_established = False
        self.displaced_by: str | None = None
        self._settled_at: float | None = None
        self._not_before = 0.0
        self._told_at = float("-inf")
        self._told: tuple[object, ...] | None = None
        """What the last handover said; None: it is to be published again."""

    def attach(self, mqtt: MqttConnection, bridge: Bridge, topic: str) -> None:
        """Speak for this bridge from now on, and go on where its predecessor ended; ``topic``: of the handover."""
        self._mqtt, self._bridge, self._topic = mqtt, bridge, topic
        if self._inheritance is not None:
            self._inherit(self._inheritance)

    def _inherit(self, inheritance: Inheritance) -> None:
        self._bridge.shared.registry.forget_limits()
        try:
            left = handover.parse(inheritance.payload)
        except HandoverError as error:
            _LOG.warning("the handover cannot be used, the budget counts as spent for a minute reason=%r", str(error))
            handover.count_as_spent(self._bridge)
            return
        handover.adopt(self._bridge, left, inheritance.passed_s())
        age = "none" if left.token_age_s is None else f"{left.token_age_s:.0f}"
        _LOG.info("taking over from=%s term=%d its_token_age_s=%s", left.claim.instance, self._claim.term, age)

    @property
    def may_end(self) -> bool:
        """Whether this one gives way where another one is active."""
        return self._inheritance is not None

    # Of others. On paho's thread.

    def hear(self, payload: bytes) -> bool:
        """Take what stands, or is published, in ``bridge/handover``; return whether this one is still active."""
        if payload and not (self._inheritance is not None and payload == self._inheritance.payload):
            try:
                self._compare(handover.parse(payload))
            except HandoverError:
                self._told = None  # whatever it was, a successor is to find ours
        return self.displaced_by is None

    def _compare(self, heard: Handover) -> None:
        if heard.claim.instance == self._claim.instance:
            return
        # before the first word another bridge may have been quicker: the one that is there already stays
        if self._is_established and heard.claim < self._claim:
            self._told = None
            self._call_later(partial(self._adopt, heard))
        elif self.displaced_by is None:
            self.displaced_by = heard.claim.instance
            self._step_down(self.displaced_by)

    def begin(self) -> str | None:
        """Return the first word on a connection, now that it is known what stands at the broker; None: end."""
        if self.displaced_by is not None:
            return None
        self._is_established, self._settled_at = True, None
        return self._text()

    # Of the cloud. On any thread.

    def held_s(self) -> float:
        """Return the seconds for which nothing may be asked of the cloud."""
        if not self.may_end:
            return 0.0
        if self.displaced_by is not None or not self._mqtt.online or self._settled_at is None:
            return _AGAIN_S
        return max(0.0, max(self._settled_at, self._not_before) - time.monotonic())

    def admit(self) -> None:
        """Let the broker know that a request is about to be sent.

        Raises:
            BudgetSpentError: it must not be sent: the broker does not answer, or another bridge is active.

        """
        if not self.may_end:
            if time.monotonic() - self._told_at >= _NEXT_S:
                self._publish()
            return
        # the time in which the process, or the machine, was stopped counts
        begun, limit_s = boot_time(), self._timing.acknowledge_s
        acknowledged = self._publish() if self.held_s() <= 0 else None
        is_known = acknowledged is not None and acknowledged(limit_s) and boot_time() - begun <= limit_s
        if not is_known or self.held_s() > 0:
            self._not_before = time.monotonic() + _AGAIN_S
            raise BudgetSpentError(_AGAIN_S)

    # Of the broker. On main.

    def connected(self) -> None:
        """Record that the broker has been told that this one is active."""
        self._publish()
        self._settled_at = time.monotonic() + self._timing.settle_s

    def look(self) -> None:
        """Tell, each second, what has changed."""
        passed_s = time.monotonic() - self._told_at
        has_news = handover.stamp(self._bridge) != self._told
        if passed_s >= self._timing.repeat_s or (has_news and passed_s >= self._timing.apart_s):
            self._publish()

    def _adopt(self, rival: Handover) -> None:
        """Count what another bridge, which was active by mistake, has asked, too."""
        _LOG.warning("another bridge was active too, it gives way instance=%s", rival.claim.instance)
        handover.adopt(self._bridge, rival, 0.0)

    def close(self) -> None:
        """Leave the last handover, unless another one is active."""
        if self.displaced_by is None:
            self._publish()

    def _publish(self) -> Callable[[float], bool] | None:
        with self._lock:  # in the order in which they were written
            self._told = handover.stamp(self._bridge)
            acknowledged = self._mqtt.send_now(self._topic, self._text())
            if acknowledged is None:
                self._told = None
            else:
                self._told_at = time.monotonic()
            return acknowledged

    def _text(self) -> str:
        return to_json(handover.written(self._bridge, self._claim))
