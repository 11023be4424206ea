"""Names of topics and forms of payloads, both ways."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hostile import json_values
from wallbox2mqtt.catalogue import FIELDS, Json
from wallbox2mqtt.topics import CommandTopic, Topics, is_command_size, payload, safe_part, to_json

TOPICS = Topics("wallbox")
COMMAND_KEYS = [key for key, row in FIELDS.items() if row.command]


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (TOPICS.state, "wallbox/bridge/state"),
        (TOPICS.bridge("cloud_reason"), "wallbox/bridge/cloud_reason"),
        (TOPICS.availability(12345), "wallbox/12345/availability"),
        (TOPICS.field(12345, "software/currentVersion"), "wallbox/12345/software/currentVersion"),
        (TOPICS.command(12345, "ecosmart/mode"), "wallbox/12345/ecosmart/mode/set"),
        (TOPICS.result(12345, "locked"), "wallbox/12345/locked/result"),
        (Topics("home/garage").field(1, "name"), "home/garage/1/name"),
    ],
)
def test_names(topic: str, expected: str) -> None:
    assert topic == expected


# --- keys


@pytest.mark.parametrize(
    ("name", "top", "deeper"),
    [
        ("charging_power", "charging_power", "charging_power"),
        ("currentVersion", "currentVersion", "currentVersion"),
        ("a+b", "a_b", "a_b"),
        ("a#", "a_", "a_"),
        ("a/b", "a_b", "a_b"),
        ("a\0b", "a_b", "a_b"),
        ("$SYS", "_SYS", "_SYS"),
        ("a$b", "a$b", "a$b"),
        ("", "_", "_"),
        ("a b", "a b", "a b"),
        ("größe", "größe", "größe"),
        ("a\nb\x7f\x9f", "a_b__", "a_b__"),
        ("\ufdd0\ufffe\U0010ffff", "___", "___"),
        ("\ud800", "?", "?"),
        ("availability", "availability_", "availability"),
        ("basic", "basic_", "basic"),
        ("event", "event_", "event"),
        ("bridge", "bridge", "bridge"),
        ("set", "set_", "set_"),
        ("result", "result_", "result_"),
        ("status", "status_", "status"),
        ("charging_enabled", "charging_enabled_", "charging_enabled"),
        ("Set", "Set", "Set"),
    ],
)
def test_safe_part(name: str, top: str, deeper: str) -> None:
    assert safe_part(name, top=True) == top
    assert safe_part(name, top=False) == deeper


@given(st.text())
@example("set_")
def test_parts_are_one_safe_level(name: str) -> None:
    for top in (True, False):
        part = safe_part(name, top=top)
        assert part.encode()
        assert not {"+", "#", "/", "\0"} & set(part)
        assert not part.startswith("$")
        assert part not in {"", "set", "result"}
        assert safe_part(part, top=top) == part


def test_names_of_rows_are_safe_as_they_are() -> None:
    for row in FIELDS.values():
        if row.detail is not None or row.basic is not None:
            assert [safe_part(part, top=False) for part in row.key.split("/")] == row.key.split("/")
        if row.detail is not None:
            assert safe_part(row.key.partition("/")[0], top=True) == row.key.partition("/")[0]


# --- payloads


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "None"),
        ("", "None"),
        (" ", " "),
        ("None", "None"),
        ("PulsarPlus SN 1", "PulsarPlus SN 1"),
        ("€\n", "€\n"),
        ("a\ud800", "a?"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1, "1"),
        (-16, "-16"),
        (0.546, "0.546"),
        (7.0, "7.0"),
        (1e-7, "1e-07"),
        ([], "[]"),
        ({}, "{}"),
        (["a", {"b": None}], '["a",{"b":null}]'),
        (["€"], '["€"]'),
        (["\ud800"], '["\\ud800"]'),
    ],
    ids=repr,
)
def test_payload(value: Json, expected: str) -> None:
    assert payload(value) == expected


@given(json_values)
def test_any_value_can_be_published(value: Json) -> None:
    text = payload(value)
    assert text.encode()
    assert text, "an empty retained payload would delete the topic"
    if not isinstance(value, str | None):
        assert json.loads(text) == value
    assert json.loads(to_json(value)) == value


# --- commands


@pytest.mark.parametrize(
    ("topic", "charger", "key", "charger_id"),
    [
        ("wallbox/12345/locked/set", "12345", "locked", 12345),
        ("wallbox/12345/ecosmart/enabled/set", "12345", "ecosmart/enabled", 12345),
        ("wallbox/12345/a/b/c/d/e/f/set", "12345", "a/b/c/d/e/f", 12345),
        ("wallbox/12345/set", "12345", "", 12345),
        ("wallbox/12345//set", "12345", "", 12345),
        ("wallbox/12345/set/set", "12345", "set", 12345),
        ("wallbox/bridge/refresh/set", "bridge", "refresh", None),
        ("wallbox/012/locked/set", "012", "locked", None),
        ("wallbox/0/locked/set", "0", "locked", None),
        ("wallbox/-1/locked/set", "-1", "locked", None),
        ("wallbox/+1/locked/set", "+1", "locked", None),
        ("wallbox/1_0/locked/set", "1_0", "locked", None),
        ("wallbox/１/locked/set", "１", "locked", None),  # noqa: RUF001 - a full-width digit is the point
        ("wallbox/²/locked/set", "²", "locked", None),
        (f"wallbox/{'9' * 30}/locked/set", "9" * 30, "locked", None),
        ("wallbox//locked/set", "", "locked", None),
        ("wallbox/set", "set", "", None),
    ],
)
def test_command_topic(topic: str, charger: str, key: str, charger_id: int | None) -> None:
    parsed = TOPICS.parse_command(topic)
    assert parsed == CommandTopic(charger, key)
    assert parsed.charger_id == charger_id


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "set",
        "wallbox",
        "wallbox/",
        "wallbox/1/locked",
        "wallbox/1/locked/set/",
        "wallbox/1/locked/Set",
        "wallbox/1/reset",
        "wallboxes/1/locked/set",
        "Wallbox/1/locked/set",
        "other/wallbox/1/locked/set",
        "/wallbox/1/locked/set",
    ],
)
def test_no_command_topic(topic: str) -> None:
    assert TOPICS.parse_command(topic) is None


@given(st.sampled_from(["wallbox", "a/b", "ü", "set", "a/set"]), st.integers(1, 10**18), st.sampled_from(COMMAND_KEYS))
def test_command_topics_both_ways(base: str, charger_id: int, key: str) -> None:
    topics = Topics(base)
    parsed = topics.parse_command(topics.command(charger_id, key))
    assert parsed is not None
    assert (parsed.charger_id, parsed.key) == (charger_id, key)


@given(st.text() | st.text(alphabet="wallbox/set+#1\0", max_size=20))
def test_any_topic_is_taken_apart_or_not(topic: str) -> None:
    parsed = TOPICS.parse_command(topic)
    if parsed is not None:
        assert topic.startswith("wallbox/")
        assert topic.endswith("/set")
        assert parsed.charger_id is None or f"/{parsed.charger_id}/" in topic


def fits(pattern: str, topic: str) -> bool:
    """MQTT's rule for filters with + only."""
    levels, parts = pattern.split("/"), topic.split("/")
    return len(levels) == len(parts) and all(level in {"+", part} for level, part in zip(levels, parts, strict=True))


def test_each_command_topic_fits_one_filter() -> None:
    for key in [*COMMAND_KEYS, "unknown", "a/b/c", "basic/resume/totalEnergy"]:
        topic = TOPICS.command(12345, key)
        assert sum(fits(pattern, topic) for pattern in TOPICS.command_filters()) == 1, topic


def test_no_state_fits_a_filter() -> None:
    topics = [TOPICS.state, *(topic for key in FIELDS for topic in (TOPICS.field(1, key), TOPICS.result(1, key)))]
    assert not [topic for topic in topics for pattern in TOPICS.command_filters() if fits(pattern, topic)]


@pytest.mark.parametrize(
    ("rest", "may"),
    [
        ("900001/locked/set", True),
        ("900001/basic/resume/totalEnergy/set", True),
        ("900001/a/b/c/d/set", False),
        (f"900001/{'x' * 180}/set", True),
        (f"900001/{'x' * 200}/set", False),
        (f"900001/{'é' * 100}/set", False),
    ],
    ids=["field", "deepest", "deeper", "long", "longer", "longer in bytes"],
)
def test_no_command_is_longer_or_deeper_than_those_of_rows(rest: str, *, may: bool) -> None:
    assert is_command_size(rest) is may
