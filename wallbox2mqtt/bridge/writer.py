"""The writer: sends commands, one at a time, urgent ones first, within the write budget."""

from wallbox2mqtt.bridge.clamps import Clamps
from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.refusals import is_action, reason_of
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.catalogue import FIELDS, Intent, Json, Values, parse, request_of
from wallbox2mqtt.catalogue.commands import UPDATES
from wallbox2mqtt.catalogue.statuses import UPDATING
from wallbox2mqtt.catalogue.templates import POST_SCHEDULES, RequestTemplate, UnfilledError
from wallbox2mqtt.cloud import CloudClient, CloudResponse
from wallbox2mqtt.cloud.backoff import Backoff
from wallbox2mqtt.cloud.documents import read_answer
from wallbox2mqtt.errors import (
    AnswerLostError,
    BudgetSpentError,
    CloudError,
    ConflictError,
    ForbiddenError,
    InvalidPayloadError,
    NotSentError,
    RateLimitedError,
    SignInError,
    UnauthorizedError,
)

AGAIN_S = 2.0
"""Before the second try of a request that may be sent twice."""
MAX_TRIES = 2
_IDLE_S = 5.0


class Writer:
    """Takes commands from the queue and sends them to the cloud. One thread calls ``step``."""

    def __init__(self, shared: Shared, cloud: CloudClient, backoff: Backoff, *, unlock_before_resume: bool) -> None:
        """Start with nothing in flight; the cloud is this thread's own line, ``backoff`` of its own, too."""
        self._shared, self._cloud, self._backoff = shared, cloud, backoff
        self._queue, self._states, self._results, self._clock = (
            shared.queue,
            shared.states,
            shared.results,
            shared.clock,
        )
        self._unlock_before_resume = unlock_before_resume
        self._clamps = Clamps(shared.clock)
        self._updated: set[int] = set()

    def step(self) -> float:
        """Send one command if one may be sent; return the seconds after which to look again at the latest."""
        for expired in self._queue.expire():
            self._fail(expired, "expired", None)
        self._tell_clamped()
        self._answer_fulfilled()
        command, wait = self._pick()
        if command is None:
            return wait
        if self._queue.start(command):
            self._send(command)
            self._queue.finish(command)
        return 0.0

    def _tell_clamped(self) -> None:
        """Tell what chargers made of accepted commands, where only a later reading shows it."""
        for command, key, value in self._states.take_clamped():
            if command.intent is not None:
                self._clamps.add(command.charger_id, command.intent, key, value)
                view = self._states.view(command.charger_id)
                if (made := self._clamps.made(command.charger_id, command.intent, view)) is not None:
                    self._results.clamped(command, made)

    def _answer_fulfilled(self) -> None:
        """Answer what is so already, unless a command that waits before it will change that."""
        changing: dict[int, set[str]] = {}
        for command in sorted(self._queue.waiting(), key=lambda waiting: waiting.order):
            intent, before = command.intent, changing.setdefault(command.charger_id, set())
            if intent is None:
                continue
            if before & intent.touches or not self._is_fulfilled(command.charger_id, intent):
                before |= intent.touches
            elif self._queue.remove(command):
                self._states.republish(command.charger_id, intent.sets)
                view = self._states.view(command.charger_id)
                self._results.ok(command, made=self._clamps.made(command.charger_id, intent, view))

    def _is_fulfilled(self, charger_id: int, intent: Intent) -> bool:
        """Return whether nothing need be sent; after a write whose answer was lost, what is shown proves nothing."""
        if not self._states.is_certain(charger_id, intent.judged_by):
            return False
        view = self._states.view(charger_id)
        return intent.is_fulfilled(self._clamps.as_asked(charger_id, intent, view))

    def _pick(self) -> tuple[QueuedCommand | None, float]:
        """Return the command to send now, or None and the seconds until one may be."""
        wait = min(_IDLE_S, self._queue.expires_in_s())
        waiting = self._queue.waiting()
        if not waiting:
            return None, wait
        if (held := max(self._backoff.wait_s(), self._shared.tokens.failed_wait_s())) > 0:
            return None, min(wait, held)
        now = self._clock.monotonic()
        first = next((command for command in waiting if command.not_before <= now), None)
        if first is None:
            return None, min(wait, *(command.not_before - now for command in waiting))
        # a token that costs a write of its own is only fetched when the command can follow it
        ready = self._shared.writes.ready_in_s(int(self._shared.tokens.spends_a_write()) + int(not first.urgent))
        return (first, 0.0) if ready <= 0 else (None, min(wait, ready))

    def _send(self, command: QueuedCommand) -> None:
        if command.intent is None:
            return
        intent = self._part_to_send(command, command.intent)
        try:
            # what the charger shows may have changed while the command waited
            intent.check(self._view_with_updates(command.charger_id))
            # the charger's number is the one of the path, whatever it shows
            sending = request_of(intent, {**self._states.view(command.charger_id), "charger_id": command.charger_id})
        except InvalidPayloadError as error:
            self._states.republish(command.charger_id, [command.key])
            self._results.rejected(command, str(error))
            return
        except UnfilledError as error:
            self._fail(command, str(error), None)
            return
        if sending is None:
            return
        request, body = sending
        try:
            answer = self._cloud.write(request, command.charger_id, body, command.expires)
        except (BudgetSpentError, SignInError):
            self._put_back(command)
        except CloudError as error:
            self._failed(command, intent, error, lost=error.sent and not request.repeatable)
        else:
            self._accepted(command, intent, request, answer)
            if intent is command.intent:
                view = self._states.view(command.charger_id)
                self._results.ok(command, answer.http_status, self._clamps.made(command.charger_id, intent, view))
            else:
                command.unlocked, command.tries = True, 0
                self._put_back(command)

    def _part_to_send(self, command: QueuedCommand, intent: Intent) -> Intent:
        """Return what to send now: where the configuration says so, a charger is unlocked before it is resumed."""
        is_locked = self._states.value(command.charger_id, "locked") == 1
        if self._unlock_before_resume and intent.resumes and is_locked and not command.unlocked:
            return parse(FIELDS["locked"], "unlock", {}, frozenset())
        return intent

    def _view_with_updates(self, charger_id: int) -> Values:
        """Return what a charger shows; one that has just been told to update does so, whatever its last status says."""
        if self._states.is_certain(charger_id, {"status_id"}):
            self._updated.discard(charger_id)
        view = self._states.view(charger_id)
        return {**view, "status_id": UPDATING} if charger_id in self._updated else view

    def _had_effect(self, command: QueuedCommand, intent: Intent) -> None:
        """Record what a request that was sent may have changed, and that nothing but a reading shows."""
        if intent.request is POST_SCHEDULES:
            self._shared.schedule_reads.written(command.charger_id)
        if is_action(intent) and not intent.pauses:
            # until the next reading the status is not known
            self._states.mark_uncertain(command.charger_id, {"status_id"}, self._clock.monotonic())
            if intent.value in UPDATES:
                self._updated.add(command.charger_id)

    def _accepted(
        self, command: QueuedCommand, intent: Intent, request: RequestTemplate, answer: CloudResponse
    ) -> None:
        self._backoff.succeeded()
        self._shared.planner.record_command(command.charger_id)
        self._shared.registry.record_write(command.charger_id, has_rights=True)
        before = self._states.view(command.charger_id)
        shown = {} if intent.is_invisible(before) else _shown(intent)
        commands = dict.fromkeys(intent.claims & shown.keys(), command)
        reading = read_answer(answer.body, request.answer)
        now = self._clock.monotonic()
        self._had_effect(command, intent)
        unconfirmed = self._states.accept(command.charger_id, shown, reading, answer.begun, now, commands)
        if not shown:
            # its reading is to show what became of it, whatever another command set before
            self._states.release(command.charger_id, intent.claims)
            self._states.republish(command.charger_id, [command.key])
        view = self._states.view(command.charger_id)
        self._clamps.record(command.charger_id, shown, view)
        for earlier in unconfirmed:
            self._results.not_confirmed(earlier, view)

    def _failed(self, command: QueuedCommand, intent: Intent, error: CloudError, *, lost: bool) -> None:
        """Decide what becomes of it; ``lost``: where no answer came, its effect is unknown and must not come twice."""
        if isinstance(error, AnswerLostError) and error.sent:
            self._states.mark_uncertain(command.charger_id, intent.sets, self._clock.monotonic())
            self._had_effect(command, intent)
        match error:
            case RateLimitedError():
                self._backoff.refused(error.retry_after_s)
                self._put_back(command)
            case UnauthorizedError() if not command.renewed:
                command.renewed = True
                self._put_back(command)
            case AnswerLostError() if lost:
                self._fail(command, f"{error}: its effect is unknown, it is not sent again", error.http_status)
            case NotSentError() | AnswerLostError() if command.tries + 1 < MAX_TRIES:
                command.tries += 1
                command.not_before = self._clock.monotonic() + AGAIN_S
                self._put_back(command)
            case ConflictError() if command.unlocked and intent.resumes:
                # many chargers begin to charge by themselves when they are unlocked
                self._results.ok(command, error.http_status)
            case ForbiddenError() | ConflictError():
                if isinstance(error, ForbiddenError) and not is_action(intent):
                    # actions are refused for many reasons, settings for want of rights
                    self._shared.registry.record_write(command.charger_id, has_rights=False)
                view = self._states.view(command.charger_id)
                self._fail(command, reason_of(error, intent, view), error.http_status)
            case _:
                self._fail(command, str(error), error.http_status)

    def _put_back(self, command: QueuedCommand) -> None:
        if not self._queue.put_back(command):
            self._results.superseded(command)

    def _fail(self, command: QueuedCommand, reason: str, http_status: int | None) -> None:
        if command.intent is not None:
            self._states.republish(command.charger_id, {command.key, *command.intent.sets})
        self._results.failed(command, reason, http_status)


def _shown(intent: Intent) -> dict[str, Json]:
    """Return the fields that are shown with their new values once the write is accepted."""
    if not intent.command.shows:
        return {}
    return {key: value for key, value in intent.sets.items() if FIELDS[key].has_state}
