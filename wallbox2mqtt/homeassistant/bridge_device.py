"""What is announced of the bridge itself."""

from wallbox2mqtt import __version__
from wallbox2mqtt.errors import CLOUD_REASONS
from wallbox2mqtt.homeassistant.entities import connectivity
from wallbox2mqtt.homeassistant.language import in_language
from wallbox2mqtt.homeassistant.messages import DEFAULT_BASE, ORIGIN, Announcement, Component, bridge_node, common
from wallbox2mqtt.topics import Topics


def bridge_name(base: str) -> str:
    """Return the name of the bridge with this base topic."""
    return "wallbox2mqtt" if base == DEFAULT_BASE else f"wallbox2mqtt {base}"


def bridge(topics: Topics, language: str = "en", node: str | None = None) -> Announcement:
    """Return what is announced of the bridge itself. Its connection must not hide itself when it is lost."""
    node = node or bridge_node(topics.base)
    name = bridge_name(topics.base)
    diagnostic: Component = {"entity_category": "diagnostic"}
    while_it_runs: Component = {"availability": [{"topic": topics.state}]}

    def entity(platform: str, key: str, title: str, facts: Component) -> tuple[str, Component]:
        base = common(platform, node, key, title)
        return f"{platform}_{key}", base | diagnostic | {"state_topic": topics.bridge(key)} | facts

    disabled: Component = {"enabled_by_default": False}
    count: Component = {"state_class": "measurement", "icon": "mdi:counter", **while_it_runs, **disabled}
    reasons: Component = {"device_class": "enum", "options": list(CLOUD_REASONS), "icon": "mdi:cloud-question"}
    refresh = common("button", node, "refresh", "Refresh") | diagnostic | while_it_runs
    components = dict(
        [
            entity("binary_sensor", "state", "Broker connection", connectivity(topics.state)),
            entity("binary_sensor", "cloud", "Cloud connection", connectivity(topics.bridge("cloud")) | while_it_runs),
            entity("sensor", "cloud_reason", "Cloud reason", reasons | while_it_runs),
            entity("sensor", "last_poll", "Last poll", {"device_class": "timestamp", **while_it_runs, **disabled}),
            entity("sensor", "reads_last_hour", "Reads in the last hour", count),
            entity("sensor", "writes_last_hour", "Writes in the last hour", count),
        ]
    )
    press: Component = {"command_topic": topics.bridge("refresh/set"), "payload_press": "refresh"}
    components["button_refresh"] = refresh | press | {"icon": "mdi:refresh"}
    device: Component = {
        "identifiers": [node],
        "name": name,
        "manufacturer": "wallbox2mqtt",
        "model": "MQTT bridge",
        "sw_version": __version__,
    }
    return Announcement(node, {"device": device, "origin": ORIGIN, "qos": 1}, in_language(components, language))
