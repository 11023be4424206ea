"""A charger at one moment: what it is told and what is around it, and the status and power that follow.

The order of the states is reconstructed from the texts of public clients; no public trace of a real charger exists.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.paths import Document
from wallbox2mqtt.simulator.schedule import Schedule

VOLTS = 230
MIN_A = 6
"""IEC 61851 knows no smaller current; below it a charger waits."""

PAUSING_S = 5.0
"""How long 178 lasts before 182. [?] made up: only the order of the two is known."""

RESERVE_KWH = 2.0
"""[?] Discharging ends here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSession:
    """What the present or the last session added up to; it stays after the car has left, as public clients know it.

    ``start``: seconds since 1970 (UTC). ``time_s`` goes on while the car waits, ``charging_s`` does not.
    """

    number: int = 0
    start: float = 0.0
    energy_kwh: float = 0.0
    green_kwh: float = 0.0
    grid_kwh: float = 0.0
    discharged_kwh: float = 0.0
    cost: float = 0.0
    range_km: float = 0.0
    time_s: float = 0.0
    charging_s: float = 0.0
    discharging_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSession(RunningSession):
    """A session that has ended. ``is_metered``: its energy was measured by a MID meter."""

    end: float
    user: int = 0
    user_name: str = "default"
    is_metered: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """Something that the charger is busy with until a time. ``status`` None: what it would show anyhow.

    ``installs``: the latest firmware runs at its end.
    """

    status: int | None
    until: float
    installs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerState:
    """A charger at one moment. ``document`` has its settings; what it measures is worked out.

    ``at``: time of the clock, of which ``wall_offset`` makes seconds since 1970. ``wanted_kwh``: what the car still
    takes, of ``capacity_kwh``. ``by_hand``: started by action 1, so schedule and Eco-Smart do not count.
    ``sun_kw``: surplus for Eco-Smart, ``house_a``: what the house draws, for Power Boost. ``error``: a status that
    it is in whatever else is. ``most_a``: a larger limit is accepted, and this one takes effect. ``offline``: the
    status that the cloud shows while out of touch, beside ``last_seen``, what it knew before; the charger goes on.
    ``speed``: cars charge, and reboots and updates pass, so many times as fast as real ones.
    ``in_session``: the session will be recorded when it ends, beside those ``recorded``. ``shown_from``: what of the
    session's figures is not shown any more.
    """

    at: float
    wall_offset: float
    speed: float
    document: Document
    session: RunningSession
    capacity_kwh: float
    plugged: bool = False
    wanted_kwh: float = 0.0
    paused_at: float | None = None
    by_hand: bool = False
    idle_since: float = 0.0
    sun_kw: float = 0.0
    house_a: float = 0.0
    schedules: tuple[Schedule, ...] = ()
    busy: tuple[Phase, ...] = ()
    error: int | None = None
    offline: int | None = None
    most_a: int | None = None
    last_seen: "ChargerState | None" = None
    finished: bool = True
    in_session: bool = False
    shown_from: RunningSession = RunningSession()
    recorded: tuple[RecordedSession, ...] = ()

    @property
    def wall(self) -> float:
        """Return the seconds since 1970 (UTC)."""
        return self.at + self.wall_offset

    @property
    def locked(self) -> bool:
        """Return whether the charger refuses cars."""
        return bool(paths.get(self.document, "config_data.locked"))

    @property
    def limit_a(self) -> float:
        """Return the limit that the user set; negative: discharge."""
        return paths.number(self.document, "config_data.max_charging_current", 32)

    @property
    def phases(self) -> int:
        """Return the number of phases: [?] ``current_mode`` (1 and 3 are seen), as a public client reads it."""
        return 3 if paths.get(self.document, "current_mode") == 3 else 1  # noqa: PLR2004

    @property
    def eco_mode(self) -> int | None:
        """Return the mode of Eco-Smart while it counts: 0 eco, 1 full green."""
        if self.by_hand or paths.get(self.document, "config_data.ecosmart.enabled") is not True:
            return None
        return int(paths.number(self.document, "config_data.ecosmart.mode"))

    @property
    def available_a(self) -> float:
        """Return what the installation leaves for the car, with Power Boost less what the house draws."""
        most = paths.number(self.document, "max_available_power", 32)
        fuse = abs(paths.number(self.document, "config_data.icp_max_current"))
        boosted = bool(paths.get(self.document, "config_data.home_sharing")) and fuse > 0
        return min(most, fuse - self.house_a) if boosted else most

    @property
    def sun_a(self) -> float:
        """Return the surplus of the sun per phase."""
        return self.sun_kw * 1000 / (VOLTS * self.phases)

    @property
    def waits_for_schedule(self) -> bool:
        """Return whether there are schedules and none is open."""
        enabled = [schedule for schedule in self.schedules if schedule.enabled]
        return bool(enabled) and not self.by_hand and not any(schedule.is_open(self.wall) for schedule in enabled)

    @property
    def schedule_a(self) -> float:
        """Return the limit of the schedules that are open, infinity without one."""
        limiting = [one for one in self.schedules if one.enabled and one.most_a >= MIN_A and one.is_open(self.wall)]
        return min((one.most_a for one in limiting if not self.by_hand), default=math.inf)

    @property
    def car_is_satisfied(self) -> bool:
        """Return whether the car takes no more, or gives no more."""
        return self.capacity_kwh - self.wanted_kwh <= RESERVE_KWH if self.limit_a < 0 else self.wanted_kwh <= 0

    @property
    def status_id(self) -> int:
        """Return the number of the state that the cloud shows."""
        return self.actual_status if self.offline is None else self.offline

    @property
    def actual_status(self) -> int:
        """Return the number of the state that the charger is in, in touch or not."""
        if self.error is not None:
            return self.error
        if self.busy and (status := self.busy[0].status) is not None:
            return status
        return next(status for status, holds in _STATUS_RULES if holds(self))

    @property
    def power_kw(self) -> float:
        """Return the power into the car; negative: out of it."""
        if self.actual_status not in {CHARGING, DISCHARGING}:
            return 0.0
        amps = min(abs(self.limit_a), self.available_a, self.schedule_a)
        if self.eco_mode is not None and self.limit_a > 0:
            amps = min(amps, max(float(MIN_A), self.sun_a))
        return math.copysign(amps * VOLTS * self.phases / 1000, self.limit_a)


READY, PAUSING, SCHEDULED, WAITING_FOR_CAR, PAUSED = 161, 178, 179, 181, 182
QUEUED_BY_POWER_BOOST, QUEUED_BY_ECO_SMART = 185, 189
CHARGING, DISCHARGING, LOCKED, LOCKED_WITH_CAR = 194, 196, 209, 210

_STATUS_RULES: tuple[tuple[int, Callable[[ChargerState], bool]], ...] = (
    (LOCKED_WITH_CAR, lambda state: state.locked and state.plugged),
    (LOCKED, lambda state: state.locked),
    (READY, lambda state: not state.plugged),
    (PAUSING, lambda state: state.paused_at is not None and state.at < state.paused_at + PAUSING_S),
    (PAUSED, lambda state: state.paused_at is not None),
    (SCHEDULED, lambda state: state.waits_for_schedule),
    (WAITING_FOR_CAR, lambda state: state.car_is_satisfied),
    (DISCHARGING, lambda state: state.limit_a < 0),
    (QUEUED_BY_ECO_SMART, lambda state: state.eco_mode == 1 and state.sun_a < MIN_A),
    (QUEUED_BY_POWER_BOOST, lambda state: state.available_a < MIN_A),
    (CHARGING, lambda _: True),
)
"""The first line that holds is the status of a charger that is online."""

TEXTS: Mapping[int, str] = {
    0: "Disconnected",
    4: "Completed",
    5: "Offline",
    14: "Error",
    15: "Error",
    161: "Ready",
    162: "Ready",
    163: "Disconnected",
    164: "Waiting",
    165: "Locked",
    166: "Updating",
    177: "Scheduled",
    178: "Paused",
    179: "Scheduled",
    180: "Waiting for car demand",
    181: "Waiting for car demand",
    182: "Paused",
    183: "Waiting in queue by Power Sharing",
    184: "Waiting in queue by Power Sharing",
    185: "Waiting in queue by Power Boost",
    186: "Waiting in queue by Power Boost",
    187: "Waiting MID failed",
    188: "Waiting MID safety margin exceeded",
    189: "Waiting in queue by Eco-Smart",
    193: "Charging",
    194: "Charging",
    195: "Charging",
    196: "Discharging",
    209: "Locked",
    210: "Locked - Car connected",
}
"""The texts of the API document."""

WITH_CAR = frozenset({164, *range(177, 190), 193, 194, 195, 196, 210})
"""A car is connected."""
