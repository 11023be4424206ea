"""The examples name topics, fields and entities that exist; a browser and the real programs have loaded them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_messages import components, entities
from wallbox2mqtt.catalogue import FIELDS, Json, parse
from wallbox2mqtt.homeassistant.bridge_device import bridge
from wallbox2mqtt.homeassistant.messages import slug
from wallbox2mqtt.topics import Topics

EXAMPLES = Path(__file__).parents[2] / "examples"
OWN = {"availability"}
BRIDGE = {
    "state", "cloud", "cloud_reason", "last_poll", "reads_last_hour", "writes_last_hour", "info", "health",
    "refresh/set",
}  # fmt: skip
NOT_OURS = {"home/grid_power"}
"""The user's own meter."""
AS_READ: dict[str, Json] = {"max_available_current": 32, "part_number": "PLP1", "icp_max_current": 16}


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def entity_ids() -> set[str]:
    """What Home Assistant calls the entities of a charger named «Garage» that are enabled, and of the bridge."""
    devices: dict[str, dict[str, Any]] = {"garage": components(), "wallbox2mqtt": bridge(Topics("wallbox")).components}
    return {
        f"{part['platform']}.{device}_{slug(str(part['name']))}"
        for device, parts in devices.items()
        for part in entities(parts).values()
        if part.get("enabled_by_default", True)
    }


def test_entities_of_home_assistant_exist() -> None:
    text = text_of("home-assistant/dashboard.yaml")
    assert yaml.safe_load(text)
    used = set(re.findall(r"\b(?:[a-z_]+)\.(?:garage|wallbox2mqtt)_[a-z0-9_]+", text))
    assert used
    assert used <= entity_ids()


class _Input(str):
    """What a blueprint asks for."""

    __slots__ = ()


class _Blueprint(yaml.SafeLoader):
    """Reads YAML with Home Assistant's own tag."""


def _input(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> _Input:
    return _Input(loader.construct_scalar(node))


_Blueprint.add_constructor("!input", _input)


def inputs(node: object) -> set[str]:
    """The names of all that is asked for below a node."""
    if isinstance(node, _Input):
        return {str(node)}
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return {name for one in below for name in inputs(one)}


@pytest.mark.parametrize("name", ["charge_at_night", "charge_with_surplus"])
def test_blueprints_ask_for_what_they_use(name: str) -> None:
    text = text_of(f"home-assistant/blueprints/{name}.yaml")
    document = yaml.load(text, Loader=_Blueprint)  # noqa: S506 - a safe loader with one more tag
    assert inputs(document) == set(document["blueprint"]["input"])
    assert not re.findall(r"\b(?:sensor|switch|number|lock)\.(?!turn_|set_)\w+_\w+", text), "an entity of one user"


def exists(topic: str) -> bool:
    """Return whether the bridge publishes a topic or listens to it; the charger is 12345, ``+`` stands for any."""
    base, level, key = topic.split("/", 2)
    if base != "wallbox" or level not in {"12345", "bridge", "+"}:
        return False
    if level == "bridge":
        return key in BRIDGE
    field, _, end = key.rpartition("/")
    if end in {"set", "result"}:
        return field == "+" or (field in FIELDS and FIELDS[field].command is not None)
    return key in OWN | {"+"} or (key in FIELDS and FIELDS[key].has_state)


def test_topics_of_openhab_exist() -> None:
    text = text_of("openhab/wallbox.things")
    topics = re.findall(r'(\w*)Topic="([^"]*)"', text)
    assert len(topics) == text.count("wallbox/") - text.count(" wallbox/")
    assert {kind for kind, _ in topics} == {"availability", "state", "command"}
    for kind, topic in topics:
        assert exists(topic), topic
        assert topic.endswith("/set") is (kind == "command"), topic


def test_topics_of_iobroker_exist() -> None:
    text = text_of("iobroker.md")
    topics = {one.replace(".", "/") for one in re.findall(r"mqtt\.0\.(wallbox\.[\w.]+)", text)}
    topics |= set(re.findall(r"wallbox/\d[\w/]+", text))
    assert {topic.rpartition("/")[2] for topic in topics} >= {"set", "result"}
    for topic in topics:
        assert exists(topic), topic


def test_channels_of_openhab_are_linked_and_items_shown() -> None:
    things, items, sitemap = (text_of(f"openhab/wallbox.{kind}") for kind in ("things", "items", "sitemap"))
    channels = set(re.findall(r"Type \w+ +: (\w+)", things))
    assert channels == set(re.findall(r'channel="mqtt:topic:home:\w+:(\w+)"', items))
    shown = set(re.findall(r"item=(\w+)", sitemap))
    assert shown <= set(re.findall(r"\b(Wallbox_\w+)", items))


def flow(name: str = "node-red") -> list[dict[str, Any]]:
    """The nodes of one of Node-RED's flows."""
    nodes: list[dict[str, Any]] = json.loads(text_of(f"{name}/flow.json"))
    return nodes


@pytest.mark.parametrize("name", ["node-red", "openwb"])
def test_nodes_of_node_red_are_wired(name: str) -> None:
    ids = {node["id"] for node in flow(name)}
    assert len(ids) == len(flow(name))
    for node in flow(name):
        for wires in node.get("wires", []):
            assert set(wires) <= ids


def test_topics_of_node_red_exist() -> None:
    nodes = [node for node in flow() if node["type"] in {"mqtt in", "mqtt out"}]
    topics = {node["topic"] for node in nodes} - {""}
    assert topics > NOT_OURS
    for topic in topics - NOT_OURS:
        assert exists(topic), topic


def test_commands_of_node_red_are_understood() -> None:
    functions = "\n".join(node["func"] for node in flow() if node["type"] == "function")
    injected = [(node["topic"], node["payload"]) for node in flow() if node["type"] == "inject"]
    worked_out = re.findall(r'topic: "([^"]+)", payload: (\w+)', functions)
    assert len(worked_out) == functions.count("topic:")
    assert injected
    assert worked_out
    (template,) = re.findall(r"msg\.topic = `([^`]+)`", functions)
    for key, payload in injected + worked_out:
        assert exists(template.replace('${env.get("CHARGER")}', "12345").replace("${msg.topic}", key)), key
        parse(FIELDS[key], "6" if payload == "amps" else payload, AS_READ, frozenset())


@pytest.mark.parametrize("name", ["node-red", "openwb"])
def test_fields_that_functions_of_node_red_use_exist(name: str) -> None:
    used = set(re.findall(r"charger\.(\w+)", "\n".join(node.get("func", "") for node in flow(name))))
    assert used
    for key in used:
        assert exists(f"wallbox/12345/{key}"), key


def test_topics_of_openwb_exist() -> None:
    topics = {node["topic"] for node in flow("openwb") if node["type"] == "mqtt in"}
    ours = {topic for topic in topics if topic.startswith("wallbox/")}
    assert topics - ours == {"openWB/mqtt/chargepoint/+/set/current"}
    assert [topic for topic in ours if exists(topic)]
    functions = {node["name"]: node["func"] for node in flow("openwb") if node["type"] == "function"}
    assert "/${msg.topic}/set`" in functions["command"]
    sent = re.findall(r'topic: "(\w+)", payload: (\w+)', functions["what is to change"])
    assert sent == [("max_charging_current", "amps"), ("charging_enabled", "on")]
    for key, payload in sent:
        parse(FIELDS[key], "6" if payload == "amps" else "false", AS_READ, frozenset())


# What evcc's custom charger (charger/charger.go), and its plugins valid and mqtt (plugin/valid.go, plugin/mqtt.go with
# plugin/pipeline), accept; it refuses any other key. Read at github.com/evcc-io/evcc.
EVCC_CHARGER = {
    "status", "enabled", "enable", "maxcurrent", "maxcurrentmillis", "identify", "phases1p3p", "wakeup", "soc",
    "limitsoc", "finishtime", "tos", "power", "energy", "returnenergy", "temp", "limittemp", "currents", "voltages",
    "powers", "icon", "features",
}  # fmt: skip
EVCC_NEEDS = {"status", "enabled", "enable", "maxcurrent"}
EVCC_SETTERS = {"enable": ("true", "false"), "maxcurrent": ("6", "32")}
"""The payloads that evcc makes of its template, ``${name}``."""
EVCC_PLUGINS = {
    "valid": {"valid", "value"},
    "mqtt": {
        "topic", "payload", "retained", "scale", "timeout", "allowempty", "quote", "regex", "default", "jq", "unpack",
        "decode", "broker", "user", "password", "clientid", "insecure", "cacert", "clientcert", "clientkey",
    },
}  # fmt: skip


def evcc_charger() -> dict[str, Any]:
    (charger,) = yaml.safe_load(text_of("evcc/evcc.yaml"))["chargers"]
    return {key: value for key, value in charger.items() if key not in {"name", "type"}}


def plugins(node: dict[str, Any]) -> list[dict[str, Any]]:
    """A plugin of evcc and all that stand in it."""
    below = [one for value in node.values() if isinstance(value, dict) for one in plugins(value)]
    return [node, *below]


def test_evcc_knows_the_keys() -> None:
    document = yaml.safe_load(text_of("evcc/evcc.yaml"))
    assert document["chargers"][0]["type"] == "custom"
    assert document["loadpoints"][0]["charger"] == document["chargers"][0]["name"]
    assert EVCC_NEEDS <= set(evcc_charger()) <= EVCC_CHARGER
    for value in evcc_charger().values():
        for plugin in plugins(value):
            assert set(plugin) - {"source"} <= EVCC_PLUGINS[plugin["source"]]


@pytest.mark.parametrize("name", sorted(EVCC_NEEDS | {"power", "energy", "identify"}))
def test_topics_of_evcc_exist(name: str) -> None:
    nodes = [one for one in plugins(evcc_charger()[name]) if one["source"] == "mqtt"]
    for node in nodes:
        assert exists(node["topic"]), node["topic"]
        assert node["topic"].endswith("/set") is (name in EVCC_SETTERS)
        assert ("payload" in node) is (name in EVCC_SETTERS)
        assert not node.get("retained")
        assert "timeout" not in node, "what does not change is not published again"


@pytest.mark.parametrize(("name", "payload"), [(name, one) for name, both in EVCC_SETTERS.items() for one in both])
def test_commands_of_evcc_are_understood(name: str, payload: str) -> None:
    node = evcc_charger()[name]
    field = FIELDS[node["topic"].split("/")[2]]
    text = node["payload"].replace(f"${{{name}}}", payload)
    assert parse(field, text, AS_READ, frozenset()) == parse(field, payload, AS_READ, frozenset())


@pytest.mark.parametrize(("said", "enabled"), [("true", "true"), ("false", "false"), ("None", "false")])
def test_evcc_reads_whether_charging_is_enabled(said: str, enabled: str) -> None:
    node = evcc_charger()["enabled"]
    found = re.search(node["regex"], said)
    assert (found[0] if found else node["default"]) == enabled
