"""evcc with the example: what it reads of each state, and what becomes of what it sends, at a real broker."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes import FastClock
from tests.integration.test_app import GENEROUS, ONE, SPEED, Harness
from tests.mosquitto import Broker, Watcher, eventually
from tests.parts import writes_of

pytestmark = pytest.mark.broker

EXAMPLE = Path(__file__).parents[2] / "examples/evcc/evcc.yaml"


class Evcc:
    """Reads and writes as evcc does: its plugins mqtt (with pipeline) and valid, and what it makes of a status."""

    def __init__(self, watcher: Watcher) -> None:
        text = EXAMPLE.read_text(encoding="utf-8").replace("wallbox/12345/", f"wallbox/{ONE}/")
        (self._charger,) = yaml.safe_load(text)["chargers"]
        self._watcher = watcher

    def _read(self, plugin: dict[str, Any]) -> str:
        if plugin["source"] == "valid":
            return self._read(plugin["value"]) if self._read(plugin["valid"]) == "true" else "error"
        said = self._watcher.last().get(plugin["topic"], "")
        if "regex" in plugin:
            found = re.search(plugin["regex"], said)
            said = found[0] if found else plugin["default"]
        if "jq" in plugin:
            assert plugin["quote"]
            (expected,) = re.fullmatch(r'\. == "(\w+)"', plugin["jq"]).groups()  # type: ignore[union-attr]
            said = "true" if said == expected else "false"
        return said

    @property
    def status(self) -> str:
        """A letter, or that evcc has an error and leaves the charger alone."""
        letter = self._read(self._charger["status"])
        return letter if letter in {"A", "B", "C"} else "error"

    @property
    def enabled(self) -> bool:
        return {"true": True, "false": False}[self._read(self._charger["enabled"])]

    def number(self, name: str) -> float:
        scale: float = self._charger[name].get("scale", 1)
        return float(self._read(self._charger[name])) * scale

    def send(self, name: str, value: str) -> dict[str, Any]:
        """Send a command, and return its result."""
        plugin = self._charger[name]
        results = plugin["topic"].removesuffix("set") + "result"
        before = len(self._watcher.of(results))
        self._watcher.publish(plugin["topic"], plugin["payload"].replace(f"${{{name}}}", value))
        eventually(lambda: len(self._watcher.of(results)) > before, f"a result of {name}")
        result: dict[str, Any] = json.loads(self._watcher.of(results)[-1])
        return result


@pytest.fixture
def harness(broker: Broker, tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(FastClock(SPEED), tmp_path, broker.port, GENEROUS)
    harness.cloud.charger(ONE).do("unlock")
    harness.cloud.charger(ONE).do("unplug")
    harness.start()
    yield harness
    harness.end()


def test_a_car_comes_charges_and_is_controlled(harness: Harness, watcher: Watcher) -> None:
    evcc, charger = Evcc(watcher), harness.cloud.charger(ONE)
    eventually(lambda: evcc.status == "A", "no car")
    assert evcc.send("enable", "false")["status"] == "ok", "as evcc says at each interval"
    assert not writes_of(harness.cloud.requests), "and nothing is asked of the cloud"

    charger.do("plug")
    eventually(lambda: evcc.status == "C" and evcc.enabled, "it charges")
    eventually(lambda: evcc.number("power") > 1000, "power in W")
    eventually(lambda: watcher.last().get(f"wallbox/{ONE}/energy_total", "None") != "None", "the sum is known")
    assert evcc.number("energy") >= 0

    assert evcc.send("maxcurrent", "10")["value"] == 10
    assert charger.detail()["config_data"]["max_charging_current"] == 10  # type: ignore[index, call-overload]
    assert evcc.send("enable", "false")["http_status"] == 200
    assert not evcc.enabled
    eventually(lambda: evcc.status == "B", "it pauses")
    assert evcc.send("enable", "true")["http_status"] == 200
    eventually(lambda: evcc.status == "C", "it goes on")

    charger.do("offline")
    eventually(lambda: evcc.status == "error", "evcc leaves a charger alone that is out of reach")
    charger.do("online")
    eventually(lambda: evcc.status == "C", "it is back")
    harness.stop()
    eventually(lambda: evcc.status == "error", "what a bridge has said that does not run is not believed")
