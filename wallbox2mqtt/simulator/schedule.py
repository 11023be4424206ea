"""Charging schedules, in UTC as the cloud keeps them (cloud-api.md 1.11)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from wallbox2mqtt.simulator.paths import Json

_DAY_S = 86400
_WEEKDAY_OF_1970 = 3  # 1 January 1970 was a Thursday; Monday is 0
_EARLY = 1e-3
"""A boundary counts as reached this many seconds before it: float seconds of the wall clock are not exact."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A window in which the charger charges, on the days on which it begins. ``wire``: as it was sent."""

    start_s: int
    stop_s: int
    days: frozenset[int]
    enabled: bool
    wire: Mapping[str, Json]

    @classmethod
    def of(cls, wire: Json) -> "Schedule":
        """Parse a schedule of the API.

        Raises:
            ValueError: it is not one; the cloud, too, refuses a ``days`` that lacks some and a null ``max_energy``.

        """
        if not isinstance(wire, dict) or not isinstance(wire.get("days"), dict):
            msg = "a schedule is an object with days"
            raise ValueError(msg)  # noqa: TRY004 - all that is wrong with a schedule is a ValueError
        days = wire["days"]
        if not isinstance(days, dict) or days.keys() != set(DAYS) or not isinstance(wire.get("max_energy"), int):
            msg = "a schedule names all seven days and a whole max_energy"
            raise ValueError(msg)
        on = frozenset(number for number, day in enumerate(DAYS) if days[day])
        return cls(_seconds(wire.get("start")), _seconds(wire.get("stop")), on, bool(wire.get("enable")), wire)

    def is_open(self, wall: float) -> bool:
        """Return whether the window is open at a time (seconds since 1970, UTC)."""
        day, second = divmod(wall + _EARLY, _DAY_S)
        today = (int(day) + _WEEKDAY_OF_1970) % 7 in self.days
        yesterday = (int(day) - 1 + _WEEKDAY_OF_1970) % 7 in self.days
        if self.start_s < self.stop_s:
            return today and self.start_s <= second < self.stop_s
        return (today and second >= self.start_s) or (yesterday and second < self.stop_s)

    def next_turn_s(self, wall: float) -> float:
        """Return the seconds until the next time of day at which the window might open or close."""
        second = math.fmod(wall + _EARLY, _DAY_S)
        return min((edge - second) % _DAY_S or _DAY_S for edge in (self.start_s, self.stop_s))


def _seconds(text: Json) -> int:
    """Return the second of the day of «2130»."""
    if not isinstance(text, str) or len(text) != 4 or not text.isdecimal():  # noqa: PLR2004 - HHMM
        msg = f"found {text!r}, expected HHMM"
        raise ValueError(msg)
    hours, minutes = int(text[:2]), int(text[2:])
    if hours > 23 or minutes > 59:  # noqa: PLR2004
        msg = f"{text} is not a time of day"
        raise ValueError(msg)
    return hours * 3600 + minutes * 60
