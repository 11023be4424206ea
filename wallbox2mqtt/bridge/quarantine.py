"""Documents that are refused or that fail while others can be read: set aside for a while.

Only the reader's thread uses it.
"""

import logging
import math
from http import HTTPStatus

from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.target import LIST, Document, Target, details
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.errors import AnswerLostError, CloudError, RequestRefusedError
from wallbox2mqtt.log import RepeatedFault

_LOG = logging.getLogger(__name__)

QUARANTINE_S = 15 * 60.0
_ALL_FORBIDDEN = 3
"""Of so many chargers (the list counts as one) refused with 403 in a row, no document is meant but the pace."""
_LIST_FAILURES = 2
_LIST_QUARANTINE_S = (5 * 60.0, 15 * 60.0, 3600.0)
"""How long a useless list is set aside: the first time it may have been a moment's trouble."""


class Quarantine:
    """Records what becomes of reads, and says which documents not to read for now."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry, self._clock = registry, clock
        self._quarantined_until: dict[Target, float] = {}
        self._all_forbidden = False
        self._forbidden: set[int] = set()
        self._forbidden_at: dict[int, float] = {}
        self._readable: set[int] = set()
        self._suspect: Target | None = None
        self._suspect_status: int | None = None
        self._blamed_on_pace: set[int] = set()
        self._list_failed, self._list_failures, self._list_drops = False, 0, 0
        self._not_found: set[Target] = set()
        self._list_refused = False
        self._troubles: dict[Target, RepeatedFault] = {}

    def holds(self, target: Target) -> bool:
        """Return whether a document is set aside."""
        return self._clock.monotonic() < self._quarantined_until.get(target, -math.inf)

    @property
    def allows_sweep(self) -> bool:
        """Whether the list may be read in turn: it is not set aside, and did not fail just now."""
        return not self.holds(LIST) and not self._list_failed

    @property
    def asks_for_list(self) -> bool:
        """Whether the list has to tell what the refused document of the only charger means."""
        return self._suspect is not None

    def record_success(self, target: Target) -> Target | None:
        """Record a good read: earlier refusals were of single documents.

        Return the refused document of the only charger if the pace of reading turned out to be to blame for it.
        """
        self._release_not_found()
        self._forbidden.clear()
        self._all_forbidden = False
        self._readable.add(target.charger_id)
        if target == LIST:
            self._list_failures = 0
        else:
            self._record_readable(target)
        self._list_failed = False
        suspect, self._suspect = self._suspect, None
        return suspect if target == LIST and suspect is not None and self._is_pace_to_blame(suspect) else None

    def _record_readable(self, target: Target) -> None:
        self._end_trouble(target)
        if target.document is Document.DETAIL:
            self._blamed_on_pace.discard(target.charger_id)
            self._registry.record_read(target.charger_id, is_refused=False)
        if self._list_failed:
            self._list_failures += 1
            if self._list_failures >= _LIST_FAILURES:
                self._drop_list("it fails while other documents can be read")

    def _is_pace_to_blame(self, suspect: Target) -> bool:
        """Decide by a good list what the refused document of the only charger means, and set it aside or not.

        A charger that is listed and could be read before was hardly refused for its own sake: the first time the
        pace is to blame.
        """
        charger = suspect.charger_id
        is_known = charger in self._readable and not self._registry.is_missing(charger)
        if is_known and self._suspect_status == HTTPStatus.FORBIDDEN and charger not in self._blamed_on_pace:
            self._blamed_on_pace.add(charger)
            return True
        self._set_aside(suspect, self._suspect_status)
        return False

    def record_failure(self, target: Target, error: CloudError) -> None:
        """Record a failed read. Whether a failing list is to blame or the cloud, the next detail will tell."""
        if target == LIST:
            self._suspect = None  # it could not tell
        is_answered = isinstance(error, RequestRefusedError | AnswerLostError)
        self._list_failed = is_answered and target == LIST and len(self._registry.chargers) > 1
        if target == LIST and isinstance(error, RequestRefusedError):
            self._list_refused = True
            if self._list_failed:
                self._drop_list("it is refused")

    def record_forbidden(self, target: Target) -> bool:
        """Record a 403 and set the document aside; return whether reads of everything are refused."""
        if self._all_forbidden:
            return True  # until something can be read again
        self._forbidden.add(target.charger_id)
        self._forbidden_at[target.charger_id] = self._clock.monotonic()
        if self._is_only_detail(target):
            self._suspect, self._suspect_status = target, HTTPStatus.FORBIDDEN
            return False
        self._hold(target)
        if self._is_everything_forbidden():
            # not this document but all of them: too many requests
            for noted in (self._quarantined_until, self._forbidden, self._forbidden_at, self._readable):
                noted.clear()
            self._all_forbidden, self._suspect = True, None
            self._registry.clear_refused()
            return True
        self._set_aside(target, HTTPStatus.FORBIDDEN)
        return False

    def record_not_found(self, target: Target, http_status: int | None) -> None:
        """Record that a document is not there, and set it aside; the list decides about the only charger's."""
        if self._is_only_detail(target):
            self._suspect, self._suspect_status = target, http_status
        else:
            self._set_aside(target, http_status)
            self._not_found.add(target)

    def _release_not_found(self) -> None:
        """Release them where even the list was refused before any good read: the cloud was at fault, not they."""
        for target in self._not_found if self._list_refused else ():
            self._quarantined_until.pop(target, None)
            if target.document is Document.DETAIL:
                self._quarantined_until.pop(Target(Document.BASIC, target.charger_id), None)
                self._registry.record_read(target.charger_id, is_refused=False)
        self._not_found.clear()
        self._list_refused = False

    def _is_only_detail(self, target: Target) -> bool:
        is_only = self._registry.chargers == [target.charger_id]
        return is_only and target.document is Document.DETAIL and not self.holds(LIST)

    def _set_aside(self, target: Target, http_status: int | None) -> None:
        self._hold(target)
        if target.document is Document.DETAIL:
            self._registry.record_read(target.charger_id, is_refused=True)
        self._tell(target, "refused", f"{target} minutes={QUARANTINE_S / 60:.0f} http_status={http_status}")

    def _hold(self, target: Target) -> None:
        until = self._clock.monotonic() + QUARANTINE_S
        self._quarantined_until[target] = until
        if target.document is Document.DETAIL:
            self._quarantined_until[Target(Document.BASIC, target.charger_id)] = until

    def _is_everything_forbidden(self) -> bool:
        documents = details(self._registry.chargers)
        # the list shows all
        with_list = LIST.charger_id in self._forbidden and len(self._forbidden) > 1
        # two that could be read before have hardly lost their rights in the same 15 minutes
        now = self._clock.monotonic()
        lost = {one for one, at in self._forbidden_at.items() if now - at < QUARANTINE_S} & self._readable
        many = len(self._forbidden) >= min(max(2, len(documents)), _ALL_FORBIDDEN)
        return with_list or len(lost) > 1 or many or all(self.holds(detail) for detail in documents)

    def judge_list(self, *, shows: bool) -> None:
        """Set a good list aside that does not show what changes, or end the trouble with it."""
        if shows:
            self._list_drops = 0
            self._end_trouble(LIST)
        else:
            self._drop_list("it does not show the state of the chargers")

    def _drop_list(self, why: str) -> None:
        seconds = _LIST_QUARANTINE_S[min(self._list_drops, len(_LIST_QUARANTINE_S) - 1)]
        self._list_drops += 1
        self._tell(LIST, "list", f"document=list minutes={seconds / 60:.0f} reason={why!r}")
        self._quarantined_until[LIST] = self._clock.monotonic() + seconds
        self._list_failed, self._list_failures = False, 0

    def _tell(self, target: Target, kind: str, facts: str) -> None:
        trouble = self._troubles.setdefault(
            target, RepeatedFault(_LOG, "set aside", f"read again {target}", self._clock)
        )
        trouble.occurs(kind, facts)

    def _end_trouble(self, target: Target) -> None:
        if (trouble := self._troubles.get(target)) is not None:
            trouble.ended()
