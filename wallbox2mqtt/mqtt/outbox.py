"""What is on its way to the broker: so much at once, and the rest waits here, where it takes little room."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MOST_OPEN = 500
"""Messages that paho may have of us. It keeps an object and a packet of each until the broker has acknowledged it."""
MAX_KEPT_RESULTS = 1000
"""Results that are kept while the broker is away."""
MAX_WAITING_RESULTS = 25_000
"""Results that may wait for a broker that is there, but slower than those who command."""
MAX_RESULT_BYTES = 8 * 1024 * 1024
"""Bytes of results that wait: a client that sends commands chooses how long their topics are."""
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message. ``correlation``: what MQTT 5 says of a result."""

    topic: str
    payload: bytes
    retain: bool
    correlation: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes, nearly."""
        return len(self.topic) + len(self.payload) + len(self.correlation or b"")

    @property
    def takes_back(self) -> bool:
        """Whether it makes the broker forget a topic: nobody would announce that anew."""
        return self.retain and not self.payload


class Outbox:
    """Sends in order while there is room, and keeps the rest until there is. Nobody waits.

    paho calls ``on_publish`` with a lock that publishing needs, so no method may be called there.
    """

    def __init__(self, send: Callable[[Outgoing], bool], open_now: Callable[[], int]) -> None:
        """Start empty, and without a broker.

        ``send`` tells whether paho took a message, ``open_now`` how many the broker has not acknowledged.
        """
        self._send, self._open_now = send, open_now
        self._lock = threading.Lock()
        self._states: OrderedDict[object, Outgoing] = OrderedDict()
        self._results: deque[Outgoing] = deque()
        self._online = self._sends_results = self._turn = self._closed = False
        self._dropped = self._result_bytes = 0

    @property
    def online(self) -> bool:
        """Whether there is a broker."""
        return self._online

    @property
    def keeps_up(self) -> bool:
        """Whether the broker takes state nearly as fast as it comes."""
        return len(self._states) < MOST_OPEN

    def state(self, message: Outgoing, *, each: bool) -> None:
        """Send a state; of those that wait for a topic the newest counts, unless ``each`` does.

        While the broker is away there are none, but for the ends of topics.
        """
        with self._lock:
            if self._closed or (not self._online and not message.takes_back):
                return
            key = object() if each else message.topic
            self._states[key] = message
            self._states.move_to_end(key)
            self._go_on()

    def result(self, message: Outgoing) -> None:
        """Send a result; the newest are kept while they cannot be sent."""
        with self._lock:
            if self._closed:
                return
            self._results.append(message)
            self._result_bytes += message.size
            self._sends_results = self._sends_results or self._online  # behind those that were kept
            self._go_on()
            self._trim()

    def flush_results(self) -> None:
        """Send the results that were kept, too."""
        with self._lock:
            self._sends_results = True
            self._go_on()

    def go_on(self) -> None:
        """Send what waits, as far as there is room now."""
        if self._states or self._results:
            with self._lock:
                self._go_on()

    def connected(self, first: Outgoing | None = None) -> None:
        """Record that there is a broker, and send this before all else.

        Results wait until it has been told how things are.
        """
        with self._lock:
            self._online, self._sends_results = not self._closed, False
            if first is not None and self._online:
                self._send(first)

    def disconnected(self) -> bool:
        """Record that there is no connection; return whether there was. All state will be announced anew."""
        with self._lock:
            was_online, self._online = self._online, False
            self._drop_states()
            self._trim()
            return was_online

    def returned(self, messages: Iterable[Outgoing]) -> None:
        """Take back what the broker has not acknowledged: results and ends of topics are sent again, in their order."""
        with self._lock:
            results = []
            for message in messages:
                if not message.retain:
                    results.append(message)
                elif message.takes_back and message.topic not in self._states:
                    self._states[message.topic] = message
            self._results.extendleft(reversed(results))
            self._result_bytes += sum(message.size for message in results)
            self._trim()

    def close(self, within_s: float) -> bool:
        """Send the results that wait, as far as there is time; return whether there is a broker.

        Nothing is sent that comes later. ``within_s``: a broker, or a machine that is flooded, may be slow.
        """
        with self._lock:
            self._closed = self._sends_results = True
            self._drop_states()
        ends = time.monotonic() + within_s
        # as there is room, and not all at once: what paho has takes several times the memory
        while self._online and (self._states or self._results) and time.monotonic() < ends:
            self.go_on()
            time.sleep(_LOOK_S)
        with self._lock:
            was_online, self._online = self._online, False
            return was_online

    def dropped_results(self) -> int:
        """Return how many results were dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def _drop_states(self) -> None:
        """Drop what is announced again after the next connection; the ends of topics are kept."""
        for key in [key for key, message in self._states.items() if not message.takes_back]:
            del self._states[key]

    def _trim(self) -> None:
        most = MAX_WAITING_RESULTS if self._online else MAX_KEPT_RESULTS
        while len(self._results) > most or self._result_bytes > MAX_RESULT_BYTES:
            self._result_bytes -= self._results.popleft().size
            self._dropped += 1

    def _go_on(self) -> None:
        while self._online and self._open_now() < MOST_OPEN:
            # in turn, so that neither a flood of commands nor a fleet that is announced holds up the other
            self._turn = not self._turn
            if self._sends_results and self._results and (self._turn or not self._states):
                if not self._send(self._results[0]):
                    return
                self._result_bytes -= self._results.popleft().size
            elif self._states:
                key, message = next(iter(self._states.items()))
                if not self._send(message):
                    return
                del self._states[key]
            else:
                self._states.clear()  # it would keep the room of the most that ever waited
                return
