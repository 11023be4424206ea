"""How a charger goes on by itself: pure functions of time.

Between two transitions (a car is full, a schedule opens, an auto-lock, the end of a reboot, …) everything is constant,
so energies are exact products of power and time, however seldom somebody looks.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.state import PAUSING_S, RESERVE_KWH, ChargerState, RunningSession

KM_PER_KWH = 7.0
"""[?] The vendor's estimate; the seed's 4 km for 0.546 kWh are about this."""

_FULL_KWH = 1e-6
_LEAST_S = 1e-6


def advance(state: ChargerState, when: float) -> ChargerState:
    """Return the state at a later time before which there is no transition."""
    seconds = when - state.at
    if seconds <= 0:
        return state
    energy_kwh = state.power_kw * seconds / 3600 * state.speed
    session = _accumulated(state, energy_kwh, seconds) if state.plugged else state.session
    wanted_kwh = max(0.0, state.wanted_kwh - energy_kwh) if state.plugged else state.wanted_kwh
    return replace(state, at=when, session=session, wanted_kwh=wanted_kwh)


def _accumulated(state: ChargerState, energy_kwh: float, seconds: float) -> RunningSession:
    session, taken_kwh = state.session, max(0.0, energy_kwh)
    # both captures say 0 for sun and grid beside some energy: they are told apart only while Eco-Smart counts [?]
    told = 0.0 if state.eco_mode is None else taken_kwh
    green_kwh = min(told, state.sun_kw * seconds / 3600 * state.speed)
    return replace(
        session,
        energy_kwh=session.energy_kwh + taken_kwh,
        green_kwh=session.green_kwh + green_kwh,
        grid_kwh=session.grid_kwh + told - green_kwh,
        discharged_kwh=session.discharged_kwh + max(0.0, -energy_kwh),
        cost=session.cost + taken_kwh * paths.number(state.document, "config_data.energy_price"),
        range_km=session.range_km + taken_kwh * KM_PER_KWH,
        time_s=session.time_s + seconds,
        charging_s=session.charging_s + (seconds if energy_kwh > 0 else 0),
        discharging_s=session.discharging_s + (seconds if energy_kwh < 0 else 0),
    )


def next_transition(state: ChargerState) -> float:
    """Return the next time at which something changes by itself, infinity where nothing will."""
    return max(min(_transition_times(state), default=math.inf), state.at + _LEAST_S)


def _transition_times(state: ChargerState) -> Iterator[float]:
    if state.busy:
        yield state.busy[0].until
    if state.paused_at is not None and state.at < state.paused_at + PAUSING_S:
        yield state.paused_at + PAUSING_S
    if _auto_locks(state):
        yield state.idle_since + paths.number(state.document, "config_data.auto_lock_time")
    if state.plugged:
        for schedule in state.schedules:
            yield state.at + schedule.next_turn_s(state.wall)
    if power_kw := state.power_kw:
        left_kwh = state.wanted_kwh if power_kw > 0 else state.capacity_kwh - state.wanted_kwh - RESERVE_KWH
        yield state.at + left_kwh / abs(power_kw) * 3600 / state.speed


def _auto_locks(state: ChargerState) -> bool:
    return paths.get(state.document, "config_data.auto_lock") == 1 and not state.locked and not state.plugged


def apply_due(state: ChargerState) -> ChargerState:
    """Apply what is due: phases end, a full car is exactly full, an idle charger locks itself."""
    while state.busy and state.busy[0].until <= state.at:
        if state.busy[0].installs:
            state = _installed(state)
        state = replace(state, busy=state.busy[1:])
    if 0 < state.wanted_kwh < _FULL_KWH:
        state = replace(state, wanted_kwh=0.0)
    if 0 < state.capacity_kwh - state.wanted_kwh - RESERVE_KWH < _FULL_KWH:
        state = replace(state, wanted_kwh=state.capacity_kwh - RESERVE_KWH)
    idle_s = state.at - state.idle_since
    if _auto_locks(state) and idle_s >= paths.number(state.document, "config_data.auto_lock_time"):
        state = replace(state, document=paths.put(state.document, "config_data.locked", 1))
    return state


def _installed(state: ChargerState) -> ChargerState:
    latest = paths.get(state.document, "config_data.software.latestVersion")
    path = "config_data.software"
    document = paths.update(state.document, {f"{path}.currentVersion": latest, f"{path}.updateAvailable": False})
    return replace(state, document=document)


def transitions(state: ChargerState, until: float) -> Iterator[ChargerState]:
    """Return the state after each transition up to a time, that time included."""
    while (turn := next_transition(state)) <= until:
        state = apply_due(advance(state, turn))
        yield state
