"""What becomes of a response to a read: the state shows it, and its listeners hear of it. On the reader's thread."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from wallbox2mqtt.bridge.report_phase import ReportPhase
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.bridge.target import Document, Target
from wallbox2mqtt.cloud import CloudResponse
from wallbox2mqtt.cloud.documents import Listed, Reading, read_basic, read_detail, read_sweep
from wallbox2mqtt.errors import AuthError

_LOG = logging.getLogger(__name__)

_MOST_TOLD = 20
"""So many chargers found at once get a line each."""
_LONGEST_NAME = 64
_SHORT = 0.25
"""A read is put off by this share of the interval at most where several chargers charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """The callbacks of the reader's thread.

    ``listed``: of a good listing, and of the chargers that are gone for good. ``detailed``: of a charger whose detail
    was read. ``credentials_rejected``: of credentials that are refused and never worked.
    """

    listed: Callable[[list[int]], None]
    detailed: Callable[[int], None]
    credentials_rejected: Callable[[AuthError], None]


def show(shared: Shared, charger_id: int, reading: Reading, answer: CloudResponse) -> None:
    """Show what an answer says of a charger, and tell of commands that it proves wrong."""
    for command in shared.states.take_reading(charger_id, reading, answer.begun, answer.server_time):
        shared.results.not_confirmed(command, shared.states.view(charger_id))


class Readings:
    """Takes answers, and knows from them when a charger reports next."""

    def __init__(self, shared: Shared, listener: Listener) -> None:
        self._shared, self._listener = shared, listener
        self._phase = ReportPhase()
        self._found: set[int] = set()

    def take(self, target: Target, answer: CloudResponse, interval_s: float) -> None:
        """Put an answer into the state; ``interval_s`` is the time between two reads.

        Raises:
            BadAnswerError: it is of the wrong shape.

        """
        match target.document:
            case Document.LIST:
                self._take_list(answer, interval_s)
            case Document.DETAIL:
                reading, is_first = read_detail(answer.body), not self._shared.states.has_detail(target.charger_id)
                show(self._shared, target.charger_id, reading, answer)
                self._observe(target.charger_id, reading, answer)
                self._shared.registry.record_limits(target.charger_id, reading.values)
                if is_first:
                    name = str(reading.values.get("name"))[:_LONGEST_NAME]
                    _LOG.info("the charger is complete charger=%d name=%r", target.charger_id, name)
            case Document.BASIC:
                show(self._shared, target.charger_id, read_basic(answer.body), answer)

    def _take_list(self, answer: CloudResponse, interval_s: float) -> None:
        listing = read_sweep(answer.body)
        gone = self._shared.planner.record_list(listing)
        self._tell_found(listing, interval_s)
        ours = set(self._shared.registry.chargers)
        for listed in listing:
            if listed.charger_id in ours:
                show(self._shared, listed.charger_id, listed.reading, answer)
        self._listener.listed(gone)

    def _tell_found(self, listing: list[Listed], interval_s: float) -> None:
        """Write a line for each charger that is met for the first time since the start."""
        first_s, complete_after = self._shared.reads.ready_in_s(), self._shared.planner.complete_after()
        new = [one for one in listing if one.charger_id not in self._found and one.charger_id in complete_after]
        self._found |= {one.charger_id for one in listing}
        if len(new) > _MOST_TOLD:
            _LOG.info("found chargers count=%d", len(new))
            return
        for one in new:
            names = one.name[:_LONGEST_NAME], one.model[:_LONGEST_NAME]
            complete_in_s = first_s + (complete_after[one.charger_id] - 1) * interval_s
            text = "found a charger charger=%d name=%r model=%r complete_in_s=%.0f"
            _LOG.info(text, one.charger_id, *names, complete_in_s)

    def _observe(self, charger_id: int, reading: Reading, answer: CloudResponse) -> None:
        """Record when a charging charger last reported."""
        last_sync, live_s = reading.values.get("last_sync"), reading.values.get("live_refresh_time")
        if answer.server_time is None or not isinstance(last_sync, str):
            return
        self._phase.observe(
            charger_id,
            datetime.fromisoformat(last_sync).timestamp(),
            float(live_s) if isinstance(live_s, int | float) else None,
            answer.server_time,
            answer.begun,
            self._shared.clock.monotonic(),
        )

    def tell(self, target: Target, answer: CloudResponse) -> None:
        """Answer those who waited for this document."""
        if target.document is not Document.DETAIL:
            return
        for command in self._shared.queue.take_read(target.charger_id, answer.begun):
            self._shared.results.ok(command, answer.http_status)
        if self._shared.queue.awaits_reading(target.charger_id):
            # one that came while the document was under way asks for a newer one
            self._shared.planner.want(target.charger_id)
        self._listener.detailed(target.charger_id)

    def settle(self) -> None:
        """Record after each read which chargers are absent, and forget when those report that do not charge."""
        for charger_id in self._shared.registry.chargers:
            self._shared.states.mark_absent(charger_id, absent=self._shared.registry.is_absent(charger_id))
        self._phase.keep(self._shared.states.is_charging)

    def delay_s(self, interval_s: float) -> float:
        """Return for how long to put a read off: one just before a report shows what is almost a report older."""
        delay = self._phase.delay_s(self._shared.clock.monotonic(), interval_s)
        charging = sum(map(self._shared.states.is_charging, self._shared.registry.readable))
        # where several charge, what one gains the others lose
        return delay if charging <= 1 or delay <= interval_s * _SHORT else 0.0
