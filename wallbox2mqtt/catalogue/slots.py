"""Charging schedules: slots of the week. The cloud keeps them in UTC, topics show the charger's local time.

A slot's fields are those below ``schedule/<n>/``, where n is its number at the cloud.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.catalogue.templates import UnfilledError
from wallbox2mqtt.catalogue.values import Values

MOST_SLOTS = 10
"""Slots that have topics; the cloud numbers them from 0, and is not known to have so many."""
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SHORT_DAYS = tuple(day[:3] for day in DAYS)
NO_DAY = "never"
PARTS = ("enabled", "start", "stop", "days", "current", "energy")
"""The fields of a slot."""
UTC_OFFSET = "schedule/utc_offset"
"""The field that says how many minutes local time is ahead of UTC: known once the schedules were read."""

_DAY_MIN, _DAY_S = 1440, 86_400
_WEEKDAY_OF_1970 = 3
_TIME = re.compile(r"([01][0-9]|2[0-3]):?([0-5][0-9])(?::00)?", re.ASCII)


def key_of(number: int, part: str) -> str:
    """Return the key of a field of a slot."""
    return f"schedule/{number}/{part}"


def minutes_of(text: str) -> int:
    """Return the minutes after midnight of a time of day: 2230, 22:30 or 22:30:00.

    Raises:
        ValueError: it is no time of day.

    """
    found = _TIME.fullmatch(text)
    if found is None:
        msg = f"{text[:20]!r} is no time of day"
        raise ValueError(msg)
    return int(found[1]) * 60 + int(found[2])


def time_of(minutes: int) -> str:
    """Return a time of day as topics show it: 22:30."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def days_text(days: Iterable[int]) -> str:
    """Return days as topics show them: mon,tue, or never."""
    return ",".join(SHORT_DAYS[day] for day in sorted(days)) or NO_DAY


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot. ``start``, ``stop``: minutes after midnight. ``days``: on which it begins, Monday is 0.

    ``current``: A. ``energy``: 0 is no limit; the vendor does not tell its unit.
    """

    number: int
    enabled: bool
    start: int
    stop: int
    days: frozenset[int]
    current: Json
    energy: Json

    def shifted(self, by_min: int) -> "Slot":
        """Return the slot by a clock that is so much ahead of this one's: it may begin on other days by that."""
        days, start = divmod(self.start + by_min, _DAY_MIN)
        moved = frozenset((day + days) % 7 for day in self.days)
        return replace(self, start=start, stop=(self.stop + by_min) % _DAY_MIN, days=moved)

    @property
    def fields(self) -> dict[str, Json]:
        """The slot's fields."""
        values = (
            self.enabled,
            time_of(self.start),
            time_of(self.stop),
            days_text(self.days),
            self.current,
            self.energy,
        )
        return {key_of(self.number, part): value for part, value in zip(PARTS, values, strict=True)}

    @property
    def document(self) -> dict[str, Json]:
        """The slot in the cloud's form."""
        return {
            "id": self.number,
            "enable": self.enabled,
            "start": time_of(self.start).replace(":", ""),
            "stop": time_of(self.stop).replace(":", ""),
            "days": {name: day in self.days for day, name in enumerate(DAYS)},
            "max_current": self.current,
            "max_energy": self.energy,
        }

    def spans(self, wall: float) -> Iterator[tuple[float, float]]:
        """Return when it begins and ends, from a day before to a week after a time, in seconds since 1970.

        The slot is in UTC.
        """
        today = int(wall // _DAY_S)
        length_min = (self.stop - self.start) % _DAY_MIN or _DAY_MIN
        for day in range(today - 1, today + 8):
            if (day + _WEEKDAY_OF_1970) % 7 in self.days:
                begin = day * _DAY_S + self.start * 60
                yield begin, begin + length_min * 60


def slot_in(values: Values, number: int) -> Slot | None:
    """Return the slot that a charger's fields show; None where there is none, or not all is known of it."""
    enabled, start, stop, days, current, energy = (values.get(key_of(number, part)) for part in PARTS)
    if not isinstance(start, str) or not isinstance(stop, str) or not isinstance(days, str) or enabled is None:
        return None
    named = frozenset(SHORT_DAYS.index(day) for day in days.split(",") if day in SHORT_DAYS)
    return Slot(number, bool(enabled), minutes_of(start), minutes_of(stop), named, current, energy)


def slots_in(values: Values) -> list[Slot]:
    """Return all slots that a charger's fields show."""
    found = (slot_in(values, number) for number in range(MOST_SLOTS))
    return [slot for slot in found if slot is not None]


def listed(offset: Json, *values: Json) -> Json:
    """Return the slots as JSON; None before they were read.

    Args:
        offset: the field that is known once they were read.
        values: the fields of all slots, in the order of their numbers and of ``PARTS``.

    """
    if offset is None:
        return None
    keys = [key_of(number, part) for number in range(MOST_SLOTS) for part in PARTS]
    slots = slots_in(dict(zip(keys, values, strict=True)))
    return json.dumps([slot.document for slot in slots], separators=(",", ":"))


def body_of(sets: Mapping[str, Json], values: Values) -> Json:
    """Return the body that writes the slots of these fields, in UTC; other values stay as they are.

    Args:
        sets: fields of slots with their new values, in local time.
        values: all fields of the charger, including the new values.

    Raises:
        UnfilledError: a slot's current is not known, or when local time is.

    """
    offset = values.get(UTC_OFFSET)
    if not isinstance(offset, int):
        raise UnfilledError(UTC_OFFSET)
    slots: list[Json] = []
    for number in sorted({int(key.split("/")[1]) for key in sets}):
        slot = slot_in(values, number)
        if slot is None or slot.current is None:
            raise UnfilledError(key_of(number, "current"))
        # without a limit of energy it is 0: null is refused. Other clients write 1 and 0 for enable
        wire = replace(slot.shifted(-offset), energy=slot.energy or 0).document
        slots.append({"chargerId": values.get("charger_id"), **wire, "enable": int(slot.enabled)})
    return {"schedules": slots}


def upcoming(slots: Iterable[Slot], wall: float) -> tuple[float | None, float | None]:
    """Return when the next slot begins, and when the running one ends, or the next one where none runs.

    Args:
        slots: in UTC.
        wall: the present, in seconds since 1970, as are both answers; None where there is no such slot.

    """
    spans = [span for slot in slots if slot.enabled for span in slot.spans(wall)]
    begins = min((begin for begin, _ in spans if begin > wall), default=None)
    running = [end for begin, end in spans if begin <= wall < end]
    ends = max(running or [end for begin, end in spans if begin == begins], default=None)
    return begins, ends
