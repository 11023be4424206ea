"""Why a charger charges or does not: a code for programs and a sentence for people.

The charger's status gives the reason, unless what is known beside its fields comes first. Times are
seconds since 1970; people read them by the charger's clock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from wallbox2mqtt.catalogue.derived import control
from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.catalogue.statuses import AWAITS_OCPP, UNKNOWN, status_of
from wallbox2mqtt.catalogue.values import Values
from wallbox2mqtt.catalogue.zones import local_time

LONGEST_TEXT = 255
"""Characters; Home Assistant takes no more for a state."""
_YEARS = range(2000, 2200)


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has done to the charger: «paused», «unlocked»; and when."""

    word: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of a charger beside its fields.

    ``gone``: it is not in the account any more. ``unreadable``: why its documents are refused. ``cloud_fault``: why the
    cloud cannot be reached, and since when. ``out_of_touch``: the charger has lost the cloud. ``unshown``: an accepted
    command that the cloud has not shown yet. ``paused``: since when it has been paused by a command of ours.
    """

    now: float
    gone: bool = False
    unreadable: str | None = None
    cloud_fault: tuple[str, float] | None = None
    out_of_touch: bool = False
    unshown: Done | None = None
    paused: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why it charges or does not."""

    code: str
    text: str

    def with_failure(self, what: str) -> "Reason":
        """Return it with what the last command could not do; nobody asks for that while it charges."""
        return self if self.code in _CHARGES else replace(self, text=f"{self.text} ({what})")

    @property
    def sentence(self) -> str:
        """Its text, at most as long as a state can be."""
        return self.text if len(self.text) <= LONGEST_TEXT else self.text[: LONGEST_TEXT - 1] + "…"


def reason_of(view: Values, known: Circumstances) -> Reason:
    """Return why a charger with these fields charges or does not."""
    code = _code(view, known)
    text = _TEXTS[code]
    return Reason(code, text if isinstance(text, str) else text(view, known))


def _code(view: Values, known: Circumstances) -> str:
    state = status_of(view.get("status_id"), view.get("charging_power")) or UNKNOWN
    first_true = (
        ("gone", known.gone),
        ("no_rights", known.unreadable is not None),
        ("cloud_unreachable", known.cloud_fault is not None),
        ("offline", known.out_of_touch or state.why == "offline"),
        (state.why, state.why in {"error", "updating"}),
        ("settling", known.unshown is not None),
        ("ocpp", _is_run_by_ocpp(view) and view.get("status_id") in AWAITS_OCPP),
        ("paused_by_command", state.why == "paused" and known.paused is not None),
        (state.why, True),
    )
    return next(code for code, is_so in first_true if is_so)


def _is_run_by_ocpp(view: Values) -> bool:
    return control(view.get("operation_mode"), view.get("ocpp_status")) == "ocpp"


def _offline(view: Values, known: Circumstances) -> str:
    since = _instant(view.get("last_sync"))
    when = "" if since is None else f" since {local_time(since, known.now, view)}"
    return f"offline: not in touch with the cloud{when}"


def _cloud_unreachable(view: Values, known: Circumstances) -> str:
    why, since = known.cloud_fault or ("", known.now)
    return f"unknown: nothing could be read from the cloud since {local_time(since, known.now, view)} ({why})"


def _settling(view: Values, known: Circumstances) -> str:
    if known.unshown is None:
        return "a command has not shown its effect yet"
    at = local_time(known.unshown.at, known.now, view)
    return f"{known.unshown.word} here at {at} by a command, which the charger has not shown yet"


def _ocpp(view: Values, _: Circumstances) -> str:
    state = status_of(view.get("status_id"))
    return f"an OCPP back end runs it; the charger says: {(state or UNKNOWN).text}"


def _paused_by_command(view: Values, known: Circumstances) -> str:
    return f"paused here at {local_time(known.paused or known.now, known.now, view)} by a command"


def _waiting_for_schedule(view: Values, known: Circumstances) -> str:
    start, end = _instant(view.get("schedule/next")), _instant(view.get("schedule/ends"))
    if end is not None and (start is None or end < start):
        return "waiting for the schedule, which has begun by now"
    return "waiting for the schedule" + ("" if start is None else f" until {local_time(start, known.now, view)}")


def _waiting_for_power_boost(view: Values, _: Circumstances) -> str:
    house = view.get("icp_max_current")
    limit = f" within the house's {house:g} A" if isinstance(house, int | float) and house > 0 else ""
    return f"Power Boost has no power left{limit}"


def _waiting_for_sun(view: Values, _: Circumstances) -> str:
    return f"waiting for sun (Eco-Smart{', sun only' if view.get('eco_smart') == 'full_green' else ''})"


def _charging(view: Values, _: Circumstances) -> str:
    limit = view.get("max_charging_current")
    return "charging" + (f" with at most {limit:g} A" if isinstance(limit, int | float) and limit > 0 else "")


def _unknown(view: Values, _: Circumstances) -> str:
    number = view.get("status_id")
    if not isinstance(number, int | float):
        return "unknown: the cloud does not tell the charger's status"
    return f"unknown: the charger's status is {number:g}, which no document names"


def _instant(value: Json) -> float | None:
    """Return the time of an ISO 8601 text with an offset; None if it is not one."""
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    plausible = when is not None and when.tzinfo is not None and when.year in _YEARS
    return when.timestamp() if when is not None and plausible else None


_TEXTS: Mapping[str, str | Callable[[Values, Circumstances], str]] = {
    "charging": _charging,
    "discharging": "discharging: the car gives energy back",
    "no_car": "no car",
    "no_demand": "the car is full or asks for nothing",
    "locked": "locked; unlock it to charge",
    "paused": "paused; resume it to charge",
    "paused_by_command": _paused_by_command,
    "settling": _settling,
    "waiting_for_schedule": _waiting_for_schedule,
    "waiting_for_sun": _waiting_for_sun,
    "waiting_for_power_sharing": "in the queue of Power Sharing",
    "waiting_for_power_boost": _waiting_for_power_boost,
    "waiting_for_meter": "its meter (MID) does not let it charge: see the charger",
    "ocpp": _ocpp,
    "error": "error: see the charger",
    "updating": "updating its firmware",
    "offline": _offline,
    "no_rights": lambda _, known: known.unreadable or "no rights to read the charger",
    "gone": "gone: the account has no such charger any more",
    "cloud_unreachable": _cloud_unreachable,
    "unknown": _unknown,
}
CODES = tuple(_TEXTS)
"""All that ``why/code`` can be."""
_CHARGES = frozenset({"charging", "discharging"})
