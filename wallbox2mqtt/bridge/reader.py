"""The reader: decides when to read, spends the read budget on what the planner says, and judges failures."""

import logging
import math
from http import HTTPStatus

from wallbox2mqtt.bridge.extra_reads import ExtraReads
from wallbox2mqtt.bridge.history_reads import PAGE, Page
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
        self._shared, self._cloud, self._backoff, self._status = shared, cloud, backoff, status
        self._listener, self._status_reads = listener, status_reads
        self._clock = shared.clock
        self.readings = Readings(shared, listener)
        self._extra = ExtraReads(shared)
        self.wakeup = Wakeup(shared.clock)
        self._due = True
        self._again: Target | None = None
        self._not_before = 0.0
        self._passed_backoff = -math.inf
        self._told_failures = 0
        self.begun: float | None = None
        """When the last read began, successful or not; None before the first."""
        self._trouble = RepeatedFault(_LOG, "read failed", "reads succeed again", shared.clock)

    def tick(self) -> None:
        """Say that a read is due; several before it happens are one. Who still waits for a failed read asks again."""
        for charger_id in self._shared.queue.awaited().intersection(self._shared.registry.chargers):
            self._shared.planner.want(charger_id)
        self._due = True
        self.wakeup.set()

    def want(self, charger_id: int) -> None:
        """Read this charger's detail as soon as the budget allows: a command waits for it."""
        self._shared.planner.want(charger_id)
        self.wakeup.set()

    def want_all(self) -> None:
        """Read everything as soon as the budget allows; the list also while reads are held off after a refusal."""
        self._shared.planner.want_all()
        self.wakeup.set()

    def step(self) -> float:
        """Read one document if one is due; return the seconds after which to look again at the latest."""
        wait = self._wait_s()
        if wait <= 0:
            self._read(self._again or self._next())
        elif self._may_pass_backoff():
            self._passed_backoff = self._clock.monotonic()
            self._read(LIST)
        else:
            self._tell_of_no_token()
            return min(wait, IDLE_S, self._status_wait_s())
        return 0.0

    def _next(self) -> Target:
        """Return what to read now: what is planned, or what is read rarely in its place."""
        planned = self._shared.planner.next(with_basics=self._cloud.basic_ready_in_s() <= 0)
        return self._extra.next(self._shared.planner.extra_for(planned)) or planned

    def _status_wait_s(self) -> float:
        """Send an extra status read if one is due; return the seconds until one may be."""
        if self.begun is None or self._backoff.wait_s() > 0:
            return IDLE_S
        return self._status_reads.step(self.begun, self._backoff.interval_s)

    def _may_pass_backoff(self) -> bool:
        """Return whether to read the list although reads are held off: somebody has changed the account's chargers."""
        rested = self._clock.monotonic() - self._passed_backoff >= _PASS_BACKOFF_EACH_S
        is_asked = self._shared.planner.is_list_wanted
        return is_asked and rested and not self._backoff.is_told and self._allowed_in_s() <= 0

    def _tell_of_no_token(self) -> None:
        """Tell of a sign-in that failed on another thread, or in an earlier run: no read will succeed for a while."""
        tokens = self._shared.tokens
        if tokens.refused_wait_s() > 0:
            if self._status.reason != AuthError.reason:
                self._status.read_failed(AuthError("the credentials were refused"))
        elif tokens.failed_wait_s() > 0 and self._told_failures != tokens.failures:
            self._told_failures = tokens.failures
            self._status.read_failed(tokens.failure)

    def _wait_s(self) -> float:
        """Return the seconds until the next read: 0 is now, five where nothing is due."""
        wanted = self._shared.planner.is_wanted or self._again is not None or self._shared.schedule_reads.is_wanted
        if not self._due and not wanted:
            return IDLE_S
        waits = [self._backoff.wait_s(), self._allowed_in_s()]
        if self.begun is not None and (self._backoff.is_slowed or not wanted):
            # two at once would stay two at once, minute by minute; a pace that was refused is not tried again at all
            waits.append(self.begun + self._backoff.interval_s - self._clock.monotonic())
        if (wait := max(waits)) > 0 or wanted:
            return wait
        return self.readings.delay_s(self._backoff.interval_s)

    def _allowed_in_s(self) -> float:
        """Return the seconds until the budget and the token allow a read."""
        tokens = self._shared.tokens
        waits = [self._shared.reads.ready_in_s(), tokens.wait_s(), self._not_before - self._clock.monotonic()]
        if tokens.spends_a_write():
            waits.append(self._shared.writes.ready_in_s())
        return max(waits)

    def _read(self, target: Target) -> None:
        begun = self._clock.monotonic()
        try:
            answer = self._ask(target)
            if target.is_extra:
                self._extra.take(target, answer)
            else:
                self.readings.take(target, answer, self._backoff.interval_s)
        except BudgetSpentError as error:
            self._not_before = self._clock.monotonic() + error.ready_in_s
        except CloudError as error:
            self._began(target, begun)
            self._failed(target, error)
        else:
            self._began(target, begun)
            self._again = None
            if not target.is_extra:
                self._succeeded(target, answer)
        self.readings.settle()

    def _began(self, target: Target, begun: float) -> None:
        self.begun, self._due = begun, False
        self._shared.planner.record_read(target)

    def _ask(self, target: Target) -> CloudResponse:
        match target:
            case Target(Document.LIST):
                return self._cloud.chargers()
            case Target(Document.DETAIL):
                return self._cloud.detail(target.charger_id)
            case Target(Document.BASIC):
                return self._cloud.basic(target.charger_id)
            case Target(page=Page() as page):
                return self._cloud.sessions(target.charger_id, page.start, page.end, PAGE, page.offset)
            case _:
                return self._cloud.schedules(target.charger_id)

    def _succeeded(self, target: Target, answer: CloudResponse) -> None:
        self._shared.rate.record_success()
        self._backoff.set_budget_interval(self._shared.reads.interval_s)
        self._backoff.succeeded()
        too_fast = self._shared.quarantine.record_success(target)
        self._status.read_succeeded("no_chargers" if target == LIST and self._shared.registry.has_none else "ok")
        self._trouble.ended()
        self.readings.tell(target, answer)
        if too_fast is not None:
            self._refused(too_fast, ForbiddenError("the cloud answered 403", HTTPStatus.FORBIDDEN))

    def _failed(self, target: Target, error: CloudError) -> None:
        again, self._again = self._again, None
        if isinstance(error, UnauthorizedError) and again != target and self._shared.tokens.refused_wait_s() <= 0:
            # the token is dropped: once more with a new one, when the budget allows
            self._again = target
            self._status.answered()
        elif target.is_extra:
            self._extra_failed(target, error)
        else:
            self._planned_failed(target, error)

    def _planned_failed(self, target: Target, error: CloudError) -> None:
        tokens, quarantine = self._shared.tokens, self._shared.quarantine
        match error:
            case UnauthorizedError() if tokens.refused_wait_s() > 0:
                error = AuthError("fresh tokens are refused again and again", error.http_status)
            case RateLimitedError():
                self._refused(target, error)
            case ForbiddenError():
                # a pace on trial is to blame at once, but for a charger that is refused for its own sake
                is_pace = self._shared.rate.is_on_trial and self._shared.registry.problem_of(target.charger_id) is None
                if is_pace or quarantine.record_forbidden(target):
                    self._refused(target, error)
                else:
                    self._answer_refused(target, error)
                return
            case RequestRefusedError(http_status=status) if status in _NOT_FOUND and target != LIST:
                quarantine.record_not_found(target, status)
                if not quarantine.asks_for_list:
                    self._answer_refused(target, error)
                    return
            case AuthError() if not tokens.worked_before:
                self._listener.credentials_rejected(error)
        quarantine.record_failure(target, error)
        self._told_failures = tokens.failures
        self._status.read_failed(error)
        if not isinstance(error, RateLimitedError):
            self._tell(target, error.reason, error)

    def _extra_failed(self, target: Target, error: CloudError) -> None:
        """Record a failure that says nothing of the cloud or of the charger, unless it is for the pace.

        A pace on trial is to blame for a 403 where the same could be read before.
        """
        is_pace = isinstance(error, ForbiddenError) and self._shared.rate.is_on_trial
        if is_pace and self._extra.was_answered(target):
            error = RateLimitedError(str(error), error.http_status)
        self._extra.failed(target, error)
        if isinstance(error, RateLimitedError):
            self._refused(target, error)

    def _answer_refused(self, target: Target, error: CloudError) -> None:
        """Answer who waits for a document that is refused for its charger's sake: it would be again."""
        self._status.answered()
        reason = self._shared.registry.problem_of(target.charger_id)
        if target.document is not Document.DETAIL or reason is None:
            return
        for command in self._shared.queue.take_read(target.charger_id, math.inf):
            self._shared.results.failed(command, reason, error.http_status)

    def _refused(self, target: Target, error: CloudError) -> None:
        is_slower = self._shared.rate.record_refusal()
        self._backoff.set_budget_interval(self._shared.reads.interval_s)
        retry_after_s = error.retry_after_s if isinstance(error, RateLimitedError) else None
        self._backoff.refused(retry_after_s, is_slower=is_slower)
        self._status.rate_limited()
        self._tell(target, RateLimitedError.reason, error, f" backoff_s={self._backoff.wait_s():.0f}")

    def _tell(self, target: Target, reason: str, error: CloudError, more: str = "") -> None:
        self._trouble.occurs(reason, f"reason={reason} {target} error={str(error)!r}{more}")
