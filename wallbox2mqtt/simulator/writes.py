"""What the cloud does with a write: understand it by the catalogue, check it, and say how it changes the charger."""

from collections.abc import Mapping
from dataclasses import replace

from wallbox2mqtt.catalogue import CONFIG, FIELDS, Json, Shape, wish_of_request
from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.actions import runs_ocpp
from wallbox2mqtt.simulator.passage import settle
from wallbox2mqtt.simulator.paths import Document
from wallbox2mqtt.simulator.state import State

_NAME_LENGTH = 64
_CURRENCIES: Mapping[int, Document] = {  # both captures; the other indexes are not public
    1: {"id": 1, "name": "Euro Member Countries", "symbol": "€", "code": "EUR"},
    48: {"id": 48, "name": "United Kingdom Pound", "symbol": "£", "code": "GBP"},
}


def sets_of(method: str, path: str, body: Json, state: State) -> dict[str, Json]:
    """Give the fields that a write sets, with their values as the status document shows them.

    Args:
        method: of the request.
        path: with ``{id}`` in place of the charger's number.
        body: the parsed body.
        state: the charger.

    Raises:
        ValueError: the cloud would answer 400.

    """
    if not isinstance(body, dict) or not body:
        msg = "the body is no object with keys"
        raise ValueError(msg)
    if path.startswith("v4/"):
        return _checked(wish_of_request(method, path, _whole_eco_smart(body, state)), state)
    sets: dict[str, Json] = {}
    for key, value in body.items():
        sets |= wish_of_request(method, path, dict([_as_documented(key, value)]))
    if "icp_max_current" in body:  # the catalogue takes the sign for a repetition of home_sharing; the cloud keeps it
        sets["icp_max_current"] = body["icp_max_current"]
    return _checked(sets, state)


def _as_documented(key: str, value: Json) -> tuple[str, Json]:
    """Two spellings of the field are in shipped clients: another name of the price, and a current as text."""
    if key == "energyCost":
        return "energy_price", value
    if key == "maxChargingCurrent" and isinstance(value, str) and value.isdecimal():
        return key, int(value)
    return key, value


def _whole_eco_smart(body: dict[str, Json], state: State) -> Json:
    """Most clients leave out ``percentage``: what is not sent stays as it is."""
    given = paths.get(body, "data.attributes")
    if not isinstance(given, dict):
        return body
    present = paths.get(state.document, "config_data.ecosmart")
    kept = {**present, "enabled": int(bool(present.get("enabled")))} if isinstance(present, dict) else {}
    return dict(paths.put(body, "data.attributes", {**kept, **given}))


def _checked(sets: dict[str, Json], state: State) -> dict[str, Json]:
    for key, value in sets.items():
        kind = FIELDS[key].kind
        if value is None or (isinstance(value, bool) and kind.shape is not Shape.BOOLEAN):
            msg = f"{key}: {value!r} is not of its kind"
            raise ValueError(msg)
        try:
            kind.read(value)
        except TypeError as error:
            msg = f"{key}: {error}"
            raise ValueError(msg) from error
        if not _in_range(key, value, state):
            msg = f"{key}: {value!r} is out of range"
            raise ValueError(msg)
    return sets


def _in_range(key: str, value: Json, state: State) -> bool:
    """Tell whether a value is one that the charger takes. [?] What the cloud refuses is not public."""
    if key == "name":
        return isinstance(value, str) and 0 < len(value) <= _NAME_LENGTH and value.isprintable()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    most = int(paths.number(state.document, "config_data.max_available_current", 32))
    magnitude = abs(value) if str(paths.get(state.document, "config_data.part_number")).startswith("QS") else value
    ranges = {
        "max_charging_current": isinstance(value, int) and 6 <= magnitude <= most,  # noqa: PLR2004 - IEC 61851
        "icp_max_current": isinstance(value, int) and 1 <= abs(value) <= 255,  # noqa: PLR2004 - what the app allows
        "energy_price": -5 <= value <= 5,  # noqa: PLR2004 - Home Assistant's range
        "currency/id": isinstance(value, int) and value >= 1,
        "ecosmart/mode": value in {0, 1},
        "ecosmart/percentage": 0 <= value <= 100,  # noqa: PLR2004
    }
    return ranges.get(key, True)


def write(state: State, sets: Mapping[str, Json]) -> State:
    """Give the charger after an accepted write."""
    document = state.document
    for key, value in sets.items():
        for path, part in _places(key, value):
            if paths.has(document, path):
                document = paths.put(document, path, part)
    if sets.get("locked") == 0 and runs_ocpp(state):  # accepted without effect (cloud-api.md 0, point 10)
        document = paths.put(document, "config_data.locked", paths.get(state.document, "config_data.locked"))
    unlocked = sets.get("locked") == 0
    return settle(replace(state, document=document, idle_since=state.at if unlocked else state.idle_since))


def _places(key: str, value: Json) -> list[tuple[str, Json]]:
    """Everywhere in the status document where the value of a field stands."""
    path = FIELDS[key].detail or key
    match key:
        case "currency/id":
            unknown: Document = {"id": value, "name": f"Currency {value}", "symbol": "¤", "code": "XXX"}
            return [(f"{CONFIG}currency", dict(_CURRENCIES.get(int(str(value)), unknown)))]
        case "name":
            return [(path, value), (f"{CONFIG}name", value)]
        case "energy_price":
            return [(path, value), (f"{CONFIG}energyCost.value", value)]
        case "max_charging_current":
            return [(path, value), (f"{CONFIG}max_charging_value", value)]
        case _:
            return [(path, value)]
