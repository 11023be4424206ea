"""What is read seldom, in place of a planned read: a charger's schedules, and pages of its history."""

import logging

from wallbox2mqtt.bridge.history_reads import PageRead
from wallbox2mqtt.bridge.readings import show
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.bridge.target import Document, Extra, Target
from wallbox2mqtt.catalogue.zones import offset_min
from wallbox2mqtt.cloud import CloudResponse
from wallbox2mqtt.cloud.schedules import read_schedules
from wallbox2mqtt.errors import CloudError, RequestRefusedError
from wallbox2mqtt.log import RepeatedFault

_LOG = logging.getLogger(__name__)


class ExtraReads:
    """Knows the next one, and who takes its answer. The reader's thread calls it."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._answered: set[tuple[Document, int]] = set()
        self._trouble = RepeatedFault(
            _LOG, "the schedules cannot be read", "the schedules are read again", shared.clock
        )

    def next(self, allowed: Extra) -> Target | None:
        """Return what to read now in place of a planned document, if anything."""
        page, is_wanted = self._shared.history_reads.next(), self._shared.schedule_reads.is_wanted
        history = None if page is None else Target(Document.HISTORY, page.charger_id, page)
        if page is not None and page.is_whole and not is_wanted and allowed >= Extra.FIRST_HISTORY:
            return history
        if allowed and (charger_id := self._shared.schedule_reads.next(wanted=allowed < Extra.ANYTHING)) is not None:
            return Target(Document.SCHEDULES, charger_id)
        return history if allowed is Extra.ANYTHING else None

    def was_answered(self, target: Target) -> bool:
        """Return whether this document of this charger could be read in this run."""
        return (target.document, target.charger_id) in self._answered

    def take(self, target: Target, answer: CloudResponse) -> None:
        """Take an answer.

        Raises:
            BadAnswerError: it is of the wrong shape.

        """
        charger_id = target.charger_id
        if target.page is not None:
            self._shared.history_reads.record(PageRead(target.page, answer.body))
        else:
            offset = offset_min(self._shared.states.view(charger_id), self._shared.clock.wall())
            reading = read_schedules(answer.body, offset)
            self._trouble.ended()
            show(self._shared, charger_id, reading, answer)
            self._shared.schedule_reads.succeeded(charger_id)
        self._answered.add((target.document, charger_id))

    def failed(self, target: Target, error: CloudError) -> None:
        """Record that there is no answer."""
        if target.page is not None:
            self._shared.history_reads.record(PageRead(target.page, error=error))
            return
        self._shared.schedule_reads.failed(target.charger_id, error)
        # a cloud that has none for a charger is no fault
        level = logging.INFO if isinstance(error, RequestRefusedError) else logging.WARNING
        self._trouble.occurs(str(error), f"charger={target.charger_id} error={str(error)!r}", level)
