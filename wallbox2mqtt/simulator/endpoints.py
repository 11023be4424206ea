"""The endpoints of the cloud: method, path, body and effect, as public sources have them.

The simulator shares no table with the program, so that the same error cannot be in both.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.paths import Document, Json
from wallbox2mqtt.simulator.state import MIN_A, ChargerState

Effect = Literal[
    "sign in",
    "refresh",
    "sign in (legacy)",
    "list",
    "status",
    "read basic",
    "write basic",
    "read config",
    "write config",
    "remote action",
    "write eco-smart",
    "read schedules",
    "write schedules",
    "sessions",
]

Read: TypeAlias = Callable[[Json, ChargerState], Json]
"""Turns a value of a body into the value that the status document shows; a ValueError is answered with 400."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A key of a body. ``shown_at``: the places of its value in the status document."""

    read: Read
    shown_at: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method on a path with ``{id}`` for a charger's number.

    ``body``: the keys that may be sent, ``body_at`` where in the body they stand. ``is_open``: needs no token.
    """

    method: str
    path: str
    effect: Effect
    body: Mapping[str, Parameter] | None = None
    body_at: str = ""
    is_open: bool = False

    def matches(self, path: str) -> bool:
        """Return whether a path is this endpoint's."""
        return re.fullmatch(self.path.replace("{id}", r"\d+"), path) is not None


def _refuse(value: Json, expected: str) -> ValueError:
    return ValueError(f"found {value!r}, expected {expected}")


def _whole(value: Json, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _refuse(value, f"a whole number from {least} to {most}")
    return value


def _flag(value: Json, _: ChargerState) -> Json:
    return _whole(value, 0, 1)


def _current(value: Json, state: ChargerState) -> Json:
    """Read a current; text is accepted, which a shipped client sends, and negative ones of a Quasar."""
    amps = int(value) if isinstance(value, str) and value.isdecimal() else value
    most = int(paths.number(state.document, "config_data.max_available_current", 32))
    discharges = str(paths.get(state.document, "config_data.part_number")).startswith("QS")
    if discharges and isinstance(amps, int) and amps < 0:
        return -_whole(-amps, MIN_A, most)
    return _whole(amps, MIN_A, most)


_LONGEST_NAME = 64


def _is_control(character: str) -> bool:
    """Return whether a character is a control character, a line end or half of a pair; [?] the cloud's own rule."""
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}


def _name(value: Json, _: ChargerState) -> Json:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or any(map(_is_control, value)):
        raise _refuse(value, f"up to {_LONGEST_NAME} characters, no control characters")
    return value


_LOWEST_PRICE, _HIGHEST_PRICE = -1000, 1_000_000  # [?] what the cloud refuses is not public; 36.5 HUF is a price


def _price(value: Json, _: ChargerState) -> Json:
    if not paths.is_number(value) or not _LOWEST_PRICE <= value <= _HIGHEST_PRICE:
        raise _refuse(value, "a price")
    return value


_CURRENCIES: Mapping[int, Document] = {  # both captures; the other indexes are not public
    1: {"id": 1, "name": "Euro Member Countries", "symbol": "€", "code": "EUR"},
    48: {"id": 48, "name": "United Kingdom Pound", "symbol": "£", "code": "GBP"},
}
_LAST_CURRENCY = 1000  # [?]


def _currency(value: Json, _: ChargerState) -> Json:
    index = _whole(value, 1, _LAST_CURRENCY)
    unknown: Document = {"id": index, "name": f"Currency {index}", "symbol": "¤", "code": "XXX"}
    return dict(_CURRENCIES.get(index, unknown))


_LARGEST_FUSE = 255  # what the vendor's app allows


def _fuse(value: Json, _: ChargerState) -> Json:
    """Read a current whose sign repeats ``home_sharing``; the cloud keeps it."""
    if isinstance(value, int) and value < 0:
        return -_whole(-value, 1, _LARGEST_FUSE)
    return _whole(value, 1, _LARGEST_FUSE)


def _switch(value: Json, state: ChargerState) -> Json:
    """Read 0 or 1, which is shown as false or true."""
    return _flag(value, state) == 1


def _percentage(value: Json, _: ChargerState) -> Json:
    return _whole(value, 0, 100)


_LIMIT = Parameter(_current, ("config_data.max_charging_current", "config_data.max_charging_value"))
_COST = Parameter(_price, ("config_data.energy_price", "config_data.energyCost.value"))

BASIC: Mapping[str, Parameter] = {
    "locked": Parameter(_flag, ("config_data.locked",)),
    "maxChargingCurrent": _LIMIT,
    "name": Parameter(_name, ("name", "config_data.name")),
}
CONFIG: Mapping[str, Parameter] = {
    "energy_price": _COST,
    "energyCost": _COST,  # the same by another name: both are in shipped clients
    "currency_id": Parameter(_currency, ("config_data.currency",)),
    "max_charging_current": _LIMIT,
    "home_sharing": Parameter(_flag, ("config_data.home_sharing",)),
    "icp_max_current": Parameter(_fuse, ("config_data.icp_max_current",)),
}
ECO_SMART: Mapping[str, Parameter] = {
    "enabled": Parameter(_switch, ("config_data.ecosmart.enabled",)),
    "mode": Parameter(_flag, ("config_data.ecosmart.mode",)),
    "percentage": Parameter(_percentage, ("config_data.ecosmart.percentage",)),
}

ENDPOINTS: Sequence[Endpoint] = (
    Endpoint("GET", "users/signin", "sign in", is_open=True),
    Endpoint("GET", "users/refresh-token", "refresh", is_open=True),
    Endpoint("POST", "auth/token/user", "sign in (legacy)", is_open=True),
    Endpoint("GET", "auth/token/user", "sign in (legacy)", is_open=True),
    Endpoint("GET", "v3/chargers/groups", "list"),
    Endpoint("GET", "chargers/status/{id}", "status"),
    Endpoint("GET", "v2/charger/{id}", "read basic"),
    Endpoint("PUT", "v2/charger/{id}", "write basic", BASIC),
    Endpoint("GET", "chargers/config/{id}", "read config"),
    Endpoint("POST", "chargers/config/{id}", "write config", CONFIG),
    Endpoint("POST", "v3/chargers/{id}/remote-action", "remote action"),
    Endpoint("PUT", "v4/chargers/{id}/eco-smart", "write eco-smart", ECO_SMART, "data.attributes"),
    Endpoint("GET", "chargers/{id}/schedules", "read schedules"),
    Endpoint("POST", "chargers/{id}/schedules", "write schedules"),
    Endpoint("GET", "v4/sessions/stats", "sessions"),
)
