"""What the commands of schedules accept: a time of day, days, a slot or a list of slots as JSON."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from wallbox2mqtt.catalogue.payloads import Integer, refuse
from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.catalogue.slots import (
    DAYS,
    MOST_SLOTS,
    NO_DAY,
    SHORT_DAYS,
    Slot,
    days_text,
    key_of,
    minutes_of,
    time_of,
)
from wallbox2mqtt.catalogue.values import Values
from wallbox2mqtt.errors import InvalidPayloadError

LONGEST_LIST_BYTES = 8192
"""Of a list of slots: each has about 300 bytes with all that the cloud says of it."""
_HHMM = re.compile(r"(?:[01][0-9]|2[0-3])[0-5][0-9]", re.ASCII)
_ALL_DAYS = "all"
_NEEDED = ("id", "enable", "start", "stop", "days", "max_current", "max_energy")
_IGNORED = frozenset({"uid", "chargerId", "name", "type", "created_at", "user_uid"})
"""What else the cloud says of a slot; it may be sent back, and says nothing."""
_EXAMPLE = '{"id": 0, "enable": true, "start": "2230", "stop": "0600", "days": {…}, "max_current": 16, "max_energy": 0}'


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time of day, to the minute."""

    def accepts(self, view: Values) -> str:  # noqa: ARG002 - the same for all chargers
        """Name the forms."""
        return "a time of day in the charger's local time, 22:30 or 2230"

    def parse(self, text: str, view: Values) -> Json:
        """Return the time as topics show it."""
        try:
            return time_of(minutes_of(text))
        except ValueError:
            refuse(self, text, view)


@dataclass(frozen=True, slots=True)
class WeekDays:
    """Days of the week by their names, short or long, in any order and case."""

    def accepts(self, view: Values) -> str:  # noqa: ARG002 - the same for all chargers
        """Name the days."""
        return f"{','.join(SHORT_DAYS)} or some of them (long names, too), {_ALL_DAYS}, {NO_DAY}"

    def parse(self, text: str, view: Values) -> Json:
        """Return the days as topics show them."""
        # only ASCII is folded, as in words
        words = text.lower().replace(",", " ").split(" ") if text.isascii() else [text]
        words = [word for word in words if word]
        if words in ([_ALL_DAYS], [NO_DAY]):
            return days_text(range(7) if words == [_ALL_DAYS] else ())
        names = {name: day for listed in (DAYS, SHORT_DAYS) for day, name in enumerate(listed)}
        days = [names.get(word, -1) for word in words]
        if not days or -1 in days or len(days) != len(set(days)):
            refuse(self, text, view)
        return days_text(days)


@dataclass(frozen=True, slots=True)
class Slots:
    """One slot as a JSON object, or a list of slots. ``current``, ``energy``: what these may be."""

    current: Integer
    energy: Integer

    def accepts(self, view: Values) -> str:
        """Say what a slot has."""
        return (
            f"a schedule or a list of schedules in JSON like {_EXAMPLE}; id: 0 to {MOST_SLOTS - 1}; start, stop: "
            f"HHMM in the charger's local time; days: all seven days from monday to sunday, each true or false; "
            f"max_current: {self.current.accepts(view)}; max_energy: {self.energy.accepts(view)}, 0 is no limit"
        )

    def parse(self, text: str, view: Values) -> Json:
        """Return the slot or the slots, with the keys that are needed."""
        try:
            found = json.loads(text, object_pairs_hook=_object, parse_float=_Wrong, parse_constant=_Wrong)
        except _DoubledError as error:
            self._refuse(f"{error} is there twice", view)
        except (ValueError, RecursionError):
            self._refuse("it is no JSON", view)
        if isinstance(found, dict):
            return self._slot(found, view)
        if not isinstance(found, list) or not found:
            self._refuse("it is neither a schedule nor a list of some", view)
        slots = [self._slot(one, view) for one in found]
        if len({slot["id"] for slot in slots}) != len(slots):
            self._refuse("two schedules have one id", view)
        return list[Json](slots)

    def _refuse(self, problem: str, view: Values) -> NoReturn:
        msg = f"{problem}; accepted: {self.accepts(view)}"
        raise InvalidPayloadError(msg)

    def _slot(self, found: object, view: Values) -> dict[str, Json]:
        if not isinstance(found, dict):
            self._refuse("a schedule is no object", view)
        if missing := [key for key in _NEEDED if key not in found]:
            self._refuse(f"a schedule lacks {' '.join(missing)}", view)
        if unknown := sorted(key[:20] for key in found.keys() - set(_NEEDED) - _IGNORED):
            self._refuse(f"a schedule has the unknown {' '.join(unknown[:3])}", view)
        number = found["id"]
        if not _is_whole(number, MOST_SLOTS - 1):
            self._refuse(f"id: {_shown(number)}", view)
        if problem := next((key for key in _NEEDED[1:] if not self._fits(key, found[key], number, view)), None):
            self._refuse(f"schedule {number}: {problem}: {_shown(found[problem])}", view)
        days = {day: bool(found["days"][day]) for day in DAYS}
        return {key: found[key] for key in _NEEDED} | {"enable": bool(found["enable"]), "days": days}

    def _fits(self, key: str, value: Any, number: int, view: Values) -> bool:  # noqa: ANN401 - any JSON
        match key:
            case "enable":
                return _is_switch(value)
            case "start" | "stop":
                return isinstance(value, str) and _HHMM.fullmatch(value) is not None
            case "days":
                return isinstance(value, dict) and value.keys() == set(DAYS) and all(map(_is_switch, value.values()))
            case "max_current":
                return _is_of(self.current, value, view) or _is_so(value, number, view)
        return _is_of(self.energy, value, view)


class _DoubledError(ValueError):
    """Raised when an object has a key twice."""


class _Wrong:
    """What no schedule has: a number that is not whole, or none."""

    def __init__(self, text: str) -> None:
        self.text = text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DoubledError(next(repr(key[:20]) for key, _ in pairs if [name for name, _ in pairs].count(key) > 1))
    return found


def _is_whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_switch(value: object) -> bool:
    return isinstance(value, int) and value in {0, 1}


def _is_of(form: Integer, value: object, view: Values) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    try:
        form.parse(str(value), view)
    except InvalidPayloadError:
        return False
    return True


def _is_so(current: object, number: int, view: Values) -> bool:
    """Return whether a slot has this current already: what the cloud shows may be sent back."""
    return isinstance(current, int) and view.get(key_of(number, "current")) == current


def _shown(value: object) -> str:
    text = value.text if isinstance(value, _Wrong) else json.dumps(value, default=lambda one: one.text)
    return f"{text[:40]} is not accepted"


def spread(value: Json) -> Mapping[str, Json]:
    """Return the fields that a slot or a list of slots sets, as they are shown."""
    sets: dict[str, Json] = {}
    for one in value if isinstance(value, list) else [value]:
        match one:
            case {
                "id": int(number),
                "enable": bool(enabled),
                "start": str(start),
                "stop": str(stop),
                "days": dict(days),
                "max_current": current,
                "max_energy": energy,
            }:
                named = frozenset(day for day, name in enumerate(DAYS) if days[name])
                sets |= Slot(number, enabled, minutes_of(start), minutes_of(stop), named, current, energy).fields
    return sets
