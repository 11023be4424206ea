"""A charger's fields as last known, which decide what it accepts and how it is shown."""

from collections.abc import Mapping

from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.catalogue.statuses import DISCHARGING

Values = Mapping[str, Json]
"""A charger's fields as last known, by key; a missing key is an unknown value."""


class NotReadYetError(Exception):
    """Raised when something depends on a field of a charger that has not been read yet."""


class FirstValues(dict[str, Json]):
    """A charger's fields before its first detail: asking for one that is not known raises NotReadYetError."""

    def get(self, key: str, default: Json = None) -> Json:  # type: ignore[override]  # one of dict's forms is enough
        """Return a field that is known."""
        if key not in self:
            raise NotReadYetError(key)
        return super().get(key, default)

    def updated(self, values: Mapping[str, Json]) -> "FirstValues":
        """Return these fields with others in their place."""
        return FirstValues({**self, **values})


def is_quasar(view: Values) -> bool:
    """Return whether a charger can discharge the car: its part number says so, or what only a Quasar can show."""
    limit = view.get("max_charging_current")
    return (
        str(view.get("part_number")).startswith("QS")
        or view.get("status_id") == DISCHARGING
        or view.get("state_of_charge") is not None
        or (isinstance(limit, int | float) and limit < 0)
    )
