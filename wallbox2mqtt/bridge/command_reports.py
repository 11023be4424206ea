"""What is reported of each command beside its result: an event, the charger's last problem, a line of the log."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.results import Result
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.topics import LAST_PROBLEM, Topics, to_json

_LOG = logging.getLogger(__name__)

_LONGEST_PROBLEM = 255
"""Characters; Home Assistant takes no more for a state."""
_LINES_EACH_MINUTE = 100
_PRIVATE = frozenset({"name"})
"""Fields whose values are not for the log."""

_MOST_RECENT = 20

PublishEvent = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a command, as it may be shown. ``at``: when it was told, seconds since 1970."""

    at: float
    charger_id: int
    key: str
    kind: str
    result: Result


class CommandReports:
    """Tells what became of commands, and remembers the last ones. Any thread may call."""

    def __init__(self, topics: Topics, states: ChargerStates, publish_event: PublishEvent, clock: Clock) -> None:
        """``publish_event`` takes a topic and a payload that is not retained."""
        self._topics, self._states, self._publish_event, self._clock = topics, states, publish_event, clock
        self._lock = threading.Lock()
        self._minute, self._lines, self._left_out = 0, 0, 0
        self._recent: deque[Report] = deque(maxlen=_MOST_RECENT)

    def tell(self, command: QueuedCommand, result: Result) -> None:
        """Tell of a result."""
        charger_id, key, kind = command.charger_id, command.key, result.kind
        event: dict[str, Json] = {"event_type": kind, "field": key, "value": result.value, "reason": result.reason}
        self._publish_event(self._topics.field(charger_id, "event/command"), to_json(event))
        if kind == "ok":
            self._states.show(charger_id, LAST_PROBLEM, None)
        elif kind != "superseded":
            problem = f"{key}: {result.reason}"
            short = problem if len(problem) <= _LONGEST_PROBLEM else problem[: _LONGEST_PROBLEM - 1] + "…"
            self._states.show(charger_id, LAST_PROBLEM, short)
        if key in _PRIVATE:
            # a refusal repeats what it refuses
            reason = "the payload is not accepted" if kind == "rejected" else result.reason
            result = replace(result, value="***", reason=reason)
        with self._lock:
            self._recent.append(Report(self._clock.wall(), charger_id, key, kind, result))
        if self._has_room(asked_the_cloud=result.http_status is not None):
            _LOG.info(
                "command topic=%.200s value=%.200s result=%s reason=%r http_status=%s ms=%d",
                self._topics.command(charger_id, key),
                to_json(result.value),
                kind,
                result.reason,
                result.http_status,
                result.took_ms,
            )

    def recent(self) -> list[Report]:
        """Return what became of the last commands, the oldest first."""
        with self._lock:
            return list(self._recent)

    def _has_room(self, *, asked_the_cloud: bool) -> bool:
        """Return whether to write a line: what the cloud was asked is always told, of the rest so much a minute."""
        with self._lock:
            minute = int(self._clock.monotonic() // 60)
            left_out = 0
            if minute != self._minute:
                left_out = self._left_out
                self._minute, self._lines, self._left_out = minute, 0, 0
            self._lines += 1
            has_room = asked_the_cloud or self._lines <= _LINES_EACH_MINUTE
            self._left_out += int(not has_room)
        if left_out:
            _LOG.warning("more commands came than are told one by one count=%d", left_out)
        return has_room
