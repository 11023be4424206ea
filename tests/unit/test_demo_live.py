"""The demo's live view: what is heard finds its place, and what a terminal would obey does not reach it."""

import io
import logging

import pytest
from rich.console import Console

from wallbox2mqtt.cli.demo_live import Heard, LiveView
from wallbox2mqtt.mqtt import Message

HINTS = [("page", "http://127.0.0.1:8080/"), ("try", "mosquitto_pub -t wallbox/1/locked/set -m lock")]


def message(topic: str, payload: str) -> Message:
    return Message(topic=f"wallbox/{topic}", payload=payload.encode(), retained=False, arrived=0.0)


def drawn(view: LiveView) -> str:
    output = io.StringIO()
    width, height = view.console.size
    console = Console(file=output, width=width, height=height, color_system=None)
    console.print(view.drawing())
    return output.getvalue()


def view(width: int = 120, height: int = 40) -> LiveView:
    return LiveView("wallbox", "The demo", HINTS, Console(file=io.StringIO(), width=width, height=height))


def test_shows_chargers_commands_budget_and_hints() -> None:
    shown = view()
    for topic, payload in {
        "900001/name": "Garage",
        "900001/status": "Charging",
        "900001/why": "charging",
        "900001/charging_power": "7.36",
        "900001/added_energy": "None",
        "900001/locked": "1",
        "900001/locked/set": "lock",
        "900001/locked/result": '{"status":"ok","value":1,"reason":null,"http_status":200,"took_ms":5}',
        "bridge/info": '{"reads_per_minute":3,"writes_per_minute":5}',
        "bridge/reads_last_hour": "17",
        "bridge/cloud": "online",
    }.items():
        shown.take(message(topic, payload))
    text = drawn(shown)
    lines = text.splitlines()
    garage = next(line for line in lines if "Garage" in line)
    assert "Charging" in garage
    assert "7.36 kW" in garage
    assert "None" not in text
    assert "3 a minute, 17 in the last hour" in text
    assert any("lock " in line and " ok " in line for line in lines)
    assert "http://127.0.0.1:8080/" in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 30), (200, 60)])
def test_fits_the_terminal(width: int, height: int) -> None:
    shown = view(width, height)
    for number in range(300):
        shown.take(message(f"{900001 + number}/name", "A charger whose name is very long indeed" * 2))
        shown.take(message(f"{900001 + number}/max_charging_current/set", "99"))
    lines = drawn(shown).splitlines()
    assert len(lines) <= height
    assert max(len(line) for line in lines) <= width
    assert any("of 300 chargers; the page has all" in line for line in lines)


def test_rejections_go_to_the_newest_other_results_to_the_oldest() -> None:
    heard = Heard("wallbox")
    for payload in ("13", "99"):
        heard.take(message("1/max_charging_current/set", payload))
    heard.take(message("1/max_charging_current/result", '{"status":"rejected"}'))
    heard.take(message("1/max_charging_current/result", '{"status":"ok"}'))
    assert [(one.wish, one.result["status"]) for one in heard.commands] == [("13", "ok"), ("99", "rejected")]


@pytest.mark.parametrize("payload", ["not JSON", "[1]", "[" * 100_000, ""])
def test_a_result_that_is_none_changes_nothing(payload: str) -> None:
    heard = Heard("wallbox")
    heard.take(message("1/locked/set", "lock"))
    heard.take(message("1/locked/result", payload))
    assert heard.commands[0].result == {}


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    shown = view()
    shown.take(message("1/name", "[bold]\x1b]0;owned\x07\x1b[2J\u202eGarage"))
    shown.take(message("1/locked/set", "\x1b[31mlock"))
    shown.take(message("1/added_energy", "[/red]"))
    shown.emit(logging.makeLogRecord({"msg": "\x1b[2Jwarned"}))
    text = drawn(shown)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "warned" in text
    assert "[bold]" in text  # text, not markup
