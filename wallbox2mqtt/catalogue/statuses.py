"""The charger's states: the cloud's ``status_id``, its text, and what it says of the car.

Source: the seed's table (texts); homebridge-my-wallbox (4 and 5); the charger's own firmware names and
Predbat (car plugged in or not). The numbers are the firmware's states, 0xA1 = 161 Ready and so on.
"""

from dataclasses import dataclass

from wallbox2mqtt.catalogue.quantities import is_number


@dataclass(frozen=True, slots=True)
class Status:
    """One state. None: the state does not tell.

    ``evcc``: A no car, B car connected, C charging, E error, F out of reach (the letters of IEC 61851, as evcc reads
    them). ``why``: the code of the reason for which it charges or does not, as ``reasons`` has them.
    """

    text: str
    car_connected: bool | None
    charging: bool | None
    charging_enabled: bool | None
    evcc: str | None
    why: str


_YES, _NO = True, False

STATUSES: dict[int, Status] = {
    0: Status("Disconnected", None, _NO, None, "F", "offline"),
    4: Status("Completed", None, _NO, None, "B", "no_demand"),
    5: Status("Offline", None, _NO, None, "F", "offline"),
    14: Status("Error", _NO, _NO, None, "E", "error"),
    15: Status("Error", _NO, _NO, None, "E", "error"),
    161: Status("Ready", _NO, _NO, _YES, "A", "no_car"),
    162: Status("Ready", _NO, _NO, _YES, "A", "no_car"),
    163: Status("Disconnected", _NO, _NO, None, "A", "no_car"),
    164: Status("Waiting", _YES, _NO, _YES, "B", "no_demand"),
    165: Status("Locked", _NO, _NO, _NO, "A", "locked"),
    166: Status("Updating", None, _NO, None, "F", "updating"),
    177: Status("Scheduled", _YES, _NO, _NO, "B", "waiting_for_schedule"),
    178: Status("Paused", _YES, _NO, _NO, "B", "paused"),
    179: Status("Scheduled", _YES, _NO, _NO, "B", "waiting_for_schedule"),
    180: Status("Waiting for car demand", _YES, _NO, _YES, "B", "no_demand"),
    181: Status("Waiting for car demand", _YES, _NO, _YES, "B", "no_demand"),
    182: Status("Paused", _YES, _NO, _NO, "B", "paused"),
    183: Status("Waiting in queue by Power Sharing", _YES, _NO, _YES, "B", "waiting_for_power_sharing"),
    184: Status("Waiting in queue by Power Sharing", _YES, _NO, _YES, "B", "waiting_for_power_sharing"),
    185: Status("Waiting in queue by Power Boost", _YES, _NO, _YES, "B", "waiting_for_power_boost"),
    186: Status("Waiting in queue by Power Boost", _YES, _NO, _YES, "B", "waiting_for_power_boost"),
    187: Status("Waiting MID failed", _YES, _NO, _YES, "B", "waiting_for_meter"),
    188: Status("Waiting MID safety margin exceeded", _YES, _NO, _YES, "B", "waiting_for_meter"),
    189: Status("Waiting in queue by Eco-Smart", _YES, _NO, _YES, "B", "waiting_for_sun"),
    193: Status("Charging", _YES, _YES, _YES, "C", "charging"),
    194: Status("Charging", _YES, _YES, _YES, "C", "charging"),
    195: Status("Charging", _YES, _YES, _YES, "C", "charging"),
    196: Status("Discharging", _YES, _NO, _YES, "C", "discharging"),
    209: Status("Locked", _NO, _NO, _NO, "A", "locked"),
    210: Status("Locked - Car connected", _YES, _NO, _NO, "B", "locked"),
}

UNKNOWN = Status("Unknown", None, None, None, None, "unknown")
"""Any number that is not in the table; the number itself stays in ``status_id``."""

STATUS_TEXTS: tuple[str, ...] = tuple(dict.fromkeys([s.text for s in STATUSES.values()] + [UNKNOWN.text]))

OUT_OF_TOUCH = frozenset({0, 5})
"""States in which the charger has no contact with the cloud."""

UPDATING = 166
SCHEDULED = frozenset({177, 179})
"""States in which the charger waits for a schedule."""
CHARGING_3, DISCHARGING = 195, 196
"""The third state of charging: the firmware's own table calls it discharging, which the sign of the power tells."""

NOTHING_TO_PAUSE = frozenset({0, 5, 161, 162, 163, 165, 166, 177, 178, 179, 180, 181, 182, 209, 210})
"""States in which nothing charges or could begin to, so that pausing has no effect. In 164 and 183-189 it could."""

AWAITS_OCPP = frozenset({163, 164, 165, 178, 182, 209, 210})
"""States in which an OCPP back end that runs the charger has to start the session."""

SHOWS_NO_PAUSE = frozenset({0, 4, 5, 161, 162, 163, 166})
"""States that stay as they are when charging is paused or resumed, so that no reading can confirm it."""


def status_of(status_id: object, power_kw: object = None) -> Status | None:
    """Return the state of a number, None where there is no number; ``power_kw`` decides where that is not enough."""
    if not is_number(status_id):
        return None
    if status_id == CHARGING_3 and isinstance(power_kw, int | float) and power_kw < 0:
        return STATUSES[DISCHARGING]
    return STATUSES.get(status_id, UNKNOWN)  # type: ignore[arg-type]  # 194.0 is 194
