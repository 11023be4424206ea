"""The state: all that is known of the chargers, as it is published. One object with one lock.

Two rules keep it true: an older reading never overwrites a newer one of the same field, whichever document
it came from; and after an accepted command the field is held, so that readings which cannot know of it yet
do not make it flicker.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from wallbox2mqtt.bridge.charger import (
    COMPARED,
    DERIVED_OF,
    HELD,
    MAX_WRONG,
    MEASUREMENTS,
    STATES,
    TOTALS,
    Hold,
    KnownCharger,
    Snapshot,
    Source,
    Verdict,
    admit_keys,
    falls_a_little,
    is_less,
    is_stale,
    same,
    timestamp_key,
)
from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.kept_keys import KeptKeys
from wallbox2mqtt.catalogue import FIELDS, OUT_OF_TOUCH, Json
from wallbox2mqtt.cloud.documents import Document, Reading
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import OFFLINE, ONLINE, Topics, payload

_LOG = logging.getLogger(__name__)

Publish = Callable[[str, str], None]


class ChargerStates:
    """What is known, and what of it is published. Every method may be called from any thread."""

    def __init__(self, topics: Topics, publish: Publish, settle_s: float, store: Storage | None = None) -> None:
        """Start with nothing but the keys that the last run has published.

        Args:
            topics: of the bridge.
            publish: takes a topic and a payload and must not block.
            settle_s: how long after a command the cloud may still show the old value.
            store: where the keys are kept; None: nowhere.

        """
        self._kept = KeptKeys(store)
        self._topics, self._publish, self._settle_s = topics, publish, settle_s
        self._lock = threading.RLock()
        self._chargers: dict[int, KnownCharger] = {}
        self._clamped: list[tuple[QueuedCommand, str, Json]] = []

    def view(self, charger_id: int) -> Mapping[str, Json]:
        """Return a copy of a charger's fields as they are shown."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return {} if charger is None else dict(charger.values)

    def value(self, charger_id: int, key: str) -> Json:
        """Return one field as it is shown."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return None if charger is None else charger.values.get(key)

    def has_detail(self, charger_id: int) -> bool:
        """Return whether a detail of this charger has been read."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return charger is not None and charger.detailed

    def snapshot(self, charger_id: int) -> Snapshot | None:
        """Return what a charger has at present; None before its first detail."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            if charger is None or not charger.detailed:
                return None
            gone = frozenset[str]().union(*charger.gone.values())
            values = {key: value for key, value in charger.values.items() if key not in gone}
            return Snapshot(values, Document.BASIC in charger.homes)

    def revision(self, charger_id: int) -> int:
        """Return the number that changes when more of a charger may have than measurements; 0: unknown charger."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return 0 if charger is None else charger.revision

    def announcing(self) -> Iterator[int]:
        """Publish everything anew, one charger at each turn with what is shown of it by then; return which."""
        with self._lock:
            charger_ids = list(self._chargers)
        for charger_id in charger_ids:
            with self._lock:
                if (charger := self._chargers.get(charger_id)) is not None:
                    self._announce(charger)
            yield charger_id

    def _announce(self, charger: KnownCharger) -> None:
        if charger.availability is not None:
            self._publish(self._topics.availability(charger.id), charger.availability)
        for key, value in charger.values.items():
            self._publish(self._topics.field(charger.id, key), payload(value))

    def republish(self, charger_id: int, keys: Iterable[str]) -> None:
        """Publish these fields again though they did not change, so that a dashboard's control springs back."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            for key in keys:
                if charger is not None and key in charger.values:
                    self._publish(self._topics.field(charger_id, key), payload(charger.values[key]))

    def left_out(self, chargers: Iterable[int]) -> list[int]:
        """Return the chargers of earlier runs that are none of these."""
        with self._lock:
            return sorted(set(self._kept.chargers) - set(chargers))

    def forget(self, charger_id: int) -> list[str]:
        """Drop a charger that is gone; return the topics that it had, or may have had in an earlier run."""
        with self._lock:
            charger = self._chargers.pop(charger_id, KnownCharger(charger_id))
            keys = dict.fromkeys(["availability", *STATES, *charger.values, *self._kept.all_of(charger_id)])
            self._kept.forget(charger_id)
            return [self._topics.field(charger_id, key) for key in keys]

    def read(
        self, charger_id: int, reading: Reading, begun: float, server_time: float | None = None
    ) -> list[QueuedCommand]:
        """Take a document that a read brought; return the commands that turn out to have had no effect.

        Args:
            charger_id: the charger.
            reading: what the document says.
            begun: when the request began, monotonic.
            server_time: the answer's Date, seconds since 1970; with a detail it tells a charger out of touch.

        """
        with self._lock:
            charger = self._chargers.setdefault(charger_id, KnownCharger(charger_id))
            values = self._said(charger, reading)
            if reading.complete:
                values |= self._gone(charger, values.keys() | reading.wrong.keys(), reading.document)
            unconfirmed = self._take(charger, values, Source(reading.document, begun, confirms=True))
            if reading.document is Document.DETAIL:
                charger.revision += int(not charger.detailed)
                charger.detailed = True
                charger.stale = is_stale(reading.values.get("last_sync"), server_time)
            self._update_availability(charger)
            return unconfirmed

    def accept(
        self,
        charger_id: int,
        wished: Mapping[str, Json],
        answer: Reading,
        begun: float,
        now: float,
        commands: Mapping[str, QueuedCommand],
    ) -> list[QueuedCommand]:
        """Take an accepted write: show what was wished, hold it, and take the answer as a reading of what it shows.

        Args:
            charger_id: the charger.
            wished: the fields that the command set, as they are to be shown.
            answer: what the write's answer shows.
            begun: when the request began, monotonic.
            now: monotonic.
            commands: by field, the command that fails when the cloud turns out not to show it.

        Returns:
            Earlier commands that turn out to have had no effect.

        """
        with self._lock:
            charger = self._chargers.setdefault(charger_id, KnownCharger(charger_id))
            charger.revision += 1
            for key, intent in wished.items():
                charger.uncertain_since.pop(key, None)
                charger.brought_by.pop(key, None)
                charger.overruled.pop(key, None)
                hold = self._hold(charger, key, intent, now, commands.get(key))
                told = answer.values.get(key)
                if told is not None and not hold.is_old(told, now, self._settle_s):
                    hold.intent = told  # the intent, or what the charger made of it
                charger.values[key] = hold.intent
                charger.read_at[key] = max(begun, charger.read_at.get(key, begun))
                self._publish(self._topics.field(charger_id, key), payload(hold.intent))
            followers = {follower for key in wished for follower in DERIVED_OF.get(key, ())}
            for key in followers - wished.keys():
                charger.holds.pop(key, None)  # an earlier command's, which this one has overtaken
            others = {key: value for key, value in self._said(charger, answer).items() if key not in wished}
            source = Source(answer.document, begun, confirms=False)
            unconfirmed = self._take(charger, others, source)
            unconfirmed += self._follow(charger, {key: charger.values[key] for key in wished}, source)
            self._update_availability(charger)
            return unconfirmed

    def mark_absent(self, charger_id: int, *, absent: bool) -> None:
        """Record whether a charger is gone from the account: its last values stay, it counts as offline."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            if charger is None and absent:
                charger = self._chargers.setdefault(charger_id, KnownCharger(charger_id))
            if charger is not None and charger.absent != absent:
                charger.absent = absent
                self._update_availability(charger)

    def mark_uncertain(self, charger_id: int, keys: Iterable[str], now: float) -> None:
        """Record that a write of these fields got no answer: whether they still are as shown is not known."""
        with self._lock:
            if (charger := self._chargers.get(charger_id)) is not None:
                charger.uncertain_since |= dict.fromkeys(keys, now)

    def is_certain(self, charger_id: int, keys: Iterable[str]) -> bool:
        """Return whether none of these fields was written without an answer since they were read."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return charger is None or charger.uncertain_since.keys().isdisjoint(keys)

    def release(self, charger_id: int, keys: Iterable[str]) -> None:
        """Hold these fields no longer: another command changed them in a way that the next reading will tell."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            for key in keys:
                if charger is not None:
                    charger.holds.pop(key, None)

    def _hold(self, charger: KnownCharger, key: str, intent: Json, now: float, command: QueuedCommand | None) -> Hold:
        old = [(value, until) for value, until in charger.was.get(key, []) if now - until <= self._settle_s]
        if key in charger.values:
            old.append((charger.values[key], now))
        charger.was[key] = old
        charger.holds[key] = hold = Hold(intent, now, list(old), command)
        return hold

    def _said(self, charger: KnownCharger, reading: Reading) -> dict[str, Json]:
        """Return what a document says; None for a field that has been of the wrong kind for too long."""
        for told, problems in (
            ("kept the last value of", reading.wrong),
            ("an impossible value of", reading.impossible),
        ):
            for key, problem in problems.items():
                if key not in charger.warned:
                    charger.warned.add(key)
                    _LOG.warning("%s a field charger=%d field=%s problem=%r", told, charger.id, key, problem)
        counts = {key: charger.wrong.get(key, 0) + 1 for key in reading.wrong}
        charger.wrong = {key: n for key, n in charger.wrong.items() if key not in reading.values} | counts
        return admit_keys(charger, reading.values, self._kept.all_of(charger.id)) | {
            key: None for key, n in counts.items() if n >= MAX_WRONG
        }

    def _take(self, charger: KnownCharger, values: Mapping[str, Json], source: Source) -> list[QueuedCommand]:
        """Show what a document says and what follows from it; return the commands that had no effect."""
        news = charger.news(values, source)
        failed = [self._offer(charger, key, value, source) for key, value in news.items()]
        return [command for command in failed if command is not None] + self._follow(charger, news, source)

    def _offer(self, charger: KnownCharger, key: str, value: Json, source: Source) -> QueuedCommand | None:
        """Show a read value unless a newer one or a hold stands against it; return the command that had no effect."""
        if source.begun < charger.read_at.get(timestamp_key(key), source.begun):
            return None
        if source.confirms:
            self._look_for_clamp(charger, key, value, source.begun)
        failed = None
        if (hold := charger.holds.get(key)) is not None:
            verdict = hold.judge(value, source.begun, self._settle_s, confirms=source.confirms)
            if verdict is Verdict.KEEP:
                return None
            if hold.over:
                del charger.holds[key]
            failed = hold.command if verdict is Verdict.FAILED else None
        self._show(charger, key, value, source)
        return failed

    def _look_for_clamp(self, charger: KnownCharger, key: str, value: Json, begun: float) -> None:
        """Look whether a settled reading shows less than was commanded, and not what was before: 18 A of 20."""
        hold = charger.holds.get(key) or charger.overruled.get(key)
        charger.overruled.pop(key, None)
        if hold is None or hold.command is None or not hold.is_third(value):
            return
        if begun - hold.since < self._settle_s:
            charger.overruled[key] = hold
        elif is_less(value, hold.intent):
            self._clamped.append((hold.command, key, value))

    def take_clamped(self) -> list[tuple[QueuedCommand, str, Json]]:
        """Return the commands of which settled readings show that the charger made less, by field, with the value."""
        with self._lock:
            clamped, self._clamped = self._clamped, []
            return clamped

    def _show(self, charger: KnownCharger, key: str, value: Json, source: Source) -> None:
        known, begun = key in charger.values, source.begun
        before = charger.values.get(key)
        if key in TOTALS and falls_a_little(before, value):
            value = before
        changed = not known or not same(before, value)
        if key in HELD and known and changed:
            kept = [(old, until) for old, until in charger.was.get(key, []) if begun - until <= self._settle_s]
            charger.was[key] = [*kept, (before, begun)]
        if key in COMPARED and (changed or key not in charger.brought_by):
            charger.brought_by[key] = source.document
            charger.repeats.pop(key, None)
        charger.values[key] = value
        charger.read_at[timestamp_key(key)] = begun
        if (lost := charger.uncertain_since.get(key)) is not None and begun - lost >= self._settle_s:
            del charger.uncertain_since[key]
        if changed:
            charger.revision += int(not known or key not in MEASUREMENTS or None in {before, value})
            self._publish(self._topics.field(charger.id, key), payload(value))

    def _follow(self, charger: KnownCharger, values: Mapping[str, Json], source: Source) -> list[QueuedCommand]:
        """Show the fields that follow from these. One that is held follows what was read, the others what is shown."""
        failed = []
        for key in dict.fromkeys(key for source_key in values for key in DERIVED_OF.get(source_key, ())):
            row, at, view = FIELDS[key], source.begun, {**charger.values, **values}
            if key not in charger.values and row.sources[0] not in view:
                continue  # of what it follows from first nothing was read yet: what an earlier run has shown stays
            if key not in charger.holds:
                at, view = max(at, charger.read_at.get(key, at)), charger.values
            if row.derive is not None:
                value = row.derive(*(view.get(source_key) for source_key in row.sources))
                failed.append(self._offer(charger, key, value, replace(source, begun=at)))
        return [command for command in failed if command is not None]

    def _gone(self, charger: KnownCharger, here: AbstractSet[str], home: Document) -> dict[str, Json]:
        """Return what such a document once had, in an earlier run perhaps, and has no longer: unknown from now on."""
        before = self._kept.of(charger.id).get(home.value, frozenset())
        self._kept.put(charger.id, home.value, before | here)
        charger.revision += int(
            home not in charger.homes or not here <= before or charger.gone.get(home) != before - here
        )
        charger.homes.add(home)
        charger.gone[home] = before - here
        return dict.fromkeys(before - here)

    def _update_availability(self, charger: KnownCharger) -> None:
        out = charger.absent or charger.stale or charger.values.get("status_id") in OUT_OF_TOUCH
        availability = OFFLINE if out else ONLINE
        if availability != charger.availability:
            charger.availability = availability
            self._publish(self._topics.availability(charger.id), availability)
