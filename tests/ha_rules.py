"""What Home Assistant accepts in discovery, told a second time and by hand: a wrong row must not prove itself right.

Source: ``homeassistant/components/mqtt`` of 2026.11 (``schemas.py``, a file a platform), tried on a real one.
"""

import json
import re
from collections.abc import Callable
from typing import Any

Payload = dict[str, Any]

_ROOT = {"device", "origin", "components", "availability", "availability_mode", "qos"}
_DEVICE = {
    "identifiers", "name", "manufacturer", "model", "model_id", "hw_version", "sw_version", "serial_number",
    "via_device", "configuration_url",
}  # fmt: skip
_ORIGIN = {"name", "sw_version", "support_url"}
_ENTITY = {
    "platform", "unique_id", "default_entity_id", "name", "icon", "entity_category", "enabled_by_default",
    "availability", "availability_mode",
}  # fmt: skip
_SHARED_BY_ENTITIES = {"device", "origin", "availability", "availability_mode", "qos"}

# platform: (needed, allowed beside what every entity may have)
_PLATFORMS: dict[str, tuple[set[str], set[str]]] = {
    "sensor": (
        {"state_topic"},
        {
            "device_class",
            "state_class",
            "unit_of_measurement",
            "options",
            "suggested_display_precision",
            "value_template",
        },
    ),
    "binary_sensor": ({"state_topic", "payload_on", "payload_off"}, {"device_class"}),
    "event": ({"state_topic", "event_types"}, set()),
    "lock": (
        {"state_topic", "command_topic", "payload_lock", "payload_unlock", "state_locked", "state_unlocked"},
        set(),
    ),
    "number": (
        {"state_topic", "command_topic", "min", "max", "step", "mode"},
        {"device_class", "unit_of_measurement"},
    ),
    "switch": ({"state_topic", "command_topic", "payload_on", "payload_off"}, {"device_class"}),
    "select": ({"state_topic", "command_topic", "options"}, {"value_template", "command_template"}),
    "button": ({"command_topic", "payload_press"}, {"device_class"}),
    "text": ({"state_topic", "command_topic", "min", "max"}, {"mode", "pattern"}),
    "time": ({"state_topic", "command_topic"}, set()),
    "update": ({"state_topic", "command_topic", "payload_install", "device_class"}, set()),
}

# device class: (units, state classes); None: no unit, or no state class
_CLASSES: dict[str, tuple[set[str | None], set[str | None]]] = {
    "energy": ({"Wh", "kWh", "MWh"}, {"total", "total_increasing", None}),
    "power": ({"W", "kW"}, {"measurement", None}),
    "current": ({"A", "mA"}, {"measurement", None}),
    "duration": ({"s", "min", "h", "d"}, {"measurement", "total", "total_increasing", None}),
    "distance": ({"km", "m", "mi"}, {"measurement", "total", "total_increasing", None}),
    "speed": ({"km/h", "mph"}, {"measurement", None}),
    "battery": ({"%"}, {"measurement", None}),
    "timestamp": ({None}, {None}),
    "enum": ({None}, {None}),
}
_BINARY_CLASSES = {"plug", "battery_charging", "connectivity", "lock", "problem", "running", "update"}
_BUTTON_CLASSES = {"identify", "restart", "update"}
_ID = re.compile(r"[A-Za-z0-9_-]+")


def problems_of(topic: str, text: str) -> list[str]:
    """What Home Assistant, or openHAB, would not like about a message on a discovery topic."""
    levels = topic.split("/")
    if levels[-1] != "config" or not all(_ID.fullmatch(level) for level in levels):
        return [f"{topic}: no discovery topic"]
    payload = json.loads(text)
    if levels[1] == "device":
        found = [f"unknown key {key!r} at the root" for key in payload.keys() - _ROOT]
        found += [] if payload.get("components") else ["no components"]
        found += _shared(payload)
        for name, component in payload.get("components", {}).items():
            found += [f"{name}: {problem}" for problem in _component(name, component)]
        unique = [part["unique_id"] for part in payload["components"].values() if "unique_id" in part]
        found += ["a unique_id stands twice"] if len(set(unique)) != len(unique) else []
        return found
    own = {key: value for key, value in payload.items() if key not in _SHARED_BY_ENTITIES - {"availability"}}
    found = _shared(payload)
    found += ["a component names its platform by its topic"] if "platform" in payload else []
    return found + _component(levels[3], {"platform": levels[1], **own})


def _shared(payload: Payload) -> list[str]:
    device, origin = payload.get("device", {}), payload.get("origin", {})
    checks = {
        f"unknown keys in device: {device.keys() - _DEVICE}": bool(device.keys() - _DEVICE),
        f"unknown keys in origin: {origin.keys() - _ORIGIN}": bool(origin.keys() - _ORIGIN),
        "the device has no identifiers": not device.get("identifiers"),
        "the device has no name": not device.get("name"),
        "the origin has no name": not origin.get("name"),
        "an address without http": not str(device.get("configuration_url", "http")).startswith("http"),
        "a text of the device is none": not all(isinstance(v, str) for k, v in device.items() if k != "identifiers"),
        "availability is no list": not isinstance(payload.get("availability", []), list),
        "several availabilities, and the newest wins": len(payload.get("availability", [])) > 1
        and payload.get("availability_mode") != "all",
        "qos": payload.get("qos") not in {0, 1, None},
    }
    return [problem for problem, wrong in checks.items() if wrong]


def _component(name: str, component: Payload) -> list[str]:
    platform = component.get("platform")
    if platform not in _PLATFORMS.keys() | {"device_automation"}:
        return [f"unknown platform {platform!r}"]
    if component.keys() == {"platform"}:
        return []  # a tombstone
    if platform == "device_automation":
        return _trigger(name, component)
    needed, allowed = _PLATFORMS[platform]
    keys = component.keys()
    checks = {
        f"missing {needed - keys}": bool(needed - keys),
        f"unknown {keys - _ENTITY - needed - allowed}": bool(keys - _ENTITY - needed - allowed),
        "it has no unique_id": not re.fullmatch(r"[a-z0-9_]+", str(component.get("unique_id"))),
        "its id does not name its platform": not name.startswith(f"{platform}_"),
        "no name": not component.get("name"),
        "its default id": not re.fullmatch(
            rf"{platform}\.[a-z0-9]+(_[a-z0-9]+)*", component.get("default_entity_id", f"{platform}.x")
        ),
        "its icon": not str(component.get("icon", "mdi:x")).startswith("mdi:"),
        "its category": component.get("entity_category", "config") not in {"config", "diagnostic"},
        "a sensor is no setting": platform in {"sensor", "binary_sensor"}
        and component.get("entity_category") == "config",
        "a payload that is no text": not all(
            isinstance(value, str) for key, value in component.items() if key.startswith(("payload_", "state_", "unit"))
        ),
        "enabled_by_default is only told where it is false": component.get("enabled_by_default", False) is not False,
        "a topic with a wildcard": any(re.search(r"[+#]|^[/$]", component[key]) for key in keys if "topic" in key),
        "an availability": not all(
            item.keys() in ({"topic"}, {"topic", "payload_available", "payload_not_available"})
            for item in component.get("availability", [])
        ),
    }
    found = [problem for problem, wrong in checks.items() if wrong]
    return found + (_SPECIAL[platform](component) if platform in _SPECIAL else [])


_TRIGGER = {"platform", "availability", "automation_type", "type", "subtype", "topic", "value_template", "payload"}
"""Of a trigger; Home Assistant removes other keys without a word, and the availability, which it does not know."""


def _trigger(name: str, component: Payload) -> list[str]:
    texts = [component.get(key) for key in ("type", "subtype", "topic", "payload")]
    checks = {
        f"unknown {component.keys() - _TRIGGER}": bool(component.keys() - _TRIGGER),
        "it is no trigger": component.get("automation_type") != "trigger",
        "its id does not name its platform": not name.startswith("device_automation_"),
        "a text that is none": not all(isinstance(text, str) and text for text in texts),
        "a topic with a wildcard": bool(re.search(r"[+#]|^[/$]", str(component.get("topic")))),
    }
    return [problem for problem, wrong in checks.items() if wrong]


def _sensor(component: Payload) -> list[str]:
    device_class, unit = component.get("device_class"), component.get("unit_of_measurement")
    state_class, options = component.get("state_class"), component.get("options")
    if device_class == "monetary":
        units = {unit} if re.fullmatch(r"[A-Z]{3}", str(unit)) else set()
        classes: set[str | None] = {"total", None}
    elif device_class is None:
        units, classes = {unit}, {"measurement", "total", "total_increasing", None}
    elif device_class in _CLASSES:
        units, classes = _CLASSES[device_class]
    else:
        return [f"unknown class {device_class!r}"]
    checks = {
        f"unit {unit!r} of a {device_class}": unit not in units,
        f"state class {state_class!r} of a {device_class}": state_class not in classes,
        "a class that is told as null": None in component.values(),
        "options of what is no enum, or an enum without": (device_class == "enum") != bool(options),
        "options that stand twice": options is not None and len(set(options)) != len(options),
        "an option that reads as unknown": "none" in {str(option).lower() for option in options or ()},
        "a precision of no number": "suggested_display_precision" in component
        and device_class in {"enum", "timestamp"},
    }
    return [problem for problem, wrong in checks.items() if wrong]


def _number(component: Payload) -> list[str]:
    checks = {
        "min above max": component["min"] > component["max"],
        "a step that is too fine": component["step"] < 0.001,
        "a mode": component["mode"] not in {"auto", "box", "slider"},
        "a unit of no class": component.get("device_class") == "current"
        and component.get("unit_of_measurement") not in {"A", "mA"},
        "a class": component.get("device_class") not in {None, "current"},
    }
    return [problem for problem, wrong in checks.items() if wrong]


_SPECIAL: dict[str, Callable[[Payload], list[str]]] = {
    "sensor": _sensor,
    "number": _number,
    "select": lambda c: [f"option {option!r}" for option in c["options"] if option.lower() == "none"],
    "binary_sensor": lambda c: [] if c.get("device_class", "plug") in _BINARY_CLASSES else ["its class"],
    "button": lambda c: [] if c.get("device_class", "restart") in _BUTTON_CLASSES else ["its class"],
    "update": lambda c: [] if c["device_class"] == "firmware" else ["its class"],
    "text": lambda c: [] if 0 <= c["min"] <= c["max"] <= 255 else ["its length"],
}
