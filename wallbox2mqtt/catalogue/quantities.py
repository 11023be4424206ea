"""Kinds of quantities: what a value looks like in the cloud's JSON, and what it means to people.

A kind bundles shape, unit, device class and state class, so that no field can have a unit that does not
fit its class. Units and classes are Home Assistant's words (its sensor documentation), because they are
the ones that all consumers of discovery understand. ``{currency}`` in a unit stands for the charger's.
"""

import enum
import math
import re
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
    LIST = "list"


class ImpossibleValueError(ValueError):
    """Raised when a value is of the right kind and cannot be true: a negative energy, more than 100 %."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of quantity. ``precision``: digits after the point that make sense on a dashboard.

    ``read_in``: the unit in which people read it, and how many of ``unit`` make one of it. ``least``, ``most``: what is
    below or above is impossible.
    """

    shape: Shape
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = None
    precision: int | None = None
    read_in: tuple[str, int] | None = None
    least: float = -math.inf
    most: float = math.inf

    def __post_init__(self) -> None:
        """Refuse a kind that cannot be: only numbers have a unit, a state class or bounds."""
        bounded = math.isfinite(self.least) or math.isfinite(self.most)
        of_numbers = self.unit or self.state_class or self.precision is not None or bounded
        if of_numbers and self.shape is not Shape.NUMBER:
            msg = f"a {self.shape.value} has no unit, state class, precision or bounds: {self}"
            raise ValueError(msg)

    def read(self, value: Json) -> Json:
        """Return a value of this kind (null always is), a flag as 0 or 1, a boolean as true or false.

        A number as text is that number, because the cloud sends some so; an empty text is null.

        Raises:
            TypeError: the value is of another kind.
            ImpossibleValueError: no such quantity can have this value.

        """
        if isinstance(value, str) and self.shape in _NUMERIC:
            value = _number_in(value)
        if value is None:
            return None
        match self.shape:
            case Shape.NUMBER if is_number(value):
                if not self.least <= value <= self.most:
                    msg = f"found {value}, expected {self.least:g} to {self.most:g}"
                    raise ImpossibleValueError(msg)
                return value
            case Shape.FLAG if value in (0, 1) and isinstance(value, int):
                return int(value)
            case Shape.BOOLEAN if value in (0, 1) and isinstance(value, int):
                # commands set them by 0 and 1, and a cloud may show what it was sent
                return bool(value)
            case Shape.TEXT if isinstance(value, str):
                return value
            case Shape.LIST if isinstance(value, list):
                return value
        msg = f"found {type(value).__name__}, expected {self.shape.value}"
        raise TypeError(msg)


_NUMERIC = {Shape.NUMBER, Shape.FLAG, Shape.BOOLEAN}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)


def _number_in(text: str) -> Json:
    """Return the number that a text is in JSON's form, None for an empty text, and any other text as it is."""
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        return text
    return int(text) if text.lstrip("-").isdigit() else float(text)


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether this is a JSON number that a float can hold (a boolean is none, though Python calls it an int)."""
    # JSON's whole numbers have no end: math.isfinite raises on one of 400 digits
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def as_number(value: object) -> float | None:
    """Return a value that is a number; None for any other."""
    return value if is_number(value) else None


LARGEST_ID = 2**63 - 1


def is_charger_id(value: object) -> TypeGuard[int]:
    """Return whether this can be a charger's number; only such enter paths, topics and lists."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_ID


POWER_KW = Quantity(Shape.NUMBER, "kW", "power", "measurement", 2)
ENERGY_KWH = Quantity(Shape.NUMBER, "kWh", "energy", "total_increasing", 2, least=0)
ENERGY_WH = Quantity(Shape.NUMBER, "Wh", "energy", "total_increasing", 1, read_in=("kWh", 1000), least=0)
ENERGY_OF_ONE_KWH = Quantity(Shape.NUMBER, "kWh", "energy", None, 2, least=0)
"""The energy of one thing that is over: the next one's begins elsewhere, so nobody is to add them up by differences."""
CURRENT_A = Quantity(Shape.NUMBER, "A", "current", "measurement", 0, least=0)
LIMIT_A = Quantity(Shape.NUMBER, "A", "current", None, 0)
DURATION_S = Quantity(Shape.NUMBER, "s", "duration", None, 0, read_in=("min", 60), least=0)
HOURS = Quantity(Shape.NUMBER, "h", "duration", None, 1, least=0)
INTERVAL_S = Quantity(Shape.NUMBER, "s", "duration", None, 0, least=0)
DISTANCE_KM = Quantity(Shape.NUMBER, "km", "distance", "total_increasing", 0, least=0)
SPEED_KMH = Quantity(Shape.NUMBER, "km/h", "speed", "measurement", 0, least=0)
MONEY = Quantity(Shape.NUMBER, "{currency}", None, "total_increasing", 2)
"""Money that starts anew. Home Assistant's class ``monetary`` allows ``total`` only, which subtracts at each reset."""
MONEY_OF_ONE = Quantity(Shape.NUMBER, "{currency}", None, None, 2)
PRICE = Quantity(Shape.NUMBER, "{currency}/kWh", None, "measurement", 3)
PERCENT = Quantity(Shape.NUMBER, "%", None, "measurement", 0, least=0, most=100)
"""Without the class ``battery``, even of a state of charge: Home Assistant would take the car's for the charger's."""
COUNT = Quantity(Shape.NUMBER, None, None, "total_increasing", 0, least=0)
COUNTER = Quantity(Shape.NUMBER, least=0)
"""One that nobody adds up."""
TIMESTAMP = Quantity(Shape.TEXT, device_class="timestamp")
NUMBER = Quantity(Shape.NUMBER)
TIME_OF_DAY = Quantity(Shape.TEXT, device_class="time")
FLAG = Quantity(Shape.FLAG)
LOCK = Quantity(Shape.FLAG, device_class="lock")
BOOLEAN = Quantity(Shape.BOOLEAN)
PLUG = Quantity(Shape.BOOLEAN, device_class="plug")
BATTERY_CHARGING = Quantity(Shape.BOOLEAN, device_class="battery_charging")
CONNECTIVITY = Quantity(Shape.NUMBER, device_class="connectivity")
TEXT = Quantity(Shape.TEXT)
FIRMWARE = Quantity(Shape.TEXT, device_class="firmware")
WORD = Quantity(Shape.TEXT, device_class="enum")
LIST = Quantity(Shape.LIST)
