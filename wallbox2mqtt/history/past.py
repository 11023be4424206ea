"""What a charger's ledger has to do with the cloud's history: which sessions of it are settled. Pure.

A session that was seen and an entry of the history are one where their times overlap. What the entries of such a group
have more than the sessions, the bridge has missed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from wallbox2mqtt.history.entries import Entry
from wallbox2mqtt.history.ledger import LATE_S
from wallbox2mqtt.history.records import COUNTERS, IN_AND_OUT, Event, Ledger, Session

_KEPT_S = 7 * 86_400.0
"""So long a session waits for its entry."""
_TOLERANCE_S = 120.0
_ROUNDING_MWH = 10_000
"""Entries may have less than was seen by so much. With even less, some of them are not there yet."""
_WAITS_S = 2 * 86_400.0
"""So long they are waited for."""
FROM_HISTORY = "known from the history only"


@dataclass(frozen=True, slots=True)
class Past:
    """What is settled.

    ``seeded``: when the sums were first complete; None: not yet. ``since``: entries that ended before count for
    nothing. ``read``: when the history was last read. ``finished``: sessions that were seen and have no entry yet.
    ``settled``: the ends of entries that count, by id. ``corrections``: mWh that the sums have more, by counter.
    ``shown``: the largest sums that were shown: no correction takes anything back.
    """

    seeded: float | None = None
    since: float = 0.0
    read: float | None = None
    finished: tuple[Session, ...] = ()
    settled: Mapping[str, float] = field(default_factory=dict)
    corrections: Mapping[str, int] = field(default_factory=dict)
    shown: Mapping[str, int] = field(default_factory=dict)


def follow(past: Past, ledger: Ledger, events: Iterable[Event]) -> Past:
    """Take what happened to a ledger: its finished sessions, and its sums."""
    ended = [event.session for event in events if event.type == "finished" and event.session is not None]
    finished = [*past.finished, *ended]
    newest = finished[-1] if finished else None
    if newest is not None and newest.energy and ledger.last is not None and newest.start == ledger.last.start:
        finished[-1] = ledger.last  # its last energy may have come late
    shown = {
        name: max(past.shown.get(name, 0), (ledger.total(name) or 0) + past.corrections.get(name, 0))
        for name in COUNTERS
        if ledger.total(name) is not None or name in past.corrections
    }
    return replace(past, finished=tuple(finished), shown=shown)


def give_up(past: Past, now: float) -> Past:
    """Let the sums begin now: the history cannot be read. What is in it later must not make them jump."""
    return replace(past, seeded=now, since=now)


@dataclass(frozen=True, slots=True)
class Settled:
    """What has become of entries: the past, the events that nobody saw, and by ids what entries really cost.

    ``waits``: readings may yet show some of them.
    """

    past: Past
    events: tuple[Event, ...]
    costs: Mapping[str, float]
    waits: bool = False


def settle(past: Past, entries: Iterable[Entry], ledger: Ledger, start: float, now: float) -> Settled:
    """Take all entries from ``start`` to ``now``."""
    running = ledger.session
    unsettled = [
        entry
        for entry in sorted(entries, key=lambda one: one.start)
        if entry.id not in past.settled
        and entry.end > past.since
        and (running is None or not _overlap(entry, running, now))
    ]
    # what ended after the charger was last heard is shown by its counters, too
    fresh = [entry for entry in unsettled if ledger.reached is None or entry.end + LATE_S <= ledger.reached]
    costs: dict[str, float] = {}
    corrections, events, left, settled = dict(past.corrections), list[Event](), list(past.finished), dict(past.settled)
    for group, sessions in _groups(fresh, past.finished, now):
        missed = {name: _sum(group, name) - _sum(sessions, name) for name in COUNTERS}
        waits = _is_short(group, sessions)
        if waits and any(one.end is None or one.end > now - _WAITS_S for one in sessions):
            continue
        for name, mwh in missed.items():
            if not waits and mwh >= -_ROUNDING_MWH and any(name in entry.energy for entry in group):
                corrections[name] = corrections.get(name, 0) + mwh
        unseen, spare = _matched(group, sessions, now)
        # what they had is counted with this group; that they were told of is not to be forgotten
        counted = [replace(session, energy={}, cost_real=None) for session in spare]
        left = [*counted, *(session for session in left if session not in sessions)]
        settled |= {entry.id: entry.end for entry in group}
        costs |= _costs(group, sessions)
        if past.seeded is not None:
            events += [event for entry in unseen if entry.end > past.seeded for event in _events(entry)]
    new = replace(
        past,
        seeded=past.seeded if past.seeded is not None else now,
        read=now,
        finished=tuple(one for one in left if one.end is None or one.end > now - _KEPT_S),
        settled={key: end for key, end in settled.items() if end >= start},
        corrections=corrections,
    )
    return Settled(new, tuple(events), costs, waits=len(fresh) < len(unsettled))


def _costs(group: list[Entry], sessions: list[Session]) -> dict[str, float]:
    """Return what an entry really cost, where all of its energy was seen and priced."""
    costs = [one.cost_real for one in sessions if one.cost_real is not None]
    missed = abs(_sum(group, "energy") - _sum(sessions, "energy"))
    if not costs or len(costs) < len(sessions) or len(group) > 1 or missed > _ROUNDING_MWH:
        return {}
    return {group[0].id: sum(costs)}


def _sum(these: Iterable[Entry | Session], name: str) -> int:
    return sum(one.energy.get(name, 0) for one in these)


def _overlap(one: Entry | Session, other: Entry | Session, now: float) -> bool:
    """Return whether two were at one time. What was seen is never earlier than it was, so there is no tolerance."""
    one_end = now if one.end is None else max(one.end, one.start + 1)
    other_end = now if other.end is None else max(other.end, other.start + 1)
    return one.start < other_end and other.start < one_end


def _groups(
    entries: list[Entry], sessions: tuple[Session, ...], now: float
) -> Iterator[tuple[list[Entry], list[Session]]]:
    """Return entries with the sessions that they overlap, and with entries that overlap one of these."""
    waiting = list(entries)
    while waiting:
        group, seen = [waiting.pop(0)], list[Session]()
        grew = True
        while grew:
            more = [one for one in sessions if one not in seen and any(_overlap(one, entry, now) for entry in group)]
            seen += more
            others = [one for one in waiting if any(_overlap(one, session, now) for session in more)]
            group += others
            waiting = [one for one in waiting if one not in others]
            grew = bool(more)
        if _is_short(group, seen, COUNTERS):
            # one that was seen held two, and its end was not seen: what began before that was read is its
            ends = max(session.read or session.end or now for session in seen)
            # or its counter was the one of a later session, after a time in which nothing was read
            same = [one.start for one in waiting if _has_as_much(one, seen)]
            group += [one for one in waiting if one.start <= max([ends + _TOLERANCE_S, *same[:1]])]
            waiting = [one for one in waiting if one not in group]
        yield group, seen


def _matched(group: list[Entry], sessions: list[Session], now: float) -> tuple[list[Entry], list[Session]]:
    """Return the entries of which no session tells, and the sessions that have no entry yet.

    A session is the entry that began with it; where nobody saw it begin, the last one: its counter is shown.
    """
    unseen, spare = sorted(group, key=lambda one: one.start), list[Session]()
    for session in sorted(sessions, key=lambda one: (one.unseen, one.start)):
        overlapping = [entry for entry in unseen if _overlap(entry, session, now)]
        began = [entry for entry in overlapping if abs(entry.start - session.start) <= _TOLERANCE_S]
        if own := began or overlapping:
            unseen.remove(own[-1])
        else:
            spare.append(session)
    return unseen, spare


def _is_short(group: list[Entry], sessions: list[Session], names: Iterable[str] = IN_AND_OUT) -> bool:
    """Return whether entries have less than was seen, of what they tell at all."""
    told = [name for name in names if any(name in entry.energy for entry in group)]
    return any(_sum(group, name) - _sum(sessions, name) < -_ROUNDING_MWH for name in told)


def _has_as_much(entry: Entry, sessions: list[Session]) -> bool:
    return all(abs(_sum([entry], name) - _sum(sessions, name)) <= _ROUNDING_MWH for name in IN_AND_OUT)


def _events(entry: Entry) -> list[Event]:
    session = Session(entry.start, entry.end, "finished", entry.energy, entry.cost, None, entry.user)
    times = {"started": entry.start, "finished": entry.end}
    return [Event(name, at, session, FROM_HISTORY, from_history=True) for name, at in times.items()]
