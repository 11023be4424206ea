"""One charger: what is known of it, and the rules by which readings and commands change that.

An older reading never overwrites a newer one of the same field, whichever document it came from. After an accepted
command the field is held, so that readings which cannot know of it yet do not make it flicker. Times are monotonic
seconds.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.disagreements import Disagreements
from wallbox2mqtt.bridge.field_sets import DERIVED_OF, HELD, MEASUREMENTS, TOTALS
from wallbox2mqtt.bridge.hold import Hold, HoldVerdict, is_less, same
from wallbox2mqtt.bridge.kept_keys import KeptKeys, admit_keys
from wallbox2mqtt.bridge.snapshot import Shown, Snapshot, falls_a_little, is_own, is_stale, timestamp_key
from wallbox2mqtt.catalogue import FIELDS, OUT_OF_TOUCH, Json
from wallbox2mqtt.cloud.documents import Origin, Reading
from wallbox2mqtt.topics import AVAILABILITY, OFFLINE, ONLINE, payload

_LOG = logging.getLogger(__name__)

_MAX_WRONG = 3
"""Readings in a row in which a field is of the wrong kind: then it is unknown."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where values come from. ``begun``: when its request began.

    ``confirms``: it was read to see how things are, and is not the answer to another command. ``is_later_session``: it
    shows a session that has lasted less long than the one that is shown.
    """

    origin: Origin
    begun: float
    confirms: bool
    is_later_session: bool = False


@dataclass(slots=True)
class KnownCharger:
    """One charger. Not thread-safe: its caller holds the lock of the state."""

    id: int
    publish: Callable[[str, str], None]
    """Takes the name of a topic below the charger's, and a payload."""
    kept: KeptKeys
    settle_s: float
    """How long after a command the cloud may still show the old value."""
    clamped: list[tuple[QueuedCommand, str, Json]]
    """Commands of which a settled reading showed that the charger made less of a field, with the value."""
    values: dict[str, Json] = field(default_factory=dict)
    """The fields as they are known."""
    floors: dict[str, Json] = field(default_factory=dict)
    """Sums that have fallen a little, as they are shown: as they were."""
    read_at: dict[str, float] = field(default_factory=dict)
    """When the reading of a field began."""
    lost: dict[str, Json] = field(default_factory=dict)
    """Fields that became unknown after the first detail, as they were last."""
    gone: dict[Origin, frozenset[str]] = field(default_factory=dict)
    """By each whole document that was read since the start, the keys that it no longer has."""
    holds: dict[str, Hold] = field(default_factory=dict)
    unconfirmed: list[QueuedCommand] = field(default_factory=list)
    """Commands that turned out to have had no effect, until the caller that brought the reading takes them."""
    was: dict[str, list[tuple[Json, float]]] = field(default_factory=dict)
    """Values that were shown shortly before, and until when."""
    uncertain_since: dict[str, float] = field(default_factory=dict)
    """Since when it is unknown whether a write of a field had its effect."""
    disagreements: Disagreements = field(default_factory=Disagreements)
    wrong: dict[str, int] = field(default_factory=dict)
    """In how many readings in a row a field was of the wrong kind."""
    overruled: dict[str, Hold] = field(default_factory=dict)
    """Commands whose field a reading showed in a third way, before the charger had settled."""
    warned: set[str] = field(default_factory=set)
    stale: bool = False
    absent: bool = False
    """It is gone from the account."""
    availability: str | None = None
    revision: int = 0
    """How often more of it than measurements has changed."""
    newest: float | None = None
    """When the newest reading began."""

    @property
    def has_detail(self) -> bool:
        """Whether its detail has been read."""
        return Origin.DETAIL in self.gone

    def snapshot(self) -> Snapshot | None:
        """Return what the charger has at present; None before its first detail."""
        if not self.has_detail:
            return None
        gone = frozenset[str]().union(*self.gone.values())
        values = {k: v for k, v in self.values.items() if k not in gone}
        return Snapshot(values, dict(self.lost), Origin.BASIC in self.gone, Origin.SCHEDULES in self.gone)

    def shown(self, keys: Iterable[str]) -> Shown:
        """Return how it is shown, of these fields."""
        values = {key: self.floors.get(key, self.values[key]) for key in keys if key in self.values}
        times = {key: self.read_at.get(timestamp_key(key)) for key in values if not is_own(key)}
        read_at = {key: at for key, at in times.items() if at is not None}
        return Shown(values, read_at, self.availability, self.newest)

    def announce(self) -> None:
        """Publish everything anew."""
        if self.availability is not None:
            self.publish(AVAILABILITY, self.availability)
        self.republish(list(self.values))

    def republish(self, keys: Iterable[str]) -> None:
        """Publish these fields again, as far as they are known."""
        for key in keys:
            if key in self.values:
                self.publish(key, payload(self.floors.get(key, self.values[key])))

    def put(self, key: str, value: Json) -> None:
        """Take a field's value, and remember the last one of a field that is unknown now."""
        if value is not None:
            self.lost.pop(key, None)
        elif self.values.get(key) is not None:
            self.lost[key] = self.values[key]
        self.values[key] = value

    def take_reading(self, reading: Reading, begun: float, server_time: float | None) -> list[QueuedCommand]:
        """Take a document that a read brought; return the commands that turn out to have had no effect."""
        values, had_detail = self._said(reading), self.has_detail
        if reading.complete:
            values |= self._gone(values.keys() | reading.wrong.keys(), reading.origin)
        is_later = is_less(values.get("charging_time"), self.values.get("charging_time"))
        self._take(values, Source(reading.origin, begun, confirms=True, is_later_session=is_later))
        if not had_detail:
            self.lost.clear()  # what the list had counts only until then
        if reading.origin is not Origin.SCHEDULES:
            # those say nothing of a session
            self.newest = begun if self.newest is None else max(begun, self.newest)
        if reading.origin is Origin.DETAIL:
            self.stale = is_stale(reading.values.get("last_sync"), server_time)
        self.update_availability()
        return self._take_unconfirmed()

    def accept(
        self,
        wished: Mapping[str, Json],
        answer: Reading,
        begun: float,
        now: float,
        commands: Mapping[str, QueuedCommand],
    ) -> list[QueuedCommand]:
        """Take an accepted write; return the earlier commands that turn out to have had no effect."""
        self.revision += 1
        for key, intent in wished.items():
            self._hold(Hold(intent, now, [], commands.get(key)), key, answer.values.get(key), begun)
        followers = {follower for key in wished for follower in DERIVED_OF.get(key, ())}
        for key in followers - wished.keys():
            self.holds.pop(key, None)  # an earlier command's, which this one has overtaken
        others = {key: value for key, value in self._said(answer).items() if key not in wished}
        source = Source(answer.origin, begun, confirms=False)
        self._take(others, source)
        self._follow({key: self.values[key] for key in wished}, source)
        self.update_availability()
        return self._take_unconfirmed()

    def _take_unconfirmed(self) -> list[QueuedCommand]:
        unconfirmed, self.unconfirmed = self.unconfirmed, []
        return unconfirmed

    def _hold(self, hold: Hold, key: str, told: Json, begun: float) -> None:
        """Show a field as it was commanded, or as the charger made it by what it told."""
        self.uncertain_since.pop(key, None)
        self.overruled.pop(key, None)
        self.disagreements.forget(key)
        old = [(value, until) for value, until in self.was.get(key, []) if hold.since - until <= self.settle_s]
        if key in self.values:
            old.append((self.values[key], hold.since))
        self.was[key], hold.old = old, list(old)
        self.holds[key] = hold
        if told is not None and not hold.is_old(told, hold.since, self.settle_s):
            hold.intent = told
        self.put(key, hold.intent)
        self.read_at[key] = max(begun, self.read_at.get(key, begun))
        self.publish(key, payload(hold.intent))

    def _said(self, reading: Reading) -> dict[str, Json]:
        """Return what a document says; None for a field that has been of the wrong kind for too long."""
        for told, problems in (
            ("kept the last value of", reading.wrong),
            ("an impossible value of", reading.impossible),
        ):
            for key, problem in problems.items():
                if key not in self.warned:
                    self.warned.add(key)
                    _LOG.warning("%s a field charger=%d field=%s problem=%r", told, self.id, key, problem)
        counts = {key: self.wrong.get(key, 0) + 1 for key in reading.wrong}
        self.wrong = {key: n for key, n in self.wrong.items() if key not in reading.values} | counts
        admitted = admit_keys(reading.values, self.values.keys() | self.kept.all_of(self.id))
        return admitted | {key: None for key, n in counts.items() if n >= _MAX_WRONG}

    def _take(self, values: Mapping[str, Json], source: Source) -> None:
        """Show what a document says and what follows from it."""
        news = self.disagreements.news(values, source.origin, self.values, self.holds)
        for key, value in news.items():
            self._offer(key, value, source)
        self._follow(news, source)

    def _offer(self, key: str, value: Json, source: Source) -> None:
        """Show a read value unless a newer one or a hold stands against it."""
        if source.begun < self.read_at.get(timestamp_key(key), source.begun):
            return
        if source.confirms:
            self._look_for_clamp(key, value, source.begun)
        if (hold := self.holds.get(key)) is not None:
            verdict = hold.judge(value, source.begun, self.settle_s, confirms=source.confirms)
            if verdict is HoldVerdict.KEEP:
                return
            if hold.over:
                del self.holds[key]
                self.disagreements.changed(key, source.origin)
            if verdict is HoldVerdict.FAILED and hold.command is not None:
                self.unconfirmed.append(hold.command)
        self._show(key, value, source)

    def _look_for_clamp(self, key: str, value: Json, begun: float) -> None:
        """Look whether a settled reading shows less than was commanded, and not what was before: 18 A of 20."""
        hold = self.holds.get(key) or self.overruled.get(key)
        self.overruled.pop(key, None)
        if hold is None or hold.command is None or not hold.is_third(value):
            return
        if begun - hold.since < self.settle_s:
            self.overruled[key] = hold
        elif is_less(value, hold.intent):
            self.clamped.append((hold.command, key, value))

    def _show(self, key: str, value: Json, source: Source) -> None:
        known, begun = key in self.values, source.begun
        before = self.values.get(key)
        changed = not known or not same(before, value)
        if key in HELD and known and changed:
            kept = [(old, until) for old, until in self.was.get(key, []) if begun - until <= self.settle_s]
            self.was[key] = [*kept, (before, begun)]
        self.put(key, value)
        self.read_at[timestamp_key(key)] = begun
        if (lost := self.uncertain_since.get(key)) is not None and begun - lost >= self.settle_s:
            del self.uncertain_since[key]
        shown = self.floors.pop(key, before)
        if key in TOTALS and not source.is_later_session and falls_a_little(shown, value):
            self.floors[key] = shown
        elif not known or not same(shown, value):
            self.publish(key, payload(value))
        if changed:
            self.revision += int(not known or key not in MEASUREMENTS or None in {before, value})

    def _follow(self, values: Mapping[str, Json], source: Source) -> None:
        """Show the fields that follow from these. One that is held follows what was read, the others what is shown."""
        for key in dict.fromkeys(key for source_key in values for key in DERIVED_OF.get(source_key, ())):
            row, at, view = FIELDS[key], source.begun, {**self.values, **values}
            if key not in self.values and row.sources[0] not in view:
                continue  # of what it follows from first nothing was read yet: what an earlier run has shown stays
            if key not in self.holds:
                at, view = max(at, self.read_at.get(key, at)), self.values
            if row.derive is not None:
                value = row.derive(*(view.get(source_key) for source_key in row.sources))
                self._offer(key, value, replace(source, begun=at))

    def _gone(self, here: AbstractSet[str], origin: Origin) -> dict[str, Json]:
        """Return what such a document once had, in an earlier run perhaps, and has no longer: unknown from now on."""
        before = self.kept.of(self.id).get(origin.value, frozenset())
        self.kept.put(self.id, origin.value, before | here)
        self.revision += int(not here <= before or self.gone.get(origin) != before - here)
        self.gone[origin] = before - here
        return dict.fromkeys(before - here)

    def update_availability(self) -> None:
        """Publish whether the charger is in touch with the cloud, where that has changed."""
        out = self.absent or self.stale or self.values.get("status_id") in OUT_OF_TOUCH
        availability = OFFLINE if out else ONLINE
        if availability != self.availability:
            self.availability = availability
            self.publish(AVAILABILITY, availability)
