"""The examples name topics, fields and entities that exist; a browser and the real programs have loaded them."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.test_discovery import components
from wallbox2mqtt.catalogue import FIELDS, Json, parse
from wallbox2mqtt.discovery import bridge
from wallbox2mqtt.topics import Topics

EXAMPLES = Path(__file__).parent.parent / "examples"
OWN = {"availability"}
BRIDGE = {"state", "cloud", "cloud_reason", "last_poll"}
AS_READ: dict[str, Json] = {"max_available_current": 32, "part_number": "PLP1", "icp_max_current": 16}


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def entity_ids() -> set[str]:
    """What Home Assistant calls the entities of a charger named «Garage» that are enabled, and of the bridge."""
    parts: list[Any] = [*components().values(), *bridge(Topics("wallbox")).components.values()]
    return {part["default_entity_id"] for part in parts if part.get("enabled_by_default", True)}


def test_entities_of_home_assistant_exist() -> None:
    for name in ("dashboard.yaml", "automations.yaml"):
        text = text_of(f"home-assistant/{name}")
        assert yaml.safe_load(text)
        used = set(re.findall(r"\b(?:[a-z_]+)\.(?:garage|wallbox2mqtt)_[a-z0-9_]+", text))
        assert used
        assert used <= entity_ids()


def test_topics_of_openhab_exist() -> None:
    text = text_of("openhab/wallbox.things")
    for level, key in re.findall(r'Topic="wallbox/(12345|bridge)/([A-Za-z_/+]+)"', text):
        field = key.removesuffix("/set")
        if level == "bridge":
            assert field in BRIDGE
        elif key != "+/result":
            assert field in FIELDS.keys() | OWN
            assert not key.endswith("/set") or FIELDS[field].command is not None


def test_channels_of_openhab_are_linked_and_items_shown() -> None:
    things, items, sitemap = (text_of(f"openhab/wallbox.{kind}") for kind in ("things", "items", "sitemap"))
    channels = set(re.findall(r"Type \w+ +: (\w+)", things))
    assert channels == set(re.findall(r'channel="mqtt:topic:home:\w+:(\w+)"', items))
    shown = set(re.findall(r"item=(\w+)", sitemap))
    assert shown <= set(re.findall(r"\b(Wallbox_\w+)", items))


def test_commands_of_node_red_are_understood() -> None:
    flow: list[dict[str, Any]] = json.loads(text_of("node-red/flow.json"))
    ids = {node["id"] for node in flow}
    assert len(ids) == len(flow)
    for node in flow:
        for wires in node.get("wires", []):
            assert set(wires) <= ids
        if node["type"] == "inject":
            parse(FIELDS[node["topic"]], node["payload"], AS_READ, frozenset())
