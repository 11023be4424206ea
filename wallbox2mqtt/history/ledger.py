"""One charger's ledger: readings in, sessions, events and sums out. Pure functions.

The cloud shows one counter a session, which begins anew with the next one: at once, late, or with a document that is
older than the last. A sum is what the counter has grown by, and each beginning counts from zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from wallbox2mqtt.catalogue.statuses import OUT_OF_TOUCH, status_of
from wallbox2mqtt.history.records import IN_AND_OUT, Counter, Event, Ledger, MeterReading, Session

_COMPLETED, _ERRORS = 4, frozenset({14, 15})
CONFIRM_S = 60.0
"""A counter that fell without a reason may come from an older document: it has to stay so for so long."""
LATE_S = 120.0
"""So long after a session's end its last report may come."""
_REPORT_S = 600.0
"""A charger reports this often, even where it does not charge."""
_SLACK_S = 60.0
"""The session's time is as old as the charger's last report."""
Cost = Callable[[int, int, float, float], float | None]
"""What energy cost: mWh from the grid and from the sun, and from when to when it flowed."""
_NEXT_BEGAN = "the next session began"


def step(ledger: Ledger, reading: MeterReading, cost: Cost | None = None) -> tuple[Ledger, tuple[Event, ...]]:
    """Take a reading into a ledger; return the new ledger and what happened. ``cost``: None where no prices come."""
    is_new = _began_since(ledger, reading)
    fell = _fell(ledger, reading)
    follows_a_gap = ledger.session is None and _connected(reading) is True
    if (fell and not is_new and not follows_a_gap) or _may_be_of_a_missed_one(ledger, reading, is_new=is_new):
        since = ledger.doubted if ledger.doubted is not None else reading.at
        if reading.at - since < CONFIRM_S:
            return replace(ledger, doubted=since), ()
        is_new = is_new or _time_fell(ledger, reading) or ledger.session is None
    book = _Book(replace(ledger, doubted=None), reading, cost)
    book.record(is_new=is_new)
    return book.ledger, tuple(book.events)


def _connected(reading: MeterReading) -> bool | None:
    if reading.status_id in _ERRORS:
        return None  # the table says what Home Assistant is to show; an error is no end of a session
    status = status_of(reading.status_id, reading.power_kw)
    return None if status is None else status.car_connected


def _began_since(ledger: Ledger, reading: MeterReading) -> bool:
    """Return whether the session's own time tells that it began after the last reading."""
    since = ledger.seen
    if since is None or ledger.time_s is None or reading.time_s is None or _connected(reading) is not True:
        return False
    return reading.time_s != ledger.time_s and reading.time_s + _SLACK_S < reading.at - since


def _may_be_of_a_missed_one(ledger: Ledger, reading: MeterReading, *, is_new: bool) -> bool:
    """Return whether a session that seems to have begun may show the figures of one that ended unheard."""
    if ledger.heard is None or _connected(reading) is not True or reading.time_s in {None, ledger.time_s}:
        return False
    if is_new and ledger.session is not None and not _time_fell(ledger, reading):
        return True  # the one that runs may have ended with these
    begins = is_new or (ledger.session is None and not ledger.plugged)
    return begins and reading.at - ledger.heard > _REPORT_S


def _time_fell(ledger: Ledger, reading: MeterReading) -> bool:
    return ledger.time_s is not None and reading.time_s is not None and reading.time_s < ledger.time_s


def _fell(ledger: Ledger, reading: MeterReading) -> bool:
    energy = ledger.counters.get("energy")
    if energy is not None and energy.before is not None:
        return False  # the session began with the figures of the one before
    return _time_fell(ledger, reading) or any(
        _counter_fell(ledger.counters.get(name), reading.counters.get(name)) for name in IN_AND_OUT
    )


def _counter_fell(counter: Counter | None, value: int | None) -> bool:
    return counter is not None and value is not None and counter.before is None and value < counter.shown


class _Book:
    """A ledger that takes one reading."""

    def __init__(self, ledger: Ledger, reading: MeterReading, cost: Cost | None) -> None:
        self.ledger, self._reading, self._cost = ledger, reading, cost
        self.events: list[Event] = []
        status = status_of(reading.status_id, reading.power_kw)
        self._reason = "unknown" if status is None else status.text
        self._connected = _connected(reading)
        self._flows = status is not None and status.evcc == "C"

    def record(self, *, is_new: bool) -> None:
        """Record what the reading tells; ``is_new``: of another session than the last one did."""
        if is_new and self.ledger.session is not None:
            self._finish(_NEXT_BEGAN, self.ledger.seen or self._reading.at)
        if self._begins(is_new=is_new):
            self._begin(is_new=is_new)
        elif is_new or self._grew_unseen():
            self._begin_unseen(is_new=is_new or self._lasted_otherwise())
        if self._reading.time_s not in {None, self.ledger.time_s}:
            self._expect_no_old_energy()
        self._count()
        self._follow()
        time_s = self.ledger.time_s if self._reading.time_s is None else self._reading.time_s
        reached = self.ledger.reached if self._reading.status_id in OUT_OF_TOUCH else self._reading.at
        self.ledger = replace(self.ledger, at=self._reading.at, time_s=time_s, reached=reached)

    def _begins(self, *, is_new: bool) -> bool:
        """Return whether a session runs that has not been recorded."""
        if self.ledger.session is not None or self._connected is not True:
            return False
        return is_new or self._flows or not self.ledger.plugged

    def _start(self, *, is_new: bool) -> float:
        """Return when the session began, by its own time where that can be true."""
        now, time_s, before = self._reading.at, self._reading.time_s, self.ledger.heard
        if time_s is None or (time_s == self.ledger.time_s and not is_new):
            return now
        start = now - time_s
        return start if before is None else min(max(start, before), now)

    def _begin(self, *, is_new: bool) -> None:
        self._begin_counters()
        session = self._new_session(self._start(is_new=is_new))
        self.ledger = replace(self.ledger, session=session, plugged=True)
        self._tell("started")

    def _new_session(self, start: float) -> Session:
        return Session(start, user=self._reading.user, cost_real=None if self._cost is None else 0.0)

    def _begin_counters(self) -> None:
        counters = {name: counter.begin() for name, counter in self.ledger.counters.items()}
        self.ledger = replace(self.ledger, counters=counters)

    def _grew_unseen(self) -> bool:
        """Return whether energy came while no car was seen, and too late to be the last report of the last session."""
        known, counters = self.ledger.counters, self._reading.counters
        grew = any(name in known and counters.get(name, 0) > known[name].shown for name in IN_AND_OUT)
        if not grew or self._connected is True or self.ledger.session is not None:
            return False
        last = self.ledger.last
        return last is None or last.end is None or self._reading.at - last.end > LATE_S

    def _lasted_otherwise(self) -> bool:
        """Return whether the session's time is no later report of the last one's, which stands still without a car."""
        before, now = self.ledger.time_s, self._reading.time_s
        return before is not None and now is not None and abs(now - before) > _REPORT_S

    def _begin_unseen(self, *, is_new: bool) -> None:
        """Record a session of which only the end is seen: its counter, and no car any more. It was since the last look.

        Where the counter only grew it may be the last session's: then it counts by how much it grew.
        """
        if is_new:
            self._begin_counters()
        if any(self._reading.counters.get(name) for name in IN_AND_OUT):
            start = self.ledger.heard or self._reading.at
            session = replace(self._new_session(start), unseen=True)
            self.ledger = replace(self.ledger, session=session, plugged=True)
            self._tell("started")

    def _expect_no_old_energy(self) -> None:
        """Take the energy as the new session's from now on: list and detail show it with the session's time."""
        if (counter := self.ledger.counters.get("energy")) is not None:
            counters = {**self.ledger.counters, "energy": replace(counter, before=None)}
            self.ledger = replace(self.ledger, counters=counters)

    def _count(self) -> None:
        """Count what the counters have grown by, for the sums and for the session."""
        counters, session = dict(self.ledger.counters), self.ledger.session or self.ledger.last
        energy = dict(session.energy) if session is not None else {}
        grown: dict[str, int] = {}
        for name, value in self._reading.counters.items():
            known = counters.get(name)
            if known is None and self.ledger.session is None:
                known = Counter(shown=value)  # of a session that had ended before the first reading
            old = known or Counter()
            counters[name] = new = old.take(value)
            grown[name] = new.total - old.total
            energy[name] = energy.get(name, 0) + grown[name]
        self.ledger = replace(self.ledger, counters=counters)
        if session is None:
            return
        counted = replace(session, energy=energy, cost_real=self._cost_real(session, grown))
        if self.ledger.session is not None:
            self.ledger = replace(self.ledger, session=self._measured(counted))
        else:
            self.ledger = replace(self.ledger, last=counted)

    def _cost_real(self, session: Session, grown: Mapping[str, int]) -> float | None:
        """Return what a session has cost with what it grew by; unknown once a part of it is."""
        energy, green = grown.get("energy", 0), grown.get("green_energy", 0)
        if session.cost_real is None or not (energy or green):
            return session.cost_real
        start = max(session.start, self.ledger.heard or session.start)
        cost = None if self._cost is None else self._cost(energy - green, green, start, self._reading.at)
        return None if cost is None else session.cost_real + cost

    def _measured(self, session: Session) -> Session:
        reading = self._reading
        is_older = reading.counters.get("energy") == self.ledger.counters.get("energy", Counter()).before
        return replace(
            session,
            peak_kw=max(session.peak_kw or 0.0, abs(reading.power_kw or 0.0)),
            cost=session.cost if reading.cost is None or is_older else reading.cost,
            user=session.user if reading.user is None else reading.user,
        )

    def _follow(self) -> None:
        """Tell what the status says of the session."""
        is_error = self._reading.status_id in _ERRORS
        if is_error and not self.ledger.in_error:
            self._tell("error")
        self.ledger = replace(self.ledger, in_error=is_error)
        if self._connected is False:
            self._unplug()
        elif self._reading.status_id == _COMPLETED:
            self._finish(self._reason, self._reading.at)
        elif self.ledger.session is not None and self._connected:
            state = self.ledger.session.state
            if self._flows and state != "charging":
                self._tell("charging")
            elif not self._flows and state == "charging":
                self._tell("paused")

    def _unplug(self) -> None:
        self._finish(self._reason, self._unplugged_at())
        if self.ledger.plugged:
            self._tell("unplugged")
        self.ledger = replace(self.ledger, plugged=False)

    def _unplugged_at(self) -> float:
        """Return when the car was unplugged: the session's time stands still then, however late it is read."""
        now, session = self._reading.at, self.ledger.session
        heard = self.ledger.heard
        if session is None or self._reading.time_s is None or heard is None or session.unseen:
            return now
        return min(now, max(session.start + self._reading.time_s, heard))

    def _finish(self, reason: str, end: float) -> None:
        if (session := self.ledger.session) is not None:
            ended = replace(session, end=max(end, session.start), state="finished", read=self._reading.at)
            self.ledger = replace(self.ledger, session=None, last=ended)
            self.events.append(Event("finished", self._reading.at, ended, reason))

    def _tell(self, event: str) -> None:
        if self.ledger.session is not None:
            session = replace(self.ledger.session, state=event)
            self.ledger = replace(self.ledger, session=session)
        self.events.append(Event(event, self._reading.at, self.ledger.session or self.ledger.last, self._reason))
