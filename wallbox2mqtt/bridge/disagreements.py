"""Which document counts where the list and another one disagree for long: the one whose own value changed last."""

import math
from collections.abc import Container, Mapping

from wallbox2mqtt.bridge.field_sets import COMPARED
from wallbox2mqtt.bridge.hold import same
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.documents import Origin

_MAX_REPEATS = 2
"""Readings that may repeat their document's own value without overwriting what another document has changed since,
while that one was not read again."""


class Disagreements:
    """What the documents of one charger said last."""

    def __init__(self) -> None:
        self._said: dict[Origin, dict[str, Json]] = {}
        self._changed_by: dict[str, Origin] = {}
        self._passes_over: dict[str, float] = {}

    def changed(self, key: str, origin: Origin) -> None:
        """Record that what a document says of a field is a change, of which others need not know yet."""
        self._changed_by[key], self._passes_over[key] = origin, _MAX_REPEATS

    def forget(self, key: str) -> None:
        """Forget which document changed a field: a command has."""
        self._changed_by.pop(key, None)

    def news(
        self, values: Mapping[str, Json], origin: Origin, shown: Mapping[str, Json], held: Container[str]
    ) -> dict[str, Json]:
        """Return the values without those that a document only repeats against the newer change of another one.

        What was shown would change with each reading. Two contradictions of a change are passed over, then it may
        itself be out of date; all of them once its own document has confirmed it.
        """
        last, news = self._said.setdefault(origin, {}), dict(values)
        for key in values.keys() & COMPARED:
            value, changed_by = values[key], self._changed_by.get(key)
            is_repeated = key in last and same(last[key], value)
            last[key] = value
            if not is_repeated:
                self.changed(key, origin)
            elif changed_by is origin:
                self._passes_over[key] = math.inf
            elif (
                changed_by is not None
                and Origin.SWEEP in {origin, changed_by}  # which may lag
                and key not in held
                and self._passes_over[key] > 0
                and not same(value, shown.get(key))
            ):
                self._passes_over[key] -= 1
                del news[key]
        return news
