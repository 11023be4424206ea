"""Charging schedules, in UTC as the cloud keeps them for public clients."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wallbox2mqtt.simulator.paths import Json

_DAY_S = 86400
_WEEKDAY_OF_1970 = 3  # 1 January 1970 was a Thursday; Monday is 0
_EARLY = 1e-3
"""A boundary counts as reached this many seconds before it: float seconds of the wall clock are not exact."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A window in which the charger charges, on the days on which it begins. ``wire``: as the cloud has it.

    ``most_a``: a limit while it is open; less than 6 A is none [?]. ``max_energy`` is kept without effect [?].
    """

    start_s: int
    stop_s: int
    days: frozenset[int]
    enabled: bool
    most_a: int
    wire: Mapping[str, Json]

    @classmethod
    def of(cls, wire: Json) -> "Schedule":
        """Parse a schedule of the API.

        Raises:
            ValueError: it is not one; the cloud, too, refuses a ``days`` that lacks some and a null ``max_energy``.

        """
        days = wire.get("days") if isinstance(wire, dict) else None
        if not isinstance(wire, dict) or not isinstance(days, dict) or days.keys() != set(DAYS):
            msg = "a schedule is an object that names all seven days"
            raise ValueError(msg)
        _natural("max_energy", wire.get("max_energy"))
        return cls(
            start_s=_seconds(wire.get("start")),
            stop_s=_seconds(wire.get("stop")),
            days=frozenset(number for number, day in enumerate(DAYS) if _switch(day, days[day])),
            enabled=_switch("enable", wire.get("enable")),
            most_a=_natural("max_current", wire.get("max_current", 0)),
            wire=wire,
        )

    @property
    def by_position(self) -> dict[str, Json]:
        """The schedule as the cloud has it where only the position tells which one it is."""
        return {key: value for key, value in self.wire.items() if key != "id"} | {"enable": int(self.enabled)}

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


_SENT = frozenset({"id", "chargerId", "enable", "max_current", "max_energy", "days", "start", "stop"})


def merged(present: Sequence[Schedule], sent: Json, charger: int, wall: float) -> list[Json]:
    """Return the schedules of a charger after some were written: an ``id`` is the position that one takes.

    Raises:
        ValueError: the cloud would answer 400.

    """
    if not isinstance(sent, list) or not sent:
        msg = "schedules is a list with something in it"
        raise ValueError(msg)
    slots: dict[int, Json] = {_natural("id", one.wire["id"]): dict(one.wire) for one in present if "id" in one.wire}
    for one in sent:
        if not isinstance(one, dict) or not one.keys() >= _SENT or one["chargerId"] != charger:
            msg = f"a schedule of this charger with {', '.join(sorted(_SENT))}"
            raise ValueError(msg)
        number = _natural("id", one["id"])
        added: dict[str, Json] = {"uid": f"{charger:08d}-{number:04d}", "name": None, "type": 0}
        slots[number] = {**added, **one, "created_at": int(wall), "user_uid": ""}
    return [slots[number] for number in sorted(slots)]


def last_written(schedules: Sequence[Schedule]) -> Json:
    """Return when a schedule was written last, in seconds since 1970; None where there is none."""
    times = [time for one in schedules if isinstance(time := one.wire.get("created_at"), int)]
    return max(times, default=None)


def _natural(key: str, value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        msg = f"{key}: found {value!r}, expected a whole number from 0"
        raise ValueError(msg)
    return value


def _switch(key: str, value: Json) -> bool:
    if not isinstance(value, int) or value not in {0, 1}:
        msg = f"{key}: found {value!r}, expected true or false"
        raise ValueError(msg)
    return bool(value)


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
