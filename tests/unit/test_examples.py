"""The examples name topics, fields and entities that exist; a browser and the real programs have loaded them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_messages import components, entities
from wallbox2mqtt.catalogue import FIELDS, Json, parse
from wallbox2mqtt.homeassistant import bridge, slug
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


def flow() -> list[dict[str, Any]]:
    """The nodes of Node-RED's flow."""
    nodes: list[dict[str, Any]] = json.loads(text_of("node-red/flow.json"))
    return nodes


def test_nodes_of_node_red_are_wired() -> None:
    ids = {node["id"] for node in flow()}
    assert len(ids) == len(flow())
    for node in flow():
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


def test_fields_that_functions_of_node_red_use_exist() -> None:
    used = set(re.findall(r"charger\.(\w+)", "\n".join(node.get("func", "") for node in flow())))
    assert used
    for key in used:
        assert exists(f"wallbox/12345/{key}"), key
