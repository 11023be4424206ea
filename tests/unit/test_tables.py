"""The tables of the reference are worked out from the catalogue, and are current."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import generated
from wallbox2mqtt.catalogue import FIELDS
from wallbox2mqtt.cli import topics

GENERATED = generated.files()
SENDING = re.compile(r"`(PUT|POST) [a-z0-9/{}-]+` `\{.*\}`")


def cells(table: str) -> list[list[str]]:
    return [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in table.splitlines()]


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_files_are_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path], "stale: run scripts/docs"


SHOWN = {key: row for key, row in FIELDS.items() if row.slot in {None, 0}}


def named(key: str) -> str:
    """A schedule's rows stand there once, for all schedules."""
    return key.replace("schedule/0/", "schedule/<n>/")


def test_topic_table_has_every_field() -> None:
    rows = cells(topics.topic_table())[2:]
    assert [row[0] for row in rows] == [f"`{named(key)}`" for key, row in SHOWN.items() if row.has_state]
    assert {len(row) for row in rows} == {5}
    everyday = [row[0] for row in cells(topics.topic_table(rare=False))[2:]]
    assert everyday == [f"`{named(key)}`" for key, row in SHOWN.items() if row.has_state and row.enabled]


def test_units_are_words_that_people_know() -> None:
    units = {row[0].strip("`"): row[2] for row in cells(topics.topic_table())[2:]}
    assert (units["cost"], units["depot_price"], units["added_energy"]) == ("currency", "currency/kWh", "kWh")
    assert not [unit for unit in units.values() if "{" in unit]


def test_command_table_has_every_command() -> None:
    rows = cells(topics.command_table())[2:]
    assert [row[0] for row in rows] == [f"`{named(key)}/set`" for key, row in SHOWN.items() if row.command]
    for row in rows:
        assert row[2].strip()
        assert SENDING.fullmatch(row[3]) or row[0] == "`refresh/set`"


@pytest.mark.parametrize(
    ("key", "request_text"),
    [
        ("locked", '`PUT v2/charger/{id}` `{"locked":1}`'),
        ("max_charging_current", '`PUT v2/charger/{id}` `{"maxChargingCurrent":32}`'),
        ("firmware", '`POST v3/chargers/{id}/remote-action` `{"action":5}`'),
        ("action", '`POST v3/chargers/{id}/remote-action` `{"action":1}`'),
        ("energy_price", '`POST chargers/config/{id}` `{"energy_price":0.24}`'),
        ("refresh", "a read of the charger"),
    ],
)
def test_command_table_shows_what_is_sent(key: str, request_text: str) -> None:
    (row,) = [row for row in cells(topics.command_table()) if row[0] == f"`{key}/set`"]
    assert row[3] == request_text


def test_a_bar_does_not_end_a_cell() -> None:
    for table in (topics.topic_table(), topics.command_table()):
        assert len({len(row) for row in cells(table)}) == 1


def test_marked_changes_only_what_is_between_the_marks() -> None:
    text = "before\n<!-- x: made by scripts/docs -->\nold\n<!-- end of x -->\nafter\n"
    new = generated.marked(text, "x", "new")
    assert new == "before\n<!-- x: made by scripts/docs -->\nnew\n<!-- end of x -->\nafter\n"
    assert generated.marked(new, "x", "new") == new


@pytest.mark.parametrize(
    "text",
    ["", "<!-- x: made by scripts/docs -->", "<!-- end of x -->", "<!-- end of x --><!-- x: made by scripts/docs -->"],
)
def test_missing_marks_are_said(text: str) -> None:
    with pytest.raises(ValueError, match="'x'"):
        generated.marked(text, "x", "new")


def test_the_command_prints_the_tables() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "wallbox2mqtt", "topics"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert topics.topic_table() in printed
    assert topics.command_table() in printed
