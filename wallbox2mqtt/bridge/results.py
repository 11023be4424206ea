"""The results of commands: exactly one each."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.refusals import NOT_CONFIRMED, why_unconfirmed
from wallbox2mqtt.catalogue import Json, Values
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.topics import Topics, to_json

PublishResult = Callable[[str, str, bytes | None], None]
Report = Callable[[QueuedCommand, "Result"], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What a charger made of a value: 18 A of 20. ``value``: as the result shows it; ``reason``: in words."""

    value: Json
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command, as its result topic says it."""

    status: str
    value: Json
    reason: str | None
    http_status: int | None
    took_ms: int

    @property
    def kind(self) -> str:
        """Its status, or ``not_confirmed`` for a later correction."""
        is_late = self.status == "failed" and (self.reason or "").startswith(NOT_CONFIRMED)
        return "not_confirmed" if is_late else self.status


class Results:
    """Answers commands: exactly one result each, and at most one later «not confirmed»."""

    def __init__(self, topics: Topics, publish: PublishResult, report: Report, clock: Clock) -> None:
        """``publish`` takes a topic, a payload and MQTT 5 correlation data; ``report`` is told of each result."""
        self._topics, self._publish, self._report, self._clock = topics, publish, report, clock
        self._lock = threading.Lock()
        self.answered = 0

    def ok(self, command: QueuedCommand, http_status: int | None = None, made: Made | None = None) -> None:
        """Answer a command that is done, or was so already; ``made``: what the charger made of it, if that is else."""
        self._answer(command, "ok", None, http_status, made)

    def rejected(self, command: QueuedCommand, reason: str) -> None:
        """Answer a command that was refused here; nothing was sent."""
        self._answer(command, "rejected", reason)

    def failed(self, command: QueuedCommand, reason: str, http_status: int | None = None) -> None:
        """Answer a command that was sent, or should have been, and did not succeed."""
        self._answer(command, "failed", reason, http_status)

    def superseded(self, command: QueuedCommand) -> None:
        """Answer a command whose place a newer one took."""
        self._answer(command, "superseded", "a newer command took its place")

    def not_confirmed(self, command: QueuedCommand, view: Values) -> None:
        """Tell once that the charger does not show an accepted command, however many of its fields it is true of."""
        if self._is_first_correction(command):
            self._send(command, "failed", why_unconfirmed(command.intent, view))

    def clamped(self, command: QueuedCommand, made: Made) -> None:
        """Tell once what the charger made of an accepted command, where its answer did not show it."""
        if self._is_first_correction(command):
            self._send(command, "ok", None, made=made)

    def _answer(
        self,
        command: QueuedCommand,
        status: str,
        reason: str | None,
        http_status: int | None = None,
        made: Made | None = None,
    ) -> None:
        if command.unlocked and status != "ok":
            reason = f"unlocked, but not resumed: {reason}"
        with self._lock:
            if command.answered:
                return
            command.answered = True
            self.answered += 1
        self._send(command, status, reason, http_status, made)

    def _is_first_correction(self, command: QueuedCommand) -> bool:
        """Return whether a command has no second result yet, and record that it has one now."""
        with self._lock:
            is_first, command.unconfirmed = not command.unconfirmed, True
        return is_first

    def _send(
        self,
        command: QueuedCommand,
        status: str,
        reason: str | None,
        http_status: int | None = None,
        made: Made | None = None,
    ) -> None:
        value = None if command.intent is None or status == "rejected" else command.intent.value
        if made is not None:
            value, reason = made.value, made.reason
        took_ms = round((self._clock.monotonic() - command.arrived) * 1000)
        result = Result(status, value, reason, http_status, max(0, took_ms))
        text = to_json(asdict(result))
        self._publish(self._topics.result(command.charger_id, command.key), text, None)
        if command.reply is not None:
            self._publish(command.reply.topic, text, command.reply.correlation)
        self._report(command, result)
