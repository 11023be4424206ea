"""Keeps the ledgers of all chargers: takes what was read, keeps it, and only then publishes it.

An event is kept until the broker has it, and published again by the next start: see ``docs/adr/0105``.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.bridge.history_reads import HistoryReads
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.zones import zone_of
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.history.archive import Archive
from wallbox2mqtt.history.entries import Entry
from wallbox2mqtt.history.fields import described, fields_of, month_start, months_of, reading_of
from wallbox2mqtt.history.ledger import step
from wallbox2mqtt.history.past import Past, follow, give_up, settle
from wallbox2mqtt.history.prices import Prices
from wallbox2mqtt.history.records import Event, Ledger
from wallbox2mqtt.history.saved import restored, restored_list, saved
from wallbox2mqtt.history.sums_file import SumsFile
from wallbox2mqtt.history.timetable import CompleteHistory, Failure, HistoryTimetable
from wallbox2mqtt.log import RepeatedFault
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import SESSION_EVENT, Topics, to_json

_LOG = logging.getLogger(__name__)

_MARGIN_S = 7 * 86_400.0
"""A session that began so long before may end now."""

_MOST_UNTOLD = 1000
"""Events that are kept for the broker: as many as results are."""

Publish = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class _Account:
    """What is known of a charger: from readings, and of the cloud's history."""

    ledger: Ledger
    past: Past


_NEW = _Account(Ledger(), Past())


class Recorder:
    """The ledgers. One thread calls ``look``."""

    def __init__(  # noqa: PLR0913 - what is read, where it is kept, and where it goes
        self,
        states: ChargerStates,
        registry: Registry,
        history: HistoryReads,
        storage: Storage,
        *,
        topics: Topics,
        clock: Clock,
        publish: Publish,
        prices: Prices,
    ) -> None:
        """Restore what the last run kept, and publish the events that the broker may not have.

        ``publish`` takes the topic and the payload of an event; ``acknowledged`` is told when the broker has it.
        """
        self._states, self._registry, self._clock = states, registry, clock
        self._topics, self._publish = topics, publish
        self._file = SumsFile(storage, clock)
        kept = self._file.read()
        self._accounts = dict(_restored(kept.get("chargers")))
        self._untold = dict.fromkeys(restored_list(tuple[int, str], kept.get("untold")))
        self._is_outdated = False
        self._prices, self._cost = prices, prices.cost if prices.topic is not None else None
        prices.restore(kept.get("prices"))
        self._timetable, self._archive = HistoryTimetable(history), Archive(storage)
        self._read_at: dict[int, float] = {}
        self._months: dict[int, float] = {}
        what = "the history of sessions cannot be read, sums go on from the readings"
        self._trouble = RepeatedFault(_LOG, what, "the history of sessions is read again", clock)
        for charger_id, text in self._untold:
            self._publish(self._topic(charger_id), text)

    def look(self) -> None:
        """Take what was read of the chargers since the last look. What is published has been kept before.

        Killed between the two, the bridge shows the same sums and tells the same events after the next start.
        """
        before = dict(self._accounts)
        happened = self._look_at_readings()
        months = self._look_at_history(happened) or self._look_at_calendar()
        changed = [number for number, account in self._accounts.items() if before.get(number) != account]
        new = self._tell_later(happened)
        if changed or self._is_outdated:
            pairs = [(before.get(number, _NEW), self._accounts[number]) for number in changed]
            self._write(
                grew=self._is_outdated or any(_figures(earlier) != _figures(account) for earlier, account in pairs),
                happened=bool(new) or any(_events(earlier) != _events(account) for earlier, account in pairs),
            )
        now = self._clock.wall()
        for charger_id in {*changed, *months}:
            account = self._accounts[charger_id]
            fields = fields_of(account.ledger, account.past, now) | months.get(charger_id, {})
            for key, value in fields.items():
                self._states.show(charger_id, key, value)
        for (charger_id, text), event in new.items():
            _LOG.info("session charger=%d event=%s reason=%r", charger_id, event.type, event.reason)
            self._publish(self._topic(charger_id), text)
        self._ask()

    def _tell_later(self, happened: Mapping[int, Iterable[Event]]) -> Mapping[tuple[int, str], Event]:
        """Take events to those that the broker does not have; return them by charger and payload."""
        new = {(number, to_json(described(event))): event for number, events in happened.items() for event in events}
        self._untold = dict.fromkeys([*self._untold, *new][-_MOST_UNTOLD:])
        return new

    def _topic(self, charger_id: int) -> str:
        return self._topics.field(charger_id, SESSION_EVENT)

    def acknowledged(self, topic: str, text: str) -> None:
        """Forget an event that the broker has; with the last of several this is kept at once, else at the next look."""
        told = [one for one in self._untold if one[1] == text and self._topic(one[0]) == topic]
        for one in told:
            del self._untold[one]
            self._is_outdated = True
        if told and not self._untold:
            self._write(grew=True, happened=True)

    def _look_at_readings(self) -> dict[int, list[Event]]:
        happened: dict[int, list[Event]] = {}
        for charger_id in self._registry.chargers:
            read_at = self._states.read_at(charger_id)
            if read_at is None or self._read_at.get(charger_id) == read_at:
                continue
            self._read_at[charger_id] = read_at
            at = self._clock.wall() - (self._clock.monotonic() - read_at)
            account = self._accounts.get(charger_id, _NEW)
            ledger, events = step(account.ledger, reading_of(self._states.view(charger_id), at), self._cost)
            self._accounts[charger_id] = _Account(ledger, follow(account.past, ledger, events))
            happened[charger_id] = list(events)
            if any(event.type == "finished" for event in events):
                self._timetable.session_ended(charger_id, self._clock.wall())
        return happened

    def _look_at_history(self, happened: dict[int, list[Event]]) -> dict[int, dict[str, Json]]:
        """Take what was read of the history; return the months' fields."""
        now, months = self._clock.wall(), dict[int, dict[str, Json]]()
        for found in self._timetable.take(now):
            account = self._accounts[found.charger_id]
            match found:
                case CompleteHistory(charger_id) if account.ledger.doubted is not None:
                    # what is doubted may be of a session that would count twice
                    self._timetable.session_ended(charger_id, now)
                    continue
                case CompleteHistory(charger_id, start, entries):
                    self._trouble.ended()
                    settled = settle(account.past, entries, account.ledger, start, now)
                    past = settled.past
                    happened.setdefault(charger_id, []).extend(settled.events)
                    self._archive.add(charger_id, start, entries, now, settled.costs)
                    if settled.waits:
                        self._timetable.waits(charger_id, now)
                    months[charger_id] = self._months_of(charger_id, entries)
                case Failure(charger_id, reason, final):
                    self._trouble.occurs(reason, f"charger={charger_id} reason={reason!r}")
                    past = give_up(account.past, now) if final and account.past.seeded is None else account.past
            self._accounts[found.charger_id] = _Account(account.ledger, follow(past, account.ledger, ()))
        return months

    def _months_of(self, charger_id: int, entries: Iterable[Entry]) -> dict[str, Json]:
        now, zone = self._clock.wall(), zone_of(self._states.view(charger_id))
        self._months[charger_id] = month_start(now, zone, -1)
        return months_of(entries, now, zone)

    def _look_at_calendar(self) -> dict[int, dict[str, Json]]:
        """Return the months' fields of chargers where a month has begun: the history may be read hours later."""
        now = self._clock.wall()
        begun = [charger_id for charger_id, ends in self._months.items() if now >= ends]
        kept = self._archive.chargers() if begun else {}
        return {number: self._months_of(number, kept[number].entries if number in kept else ()) for number in begun}

    def _ask(self) -> None:
        now = self._clock.wall()
        for charger_id in self._registry.chargers:
            if charger_id not in self._accounts or not self._states.has_detail(charger_id):
                continue
            self._timetable.add(charger_id, now)
            if self._timetable.is_due(charger_id, now) and self._accounts[charger_id].ledger.doubted is None:
                past, zone = self._accounts[charger_id].past, zone_of(self._states.view(charger_id))
                last = month_start(now, zone, 1) if past.read is None else min(month_start(now, zone, 1), past.read)
                self._timetable.ask(charger_id, 0 if past.seeded is None else max(0, last - _MARGIN_S), now)

    def _content(self) -> dict[str, Json]:
        chargers: dict[str, Json] = {str(number): saved(account) for number, account in self._accounts.items()}
        prices = self._prices.kept(self._clock.wall())
        untold: list[Json] = [[charger_id, text] for charger_id, text in self._untold]
        return {"chargers": chargers, "prices": prices, "untold": untold}

    def _write(self, *, grew: bool, happened: bool) -> None:
        self._file.write(self._content(), grew=grew, happened=happened)
        self._is_outdated = False

    def close(self) -> None:
        """Keep everything on the disk: the program ends in order."""
        if self._is_outdated:
            self._write(grew=True, happened=True)
        self._file.close(self._content())


def _figures(account: _Account) -> tuple[Ledger, Past]:
    """Return what is known without the times of the last reading, which need not be kept for their own sake."""
    return replace(account.ledger, at=None, reached=None, time_s=None), account.past


def _events(account: _Account) -> Past:
    """Return what is known of the history without the sums, which grow with each reading."""
    return replace(account.past, shown={})


def _restored(kept: Json) -> Iterator[tuple[int, _Account]]:
    for charger, account in kept.items() if isinstance(kept, dict) else ():
        try:
            yield int(charger), restored(_Account, account)
        except ValueError as error:
            _LOG.warning("ignored a damaged ledger charger=%.20s error=%r", charger, str(error)[:200])
