"""Which chargers exist: those of the last listing, or those that the configuration names.

Kept in ``state_dir``, so that a restart begins with what users wait for. Any thread may ask.
"""

import threading
from collections.abc import Iterable

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import is_charger_id, is_number
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.documents import MAX_CHARGERS
from wallbox2mqtt.storage import Storage

GONE_AFTER_S = 86400.0
"""A charger that every good listing of so many seconds lacked is forgotten."""
_FILE = "chargers"


class Registry:
    """The chargers of the account. One lock; the reader records listings, all others only ask."""

    def __init__(self, only: Iterable[int], clock: Clock, store: Storage) -> None:
        """Restore the chargers of the last listing.

        Args:
            only: the ids that the configuration names; empty is all of the account.
            clock: for how long a charger has been missing.
            store: where the chargers are kept.

        """
        self._only = tuple(dict.fromkeys(only))
        self._clock, self._storage = clock, store
        self._lock = threading.Lock()
        kept = store.read(_FILE)
        self._chargers: list[int] = list(self._only) or _ids(kept.get("ids"))
        now, known = clock.monotonic(), {str(charger): charger for charger in self._chargers}
        self._missing_since = {
            known[key]: now - missing_s for key, missing_s in _items(kept.get("missing")) if key in known
        }
        self.was_listed = bool(self._only)

    @property
    def chargers(self) -> list[int]:
        """The chargers known at present."""
        with self._lock:
            return list(self._chargers)

    @property
    def is_configured(self) -> bool:
        """Whether the configuration names the chargers, so that no list is needed to know them."""
        return bool(self._only)

    def record_list(self, listed: Iterable[int]) -> list[int]:
        """Record the chargers of a good listing; return those that are gone for good."""
        with self._lock:
            self.was_listed = True
            ids = [charger for charger in listed if charger in self._only or not self._only]
            gone = self._missing_for_too_long(set(ids))
            for charger in [*ids, *gone]:
                self._missing_since.pop(charger, None)
            known, left = set(self._chargers), set(gone)
            self._chargers = [charger for charger in self._chargers if charger not in left]
            new = [charger for charger in ids if charger not in known]
            self._chargers += new[: max(0, MAX_CHARGERS - len(self._chargers))]
            self._keep()
            return gone

    def _missing_for_too_long(self, here: set[int]) -> list[int]:
        now = self._clock.monotonic()
        missing = [charger for charger in self._chargers if charger not in here and charger not in self._only]
        return [charger for charger in missing if now - self._missing_since.setdefault(charger, now) >= GONE_AFTER_S]

    def _keep(self) -> None:
        ids: list[Json] = list(self._chargers)
        # as lengths: a wall clock that jumps by a day must not make a charger gone
        now = self._clock.monotonic()
        missing: dict[str, Json] = {str(charger): now - since for charger, since in self._missing_since.items()}
        self._storage.write(_FILE, {"ids": ids, "missing": missing})


def _ids(kept: Json) -> list[int]:
    items = kept if isinstance(kept, list) else []
    return list(dict.fromkeys(item for item in items if is_charger_id(item)))[:MAX_CHARGERS]


def _items(kept: Json) -> list[tuple[str, float]]:
    items = kept.items() if isinstance(kept, dict) else ()
    return [(key, float(value)) for key, value in items if isinstance(value, int | float) and is_number(value)]
