"""The cloud's documents, worked out from a state."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.models import MODELS, ChargerSpec, capture
from wallbox2mqtt.simulator.paths import Document, Json
from wallbox2mqtt.simulator.state import ChargerState
from wallbox2mqtt.simulator.transitions import KM_PER_KWH

_BASIC_FROM_DETAIL: Mapping[str, str] = {
    "id": "config_data.charger_id",
    "uid": "config_data.uid",
    "serialNumber": "config_data.serial_number",
    "name": "name",
    "group": "config_data.group_id",
    "softwareVersion": "config_data.software.currentVersion",
    "status": "status_id",
    "ocppConnectionStatus": "ocpp_status",
    "ocppReady": "config_data.ocpp_ready",
    "stateOfCharge": "state_of_charge",
    "maxAvailableCurrent": "config_data.max_available_current",
    "maxChargingCurrent": "config_data.max_charging_current",
    "locked": "config_data.locked",
    "midEnabled": "config_data.mid_enabled",
    "midMargin": "config_data.mid_margin",
    "midMarginUnit": "config_data.mid_margin_unit",
    "midSerialNumber": "config_data.mid_serial_number",
    "midStatus": "mid_status",
    "powerSharingStatus": "power_sharing_status",
}
"""Values that the basic document repeats under another name."""

_LISTED_FROM_DETAIL: Mapping[str, str] = {
    "name": "name",
    "status": "status_id",
    "state": "status_id",
    "ocppReady": "config_data.ocpp_ready",
    "ocppConnectionStatus": "ocpp_status",
    "locked": "config_data.locked",
    "maxChargingCurrent": "config_data.max_charging_current",
    "addedEnergy": "added_energy",
    "chargingPower": "charging_power",
    "chargingTime": "charging_time",
    "operationMode": "config_data.operation_mode",
    "midStatus": "mid_status",
    "remoteAction": "config_data.remote_action",
    "software.currentVersion": "config_data.software.currentVersion",
    "software.latestVersion": "config_data.software.latestVersion",
    "software.updateAvailable": "config_data.software.updateAvailable",
}
"""Values that the list of chargers repeats under another name."""


_CLOUD_TIME = "%Y-%m-%d %H:%M:%S"


def _tidy(value: float, digits: int = 3) -> int | float:
    """Round, and whole numbers without a point, as the captures have them."""
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def _cloud_time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime(_CLOUD_TIME)


def detail(state: ChargerState, spec: ChargerSpec, changes: Mapping[str, Json]) -> Document:
    """Return the status document, with other values where a change is not None; no field is added to the model's."""
    source = state if state.last_seen is None else state.last_seen
    session, before = source.session, source.shown_from
    lives: dict[str, Json] = {
        "status_id": state.status_id,
        "last_sync": _cloud_time(source.wall),
        "charging_power": _tidy(source.power_kw),
        "charging_speed": _tidy(max(0.0, source.power_kw) * KM_PER_KWH, 0),
        "charging_time": int(session.time_s),
        "added_energy": _tidy(session.energy_kwh - before.energy_kwh),
        "added_green_energy": _tidy(session.green_kwh - before.green_kwh),
        "added_grid_energy": _tidy(session.grid_kwh - before.grid_kwh),
        "added_discharged_energy": _tidy(session.discharged_kwh - before.discharged_kwh),
        "added_range": _tidy(session.range_km, 0),
        "cost": _tidy(session.cost - before.cost),
        "finished": source.finished,
    }
    if MODELS[spec.model].reports_state_of_charge:
        charge = round(100 * (1 - source.wanted_kwh / source.capacity_kwh))
        lives["state_of_charge"] = charge if source.plugged else None
    lives |= {path: value for path, value in changes.items() if value is not None}
    return paths.update_known(source.document, lives)


def config(status: Document) -> Document:
    """Return the settings, which the status document has inside."""
    settings = status.get("config_data")
    return settings if isinstance(settings, dict) else {}


def basic(status: Document, spec: ChargerSpec, month: Document) -> Document:
    """Return ``chargerData`` beside a status document; ``month``: the totals of the month."""
    document, last_sync = capture("basic"), paths.get(status, "last_sync")
    repeated = {path: paths.get(status, source) for path, source in _BASIC_FROM_DETAIL.items()}
    own: dict[str, Json] = {
        "chargerType": MODELS[spec.model].charger_type,
        "lastConnection": _epoch(last_sync),
        "lastSync.date": f"{last_sync}.000000",
        "resume": {**resume(document), **month},
    }
    return paths.update(document, repeated | own)


def _epoch(cloud_time: Json) -> int | None:
    try:
        return int(datetime.strptime(str(cloud_time), _CLOUD_TIME).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def resume(document: Document) -> Document:
    """Return the month's totals of a basic document."""
    totals = document.get("resume")
    return totals if isinstance(totals, dict) else {}


def listed(status: Document, spec: ChargerSpec) -> Document:
    """Return the charger as the list of chargers has it, beside a status document."""
    own: dict[str, Json] = {"id": spec.id, "uid": spec.uid, "chargerType": MODELS[spec.model].charger_type}
    repeated = {path: paths.get(status, source) for path, source in _LISTED_FROM_DETAIL.items()}
    return paths.update(_recorded_entry(), own | repeated)


@cache
def _recorded_entry() -> Document:
    recorded: Any = capture("groups")
    entry: Document = recorded["result"]["groups"][0]["chargers"][0]
    return entry
