"""A command and a running bridge keep one budget, in turns: what the other process of this machine has asked.

Each writes the times of its requests into a file of its own, and reads the other's before it asks.
"""

import logging
from pathlib import Path

from wallbox2mqtt.catalogue.quantities import Json, is_number
from wallbox2mqtt.cloud.journal import place_of
from wallbox2mqtt.storage import StateError, Storage, number

_LOG = logging.getLogger(__name__)

ASKED = "asked"
"""The key of the time at which the last request began, or a command that is to ask, seconds since 1970."""
_LONGEST_REQUEST_S = 60.0
"""A request that is said to be under way for longer is one of a process that was killed."""

_Version = tuple[int, int] | None


class OtherProcess:
    """What the other process wrote last, as of the last look."""

    def __init__(self, name: str, storage: Storage) -> None:
        """Name its file."""
        self._name = name
        self._home = self._place = storage.elsewhere(storage.directory)
        self._seen: tuple[_Version, _Version] = (None, None)
        self._kept: dict[str, Json] = {}

    def look(self, now: float) -> None:
        """Read what it wrote since; where that is damaged, its request counts as now. ``now``: seconds since 1970."""
        seen = self._versions()
        if seen != self._seen:
            try:
                self._place = place_of(self._name, self._home)
                kept = self._place.load(self._name)
            except StateError as error:
                _LOG.debug("what another process asked cannot be read file=%s error=%s", self._name, error)
                kept = {"ends": [[now, 1]]}
            self._kept, self._seen = kept or {}, (seen[0], self._versions()[1])

    def _versions(self) -> tuple[_Version, _Version]:
        home = _version(self._home.path(self._name))
        return home, home if self._place is self._home else _version(self._place.path(self._name))

    def ends(self, now: float, most: int) -> list[float]:
        """Return when its requests ended, since 1970; those that are under way end now. ``most``: counted of a time."""
        kept = self._kept
        entries = kept.get("ends")
        ends = [end for entry in entries for end in times_of(entry, most)] if isinstance(entries, list) else []
        if (running := int(number(kept, "running"))) > 0:
            ends += [min(now, number(kept, ASKED, now) + _LONGEST_REQUEST_S)] * min(running, most)
        return ends

    def is_near(self, now: float, window_s: float) -> bool:
        """Return whether it asked within the last three windows: it is at work."""
        return 0 <= now - number(self._kept, ASKED) < 3 * window_s


def times_of(entry: Json, most: int) -> list[float]:
    """Return the times of an entry, which is (time, count), but no more than ``most``; empty if it is not one."""
    match entry:
        case [int() | float() as end, int() as count] if is_number(end) and is_number(count) and count > 0:
            return [float(end)] * min(count, most)
    return []


def _version(path: Path) -> _Version:
    """Return what tells one version of a file from the next; None: there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
