"""Why the broker ends connections without giving a reason. On paho's thread.

Some brokers answer a message that they do not take, or a subscription, by closing: it is sent again on the next
connection, and so on for ever. Two clients with one id end each other's connection in the same way. What the broker has
taken before is rarely the cause: then the way to it was cut before the answer came.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

STABLE_S = 30.0
"""A connection that has lasted so long is one to rely on."""
LONGEST_DELAY_S = 10
_TWIN_S, _TWIN_KICKS = 60.0, 3
_ENDS, ENDS_IF_TAKEN = 2, 6
"""So many ends in a row, with the same thing under way, make it their cause; more where it was taken before."""


class End(NamedTuple):
    """An end. ``twin``: another client uses our id. ``cause``: what the broker answers so; None where nothing is."""

    twin: bool
    cause: str | None


class ConnectionEnds:
    """Judges each end by the ones before it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: float | None = None
        self._is_connected = False
        self._suspect: str | None = None
        self._suspected = 0
        self._kicks: deque[float] = deque(maxlen=_TWIN_KICKS)
        self._unstable = 0
        self.careful = False
        """Whether only one message and one subscription are to be under way at once, so that the cause is known."""

    @property
    def delay_s(self) -> int:
        """Seconds until the next connection: longer and longer until one is stable."""
        return int(min(2 ** min(max(self._unstable - 1, 0), 8), LONGEST_DELAY_S))

    @property
    def flaps(self) -> bool:
        """Whether the last connection was none to rely on, and the present one has not proven better yet."""
        return self._unstable > 0

    @property
    def is_stable(self) -> bool:
        """Whether the present connection has lasted long enough to be relied on."""
        return self._is_connected and self._since is None

    def connected(self) -> None:
        """Record a connection."""
        self._since, self._is_connected = self._now(), True

    def turn(self) -> bool:
        """Return whether the connection has become stable just now."""
        if self._since is None or self._now() - self._since < STABLE_S:
            return False
        self._since, self._suspect, self.careful = None, None, False
        self._unstable = 0
        self._kicks.clear()
        return True

    def ended(self, *, unexplained: bool, oldest: str | None, was_taken: bool = False) -> End:
        """Judge an end; that of an attempt to connect says nothing of what would be sent.

        Args:
            unexplained: the broker, or the network, gave no reason.
            oldest: topic or filter of what waits longest for its answer.
            was_taken: the broker has taken that before, on another connection.

        """
        was_unstable, self._since = self._since is not None, None
        was_connected, self._is_connected = self._is_connected, False
        if not was_connected:
            return End(twin=False, cause=None)
        self._unstable += was_unstable
        if not unexplained:
            self._suspect = None
            return End(twin=False, cause=None)
        self._suspected = self._suspected + 1 if oldest == self._suspect else 1
        if oldest is not None and self._suspected >= (ENDS_IF_TAKEN if was_taken else _ENDS):
            self._suspect = None
            self._kicks.clear()
            return End(twin=False, cause=oldest)
        self._suspect, self.careful = oldest, self.careful or oldest is not None
        if was_unstable:
            self._kicks.append(self._now())
        twin = len(self._kicks) == _TWIN_KICKS and self._now() - self._kicks[0] < _TWIN_S
        return End(twin, cause=None)
