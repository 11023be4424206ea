"""Which chargers exist: those of the last listing, or those that the configuration names; and which are missing.

Kept in ``state_dir``, so that a restart begins with what users wait for. Any thread may ask.
"""

import logging
import threading
from collections.abc import Iterable, Mapping

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import is_charger_id, is_number
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.documents import MAX_CHARGERS
from wallbox2mqtt.storage import Storage

_LOG = logging.getLogger(__name__)

GONE_AFTER_S = 86400.0
"""A charger that every good listing of so many seconds lacked is forgotten."""
NO_CHARGERS = "the account has no chargers"
_ABSENT_LISTS = 2
"""A charger that so many good listings in a row lacked is out of reach; one is enough where it is refused, too."""
_SAVE_EACH_S = 600.0
LIMITS = ("max_available_current", "max_available_power", "part_number", "state_of_charge")
"""What the check of a current asks for beside the list: kept, so that it need not wait for the first detail."""
_FILE = "chargers"


class Registry:
    """The chargers of the account. One lock; the reader records what it finds, all others only ask."""

    def __init__(self, only: Iterable[int], clock: Clock, store: Storage) -> None:
        """Restore the chargers of the last listing; ``only``: the configured ids, empty is all of the account."""
        self._only = tuple(dict.fromkeys(only))
        self._clock, self._storage = clock, store
        self._lock = threading.Lock()
        kept = store.read(_FILE)
        self._chargers: list[int] = list(self._only) or _ids(kept.get("ids"))
        now, known = clock.monotonic(), {str(charger): charger for charger in self._chargers}
        self._missing_since = {
            known[key]: now - missing_s for key, missing_s in _items(kept.get("missing")) if key in known
        }
        self._missing_lists = dict.fromkeys(self._missing_since, 1)
        self._refused = {charger for charger in _ids(kept.get("refused")) if charger in self._chargers}
        self._unchangeable = {charger for charger in _ids(kept.get("unchangeable")) if charger in self._chargers}
        self._limits = {known[key]: limits for key, limits in _limits(kept.get("limits")) if key in known}
        self._told: set[int] = set()
        self._is_empty = False
        self._saved, self._kept = now, self._content()
        self._is_listed = False
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

    @property
    def has_none(self) -> bool:
        """Whether none of the chargers is in the account any more, or none ever was."""
        with self._lock:
            return self._is_listed and all(self._is_absent(charger) for charger in self._chargers)

    @property
    def readable(self) -> list[int]:
        """The chargers whose documents are worth asking for: not those that are missing and refused, too."""
        with self._lock:
            return [one for one in self._chargers if not (one in self._missing_lists and one in self._refused)]

    def is_missing(self, charger_id: int) -> bool:
        """Return whether the newest listing lacked a charger."""
        with self._lock:
            return charger_id in self._missing_lists

    def is_absent(self, charger_id: int) -> bool:
        """Return whether a charger is gone from the account, as far as is known by now."""
        with self._lock:
            return self._is_absent(charger_id)

    def _is_absent(self, charger_id: int) -> bool:
        return self._missing_lists.get(charger_id, 0) >= (1 if charger_id in self._refused else _ABSENT_LISTS)

    def problem_of(self, charger_id: int) -> str | None:
        """Return why a charger's documents cannot be read, in words; None where they can, or where nobody knows yet."""
        with self._lock:
            return self._problem_of(charger_id)

    def _problem_of(self, charger_id: int) -> str | None:
        if self._is_absent(charger_id):
            return f"the account has no charger {charger_id}"
        if charger_id in self._refused and self._is_listed and charger_id not in self._missing_lists:
            return f"no rights to read charger {charger_id}"
        return None

    @property
    def problems(self) -> list[str]:
        """What is wrong with the account's chargers, in words."""
        with self._lock:
            empty = [NO_CHARGERS] if self._is_listed and not self._chargers else []
            found = [self._problem_of(charger) for charger in self._chargers]
            found += [f"no rights to change charger {charger}" for charger in sorted(self._unchangeable)]
            return empty + [problem for problem in found if problem is not None]

    def record_list(self, listed: Iterable[int]) -> list[int]:
        """Record the chargers of a good listing; return those that are gone for good."""
        with self._lock:
            self.was_listed = self._is_listed = True
            ids = [charger for charger in listed if charger in self._only or not self._only]
            gone = self._missing_for_too_long(set(ids))
            self._refused -= {charger for charger in ids if charger in self._missing_lists}  # it is back: try it
            for charger in [*ids, *gone]:
                self._missing_since.pop(charger, None)
                self._missing_lists.pop(charger, None)
            known, left = set(self._chargers), set(gone)
            self._chargers = [charger for charger in self._chargers if charger not in left]
            self._refused -= left
            self._unchangeable -= left
            for charger in left:
                self._limits.pop(charger, None)
            new = [charger for charger in ids if charger not in known]
            self._chargers += new[: max(0, MAX_CHARGERS - len(self._chargers))]
            self._tell()
            self._keep()
            return gone

    def adopt(self, chargers: Iterable[int]) -> None:
        """Start with the chargers that another bridge of the account has listed, where none is known here."""
        with self._lock:
            if not self._chargers:
                self._chargers = list(dict.fromkeys(chargers))[:MAX_CHARGERS]
                self._keep()

    def _missing_for_too_long(self, here: set[int]) -> list[int]:
        now = self._clock.monotonic()
        missing = [charger for charger in self._chargers if charger not in here]
        for charger in missing:
            self._missing_lists[charger] = self._missing_lists.get(charger, 0) + 1
            self._missing_since.setdefault(charger, now)
        return [
            charger
            for charger in missing
            if charger not in self._only and now - self._missing_since[charger] >= GONE_AFTER_S
        ]

    def limits(self, charger_id: int) -> dict[str, Json]:
        """Return what the last detail of a charger, in an earlier run perhaps, showed of its limits."""
        with self._lock:
            return dict(self._limits.get(charger_id, {}))

    def record_limits(self, charger_id: int, values: Mapping[str, Json]) -> None:
        """Record the limits that a detail shows; of a state of charge only whether there is one."""
        limits = {key: values.get(key) for key in LIMITS}
        with self._lock:
            before = self._limits.get(charger_id, {})
            if before.get("state_of_charge") is not None and limits["state_of_charge"] is not None:
                limits["state_of_charge"] = before["state_of_charge"]
            if limits != before and charger_id in self._chargers:
                self._limits[charger_id] = limits
                self._keep()

    def forget_limits(self) -> None:
        """Drop the limits of earlier runs: the bridge that was active since may have seen others."""
        with self._lock:
            self._limits.clear()
            self._keep()

    def record_readable(self, charger_id: int) -> None:
        """Record that a charger's status document could be read."""
        with self._lock:
            self._refused.discard(charger_id)
            self._tell()
            self._keep()

    def record_refused(self, charger_id: int) -> None:
        """Record that a charger's status document was refused, or is not there."""
        with self._lock:
            self._refused.add(charger_id)
            self._tell()
            self._keep()

    def clear_refused(self) -> None:
        """Record that not single documents are refused but everything: nothing is known of any charger's rights."""
        with self._lock:
            self._refused.clear()
            self._tell()
            self._keep()

    def record_write(self, charger_id: int, *, has_rights: bool) -> None:
        """Record whether the account may change a charger, as a write has shown."""
        with self._lock:
            if has_rights == (charger_id in self._unchangeable):
                (self._unchangeable.discard if has_rights else self._unchangeable.add)(charger_id)
                self._keep()
                if not has_rights:
                    _LOG.warning("no rights to change charger %d", charger_id)

    def _tell(self) -> None:
        """Write a line for each charger that went out of reach, or came back."""
        problems = {charger: self._problem_of(charger) for charger in self._chargers}
        troubled = {charger for charger, problem in problems.items() if problem is not None}
        if self._is_listed and not self._chargers and not self._is_empty:
            _LOG.warning(NO_CHARGERS)
        self._is_empty = self._is_listed and not self._chargers
        for charger in sorted(troubled - self._told):
            _LOG.warning("%s, its last values stay charger=%d", problems[charger], charger)
        for charger in sorted(self._told - troubled):
            if charger in problems:
                _LOG.info("the charger can be read again charger=%d", charger)
        self._told = troubled

    def _content(self) -> dict[str, Json]:
        return {
            "ids": list[Json](self._chargers),
            "refused": list[Json](sorted(self._refused)),
            "unchangeable": list[Json](sorted(self._unchangeable)),
            "missing": list[Json](sorted(self._missing_since)),
            "limits": {str(charger): dict(limits) for charger, limits in self._limits.items()},
        }

    def _keep(self) -> None:
        """Write down what changed, and each ten minutes for how long chargers have been missing."""
        now, content = self._clock.monotonic(), self._content()
        if content == self._kept and not (self._missing_since and now - self._saved >= _SAVE_EACH_S):
            return
        self._saved, self._kept = now, content
        # as lengths: a wall clock that jumps by a day must not make a charger gone
        missing: dict[str, Json] = {str(charger): now - since for charger, since in self._missing_since.items()}
        self._storage.write(_FILE, content | {"missing": missing})


def kept_problems(store: Storage) -> dict[int, str]:
    """Return what the last run found wrong with single chargers, in words."""
    kept = store.read(_FILE)
    changes = {charger: f"no rights to change charger {charger}" for charger in _ids(kept.get("unchangeable"))}
    return changes | {charger: f"no rights to read charger {charger}" for charger in _ids(kept.get("refused"))}


def _ids(kept: Json) -> list[int]:
    items = kept if isinstance(kept, list) else []
    return list(dict.fromkeys(item for item in items if is_charger_id(item)))[:MAX_CHARGERS]


def _limits(kept: Json) -> list[tuple[str, dict[str, Json]]]:
    items = kept.items() if isinstance(kept, dict) else ()
    return [(key, {name: limits.get(name) for name in LIMITS}) for key, limits in items if isinstance(limits, dict)]


def _items(kept: Json) -> list[tuple[str, float]]:
    items = kept.items() if isinstance(kept, dict) else ()
    return [(key, float(value)) for key, value in items if is_number(value)]
