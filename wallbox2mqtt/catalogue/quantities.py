"""Kinds of quantities: what a value looks like in the cloud's JSON, and what it is to a person.

A kind bundles shape, unit, device class and state class, so that no field can have a unit that does not
fit its class. Units and classes are Home Assistant's words (its sensor documentation), because they are
the ones that all consumers of discovery understand. ``{currency}`` in a unit stands for the charger's.
"""

import enum
import sys
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

Scalar: TypeAlias = bool | int | float | str | None
"""A value as it is known of a field. Lists and empty objects are kept as their JSON text."""

Json: TypeAlias = "Scalar | list[Json] | dict[str, Json]"
"""Anything that ``json.loads`` gives."""


class Shape(enum.Enum):
    """What a field's value is in the cloud's JSON."""

    NUMBER = "number"
    FLAG = "0 or 1"
    BOOLEAN = "true or false"
    TEXT = "text"
    NUMBER_OR_TEXT = "number or text"
    """The month's totals: text on most days, a number or null on the first of a month."""
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of quantity. ``precision``: digits after the point that make sense on a dashboard.

    ``read_in``: the unit in which people read it, and how many of ``unit`` make one of it.
    """

    shape: Shape
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = None
    precision: int | None = None
    read_in: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that cannot be: only numbers have a unit or a state class."""
        numeric = self.shape in {Shape.NUMBER, Shape.NUMBER_OR_TEXT}
        if (self.unit or self.state_class or self.precision is not None) and not numeric:
            msg = f"a {self.shape.value} has no unit, state class or precision: {self}"
            raise ValueError(msg)

    def read(self, value: Json) -> Json:
        """Give the value back if it is of this kind (null always is), a flag as 0 or 1, a boolean as true or false.

        Raises:
            TypeError: the value is of another kind.

        """
        if value is None:
            return None
        match self.shape:
            case Shape.NUMBER if is_number(value):
                return value
            case Shape.FLAG if value in (0, 1) and isinstance(value, int):
                return int(value)
            case Shape.BOOLEAN if value in (0, 1) and isinstance(value, int):
                # commands set them by 0 and 1, and a cloud may show what it was sent
                return bool(value)
            case Shape.TEXT if isinstance(value, str):
                return value
            case Shape.NUMBER_OR_TEXT if isinstance(value, str) or is_number(value):
                return value
            case Shape.LIST if isinstance(value, list):
                return value
        msg = f"found {type(value).__name__}, expected {self.shape.value}"
        raise TypeError(msg)


def is_number(value: object) -> bool:
    """Tell whether this is a JSON number that a float can hold (a boolean is none, though Python calls it an int)."""
    # JSON's whole numbers have no end: math.isfinite raises on one of 400 digits
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


LARGEST_ID = 2**63 - 1


def is_charger_id(value: object) -> TypeGuard[int]:
    """Tell whether this can be a charger's number; only such enter paths, topics and lists."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_ID


POWER_KW = Kind(Shape.NUMBER, "kW", "power", "measurement", 2)
ENERGY_KWH = Kind(Shape.NUMBER, "kWh", "energy", "total_increasing", 2)
ENERGY_WH = Kind(Shape.NUMBER_OR_TEXT, "Wh", "energy", "total_increasing", 1, read_in=("kWh", 1000))
CURRENT_A = Kind(Shape.NUMBER, "A", "current", "measurement", 0)
LIMIT_A = Kind(Shape.NUMBER, "A", "current", None, 0)
DURATION_S = Kind(Shape.NUMBER, "s", "duration", None, 0, read_in=("min", 60))
INTERVAL_S = Kind(Shape.NUMBER, "s", "duration", None, 0)
DISTANCE_KM = Kind(Shape.NUMBER, "km", "distance", "total_increasing", 0)
SPEED_KMH = Kind(Shape.NUMBER, "km/h", "speed", "measurement", 0)
MONEY = Kind(Shape.NUMBER, "{currency}", None, "total_increasing", 2)
"""Money that starts anew. Home Assistant's class ``monetary`` allows ``total`` only, which subtracts at each reset."""
PRICE = Kind(Shape.NUMBER, "{currency}/kWh", None, "measurement", 3)
CHARGE_PERCENT = Kind(Shape.NUMBER, "%", None, "measurement", 0)
"""Without the class ``battery``: Home Assistant would show the car's as the charger's own."""
PERCENT = Kind(Shape.NUMBER, "%", None, "measurement", 0)
COUNT = Kind(Shape.NUMBER_OR_TEXT, None, None, "total_increasing", 0)
TIMESTAMP = Kind(Shape.TEXT, device_class="timestamp")
NUMBER = Kind(Shape.NUMBER)
FLAG = Kind(Shape.FLAG)
LOCK = Kind(Shape.FLAG, device_class="lock")
BOOLEAN = Kind(Shape.BOOLEAN)
PLUG = Kind(Shape.BOOLEAN, device_class="plug")
BATTERY_CHARGING = Kind(Shape.BOOLEAN, device_class="battery_charging")
CONNECTIVITY = Kind(Shape.NUMBER, device_class="connectivity")
TEXT = Kind(Shape.TEXT)
FIRMWARE = Kind(Shape.TEXT, device_class="firmware")
NUMBER_OR_TEXT = Kind(Shape.NUMBER_OR_TEXT)
WORD = Kind(Shape.TEXT, device_class="enum")
LIST = Kind(Shape.LIST)
