"""What happened and waits for main. Messages are bounded in number and bytes; what the program itself says is not."""

import queue
import threading
from typing import Generic, TypeVar

from wallbox2mqtt.mqtt import Message

MOST_MESSAGES = 12_000
MOST_BYTES = 6 * 1024 * 1024
_REFRESH = "/bridge/refresh/set"

_EventT = TypeVar("_EventT")


class Inbox(Generic[_EventT]):
    """A queue that nobody can flood. ``put`` may be called from any thread, returns at once and never raises."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_EventT] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._messages = self._bytes = self._dropped = 0
        self._refreshes: set[str] = set()
        self._closed = False

    def __len__(self) -> int:
        """Return the number of messages that wait."""
        return self._messages

    def close(self) -> None:
        """Take no more messages: the program ends, and who publishes without end must not hold it."""
        self._closed = True

    def put(self, event: _EventT) -> None:
        """Let an event wait; a message for which there is no room is counted and dropped."""
        if isinstance(event, Message):
            if self._closed:
                return
            size = event.size
            with self._lock:
                if event.topic in self._refreshes:
                    return  # one that waits will do for all
                if self._messages >= MOST_MESSAGES or self._bytes + size > MOST_BYTES:
                    self._dropped += 1
                    return
                self._messages += 1
                self._bytes += size
                if event.topic.endswith(_REFRESH):
                    self._refreshes.add(event.topic)
        self._queue.put(event)

    def get(self, timeout: float = 0.0) -> _EventT:
        """Take the oldest out; waits so many seconds at most.

        Raises:
            queue.Empty: nothing happened.

        """
        event = self._queue.get(timeout=timeout)
        if isinstance(event, Message):
            with self._lock:
                self._messages -= 1
                self._bytes -= event.size
                self._refreshes.discard(event.topic)
        return event

    def dropped(self) -> int:
        """Return how many messages were dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped
