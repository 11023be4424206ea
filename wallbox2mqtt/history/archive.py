"""The history as it was read last, kept in ``state_dir``, so that ``sessions`` need not ask the cloud again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.history.entries import Entry
from wallbox2mqtt.history.saved import restored_list, saved
from wallbox2mqtt.storage import Storage

_FILE = "history"
_NO_COSTS: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Kept:
    """The sessions of a charger that ended or began from ``start`` to ``read``, seconds since 1970."""

    start: float
    read: float
    entries: tuple[Entry, ...]


class Archive:
    """The sessions by charger."""

    def __init__(self, storage: Storage) -> None:
        """Use the files of an account."""
        self._storage = storage

    def chargers(self) -> dict[int, Kept]:
        """Return what is kept; what is of another form is left out."""
        kept = self._storage.read(_FILE).get("chargers")
        items = kept.items() if isinstance(kept, dict) else ()
        return {int(name): found for name, one in items if name.isdecimal() and (found := _kept(one)) is not None}

    def changed_ns(self) -> int:
        """Return when what is kept was written last, in the file system's nanoseconds; 0 where nothing is kept."""
        try:
            return self._storage.path(_FILE).stat().st_mtime_ns
        except OSError:
            return 0

    def add(
        self,
        charger_id: int,
        start: float,
        entries: Iterable[Entry],
        now: float,
        costs: Mapping[str, float] = _NO_COSTS,
    ) -> None:
        """Keep all sessions of a charger from ``start`` on, beside the older ones that are kept.

        ``costs``: what sessions really cost, by their ids; what is known of others stays.
        """
        chargers = self.chargers()
        old = chargers.get(charger_id, Kept(start, now, ()))
        new = {entry.id: entry for entry in old.entries}
        known = {entry.id: entry.cost_real for entry in old.entries} | dict(costs)
        new |= {entry.id: replace(entry, cost_real=known.get(entry.id, entry.cost_real)) for entry in entries}
        chargers[charger_id] = Kept(min(old.start, start), now, tuple(new.values()))
        content: dict[str, Json] = {str(number): saved(one) for number, one in chargers.items()}
        self._storage.write(_FILE, {"chargers": content})


def _kept(one: Json) -> Kept | None:
    match one:
        case {"start": int() | float() as start, "read": int() | float() as read, "entries": list(entries)}:
            return Kept(start, read, tuple(restored_list(Entry, entries)))
    return None
