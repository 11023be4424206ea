"""A client at the broker beside the bridge, for commands."""

import contextlib
import math
import queue
import time
from collections.abc import Callable, Sequence

from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import MqttConfig
from wallbox2mqtt.mqtt import Connected, Disconnected, Event, MqttConnection, OwnState


class Guest:
    """Has an id of its own, so that a running bridge keeps its connection. What comes is taken while it waits."""

    def __init__(
        self,
        config: MqttConfig,
        word: str,
        filters: Sequence[str],
        take: Callable[[Event], None],
        state: OwnState | None = None,
    ) -> None:
        """Prepare. ``word`` is part of the id; ``take`` is handed each event.

        Raises:
            ConfigError: a certificate file cannot be used.

        """
        self._events, self._take = queue.SimpleQueue[Event](), take
        self._outcome: Connected | Disconnected | None = None
        own = config.for_guest(word)
        self.mqtt = MqttConnection(own, filters=filters, on_event=self._events.put, clock=SystemClock(), state=state)

    def connect(self, limit_s: float) -> Connected | Disconnected | None:
        """Connect; return the outcome, None if the broker said nothing in time."""
        self.mqtt.start()
        self.wait(lambda: self._outcome is not None, limit_s)
        return self._outcome

    def wait(self, holds: Callable[[], bool], limit_s: float, quiet_s: float = math.inf) -> bool:
        """Take what comes until something holds, all is quiet, or the time is over; return whether it holds."""
        ends = time.monotonic() + limit_s
        with contextlib.suppress(queue.Empty):
            while not holds() and (left := ends - time.monotonic()) > 0:
                event = self._events.get(timeout=min(left, quiet_s))
                if self._outcome is None and isinstance(event, Connected | Disconnected):
                    self._outcome = event
                self._take(event)
        return holds()
