"""The last 24 hours of each charger, one value a minute: for the plot, in memory, and of a size that is known."""

import math
import threading
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

STEP_S = 60
MINUTES = 24 * 60
_UNKNOWN = array("f", [math.nan])


def _unknown() -> "array[float]":
    return _UNKNOWN * MINUTES


@dataclass(slots=True)
class _Day:
    """Rings of single-precision numbers, by minute: 12 kB a charger."""

    power: "array[float]" = field(default_factory=_unknown)
    energy: "array[float]" = field(default_factory=_unknown)


@dataclass(frozen=True, slots=True)
class DayValues:
    """What is known of a charger. ``minute``: of the first value; None stands for what is not known."""

    minute: int
    power: list[float | None]
    energy: list[float | None]


class DayLog:
    """Power in kW and energy of the session in kWh. Main records, the port's thread reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._days: dict[int, _Day] = {}
        self._first: int | None = None
        self._last: int | None = None

    def is_recorded(self, minute: int) -> bool:
        """Return whether this minute, or a later one, is recorded."""
        with self._lock:
            return self._last is not None and minute <= self._last

    def record(self, minute: int, values: Mapping[int, tuple[float | None, float | None]]) -> None:
        """Record power and energy by charger; a charger that is not among them is forgotten.

        Args:
            minute: since any time that does not jump; one that was recorded already counts no more.
            values: by charger.

        """
        with self._lock:
            if self._last is not None and minute <= self._last:
                return
            self._skip_to(minute)
            self._days = {charger_id: self._days.get(charger_id) or _Day() for charger_id in values}
            for charger_id, (power, energy) in values.items():
                day = self._days[charger_id]
                day.power[minute % MINUTES] = math.nan if power is None else power
                day.energy[minute % MINUTES] = math.nan if energy is None else energy

    def _skip_to(self, minute: int) -> None:
        """Clear the places of the minutes that were left out."""
        last = minute - 1 if self._last is None else max(self._last, minute - MINUTES)
        self._first = minute if self._first is None else self._first
        self._last = minute
        for skipped in range(last + 1, minute):
            for day in self._days.values():
                day.power[skipped % MINUTES] = day.energy[skipped % MINUTES] = math.nan

    def of(self, charger_id: int) -> DayValues | None:
        """Return what is known of a charger; None of one that is not."""
        with self._lock:
            day, first, last = self._days.get(charger_id), self._first, self._last
            if day is None or first is None or last is None:
                return None
            minutes = range(max(first, last - MINUTES + 1), last + 1)
            return DayValues(minutes[0], _values(day.power, minutes), _values(day.energy, minutes))


def _values(ring: "array[float]", minutes: range) -> list[float | None]:
    found = (ring[minute % MINUTES] for minute in minutes)
    # what is too large for single precision has become infinite, which JSON cannot say
    return [round(value, 3) if math.isfinite(value) else None for value in found]
