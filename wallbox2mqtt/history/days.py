"""The energy of each day, and the last sessions, as the cloud's history has them: for people who look."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from wallbox2mqtt.history.archive import Archive
from wallbox2mqtt.history.entries import Entry
from wallbox2mqtt.storage import Storage

DAYS = 31
_HOUR_S, _DAY_S = 3600, 86_400.0
SESSIONS = 10


@dataclass(frozen=True, slots=True)
class Day:
    """The sessions that began on a day. ``date``: ISO 8601, of the charger's zone; ``cost`` None: not told."""

    date: str
    energy: float
    cost: float | None


@dataclass(frozen=True, slots=True)
class PastSession:
    """A session, without who charged. Times are seconds since 1970, ``energy`` is kWh."""

    start: float
    end: float
    energy: float
    cost: float | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class RecentPast:
    """What the history tells of a charger, the oldest first."""

    days: tuple[Day, ...] = ()
    sessions: tuple[PastSession, ...] = ()


class PastDays:
    """Reads what is kept of the history, and again when that may have changed. One thread calls it."""

    def __init__(self, storage: Storage, zone_of: Callable[[int], tzinfo], now: Callable[[], float]) -> None:
        """Read nothing yet; ``now``: seconds since 1970."""
        self._archive = Archive(storage.elsewhere(storage.directory))
        self._zone_of, self._now = zone_of, now
        self._version: tuple[int, int] | None = None
        self._known: dict[int, RecentPast] = {}

    def of(self, charger_id: int) -> RecentPast:
        """Return what the history tells of a charger."""
        now = self._now()
        # each hour, because a new day may have begun
        version = self._archive.changed_ns(), int(now // _HOUR_S)
        if version != self._version:
            self._version = version
            kept = self._archive.chargers()
            self._known = {number: recent_past(one.entries, now, self._zone_of(number)) for number, one in kept.items()}
        return self._known.get(charger_id, RecentPast())


def recent_past(entries: Iterable[Entry], now: float, zone: tzinfo) -> RecentPast:
    """Return the days up to now and the last sessions of a charger whose clock is in this zone."""
    # a cloud may tell any number: most are no date
    ordered = sorted((entry for entry in entries if 0 <= entry.start < now + _DAY_S), key=lambda entry: entry.start)
    recent = [entry for entry in ordered if entry.start > now - (DAYS + 1) * _DAY_S]
    first = (datetime.fromtimestamp(now, zone) - timedelta(days=DAYS - 1)).date().isoformat()
    days = defaultdict[str, list[Entry]](list)
    for entry in recent:
        if (date := datetime.fromtimestamp(entry.start, zone).date().isoformat()) >= first:
            days[date].append(entry)
    return RecentPast(
        tuple(_day(date, of_day) for date, of_day in days.items()),
        tuple(_session(entry) for entry in ordered[-SESSIONS:]),
    )


def _day(date: str, entries: list[Entry]) -> Day:
    costs = [cost for entry in entries if (cost := _cost(entry)) is not None]
    return Day(date, _kwh(sum(entry.energy["energy"] for entry in entries)), round(sum(costs), 2) if costs else None)


def _session(entry: Entry) -> PastSession:
    return PastSession(entry.start, entry.end, _kwh(entry.energy["energy"]), _cost(entry), entry.currency)


def _cost(entry: Entry) -> float | None:
    """Return what a session really cost where that is known, else what the cloud says."""
    return entry.cost if entry.cost_real is None else entry.cost_real


def _kwh(mwh: int) -> float:
    return mwh // 1000 / 1000
