"""Which chargers exist: those of the last listing, or those that the configuration names; and which are missing.

Kept in ``state_dir``, so that a restart begins with what users wait for. Any thread may ask.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class _Charger:
    """What is known of one charger.

    ``missing_since``: monotonic, when good listings began to lack it. ``missing_lists``: how many have in a row.
    ``is_refused``: its documents cannot be read. ``is_read_only``: the account may not change it.
    """

    missing_since: float | None = None
    missing_lists: int = 0
    is_refused: bool = False
    is_read_only: bool = False
    limits: dict[str, Json] = field(default_factory=dict)

    @property
    def is_absent(self) -> bool:
        """Whether it is gone from the account, as far as is known by now."""
        return self.missing_lists >= (1 if self.is_refused else _ABSENT_LISTS)


class Registry:
    """The chargers of the account. One lock; the reader records what it finds, all others only ask."""

    def __init__(self, only: Iterable[int], clock: Clock, store: Storage) -> None:
        """Restore the chargers of the last listing; ``only``: the configured ids, empty is all of the account."""
        self._only = tuple(dict.fromkeys(only))
        self._clock, self._storage = clock, store
        self._lock = threading.RLock()
        self._told: set[int] = set()
        self._is_listed = self._is_empty = False
        self._saved = clock.monotonic()
        kept = store.read(_FILE)
        self._chargers = {charger_id: _Charger() for charger_id in self._only or _ids(kept.get("ids"))}
        self._restore(kept)
        self._kept = self._content()

    def _restore(self, kept: dict[str, Json]) -> None:
        refused, read_only = _ids(kept.get("refused")), _ids(kept.get("unchangeable"))
        missing, limits = _items(kept.get("missing")), _items(kept.get("limits"))
        for charger_id, charger in self._chargers.items():
            charger.is_refused, charger.is_read_only = charger_id in refused, charger_id in read_only
            if is_number(missing_s := missing.get(str(charger_id))):
                charger.missing_since, charger.missing_lists = self._saved - missing_s, 1
            if isinstance(known := limits.get(str(charger_id)), dict):
                charger.limits = {name: known.get(name) for name in LIMITS}

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
    def was_listed(self) -> bool:
        """Whether it is known which chargers there are."""
        return self._is_listed or self.is_configured

    @property
    def has_none(self) -> bool:
        """Whether none of the chargers is in the account any more, or none ever was."""
        with self._lock:
            return self._is_listed and all(charger.is_absent for charger in self._chargers.values())

    @property
    def readable(self) -> list[int]:
        """The chargers whose documents are worth asking for: not those that are missing and refused, too."""
        with self._lock:
            return [
                one for one, charger in self._chargers.items() if not (charger.missing_lists and charger.is_refused)
            ]

    def is_missing(self, charger_id: int) -> bool:
        """Return whether the newest listing lacked a charger."""
        with self._lock:
            return self._of(charger_id).missing_lists > 0

    def is_absent(self, charger_id: int) -> bool:
        """Return whether a charger is gone from the account, as far as is known by now."""
        with self._lock:
            return self._of(charger_id).is_absent

    def _of(self, charger_id: int) -> _Charger:
        return self._chargers.get(charger_id, _Charger())

    def problem_of(self, charger_id: int) -> str | None:
        """Return why a charger's documents cannot be read, in words; None where they can, or where nobody knows yet."""
        with self._lock:
            charger = self._of(charger_id)
            if charger.is_absent:
                return f"the account has no charger {charger_id}"
            if charger.is_refused and self._is_listed and not charger.missing_lists:
                return f"no rights to read charger {charger_id}"
            return None

    @property
    def problems(self) -> list[str]:
        """What is wrong with the account's chargers, in words."""
        with self._lock:
            empty = [NO_CHARGERS] if self._is_listed and not self._chargers else []
            found = [self.problem_of(charger) for charger in self._chargers]
            read_only = sorted(one for one, charger in self._chargers.items() if charger.is_read_only)
            found += [f"no rights to change charger {charger_id}" for charger_id in read_only]
            return empty + [problem for problem in found if problem is not None]

    def record_list(self, listed: Iterable[int]) -> list[int]:
        """Record the chargers of a good listing; return those that are gone for good."""
        with self._lock:
            self._is_listed = True
            ids = [charger_id for charger_id in listed if charger_id in self._only or not self._only]
            gone = self._record_missing(set(ids))
            for charger_id in gone:
                del self._chargers[charger_id]
            for charger_id in ids:
                if len(self._chargers) < MAX_CHARGERS:
                    self._chargers.setdefault(charger_id, _Charger())
            self._changed()
            return gone

    def _record_missing(self, here: set[int]) -> list[int]:
        """Record which chargers a listing lacks; return those that each of a day has lacked."""
        now, gone = self._clock.monotonic(), []
        for charger_id, charger in self._chargers.items():
            if charger_id in here:
                # one that is back is tried
                charger.is_refused = charger.is_refused and not charger.missing_lists
                charger.missing_since, charger.missing_lists = None, 0
                continue
            charger.missing_lists += 1
            charger.missing_since = now if charger.missing_since is None else charger.missing_since
            if charger_id not in self._only and now - charger.missing_since >= GONE_AFTER_S:
                gone.append(charger_id)
        return gone

    def adopt(self, chargers: Iterable[int]) -> None:
        """Start with the chargers that another bridge of the account has listed, where none is known here."""
        with self._lock:
            if not self._chargers:
                self._chargers = {charger_id: _Charger() for charger_id in list(chargers)[:MAX_CHARGERS]}
                self._changed()

    def limits(self, charger_id: int) -> dict[str, Json]:
        """Return what the last detail of a charger, in an earlier run perhaps, showed of its limits."""
        with self._lock:
            return dict(self._of(charger_id).limits)

    def record_limits(self, charger_id: int, values: Mapping[str, Json]) -> None:
        """Record the limits that a detail shows; of a state of charge only whether there is one."""
        limits = {key: values.get(key) for key in LIMITS}
        with self._lock:
            charger = self._of(charger_id)
            before = charger.limits.get("state_of_charge")
            if before is not None and limits["state_of_charge"] is not None:
                limits["state_of_charge"] = before
            charger.limits = limits
            self._changed()

    def forget_limits(self) -> None:
        """Drop the limits of earlier runs: the bridge that was active since may have seen others."""
        with self._lock:
            for charger in self._chargers.values():
                charger.limits = {}
            self._changed()

    def record_read(self, charger_id: int, *, is_refused: bool) -> None:
        """Record whether a charger's status document could be read; it was refused, or is not there, else."""
        with self._lock:
            self._of(charger_id).is_refused = is_refused
            self._changed()

    def clear_refused(self) -> None:
        """Record that not single documents are refused but everything: nothing is known of any charger's rights."""
        with self._lock:
            for charger in self._chargers.values():
                charger.is_refused = False
            self._changed()

    def record_write(self, charger_id: int, *, has_rights: bool) -> None:
        """Record whether the account may change a charger, as a write has shown."""
        with self._lock:
            charger = self._of(charger_id)
            if not has_rights and not charger.is_read_only:
                _LOG.warning("no rights to change charger %d", charger_id)
            charger.is_read_only = not has_rights
            self._changed()

    def _changed(self) -> None:
        """Write a line for each charger that went out of reach, or came back, and keep what is known."""
        self._keep()
        problems = {charger: self.problem_of(charger) for charger in self._chargers}
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
        chargers = self._chargers.items()
        return {
            "ids": list[Json](self._chargers),
            "refused": list[Json](sorted(one for one, charger in chargers if charger.is_refused)),
            "unchangeable": list[Json](sorted(one for one, charger in chargers if charger.is_read_only)),
            "missing": list[Json](sorted(one for one, charger in chargers if charger.missing_lists)),
            "limits": {str(one): dict(charger.limits) for one, charger in chargers if charger.limits},
        }

    def _keep(self) -> None:
        """Write down what changed, and each ten minutes for how long chargers have been missing."""
        now, content = self._clock.monotonic(), self._content()
        if content == self._kept and not (content["missing"] and now - self._saved >= _SAVE_EACH_S):
            return
        self._saved, self._kept = now, content
        # as lengths: a wall clock that jumps by a day must not make a charger gone
        since = {str(one): charger.missing_since for one, charger in self._chargers.items()}
        missing: dict[str, Json] = {one: now - at for one, at in since.items() if at is not None}
        self._storage.write(_FILE, content | {"missing": missing})


def kept_problems(store: Storage) -> dict[int, str]:
    """Return what the last run found wrong with single chargers, in words."""
    kept = store.read(_FILE)
    changes = {charger: f"no rights to change charger {charger}" for charger in _ids(kept.get("unchangeable"))}
    return changes | {charger: f"no rights to read charger {charger}" for charger in _ids(kept.get("refused"))}


def _ids(kept: Json) -> list[int]:
    items = kept if isinstance(kept, list) else []
    return list(dict.fromkeys(item for item in items if is_charger_id(item)))[:MAX_CHARGERS]


def _items(kept: Json) -> dict[str, Json]:
    return kept if isinstance(kept, dict) else {}
