"""When a value that is not urgent may be sent: of a dragged slider, or of a controller that follows the sun.

Of a stream of values for one field the first goes at once, the second 2 s after it, further ones evenly spaced over
the minute's budget, always the newest. Values that follow one another closely wait for the end of the drag.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

PAUSE_S = 10.0
"""The first value after such a pause goes at once."""
SILENCE_S = 0.7
"""After so long without a newer value a drag has ended."""
LONGEST_S = 2.0
"""A stream without end waits no longer than this, counted from the first value that waits."""
_SECOND_S = 2.0
_MANY = 1000


@dataclass(slots=True)
class _Stream:
    """The values for one field of one charger: when the newest came, and when some were sent."""

    arrived: float = -math.inf
    sent: deque[float] = field(default_factory=deque)


class Debounce:
    """Knows the streams. Its caller sees to it that one thread calls at a time."""

    def __init__(self, limit: int, window_s: float) -> None:
        """Start without a stream; ``limit`` writes are allowed in each ``window_s``."""
        self._streams: dict[tuple[int, str], _Stream] = {}
        self.set_budget(limit, window_s)

    def set_budget(self, limit: int, window_s: float) -> None:
        """Spread values over so many writes in each ``window_s`` from now on."""
        self._window_s = window_s
        self._usable = max(1, limit - 1)  # the last one is for urgent commands

    def __len__(self) -> int:
        """Return the number of streams that are remembered."""
        return len(self._streams)

    def due(self, charger_id: int, keys: Iterable[str], arrived: float, waits_since: float) -> float:
        """Record a value that arrived, and return when it may be sent, monotonic.

        ``waits_since``: when the first of those arrived that it supersedes; ``arrived`` where there is none.
        """
        return max((self._due((charger_id, key), arrived, waits_since) for key in keys), default=arrived)

    def _due(self, name: tuple[int, str], arrived: float, waits_since: float) -> float:
        stream = self._stream(name)
        since_last, stream.arrived = arrived - stream.arrived, arrived
        while stream.sent and stream.sent[0] <= arrived - self._window_s:
            stream.sent.popleft()
        waits = waits_since < arrived
        if not waits and since_last >= PAUSE_S and len(stream.sent) < max(1, self._usable - 1):
            return arrived
        silent = arrived + SILENCE_S
        # what it supersedes has waited in silence already: only for its turn
        settled = arrived if waits and since_last >= SILENCE_S else min(silent, waits_since + LONGEST_S)
        due = max(settled, self._spaced(stream))
        # the end of a drag: the slider has been released
        return min(due, silent) if since_last < SILENCE_S else due

    def _spaced(self, stream: _Stream) -> float:
        """Return when the next value of a stream may go, so that the minute's writes last for the minute."""
        if not stream.sent:
            return -math.inf
        first, last, count = stream.sent[0], stream.sent[-1], len(stream.sent)
        if count == 1:
            return last + _SECOND_S
        evenly = self._window_s / self._usable
        if count < self._usable:
            evenly = max(evenly, (first + self._window_s - last) / (self._usable - count + 1))
        return last + evenly

    def _stream(self, name: tuple[int, str]) -> _Stream:
        if name not in self._streams and len(self._streams) >= _MANY:
            newest = max(stream.arrived for stream in self._streams.values())
            self._streams = {
                key: stream for key, stream in self._streams.items() if newest - stream.arrived < self._window_s
            }
        return self._streams.setdefault(name, _Stream())

    def sent(self, charger_id: int, keys: Iterable[str], now: float) -> None:
        """Record that a value was sent."""
        for key in keys:
            self._stream((charger_id, key)).sent.append(now)
