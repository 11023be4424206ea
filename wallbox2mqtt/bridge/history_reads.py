"""Pages of the cloud's history of sessions: asked for on one thread, read on the reader's, a page at a time."""

import threading
from dataclasses import dataclass, replace

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.errors import CloudError

PAGE = 1000
"""Sessions that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """The sessions of a charger from ``start`` to ``end`` (seconds since 1970), without the first ``offset``."""

    charger_id: int
    start: int
    end: int
    offset: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all sessions are wanted: there are no sums of the charger yet."""
        return self.start == 0

    def after(self, count: int) -> "Page":
        """Return the page behind this one, which had so many sessions."""
        return replace(self, offset=self.offset + count)


@dataclass(frozen=True, slots=True)
class PageRead:
    """What became of a page: its document, or why there is none."""

    page: Page
    body: Json = None
    error: CloudError | None = None


class HistoryReads:
    """The pages that are wanted, and those that were read. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: list[Page] = []
        self._read: list[PageRead] = []

    def want(self, page: Page) -> None:
        """Ask for a page, when a read is due and nobody waits for anything else."""
        with self._lock:
            if page not in self._wanted:
                self._wanted.append(page)

    def next(self) -> Page | None:
        """Return the page to read now, if one is wanted."""
        with self._lock:
            return self._wanted[0] if self._wanted else None

    def record(self, read: PageRead) -> None:
        """Record what became of a page."""
        with self._lock:
            if read.page in self._wanted:
                self._wanted.remove(read.page)
            self._read.append(read)

    def take(self) -> list[PageRead]:
        """Return what was read since the last call."""
        with self._lock:
            read, self._read = self._read, []
            return read
