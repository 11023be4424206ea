"""When a charger is announced, and what is taken back: with no broker, and a clock that stands still."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.documents import read_detail, read_sweep
from wallbox2mqtt.config import HomeAssistantConfig
from wallbox2mqtt.homeassistant.announcer import Announcer
from wallbox2mqtt.homeassistant.inventory import Inventory
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.simulator import ChargerSpec
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics

Discovery = Literal["device", "entity", "off"]
ONE = 12345
BRIDGE = "homeassistant/device/wallbox2mqtt_bridge_wallbox/config"
CHARGER = f"homeassistant/device/wallbox2mqtt_{ONE}/config"


class EndError(Exception):
    """The program has ended, in the middle of it all."""


class Broker:
    """In the place of the connection: keeps what is published. ``ends_at``: the program ends with this message."""

    online = True

    def __init__(self, *, ends_at: str | None = None) -> None:
        self.published: list[tuple[str, str]] = []
        self._ends_at = ends_at

    def publish(self, topic: str, text: str) -> None:
        self.published.append((topic, text))
        if self._ends_at is not None and self._ends_at in topic:
            raise EndError

    def of(self, topic: str) -> list[str]:
        return [text for name, text in self.published if name == topic]

    def components(self, topic: str = CHARGER) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.of(topic)[-1])["components"]
        return found


class Bridge:
    """What is known of the chargers, and who announces it."""

    def __init__(self, directory: Path, clock: FakeClock, broker: Broker, form: Discovery = "device") -> None:
        self.clock, self.broker = clock, broker
        store, topics = Storage(directory, "account"), Topics("wallbox")
        self.shown: list[tuple[str, str]] = []
        self.states = ChargerStates(topics, lambda topic, text: self.shown.append((topic, text)), 45, store)
        self.registry = Registry((), clock, store)
        self.announcer = Announcer(
            HomeAssistantConfig(discovery=form),
            topics=topics,
            mqtt=cast("MqttConnection", broker),
            states=self.states,
            registry=self.registry,
            store=store,
            clock=clock,
            allowed=frozenset(),
        )

    def read_list(self, *specs: ChargerSpec) -> None:
        chargers: list[Json] = [{"id": spec.id, "name": spec.name, **_LISTED} for spec in specs]
        listing = read_sweep({"result": {"groups": [{"chargers": chargers}]}})
        self.registry.record_list(one.charger_id for one in listing)
        for one in listing:
            self.states.read(one.charger_id, one.reading, self.clock.monotonic(), None)
        self.announcer.look()

    def read_detail(self, spec: ChargerSpec, config: Mapping[str, Json] | None = None) -> None:
        """Read a charger's detail, with other values in ``config_data``."""
        document = dict(spec.detail)
        known = document["config_data"]
        assert isinstance(known, dict)
        document["config_data"] = {**known, **(config or {})}
        self.states.read(spec.id, read_detail(document), self.clock.monotonic(), None)
        self.announcer.detail_read(spec.id)


_LISTED: dict[str, Json] = {
    "status": 210,
    "locked": 1,
    "chargingPower": 0,
    "addedEnergy": 0,
    "maxChargingCurrent": 16,
    "chargerType": "PulsarPlus",
}
SPEC = ChargerSpec(id=ONE, name="Garage")


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def bridge(tmp_path: Path, clock: FakeClock, broker: Broker) -> Bridge:
    bridge = Bridge(tmp_path, clock, broker)
    bridge.announcer.announce()
    return bridge


def test_the_list_announces_and_the_detail_completes(bridge: Bridge, broker: Broker) -> None:
    bridge.read_list(SPEC)
    first = broker.components()
    assert {"lock_locked", "sensor_status", "switch_charging_enabled", "button_refresh"} <= first.keys()
    assert "select_eco_smart" not in first
    bridge.read_detail(SPEC)
    assert "select_eco_smart" in broker.components()
    assert all(len(part) > 1 for part in broker.components().values()), "nothing of it was taken back"


def test_the_list_takes_nothing_from_a_charger_that_is_known(tmp_path: Path, clock: FakeClock, broker: Broker) -> None:
    first = Bridge(tmp_path, clock, Broker())
    first.announcer.announce()
    first.read_list(SPEC)
    first.read_detail(SPEC)
    again = Bridge(tmp_path, clock, broker)
    again.announcer.announce()
    again.read_list(SPEC)
    assert not broker.of(CHARGER)


LOST: dict[str, Json] = {"ecosmart": None, "plan": None, "currency": None, "software": None}


def test_one_document_takes_nothing_away(bridge: Bridge, broker: Broker) -> None:
    bridge.read_list(SPEC)
    bridge.read_detail(SPEC)
    before = broker.of(CHARGER)
    bridge.clock.advance(7200)
    bridge.read_detail(SPEC, LOST)
    bridge.clock.advance(7200)
    bridge.read_detail(SPEC, LOST)
    bridge.read_detail(SPEC)
    bridge.clock.advance(7200)
    bridge.read_detail(SPEC, LOST)
    assert broker.of(CHARGER) == before


@pytest.mark.parametrize(("seconds", "is_gone"), [((0, 60, 3500), False), ((0, 60, 3600), True)])
def test_three_details_an_hour_apart_take_it_away(
    bridge: Bridge, broker: Broker, seconds: tuple[float, ...], *, is_gone: bool
) -> None:
    bridge.read_list(SPEC)
    bridge.read_detail(SPEC)
    began = bridge.clock.monotonic()
    for at in seconds:
        bridge.clock.advance(began + at - bridge.clock.monotonic())
        bridge.read_detail(SPEC, LOST)
    assert (broker.components()["select_eco_smart"] == {"platform": "select"}) == is_gone
    assert ("unit_of_measurement" not in broker.components()["sensor_cost"]) == is_gone
    bridge.read_detail(SPEC)
    assert "options" in broker.components()["select_eco_smart"]


def test_the_first_detail_decides_at_once(tmp_path: Path, clock: FakeClock, broker: Broker) -> None:
    first = Bridge(tmp_path, clock, Broker())
    first.announcer.announce()
    first.read_list(SPEC)
    first.read_detail(SPEC)
    again = Bridge(tmp_path, clock, broker)
    again.announcer.announce()
    again.read_list(SPEC)
    again.read_detail(ChargerSpec(id=ONE, name="Garage", missing=("config_data.ecosmart",)))
    assert [json.loads(text)["components"].get("select_eco_smart") for text in broker.of(CHARGER)] == [
        {"platform": "select"}
    ]


def test_fields_of_the_basic_document_need_three_hours() -> None:
    inventory = Inventory()
    less: dict[str, Json] = {"name": "Garage"}
    full: dict[str, Json] = {"basic/wifiSignal": 50, **less}
    inventory.record(full, 0)
    assert not any(inventory.record(less, at) for at in range(0, 3 * 3600, 60))
    assert inventory.fill(less) == full
    assert inventory.record(less, 3 * 3600)
    assert inventory.fill(less) == less


NODE = BRIDGE.split("/")[2]
GONE: dict[str, Json] = {
    "kinds": [{"sensor_gone": "sensor"}],
    "devices": {NODE: {"prefix": "homeassistant", "form": "entity", "kind": 0, "model": ""}},
}


@pytest.mark.parametrize(
    ("form", "before", "left"),
    [("device", None, BRIDGE), ("entity", GONE, f"homeassistant/sensor/{NODE}/sensor_gone/config")],
)
def test_what_an_end_in_the_middle_leaves_is_taken_back(
    tmp_path: Path, clock: FakeClock, form: Discovery, before: Json, left: str
) -> None:
    """A topic may stand at the broker as soon as it is published, and until its end is: so long its device is kept."""
    Storage(tmp_path, "account").write("discovery", {"wallbox": before})
    first, then = Broker(ends_at=NODE), Broker()
    with pytest.raises(EndError):
        Bridge(tmp_path, clock, first, form).announcer.announce()
    Bridge(tmp_path, clock, then, "off").announcer.announce()
    assert {first.published[0][0], left} <= {topic for topic, text in then.published if not text}
