"""What is read rarely, in the place of a planned read: a charger's schedules, and pages of its history."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from wallbox2mqtt.bridge.history_reads import PAGE, Page, PageRead
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.catalogue.zones import offset_min
from wallbox2mqtt.cloud import CloudClient, CloudResponse
from wallbox2mqtt.cloud.documents import Reading
from wallbox2mqtt.cloud.schedules import read_schedules
from wallbox2mqtt.errors import CloudError, RequestRefusedError
from wallbox2mqtt.log import RepeatedFault

_LOG = logging.getLogger(__name__)

Show = Callable[[int, Reading, CloudResponse], None]


@dataclass(frozen=True, slots=True)
class ExtraRead:
    """A read: how to ask, and who takes the answer (a CloudError where it is none) or hears that there is none."""

    kind: Literal["schedules", "history"]
    charger_id: int
    ask: Callable[[], CloudResponse]
    take: Callable[[CloudResponse], None]
    failed: Callable[[CloudError], None]


class ExtraReads:
    """Knows the next one. The reader's thread calls it."""

    def __init__(self, shared: Shared, cloud: CloudClient, show: Show) -> None:
        """``show`` takes what an answer says of a charger."""
        self._cloud, self._show, self._states, self._clock = cloud, show, shared.states, shared.clock
        self._history, self._schedules = shared.history, shared.schedules
        self._trouble = RepeatedFault(
            _LOG, "the schedules cannot be read", "the schedules are read again", shared.clock
        )

    @property
    def is_wanted(self) -> bool:
        """Whether a command waits for one."""
        return self._schedules.is_wanted

    def next(self, *, waits: bool, had_last_turn: bool) -> ExtraRead | None:
        """Return what to read now.

        Args:
            waits: somebody waits for a planned read, which only a command may pass.
            had_last_turn: the last planned read but the list's was given to one of these, so that the next is not,
                but for the first history of a charger: without it there is no ``energy_total``.

        """
        page = None if waits else self._history.next()
        if page is not None and page.is_whole and not self.is_wanted:
            return self._history_read(page)
        waits = waits or had_last_turn
        if (charger_id := self._schedules.next(wanted=waits)) is not None:
            return ExtraRead(
                "schedules",
                charger_id,
                partial(self._cloud.schedules, charger_id),
                partial(self._take_schedules, charger_id),
                partial(self._no_schedules, charger_id),
            )
        return None if page is None or waits else self._history_read(page)

    def _history_read(self, page: Page) -> ExtraRead:
        ask = partial(self._cloud.sessions, page.charger_id, page.start, page.end, PAGE, page.offset)
        return ExtraRead("history", page.charger_id, ask, partial(self._take_page, page), partial(self._no_page, page))

    def _take_schedules(self, charger_id: int, answer: CloudResponse) -> None:
        offset = offset_min(self._states.view(charger_id), self._clock.wall())
        reading = read_schedules(answer.body, offset)
        self._trouble.ended()
        self._show(charger_id, reading, answer)
        self._schedules.succeeded(charger_id)

    def _no_schedules(self, charger_id: int, error: CloudError) -> None:
        self._schedules.failed(charger_id, error)
        # a cloud that has none for a charger is no fault
        level = logging.INFO if isinstance(error, RequestRefusedError) else logging.WARNING
        self._trouble.occurs(str(error), f"charger={charger_id} error={str(error)!r}", level)

    def _take_page(self, page: Page, answer: CloudResponse) -> None:
        self._history.record(PageRead(page, answer.body))

    def _no_page(self, page: Page, error: CloudError) -> None:
        self._history.record(PageRead(page, error=error))
