"""The picture: all that is known of the chargers, as it is published. One object with one lock.

Two rules keep it true: an older reading never overwrites a newer one of the same field, whichever document
it came from; and after an accepted command the field is held, so that readings which cannot know of it yet
do not make it flicker.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wallbox2mqtt.catalogue import FIELDS, OUT_OF_TOUCH, Json
from wallbox2mqtt.documents import Reading
from wallbox2mqtt.topics import OFFLINE, ONLINE, Topics, payload

_LOG = logging.getLogger(__name__)

STALE_S = 15 * 60.0
"""A charger whose last sync is older than this, by the cloud's own clock, is out of touch."""

MAX_FIELDS = 1000
"""Fields of one charger; known documents have 150. A cloud that makes up new keys each time must not eat the memory."""

Publish = Callable[[str, str], None]
NotConfirmed = Callable[[], None]

_DERIVED = [row for row in FIELDS.values() if row.derive is not None]
_DERIVED_OF: dict[str, list[str]] = {}
for _row in _DERIVED:
    for _source in _row.sources:
        _DERIVED_OF.setdefault(_source, []).append(_row.key)

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


@dataclass(slots=True)
class _Charger:
    """One charger. ``read_at``: when the reading of a field began. ``homes``: keys by the document they came from."""

    values: dict[str, Json] = field(default_factory=dict)
    read_at: dict[str, float] = field(default_factory=dict)
    homes: dict[str, frozenset[str]] = field(default_factory=dict)
    holds: dict[str, _Hold] = field(default_factory=dict)
    was: dict[str, list[tuple[Json, float]]] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    stale: bool = False
    detailed: bool = False
    availability: str | None = None


class Picture:
    """What is known, and what of it is published. Every method may be called from any thread."""

    def __init__(self, topics: Topics, publish: Publish, settle_s: float) -> None:
        """Begin with nothing; ``publish`` takes a topic and a payload and must not block."""
        self._topics, self._publish, self._settle_s = topics, publish, settle_s
        self._lock = threading.RLock()
        self._chargers: dict[int, _Charger] = {}

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
        """Drop a charger that is gone; gives the topics that it had."""
        with self._lock:
            charger = self._chargers.pop(charger_id, None)
            if charger is None:
                return []
            keys = [*charger.values, *(["availability"] if charger.availability else [])]
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
        failed: list[NotConfirmed] = []
        with self._lock:
            charger = self._chargers.setdefault(charger_id, _Charger())
            self._warn(charger_id, charger, reading)
            values = {key: value for key, value in reading.values.items() if self._is_welcome(charger, key, value)}
            if reading.complete:
                values |= self._gone(charger, reading, home)
            for key, value in self._with_derived(charger, values).items():
                if (call := self._offer(charger_id, charger, key, value, begun)) is not None:
                    failed.append(call)
            if home == "detail":
                charger.detailed = True
                charger.stale = _is_stale(charger.values.get("last_sync"), server_time)
            self._rate(charger_id, charger)
        for call in failed:
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
            for key, value in wished.items():
                self._hold(charger, key, value, now, failed.get(key))
                charger.values[key] = value
                charger.read_at[key] = max(begun, charger.read_at.get(key, begun))
                self._publish(self._topics.field(charger_id, key), payload(value))
            shown = {
                key: value for key, value in answer.values.items() if not self._is_held_back(charger, key, value, now)
            }
            for key, value in self._with_derived(charger, shown).items():
                if not self._is_held_back(charger, key, value, now):
                    charger.holds.pop(key, None)
                    self._show(charger_id, charger, key, value, begun)
            self._rate(charger_id, charger)

    def _hold(self, charger: _Charger, key: str, wish: Json, now: float, failed: NotConfirmed | None) -> None:
        old = [(value, until) for value, until in charger.was.get(key, []) if now - until <= self._settle_s]
        if key in charger.values:
            old.append((charger.values[key], now))
        charger.was[key] = old
        charger.holds[key] = _Hold(wish, now, list(old), failed)

    def _is_held_back(self, charger: _Charger, key: str, value: Json, now: float) -> bool:
        """Tell whether a write's answer says nothing new of a held field: the wish itself, or a value before it."""
        hold = charger.holds.get(key)
        return hold is not None and (_same(value, hold.wish) or self._is_old(hold, value, now))

    def _is_old(self, hold: _Hold, value: Json, begun: float) -> bool:
        return any(_same(value, old) and begun - until <= self._settle_s for old, until in hold.old)

    def _offer(self, charger_id: int, charger: _Charger, key: str, value: Json, begun: float) -> NotConfirmed | None:
        """Show a read value unless a newer one or a hold stands against it."""
        if begun < charger.read_at.get(key, begun):
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
        charger.read_at[key] = begun
        if not known or payload(before) != payload(value):
            self._publish(self._topics.field(charger_id, key), payload(value))

    def _with_derived(self, charger: _Charger, values: dict[str, Json]) -> dict[str, Json]:
        """Add the fields that follow from these values, with the shown ones where a document lacks a source."""
        wanted = dict.fromkeys(key for source in values for key in _DERIVED_OF.get(source, ()))
        for key in wanted:
            row = FIELDS[key]
            sources = [values.get(source, charger.values.get(source)) for source in row.sources]
            if row.derive is not None:
                values[key] = row.derive(*sources)
        return values

    def _is_welcome(self, charger: _Charger, key: str, value: Json) -> bool:
        """Refuse two kinds of unknown keys: an object that became null, and more than any charger has."""
        if key in charger.values or key in FIELDS:
            return True
        if value is None and any(known.startswith(f"{key}/") for known in charger.values):
            return False
        return len(charger.values) < MAX_FIELDS

    def _gone(self, charger: _Charger, reading: Reading, home: str) -> dict[str, Json]:
        """Give what such a document once had and has no longer: unknown from now on."""
        here = frozenset(reading.values) | frozenset(reading.wrong)
        before = charger.homes.get(home, frozenset())
        charger.homes[home] = here if here == before else here | before
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


def _same(one: Json, other: Json) -> bool:
    return payload(one) == payload(other)


def _is_stale(last_sync: Json, server_time: float | None) -> bool:
    if not isinstance(last_sync, str) or server_time is None:
        return False
    return server_time - datetime.fromisoformat(last_sync).timestamp() > STALE_S
