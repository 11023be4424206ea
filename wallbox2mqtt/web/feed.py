"""The events: everything once, and then what has changed, encoded once for all clients."""

import time
from collections.abc import Callable

from wallbox2mqtt.web.document import StatusDocument
from wallbox2mqtt.web.http import encoded_json
from wallbox2mqtt.web.server import Events
from wallbox2mqtt.web.snapshot import StatusSnapshot

LEAST_S = 1.0
"""Between two events."""


class Feed(Events):
    """What those who follow are told. The port's thread calls it."""

    def __init__(self, document: StatusDocument, now: Callable[[], float] = time.monotonic) -> None:
        """Look at nothing yet; ``now``: real seconds."""
        self._document, self._now = document, now
        self._told = document.snapshot()
        self._looked = now()
        self._number = 0
        self._whole: bytes | None = None

    def begin(self) -> None:
        """Look anew: nobody has followed so far."""
        self._take(self._document.snapshot())

    def _take(self, snapshot: StatusSnapshot) -> None:
        self._told, self._looked, self._whole = snapshot, self._now(), None
        self._number += 1

    def whole(self) -> bytes:
        """Return the event that has everything, as it was told last."""
        if self._whole is None:
            self._whole = self._event("status", self._document.whole(self._told))
        return self._whole

    def change(self) -> bytes | None:
        """Return the event of what has changed since it was told last; None where nothing has, or too soon."""
        if self._now() - self._looked < LEAST_S:
            return None
        self._looked = self._now()
        snapshot = self._document.snapshot()
        changes = snapshot.changes_since(self._told)
        if changes is None:
            return None
        self._take(snapshot)
        return self._event("change", changes)

    def beat(self) -> bytes:
        """Return the event that says that the line is alive."""
        return self._event("beat", encoded_json({"now": self._document.now()}))

    def _event(self, name: str, data: bytes) -> bytes:
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self._number, name.encode(), data)
