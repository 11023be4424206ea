"""What the cloud does with a write: check its body against the endpoint, and work out how it changes the charger."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.actions import runs_ocpp
from wallbox2mqtt.simulator.endpoints import Endpoint
from wallbox2mqtt.simulator.paths import Document, Json
from wallbox2mqtt.simulator.state import ChargerState
from wallbox2mqtt.simulator.transitions import apply_due


@dataclass(frozen=True, slots=True)
class Write:
    """An accepted write. ``values``: by the keys of the body; ``changes``: by the paths of the status document."""

    values: Mapping[str, Json]
    changes: Mapping[str, Json]


def read_write(endpoint: Endpoint, body: Json, state: ChargerState) -> Write:
    """Return what a body writes.

    Raises:
        ValueError: the cloud would answer 400.

    """
    values: dict[str, Json] = {}
    changes: dict[str, Json] = {}
    for key, value in _keys(endpoint, body).items():
        parameter = (endpoint.body or {}).get(key)
        if parameter is None:
            msg = f"unknown key {key!r}"
            raise ValueError(msg)
        shown = parameter.read(value, state)
        values[key] = shown
        changes |= dict.fromkeys(parameter.shown_at, shown)
    return Write(values, changes)


def _keys(endpoint: Endpoint, body: Json) -> Document:
    if not isinstance(body, dict):
        msg = "the body is no object"
        raise ValueError(msg)  # noqa: TRY004 - all that is wrong with a body is a ValueError
    keys = paths.get(body, endpoint.body_at) if endpoint.body_at else body
    if not isinstance(keys, dict) or not keys:
        msg = "the body has no keys"
        raise ValueError(msg)
    if endpoint.body_at and paths.get(body, "data.type") != "eco_smart":
        msg = "data.type is eco_smart"
        raise ValueError(msg)
    return keys


def apply(state: ChargerState, write: Write) -> ChargerState:
    """Return the charger after an accepted write."""
    document = _clamped(paths.update_known(state.document, write.changes), state.most_a)
    unlocks = write.values.get("locked") == 0
    if unlocks and runs_ocpp(state):  # accepted without effect, as users of public clients report
        document = paths.put(document, "config_data.locked", paths.get(state.document, "config_data.locked"))
    return apply_due(replace(state, document=document, idle_since=state.at if unlocks else state.idle_since))


def _clamped(document: Document, most_a: int | None) -> Document:
    """Return the document with the limit that the charger makes of a larger one."""
    for path in ("config_data.max_charging_current", "config_data.max_charging_value"):
        limit = paths.number(document, path)
        if most_a is not None and abs(limit) > most_a:
            document = paths.put(document, path, most_a if limit > 0 else -most_a)
    return document
