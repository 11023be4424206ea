"""What a ledger is made of: readings, counters, sessions and events. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

COUNTERS: Mapping[str, str] = {
    "energy": "added_energy",
    "green_energy": "added_green_energy",
    "discharged_energy": "added_discharged_energy",
}
"""The counters, and the fields that show them."""
IN_AND_OUT = ("energy", "discharged_energy")
"""The counters of which one tells of a session by itself: some only give back."""

EVENT_TYPES = ("started", "charging", "paused", "finished", "unplugged", "error")


@dataclass(frozen=True, slots=True)
class MeterReading:
    """What a charger shows at a time (``at``, seconds since 1970). None is unknown.

    ``counters``: in mWh, by name. ``time_s``: since the car was plugged in.
    """

    at: float
    status_id: int | None
    counters: Mapping[str, int]
    time_s: float | None = None
    power_kw: float | None = None
    cost: float | None = None
    user: int | None = None


@dataclass(frozen=True, slots=True)
class Counter:
    """A session's counter, in mWh, and the sum of all that it has grown by.

    ``before``: what it showed in the session before, as long as the cloud may show that yet.
    """

    total: int = 0
    shown: int = 0
    before: int | None = None

    def take(self, value: int) -> "Counter":
        """Count what it has grown by since the last reading; one that fell has begun anew."""
        if value == self.before:
            return self
        return Counter(self.total + value - (self.shown if value >= self.shown else 0), value)

    def begin(self) -> "Counter":
        """Start with another session; also that the one before had nothing may be shown yet."""
        return Counter(self.total, 0, self.shown if self.shown or self.before is None else self.before)


@dataclass(frozen=True, slots=True)
class Session:
    """A session. Times are seconds since 1970, ``energy`` in mWh by counter, ``state`` the last event.

    ``cost``: as the cloud works it out. ``cost_real``: by the prices of their time; None where one was not known.
    ``unseen``: nobody saw it begin, it was some time after ``start``. ``read``: when its end was.
    """

    start: float
    end: float | None = None
    state: str = "started"
    energy: Mapping[str, int] = field(default_factory=dict)
    cost: float | None = None
    peak_kw: float | None = None
    user: int | None = None
    cost_real: float | None = None
    unseen: bool = False
    read: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a session; ``reason``: the charger's status, or what tells it.

    ``from_history``: no reading showed it, the cloud's history told of it later.
    """

    type: str
    at: float
    session: Session | None
    reason: str
    from_history: bool = False


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of a charger. ``at``, ``time_s``: of the last reading; None before the first.

    ``session``: the one that runs; ``last``: the one before. ``plugged``: a car was there when that was last known.
    ``in_error``: it was in error then. ``doubted``: since when counters are lower than they can be. ``reached``: when
    the charger was last in touch: what it counts later has flowed since then.
    """

    at: float | None = None
    time_s: float | None = None
    counters: Mapping[str, Counter] = field(default_factory=dict)
    session: Session | None = None
    last: Session | None = None
    plugged: bool = False
    in_error: bool = False
    doubted: float | None = None
    reached: float | None = None

    @property
    def heard(self) -> float | None:
        """When the charger was last heard of; None before that."""
        return self.at if self.reached is None else self.reached

    @property
    def seen(self) -> float | None:
        """When the session that runs was last read: of one that began out of touch, also while it was."""
        began_unheard = self.session is not None and self.session.start >= (self.heard or 0.0)
        return self.at if began_unheard else self.heard

    def total(self, name: str) -> int | None:
        """Return a counter's sum in mWh; None where it was never read."""
        return counter.total if (counter := self.counters.get(name)) is not None else None
