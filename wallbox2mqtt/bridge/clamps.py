"""What chargers make of values that they do not accept: 18 A of 20. Used by the writer alone."""

import math
from collections.abc import Mapping

from wallbox2mqtt.bridge.hold import same
from wallbox2mqtt.bridge.results import Made
from wallbox2mqtt.catalogue import CONFIG_FIELDS, Intent, Json, Values
from wallbox2mqtt.clock import Clock

READ_COUNTS_S = 3600.0
"""For so long nothing is sent that would only be clamped again, where nothing but a reading says so."""


class Clamps:
    """Remembers, by charger and field, the value that was asked for last and the one that it became."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[tuple[int, str], tuple[Json, Json, float]] = {}

    def record(self, charger_id: int, asked: Mapping[str, Json], view: Values) -> None:
        """Record what the answer to a write shows of the fields that it set."""
        for key, value in asked.items():
            if same(view.get(key), value):
                self._known.pop((charger_id, key), None)
            else:
                self._known[charger_id, key] = value, view.get(key), math.inf

    def add(self, charger_id: int, intent: Intent, key: str, value: Json) -> None:
        """Record that a settled reading shows another value than was asked for; somebody else may have set it, too."""
        if key in intent.sets:
            self._known[charger_id, key] = intent.sets[key], value, self._clock.monotonic() + READ_COUNTS_S

    def _of(self, charger_id: int, intent: Intent, view: Values) -> dict[str, Json]:
        """Return what became of the fields of an intent when the same was asked for before, and still is shown."""
        found = {}
        for key, asked in intent.sets.items():
            known_asked, made, until = self._known.get((charger_id, key), (None, None, -math.inf))
            if same(known_asked, asked) and same(made, view.get(key)) and self._clock.monotonic() < until:
                found[key] = made
        return found

    def as_asked(self, charger_id: int, intent: Intent, view: Values) -> Values:
        """Return the charger's fields as if it had taken what it was asked for."""
        return {**view, **{key: intent.sets[key] for key in self._of(charger_id, intent, view)}}

    def made(self, charger_id: int, intent: Intent, view: Values) -> Made | None:
        """Return what the charger made of an intent; None where it took it."""
        if not (made := self._of(charger_id, intent, view)):
            return None
        reason = "; ".join(f"the charger made {value!r} of {intent.sets[key]!r}" for key, value in made.items())
        value = intent.value
        if isinstance(value, dict):
            value = {name: made.get(CONFIG_FIELDS[name].key, part) for name, part in value.items()}
        else:
            value = made.get(intent.field.key, value)
        return Made(value, reason)
