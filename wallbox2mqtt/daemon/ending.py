"""The end of the program: whoever waits is answered, and the broker is told ``offline``, within 5 s."""

import contextlib
import logging
import queue
import time
from typing import Any

from wallbox2mqtt.daemon.wiring import Wiring
from wallbox2mqtt.mqtt import Message
from wallbox2mqtt.mqtt.inbox import Inbox
from wallbox2mqtt.topics import OFFLINE

_LOG = logging.getLogger(__name__)

_END_S, _LAST_WORDS_S, _LEAST_LAST_WORDS_S = 3.0, 2.0, 0.5
"""What came in a flood has to leave time for the last words."""
_LAST_STEP_S, _LAST_ANSWERS_S = 0.1, 1.0


class Ending:
    """Ends one part after the other. Threads under way are daemons: they are abandoned."""

    def __init__(self, parts: Wiring, inbox: Inbox[Any]) -> None:
        """End nothing yet."""
        self._parts, self._inbox = parts, inbox
        self._shared = parts.bridge.shared
        self._begun: float | None = None

    def run(self, reason: str) -> None:
        """Answer whoever waits, say ``offline``, and leave."""
        self._begun = time.monotonic()
        if self._parts.leadership.displaced_by is None:  # else the process goes on
            self._parts.health.end(reason)
        if self._parts.status_page is not None:
            self._parts.status_page.stop()
        self._answer_all()
        self.say_offline()
        for budget in (self._shared.reads, self._shared.writes):
            budget.close()
        self._shared.rate.close()
        self._parts.recorder.close()

    def _answer_all(self) -> None:
        self._stop_workers()
        self._take_what_has_arrived()
        waiting, in_flight = self._shared.queue.drain()
        why = "stopping" if self._parts.leadership.displaced_by is None else "stepping down"
        for command in waiting:
            self._shared.results.failed(command, why)
        for command in in_flight:
            self._shared.results.failed(command, f"{why}: it was under way, its effect is unknown")
        self._parts.reports.close()

    def _stop_workers(self) -> None:
        for worker in self._parts.workers:
            worker.stop()
        self._parts.bridge.reader.poke()
        self._shared.queue.poke()
        for worker in self._parts.workers:
            # who is not at the cloud ends at once, and has answered what it took; who is, is abandoned
            worker.join(_LAST_STEP_S)

    def _take_what_has_arrived(self) -> None:
        """Take the commands that wait for main, as many as there is time for."""
        self._parts.mqtt.release()
        self._inbox.close()
        ends = time.monotonic() + _LAST_ANSWERS_S
        with contextlib.suppress(queue.Empty):
            while time.monotonic() < ends:
                if isinstance(event := self._inbox.get(), Message):
                    self._parts.broker_events.handle(event)
        if left := len(self._inbox):
            _LOG.warning("no time to answer what came in a flood messages=%d", left)

    def say_offline(self) -> None:
        """Tell the broker, or let its will do so; also where main is stuck, on the watchdog's thread."""
        leadership, timeout_s = self._parts.leadership, _LAST_WORDS_S
        if self._begun is not None:
            left_s = self._begun + _END_S - time.monotonic()
            timeout_s = min(_LAST_WORDS_S, max(_LEAST_LAST_WORDS_S, left_s))
        if leadership.displaced_by is not None:
            self._parts.mqtt.withdraw(timeout_s=timeout_s / 2)  # the other one is online
            return
        leadership.close()
        self._parts.mqtt.stop(last=(self._parts.topics.state, OFFLINE), timeout_s=timeout_s)
