"""What is known of one charger: its fields, when they were read, and what a command holds."""

import enum
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.catalogue import CONFIG, FIELDS, Json
from wallbox2mqtt.catalogue.quantities import is_number
from wallbox2mqtt.cloud.documents import Document
from wallbox2mqtt.topics import payload

STALE_S = 15 * 60.0
"""A charger whose last sync is older than this, by the cloud's own clock, is out of touch."""

MAX_FIELDS = 1000
"""Fields of one charger; known documents have 150. A cloud that makes up new keys each time must not eat the memory."""

_DERIVED = [row for row in FIELDS.values() if row.derive is not None]
MAX_WRONG = 3
"""Readings in a row in which a field is of the wrong kind: then it is unknown."""

DERIVED_OF: dict[str, list[str]] = {}
for _row in _DERIVED:
    for _source in _row.sources:
        DERIVED_OF.setdefault(_source, []).append(_row.key)

MULTI_SOURCE = frozenset(
    row.key
    for row in FIELDS.values()
    if row.sweep or row.v2 or row.derive is not None or (row.detail or "").startswith(CONFIG)
)
"""Fields that more than one document shows: only of them is remembered each by itself when they were read."""

COMPARED = frozenset(row.key for row in FIELDS.values() if row.sweep or row.v2)
"""Fields in which two documents that are read may disagree for long."""

MAX_REPEATS = 2
"""Readings that may repeat their document's own value without overwriting what another document has changed since."""

STATES = tuple(row.key for row in FIELDS.values() if row.has_state)

HELD = frozenset(
    {row.key for row in FIELDS.values() if row.command is not None and row.has_state and row.command.shows}
    | {row.key for row in FIELDS.values() if row.config is not None}
)
"""Fields that a command can set: only of them is remembered what was shown before."""

MEASUREMENTS = frozenset(row.key for row in FIELDS.values() if row.quantity.state_class is not None)
"""Measurements: that one has another value makes no charger another one to those who announce it."""


TOTALS = frozenset(row.key for row in FIELDS.values() if row.quantity.state_class == "total_increasing")
"""Sums that only grow until they begin anew."""

_LEAST_FALL = 0.1


class Verdict(enum.Enum):
    """What becomes of a value that is read of a field that a command has set."""

    SHOW = "show"
    KEEP = "keep what is shown"
    FAILED = "show it, the command had no effect"


@dataclass(slots=True)
class Hold:
    """A field that a command set and the cloud has not shown yet.

    ``old``: values that the cloud may still show, and until when they were true. ``command``: the one to answer if
    it turns out to have had no effect. ``over``: no later reading is held back.
    """

    intent: Json
    since: float
    old: list[tuple[Json, float]]
    command: QueuedCommand | None
    over: bool = False

    def judge(self, value: Json, begun: float, settle_s: float, *, confirms: bool) -> Verdict:
        """Decide on a value; one that ``confirms`` comes from a read, not from the answer to another write."""
        settled = begun - self.since >= settle_s
        was_old, is_old = any(same(value, old) for old, _ in self.old), self.is_old(value, begun, settle_s)
        if same(value, self.intent):
            # a intent that was shown shortly before (32, 13, 32) may be that old value: it confirms nothing yet
            self.over = confirms and (settled or not is_old)
            return Verdict.SHOW if confirms else Verdict.KEEP
        if is_old and not settled:
            return Verdict.KEEP
        # an old value that is shown because its own time is over may still turn out to be the end of this command
        self.over = settled or not was_old
        return Verdict.FAILED if settled and was_old else Verdict.SHOW

    def is_third(self, value: Json) -> bool:
        """Return whether a value is neither the commanded one nor one from before the command."""
        return not same(value, self.intent) and not any(same(value, old) for old, _ in self.old)

    def is_old(self, value: Json, begun: float, settle_s: float) -> bool:
        """Return whether a reading may show this value only because the cloud lags behind."""
        return any(same(value, old) and begun - until <= settle_s for old, until in self.old)


@dataclass(frozen=True, slots=True)
class Source:
    """Where values come from. ``begun``: when its request began.

    ``confirms``: it was read to see how things are, and is not the answer to another command.
    """

    document: Document
    begun: float
    confirms: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A charger as its newest documents show it, without what they no longer have.

    ``has_basic``: whether its basic document has been read since the start.
    """

    values: Mapping[str, Json]
    has_basic: bool


@dataclass(slots=True)
class KnownCharger:
    """One charger. ``read_at``: when the reading of a field began. ``homes``: the documents read since the start.

    ``gone``: keys by the document that no longer has them. ``uncertain_since``: since when it is unknown whether a
    write of the field had its effect. ``said``: what each document said last of the fields that several show.
    ``brought_by``: the document whose change is shown. ``repeats``: how often it was contradicted since. ``wrong``: in
    how many readings in a row a field was of the wrong kind. ``overruled``: commands whose field a reading showed in a
    third way, before the charger had settled. ``absent``: it is gone from the account. ``revision``: how
    often more of it than measurements has changed.
    """

    id: int
    values: dict[str, Json] = field(default_factory=dict)
    read_at: dict[str, float] = field(default_factory=dict)
    homes: set[Document] = field(default_factory=set)
    gone: dict[Document, frozenset[str]] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    was: dict[str, list[tuple[Json, float]]] = field(default_factory=dict)
    uncertain_since: dict[str, float] = field(default_factory=dict)
    said: dict[Document, dict[str, Json]] = field(default_factory=dict)
    brought_by: dict[str, Document] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    overruled: dict[str, Hold] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    stale: bool = False
    absent: bool = False
    detailed: bool = False
    availability: str | None = None
    revision: int = 0

    def news(self, values: Mapping[str, Json], source: Source) -> dict[str, Json]:
        """Return the values without those that a document only repeats against the newer change of another one.

        List and detail may disagree for long: what was shown would change with each reading. The newer change counts
        until its document is read again, and for two contradictions at most: it may be out of date itself.
        """
        last = self.said.setdefault(source.document, {})
        old = set()
        for key in values.keys() & COMPARED:
            repeated = key in last and same(last[key], values[key])
            last[key] = values[key]
            if same(values[key], self.values.get(key)):
                self.repeats.pop(key, None)
            elif repeated and key not in self.holds and self._may_be_late(source.document, self.brought_by.get(key)):
                self.repeats[key] = self.repeats.get(key, 0) + 1
                old |= {key} if self.repeats[key] <= MAX_REPEATS else set()
        return {key: value for key, value in values.items() if key not in old}

    @staticmethod
    def _may_be_late(one: Document, other: Document | None) -> bool:
        """Return whether two documents may disagree for long: the list of chargers and any other one."""
        return other is not None and one is not other and Document.SWEEP in {one, other}


def timestamp_key(key: str) -> str:
    """Name under which it is remembered when a field was read: its own, or that of the one document that shows it."""
    return key if key in MULTI_SOURCE else "basic" if key.startswith("basic/") else ""


def admit_keys(
    charger: KnownCharger, values: Mapping[str, Json], earlier: AbstractSet[str] = frozenset()
) -> dict[str, Json]:
    """Leave out two kinds of unknown keys: an object that became null, and more than any charger has.

    ``earlier``: keys of earlier runs. They count, or each restart would make room for as many new ones.
    """
    known = charger.values.keys() | earlier
    new = {key for key in values if key not in known and key not in FIELDS}
    if not new:
        return dict(values)
    parents = {key[:end] for key in known for end, sign in enumerate(key) if sign == "/"}
    unwelcome = {key for key in new if values[key] is None and key in parents}
    room = max(0, MAX_FIELDS - len(known))
    guests = new - unwelcome
    unwelcome |= set([key for key in values if key in guests][room:])
    return {key: value for key, value in values.items() if key not in unwelcome}


def is_less(one: Json, other: Json) -> bool:
    """Return whether both are numbers and the one is nearer to 0."""
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return False
    return is_number(one) and is_number(other) and abs(one) < abs(other)


def same(one: Json, other: Json) -> bool:
    """Return whether two values are one to those who read the topic."""
    return payload(one) == payload(other)


def falls_a_little(before: Json, value: Json) -> bool:
    """Return whether a sum falls by less than a tenth: no new beginning, and Home Assistant takes it for an error."""
    if not isinstance(before, int | float) or not isinstance(value, int | float):
        return False
    return before * (1 - _LEAST_FALL) <= value < before


def is_stale(last_sync: Json, server_time: float | None) -> bool:
    """Return whether a last sync (ISO 8601) is too long ago for the server's time (since 1970); unknown is no."""
    if not isinstance(last_sync, str) or server_time is None:
        return False
    return server_time - datetime.fromisoformat(last_sync).timestamp() > STALE_S
