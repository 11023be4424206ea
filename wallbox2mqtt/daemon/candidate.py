"""When a bridge that stands by may take over: a rule without connections, threads or a clock of its own."""

import contextlib
import random
from collections.abc import Callable

from wallbox2mqtt.bridge.handover import HIGHEST_TERM, HandoverError, parse
from wallbox2mqtt.daemon.leadership import Timing
from wallbox2mqtt.topics import OFFLINE, ONLINE

PAUSED_S = 3.0
"""Between two looks: what the broker said meanwhile has not been heard yet."""


class Candidate:
    """What was heard of the active bridge. All times are seconds that never jump, in which pauses count."""

    def __init__(self, timing: Timing, pick: Callable[[float, float], float] = random.uniform) -> None:
        """Know nothing, without a broker; ``pick`` returns the wait between a shortest and a longest one."""
        self._timing, self._pick = timing, pick
        self._state: str | None = None
        self._connected_at: float | None = None
        self._heard_at = 0.0
        self._has_handover = False
        self._due: float | None = None
        self._looked: float | None = None
        self.handover = b""
        self.handover_at = 0.0
        self.highest_term = 0

    def connected(self, now: float) -> None:
        """Record that the broker delivers from now on."""
        self._connected_at = self._heard_at = now
        self._state = self._due = None
        self._has_handover = False

    def disconnected(self) -> None:
        """Record that nothing is known until the broker is back."""
        self._connected_at = self._due = None

    def heard_state(self, payload: bytes, now: float) -> None:
        """Take what the active bridge, or the broker for it, says."""
        self._state = payload.decode(errors="replace") or None
        if self._state == ONLINE:
            self._due, self._heard_at = None, now

    def heard_handover(self, payload: bytes, now: float) -> None:
        """Take what the active bridge leaves; the same again, stored, is no newer than it was."""
        self._has_handover = payload != b""
        if payload == self.handover:
            return
        self.handover, self.handover_at = payload, now
        self._heard_at = now
        with contextlib.suppress(HandoverError):
            self.highest_term = max(self.highest_term, parse(payload).claim.term)

    @property
    def next_term(self) -> int:
        """The term of the one that takes over next."""
        return min(self.highest_term + 1, HIGHEST_TERM)

    def is_due(self, now: float) -> bool:
        """Return whether to take over now; to be asked each second at least."""
        was_paused = self._looked is not None and now - self._looked > PAUSED_S
        self._looked = now
        if was_paused:
            self._due, self._heard_at = None, now
        if self._connected_at is None or not self._is_vacant(now):
            self._due = None
            return False
        if self._due is None:
            self._due = now + self._pick(*self._timing.delay_s)
        return now >= self._due

    def _is_vacant(self, now: float) -> bool:
        if self._state == OFFLINE:
            return True
        if self._has_handover:
            # what says online may have died together with the broker, which kept the word; and a broker that keeps
            # nothing brings handovers all the same
            return now - self._heard_at >= self._timing.silence_s
        return (
            self._state is None and self._connected_at is not None and now - self._connected_at >= self._timing.stored_s
        )
