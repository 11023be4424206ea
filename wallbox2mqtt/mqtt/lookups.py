"""Topics that are looked up once in each connection, and then left: if it fails, the connection goes on."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from paho.mqtt.client import topic_matches_sub

_FILTERS_AT_ONCE = 20
"""How many filters one packet has."""


class Lookups:
    """The filters that are looked up, and the packets that ask for them."""

    def __init__(
        self,
        subscribe: Callable[[Sequence[str]], int | None],
        unsubscribe: Callable[[Sequence[str]], object],
        may_ask: Callable[[], bool] = lambda: True,
    ) -> None:
        """Start with none.

        Args:
            subscribe: sends a packet and returns its number.
            unsubscribe: sends a packet.
            may_ask: returns whether to ask now; the rest waits for ``go_on``.

        """
        self._subscribe, self._unsubscribe, self._may_ask = subscribe, unsubscribe, may_ask
        self._is_allowed, self._was_answered = True, False
        self._lock = threading.Lock()  # an answer waits until it is known to what
        self.connected()

    def connected(self) -> None:
        """Start anew with a new connection."""
        self._filters: frozenset[str] = frozenset()
        self._asked: dict[int, str] = {}
        self._waiting: deque[Sequence[str]] = deque()

    @property
    def unanswered(self) -> str | None:
        """A filter that waits for its answer."""
        return next(iter(self._asked.values()), None)

    def listen(self, filters: Sequence[str]) -> None:
        """Subscribe to more topics while this connection lasts."""
        if not self._is_allowed:
            return
        self._filters |= set(filters)
        with self._lock:
            self._waiting += _packets(filters)
        self.go_on()

    def go_on(self) -> None:
        """Ask for what waits, if that is due now."""
        with self._lock:
            while self._waiting and self._may_ask():
                names = self._waiting.popleft()
                if (mid := self._subscribe(names)) is not None:
                    self._asked[mid] = names[0]

    def leave(self, filters: Sequence[str]) -> None:
        """Unsubscribe from such topics."""
        self._filters -= set(filters)
        for names in _packets(filters):
            self._unsubscribe(names)

    def answered(self, mid: int) -> None:
        """Record the broker's answer to a packet."""
        with self._lock:
            self._was_answered = self._asked.pop(mid, None) is not None or self._was_answered

    def has_granted(self, name: str | None) -> bool:
        """Return whether the broker has answered such a packet before, as one that is under way with this filter."""
        return self._was_answered and name in self._asked.values()

    def cover(self, topic: str) -> bool:
        """Return whether a topic is one of those that are looked up."""
        return any(topic_matches_sub(name, topic) for name in self._filters)

    def end(self, cause: str) -> bool:
        """Look nothing up any more where the broker ends connections for it; return whether it did."""
        is_ours = cause in self._asked.values()
        self._is_allowed = self._is_allowed and not is_ours
        return is_ours


def _packets(filters: Sequence[str]) -> list[Sequence[str]]:
    return [filters[start : start + _FILTERS_AT_ONCE] for start in range(0, len(filters), _FILTERS_AT_ONCE)]
