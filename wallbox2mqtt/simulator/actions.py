"""Remote actions: when each is refused, and what it does, as public clients report it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.messages import RefusedError
from wallbox2mqtt.simulator.paths import Json
from wallbox2mqtt.simulator.state import (
    CHARGING,
    DISCHARGING,
    PAUSED,
    PAUSING,
    QUEUED_BY_ECO_SMART,
    READY,
    SCHEDULED,
    ChargerState,
    Phase,
)

GOES_DOWN_S, IS_DOWN_S = 10.0, 90.0
"""A reboot: Ready for about 10 s, Disconnected for about 90 s (README of the library that Home Assistant uses)."""

UPDATES_S = 120.0
"""[?] How long an update takes is not public."""

DISCONNECTED, UPDATING = 163, 166
FORBIDDEN, CONFLICT = 403, 409
_OCPP_CONNECTED = 4


@dataclass(frozen=True, slots=True)
class RemoteAction:
    """A remote action. ``check``: raises a ``RefusedError`` where it is refused in this state."""

    does: Callable[[ChargerState], ChargerState]
    check: Callable[[ChargerState], None] = lambda _: None


def runs_ocpp(state: ChargerState) -> bool:
    """Return whether an OCPP back end runs the charger: it then refuses the cloud's commands."""
    connected = paths.get(state.document, "ocpp_status") == _OCPP_CONNECTED
    return connected and paths.get(state.document, "config_data.operation_mode") == "ocpp"


def _check_resume(state: ChargerState) -> None:
    if runs_ocpp(state):
        raise RefusedError(FORBIDDEN, "the charger is run by OCPP")
    if state.locked:
        raise RefusedError(CONFLICT, "the charger is locked")
    if state.actual_status not in {PAUSING, PAUSED, SCHEDULED, QUEUED_BY_ECO_SMART}:
        raise RefusedError(CONFLICT, "nothing is paused")


def _check_pause(state: ChargerState) -> None:
    if runs_ocpp(state):
        raise RefusedError(FORBIDDEN, "the charger is run by OCPP")
    if state.locked:
        raise RefusedError(FORBIDDEN, "the charger is locked")
    if state.paused_at is not None:
        raise RefusedError(FORBIDDEN, "already in Pause-Mode")
    if state.actual_status == READY:  # [?] made up: what a pause without a car does is not public
        raise RefusedError(FORBIDDEN, "there is nothing to pause")


def _check_update(state: ChargerState) -> None:
    # [?] made up: that it is refused is likely, the status is not public
    if paths.get(state.document, "config_data.software.updateAvailable") is not True:
        raise RefusedError(CONFLICT, "no update is available")


def _resume(state: ChargerState) -> ChargerState:
    return replace(state, paused_at=None, by_hand=True)


def _pause(state: ChargerState) -> ChargerState:
    # 178 «pausing» only follows a charge that has to be stopped [?]
    stops = state.actual_status in {CHARGING, DISCHARGING}
    return replace(state, paused_at=state.at if stops else float("-inf"))


def _reboot(state: ChargerState) -> ChargerState:
    down = state.at + GOES_DOWN_S / state.speed
    return replace(state, busy=(Phase(None, down), Phase(DISCONNECTED, down + IS_DOWN_S / state.speed)))


def _factory_reset(state: ChargerState) -> ChargerState:
    # [?] made up: which settings it resets is not public
    most = paths.get(state.document, "config_data.max_available_current")
    values: dict[str, Json] = {"locked": 0, "auto_lock": 0, "max_charging_current": most, "ecosmart.enabled": False}
    document = paths.update_known(state.document, {f"config_data.{path}": value for path, value in values.items()})
    return _reboot(replace(state, document=document, schedules=(), paused_at=None, by_hand=False))


def _install(state: ChargerState) -> ChargerState:
    return replace(state, busy=(Phase(UPDATING, state.at + UPDATES_S / state.speed, installs=True),))


def _back_to_schedule(state: ChargerState) -> ChargerState:
    return replace(state, paused_at=None, by_hand=False)


ACTIONS: Mapping[int, RemoteAction] = {
    1: RemoteAction(_resume, _check_resume),
    2: RemoteAction(_pause, _check_pause),
    3: RemoteAction(_reboot),
    4: RemoteAction(_factory_reset),
    5: RemoteAction(_install, _check_update),
    9: RemoteAction(_back_to_schedule),
}
"""The actions of the API document; 6, 7 and 8 are unknown."""
