"""Whether the broker still does what it is asked, and how old what it delivers may be. Both on paho's thread.

A broker may answer every ping and acknowledge nothing: each lost acknowledgement takes one of the few messages that
may be under way, until none is left. A process or machine that was paused finds in its socket what was sent
meanwhile, as if it had been sent now.
"""

import time
from collections.abc import Callable

from wallbox2mqtt.clock import boot_time

ANSWER_S = 30.0
"""A broker that has not acknowledged a message for so long has lost it."""
CONNECT, CONNECT_S = "the connection", 10.0
"""What is owed first; there may be another broker that says something."""
_LONGEST_TURN_S = 2.0
"""Turns come each second; what takes longer is a pause, in which the broker had nobody to answer."""
GAP_S = 5.0
_CALM_S, _LONGEST_BACKLOG_S = 1.0, 10.0


class AnswerWatch:
    """Measures for how long the broker owes an answer."""

    def __init__(self, owed: Callable[[], object | None], now: Callable[[], float] = time.monotonic) -> None:
        """Start without a connection; ``owed`` returns the oldest thing that waits for an answer, None for nothing."""
        self._owed, self._now = owed, now
        self.begin()

    def begin(self) -> None:
        """Start anew with a new connection."""
        self._oldest: object | None = None
        self._turned = self._now()
        self.waited_s = 0.0

    def turn(self) -> object | None:
        """Return what has waited for too long."""
        now, oldest = self._now(), self._owed()
        passed_s, self._turned = min(now - self._turned, _LONGEST_TURN_S), now
        if oldest is None or oldest is not self._oldest:
            # what comes after it may have waited as long, but not been sent: few may be under way at once
            self._oldest, self.waited_s = oldest, 0.0
            return None
        self.waited_s += passed_s
        return oldest if self.waited_s >= (CONNECT_S if oldest is CONNECT else ANSWER_S) else None


class GapMeter:
    """Measures how old what arrives may be."""

    def __init__(self, has_unread: Callable[[], bool], now: Callable[[], float] = boot_time) -> None:
        """Start without a gap.

        ``has_unread``: whether something waits in the socket. ``now``: seconds, those of a machine that sleeps, too.
        """
        self._has_unread, self._now = has_unread, now
        self.connected()

    def connected(self) -> None:
        """Start anew: a new connection brings nothing old."""
        self._turned = self._now()
        self._gap_since: float | None = None
        self._gap_ended = self._calm_since = 0.0

    def age_s(self) -> float:
        """Return how old what arrives now may be: after a gap, the time since the last turn before it."""
        now = self._calm_since = self._look()
        return 0.0 if self._gap_since is None else now - self._gap_since

    def turn(self) -> None:
        """Record that the thread works, each second at least, after what has arrived was handled."""
        now = self._turned = self._look()
        if self._gap_since is None:
            return
        # what waited in the socket, and at the broker behind it, comes in many turns, one close after the other;
        # a thread that got no time for a second has not been calm, it has not read
        is_calm = now - self._calm_since >= _CALM_S and not self._has_unread()
        if is_calm or now - self._gap_ended >= _LONGEST_BACKLOG_S:
            self._gap_since = None

    def _look(self) -> float:
        now = self._now()
        if now - self._turned >= GAP_S:
            # of two gaps, one after the other, the first counts as long as nothing proves that all of it has come
            self._gap_since = self._turned if self._gap_since is None else self._gap_since
            self._gap_ended = self._calm_since = now
        return now
