"""Fields that are worked out from others: named functions of their values.

Each takes the values of its sources in the order in which its row names them; None is unknown.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.catalogue.statuses import UPDATING, Status, status_of


def _of_status(told: Callable[[Status], Json]) -> Callable[..., Json]:
    """Return a function of ``status_id``, and of the power where that is needed, that says this of the state."""

    def derive(status_id: Json, power_kw: Json = None) -> Json:
        state = status_of(status_id, power_kw)
        return None if state is None else told(state)

    return derive


status = _of_status(lambda state: state.text)
car_connected = _of_status(lambda state: state.car_connected)
charging = _of_status(lambda state: state.charging)
charging_enabled = _of_status(lambda state: state.charging_enabled)
evcc_status = _of_status(lambda state: state.evcc)

OCPP_OFF = 1
"""The OCPP status of a charger that is connected to no back end."""
RUN_BY_OCPP = "an OCPP back end runs the charger: to pause, resume or unlock it is up to that"


def control(mode: Json, ocpp_status: Json) -> Json:
    """Return who runs the charger: wallbox, or ocpp where a back end is connected, or may be."""
    if mode is None:
        return None
    return "ocpp" if mode == "ocpp" and ocpp_status != OCPP_OFF else "wallbox"


def control_reason(mode: Json, ocpp_status: Json) -> Json:
    """Return why some controls cannot work; None while all can."""
    return RUN_BY_OCPP if control(mode, ocpp_status) == "ocpp" else None


def last_sync(text: Json) -> Json:
    """Return «2026-10-05 17:00:05», which the cloud means in UTC, as ISO 8601 with its offset.

    Raises:
        TypeError: the text is no such time.

    """
    if text is None or not isinstance(text, str) or not text:
        return None
    # not strptime: it imports a module when it is first called, which fails where no file can be opened any more
    try:
        when = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        when = None
    # there and back: fromisoformat takes all forms that there are
    if when is None or when.isoformat(" ", "seconds") != text:
        msg = f"found {text[:40]!r}, expected a time like 2026-10-05 17:00:05"
        raise TypeError(msg)
    return when.replace(tzinfo=UTC).isoformat()


def magnitude(current: Json) -> Json:
    """Return the size of a current whose sign only repeats ``home_sharing``."""
    return abs(current) if isinstance(current, int | float) else current


ECO_SMART_MODES = {0: "eco", 1: "full_green"}


def eco_smart(enabled: Json, mode: Json) -> Json:
    """Return off, eco or full_green; None if the mode is neither of the two that are known."""
    if enabled is None:
        return None
    if not enabled:
        return "off"
    return ECO_SMART_MODES.get(mode) if isinstance(mode, int) else None


def firmware(current: Json, latest: Json, available: Json, status_id: Json) -> Json:
    """Return the JSON that Home Assistant's update entity takes.

    It refuses a null ``latest_version``, and it compares the two versions itself: where the cloud offers no
    update, the latest is the installed one.
    """
    if not isinstance(current, str) or not current:
        return None
    newest = latest if available is True and isinstance(latest, str) and latest else current
    state = {"installed_version": current, "latest_version": newest, "in_progress": status_id == UPDATING}
    return json.dumps(state, separators=(",", ":"), ensure_ascii=False)
