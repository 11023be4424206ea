"""What is announced to Home Assistant: golden payloads, its rules, and that every word of it is understood here."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.ha_rules import problems_of
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import FIELDS, Json, parse
from wallbox2mqtt.catalogue.commands import ALLOW_FACTORY_RESET
from wallbox2mqtt.catalogue.slots import DAYS
from wallbox2mqtt.cloud.documents import read_basic, read_detail
from wallbox2mqtt.cloud.schedules import read_schedules
from wallbox2mqtt.homeassistant.bridge_device import bridge
from wallbox2mqtt.homeassistant.charger_device import ChargerDevice
from wallbox2mqtt.homeassistant.entities import COMPONENT_IDS, ROWS, expected_keys
from wallbox2mqtt.homeassistant.language import translations
from wallbox2mqtt.homeassistant.messages import Announcement, bridge_node, charger_node, slug
from wallbox2mqtt.simulator import MODELS, ChargerSpec, capture
from wallbox2mqtt.topics import Topics, payload

GOLDEN = Path(__file__).parents[1] / "golden" / "discovery"
TOPICS = Topics("wallbox")
NOTHING: Mapping[str, Json] = {}
LANGUAGES = ("de", "es", "fr", "it", "nl")
ID = 12345


def view_of(spec: ChargerSpec) -> dict[str, Json]:
    """The fields of a charger after its first detail and its first basic document."""
    basic: Json = {"data": {"chargerData": dict(capture("basic"))}}
    states = ChargerStates(TOPICS, lambda *_: None, 45)
    states.take_reading(spec.id, read_detail(dict(spec.detail)), 0, None)
    states.take_reading(spec.id, read_basic(basic), 0, None)
    snapshot = states.snapshot(spec.id)
    assert snapshot is not None
    return dict(snapshot.values)


def announced(
    model: str = "pulsar-plus",
    changes: Mapping[str, Json] = NOTHING,
    allowed: frozenset[str] = frozenset(),
    *,
    label: str | None = None,
    language: str = "en",
) -> tuple[Announcement, dict[str, Json]]:
    view = {**view_of(ChargerSpec(id=ID, model=model, name="Garage")), **changes}
    return ChargerDevice(
        TOPICS, ID, charger_node(ID), bridge_node(TOPICS.base), view, allowed=allowed, label=label, language=language
    ).announcement(), view


def components(model: str = "pulsar-plus", changes: Mapping[str, Json] = NOTHING) -> dict[str, Any]:
    found: dict[str, Any] = announced(model, changes)[0].components
    return found


def entities(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Without the triggers, which have neither id nor name."""
    return {name: part for name, part in parts.items() if part["platform"] != "device_automation"}


def pretty(announcement: Announcement) -> str:
    (text,) = announcement.messages("homeassistant", "device", {}).values()
    # the version changes with each release, and is no part of what is held here
    document = json.loads(text)
    del document["origin"]["sw_version"]
    if "via_device" not in document["device"]:
        del document["device"]["sw_version"]
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", [*MODELS, "bridge"])
def test_golden(name: str, *, update_golden: bool) -> None:
    text = pretty(bridge(TOPICS) if name == "bridge" else announced(name)[0])
    file = GOLDEN / f"{name}.json"
    if update_golden:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), "if this is meant: pytest --update-golden, and look at the diff"


@pytest.mark.parametrize("form", ["device", "entity"])
@pytest.mark.parametrize("model", MODELS)
def test_rules_of_home_assistant(model: str, form: str) -> None:
    announcement, _ = announced(model, allowed=frozenset({ALLOW_FACTORY_RESET}))
    gone = {"sensor_gone": "sensor"}
    for topic, text in announcement.messages("homeassistant", form, gone).items():
        assert text == "" if "sensor_gone" in topic else not problems_of(topic, text), topic
        assert "object_id" not in text
        assert '"retain"' not in text


@pytest.mark.parametrize("form", ["device", "entity"])
@pytest.mark.parametrize("base", ["wallbox", "home/Wallbox 2", "€"])
def test_rules_of_home_assistant_for_the_bridge(base: str, form: str) -> None:
    for topic, text in bridge(Topics(base)).messages("homeassistant", form, {}).items():
        assert not problems_of(topic, text)


def test_ids_and_names_are_unique() -> None:
    assert len(set(COMPONENT_IDS.values())) == len(COMPONENT_IDS)
    for model in MODELS:
        parts = entities(announced(model, allowed=frozenset({ALLOW_FACTORY_RESET}))[0].components)
        ids = [str(part["unique_id"]) for part in parts.values()]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("name", "unique_id"),
    [
        ("sensor_status", "wallbox2mqtt_12345_status"),
        ("lock_locked", "wallbox2mqtt_12345_locked"),
        ("number_max_charging_current", "wallbox2mqtt_12345_max_charging_current"),
        ("sensor_basic_wifi_signal", "wallbox2mqtt_12345_basic_wifi_signal"),
        ("switch_ecosmart_enabled", "wallbox2mqtt_12345_ecosmart_enabled"),
        ("button_resume_schedule", "wallbox2mqtt_12345_resume_schedule"),
        ("button_refresh", "wallbox2mqtt_12345_refresh"),
        ("update_firmware", "wallbox2mqtt_12345_firmware"),
    ],
)
def test_ids_are_those_of_the_contract(name: str, unique_id: str) -> None:
    assert components()[name]["unique_id"] == unique_id


def sent_by_home_assistant(component: Mapping[str, Any]) -> list[str]:
    """Every kind of payload that its controls send for an entity."""
    match component["platform"]:
        case "lock":
            return [component["payload_lock"], component["payload_unlock"]]
        case "switch":
            return [component["payload_on"], component["payload_off"]]
        case "select":
            return list(component["options"])
        case "number":
            return [str(component["min"]), str(component["max"])]
        case "button":
            return [component["payload_press"]]
        case "update":
            return [component["payload_install"]]
        case "text":
            return ["Carport"]
    return []


@pytest.mark.parametrize("model", MODELS)
def test_every_topic_is_there_and_every_command_is_understood(model: str) -> None:
    allowed = frozenset({ALLOW_FACTORY_RESET})
    announcement, view = announced(model, {"software/updateAvailable": True, "icp_max_current": 16}, allowed)
    told = ("availability", "event/command", "event/session", "last_problem", "why", "why/code")
    topics = {TOPICS.field(ID, key) for key in (*view, *told)}
    for name, component in announcement.components.items():
        assert component.get("state_topic") in {None, *topics}
        for text in sent_by_home_assistant(component):
            command = TOPICS.parse_command(str(component["command_topic"]))
            assert command is not None, name
            parse(FIELDS[command.key], text, view, allowed)


@pytest.mark.parametrize("model", MODELS)
def test_every_state_is_one_that_home_assistant_takes(model: str) -> None:
    announcement, view = announced(model)
    for name, component in announcement.components.items():
        value = view.get(str(component.get("state_topic")).removeprefix(f"wallbox/{ID}/"))
        if value is None:
            continue
        shown: Any = component
        match shown["platform"]:
            case "sensor" if "options" in shown:
                assert value in shown["options"]
            case "sensor" if "state_class" in shown or "unit_of_measurement" in shown:
                float(payload(value))
            case "select":
                assert value in shown["options"]
            case "number":
                assert isinstance(value, int | float), name
                assert shown["min"] <= value <= shown["max"]
            case "binary_sensor" | "switch":
                assert payload(value) in {shown["payload_on"], shown["payload_off"]}
            case "lock":
                assert payload(value) in {shown["state_locked"], shown["state_unlocked"]}
            case "update":
                assert json.loads(str(value)).keys() <= {"installed_version", "latest_version", "in_progress"}


def test_nothing_tells_of_a_person() -> None:
    people = {f"wallbox/{ID}/{row.key}" for row in FIELDS.values() if row.hidden}
    assert people
    for model in MODELS:
        assert not people & {str(part.get("state_topic")) for part in components(model).values()}


def test_only_what_a_charger_has() -> None:
    assert "select_eco_smart" in components("pulsar-plus")
    assert not {"select_eco_smart", "switch_ecosmart_enabled", "binary_sensor_finished"} & components("old").keys()
    assert {"switch_home_sharing", "number_icp_max_current"} <= components("old").keys()
    without = components("old", {"plan/features": '["DEFAULT_FEATURE"]'})
    assert not {"switch_home_sharing", "number_icp_max_current"} & without.keys()


def test_no_current_of_power_boost_while_it_is_unknown() -> None:
    assert "number_icp_max_current" not in components("old", {"icp_max_current": None})


def test_the_current_of_power_boost_can_be_set_from_0() -> None:
    """A state out of range is an error in Home Assistant, so the range begins with 0 as long as it is 0."""
    assert components("old", {"icp_max_current": 0})["number_icp_max_current"]["min"] == 0
    assert components("old", {"icp_max_current": 25})["number_icp_max_current"]["min"] == 1


NIGHT: Json = {
    "id": 0,
    "enable": True,
    "start": "2030",
    "stop": "0400",
    "days": dict.fromkeys(DAYS, True),
    "max_current": 16,
    "max_energy": 0,
}
SLOT = read_schedules({"schedules": [NIGHT]}, 120).values
SLOT_PARTS = {
    "switch_schedule_0_enabled",
    "time_schedule_0_start",
    "time_schedule_0_stop",
    "text_schedule_0_days",
    "number_schedule_0_current",
}


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
@pytest.mark.parametrize("has_times", [True, False], ids=["time", "text"])
def test_a_schedule_that_exists_is_announced(language: str, *, has_times: bool) -> None:
    view = {**view_of(ChargerSpec(id=ID)), **SLOT}
    device = ChargerDevice(
        TOPICS, ID, charger_node(ID), bridge_node(TOPICS.base), view, language=language, has_times=has_times
    ).announcement()
    parts: dict[str, Any] = device.components
    expected = SLOT_PARTS if has_times else {name.replace("time_", "text_") for name in SLOT_PARTS}
    named = {name for name in parts if "schedule_" in name and parts[name].get("enabled_by_default", True)}
    assert named - {"button_resume_schedule"} == expected
    for topic, text in device.messages("homeassistant", "device", {}).items():
        assert not problems_of(topic, text)
    start = parts["time_schedule_0_start" if has_times else "text_schedule_0_start"]
    assert start["state_topic"] == f"wallbox/{ID}/schedule/0/start"
    assert start["command_topic"] == f"wallbox/{ID}/schedule/0/start/set"
    assert start["unique_id"] == f"wallbox2mqtt_{ID}_schedule_0_start"


def test_a_schedule_that_is_gone_is_not_announced() -> None:
    gone = components(changes=dict.fromkeys(SLOT))
    assert not SLOT_PARTS & gone.keys()


def test_a_schedule_that_may_come_later_stays() -> None:
    for names in (SLOT_PARTS, {name.replace("time_", "text_") for name in SLOT_PARTS}):
        expected = expected_keys(names, basic=False, schedules=True)
        assert expected == {f"schedule/0/{part}" for part in ("enabled", "start", "stop", "days", "current")}
        assert not expected_keys(names, basic=False, schedules=False)


@pytest.mark.parametrize("model", MODELS)
def test_what_ocpp_blocks_is_unavailable_under_it(model: str) -> None:
    availability = {"topic": f"wallbox/{ID}/control", "payload_available": "wallbox", "payload_not_available": "ocpp"}
    blocked = {name for name, part in components(model).items() if availability in part.get("availability", ())}
    assert blocked == {"lock_locked", "switch_charging_enabled", "button_pause", "button_resume"}
    for name in blocked:
        assert components(model)[name]["availability"][:-1] == announced(model)[0].shared["availability"]


def test_control_is_enabled_where_ocpp_runs_the_charger() -> None:
    assert "enabled_by_default" not in components(changes={"control": "ocpp"})["sensor_control"]
    assert components(changes={"control": "wallbox"})["sensor_control"]["enabled_by_default"] is False
    unknown = components(changes={"control": None})["lock_locked"]
    assert "availability" not in unknown, "it could never become available"


@pytest.mark.parametrize("model", MODELS)
def test_a_charger_has_few_everyday_entities(model: str) -> None:
    """There are at most 32."""
    parts = entities(announced(model)[0].components)
    assert sum(part.get("enabled_by_default", True) for part in parts.values()) <= 32


@pytest.mark.parametrize(
    ("name", "changes", "enabled"),
    [
        ("sensor_last_sync", {}, False),
        ("sensor_current_mode", {}, False),
        ("sensor_depot_price", {}, False),
        ("sensor_max_available_power", {}, False),
        ("button_pause", {}, False),
        ("button_resume", {}, False),
        ("binary_sensor_ocpp_status", {"ocpp_status": 1}, False),
        ("binary_sensor_ocpp_status", {"ocpp_status": None}, False),
        ("binary_sensor_ocpp_status", {"ocpp_status": 4}, True),
        ("sensor_added_discharged_energy", {"added_discharged_energy": 0}, False),
        ("sensor_added_discharged_energy", {"added_discharged_energy": 1.2}, True),
        ("sensor_added_discharged_energy", {"part_number": "QSX", "added_discharged_energy": 0}, True),
    ],
)
def test_what_a_charger_does_not_use_is_disabled_at_first(
    name: str, changes: dict[str, Json], *, enabled: bool
) -> None:
    assert components("pulsar-plus", changes)[name].get("enabled_by_default", True) is enabled


@pytest.mark.parametrize("name", ["sensor_last_poll", "sensor_reads_last_hour", "sensor_writes_last_hour"])
def test_counters_of_the_bridge_are_disabled_at_first(name: str) -> None:
    assert bridge(TOPICS).components[name]["enabled_by_default"] is False


@pytest.mark.parametrize("key", ["energy_price", "max_charging_current", "icp_max_current"])
def test_a_number_has_a_sensor_beside_it_for_statistics(key: str) -> None:
    parts = components("pulsar-plus", {"icp_max_current": 25})
    sensor, number = parts[f"sensor_{key}"], parts[f"number_{key}"]
    assert sensor["state_topic"] == number["state_topic"]
    assert sensor["unit_of_measurement"] == number["unit_of_measurement"]
    assert sensor["state_class"] == "measurement"
    assert sensor["enabled_by_default"] is False
    assert sensor["unique_id"] != number["unique_id"]


@pytest.mark.parametrize(
    ("name", "unit", "template"),
    [
        ("sensor_basic_resume_total_energy", "kWh", "{{ value | float / 1000 if is_number(value) else value }}"),
        ("sensor_charging_time", "min", "{{ value | float / 60 if is_number(value) else value }}"),
        ("sensor_live_refresh_time", "s", None),
        ("sensor_added_energy", "kWh", None),
    ],
)
def test_units_are_those_that_people_read(name: str, unit: str, template: str | None) -> None:
    sensor = components()[name]
    assert (sensor["unit_of_measurement"], sensor.get("value_template")) == (unit, template)


@pytest.mark.parametrize("name", ["sensor_cost", "sensor_added_range", "sensor_added_energy"])
def test_what_begins_anew_with_each_session_is_summed_up(name: str) -> None:
    """Of «total» without a reset's time Home Assistant's statistics subtract what a session had at its end."""
    sensor = components()[name]
    assert sensor["state_class"] == "total_increasing"
    assert sensor.get("device_class") != "monetary"


def test_what_becomes_of_commands_is_told() -> None:
    """Also while the cloud or the charger is away: that is when commands fail."""
    event, problem = components()["event_event_command"], components()["sensor_last_problem"]
    assert event["event_types"] == ["ok", "rejected", "failed", "superseded", "not_confirmed"]
    assert event["state_topic"] == "wallbox/12345/event/command"
    assert problem["state_topic"] == "wallbox/12345/last_problem"
    assert problem["entity_category"] == "diagnostic"
    assert event["availability"] == problem["availability"] == [{"topic": "wallbox/bridge/state"}]


def test_each_event_of_a_session_triggers_automations() -> None:
    parts = components()
    for word in parts["event_event_session"]["event_types"]:
        assert parts[f"device_automation_session_{word}"] == {
            "platform": "device_automation",
            "automation_type": "trigger",
            "type": f"session_{word}",
            "subtype": "session",
            "topic": "wallbox/12345/event/session",
            "value_template": "{{ value_json.event_type }}",
            "payload": word,
        }


def test_why_is_available_without_charger_and_cloud() -> None:
    why, code = components()["sensor_why"], components()["sensor_why_code"]
    assert why["state_topic"] == "wallbox/12345/why"
    assert why["availability"] == code["availability"] == [{"topic": "wallbox/bridge/state"}]
    assert "enabled_by_default" not in why
    assert (code["device_class"], code["entity_category"], code["enabled_by_default"]) == ("enum", "diagnostic", False)


def test_the_car_battery_is_not_the_chargers_own() -> None:
    assert "device_class" not in components("quasar")["sensor_state_of_charge"]


def test_factory_reset_is_a_button_only_where_it_is_allowed() -> None:
    assert "button_factory_reset" not in components()
    button = announced(allowed=frozenset({ALLOW_FACTORY_RESET}))[0].components["button_factory_reset"]
    assert button["enabled_by_default"] is False


@pytest.mark.parametrize(
    ("model", "changes", "expected"),
    [
        pytest.param("pulsar-plus", {}, (6, 32, 1), id="to the charger's own limit"),
        pytest.param("pulsar-plus", {"max_available_current": 16, "max_charging_current": 16}, (6, 16, 1), id="16"),
        pytest.param("quasar", {}, (-32, 32, 1), id="quasar"),
        pytest.param("pulsar-plus", {"max_charging_current": 40}, (6, 40, 1), id="above the limit"),
        pytest.param("pulsar-plus", {"max_charging_current": 0}, (0, 32, 1), id="below the limit"),
        pytest.param("pulsar-plus", {"max_charging_current": None}, (6, 32, 1), id="unknown"),
        pytest.param(
            "pulsar-plus", {"max_available_current": 4, "max_charging_current": 4}, (4, 6, 1), id="too little"
        ),
    ],
)
def test_bounds_of_the_current(model: str, changes: dict[str, Json], expected: tuple[float, float, float]) -> None:
    number = components(model, changes)["number_max_charging_current"]
    assert (number["min"], number["max"], number["step"]) == expected


@pytest.mark.parametrize(
    ("code", "unit"), [("EUR", "EUR"), ("EUR/kWh", "EUR"), ("€", None), (None, None), ("euro", None), ("", None)]
)
def test_currency(code: Json, unit: str | None) -> None:
    shown = components(changes={"currency/code": code})
    cost, price, number = shown["sensor_cost"], shown["sensor_depot_price"], shown["number_energy_price"]
    assert cost.get("unit_of_measurement") == unit
    assert cost.get("state_class") == ("total_increasing" if unit else None)
    assert price.get("unit_of_measurement") == number.get("unit_of_measurement") == (f"{unit}/kWh" if unit else None)


def test_the_state_of_charge_is_enabled_where_known() -> None:
    assert components("pulsar-plus")["sensor_state_of_charge"]["enabled_by_default"] is False
    assert "enabled_by_default" not in components("quasar", {"state_of_charge": None})["sensor_state_of_charge"]
    assert "enabled_by_default" not in components("pulsar-plus", {"state_of_charge": 40})["sensor_state_of_charge"]


def test_the_device_names_itself() -> None:
    announcement, _ = announced("quasar", {"basic/chargerType": "Quasar"})
    assert announcement.shared["device"] == {
        "identifiers": ["wallbox2mqtt_12345"],
        "name": "Garage",
        "manufacturer": "Wallbox",
        "model": "Quasar",
        "model_id": "QSX1-0-2-4-9-002-E",
        "serial_number": "12345",
        "sw_version": "6.7.43",
        "configuration_url": "https://my.wallbox.com/",
        "via_device": "wallbox2mqtt_bridge_wallbox",
    }


@pytest.mark.parametrize(
    "text",
    ["N" * 65_536, "\u33af" * 65_536, "aB" * 32_768, "\U0001f600" * 65_536, "\ud800" * 65_536, "\0" * 65_536],
    ids=["letters", "letters of many", "words", "emoji", "surrogates", "control"],
)
def test_long_texts_make_no_long_messages(text: str) -> None:
    keys = ["name", "part_number", "basic/chargerType", "software/currentVersion", "currency/code"]
    long, _ = announced(changes=dict.fromkeys(keys, text))
    for form, most in (("device", 50_000), ("entity", 5_000)):
        for topic, message in long.messages("homeassistant", form, {}).items():
            assert len(message.encode()) < most
            assert not problems_of(topic, message)
    assert len(long.model) <= 100, "it is kept"


def test_an_allowed_name_is_shown_unchanged() -> None:
    name = "x" * 64
    device: Any = announced(changes={"name": name})[0].shared["device"]
    assert device["name"] == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Garage", "garage"),
        ("Süd  #1", "sud_1"),
        ("Größe ø Łódź", "grosse_o_lodz"),
        ("\u0413\u0430\u0440\u0430\u0436 \u0419\u043e\u0434 \u0429\u0443\u043a\u0430", "garazh_iod_shchuka"),
        ("\u0393\u03ba\u03b1\u03c1\u03ac\u03b6", "gkaraz"),
        ("Æther œuvre þ đ ð", "aether_oeuvre_th_d_d"),
        ("Bob's Box", "bob_s_box"),
        ("1,5 kW & co", "15_kw_co"),
        ("a\u2014b\u00a0c", "a_b_c"),
        ("車庫", ""),
        ("\U0001f697", ""),
    ],
)
def test_names_become_ids_as_in_home_assistant(name: str, expected: str) -> None:
    """The right sides come from Home Assistant's own ``slugify``, but for scripts that it reads aloud."""
    assert slug(name) == expected


def test_home_assistant_makes_the_ids_of_entities() -> None:
    """A given id overrides the user's own when a component returns, and when ids are recreated."""
    for language in LANGUAGES:
        text = str(announced(language=language)[0].components) + str(bridge(TOPICS, language).components)
        assert "default_entity_id" not in text


def test_an_id_is_given_where_home_assistant_would_make_none() -> None:
    parts: dict[str, Any] = announced(label="garage_12345")[0].components
    assert parts["sensor_status"]["default_entity_id"] == "sensor.garage_12345_status"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("model", MODELS)
def test_every_name_and_option_is_translated(model: str, language: str) -> None:
    english, _ = announced(model, {"icp_max_current": 25}, frozenset({ALLOW_FACTORY_RESET}))
    parts = entities({**english.components, **bridge(TOPICS).components})
    texts = {part["name"] for part in parts.values()} | {
        one for part in parts.values() for one in part.get("options", [])
    }
    assert not {text for text in texts if not translations(language).get(text)}


def test_every_row_is_translated() -> None:
    names = {row.name for row in ROWS} | {button.name for row in FIELDS.values() for button in row.buttons}
    words = {word for row in ROWS for word in row.words}
    for language in LANGUAGES:
        assert not (names | words) - translations(language).keys()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("model", MODELS)
def test_rules_of_home_assistant_in_each_language(model: str, language: str) -> None:
    for announcement in (announced(model, language=language)[0], bridge(TOPICS, language)):
        for topic, text in announcement.messages("homeassistant", "device", {}).items():
            assert not problems_of(topic, text)
        names = [(part["platform"], slug(str(part["name"]))) for part in entities(announcement.components).values()]
        assert len(set(names)) == len(names), "two entities of one name"
        assert all(name for _, name in names)


def test_labels_are_translated_both_ways() -> None:
    parts: dict[str, Any] = announced(language="de")[0].components
    select, status = parts["select_eco_smart"], parts["sensor_status"]
    assert select["options"] == ["Aus", "Öko", "Nur Sonne"]
    assert select["value_template"] == '{{ {"off":"Aus","eco":"Öko","full_green":"Nur Sonne"}.get(value, value) }}'
    assert select["command_template"] == '{{ {"Aus":"off","Öko":"eco","Nur Sonne":"full_green"}.get(value, value) }}'
    assert "Gesperrt - Auto verbunden" in status["options"]
    assert '"Locked - Car connected":"Gesperrt - Auto verbunden"' in status["value_template"]
    assert select["unique_id"] == components()["select_eco_smart"]["unique_id"]
    assert "value_template" not in components()["select_eco_smart"]


def test_the_bridge_comes_back_by_itself() -> None:
    shown: dict[str, Any] = bridge(TOPICS).components
    assert "availability" not in shown["binary_sensor_state"]
    assert all(part["availability"] for name, part in shown.items() if name != "binary_sensor_state")
    contact = components()["binary_sensor_availability"]
    assert {"topic": TOPICS.availability(ID)} not in contact["availability"]


@pytest.mark.parametrize(("length", "most"), [(1, 64), (64, 64), (100, 100), (5000, 255)])
def test_a_longer_name_is_still_a_state(length: int, most: int) -> None:
    assert components(changes={"name": "x" * length})["text_name"]["max"] == most


@pytest.mark.parametrize(
    ("base", "node"),
    [("wallbox", "wallbox2mqtt_bridge_wallbox"), ("Home/Ladesäule", "wallbox2mqtt_bridge_home_ladesaule")],
)
def test_node_of_the_bridge(base: str, node: str) -> None:
    assert bridge_node(base) == node
    assert slug("") == ""
