"""The reader: decides when to read, spends the read budget on what the planner says, and judges failures."""

import logging
import math
from http import HTTPStatus

from wallbox2mqtt.bridge.extra_reads import ExtraReads
from wallbox2mqtt.bridge.readings import Listener, Readings
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.bridge.status import BridgeStatus
from wallbox2mqtt.bridge.status_reads import StatusReads
from wallbox2mqtt.bridge.target import LIST, Document, Target
from wallbox2mqtt.clock import Wakeup
from wallbox2mqtt.cloud import CloudClient, CloudResponse
from wallbox2mqtt.cloud.backoff import Backoff
from wallbox2mqtt.errors import (
    AuthError,
    BudgetSpentError,
    CloudError,
    ForbiddenError,
    RateLimitedError,
    RequestRefusedError,
    UnauthorizedError,
)
from wallbox2mqtt.log import RepeatedFault

_LOG = logging.getLogger(__name__)

IDLE_S = 5.0
_PASS_BACKOFF_EACH_S = 300.0
"""A list that somebody asks for is read although reads are held off, but not more often than this."""
_NOT_FOUND = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class Reader:
    """Reads one document after the other, each when it is due. One thread calls ``step``."""

    def __init__(
        self,
        shared: Shared,
        cloud: CloudClient,
        backoff: Backoff,
        status: BridgeStatus,
        listener: Listener,
        status_reads: StatusReads,
    ) -> None:
        """Start with a read that is due at once; the cloud is this thread's own line."""
        self._cloud, self._backoff, self._status, self._listener = cloud, backoff, status, listener
        self._status_reads, self.readings = status_reads, Readings(shared, listener)
        self._extra = ExtraReads(shared, cloud, self.readings.show)
        self._last_was_extra = self._turn_was_extra = self._extra_renews = False
        self._extras_answered: set[tuple[str, int]] = set()
        self._tokens, self._reads, self._writes = shared.tokens, shared.reads, shared.writes
        self._rate = shared.rate
        self._registry, self._quarantine, self._planner = shared.registry, shared.quarantine, shared.planner
        self._results = shared.results
        self._clock, self._queue = shared.clock, shared.queue
        self.wakeup = Wakeup(shared.clock)
        self._due = True
        self._list_asked = False
        self._passed_backoff = -math.inf
        self._again: Target | None = None
        self._not_before = 0.0
        self._told_failures = 0
        self._last_begun: float | None = None
        self._trouble = RepeatedFault(_LOG, "read failed", "reads succeed again", shared.clock)

    @property
    def begun(self) -> float | None:
        """When the last read began, successful or not; None before the first."""
        return self._last_begun

    def tick(self) -> None:
        """Say that a read is due; several before it happens are one. Who still waits for a failed read asks again."""
        for charger_id in self._queue.awaited().intersection(self._registry.chargers):
            self._planner.want(charger_id)
        self._due = True
        self.wakeup.set()

    def want(self, charger_id: int) -> None:
        """Read this charger's detail as soon as the budget allows: a command waits for it."""
        self._planner.want(charger_id)
        self.wakeup.set()

    def want_all(self) -> None:
        """Read everything as soon as the budget allows; the list also while reads are held off after a refusal."""
        self._planner.want_all()
        self._list_asked = True
        self.wakeup.set()

    def step(self) -> float:
        """Read one document if one is due; return the seconds after which to look again at the latest."""
        wait = self._wait_s()
        if wait <= 0:
            planned = self._again or self._planner.next(with_basics=self._cloud.basic_ready_in_s() <= 0)
            if not self._read_extra(planned):
                self._read(planned)
        elif self._may_pass_backoff():
            self._passed_backoff = self._clock.monotonic()
            self._read(LIST)
        else:
            self._tell_of_no_token()
            return min(wait, IDLE_S, self._status_wait_s())
        return 0.0

    def _status_wait_s(self) -> float:
        """Send an extra status read if one is due; return the seconds until one may be."""
        if self._last_begun is None or self._backoff.wait_s() > 0:
            return IDLE_S
        return self._status_reads.step(self._last_begun, self._backoff.interval_s)

    def _read_extra(self, planned: Target) -> bool:
        """Read what is read rarely, if any of it is due: in the place of every second planned read but the list's.

        A charger's first history takes the others, too, and what a command waits for takes any. That it is refused
        says nothing of the cloud or of the charger, unless it is for the pace: a pace on trial is to blame for a 403
        where the same could be read before.
        """
        waits = self._again is not None or self._planner.is_wanted or bool(self._planner.complete_after())
        waits = waits or planned == LIST or self._planner.is_unsettled(planned)
        extra = None if self._last_was_extra else self._extra.next(waits=waits, had_last_turn=self._turn_was_extra)
        if extra is None:
            return False
        begun = self._clock.monotonic()
        try:
            extra.take(extra.ask())
        except BudgetSpentError as error:
            self._not_before = self._clock.monotonic() + error.ready_in_s
            return True
        except CloudError as error:
            was_answered = (extra.kind, extra.charger_id) in self._extras_answered
            if isinstance(error, ForbiddenError) and self._rate.is_on_trial and was_answered:
                error = RateLimitedError(str(error), error.http_status)
            self._extra_renews = isinstance(error, UnauthorizedError) and not self._extra_renews
            if not self._extra_renews:  # else it stays due, for once more with a new token
                extra.failed(error)
            if isinstance(error, RateLimitedError):
                self._refused(Target(Document.DETAIL, extra.charger_id), error)
        else:
            self._extra_renews = False
            self._extras_answered.add((extra.kind, extra.charger_id))
        self._planner.record_extra()
        self._last_begun, self._last_was_extra, self._turn_was_extra = begun, True, True
        self._due = False
        return True

    def _may_pass_backoff(self) -> bool:
        """Return whether to read the list although reads are held off: somebody has changed the account's chargers."""
        rested = self._clock.monotonic() - self._passed_backoff >= _PASS_BACKOFF_EACH_S
        return self._list_asked and rested and not self._backoff.is_told and self._allowed_in_s() <= 0

    def _tell_of_no_token(self) -> None:
        """Tell of a sign-in that failed on another thread, or in an earlier run: no read will succeed for a while."""
        if self._tokens.refused_wait_s() > 0:
            if self._status.reason != AuthError.reason:
                self._status.read_failed(AuthError("the credentials were refused"))
        elif self._tokens.failed_wait_s() > 0 and self._told_failures != self._tokens.failures:
            self._told_failures = self._tokens.failures
            self._status.read_failed(self._tokens.failure)

    def _wait_s(self) -> float:
        """Return the seconds until the next read: 0 is now, five where nothing is due."""
        wanted = self._planner.is_wanted or self._again is not None or self._extra.is_wanted
        if not self._due and not wanted:
            return IDLE_S
        waits = [self._backoff.wait_s(), self._allowed_in_s()]
        if self._last_begun is not None and (self._backoff.is_slowed or not wanted):
            # two at once would stay two at once, minute by minute; a pace that was refused is not tried again at all
            waits.append(self._last_begun + self._backoff.interval_s - self._clock.monotonic())
        if (wait := max(waits)) > 0 or wanted:
            return wait
        return self.readings.delay_s(self._backoff.interval_s)

    def _allowed_in_s(self) -> float:
        """Return the seconds until the budget and the token allow a read."""
        waits = [self._reads.ready_in_s(), self._tokens.wait_s(), self._not_before - self._clock.monotonic()]
        if self._tokens.spends_a_write():
            waits.append(self._writes.ready_in_s())
        return max(waits)

    def _read(self, target: Target) -> None:
        begun = self._clock.monotonic()
        try:
            answer = self._ask(target)
            self.readings.take(target, answer, self._backoff.interval_s)
        except BudgetSpentError as error:
            self._not_before = self._clock.monotonic() + error.ready_in_s
        except CloudError as error:
            self._began(target, begun)
            self._failed(target, error)
        else:
            self._began(target, begun)
            self._again = None
            self._rate.record_success()
            self._backoff.set_budget_interval(self._reads.interval_s)
            self._backoff.succeeded()
            too_fast = self._quarantine.record_success(target)
            self._status.read_succeeded("no_chargers" if target == LIST and self._registry.has_none else "ok")
            self._trouble.ended()
            self.readings.tell(target, answer)
            if too_fast is not None:
                self._refused(too_fast, ForbiddenError("the cloud answered 403", HTTPStatus.FORBIDDEN))
        self.readings.settle()

    def _began(self, target: Target, begun: float) -> None:
        self._last_begun, self._last_was_extra = begun, False
        self._turn_was_extra = self._turn_was_extra and target == LIST
        self._due = False
        self._list_asked = self._list_asked and target != LIST
        self._planner.record_read(target)

    def _ask(self, target: Target) -> CloudResponse:
        match target.document:
            case Document.LIST:
                return self._cloud.chargers()
            case Document.DETAIL:
                return self._cloud.detail(target.charger_id)
            case Document.BASIC:
                return self._cloud.basic(target.charger_id)

    def _failed(self, target: Target, error: CloudError) -> None:
        again, self._again = self._again, None
        match error:
            case UnauthorizedError() if again != target and self._tokens.refused_wait_s() <= 0:
                # the token is dropped: once more with a new one, when the budget allows
                self._again = target
                self._status.answered()
                return
            case UnauthorizedError() if self._tokens.refused_wait_s() > 0:
                error = AuthError("fresh tokens are refused again and again", error.http_status)
            case RateLimitedError():
                self._refused(target, error)
            case ForbiddenError():
                # a pace on trial is to blame at once, but for a charger that is refused for its own sake
                is_pace = self._rate.is_on_trial and self._registry.problem_of(target.charger_id) is None
                if is_pace or self._quarantine.record_forbidden(target):
                    self._refused(target, error)
                else:
                    self._status.answered()
                    self._answer_refused(target, error)
                return
            case RequestRefusedError(http_status=status) if status in _NOT_FOUND and target != LIST:
                self._quarantine.record_not_found(target, status)
                if not self._quarantine.asks_for_list:
                    self._status.answered()
                    self._answer_refused(target, error)
                    return
            case AuthError() if not self._tokens.worked_before:
                self._listener.credentials_rejected(error)
        self._quarantine.record_failure(target, error)
        self._told_failures = self._tokens.failures
        self._status.read_failed(error)
        if not isinstance(error, RateLimitedError):
            self._tell(target, error.reason, error)

    def _answer_refused(self, target: Target, error: CloudError) -> None:
        """Answer who waits for a document that is refused for its charger's sake: it would be again."""
        reason = self._registry.problem_of(target.charger_id)
        if target.document is not Document.DETAIL or reason is None:
            return
        for command in self._queue.read(target.charger_id, math.inf):
            self._results.failed(command, reason, error.http_status)

    def _refused(self, target: Target, error: CloudError) -> None:
        is_slower = self._rate.record_refusal()
        self._backoff.set_budget_interval(self._reads.interval_s)
        retry_after_s = error.retry_after_s if isinstance(error, RateLimitedError) else None
        self._backoff.refused(retry_after_s, is_slower=is_slower)
        self._status.rate_limited()
        self._tell(target, RateLimitedError.reason, error, f" backoff_s={self._backoff.wait_s():.0f}")

    def _tell(self, target: Target, reason: str, error: CloudError, more: str = "") -> None:
        self._trouble.occurs(reason, f"reason={reason} {target} error={str(error)!r}{more}")
