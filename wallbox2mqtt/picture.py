"""The picture: all that is known of the chargers, as it is published. One object with one lock.

Two rules keep it true: an older reading never overwrites a newer one of the same field, whichever document
it came from; and after an accepted command the field is held, so that readings which cannot know of it yet
do not make it flicker.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from wallbox2mqtt.catalogue import CONFIG, FIELDS, OUT_OF_TOUCH, Json
from wallbox2mqtt.documents import Reading
from wallbox2mqtt.topics import OFFLINE, ONLINE, Topics, payload

_LOG = logging.getLogger(__name__)

STALE_S = 15 * 60.0
"""A charger whose last sync is older than this, by the cloud's own clock, is out of touch."""

_MAX_KEY_SETS = 100
MAX_FIELDS = 1000
"""Fields of one charger; known documents have 150. A cloud that makes up new keys each time must not eat the memory."""

Publish = Callable[[str, str], None]
NotConfirmed = Callable[[], None]

_DERIVED = [row for row in FIELDS.values() if row.derive is not None]
_DERIVED_OF: dict[str, list[str]] = {}
for _row in _DERIVED:
    for _source in _row.sources:
        _DERIVED_OF.setdefault(_source, []).append(_row.key)

_SEVERAL = frozenset(
    row.key
    for row in FIELDS.values()
    if row.sweep or row.v2 or row.derive is not None or (row.detail or "").startswith(CONFIG)
)
"""Fields that more than one document shows: only of them is remembered each by itself when they were read."""

_STATES = tuple(row.key for row in FIELDS.values() if row.has_state)

_HELD = frozenset(
    {row.key for row in FIELDS.values() if row.command is not None and row.has_state and row.command.shows}
    | {row.key for row in FIELDS.values() if row.config is not None}
)
"""Fields that a command can set: only of them is remembered what was shown before."""


@dataclass(slots=True)
class _Hold:
    """A field that a command set and the cloud has not shown yet.

    ``old``: values it may still show, and until when they were true. ``failed``: called when it turns out that
    the command had no effect; None: nobody asks.
    """

    wish: Json
    since: float
    old: list[tuple[Json, float]]
    failed: NotConfirmed | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A charger as its newest documents show it, without what they no longer have.

    ``homes``: the documents read since the start. ``edition``: another number when anything may have changed.
    """

    values: Mapping[str, Json]
    homes: frozenset[str]
    edition: int


@dataclass(slots=True)
class _Charger:
    """One charger. ``read_at``: when the reading of a field began. ``homes``: keys by the document they came from.

    ``gone``: keys by the document that no longer has them. ``edition``: how often it was read or written.
    """

    values: dict[str, Json] = field(default_factory=dict)
    read_at: dict[str, float] = field(default_factory=dict)
    homes: dict[str, frozenset[str]] = field(default_factory=dict)
    gone: dict[str, frozenset[str]] = field(default_factory=dict)
    holds: dict[str, _Hold] = field(default_factory=dict)
    was: dict[str, list[tuple[Json, float]]] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    stale: bool = False
    detailed: bool = False
    availability: str | None = None
    edition: int = 0


class Picture:
    """What is known, and what of it is published. Every method may be called from any thread."""

    def __init__(self, topics: Topics, publish: Publish, settle_s: float) -> None:
        """Begin with nothing; ``publish`` takes a topic and a payload and must not block."""
        self._topics, self._publish, self._settle_s = topics, publish, settle_s
        self._lock = threading.RLock()
        self._chargers: dict[int, _Charger] = {}
        self._key_sets: dict[frozenset[str], frozenset[str]] = {}

    def view(self, charger_id: int) -> Mapping[str, Json]:
        """Give a copy of a charger's fields as they are shown."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return {} if charger is None else dict(charger.values)

    def value(self, charger_id: int, key: str) -> Json:
        """Give one field as it is shown."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return None if charger is None else charger.values.get(key)

    def has_detail(self, charger_id: int) -> bool:
        """Tell whether a detail of this charger has been read."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return charger is not None and charger.detailed

    def snapshot(self, charger_id: int) -> Snapshot | None:
        """Give what a charger has at present; None before its first detail."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            if charger is None or not charger.detailed:
                return None
            gone = frozenset[str]().union(*charger.gone.values())
            values = {key: value for key, value in charger.values.items() if key not in gone}
            return Snapshot(values, frozenset(charger.homes), charger.edition)

    def edition(self, charger_id: int) -> int:
        """Give the number that changes when anything of a charger may have; 0: nothing is known of it."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return 0 if charger is None else charger.edition

    def announce(self) -> None:
        """Publish everything anew."""
        with self._lock:
            for charger_id, charger in self._chargers.items():
                self._announce(charger_id, charger)

    def _announce(self, charger_id: int, charger: _Charger) -> None:
        if charger.availability is not None:
            self._publish(self._topics.availability(charger_id), charger.availability)
        for key, value in charger.values.items():
            self._publish(self._topics.field(charger_id, key), payload(value))

    def repeat(self, charger_id: int, keys: Iterable[str]) -> None:
        """Publish these fields again though they did not change, so that a dashboard's control springs back."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            for key in keys:
                if charger is not None and key in charger.values:
                    self._publish(self._topics.field(charger_id, key), payload(charger.values[key]))

    def forget(self, charger_id: int) -> list[str]:
        """Drop a charger that is gone; gives the topics that it had, or may have had in an earlier run."""
        with self._lock:
            charger = self._chargers.pop(charger_id, _Charger())
            keys = dict.fromkeys(["availability", *_STATES, *charger.values])
            return [self._topics.field(charger_id, key) for key in keys]

    def read(self, charger_id: int, reading: Reading, begun: float, home: str, server_time: float | None) -> None:
        """Take a reading: a document that a read brought.

        Args:
            charger_id: the charger.
            reading: what the document says.
            begun: when the request began, monotonic.
            home: which document it is: detail, basic or sweep.
            server_time: the answer's Date, seconds since 1970; with a detail it tells a charger out of touch.

        """
        with self._lock:
            charger = self._chargers.setdefault(charger_id, _Charger())
            charger.edition += 1
            self._warn(charger_id, charger, reading)
            values = _welcome(charger, reading.values)
            if reading.complete:
                values |= self._gone(charger, values.keys() | reading.wrong.keys(), home)
            failed = [self._offer(charger_id, charger, key, value, begun) for key, value in values.items()]
            failed += self._follow(charger_id, charger, values, begun)
            if home == "detail":
                charger.detailed = True
                charger.stale = _is_stale(reading.values.get("last_sync"), server_time)
            self._rate(charger_id, charger)
        for call in failed:
            if call is not None:
                call()

    def accept(
        self,
        charger_id: int,
        wished: Mapping[str, Json],
        answer: Reading,
        begun: float,
        now: float,
        failed: Mapping[str, NotConfirmed],
    ) -> None:
        """Take an accepted write: show what was wished, hold it, and take the answer as a reading of what it shows.

        Args:
            charger_id: the charger.
            wished: the fields that the command set, as they are to be shown.
            answer: what the write's answer shows.
            begun: when the request began, monotonic.
            now: monotonic.
            failed: by field, what to call when the cloud turns out not to show it.

        """
        with self._lock:
            charger = self._chargers.setdefault(charger_id, _Charger())
            charger.edition += 1
            for key, wish in wished.items():
                hold = self._hold(charger, key, wish, now, failed.get(key))
                told = answer.values.get(key)
                if told is not None and not self._is_old(hold, told, now):
                    hold.wish = told  # the wish, or what the charger made of it
                charger.values[key] = hold.wish
                charger.read_at[key] = max(begun, charger.read_at.get(key, begun))
                self._publish(self._topics.field(charger_id, key), payload(hold.wish))
            followers = {follower for key in wished for follower in _DERIVED_OF.get(key, ())}
            for key in followers - wished.keys():
                charger.holds.pop(key, None)  # an earlier command's, which this one has overtaken
            others = {key: value for key, value in answer.values.items() if key not in wished}
            shown = {
                key: value
                for key, value in _welcome(charger, others).items()
                if self._is_new(charger, key, value, begun)
            }
            for key, value in shown.items():
                charger.holds.pop(key, None)
                self._show(charger_id, charger, key, value, begun)
            unheld = {key: charger.values[key] for key in [*wished, *shown]}
            self._follow(charger_id, charger, unheld, begun, held=False)
            self._rate(charger_id, charger)

    def release(self, charger_id: int, keys: Iterable[str]) -> None:
        """Hold these fields no longer: another command changed them in a way that the next reading will tell."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            for key in keys:
                if charger is not None:
                    charger.holds.pop(key, None)

    def _hold(self, charger: _Charger, key: str, wish: Json, now: float, failed: NotConfirmed | None) -> _Hold:
        old = [(value, until) for value, until in charger.was.get(key, []) if now - until <= self._settle_s]
        if key in charger.values:
            old.append((charger.values[key], now))
        charger.was[key] = old
        charger.holds[key] = hold = _Hold(wish, now, list(old), failed)
        return hold

    def _is_new(self, charger: _Charger, key: str, value: Json, begun: float) -> bool:
        """Tell whether a write's answer says something new of a field that the write did not set.

        Such an answer is another document than those that are read: that it shows the wish of an earlier command
        does not mean that they do.
        """
        if begun < charger.read_at.get(_stamp(key), begun):
            return False
        hold = charger.holds.get(key)
        return hold is None or not (_same(value, hold.wish) or self._is_old(hold, value, begun))

    def _is_old(self, hold: _Hold, value: Json, begun: float) -> bool:
        return any(_same(value, old) and begun - until <= self._settle_s for old, until in hold.old)

    def _offer(self, charger_id: int, charger: _Charger, key: str, value: Json, begun: float) -> NotConfirmed | None:
        """Show a read value unless a newer one or a hold stands against it."""
        if begun < charger.read_at.get(_stamp(key), begun):
            return None
        hold = charger.holds.get(key)
        failed = None
        if hold is not None:
            decided = begun - hold.since >= self._settle_s
            shows_wish = _same(value, hold.wish)
            if not decided and not shows_wish and self._is_old(hold, value, begun):
                return None
            # a wish that was shown shortly before (32, 13, 32) may be that old value: it confirms nothing yet
            if decided or not shows_wish or not self._is_old(hold, value, begun):
                del charger.holds[key]
            if decided and not shows_wish and any(_same(value, old) for old, _ in hold.old):
                failed = hold.failed
        self._show(charger_id, charger, key, value, begun)
        return failed

    def _show(self, charger_id: int, charger: _Charger, key: str, value: Json, begun: float) -> None:
        known = key in charger.values
        before = charger.values.get(key)
        if key in _HELD and known and not _same(before, value):
            kept = [(old, until) for old, until in charger.was.get(key, []) if begun - until <= self._settle_s]
            charger.was[key] = [*kept, (before, begun)]
        charger.values[key] = value
        charger.read_at[_stamp(key)] = begun
        if not known or payload(before) != payload(value):
            self._publish(self._topics.field(charger_id, key), payload(value))

    def _follow(
        self, charger_id: int, charger: _Charger, values: Mapping[str, Json], begun: float, *, held: bool = True
    ) -> list[NotConfirmed | None]:
        """Show the fields that follow from these. One that is held follows what was read, the others what is shown."""
        failed = []
        for key in dict.fromkeys(key for source in values for key in _DERIVED_OF.get(source, ())):
            row, at, view = FIELDS[key], begun, {**charger.values, **values}
            if key not in charger.holds:
                at, view = max(begun, charger.read_at.get(key, begun)), charger.values
            elif not held:
                continue
            if row.derive is not None:
                value = row.derive(*(view.get(source) for source in row.sources))
                failed.append(self._offer(charger_id, charger, key, value, at))
        return failed

    def _gone(self, charger: _Charger, here: AbstractSet[str], home: str) -> dict[str, Json]:
        """Give what such a document once had and has no longer: unknown from now on."""
        before = charger.homes.get(home, frozenset())
        keys = before | here
        # chargers of a kind have the same keys: one set serves them all
        if len(self._key_sets) >= _MAX_KEY_SETS:
            self._key_sets.clear()
        charger.homes[home] = self._key_sets.setdefault(keys, keys)
        charger.gone[home] = before - here
        return dict.fromkeys(before - here)

    def _warn(self, charger_id: int, charger: _Charger, reading: Reading) -> None:
        for key, what in reading.wrong.items():
            if key not in charger.warned:
                charger.warned.add(key)
                _LOG.warning("kept the last value of a field charger=%d field=%s problem=%r", charger_id, key, what)

    def _rate(self, charger_id: int, charger: _Charger) -> None:
        out = charger.stale or charger.values.get("status_id") in OUT_OF_TOUCH
        availability = OFFLINE if out else ONLINE
        if availability != charger.availability:
            charger.availability = availability
            self._publish(self._topics.availability(charger_id), availability)


def _stamp(key: str) -> str:
    """Name under which it is remembered when a field was read: its own, or that of the one document that shows it."""
    return key if key in _SEVERAL else "basic" if key.startswith("basic/") else ""


def _welcome(charger: _Charger, values: Mapping[str, Json]) -> dict[str, Json]:
    """Leave out two kinds of unknown keys: an object that became null, and more than any charger has."""
    new = {key for key in values if key not in charger.values and key not in FIELDS}
    if not new:
        return dict(values)
    parents = {key[:end] for key in charger.values for end, sign in enumerate(key) if sign == "/"}
    unwelcome = {key for key in new if values[key] is None and key in parents}
    room = max(0, MAX_FIELDS - len(charger.values))
    welcome = new - unwelcome
    unwelcome |= set([key for key in values if key in welcome][room:])
    return {key: value for key, value in values.items() if key not in unwelcome}


def _same(one: Json, other: Json) -> bool:
    return payload(one) == payload(other)


def _is_stale(last_sync: Json, server_time: float | None) -> bool:
    if not isinstance(last_sync, str) or server_time is None:
        return False
    return server_time - datetime.fromisoformat(last_sync).timestamp() > STALE_S
