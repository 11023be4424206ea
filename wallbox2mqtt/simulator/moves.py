"""What the world does to a charger, in words: somebody plugs in, the sun shines, the network fails."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.actions import ACTIONS
from wallbox2mqtt.simulator.passage import settle
from wallbox2mqtt.simulator.paths import Json
from wallbox2mqtt.simulator.schedule import Schedule
from wallbox2mqtt.simulator.state import RESERVE_KWH, Session, State

Move = Callable[[State, Json], State]

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


def _plug(state: State, value: Json) -> State:
    """A car is plugged in that asks for so many kWh (half its battery): a new session begins."""
    asks_kwh = _number(value, state.capacity_kwh / 2)
    capacity_kwh = max(state.capacity_kwh, asks_kwh)
    fresh = replace(state, plugged=True, asks_kwh=asks_kwh, capacity_kwh=capacity_kwh, session=Session())
    return replace(fresh, paused_at=None, by_hand=False, finished=False)


def _unplug(state: State, _: Json) -> State:
    """The car leaves; the session's figures stay."""
    gone = replace(state, plugged=False, asks_kwh=0.0, paused_at=None, by_hand=False)
    return replace(gone, finished=True, idle_since=state.at)


def _full(state: State, _: Json) -> State:
    """The car takes no more (a Quasar that discharges: gives no more)."""
    return replace(state, asks_kwh=state.capacity_kwh - RESERVE_KWH if state.limit_a < 0 else 0.0)


def _lock(state: State, _: Json) -> State:
    """Somebody locks it in the app."""
    return replace(state, document=paths.put(state.document, "config_data.locked", 1))


def _unlock(state: State, _: Json) -> State:
    """Somebody unlocks it in the app."""
    return replace(state, document=paths.put(state.document, "config_data.locked", 0), idle_since=state.at)


def _pause(state: State, _: Json) -> State:
    """Somebody pauses it in the app."""
    return ACTIONS[2].does(state)


def _resume(state: State, _: Json) -> State:
    """Somebody starts it in the app."""
    return ACTIONS[1].does(state)


def _sun(state: State, value: Json) -> State:
    """The sun gives a surplus of so many kW (0)."""
    return replace(state, sun_kw=_number(value, 0.0))


def _house(state: State, value: Json) -> State:
    """The house draws so many A per phase (0), which counts with Power Boost."""
    return replace(state, house_a=_number(value, 0.0))


def _offline(state: State, value: Json) -> State:
    """The charger loses the cloud, which shows 5 (or the number given, 0) and its last word."""
    return replace(state, offline=int(_number(value, OFFLINE)), last_word=state.last_word or state)


def _online(state: State, _: Json) -> State:
    """It is back, from offline as from an error."""
    return replace(state, error=None, offline=None, last_word=None)


def _error(state: State, value: Json) -> State:
    """It shows 14 (or any number given, a state nobody knows included) until «online»."""
    return replace(state, error=int(_number(value, _ERROR)))


def _ocpp(state: State, value: Json) -> State:
    """An OCPP back end takes over (true), or gives it back (false)."""
    mode, status = ("wallbox", _OCPP_OFF) if value is False else ("ocpp", _OCPP_CONNECTED)
    document = paths.put(state.document, "config_data.operation_mode", mode)
    return replace(state, document=paths.put(document, "ocpp_status", status))


def _update(state: State, value: Json) -> State:
    """A firmware of this version (9.9.9) becomes available."""
    version = "9.9.9" if value is None else str(value)
    document = paths.put(state.document, "config_data.software.latestVersion", version)
    return replace(state, document=paths.put(document, "config_data.software.updateAvailable", value=True))


def _schedules(state: State, value: Json) -> State:
    """These schedules, as the API has them, take the place of the old ones."""
    if not isinstance(value, list):
        msg = f"found {value!r}, expected a list of schedules"
        raise ValueError(msg)  # noqa: TRY004 - all that is wrong with a value is a ValueError here
    return replace(state, schedules=tuple(Schedule.of(wire) for wire in value))


def _set(state: State, value: Json) -> State:
    """Put these values ({path: value}) into the status document."""
    if not isinstance(value, dict):
        msg = f"found {value!r}, expected {{path: value}}"
        raise ValueError(msg)  # noqa: TRY004
    document = state.document
    for path, part in value.items():
        document = paths.put(document, path, part)
    return replace(state, document=document)


def _drop(state: State, value: Json) -> State:
    """Take this path out of the status document."""
    return replace(state, document=paths.drop(state.document, str(value)))


MOVES: Mapping[str, Move] = {
    "plug": _plug,
    "unplug": _unplug,
    "full": _full,
    "lock": _lock,
    "unlock": _unlock,
    "pause": _pause,
    "resume": _resume,
    "sun": _sun,
    "house": _house,
    "offline": _offline,
    "online": _online,
    "error": _error,
    "ocpp": _ocpp,
    "update": _update,
    "schedules": _schedules,
    "set": _set,
    "drop": _drop,
}
"""All moves by word."""


def move(state: State, word: str, value: Json = None) -> State:
    """Give the state after a move.

    Raises:
        ValueError: there is no such move, or not with this value.

    """
    if word not in MOVES:
        msg = f"unknown: {word}; known: {', '.join(MOVES)}"
        raise ValueError(msg)
    return settle(MOVES[word](state, value))
