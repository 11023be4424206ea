"""The charger's states: the cloud's ``status_id``, its text, and what it says of the car.

Source: the seed's table (texts); homebridge-my-wallbox (4 and 5); the charger's own firmware names and
Predbat (car plugged in or not). The numbers are the firmware's states, 0xA1 = 161 Ready and so on.
"""

from dataclasses import dataclass

from wallbox2mqtt.catalogue.quantities import is_number


@dataclass(frozen=True, slots=True)
class Status:
    """One state. None: the state does not tell."""

    text: str
    car_connected: bool | None
    charging: bool | None
    charging_enabled: bool | None


_YES, _NO = True, False

STATUSES: dict[int, Status] = {
    0: Status("Disconnected", None, _NO, None),
    4: Status("Completed", None, _NO, None),
    5: Status("Offline", None, _NO, None),
    14: Status("Error", _NO, _NO, None),
    15: Status("Error", _NO, _NO, None),
    161: Status("Ready", _NO, _NO, _YES),
    162: Status("Ready", _NO, _NO, _YES),
    163: Status("Disconnected", _NO, _NO, None),
    164: Status("Waiting", _YES, _NO, _YES),
    165: Status("Locked", _NO, _NO, _NO),
    166: Status("Updating", _NO, _NO, None),
    177: Status("Scheduled", _YES, _NO, _NO),
    178: Status("Paused", _YES, _NO, _NO),
    179: Status("Scheduled", _YES, _NO, _NO),
    180: Status("Waiting for car demand", _YES, _NO, _YES),
    181: Status("Waiting for car demand", _YES, _NO, _YES),
    182: Status("Paused", _YES, _NO, _NO),
    183: Status("Waiting in queue by Power Sharing", _YES, _NO, _YES),
    184: Status("Waiting in queue by Power Sharing", _YES, _NO, _YES),
    185: Status("Waiting in queue by Power Boost", _YES, _NO, _YES),
    186: Status("Waiting in queue by Power Boost", _YES, _NO, _YES),
    187: Status("Waiting MID failed", _YES, _NO, _YES),
    188: Status("Waiting MID safety margin exceeded", _YES, _NO, _YES),
    189: Status("Waiting in queue by Eco-Smart", _YES, _NO, _YES),
    193: Status("Charging", _YES, _YES, _YES),
    194: Status("Charging", _YES, _YES, _YES),
    195: Status("Charging", _YES, _YES, _YES),
    196: Status("Discharging", _YES, _NO, _YES),
    209: Status("Locked", _NO, _NO, _NO),
    210: Status("Locked - Car connected", _YES, _NO, _NO),
}

UNKNOWN = Status("Unknown", None, None, None)
"""Any number that is not in the table; the number itself stays in ``status_id``."""

STATUS_TEXTS: tuple[str, ...] = tuple(dict.fromkeys([s.text for s in STATUSES.values()] + [UNKNOWN.text]))

OUT_OF_TOUCH = frozenset({0, 5})
"""States in which the charger has no contact with the cloud."""

UPDATING = 166


def status_of(status_id: object) -> Status | None:
    """Return the state of a number, None where there is no number."""
    if not is_number(status_id):
        return None
    return STATUSES.get(status_id, UNKNOWN)  # type: ignore[call-overload,no-any-return]
