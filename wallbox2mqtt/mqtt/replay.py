"""Whether a broker tells stored messages from live ones, and when commands count at one that does not.

A stored ``…/set`` message that arrives as if it were live would unlock the charger at each start. On each connection
the bridge's own state is published, retained, and subscribed to once the broker has acknowledged it. A broker that
gives it back with the retain flag tells the two apart: commands count at once, or as soon as it does. At any other,
and always where retained commands are accepted, nothing counts until nothing foreign has come below the base topic for
some seconds.
"""

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from wallbox2mqtt.mqtt.events import Event, Message, QuietOver, QuietWait, TellsStored

ECHO_S = 2.0
"""A broker gives back a retained message this soon after the subscription."""
ACKNOWLEDGE_S = 10.0
QUIET_S = 5.0
_TELL_S = 60.0
_OWN_S = 2.0
"""What the bridge has published comes back this soon."""
_COPY_S = 1.0
"""Two subscriptions that match one message bring it twice, one right after the other."""
_MOST_COPIES = 10_000
_MOST_HELD, _MOST_HELD_BYTES = 12_000, 6 * 1024 * 1024
_LEAVE_S = 5.0

NO_FLAG = "the broker does not mark what it has stored with the retain flag"
ACCEPTED = "commands.accept_retained is true"


class Step(enum.Enum):
    """What the connection is to do next."""

    ASK = "subscribe to the bridge's state"
    WATCH = "subscribe to everything below the base topic"
    LEAVE = "end that subscription"


class _Phase(enum.Enum):
    ASKING, QUIET, LEAVING, OPEN = range(4)


class ReplayGuard:
    """Decides of each command whether it may have been stored. All but ``sent`` and ``release``: on paho's thread."""

    def __init__(
        self, emit: Callable[[Event], None], *, probes: bool, always: bool, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare for the first connection.

        ``emit`` takes the commands, and what is to be told. ``probes``: whether the broker is asked; otherwise it is
        believed. ``always``: whether to wait for quiet at every broker.
        """
        self._emit, self._probes, self._always, self._now = emit, probes, always, now
        self._lock = threading.Lock()
        self._held: list[Message] = []
        self._held_bytes = 0
        self._copies: dict[int, float] = {}
        self._begin()

    def _begin(self) -> None:
        self._phase = _Phase.ASKING if self._probes or self._always else _Phase.OPEN
        self._since: float | None = None
        self.is_acknowledged = self._has_asked = self._watches = False
        self._came_late = False  # a cluster that has lost a node gives back what is stored seconds later than asked for
        self._quiet_since = self._told = self._foreign_at = 0.0
        self._last = ""
        self._own: dict[str, float] = {}
        self._copies.clear()

    def connected(self) -> None:
        """Start anew: commands may arrive before the broker confirms the subscriptions."""
        self._begin()

    @property
    def has_asked(self) -> bool:
        """Whether nothing is left to ask the broker before commands count."""
        return self._has_asked or self._phase is not _Phase.ASKING

    def subscribed(self) -> Step | None:
        """Return what to do once the broker has confirmed all subscriptions, and the state is on its way."""
        self._since = self._now()
        return self._wait_for_quiet(ACCEPTED) if self._always else None

    def acknowledged(self) -> None:
        """Record that the broker has the bridge's state."""
        self.is_acknowledged = True

    def came_back(self, *, flagged: bool) -> None:
        """Record that the bridge's state came, with the retain flag or without."""
        if flagged and self._has_asked and self._phase is _Phase.ASKING:
            self._phase = _Phase.OPEN
            self._emit(TellsStored())
            self._let_go(stored=False)
        elif flagged and self._phase is _Phase.QUIET and not self._always:
            self._came_late = True

    def watching(self) -> None:
        """Record that everything below the base topic comes from now on."""
        self._watches, self._foreign_at = True, self._now()

    def left(self) -> None:
        """Record that only what was subscribed to comes again."""
        if self._phase is _Phase.LEAVING:
            self._phase = _Phase.OPEN
            self._own = {}
            self._emit(QuietOver(self._now() - self._quiet_since))

    def turn(self) -> Step | None:
        """Return what is to be done by now."""
        now = self._now()
        self._copies = {key: at for key, at in self._copies.items() if now - at < _COPY_S}
        if self._phase is _Phase.ASKING and self._since is not None:
            return self._ask(now, self._since)
        if self._phase is _Phase.QUIET:
            return self._look_for_quiet(now)
        if self._phase is _Phase.LEAVING and self._since is not None and now - self._since >= _LEAVE_S:
            self.left()
        return None

    def _ask(self, now: float, since: float) -> Step | None:
        if self.is_acknowledged and not self._has_asked:
            self._has_asked, self._since = True, now
            return Step.ASK
        if now - since >= (ECHO_S if self._has_asked else ACKNOWLEDGE_S):
            return self._wait_for_quiet(NO_FLAG)
        return None

    def _wait_for_quiet(self, reason: str) -> Step:
        self._phase, self._quiet_since = _Phase.QUIET, self._now()
        self._told = self._foreign_at = self._quiet_since
        self._emit(QuietWait(reason, 0.0, ""))
        self._let_go(stored=True)
        return Step.WATCH

    def _look_for_quiet(self, now: float) -> Step | None:
        if self._watches and (self._came_late or now - self._foreign_at >= QUIET_S):
            self._phase, self._since = _Phase.LEAVING, now
            return Step.LEAVE
        if now - self._told >= _TELL_S:
            self._told = now
            self._emit(QuietWait("", now - self._quiet_since, self._last))
        return None

    def sent(self, topic: str) -> None:
        """Record what the bridge publishes: it comes back, and says nothing of the broker."""
        if self._phase is _Phase.QUIET:
            self._own[topic] = self._now()

    def seen(self, topic: str) -> None:
        """Record that something came below the base topic."""
        if self._phase is _Phase.QUIET and self._now() - self._own.get(topic, -_OWN_S) >= _OWN_S:
            self._foreign_at, self._last = self._now(), topic

    def take(self, message: Message) -> None:
        """Pass a command on, marked where it may have been stored; held until the broker is known."""
        if self._phase is _Phase.ASKING:
            self._hold(message)
        elif not self._is_copy(message):
            self._emit(message if self._phase is _Phase.OPEN else replace(message, stored=True))

    def _is_copy(self, message: Message) -> bool:
        """Return whether the same message came just now by the other subscription."""
        key = hash((message.topic, message.payload, message.reply))
        if (at := self._copies.pop(key, None)) is not None and self._now() - at < _COPY_S:
            return True
        if self._phase is not _Phase.OPEN and len(self._copies) < _MOST_COPIES:
            self._copies[key] = self._now()
        return False

    def _hold(self, message: Message) -> None:
        with self._lock:
            if len(self._held) < _MOST_HELD and self._held_bytes + message.size <= _MOST_HELD_BYTES:
                self._held.append(message)
                self._held_bytes += message.size
                return
        self._emit(replace(message, stored=True))

    def forget(self) -> None:
        """Drop the live commands that are held: somebody else answers them."""
        with self._lock:
            self._held = [message for message in self._held if message.retained]
            self._held_bytes = sum(message.size for message in self._held)

    def release(self) -> None:
        """Pass on what is held: the connection has ended, or the program does."""
        self._let_go(stored=True)

    def _let_go(self, *, stored: bool) -> None:
        with self._lock:
            held, self._held, self._held_bytes = self._held, [], 0
        for message in held:
            self._emit(replace(message, stored=stored))
