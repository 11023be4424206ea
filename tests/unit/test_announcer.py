"""When a charger is announced, and what is taken back: with no broker, and a clock that stands still."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.documents import read_detail, read_sweep
from wallbox2mqtt.cloud.schedules import read_schedules
from wallbox2mqtt.config import HomeAssistantConfig
from wallbox2mqtt.homeassistant.announced import AnnouncedDevices
from wallbox2mqtt.homeassistant.announcer import Announcer, Missing
from wallbox2mqtt.homeassistant.holders import Holder, Holders
from wallbox2mqtt.homeassistant.messages import MIGRATE
from wallbox2mqtt.homeassistant.ranges import Ranges
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.simulator import ChargerSpec
from wallbox2mqtt.storage import DISK, Disk, Storage
from wallbox2mqtt.topics import Topics

Discovery = Literal["device", "entity", "off"]
ONE = 12345
BRIDGE = "homeassistant/device/wallbox2mqtt_bridge_wallbox/config"
CHARGER = f"homeassistant/device/wallbox2mqtt_{ONE}/config"


class EndError(Exception):
    """The program has ended, in the middle of it all."""


class Broker:
    """In the place of the connection and its broker: keeps what is published, and tells it to who listens.

    ``ends_at``: the program ends with the first message whose topic has this in it, and that says something.
    """

    online = is_settled = keeps_up = True

    def __init__(self, retained: Mapping[str, str] | None = None, *, ends_at: str | None = None) -> None:
        self.retained, self.ends_at = dict(retained or {}), ends_at
        self.published: list[tuple[str, str]] = []
        self.filters: set[str] = set()
        self.asked: list[str] = []

    def publish(self, topic: str, text: str) -> None:
        self.published.append((topic, text))
        self.retained[topic] = text
        if not text:
            del self.retained[topic]
        if self.ends_at is not None and self.ends_at in topic and text != MIGRATE:
            raise EndError

    def show(self, topic: str, text: str) -> None:
        self.published.append((topic, text))

    def listen(self, filters: Sequence[str]) -> None:
        self.filters |= set(filters)
        self.asked += filters

    def leave(self, filters: Sequence[str]) -> None:
        self.filters -= set(filters)

    def answers(self) -> list[tuple[str, str]]:
        """What it keeps on the topics that were asked for."""
        asked, self.asked = self.asked, []
        return [(topic, text) for topic, text in self.retained.items() for name in asked if matches(name, topic)]

    def of(self, topic: str) -> list[str]:
        return [text for name, text in self.published if name == topic]

    def components(self, topic: str = CHARGER) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.of(topic)[-1])["components"]
        return found


def matches(name: str, topic: str) -> bool:
    levels, wanted = topic.split("/"), name.split("/")
    return len(levels) == len(wanted) and all(one in {"+", level} for one, level in zip(wanted, levels, strict=True))


class CountingDisk(Disk):
    """Counts the files that are put in place."""

    def __init__(self) -> None:
        self.replaced: list[str] = []

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        self.replaced.append(target.name)


class Bridge:
    """What is known of the chargers, and who announces it."""

    def __init__(
        self,
        directory: Path,
        clock: FakeClock,
        broker: Broker,
        form: Discovery = "device",
        *,
        base: str = "wallbox",
        disk: Disk = DISK,
        **config: Any,  # noqa: ANN401 - other keys of home_assistant
    ) -> None:
        self.clock, self.broker = clock, broker
        store, topics = Storage(directory, "account", disk=disk), Topics(base)
        ranges = Ranges(cast("MqttConnection", broker))
        self.states = ChargerStates(topics, ranges.show, 45, store)
        self.registry = Registry((), clock, store)
        self.announcer = Announcer(
            HomeAssistantConfig(discovery=form, **config),
            topics=topics,
            mqtt=cast("MqttConnection", broker),
            states=self.states,
            registry=self.registry,
            store=store,
            clock=clock,
            allowed=frozenset(),
            ranges=ranges,
        )

    def connect(self) -> None:
        """Connect, and give the broker the time to tell what it keeps."""
        self.announcer.connected()
        self.settle()

    def settle(self) -> None:
        """Let the broker answer, and time pass until nothing more is asked or due."""
        for _ in range(4):
            for topic, text in self.broker.answers():
                self.announcer.take(topic, text.encode(), retained=True)
                self.announcer.look()
            self.clock.advance(1)
            self.announcer.look()

    def read_list(self, *specs: ChargerSpec) -> None:
        chargers: list[Json] = [{"id": spec.id, "name": spec.name, **_LISTED} for spec in specs]
        listing = read_sweep({"result": {"groups": [{"chargers": chargers}]}})
        self.registry.record_list(one.charger_id for one in listing)
        for one in listing:
            self.states.take_reading(one.charger_id, one.reading, self.clock.monotonic(), None)
        self.announcer.look()
        self.settle()

    def read_detail(self, spec: ChargerSpec, config: Mapping[str, Json] | None = None) -> None:
        """Read a charger's detail, with other values in ``config_data``."""
        document = dict(spec.detail)
        known = document["config_data"]
        assert isinstance(known, dict)
        document["config_data"] = {**known, **(config or {})}
        self.states.take_reading(spec.id, read_detail(document), self.clock.monotonic(), None)
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
    bridge.connect()
    return bridge


def test_the_list_announces_and_the_detail_completes(bridge: Bridge, broker: Broker) -> None:
    bridge.read_list(SPEC)
    first = broker.components()
    assert {"lock_locked", "sensor_status", "switch_charging_enabled", "button_refresh"} <= first.keys()
    assert "select_eco_smart" not in first
    bridge.read_detail(SPEC)
    assert "select_eco_smart" in broker.components()
    assert all(len(part) > 1 for part in broker.components().values()), "nothing of it was taken back"


class SlowBroker(Broker):
    """One to which each announcement takes a second."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def publish(self, topic: str, text: str) -> None:
        super().publish(topic, text)
        if topic.endswith("/config"):
            self._clock.advance(1.0)


def test_many_chargers_are_announced_in_parts(tmp_path: Path, clock: FakeClock) -> None:
    broker = SlowBroker(clock)
    bridge = Bridge(tmp_path, clock, broker)
    bridge.connect()
    bridge.read_list(*(ChargerSpec(id=ONE + number) for number in range(30)))

    def count() -> int:
        return len({topic for topic in broker.retained if topic.endswith("/config")})

    announced = [count()]
    while announced[-1] < 31:  # the chargers and the bridge
        bridge.announcer.look()
        announced.append(count())
    assert announced[0] < 31
    assert all(1 <= after - before <= 5 for before, after in pairwise(announced))


def test_a_fleet_takes_few_writes_to_be_announced(tmp_path: Path, clock: FakeClock, broker: Broker) -> None:
    disk = CountingDisk()
    bridge = Bridge(tmp_path, clock, broker, disk=disk)
    bridge.connect()
    bridge.read_list(*(ChargerSpec(id=ONE + number) for number in range(50)))
    assert len([topic for topic in broker.retained if topic.endswith("/config")]) == 51
    assert sum(name.endswith("-discovery.json") for name in disk.replaced) <= 14


def test_what_the_broker_has_is_written_down_already(tmp_path: Path, clock: FakeClock) -> None:
    broker = Broker(ends_at=f"wallbox2mqtt_{ONE + 2}/")
    bridge = Bridge(tmp_path, clock, broker)
    bridge.connect()
    with pytest.raises(EndError):
        bridge.read_list(*(ChargerSpec(id=ONE + number) for number in range(4)))
    announced = {topic.split("/")[2] for topic in broker.retained}
    assert announced >= {f"wallbox2mqtt_{ONE}", f"wallbox2mqtt_{ONE + 2}"}
    assert set(AnnouncedDevices(Storage(tmp_path, "account"), "wallbox")) >= announced


def test_a_busy_broker_gets_a_fleet_in_parts(bridge: Bridge, broker: Broker) -> None:
    def count() -> int:
        return sum(topic.endswith("/config") for topic in broker.retained)

    broker.keeps_up = False
    bridge.connect()
    bridge.read_list(*(ChargerSpec(id=ONE + number) for number in range(30)))
    assert count() == 1, "the bridge alone"
    broker.keeps_up = True
    bridge.announcer.look()
    assert count() == 26
    bridge.announcer.look()
    assert count() == 31


def started_again(directory: Path, clock: FakeClock, broker: Broker) -> Bridge:
    """Return a bridge that has read the list, after one that has announced the charger with its detail."""
    first = Bridge(directory, clock, Broker())
    first.connect()
    first.read_list(SPEC)
    first.read_detail(SPEC)
    again = Bridge(directory, clock, broker)
    broker.retained |= first.broker.retained
    again.connect()
    again.read_list(SPEC)
    return again


def test_the_list_takes_nothing_from_a_charger_that_is_known(tmp_path: Path, clock: FakeClock, broker: Broker) -> None:
    started_again(tmp_path, clock, broker)
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


def test_a_restart_takes_nothing_away_that_comes_later(tmp_path: Path, clock: FakeClock, broker: Broker) -> None:
    first = Bridge(tmp_path, clock, broker)
    first.connect()
    first.read_list(SPEC)
    first.read_detail(SPEC)
    for key in ("energy_total", "last_session/energy"):
        first.states.show(ONE, key, 12.5)
    first.announcer.look()
    assert {"sensor_energy_total", "sensor_last_session_energy"} <= broker.components().keys()
    broker.published.clear()
    again = Bridge(tmp_path, clock, broker)
    again.connect()
    again.read_list(SPEC)
    again.read_detail(SPEC)
    assert all(len(part) > 1 for text in broker.of(CHARGER) for part in json.loads(text)["components"].values())


def read_slots(bridge: Bridge, *numbers: int) -> None:
    slot: dict[str, Json] = {"enable": 1, "start": "2000", "stop": "0400", "days": {}, "max_current": 16}
    document: Json = {"schedules": [{**slot, "id": number} for number in numbers]}
    bridge.states.take_reading(ONE, read_schedules(document, 0), bridge.clock.monotonic(), None)
    bridge.announcer.look()


def test_a_schedule_that_goes_is_taken_away_as_all_is(tmp_path: Path, clock: FakeClock, broker: Broker) -> None:
    first = Bridge(tmp_path, clock, broker)
    first.connect()
    first.read_list(SPEC)
    first.read_detail(SPEC)
    assert "time_schedule_0_start" not in broker.components()
    read_slots(first, 0, 1)
    first.read_detail(SPEC)
    read_slots(first, 0)
    for at_s in (0, 60, 3540):
        assert "command_topic" in broker.components()["time_schedule_1_start"]
        first.clock.advance(at_s)
        first.read_detail(SPEC)
    assert broker.components()["time_schedule_1_start"] == {"platform": "time"}
    assert "command_topic" in broker.components()["time_schedule_0_start"]
    again = Bridge(tmp_path, clock, broker)
    again.connect()
    again.read_list(SPEC)
    again.read_detail(SPEC)
    assert "command_topic" in broker.components()["time_schedule_0_start"], "it may come later"
    read_slots(again)
    assert broker.components()["time_schedule_0_start"] == {"platform": "time"}


def test_times_become_texts_for_an_older_home_assistant(tmp_path: Path, clock: FakeClock, broker: Broker) -> None:
    for form, gone in (("time", "text"), ("text", "time")):
        bridge = Bridge(tmp_path, clock, broker, times_as=form)
        bridge.connect()
        bridge.read_list(SPEC)
        bridge.read_detail(SPEC)
        read_slots(bridge, 0)
        assert "command_topic" in broker.components()[f"{form}_schedule_0_start"]
        assert broker.components().get(f"{gone}_schedule_0_start", {"platform": gone}) == {"platform": gone}
    bridge.announcer.announce()
    assert "time_schedule_0_start" not in broker.components(), "an old one refuses the whole device for it"


def test_the_first_detail_decides_at_once(tmp_path: Path, clock: FakeClock, broker: Broker) -> None:
    again = started_again(tmp_path, clock, broker)
    again.read_detail(ChargerSpec(id=ONE, name="Garage", missing=("config_data.ecosmart",)))
    assert [json.loads(text)["components"].get("select_eco_smart") for text in broker.of(CHARGER)] == [
        {"platform": "select"}
    ]


def test_what_only_the_list_had_counts_until_the_first_detail(tmp_path: Path, clock: FakeClock) -> None:
    bridge = Bridge(tmp_path, clock, Broker())
    bridge.connect()
    bridge.read_list(SPEC)
    assert bridge.states.value(ONE, "locked") == 1
    for lost in ({}, {"locked": 1}):
        bridge.read_detail(SPEC, {"locked": None})
        assert (snapshot := bridge.states.snapshot(ONE)) is not None
        assert snapshot.lost == lost
        bridge.read_detail(SPEC, {"locked": 1})


def test_fields_of_the_basic_document_need_three_hours() -> None:
    missing = Missing()
    less: dict[str, Json] = {"name": "Garage"}
    lost: dict[str, Json] = {"basic/wifiSignal": 50}
    assert not any(missing.record(lost, at) for at in range(0, 3 * 3600, 60))
    assert missing.fill(less, lost) == less | lost
    assert missing.record(lost, 3 * 3600)
    assert missing.fill(less, lost) == less
    assert not missing.record({}, 3 * 3600 + 60)
    assert missing.fill(less, lost) == less | lost


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
    first = Broker(ends_at=NODE)
    with pytest.raises(EndError):
        Bridge(tmp_path, clock, first, form).connect()
    then = Broker(first.retained)
    Bridge(tmp_path, clock, then, "off").connect()
    assert {first.published[0][0], left} <= {topic for topic, text in then.published if not text}


@pytest.mark.parametrize(("old", "new"), [("device", "entity"), ("entity", "device")])
@pytest.mark.parametrize("then", ["off", "device", "entity"])
def test_a_migration_that_ends_in_the_middle_leaves_no_orphan(
    tmp_path: Path, clock: FakeClock, old: Discovery, new: Discovery, then: Discovery
) -> None:
    broker = Broker()
    first = Bridge(tmp_path, clock, broker, old)
    first.connect()
    first.read_list(SPEC)
    first.read_detail(SPEC)
    whole = set(broker.retained)
    broker.ends_at = f"wallbox2mqtt_{ONE}/"
    moving = Bridge(tmp_path, clock, broker, new)
    with pytest.raises(EndError):
        killed(moving)
    broker.ends_at = None
    last = Bridge(tmp_path, clock, broker, then)
    last.connect()
    last.read_list(SPEC)
    last.read_detail(SPEC)
    last.settle()
    if then == "off":
        assert not broker.retained
    if then == old:
        assert set(broker.retained) == whole
    if then == new:
        assert not set(broker.retained) & whole


def killed(bridge: Bridge) -> None:
    """Start until the end, which comes with the first message of the charger's new form."""
    bridge.connect()
    bridge.read_list(SPEC)
    bridge.read_detail(SPEC)
    bridge.settle()


def foreign(text: str, base: str) -> str:
    """An announcement as another bridge, with another base topic, would make it."""
    return text.replace('"wallbox/', f'"{base}/').replace("wallbox2mqtt_bridge_wallbox", f"wallbox2mqtt_bridge_{base}")


@pytest.fixture
def others(tmp_path: Path, clock: FakeClock) -> dict[str, str]:
    """What another bridge has announced of the same charger, as versions before this one did."""
    broker = Broker()
    bridge = Bridge(tmp_path / "other", clock, broker)
    bridge.connect()
    bridge.read_list(SPEC)
    bridge.read_detail(SPEC)
    return {CHARGER: foreign(broker.retained[CHARGER], "home")}


@pytest.mark.parametrize("prefix", ["homeassistant", "home/ha"])
@pytest.mark.parametrize("form", ["device", "entity"])
def test_what_another_bridge_has_announced_is_not_overwritten(
    tmp_path: Path,
    clock: FakeClock,
    others: dict[str, str],
    form: Discovery,
    prefix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    charger = CHARGER.replace("homeassistant", prefix)
    broker = Broker({charger: others[CHARGER]})
    bridge = Bridge(tmp_path, clock, broker, form, prefix=prefix)
    for _ in range(2):
        bridge.connect()
        bridge.read_list(SPEC)
        bridge.read_detail(SPEC)
    assert broker.retained[charger] == others[CHARGER]
    assert not [topic for topic, _ in broker.published if f"/wallbox2mqtt_{ONE}/" in topic]
    assert any(f"/wallbox2mqtt_wallbox_{ONE}/" in topic for topic in broker.retained)
    assert "another bridge has announced this device" in caplog.text
    assert caplog.text.count("another bridge") == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"device":{"identifiers":["x"],"via_device":"wallbox2mqtt_bridge_home"},"origin":{"name":"wallbox2mqtt"}}',
        '{"device": {"identifiers": ["x"]}, "origin": {"name": "something else"}, "components": {}}',
        "\x00 no JSON",
    ],
    ids=["another bridge", "another program", "whatever"],
)
def test_origin_and_device_tell_who_has_announced_it(tmp_path: Path, clock: FakeClock, text: str) -> None:
    broker = Broker({CHARGER: text})
    bridge = Bridge(tmp_path, clock, broker)
    bridge.connect()
    bridge.read_list(SPEC)
    assert broker.retained[CHARGER] == text


@pytest.mark.parametrize(("form", "prefix"), [("off", "homeassistant"), ("device", "homeassistant"), ("device", "ha2")])
def test_what_another_bridge_has_announced_is_not_cleared(
    tmp_path: Path, clock: FakeClock, others: dict[str, str], form: Discovery, prefix: str
) -> None:
    """Two earlier versions that see the same charger both wrote there; the other one was the last."""
    first = Bridge(tmp_path, clock, Broker())
    first.connect()
    first.read_list(SPEC)
    broker = Broker(others)
    then = Bridge(tmp_path, clock, broker, form, prefix=prefix)
    then.connect()
    then.read_list(ChargerSpec(id=7, name="Yard"))
    assert broker.retained[CHARGER] == others[CHARGER]


def test_ids_have_a_base_topic_other_than_the_default(tmp_path: Path, clock: FakeClock) -> None:
    broker = Broker()
    bridge = Bridge(tmp_path, clock, broker, base="Home/Wallbox")
    bridge.connect()
    bridge.read_list(SPEC)
    parts = broker.components(f"homeassistant/device/wallbox2mqtt_home_wallbox_{ONE}/config")
    assert parts["lock_locked"]["unique_id"] == f"wallbox2mqtt_home_wallbox_{ONE}_locked"


@pytest.mark.parametrize("keeps_state", [True, False], ids=["kept", "lost"])
def test_what_was_announced_keeps_its_ids_for_good(tmp_path: Path, clock: FakeClock, *, keeps_state: bool) -> None:
    """An earlier version announced it without the base topic; ``off`` and on again changes nothing."""
    old: Json = {"kinds": [{}], "devices": {f"wallbox2mqtt_{ONE}": _OLD}}
    if keeps_state:
        Storage(tmp_path, "account").write("discovery", {"home": old})
    stands = '{"device":{"via_device":"wallbox2mqtt_bridge_home"},"origin":{"name":"wallbox2mqtt","sw_version":"1"}}'
    broker = Broker({CHARGER: stands})
    forms: tuple[Discovery, ...] = ("device", "off", "device")
    for form in forms:
        bridge = Bridge(tmp_path, clock, broker, form, base="home")
        bridge.connect()
        bridge.read_list(SPEC)
        assert (CHARGER in broker.retained) == (form == "device")
    assert not [topic for topic in broker.retained if f"_home_{ONE}" in topic]


_OLD: Json = {"prefix": "homeassistant", "form": "device", "kind": 0, "model": ""}


def test_bases_of_the_same_letters_have_two_bridges(tmp_path: Path, clock: FakeClock) -> None:
    broker = Broker()
    for base in ("home/a", "home_a"):
        bridge = Bridge(tmp_path / base, clock, broker, base=base)
        bridge.connect()
        bridge.read_list(SPEC)
    devices = [json.loads(text)["device"] for text in broker.retained.values()]
    assert len({device["identifiers"][0] for device in devices}) == 4
    assert len({device["via_device"] for device in devices if "via_device" in device}) == 2


def test_nothing_is_looked_up_or_announced_at_a_busy_cluster(bridge: Bridge, broker: Broker) -> None:
    bridge.read_list(SPEC)
    broker.is_settled = False
    announced = len(broker.of(CHARGER))
    broker.filters.clear()
    bridge.connect()
    assert not broker.filters
    assert len(broker.of(CHARGER)) == announced
    broker.is_settled = True
    bridge.settle()
    assert len(broker.of(CHARGER)) > announced


def test_a_broker_that_forgot_gets_what_the_list_has(tmp_path: Path, clock: FakeClock) -> None:
    first = Bridge(tmp_path, clock, Broker())
    first.connect()
    first.read_list(SPEC)
    first.read_detail(SPEC)
    broker = Broker()
    again = Bridge(tmp_path, clock, broker)
    again.connect()
    again.read_list(SPEC)
    assert "lock_locked" in broker.components()
    again.read_detail(ChargerSpec(id=ONE, name="Garage", missing=("config_data.ecosmart",)))
    assert broker.components()["select_eco_smart"] == {"platform": "select"}, "that it stood there is not forgotten"


def test_new_options_wait_until_the_old_are_gone(tmp_path: Path, clock: FakeClock) -> None:
    """Home Assistant shows an error where the state of a sensor is none of its new options."""
    broker = Broker()
    first = Bridge(tmp_path, clock, broker)
    first.connect()
    first.read_list(SPEC)
    first.read_detail(SPEC)
    then = Bridge(tmp_path, clock, broker, language="de")
    broker.published.clear()
    then.connect()
    then.read_list(SPEC)
    then.read_detail(SPEC)
    then.settle()
    for topic, name in ((CHARGER, "sensor_status"), (CHARGER, "select_eco_smart"), (BRIDGE, "sensor_cloud_reason")):
        parts = [json.loads(text)["components"][name] for text in broker.of(topic)]
        assert parts[0] == {"platform": name.partition("_")[0]}
        assert "value_template" in parts[-1]
        assert len(parts) == 2
    assert len(broker.components()) == len(first.broker.components())


def test_a_changed_prefix_leaves_nothing_below_the_old_one(tmp_path: Path, clock: FakeClock) -> None:
    """What stands below the new prefix is from long ago; what stands below the last one is still cleared."""
    broker = Broker()
    for prefix in ("homeassistant", "ha2", "homeassistant"):
        long_ago = dict(broker.retained)
        bridge = Bridge(tmp_path, clock, broker, prefix=prefix)
        bridge.connect()
        bridge.read_list(SPEC)
        bridge.read_detail(SPEC)
        bridge.settle()
        assert {topic.partition("/")[0] for topic in broker.retained} == {prefix}
        old = {topic: text for topic, text in long_ago.items() if topic.startswith("homeassistant/")}
        broker.retained = {**old, **broker.retained}


CURRENT = f"wallbox/{ONE}/max_charging_current"


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        (
            "max_charging_current",
            {"max_available_current": 16, "max_charging_current": 16},
            {"max_available_current": 32, "max_charging_current": 32},
        ),
        ("max_charging_current", {"max_charging_current": 16}, {"max_charging_current": 2}),
        ("icp_max_current", {"icp_max_current": 25}, {"icp_max_current": 0}),
    ],
    ids=["above", "below", "Power Boost to 0"],
)
def test_a_range_is_announced_before_the_value_that_needs_it(
    bridge: Bridge, broker: Broker, key: str, before: dict[str, Json], after: dict[str, Json]
) -> None:
    bridge.read_list(SPEC)
    bridge.read_detail(SPEC, before)
    bridge.settle()
    broker.published.clear()
    topic, value = f"wallbox/{ONE}/{key}", str(after[key])
    bridge.read_detail(SPEC, after)
    known = [name for name, _ in broker.published if name in {CHARGER, topic}]
    assert known == [CHARGER, topic]
    number = broker.components()[f"number_{key}"]
    assert number["min"] <= float(value) <= number["max"]
    bridge.settle()
    assert broker.of(topic) == [value, value], "once more, for Home Assistant may not have been ready"


def test_a_number_that_fits_is_shown_once(bridge: Bridge, broker: Broker) -> None:
    bridge.read_list(SPEC)
    bridge.read_detail(SPEC, {"max_charging_current": 16})
    bridge.settle()
    broker.published.clear()
    bridge.read_detail(SPEC, {"max_charging_current": 13})
    bridge.settle()
    assert broker.of(CURRENT) == ["13"]


def test_a_number_is_not_held_back_for_ever(bridge: Bridge, broker: Broker) -> None:
    """Whoever else listens has a value that no range will ever allow, too."""
    bridge.read_list(SPEC)
    bridge.read_detail(SPEC)
    broker.published.clear()
    bridge.states.take_reading(
        ONE, read_detail({**SPEC.detail, "config_data": _broken()}), bridge.clock.monotonic(), None
    )
    bridge.announcer.look()
    assert broker.of(CURRENT) == ["99"]


def _broken() -> dict[str, Json]:
    config = dict(SPEC.detail)["config_data"]
    assert isinstance(config, dict)
    return {**config, "max_charging_current": 99}


def test_a_broker_that_is_slow_to_tell_is_waited_for(tmp_path: Path, clock: FakeClock, others: dict[str, str]) -> None:
    broker = Broker()
    bridge = Bridge(tmp_path, clock, broker)
    bridge.connect()
    bridge.registry.record_list([ONE, 7])
    bridge.states.take_reading(ONE, read_detail(dict(SPEC.detail)), clock.monotonic(), None)
    bridge.announcer.detail_read(ONE)
    for _ in range(5):
        clock.advance(0.9)
        bridge.announcer.take("homeassistant/device/wallbox2mqtt_7/config", b"{}", retained=True)
        bridge.announcer.look()
    assert not broker.of(CHARGER)
    bridge.announcer.take(CHARGER, others[CHARGER].encode(), retained=True)
    bridge.settle()
    assert not broker.of(CHARGER)


@given(st.text(), st.text())
def test_whatever_stands_there_is_read(topic: str, text: str) -> None:
    broker, clock = Broker(), FakeClock()
    holders = Holders(cast("MqttConnection", broker), ["homeassistant"], Topics("wallbox"), clock)
    holders.ask([NODE])
    for one in (topic, BRIDGE, f"homeassistant/sensor/{NODE}/{topic}/config"):
        holders.take(one, text.encode(errors="replace"), retained=True)
    clock.advance(1)
    assert holders.of(NODE) in {Holder.NOBODY, Holder.ANOTHER}


def test_nobody_listens_longer_than_needed(bridge: Bridge, broker: Broker) -> None:
    bridge.read_list(SPEC)
    assert not broker.filters
