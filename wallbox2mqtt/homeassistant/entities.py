"""Entities: which platform suits a row, and what that platform needs to know. Tables go by kind, never by field."""

import re
from collections.abc import Callable, Iterable, Mapping

from wallbox2mqtt.catalogue import FIELDS, Field, Json, Name, Shape, Values, range_of
from wallbox2mqtt.homeassistant.messages import Component, object_id, only_set
from wallbox2mqtt.topics import OFFLINE, ONLINE, payload

_FINEST_STEP = 0.001
"""Home Assistant refuses a finer one."""
_LONGEST_STATE = 255
"""Characters that a state can have in Home Assistant."""
_CURRENCY = re.compile(r"[A-Z]{3}(?=$|/)")
_SETTABLE = {Shape.BOOLEAN: "switch", Shape.FLAG: "switch", Shape.NUMBER: "number", Shape.TEXT: "text"}

COMMAND_EVENTS = ("ok", "rejected", "failed", "superseded", "not_confirmed")
"""What becomes of a command: the types of its event."""

SESSION_EVENTS = ("started", "charging", "paused", "finished", "unplugged", "error")
"""What happens to a session: the types of its event."""

# a list's text may be longer than the 255 characters that a state can have
ROWS = tuple(
    row for row in FIELDS.values() if row.has_state and not row.hidden and row.quantity.shape is not Shape.LIST
)
"""The rows that are announced of a charger that has them."""


def platform_of(row: Field) -> str:
    """Return the platform that suits a row."""
    if row.command is not None:
        special = {"lock": "lock", "firmware": "update", "time": "time"}.get(row.quantity.device_class or "")
        return special or ("select" if row.words else _SETTABLE[row.quantity.shape])
    truth = row.on_off is not None or row.quantity.shape in {Shape.BOOLEAN, Shape.FLAG}
    return "binary_sensor" if truth else "sensor"


def component_id(row: Field, platform: str) -> str:
    """Return the id of a row's component. It names the platform: under one id no entity can change it."""
    return f"{platform}_{object_id(row.key)}"


COMPONENT_IDS: Mapping[str, str] = {row.key: component_id(row, platform_of(row)) for row in ROWS}
"""The ids of the rows' components."""


def has_statistics(row: Field) -> bool:
    """Return whether an everyday number has a sensor beside it: Home Assistant keeps statistics of sensors only."""
    return row.enabled and row.slot is None and platform_of(row) == "number"


def statistics_of(row: Field, view: Values) -> Component:
    """Return what the sensor beside a number needs to know beyond names and topics."""
    component = _sensor(row, view)
    # without its unit a statistic would begin in another one than it goes on in
    return component | {"state_class": "measurement"} if "unit_of_measurement" in component else component


def session_trigger(topic: str, word: str) -> tuple[str, Component]:
    """Return the trigger of a device by which an automation notices one type of a session's events."""
    return f"device_automation_session_{word}", {
        "platform": "device_automation",
        "automation_type": "trigger",
        "type": f"session_{word}",
        "subtype": "session",
        "topic": topic,
        "value_template": "{{ value_json.event_type }}",
        "payload": word,
    }


def connectivity(topic: str) -> Component:
    """Return a binary sensor of a topic that says online or offline."""
    return {"device_class": "connectivity", "state_topic": topic, "payload_on": ONLINE, "payload_off": OFFLINE}


def _binary_sensor(row: Field, _: Values) -> Component:
    on, off = row.on_off or _truth(row)
    return {"payload_on": payload(on), "payload_off": payload(off)} | only_set(device_class=row.quantity.device_class)


def _truth(row: Field) -> tuple[Json, Json]:
    return (1, 0) if row.quantity.shape is Shape.FLAG else (True, False)


def _lock(row: Field, _: Values) -> Component:
    on, off = (payload(value) for value in _truth(row))
    return {"payload_lock": on, "payload_unlock": off, "state_locked": on, "state_unlocked": off}


def _switch(row: Field, _: Values) -> Component:
    on, off = (payload(value) for value in _truth(row))
    return {"payload_on": on, "payload_off": off}


def _select(row: Field, _: Values) -> Component:
    return {"options": list(row.words)}


def _text(row: Field, view: Values) -> Component:
    form = row.command.payload if row.command is not None else None
    longest = form.longest if isinstance(form, Name) else _LONGEST_STATE
    # a longer state is an error in Home Assistant's log
    return {"min": 1, "max": min(max(longest, len(str(view.get(row.key)))), _LONGEST_STATE)}


def _update(row: Field, _: Values) -> Component:
    return {"device_class": row.quantity.device_class, "payload_install": "install"}


def _number(row: Field, view: Values) -> Component:
    span = range_of(row.command.payload, view) if row.command is not None else None
    least, most, step = (span.least, span.most, span.step) if span is not None else (0, 100, 1)
    value = view.get(row.key)
    most = max(least, most)  # a charger may say that less is available than it accepts at least
    if isinstance(value, int | float):
        # a state out of range is an error in Home Assistant's log
        least, most = min(least, value), max(most, value)
    mode = "slider" if step >= 1 else "box"
    bounds: Component = {"min": least, "max": most, "step": max(step, _FINEST_STEP), "mode": mode}
    unit, device_class, _ = _measure(row, view)
    return bounds | only_set(unit_of_measurement=unit, device_class=device_class)


def _sensor(row: Field, view: Values) -> Component:
    if row.words:
        return {"device_class": "enum", "options": list(row.words)}
    unit, device_class, state_class = _measure(row, view)
    component = only_set(
        device_class=device_class,
        unit_of_measurement=unit,
        state_class=state_class,
        suggested_display_precision=row.quantity.precision,
    )
    if row.quantity.read_in is None:
        return component
    unit, size = row.quantity.read_in
    scaled = f"{{{{ value | float / {size} if is_number(value) else value }}}}"
    return component | {"unit_of_measurement": unit, "value_template": scaled}


def _measure(row: Field, view: Values) -> tuple[str | None, str | None, str | None]:
    """Return unit, device class and state class; none of them where the unit's currency is not known."""
    kind = row.quantity
    if kind.unit is None or "{currency}" not in kind.unit:
        return kind.unit, kind.device_class, kind.state_class
    # ISO 4217; the cloud also says things like ``EUR/kWh``
    if (currency := _CURRENCY.match(str(view.get("currency/code")))) is None:
        return None, None, None
    return kind.unit.format(currency=currency.group()), kind.device_class, kind.state_class


SPECIFICS: Mapping[str, Callable[[Field, Values], Component]] = {
    "binary_sensor": _binary_sensor,
    "lock": _lock,
    "number": _number,
    "select": _select,
    "sensor": _sensor,
    "switch": _switch,
    "text": _text,
    "time": lambda _row, _view: {},
    "update": _update,
}
"""What each platform needs to know of a row beyond names and topics."""


def expected_keys(names: Iterable[str], *, basic: bool, schedules: bool) -> frozenset[str]:
    """Return the keys of what these components show that may come later than the first detail.

    That is what the ledger of sessions records, with ``basic`` what the basic document says, and with ``schedules`` the
    slots.
    """
    names = frozenset(names)
    late = [row for row in ROWS if row.recorded or (basic and row.basic is not None)]
    late += [row for row in ROWS if schedules and row.slot is not None]
    return frozenset(row.key for row in late if names & {COMPONENT_IDS[row.key], component_id(row, "text")})
