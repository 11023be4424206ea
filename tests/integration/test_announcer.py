"""The life of an announcement, with a real broker, the simulated cloud and the whole bridge."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import pytest

from tests.fakes import FastClock
from tests.ha_rules import problems_of
from tests.mosquitto import LIMIT_S, Broker, Heard, Watcher, eventually, free_port
from wallbox2mqtt.config import CommandsConfig, Config, HomeAssistantConfig, MqttConfig, Secret, WallboxConfig
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.homeassistant.messages import MIGRATE
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Settings, Simulator

pytestmark = pytest.mark.broker

SPEED = 20.0
ONE, TWO = 12345, 23456
BRIDGE = "homeassistant/device/wallbox2mqtt_bridge_wallbox/config"
CHARGER = f"homeassistant/device/wallbox2mqtt_{ONE}/config"

BIRTHS = 3

Discovery = Literal["device", "entity", "off"]


class Harness:
    """A broker, a cloud and a bridge that can be started with this or that configuration. A context."""

    def __init__(self, broker: Broker, directory: Path) -> None:
        self.broker, self.directory = broker, directory
        self.clock = FastClock(SPEED)
        self._port = free_port()
        self.cloud = self.new_cloud(ChargerSpec(id=ONE, name="Garage"), ChargerSpec(id=TWO, model="old", name="Yard"))
        self._app: App | None = None
        self._thread: threading.Thread | None = None

    def new_cloud(self, *chargers: ChargerSpec) -> Simulator:
        settings = Settings(reads_per_minute=None, writes_per_minute=None)
        return Simulator(chargers=chargers, clock=self.clock, settings=settings)

    def start(
        self,
        discovery: Discovery = "device",
        *,
        prefix: str = "homeassistant",
        chargers: tuple[int, ...] = (),
        protocol: Literal["5", "3.1.1"] = "5",
    ) -> None:
        # the same address: state is kept by account
        self.cloud.start(self._port)
        config = Config(
            wallbox=WallboxConfig(
                email=EMAIL,
                password=Secret(PASSWORD),
                api_url=self.cloud.url,
                user_api_url=self.cloud.url,
                poll_interval=2,
                reads_per_minute=600,
                writes_per_minute=600,
                chargers=chargers,
            ),
            mqtt=MqttConfig(host="127.0.0.1", port=self.broker.port, protocol=protocol),
            home_assistant=HomeAssistantConfig(discovery=discovery, prefix=prefix),
            commands=CommandsConfig(settle_s=2),
        )
        self._app = App(config, self.directory, self.clock)
        self._thread = threading.Thread(target=self._app.run, name="bridge", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._app is not None and self._thread is not None:
            self._app.stop()
            self._thread.join(LIMIT_S)
            assert not self._thread.is_alive()
            self.cloud.stop()
        self._app = self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def watch(self, topic: str = "homeassistant/#") -> Watcher:
        return Watcher(self.broker.port, topic)


@pytest.fixture
def harness(broker: Broker, tmp_path: Path) -> Iterator[Harness]:
    with Harness(broker, tmp_path / "state") as harness:
        yield harness


def is_whole(heard: list[Heard]) -> bool:
    """Whether both chargers are announced, with what only their basic documents, histories and schedules tell."""
    last = {one.topic: one.payload for one in heard}
    parts = [(f"wallbox2mqtt_{number}", word) for number in (ONE, TWO) for word in ("wifi", "history", "schedule_next")]
    return all(any(node in topic and word in topic + text for topic, text in last.items()) for node, word in parts)


def components(watcher: Watcher, topic: str = CHARGER) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(watcher.last()[topic])["components"]
    return found


def standing(harness: Harness) -> dict[str, str]:
    """The retained messages below all prefixes, as one who comes later finds them."""
    with harness.watch("#") as watcher:
        watcher.publish("marker", "here")
        watcher.wait("marker")
        return {one.topic: one.payload for one in watcher.heard if one.retained and one.topic.endswith("/config")}


def test_the_bridge_is_announced_first_and_each_charger_once(harness: Harness) -> None:
    with harness.watch() as watcher:
        harness.start()
        watcher.wait_for(is_whole, "both chargers are announced")
        assert watcher.heard[0].topic == BRIDGE
        assert len(watcher.of(BRIDGE)) == 1
        # from the list, with the first detail, and when the first basic document and the history have told more
        assert 1 <= len(watcher.of(CHARGER)) <= 4
        for heard in watcher.heard:
            assert not problems_of(heard.topic, heard.payload)
        assert standing(harness) == watcher.last()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_another_bridge_has_announced_is_left_alone(harness: Harness, protocol: Literal["5", "3.1.1"]) -> None:
    theirs = '{"device":{"identifiers":["x"],"via_device":"wallbox2mqtt_bridge_home"},"origin":{"name":"wallbox2mqtt"}}'
    own = f"homeassistant/device/wallbox2mqtt_wallbox_{ONE}/config"
    with harness.watch() as watcher:
        watcher.publish(CHARGER, theirs, retain=True)
        watcher.wait(CHARGER)
        harness.start(protocol=protocol)
        watcher.wait(own)
        harness.stop()
        assert standing(harness)[CHARGER] == theirs
        harness.start("off", protocol=protocol)
        watcher.wait(own, "")
        assert standing(harness)[CHARGER] == theirs


def test_home_assistant_starts(harness: Harness) -> None:
    with harness.watch() as watcher:
        harness.start()
        watcher.wait_for(is_whole, "both chargers are announced")
        before = watcher.last()
        watcher.forget()
        for _ in range(BIRTHS):
            watcher.publish("homeassistant/status", "online")
        watcher.wait_for(lambda heard: len({one.topic for one in heard}) == 1 + len(before), "all anew")
        assert {topic: text for topic, text in watcher.last().items() if topic.endswith("/config")} == before
        assert len(watcher.of(BRIDGE)) < BIRTHS, "several births are one, unless a busy machine delivers them apart"


def test_the_broker_forgets_everything(harness: Harness) -> None:
    harness.start()
    with harness.watch() as watcher:
        watcher.wait_for(is_whole, "both chargers are announced")
        before = watcher.last()
    harness.broker.stop()
    harness.broker.start()
    with harness.watch() as watcher:
        watcher.wait_for(lambda heard: {one.topic for one in heard} >= before.keys(), "all anew")
        assert watcher.last() == before


def test_a_charger_is_renamed(harness: Harness) -> None:
    with harness.watch() as watcher:
        harness.start()
        watcher.wait_for(is_whole, "both chargers are announced")
        before = json.loads(watcher.last()[CHARGER])
        watcher.publish(f"wallbox/{ONE}/name/set", "Carport")
        watcher.wait_for(lambda heard: any('"name":"Carport"' in one.payload for one in heard), "the new name")
        after = json.loads(watcher.last()[CHARGER])
        assert after["device"]["name"] == "Carport"
        assert [part.get("unique_id") for part in after["components"].values()] == [
            part.get("unique_id") for part in before["components"].values()
        ]


def with_other_firmware(harness: Harness) -> None:
    harness.stop()
    without = ("config_data.ecosmart", "finished")
    harness.cloud = harness.new_cloud(
        ChargerSpec(id=ONE, name="Garage", missing=without), ChargerSpec(id=TWO, model="old", name="Yard")
    )


def test_fields_go_with_a_tombstone_which_is_then_left_out(harness: Harness) -> None:
    with harness.watch() as watcher:
        harness.start()
        watcher.wait_for(is_whole, "both chargers are announced")
        assert "select_eco_smart" in components(watcher)
        with_other_firmware(harness)
        watcher.forget()
        harness.start()
        watcher.wait_for(lambda heard: sum(one.topic == CHARGER for one in heard) >= 2, "with and without tombstones")
        first, second = (json.loads(text)["components"] for text in watcher.of(CHARGER)[:2])
        assert first["select_eco_smart"] == {"platform": "select"}
        assert first["binary_sensor_finished"] == {"platform": "binary_sensor"}
        assert not {"select_eco_smart", "binary_sensor_finished"} & second.keys()
        assert len(first["sensor_basic_wifi_signal"]) > 1, "what has not been read yet is not gone"


def test_fields_go_in_the_form_of_entities(harness: Harness) -> None:
    topic = f"homeassistant/select/wallbox2mqtt_{ONE}/select_eco_smart/config"
    with harness.watch() as watcher:
        harness.start("entity")
        watcher.wait_for(is_whole, "both chargers are announced")
        assert watcher.last()[topic]
        with_other_firmware(harness)
        watcher.forget()
        harness.start("entity")
        watcher.wait(topic, "")
        assert topic not in standing(harness)


def test_a_charger_that_is_no_longer_served_is_taken_back(harness: Harness) -> None:
    with harness.watch() as watcher:
        harness.start()
        watcher.wait_for(is_whole, "both chargers are announced")
        harness.stop()
        harness.start(chargers=(TWO,))
        watcher.wait(CHARGER, "")
    assert standing(harness).keys() == {BRIDGE, f"homeassistant/device/wallbox2mqtt_{TWO}/config"}


@pytest.mark.parametrize("form", ["device", "entity"])
def test_switched_off_nothing_stays(harness: Harness, form: Discovery) -> None:
    with harness.watch() as watcher:
        harness.start(form)
        watcher.wait_for(is_whole, "both chargers are announced")
        harness.stop()
        before = standing(harness).keys()
        harness.start("off")
        watcher.wait_for(lambda heard: {one.topic for one in heard if not one.payload} == before, "all cleared")
    assert not standing(harness)


@pytest.mark.parametrize("form", ["device", "entity"])
def test_another_prefix(harness: Harness, form: Discovery) -> None:
    with harness.watch("#") as watcher:
        harness.start(form)
        watcher.wait_for(is_whole, "both chargers are announced")
        harness.stop()
        before = standing(harness)
        watcher.forget()
        harness.start(form, prefix="ha2")
        watcher.wait_for(lambda heard: is_whole([one for one in heard if one.topic.startswith("ha2/")]), "all anew")
    harness.stop()  # what it was about to publish is then there too
    after = standing(harness)
    assert {topic.replace("ha2/", "homeassistant/", 1) for topic in after} == before.keys()
    assert all(topic.startswith("ha2/") for topic in after)


@pytest.mark.parametrize(("old", "new"), [("device", "entity"), ("entity", "device")])
def test_migration(harness: Harness, old: Discovery, new: Discovery) -> None:
    """Flags on all that is old, then the old is cleared, then all that is new; once, and nothing is lost."""
    with harness.watch() as watcher:
        harness.start(old)
        watcher.wait_for(is_whole, "both chargers are announced")
        harness.stop()
        before = standing(harness)
        watcher.forget()
        harness.start(new)
        watcher.wait_for(lambda heard: {one.topic for one in heard if not one.payload} == before.keys(), "cleared")
        old_news = (MIGRATE, "")
        watcher.wait_for(
            lambda heard: is_whole([one for one in heard if one.payload not in old_news]), "all that is new"
        )
        for topic in before:
            assert watcher.of(topic) == [MIGRATE, ""], "nothing but the flag and the end, each once"
        for node in ("wallbox2mqtt_bridge_wallbox", f"wallbox2mqtt_{ONE}", f"wallbox2mqtt_{TWO}"):
            kinds = [
                "flag" if one.payload == MIGRATE else "new" if one.payload else "end"
                for one in watcher.heard
                if f"/{node}/" in one.topic
            ]
            assert list(dict.fromkeys(kinds)) == ["flag", "end", "new"]
    harness.stop()
    after = standing(harness)
    assert unique_ids(before) == unique_ids(after)
    assert not before.keys() & after.keys()
    for topic, text in after.items():
        assert not problems_of(topic, text)


def unique_ids(messages: dict[str, str]) -> set[str]:
    found: set[str] = set()
    for text in messages.values():
        document = json.loads(text)
        parts = document["components"].values() if "components" in document else [document]
        found |= {part["unique_id"] for part in parts if "unique_id" in part}
    return found


@pytest.mark.parametrize(
    ("names", "label"),
    [(("Garage", "garage"), "garage"), (("x" * 80 + "a", "x" * 80 + "b"), "x" * 64)],
    ids=["but for case", "but for what is left out"],
)
def test_chargers_of_one_name_are_told_apart(harness: Harness, names: tuple[str, str], label: str) -> None:
    harness.cloud = harness.new_cloud(
        ChargerSpec(id=ONE, name=names[0]), ChargerSpec(id=TWO, model="old", name=names[1])
    )
    with harness.watch() as watcher:
        harness.start()
        watcher.wait_for(is_whole, "both chargers are announced")
        assert components(watcher)["sensor_status"]["default_entity_id"] == f"sensor.{label}_{ONE}_status"


def test_a_damaged_state_file_does_no_harm(harness: Harness) -> None:
    harness.directory.mkdir()
    with harness.watch() as watcher:
        harness.start()
        watcher.wait_for(is_whole, "both chargers are announced")
        harness.stop()
        (file,) = harness.directory.glob("*-discovery.json")
        file.write_text('{"wallbox": {"a": 1, "b": {"prefix": "homeassistant", "form": "x", "components": {}}}}')
        watcher.forget()
        harness.start()
        watcher.wait_for(is_whole, "both chargers are announced")
        eventually(lambda: CHARGER.split("/")[2] in file.read_text(), "it is kept again")


def test_a_restart_changes_nothing(harness: Harness) -> None:
    """What only other documents tell (the model, the month) is not left out while they have not been read."""
    harness.cloud = harness.new_cloud(ChargerSpec(id=ONE, name="Garage"))
    with harness.watch() as watcher:
        harness.start()
        watcher.wait_for(lambda heard: any("wifi" in one.payload for one in heard), "the charger is announced")
        harness.stop()
        before = standing(harness)
        watcher.forget()
        harness.start()
        watcher.wait(CHARGER)
        harness.stop()
        assert {one.payload for one in watcher.heard if one.topic == CHARGER} == {before[CHARGER]}
