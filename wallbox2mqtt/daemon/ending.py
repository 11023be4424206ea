"""The end of the program: waiting commands are answered, and ``offline`` is published, within 5 s."""

import contextlib
import logging
import queue
import time
from collections.abc import Callable
from typing import Any

from wallbox2mqtt.daemon.wiring import Wiring
from wallbox2mqtt.mqtt import Acknowledged, Message
from wallbox2mqtt.mqtt.inbox import Inbox
from wallbox2mqtt.topics import OFFLINE

_LOG = logging.getLogger(__name__)

_ARRIVED_BY_S, _ANSWERED_BY_S, _END_BY_S = 1.2, 1.8, 3.5
"""By when, counted from the beginning of the end, each part is over: a flood, or a slow machine, delays no other."""
_LAST_WORDS_S, _LEAST_LAST_WORDS_S = 2.0, 0.5
"""For the last words alone, where main is stuck, and where all else has taken the time that there is."""
_LAST_STEP_S = 0.1


class Ending:
    """Ends one part after the other. Threads under way are daemons: they are abandoned."""

    def __init__(self, parts: Wiring, inbox: Inbox[Any], now: Callable[[], float] = time.monotonic) -> None:
        """End nothing yet; ``now``: real seconds."""
        self._parts, self._inbox, self._now = parts, inbox, now
        self._shared = parts.bridge.shared
        self._begun: float | None = None

    def run(self, reason: str) -> None:
        """Answer waiting commands, publish ``offline``, and disconnect."""
        self._begun = self._now()
        if self._parts.leadership.displaced_by is None:  # else the process goes on
            self._parts.health.end(reason)
        if self._parts.status_page is not None:
            self._parts.status_page.stop()
        self._answer_all()
        self.say_offline()
        self._take_receipts()
        for budget in (self._shared.reads, self._shared.writes):
            budget.close()
        self._shared.rate.close()
        self._parts.recorder.close()

    def _answer_all(self) -> None:
        self._stop_workers()
        self._take_what_has_arrived()
        waiting, in_flight = self._shared.queue.drain()
        why = "stopping" if self._parts.leadership.displaced_by is None else "stepping down"
        for command in in_flight:
            self._shared.results.failed(command, f"{why}: it was under way, its effect is unknown")
        answered = 0
        for command in waiting:
            if self._left_s(_ANSWERED_BY_S) <= 0:
                break
            self._shared.results.failed(command, why)
            answered += 1
        if left := len(self._inbox) + len(waiting) - answered:
            _LOG.warning("no time to answer what came in a flood messages=%d", left)
        self._parts.reports.close()

    def _left_s(self, by_s: float) -> float:
        """Return the seconds until a part of the end is to be over, counted from its beginning, or else from now."""
        return by_s if self._begun is None else self._begun + by_s - self._now()

    def _stop_workers(self) -> None:
        for worker in self._parts.workers:
            worker.stop()
        for worker in self._parts.workers:
            # who is not at the cloud ends at once, and has answered what it took; who is, is abandoned
            worker.join(_LAST_STEP_S)

    def _take_what_has_arrived(self) -> None:
        """Take the commands that wait for main, as many as there is time for."""
        self._parts.mqtt.release()
        self._inbox.close()
        with contextlib.suppress(queue.Empty):
            while self._left_s(_ARRIVED_BY_S) > 0:
                match event := self._inbox.get():
                    case Message():
                        self._parts.broker_events.handle(event)
                    case Acknowledged():
                        self._parts.recorder.acknowledged(event.topic, event.payload)

    def _take_receipts(self) -> None:
        """Record what the broker has taken before the last words, so that it is not told again."""
        with contextlib.suppress(queue.Empty):
            while True:
                if isinstance(event := self._inbox.get(), Acknowledged):
                    self._parts.recorder.acknowledged(event.topic, event.payload)

    def say_offline(self) -> None:
        """Tell the broker, or let its will do so; also where main is stuck, on the watchdog's thread."""
        leadership = self._parts.leadership
        timeout_s = _LAST_WORDS_S if self._begun is None else max(_LEAST_LAST_WORDS_S, self._left_s(_END_BY_S))
        if leadership.displaced_by is not None:
            self._parts.mqtt.withdraw(timeout_s=timeout_s)  # the other one is online
            return
        leadership.close()
        self._parts.mqtt.stop(last=(self._parts.topics.state, OFFLINE), timeout_s=timeout_s)
