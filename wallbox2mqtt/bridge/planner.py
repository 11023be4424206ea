"""What to read next: decided when a read is due, the most overdue of what there is to know.

One charger: its detail. Several: four reads in five are the sweep, which shows what changes of all of them; the rest
goes to the details in turn. Until each detail has been read once, it is every second read. See ``docs/adr/0006``.
"""

import itertools
import math
import threading
from collections.abc import Callable

from wallbox2mqtt.bridge.quarantine import Quarantine
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.target import LIST, Document, Extra, Target, basics, details
from wallbox2mqtt.catalogue import FIELDS
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.documents import Listed

HOUR_S = 3600.0
_DAY_S = 86_400.0
SWEEP_SHARE = 5
"""One planned read in so many may be another than the sweep."""
_FIRST_SHARE = 2
"""The same until every detail was read once: a first start is complete sooner, and the sweep is hardly older."""
_ACTIVE_S = 600.0
_ACTIVE_WEIGHT, _BASIC_WEIGHT = 3.0, 1 / 12
_BASIC_AFTER = 30
"""Details of a charging charger, alone in its account, that come before its first basic document: it takes the place of
a detail, so that the next one shows the state of two intervals."""
_ESSENTIAL = frozenset(row.key for row in FIELDS.values() if row.essential)


class Planner:
    """Knows when each document was last asked for. The reader asks what is next; any thread may ask for a document."""

    def __init__(
        self,
        registry: Registry,
        quarantine: Quarantine,
        clock: Clock,
        is_charging: Callable[[int], bool],
        settle_s: float,
    ) -> None:
        """Start with nothing asked for yet; ``settle_s``: how long after a command the cloud may not know of it yet."""
        self._registry, self._quarantine, self._clock = registry, quarantine, clock
        self._is_charging, self._settle_s = is_charging, settle_s
        self._lock = threading.Lock()
        self._started = clock.monotonic()
        self._asked: dict[Target, float] = {LIST: self._started} if registry.is_configured else {}
        self._wanted: dict[Target, None] = {}
        """What commands wait for, in its order; ``_everything``: what else somebody has asked for."""
        self._everything: dict[Target, None] = {}
        self._wants_more = False
        self._commanded: dict[int, float] = {}
        self._sweeps_in_a_row = self._others_in_a_row = self._details = 0
        self._last_was_commanded = self._extra_had_turn = False

    def record_basic(self, charger_id: int) -> None:
        """Record that what a basic document shows was read by other means: it is not overdue, if it was read once."""
        with self._lock:
            if (target := Target(Document.BASIC, charger_id)) in self._asked:
                self._asked[target] = self._clock.monotonic()

    def want(self, charger_id: int) -> None:
        """Ask for a detail as soon as the budget allows."""
        with self._lock:
            self._wanted.setdefault(Target(Document.DETAIL, charger_id))

    def want_all(self) -> None:
        """Ask for every document as soon as the budget allows; what was asked for before keeps its place."""
        with self._lock:
            chargers = self._registry.chargers
            # the list first: it alone shows which chargers there are
            self._everything |= dict.fromkeys([LIST, *_documents(chargers)])
            self._wants_more = not chargers

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a document."""
        with self._lock:
            return bool(self._wanted or self._everything)

    @property
    def is_list_wanted(self) -> bool:
        """Whether somebody waits for the list."""
        with self._lock:
            return LIST in self._everything

    def record_command(self, charger_id: int) -> None:
        """Record that a command changed a charger: its detail comes sooner."""
        with self._lock:
            self._commanded[charger_id] = self._clock.monotonic()

    def next(self, *, with_basics: bool = True) -> Target:
        """Return what to read now; ``with_basics``: whether a basic document may be read."""
        with self._lock:
            chargers = self._registry.readable
            if self._quarantine.asks_for_list:
                return LIST
            has_sweep = len(chargers) > 1 and self._quarantine.allows_sweep
            kinds = set(Document) if with_basics else {Document.LIST, Document.DETAIL}
            queued = itertools.chain(self._wanted, self._everything)
            if (wanted := next((one for one in queued if one.document in kinds), None)) is not None:
                # who asks again and again must not keep all others from being seen
                return LIST if has_sweep and self._others_in_a_row >= SWEEP_SHARE - 1 else wanted
            if not chargers:
                return LIST
            share = _FIRST_SHARE if self._unread(chargers) else SWEEP_SHARE
            if has_sweep and self._sweeps_in_a_row < share - 1:
                return LIST
            return self._most_overdue([one for one in _documents(chargers) if one.document in kinds], len(chargers))

    def extra_for(self, planned: Target) -> Extra:
        """Return what may be read in place of a planned document: of every second one, and never of the list's.

        A charger's first history takes the others, too, and what a command waits for takes any.
        """
        with self._lock:
            if self._extra_had_turn and self._others_in_a_row:
                return Extra.NOTHING  # it was the last read of all
            is_awaited = self._wanted or self._everything or self._unread(self._registry.readable)
            if planned == LIST or is_awaited or self._is_unsettled(planned):
                return Extra.COMMANDED
            return Extra.FIRST_HISTORY if self._extra_had_turn else Extra.ANYTHING

    def _unread(self, chargers: list[int]) -> list[int]:
        """Return the chargers whose detail was never asked for and may be."""
        unread = (detail for detail in details(chargers) if detail not in self._asked)
        return [detail.charger_id for detail in unread if not self._quarantine.holds(detail)]

    def complete_after(self) -> dict[int, int]:
        """Return the chargers whose detail was not read yet, with how many reads after a list it will be."""
        with self._lock:
            chargers = self._registry.readable
            reads = _FIRST_SHARE if len(chargers) > 1 and self._quarantine.allows_sweep else 1
            return {charger: 1 + reads * number for number, charger in enumerate(self._unread(chargers))}

    def _most_overdue(self, candidates: list[Target], chargers: int) -> Target:
        readable = [target for target in candidates if not self._quarantine.holds(target)]
        if not self._last_was_commanded and (commanded := [one for one in readable if self._is_unsettled(one)]):
            readable = commanded
        scores = {target: self._overdue(target, chargers) for target in readable}
        best = max(scores, key=lambda target: scores[target]) if scores else LIST
        # what was never read comes before the hourly list: a restart begins with what users wait for
        with_list = chargers == 1 and best in self._asked and not self._quarantine.holds(LIST)
        return LIST if with_list and self._age(LIST) >= HOUR_S else best

    def _is_unsettled(self, target: Target) -> bool:
        """Return whether this is the detail of a charger of which nobody knows yet what a command has done."""
        at = self._commanded.get(target.charger_id)
        if at is None or target.document is not Document.DETAIL:
            return False
        return self._asked.get(target, -math.inf) < at + self._settle_s

    def _overdue(self, target: Target, chargers: int) -> float:
        """Return how overdue a document is: its age, weighed. Never read is most overdue, details before basics."""
        age, charger = self._age(target), target.charger_id
        if target.document is Document.BASIC:
            # one that was never read is a day older than the program: else all of them would come before any detail
            age = min(age, self._clock.monotonic() - self._started + _DAY_S)
            can_wait = chargers == 1 and self._details < _BASIC_AFTER and self._is_charging(charger)
            return -1.0 if age < HOUR_S or can_wait else age * _BASIC_WEIGHT
        return min(age, 1e9) * self.weight(charger)

    def weight(self, charger_id: int) -> float:
        """Return how much a charger matters: more than 1 where it charges or was just commanded."""
        just = self._clock.monotonic() - self._commanded.get(charger_id, -math.inf) < _ACTIVE_S
        return _ACTIVE_WEIGHT if just or self._is_charging(charger_id) else 1.0

    def _age(self, target: Target) -> float:
        return self._clock.monotonic() - self._asked.get(target, -math.inf)

    def record_read(self, target: Target) -> None:
        """Record that a document is read, successfully or not; a failing one must not block the others."""
        with self._lock:
            self._others_in_a_row = 0 if target == LIST else self._others_in_a_row + 1
            if target.is_extra:
                # it takes the place of a detail
                self._extra_had_turn, self._sweeps_in_a_row = True, 0
                return
            if target != LIST:
                self._extra_had_turn = False
                # every second time, or commands without end to one charger would keep the others from being read
                self._last_was_commanded = not self._last_was_commanded and self._is_unsettled(target)
            self._asked[target] = self._clock.monotonic()
            self._details += int(target.document is Document.DETAIL)
            if target not in self._wanted and target not in self._everything:
                self._sweeps_in_a_row = self._sweeps_in_a_row + 1 if target == LIST else 0
            self._wanted.pop(target, None)
            self._everything.pop(target, None)

    def record_list(self, listing: list[Listed]) -> list[int]:
        """Record a good listing; return the chargers that are gone: every listing of a day lacked them."""
        before = set(self._registry.chargers)
        gone = self._registry.record_list(listed.charger_id for listed in listing)
        chargers = self._registry.chargers
        new = [charger for charger in chargers if charger not in before]
        with self._lock:
            if len(new) == 1 and (only := Target(Document.DETAIL, new[0])) not in self._asked:
                # the first start of most users, or a new charger: the list has told a part, the rest need not wait
                self._wanted[only] = None
            if self._wants_more:
                # everything was wanted before it was known what there is
                self._wants_more = False
                self._everything |= dict.fromkeys(_documents(chargers))
        known = set(chargers)
        ours = [listed for listed in listing if listed.charger_id in known]
        shows = any(listed.reading.values.keys() >= _ESSENTIAL for listed in ours)
        self._quarantine.judge_list(shows=shows or len(chargers) <= 1)
        return gone


def _documents(charger_ids: list[int]) -> list[Target]:
    return [*details(charger_ids), *basics(charger_ids)]
