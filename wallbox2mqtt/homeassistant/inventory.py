"""What a charger has: one document without a field is not enough to take its entity away."""

from wallbox2mqtt.catalogue import Json, Values

_DETAILS = 3
_LEAST_S, _LEAST_BASIC_S = 3600.0, 3 * 3600.0
"""Between the first and the last of these details; the basic document is read once an hour."""


class Inventory:
    """The fields of one charger. One that is missing counts as it was, until three details in a row lacked it."""

    def __init__(self) -> None:
        """Start with nothing: the first detail decides at once."""
        self._known: dict[str, Json] = {}
        self._missing: dict[str, tuple[int, float]] = {}

    def record(self, values: Values, now: float) -> bool:
        """Record what a charger shows after a detail; return whether something was given up.

        Args:
            values: the fields of its newest documents.
            now: monotonic seconds.

        """
        present = {key: value for key, value in values.items() if value is not None}
        lost = [key for key in self._known.keys() - present.keys() if self._is_lost(key, now)]
        for key in lost:
            del self._known[key]
        for key in [*lost, *present]:
            self._missing.pop(key, None)
        self._known |= present
        return bool(lost)

    def _is_lost(self, key: str, now: float) -> bool:
        details, since = self._missing.get(key, (0, now))
        self._missing[key] = (details + 1, since)
        least_s = _LEAST_BASIC_S if key.startswith("basic/") else _LEAST_S
        return details + 1 >= _DETAILS and now - since >= least_s

    def fill(self, values: Values) -> dict[str, Json]:
        """Return fields with those that are missing and do not count as lost."""
        return {**values, **{key: value for key, value in self._known.items() if values.get(key) is None}}
