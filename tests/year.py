"""A year at a charger, played apart from the program: what truly flowed, what the cloud shows, what is to be told.

Nothing here is the ledger's: the truth is in phases of constant power, and each figure is worked out from them alone.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from wallbox2mqtt.catalogue import Json

HOUR, DAY = 3600, 86_400
BEGIN = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp())
END = BEGIN + 365 * DAY
ZONE = "Europe/Berlin"
_READY, _WAITING, _PAUSED, _CHARGING, _DISCHARGING, _ERROR, _SILENT = 161, 181, 182, 194, 196, 14, 5
_SPRING, _AUTUMN, _NEW_YEAR = "2026-03-29T01:00+00:00", "2026-10-25T01:00+00:00", "2026-12-31T23:00+00:00"
Span = tuple[int, int]


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def local(at: int) -> datetime:
    """A time as clocks in Berlin show it, by the rule and not by a table of zones."""
    summer = seconds(_SPRING) <= at < seconds(_AUTUMN)
    return datetime.fromtimestamp(at, UTC) + timedelta(hours=2 if summer else 1)


@dataclass(frozen=True)
class Phase:
    """Power flows from ``begin`` to ``end``: W, below 0 out of the car; ``sun``: percent of it."""

    begin: int
    end: int
    watts: int
    sun: int

    def ws(self, at: int) -> int:
        return max(0, min(at, self.end) - self.begin) * abs(self.watts)


@dataclass(frozen=True)
class Stay:
    """A car that is plugged in: a session. ``late_s``: so long the cloud shows the one before. ``resets``: when the
    counters begin anew. ``delay_s``: until the history has it."""

    number: int
    plug: int
    unplug: int
    phases: tuple[Phase, ...]
    resets: tuple[int, ...] = ()
    errors: tuple[Span, ...] = ()
    late_s: int = 0
    delay_s: int = 60

    def wh(self, at: int, what: str = "in") -> int:
        """Whole Wh that have flowed by a time: ``in``, ``sun`` or ``out``."""
        if what == "sun":
            return sum(phase.ws(at) * phase.sun // 100 for phase in self.phases if phase.watts > 0) // HOUR
        return sum(phase.ws(at) for phase in self.phases if (phase.watts > 0) == (what == "in")) // HOUR

    @cached_property
    def whole(self) -> dict[str, int]:
        """All that has flowed in it."""
        return {what: self.wh(self.unplug, what) for what in ("in", "sun", "out")}

    def shown(self, at: int, what: str) -> int:
        """What the counter shows: since it began anew."""
        since = max((reset for reset in self.resets if reset <= at), default=self.plug)
        return self.wh(at, what) - self.wh(since, what)

    def status(self, at: int) -> int:
        if any(begin <= at < end for begin, end in self.errors):
            return _ERROR
        running = [phase for phase in self.phases if phase.begin <= at < phase.end]
        if running:
            return _CHARGING if running[0].watts > 0 else _DISCHARGING
        return _PAUSED if any(phase.end <= at for phase in self.phases) else _WAITING


@dataclass
class Year:
    """What happens in it. ``silences``: the charger is out of touch with the cloud."""

    stays: list[Stay]
    silences: list[Span] = field(default_factory=list)

    def total(self, at: int, what: str = "in") -> int:
        """All Wh that have flowed by a time."""
        begun = (stay for stay in self.stays if stay.plug < at)
        return sum(stay.whole[what] if stay.unplug <= at else stay.wh(at, what) for stay in begun)

    def stay(self, at: int) -> Stay | None:
        return next((stay for stay in self.stays if stay.plug <= at < stay.unplug), None)

    def before(self, at: int) -> Stay | None:
        return max((stay for stay in self.stays if stay.unplug <= at), key=lambda stay: stay.plug, default=None)

    def document(self, now: int) -> dict[str, Json]:
        """The charger's detail as the cloud shows it."""
        silence = next((one for one in self.silences if one[0] <= now < one[1]), None)
        at = now if silence is None else silence[0]
        stay, before = self.stay(at), self.before(at)
        counted = stay if stay is not None and (before is None or at >= stay.plug + stay.late_s) else before
        until = at if counted is None or counted is stay else counted.unplug
        power = next((phase.watts for phase in stay.phases if phase.begin <= at < phase.end), 0) if stay else 0
        counters = {"added_energy": "in", "added_green_energy": "sun", "added_discharged_energy": "out"}
        return {
            "status_id": _SILENT if silence else _READY if stay is None else stay.status(at),
            "charging_power": power / 1000,
            "charging_time": 0 if counted is None else until - counted.plug,
            "config_data": {"timezone": ZONE},
            **{key: 0 if counted is None else counted.shown(until, what) / 1000 for key, what in counters.items()},
        }

    def history(self, start: int, end: int, now: int) -> list[Json]:
        """The sessions that the cloud's history has by now."""
        found = [one for one in self.stays if start <= one.plug < end and one.unplug + one.delay_s <= now]
        return [self._entry(one) for one in found]

    @staticmethod
    def _entry(stay: Stay) -> Json:
        attributes: dict[str, Json] = {
            "start": stay.plug,
            "end": stay.unplug,
            "time": sum(phase.end - phase.begin for phase in stay.phases),
            "cost": stay.number / 100,
            "currency": {"code": "EUR"},
            "energy": stay.wh(stay.unplug) / 1000,
            "green_energy": stay.wh(stay.unplug, "sun") / 1000,
            "discharged_energy": stay.wh(stay.unplug, "out") / 1000,
            "user": 7,
            "user_name": "Stephan",
        }
        return {"type": "charger_log_session", "id": str(stay.number), "attributes": attributes}

    def csv(self, charger: int) -> Iterator[str]:
        """The lines of the file for the books, but the head."""
        for one in self.stays:
            first, last = (f"{local(at):%Y-%m-%dT%H:%M:%S}{_offset(at)}" for at in (one.plug, one.unplug))
            inward, sun, out = (one.wh(one.unplug, what) for what in ("in", "sun", "out"))
            kwh = ",".join(str(round(wh / 1000, 3)) for wh in (inward, sun, inward - sun, out))
            flows = sum(phase.end - phase.begin for phase in one.phases)
            price = round(one.number / 100 / (inward / 1000), 4) if inward else ""
            yield f"{charger},{first},{last},{kwh},,{flows},{one.number / 100},EUR,{price},,7,Stephan"

    def month(self, year: int, month: int, now: int) -> tuple[float, int]:
        """Energy in kWh and number of the sessions that began in a month and are in the history by now."""
        began = [one for one in self.stays if (local(one.plug).year, local(one.plug).month) == (year, month)]
        ended = [one for one in began if one.unplug + one.delay_s <= now]
        return sum(one.wh(one.unplug) for one in ended) / 1000, len(ended)


def _offset(at: int) -> str:
    return "+02:00" if seconds(_SPRING) <= at < seconds(_AUTUMN) else "+01:00"


def a_year(seed: int, *, stays: int, quasar: bool = False) -> Year:
    """Sessions in pauses and in the sun, some right after one another, and those that the calendar asks for."""
    chance = random.Random(seed)  # noqa: S311 - a play
    across = [seconds(text) - 2 * HOUR for text in (_SPRING, _AUTUMN, _NEW_YEAR)]
    starts = sorted({*across, *(chance.randrange(BEGIN + DAY, END - 2 * DAY) for _ in range(stays))})
    found: list[Stay] = []
    for plug in starts:
        begins = plug
        if found and begins < found[-1].unplug + 120:
            if plug in across:
                found.pop()  # it has to be there
            else:
                begins = found[-1].unplug + chance.choice([120, 150, 400])
        length = 5 * HOUR if plug in across else chance.choice([300, 900, 2 * HOUR, 4 * HOUR, 9 * HOUR, 30 * HOUR])
        length += chance.randrange(0, length // 2)
        nearest = min((one for one in across if one > begins), default=END)
        if begins + length < nearest - 120:
            found.append(_stay(chance, len(found) + 1, begins, begins + length, quasar=quasar))
    numbered = [_numbered(one, number) for number, one in enumerate(found, 1)]
    silences = [(at, at + chance.randrange(1200, 8 * HOUR)) for at in chance.sample(range(BEGIN, END - DAY), 12)]
    return Year(numbered, silences)


def _numbered(stay: Stay, number: int) -> Stay:
    return Stay(number, *(getattr(stay, name) for name in list(Stay.__dataclass_fields__)[1:]))


def _stay(chance: random.Random, number: int, plug: int, unplug: int, *, quasar: bool) -> Stay:
    at, phases, errors = plug + chance.choice([0, 10, 240]), list[Phase](), list[Span]()
    while at < unplug - 60:
        end = min(unplug - chance.choice([0, 30]), at + chance.randrange(120, 3 * HOUR))
        watts = chance.choice([1380, 3680, 7360, 11_000])
        phases.append(
            Phase(at, end, -watts if quasar and chance.random() < 0.3 else watts, chance.choice([0, 0, 60, 100]))
        )
        at = end + chance.choice([60, 600, 2 * HOUR])
        if chance.random() < 0.05:
            errors.append((end, end + 300))
    resets = [chance.randrange(plug + 120, unplug)] if chance.random() < 0.1 else []
    late_s, delay_s = chance.choice([0, 0, 45]), chance.choice([30, 60, 300, 5000])
    return Stay(number, plug, unplug, tuple(phases), tuple(resets), tuple(errors), late_s, delay_s)


def outages(seed: int, count: int, longest_s: int) -> list[Span]:
    """Times in which something is away."""
    chance = random.Random(f"{seed} {count} {longest_s}")  # noqa: S311 - a play
    starts = chance.sample(range(BEGIN + DAY, END - 9 * DAY), count)
    return [(at, at + chance.randrange(60, longest_s)) for at in starts]


def within(at: int, spans: list[Span]) -> bool:
    return any(begin <= at < end for begin, end in spans)
