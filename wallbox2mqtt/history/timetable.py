"""When the history of a charger is read: once after a start, after a session, daily, and again after a failure."""

import zlib
from dataclasses import dataclass, field

from wallbox2mqtt.bridge.history_reads import HistoryReads, Page, PageRead
from wallbox2mqtt.errors import CloudError, NotSentError, RateLimitedError, ServerError, UnauthorizedError
from wallbox2mqtt.history.entries import Entry, read_page

AFTER_SESSION_S = 120.0
_DAY_S = 86_400
_AGAIN_S, _LATER_S = 60.0, 3600.0
_UNTIL_READ_S = 900.0
_FIRST_TRIES = 3
"""So often at once, while nothing can be shown without it."""
_PASSES = (ServerError, RateLimitedError, UnauthorizedError, NotSentError)


@dataclass(slots=True)
class _HistoryState:
    due: float
    asked: bool = False
    start: int = 0
    failures: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CompleteHistory:
    """All sessions of a charger from ``start`` on."""

    charger_id: int
    start: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """The history could not be read. ``final``: trying again at once would not help."""

    charger_id: int
    reason: str
    final: bool


class HistoryTimetable:
    """Asks for pages when they are due, and puts them together. One thread calls it; times are wall-clock seconds."""

    def __init__(self, reads: HistoryReads) -> None:
        self._reads = reads
        self._chargers: dict[int, _HistoryState] = {}

    def add(self, charger_id: int, now: float) -> None:
        """Make the history of a new charger due now."""
        self._chargers.setdefault(charger_id, _HistoryState(now))

    def session_ended(self, charger_id: int, now: float) -> None:
        """Make it due soon: the cloud takes a while to have a session."""
        charger = self._chargers.setdefault(charger_id, _HistoryState(now))
        charger.due = min(charger.due, now + AFTER_SESSION_S)

    def waits(self, charger_id: int, now: float) -> None:
        """Make it due again when the charger may have been read: an entry was newer than the last reading."""
        charger = self._chargers[charger_id]
        charger.due = min(charger.due, now + _UNTIL_READ_S)

    def is_due(self, charger_id: int, now: float) -> bool:
        """Return whether to ask for it."""
        charger = self._chargers.get(charger_id)
        return charger is not None and not charger.asked and now >= charger.due

    def ask(self, charger_id: int, start: float, now: float) -> None:
        """Ask for all sessions from ``start`` on."""
        charger = self._chargers[charger_id]
        charger.asked, charger.start, charger.entries = True, int(start), {}
        # the cloud's clock may be ahead
        self._reads.want(Page(charger_id, charger.start, int(now) + _DAY_S))

    def take(self, now: float) -> list[CompleteHistory | Failure]:
        """Return what has become of what was asked for; where another page follows, ask for it."""
        taken = [self._take(read, now) for read in self._reads.take()]
        return [one for one in taken if one is not None]

    def _take(self, read: PageRead, now: float) -> CompleteHistory | Failure | None:
        page = read.page
        charger = self._chargers[page.charger_id]
        if read.error is not None:
            return self._failed(page.charger_id, charger, read.error, now)
        try:
            entries, count, has_next = read_page(read.body)
        except ValueError as error:
            return self._failed(page.charger_id, charger, error, now)
        before = len(charger.entries)
        charger.entries |= {entry.id: entry for entry in entries}
        if has_next and len(charger.entries) > before:  # a page that repeats itself has no end
            self._reads.want(page.after(count))
            return None
        found, charger.entries = tuple(charger.entries.values()), {}
        charger.asked, charger.failures, charger.due = False, 0, daily_after(now, page.charger_id)
        return CompleteHistory(page.charger_id, page.start, found)

    def _failed(self, charger_id: int, charger: _HistoryState, error: CloudError | ValueError, now: float) -> Failure:
        charger.asked, charger.entries = False, {}
        charger.failures += 1
        passes = isinstance(error, _PASSES)
        is_first = charger.failures < _FIRST_TRIES
        charger.due = now + (_AGAIN_S if is_first and passes else _LATER_S if passes else _DAY_S)
        return Failure(charger_id, str(error)[:200], final=not (passes and is_first))


def daily_after(now: float, charger_id: int) -> float:
    """Return when a charger's history is read daily: its own second of the day, so that bridges are not in step."""
    second = zlib.crc32(str(charger_id).encode()) % _DAY_S
    return now + _DAY_S - (now - second) % _DAY_S
