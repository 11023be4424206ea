"""What to read next: decided when a read is due, the most overdue of what there is to know.

One charger: its detail. Several: four reads in five are the sweep, which shows what changes of all of
them; the rest goes round the details. See ``docs/adr`` for the arithmetic.
"""

import enum
import itertools
import logging
import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import is_charger_id, is_number
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.documents import MAX_CHARGERS, Listed
from wallbox2mqtt.errors import AnswerLostError, CloudError, RequestRefusedError
from wallbox2mqtt.log import Trouble
from wallbox2mqtt.storage import Store

_LOG = logging.getLogger(__name__)

HOUR_S, DAY_S = 3600.0, 86400.0
SWEEP_SHARE = 5
"""One planned read in so many may be another than the sweep."""
_ACTIVE_S = 600.0
_ACTIVE_WEIGHT, _BASIC_WEIGHT = 3.0, 1 / 12
_BASIC_AFTER = 30
"""Details of a charging charger, alone in its account, that come before its first basic document: it takes the place of
a detail, so that the next one shows a picture of two intervals."""
_ASIDE_S = 15 * 60.0
_FORBIDDEN = 3
"""Of so many chargers (the list counts as one) refused with 403 in a row, no document is meant but the pace."""
_LIST_FAILURES = 2
_LIST_ASIDE_S = (5 * 60.0, 15 * 60.0, HOUR_S)
"""A list that is no good is left alone for so long: the first time it may have been a moment's trouble."""
_ESSENTIAL = frozenset({"status_id", "charging_power", "added_energy"})
_FILE = "chargers"


class Kind(enum.Enum):
    """The documents."""

    LIST = "list"
    DETAIL = "detail"
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class Target:
    """A document to read; the list has no charger."""

    kind: Kind
    charger_id: int = 0


LIST = Target(Kind.LIST)


class Plan:
    """Knows the chargers and when each document was last asked for. Used by the reader, told by all."""

    def __init__(
        self,
        only: Iterable[int],
        clock: Clock,
        store: Store,
        is_charging: Callable[[int], bool] = lambda _: False,
        settle_s: float = 0.0,
    ) -> None:
        """Take up the chargers of the last listing.

        Args:
            only: the ids that the configuration names; empty is all of the account.
            clock: for ages.
            store: where the chargers are kept.
            is_charging: tells whether a charger charges at present.
            settle_s: how long after a command the cloud may not know of it yet.

        """
        self._only = tuple(dict.fromkeys(only))
        self._clock, self._store, self._is_charging, self._settle_s = clock, store, is_charging, settle_s
        self._lock = threading.Lock()
        kept = store.read(_FILE)
        self._chargers: list[int] = list(self._only) or _ids(kept.get("ids"))
        self._started = clock.monotonic()
        known = {str(charger): charger for charger in self._chargers}
        self._missing_since = {
            known[key]: self._started - missing_s for key, missing_s in _items(kept.get("missing")) if key in known
        }
        self._asked: dict[Target, float] = {LIST: clock.monotonic()} if self._only else {}
        self._aside: dict[Target, float] = {}
        self._wanted: list[Target] = []
        self._everything: list[Target] = []
        self._wants_more = False
        self._commanded: dict[int, float] = {}
        self._sweeps_in_a_row = self._others_in_a_row = self._details = 0
        self._commanded_came_first = False
        self._all_forbidden = False
        self._forbidden: set[int] = set()
        self._forbidden_at: dict[int, float] = {}
        self._readable: set[int] = set()
        self._list_failed, self._list_failures, self._list_drops = False, 0, 0
        self._troubles: dict[Target, Trouble] = {}
        self.was_listed = bool(self._only)

    @property
    def chargers(self) -> list[int]:
        """The chargers known at present."""
        with self._lock:
            return list(self._chargers)

    def want(self, charger_id: int) -> None:
        """Ask for a detail as soon as the budget allows."""
        with self._lock:
            if (target := Target(Kind.DETAIL, charger_id)) not in self._wanted:
                self._wanted.append(target)

    def want_all(self) -> None:
        """Ask for every document as soon as the budget allows; what was asked for before keeps its place."""
        with self._lock:
            documents = self._documents()
            # of one charger the list shows next to nothing that its detail does not
            several = [LIST, *documents] if len(self._chargers) != 1 else [*documents, LIST]
            wanted = documents if self._only else several
            self._add_to_everything(wanted)
            self._wants_more = not self._chargers

    def _add_to_everything(self, wanted: list[Target]) -> None:
        waiting = set(self._everything)
        self._everything += [target for target in wanted if target not in waiting]

    def _documents(self) -> list[Target]:
        return [Target(kind, charger) for kind in (Kind.DETAIL, Kind.BASIC) for charger in self._chargers]

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a document."""
        with self._lock:
            return bool(self._wanted or self._everything)

    def commanded(self, charger_id: int) -> None:
        """Take note that a command changed a charger: its detail comes sooner."""
        with self._lock:
            self._commanded[charger_id] = self._clock.monotonic()

    def next(self, *, with_basics: bool = True) -> Target:
        """Decide what to read now; ``with_basics``: whether a basic document may be read."""
        with self._lock:
            has_sweep = len(self._chargers) > 1 and not self._is_aside(LIST) and not self._list_failed
            kinds = set(Kind) if with_basics else {Kind.LIST, Kind.DETAIL}
            queued = itertools.chain(self._wanted, self._everything)
            if (wanted := next((one for one in queued if one.kind in kinds), None)) is not None:
                # who asks again and again must not keep all others from being seen
                return LIST if has_sweep and self._others_in_a_row >= SWEEP_SHARE - 1 else wanted
            if not self._chargers:
                return LIST
            if has_sweep and self._sweeps_in_a_row < SWEEP_SHARE - 1:
                return LIST
            candidates = [one for one in self._documents() if one.kind in kinds]
            return self._most_overdue(candidates, with_list=len(self._chargers) == 1 and not self._is_aside(LIST))

    def _most_overdue(self, candidates: list[Target], *, with_list: bool) -> Target:
        readable = [target for target in candidates if not self._is_aside(target)]
        if not self._commanded_came_first and (commanded := [one for one in readable if self._is_unsettled(one)]):
            readable = commanded
        scores = {target: self._overdue(target) for target in readable}
        best = max(scores, key=lambda target: scores[target]) if scores else LIST
        # what was never read comes before the daily list: a restart begins with what users wait for
        return LIST if with_list and self._age(LIST) >= DAY_S and best in self._asked else best

    def _is_unsettled(self, target: Target) -> bool:
        """Tell whether this is the detail of a charger of which nobody knows yet what a command has done."""
        at = self._commanded.get(target.charger_id)
        if at is None or target.kind is not Kind.DETAIL:
            return False
        return self._asked.get(target, -math.inf) < at + self._settle_s

    def _overdue(self, target: Target) -> float:
        """Give how overdue a document is: its age, weighed. Never read is most overdue, details before basics."""
        age = self._age(target)
        if target.kind is Kind.BASIC:
            # one that was never read is a day older than the program: else all of them would come before any detail
            age = min(age, self._clock.monotonic() - self._started + DAY_S)
            can_wait = (
                len(self._chargers) == 1 and self._details < _BASIC_AFTER and self._is_charging(target.charger_id)
            )
            return -1.0 if age < HOUR_S or can_wait else age * _BASIC_WEIGHT
        charger = target.charger_id
        just = self._clock.monotonic() - self._commanded.get(charger, -math.inf) < _ACTIVE_S
        return min(age, 1e9) * (_ACTIVE_WEIGHT if just or self._is_charging(charger) else 1.0)

    def _age(self, target: Target) -> float:
        return self._clock.monotonic() - self._asked.get(target, -math.inf)

    def _is_aside(self, target: Target) -> bool:
        return self._clock.monotonic() < self._aside.get(target, -math.inf)

    def asked(self, target: Target) -> None:
        """Take note that a document is read, successfully or not; a failing one must not block the others."""
        with self._lock:
            if target.kind is not Kind.LIST:
                # every second time, or commands without end to one charger would keep the others from being read
                self._commanded_came_first = not self._commanded_came_first and self._is_unsettled(target)
            self._asked[target] = self._clock.monotonic()
            self._details += int(target.kind is Kind.DETAIL)
            self._others_in_a_row = 0 if target.kind is Kind.LIST else self._others_in_a_row + 1
            if target not in self._wanted and target not in self._everything:
                self._sweeps_in_a_row = self._sweeps_in_a_row + 1 if target.kind is Kind.LIST else 0
            for wanted in (self._wanted, self._everything):
                if target in wanted:
                    wanted.remove(target)

    def succeeded(self, target: Target) -> None:
        """Take note of a good read: earlier refusals were of single documents."""
        with self._lock:
            self._forbidden.clear()
            self._all_forbidden = False
            self._readable.add(target.charger_id)
            if target.kind is not Kind.LIST:
                self._over(target)
            if target.kind is Kind.LIST:
                self._list_failures = 0
            elif self._list_failed:
                self._list_failures += 1
                if self._list_failures >= _LIST_FAILURES:
                    self._drop_list("it fails while other documents can be read")
            self._list_failed = False

    def failed(self, target: Target, error: CloudError) -> None:
        """Take note of a failed read. Whether a failing list is to blame or the cloud, the next detail will tell."""
        with self._lock:
            told = isinstance(error, RequestRefusedError | AnswerLostError)
            self._list_failed = told and target.kind is Kind.LIST and len(self._chargers) > 1
            if self._list_failed and isinstance(error, RequestRefusedError):
                self._drop_list("it is refused")

    def _drop_list(self, why: str) -> None:
        seconds = _LIST_ASIDE_S[min(self._list_drops, len(_LIST_ASIDE_S) - 1)]
        self._list_drops += 1
        self._tell(LIST, "list", f"document=list minutes={seconds / 60:.0f} reason={why!r}")
        self._aside[LIST] = self._clock.monotonic() + seconds
        self._list_failed, self._list_failures = False, 0

    def forbidden(self, target: Target) -> bool:
        """Take note of a 403: the document is set aside. Tells whether reads of everything are refused."""
        with self._lock:
            if self._all_forbidden:
                return True  # until something can be read again
            details = [Target(Kind.DETAIL, charger) for charger in self._chargers]
            self._forbidden.add(target.charger_id)
            aside = [target] if target.kind is not Kind.DETAIL else [target, Target(Kind.BASIC, target.charger_id)]
            now = self._clock.monotonic()
            self._aside |= dict.fromkeys(aside, now + _ASIDE_S)
            self._forbidden_at[target.charger_id] = now
            # the list shows all; and two that could be read before have hardly lost their rights in the same 15 minutes
            with_list = LIST.charger_id in self._forbidden and len(self._forbidden) > 1
            lost = {one for one, at in self._forbidden_at.items() if now - at < _ASIDE_S} & self._readable
            several = with_list or len(lost) > 1 or len(self._forbidden) >= min(max(2, len(details)), _FORBIDDEN)
            if several or not details or all(self._is_aside(detail) for detail in details):
                # not this document but all of them: too many requests
                for noted in (self._aside, self._forbidden, self._forbidden_at, self._readable):
                    noted.clear()
                self._all_forbidden = True
                return True
            which = f"document={target.kind.value} charger={target.charger_id}"
            self._tell(target, "forbidden", f"{which} minutes={_ASIDE_S / 60:.0f} http_status=403")
            return False

    def _tell(self, target: Target, kind: str, details: str) -> None:
        ends = f"read again document={target.kind.value} charger={target.charger_id}"
        trouble = self._troubles.setdefault(target, Trouble(_LOG, "set aside", ends, self._clock))
        trouble.occurs(kind, details)

    def _over(self, target: Target) -> None:
        if (trouble := self._troubles.get(target)) is not None:
            trouble.ended()

    def listed(self, listing: list[Listed]) -> list[int]:
        """Take a good listing; gives the chargers that are gone: every listing of a day lacked them."""
        with self._lock:
            self.was_listed = True
            ids = [listed.charger_id for listed in listing]
            if self._only:
                ids = [charger for charger in ids if charger in self._only]
            now = self._clock.monotonic()
            here, known = set(ids), set(self._chargers)
            missing = [charger for charger in self._chargers if charger not in here and charger not in self._only]
            gone = [charger for charger in missing if now - self._missing_since.setdefault(charger, now) >= DAY_S]
            for charger in ids:
                self._missing_since.pop(charger, None)
            left = set(gone)
            for charger in gone:
                del self._missing_since[charger]
            self._chargers = [charger for charger in self._chargers if charger not in left]
            new = [charger for charger in ids if charger not in known]
            self._chargers += new[: max(0, MAX_CHARGERS - len(self._chargers))]
            if len(self._chargers) == 1 and (only := Target(Kind.DETAIL, self._chargers[0])) not in self._asked:
                # the first start of most users: the list has told a part, the rest need not wait for the interval
                self._wanted.append(only)
            if self._wants_more:
                # everything was wanted before it was known what there is
                self._wants_more = False
                self._add_to_everything(self._documents())
            self._judge(listing)
            self._keep()
            return gone

    def _judge(self, listing: list[Listed]) -> None:
        """Fall back to the details for a while where the list does not show what changes."""
        ours = [listed for listed in listing if listed.charger_id in self._chargers]
        shows = any(listed.reading.values.keys() >= _ESSENTIAL for listed in ours)
        if len(self._chargers) > 1 and not shows:
            self._drop_list("it does not show the state of the chargers")
        else:
            self._list_drops = 0
            self._over(LIST)

    def _keep(self) -> None:
        ids: list[Json] = list(self._chargers)
        # as lengths: a wall clock that jumps by a day must not make a charger gone
        now = self._clock.monotonic()
        missing: dict[str, Json] = {str(charger): now - since for charger, since in self._missing_since.items()}
        self._store.write(_FILE, {"ids": ids, "missing": missing})


def _ids(kept: Json) -> list[int]:
    items = kept if isinstance(kept, list) else []
    return list(dict.fromkeys(item for item in items if is_charger_id(item)))[:MAX_CHARGERS]


def _items(kept: Json) -> list[tuple[str, float]]:
    items = kept.items() if isinstance(kept, dict) else ()
    return [(key, float(value)) for key, value in items if isinstance(value, int | float) and is_number(value)]
