"""What happens to a charger from outside: somebody plugs in, the sun shines, the network fails."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from wallbox2mqtt.simulator import paths, sessions
from wallbox2mqtt.simulator.actions import ACTIONS
from wallbox2mqtt.simulator.paths import Json
from wallbox2mqtt.simulator.schedule import Schedule
from wallbox2mqtt.simulator.state import RESERVE_KWH, ChargerState
from wallbox2mqtt.simulator.transitions import apply_due

Move = Callable[[ChargerState, Json], ChargerState]

OFFLINE = 5
_ERROR = 14
_OCPP_OFF, _OCPP_CONNECTED = 1, 4


def _number(value: Json, default: float) -> float:
    if value is None:
        return default
    if not paths.is_number(value):
        msg = f"found {value!r}, expected a number"
        raise ValueError(msg)
    return value


def _with(state: ChargerState, values: Mapping[str, Json]) -> ChargerState:
    """Return the state with other values at these paths of its document."""
    return replace(state, document=paths.update(state.document, values))


def _plug(state: ChargerState, value: Json) -> ChargerState:
    """Plug in a car that asks for so many kWh (half its battery); a new session begins."""
    wanted_kwh = _number(value, state.capacity_kwh / 2)
    capacity_kwh = max(state.capacity_kwh, wanted_kwh)
    fresh = replace(sessions.begin(state), plugged=True, wanted_kwh=wanted_kwh, capacity_kwh=capacity_kwh)
    return replace(fresh, paused_at=None, by_hand=False, finished=False)


def _unplug(state: ChargerState, _: Json) -> ChargerState:
    """Unplug the car; the session's figures stay."""
    gone = replace(sessions.end(state), plugged=False, wanted_kwh=0.0, paused_at=None, by_hand=False)
    return replace(gone, finished=True, idle_since=state.at)


def _new_session(state: ChargerState, _: Json) -> ChargerState:
    """Start a new session of the same car, as after an unlock: the figures start again at zero."""
    return sessions.begin(state) if state.plugged else state


def _reset_counters(state: ChargerState, _: Json) -> ChargerState:
    """Show the session's energy and cost from zero again, as after a restart; the history has all of it."""
    return replace(state, shown_from=state.session)


def _full(state: ChargerState, _: Json) -> ChargerState:
    """Satisfy the car: it takes no more (a Quasar that discharges: gives no more)."""
    return replace(state, wanted_kwh=state.capacity_kwh - RESERVE_KWH if state.limit_a < 0 else 0.0)


def _lock(state: ChargerState, _: Json) -> ChargerState:
    """Lock it, as somebody does in the app."""
    return _with(state, {"config_data.locked": 1})


def _unlock(state: ChargerState, _: Json) -> ChargerState:
    """Unlock it, as somebody does in the app."""
    return replace(_with(state, {"config_data.locked": 0}), idle_since=state.at)


def _pause(state: ChargerState, _: Json) -> ChargerState:
    """Pause it, as somebody does in the app."""
    return ACTIONS[2].does(state)


def _resume(state: ChargerState, _: Json) -> ChargerState:
    """Resume it, as somebody does in the app."""
    return ACTIONS[1].does(state)


def _sun(state: ChargerState, value: Json) -> ChargerState:
    """Set the surplus of the sun, in kW (0)."""
    return replace(state, sun_kw=_number(value, 0.0))


def _house(state: ChargerState, value: Json) -> ChargerState:
    """Set what the house draws, in A per phase (0), which counts with Power Boost."""
    return replace(state, house_a=_number(value, 0.0))


def _offline(state: ChargerState, value: Json) -> ChargerState:
    """Cut it off: the cloud shows 5 (or the number given, 0) beside the last report."""
    return replace(state, offline=int(_number(value, OFFLINE)), last_seen=state.last_seen or state)


def _online(state: ChargerState, _: Json) -> ChargerState:
    """Bring it back, from offline as from an error."""
    return replace(state, error=None, offline=None, last_seen=None)


def _error(state: ChargerState, value: Json) -> ChargerState:
    """Show 14 (or any number given, an unknown one included) until «online»."""
    return replace(state, error=int(_number(value, _ERROR)))


def _clamp(state: ChargerState, value: Json) -> ChargerState:
    """Accept larger limits than so many A, but make this one of them; null ends it."""
    return replace(state, most_a=None if value is None else int(_number(value, 0)))


def _ocpp(state: ChargerState, value: Json) -> ChargerState:
    """Let an OCPP back end run it (true), or no longer (false)."""
    mode, status = ("wallbox", _OCPP_OFF) if value is False else ("ocpp", _OCPP_CONNECTED)
    return _with(state, {"config_data.operation_mode": mode, "ocpp_status": status})


def _update(state: ChargerState, value: Json) -> ChargerState:
    """Offer a firmware of this version (9.9.9)."""
    version = "9.9.9" if value is None else str(value)
    software = "config_data.software"
    return _with(state, {f"{software}.latestVersion": version, f"{software}.updateAvailable": True})


def _schedules(state: ChargerState, value: Json) -> ChargerState:
    """Replace the schedules by these, as the API has them."""
    if not isinstance(value, list):
        msg = f"found {value!r}, expected a list of schedules"
        raise ValueError(msg)  # noqa: TRY004 - all that is wrong with a value is a ValueError here
    return replace(state, schedules=tuple(Schedule.of(wire) for wire in value))


def _set(state: ChargerState, value: Json) -> ChargerState:
    """Put these values ({path: value}) into the status document."""
    if not isinstance(value, dict):
        msg = f"found {value!r}, expected {{path: value}}"
        raise ValueError(msg)  # noqa: TRY004
    return _with(state, value)


def _drop(state: ChargerState, value: Json) -> ChargerState:
    """Remove this path from the status document."""
    return replace(state, document=paths.drop(state.document, str(value)))


MOVES: Mapping[str, Move] = {
    "plug": _plug,
    "unplug": _unplug,
    "full": _full,
    "new_session": _new_session,
    "reset_counters": _reset_counters,
    "lock": _lock,
    "unlock": _unlock,
    "pause": _pause,
    "resume": _resume,
    "sun": _sun,
    "house": _house,
    "offline": _offline,
    "online": _online,
    "error": _error,
    "clamp": _clamp,
    "ocpp": _ocpp,
    "update": _update,
    "schedules": _schedules,
    "set": _set,
    "drop": _drop,
}
"""All moves by word."""


def move(state: ChargerState, word: str, value: Json = None) -> ChargerState:
    """Return the state after a move.

    Raises:
        ValueError: there is no such move, or not with this value.

    """
    if word not in MOVES:
        msg = f"unknown: {word}; known: {', '.join(MOVES)}"
        raise ValueError(msg)
    return apply_due(MOVES[word](state, value))
