"""Reading the cloud's documents, with values kept by hand, and with whatever else may come."""

import copy
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hostile import json_values
from wallbox2mqtt.catalogue import FIELDS, Json, Shape
from wallbox2mqtt.cloud.documents import (
    LONGEST_KEY,
    LONGEST_TEXT,
    Listed,
    Origin,
    Reading,
    read_answer,
    read_basic,
    read_detail,
    read_sweep,
)
from wallbox2mqtt.errors import BadAnswerError
from wallbox2mqtt.simulator import capture
from wallbox2mqtt.topics import Topics, payload

BASIC = json.loads((Path(__file__).parents[1] / "fixtures" / "basic" / "seed.json").read_text(encoding="utf-8"))
NESTED_FEATURES = (
    '["DEFAULT_FEATURE","POWER_BOOST","MOBILE_CONNECTIVITY","CHARGER_SUBGROUPS","USER_SUBGROUPS",'
    '"DYNAMIC_POWER_SHARING","PAYMENTS","SET_UP_INCLUDED","BULK_ACTIONS","AUTOMATIC_REPORTING","BILLING","STATISTICS"]'
)

# Topic → payload, as the contract has them.
SEED: dict[str, str] = {
    "status_id": "210",
    "name": "PulsarPlus SN 9988552",
    "charging_power": "0",
    "max_available_power": "32",
    "added_range": "4",
    "added_energy": "0.546",
    "charging_time": "585",
    "finished": "true",
    "cost": "0",
    "current_mode": "3",
    "preventive_discharge": "false",
    "state_of_charge": "None",
    "ocpp_status": "4",
    "user_name": "Stephan",
    "car_plate": "None",
    "depot_price": "0.2",
    "last_sync": "2023-08-18T06:50:26+00:00",
    "mid_status": "1",
    "locked": "1",
    "auto_lock_time": "300",
    "max_charging_current": "32",
    "max_available_current": "32",
    "icp_max_current": "0",
    "home_sharing": "0",
    "energy_price": "0.24",
    "energyCost/value": "0.24",
    "energyCost/inheritedGroupId": "None",
    "rfid_type": "None",
    "plan/plan_name": "Business",
    "plan/features": NESTED_FEATURES,
    "currency/id": "1",
    "currency/symbol": "€",
    "currency/code": "EUR",
    "country/name": "ALEMANIA",
    "country/phone_code": "49",
    "timezone": "Europe/Berlin",
    "part_number": "PLP1-M-2-4-9-002-F",
    "software/updateAvailable": "false",
    "software/currentVersion": "5.17.59",
    "software/fileName": "plp1_5.17.59.tar",
    "operation_mode": "ocpp",
    "tariffs": "[]",
    "mid_serial_number": "None",
    "ecosmart/enabled": "false",
    "ecosmart/mode": "0",
    "ecosmart/percentage": "100",
    "contract_charging_available": "false",
    "sync_timestamp": "1692301922",
    "charger_id": "9988552",
    "serial_number": "9988552",
}
OF_2026: dict[str, str] = {
    "status_id": "209",
    "name": "Garage",
    "added_range": "477",
    "last_sync": "2026-10-05T17:00:05+00:00",
    "grid/status": "0",
    "pru/status": "0",
    "home_power_export_setpoint": "None",
    "max_charging_unit": "amp",
    "max_charging_value": "32",
    "phase_switch/enabled": "false",
    "zipcode": "None",
    "energy_price": "0.075",
    "depot_price": "0.05",
    "currency/code": "GBP",
    "currency/id": "48",
    "software/currentVersion": "6.7.43",
    "multiuser": "1",
    "auto_lock": "0",
    "session_segment_length": "300",
}


def payloads(reading: Reading) -> dict[str, str]:
    return {key: payload(value) for key, value in reading.values.items()}


def leaf_count(node: Json) -> int:
    return sum(leaf_count(part) for part in node.values()) if isinstance(node, dict) and node else 1


def detail(**config: Json) -> dict[str, Any]:
    """A small status document with these settings."""
    return {"status_id": 161, "config_data": config}


@pytest.mark.parametrize(("name", "expected"), [("pulsar-plus", SEED), ("pulsar-plus-2026", OF_2026)])
def test_captured_detail(name: str, expected: dict[str, str]) -> None:
    document = dict(capture(name))
    reading = read_detail(document)
    found = payloads(reading)
    assert {key: found.get(key) for key in expected} == expected
    assert reading.wrong == {}
    assert reading.complete
    # every value is there; the name and the meter's state stand twice
    assert len(found) == leaf_count(document) - 2
    assert found.keys() <= FIELDS.keys()


def test_captured_basic() -> None:
    reading = read_basic(BASIC)
    assert payloads(reading) == {
        "basic/id": "0",
        "basic/uid": "xyz",
        "basic/uniqueIdentifier": "wsUnanQQ",
        "basic/serialNumber": "xxwweerrr",
        "basic/name": "PulsarPlus SN 00000",
        "basic/group": "289814",
        "basic/groupUid": "xyz",
        "basic/chargerType": "PulsarPlus",
        "basic/softwareVersion": "5.17.59",
        "basic/softwareUpdatedAt": "1689715588",
        "basic/status": "210",
        "basic/ocppConnectionStatus": "4",
        "basic/ocppReady": "ocpp_1.6j",
        "basic/stateOfCharge": "None",
        "basic/maxChgCurrent": "None",
        "basic/maxAvailableCurrent": "32",
        "basic/maxChargingCurrent": "32",
        "basic/locked": "1",
        "basic/lastConnection": "1692341408",
        "basic/lastSync/date": "2023-08-17 20:01:46.000000",
        "basic/lastSync/timezone_type": "3",
        "basic/lastSync/timezone": "UTC",
        "basic/resume/totalUsers": "1",
    }
    assert reading.wrong == {}
    assert reading.complete


def test_captured_sweep() -> None:
    first, *rest = read_sweep(dict(capture("groups")))
    assert rest == []
    assert (first.charger_id, first.name, first.model) == (12345, "PulsarPlus SN 12345", "PulsarPlus")
    assert payloads(first.reading) == {
        "status_id": "181",
        "name": "PulsarPlus SN 12345",
        "locked": "0",
        "max_charging_current": "32",
        "added_energy": "8.359",
        "charging_power": "0",
        "charging_time": "5381",
        "ocpp_status": "1",
        "ocpp_ready": "ocpp_1.6j",
        "operation_mode": "wallbox",
        "mid_status": "1",
        "remote_action": "0",
        "software/currentVersion": "5.5.10",
        "software/latestVersion": "5.5.10",
        "software/updateAvailable": "false",
        "basic/chargerType": "PulsarPlus",
    }
    assert not first.reading.complete


# --- details


@pytest.mark.parametrize(
    ("document", "key", "expected"),
    [
        pytest.param({"name": "top", "config_data": {"name": "below"}}, "name", "top", id="name-at-the-top-counts"),
        pytest.param({"name": None, "config_data": {"name": "below"}}, "name", "None", id="null-at-the-top-counts"),
        pytest.param(detail(name="below"), "name", "below", id="name-of-config"),
        pytest.param({"mid_status": 2, "config_data": {"mid_status": 1}}, "mid_status", "2", id="mid-status"),
        pytest.param(detail(icp_max_current=-16), "icp_max_current", "16", id="icp-magnitude"),
        pytest.param(detail(icp_max_current=None), "icp_max_current", "None", id="icp-null"),
        pytest.param({"last_sync": ""}, "last_sync", "None", id="last-sync-empty"),
        pytest.param({"status_id": None}, "status_id", "None", id="null"),
        pytest.param({"car_plate": ""}, "car_plate", "None", id="empty"),
        pytest.param(detail(locked=True), "locked", "1", id="flag-as-boolean"),
        pytest.param(detail(ecosmart={"enabled": 1}), "ecosmart/enabled", "true", id="boolean-as-flag"),
        pytest.param(detail(tariffs=[{"a": 1}, None]), "tariffs", '[{"a":1},null]', id="list"),
        pytest.param(detail(software={}), "software", "{}", id="empty-object"),
        pytest.param({"max_available_power": 25.2}, "max_available_power", "25.2", id="float"),
        pytest.param(detail(new=[]), "new", "[]", id="unknown-list"),
        pytest.param(detail(new={}), "new", "{}", id="unknown-empty-object"),
        pytest.param(detail(new={"a": {"b": True}}), "new/a/b", "true", id="unknown-nested"),
        pytest.param(detail(new=10**400), "new", str(10**400), id="unknown-huge"),
        pytest.param(detail(new="ü\ud800€"), "new", "ü?€", id="unknown-surrogate"),
        pytest.param({"name": "Gar\ud800age"}, "name", "Gar?age", id="surrogate"),
        pytest.param({"name": "a\u202egnp\u2066\u200fb"}, "name", "agnpb", id="controls-of-direction"),
        pytest.param({"name": "\U0001f469\u200d\U0001f467"}, "name", "\U0001f469\u200d\U0001f467", id="joined-emoji"),
        pytest.param(detail(tariffs=["\ud800", {"\u202ea": math.nan}]), "tariffs", '["?",{"a":null}]', id="in-a-list"),
        pytest.param(detail(new=math.inf), "new", "None", id="unknown-without-end"),
        pytest.param(detail(**{"a\u202eb": 1}), "a_b", "1", id="direction-key"),
        pytest.param({"status_id": "194"}, "status_id", "194", id="number-as-text"),
        pytest.param({"charging_power": "7.20"}, "charging_power", "7.2", id="fraction-as-text"),
        pytest.param({"added_energy": "1e-05"}, "added_energy", "1e-05", id="exponent-as-text"),
        pytest.param({"charging_power": ""}, "charging_power", "None", id="no-number-as-text"),
        pytest.param(detail(locked="1"), "locked", "1", id="flag-as-text"),
        pytest.param(detail(icp_max_current="-16"), "icp_max_current", "16", id="icp-as-text"),
        pytest.param(detail(serial_number="0012"), "serial_number", "0012", id="a-text-stays-one"),
        pytest.param({"status_id": 1, "new": 1.5}, "new", "1.5", id="unknown-at-the-top"),
        pytest.param(detail(software={"new": "x"}), "software/new", "x", id="unknown-in-a-known-object"),
        pytest.param(detail(**{"a+b": 1}), "a_b", "1", id="plus"),
        pytest.param(detail(**{"a/b": 1}), "a_b", "1", id="slash"),
        pytest.param(detail(**{"#": 1}), "_", "1", id="hash"),
        pytest.param(detail(**{"a\0b": 1}), "a_b", "1", id="nul"),
        pytest.param(detail(**{"$SYS": 1}), "_SYS", "1", id="dollar"),
        pytest.param(detail(**{"": 1}), "_", "1", id="empty-key"),
        pytest.param(detail(**{"a\ud800": 1}), "a?", "1", id="surrogate-key"),
        pytest.param(detail(**{"a\uffff": 1}), "a_", "1", id="non-character-key"),
        pytest.param(detail(availability=1), "availability_", "1", id="reserved-availability"),
        pytest.param(detail(basic={"x": 1}), "basic_/x", "1", id="reserved-basic"),
        pytest.param(detail(event="x"), "event_", "x", id="reserved-event"),
        *(
            pytest.param(detail(**{name: 1}), f"{name}_", "1", id=f"reserved-{name}")
            for name in (
                *("session", "last_session", "history", "schedule", "schedules", "control", "why", "evcc"),
                *("last_problem", "energy_total", "energy_discharged_total", "energy_green_total"),
            )
        ),
        pytest.param(detail(evcc={"status": "x"}), "evcc_/status", "x", id="name-of-a-derived-field-deeper"),
        pytest.param(detail(set="x"), "set_", "x", id="reserved-set"),
        pytest.param(detail(result={"set": 1}), "result_/set_", "1", id="reserved-deeper"),
        pytest.param(detail(status="x"), "status_", "x", id="name-of-a-derived-field"),
        pytest.param({"status_id": 1, "firmware": "x"}, "firmware_", "x", id="name-of-a-derived-field-at-the-top"),
        pytest.param(detail(bridge="x"), "bridge", "x", id="bridge-is-free-below-a-charger"),
    ],
)
def test_value_of_a_detail(document: Json, key: str, expected: str) -> None:
    reading = read_detail(document)
    assert payloads(reading).get(key) == expected
    assert reading.wrong == {}


def test_null_config_data_counts_as_missing() -> None:
    with_null, without = read_detail({"status_id": 1, "config_data": None}), read_detail({"status_id": 1})
    assert with_null.values == without.values == {"status_id": 1}


def test_null_object_leaves_its_members_out() -> None:
    reading = read_detail(detail(software=None, ecosmart=None))
    assert reading.values == {"status_id": 161}
    assert reading.wrong == {}
    assert reading.complete, "so that whoever had them knows that they are gone"


def test_an_empty_detail_says_that_all_is_gone() -> None:
    assert read_detail({}) == Reading({}, origin=Origin.DETAIL)
    assert read_detail({"config_data": {}}) == Reading({}, origin=Origin.DETAIL)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param("ok", id="text"),
        pytest.param(1, id="number"),
        pytest.param({"status_id": 1, "config_data": []}, id="config-list"),
        pytest.param({"status_id": 1, "config_data": "x"}, id="config-text"),
        pytest.param({"status_id": 1, "config_data": 0}, id="config-number"),
        pytest.param({"status_id": 1, "config_data": False}, id="config-false"),
        pytest.param({"error": True, "msg": "busy"}, id="an-error-with-200"),
        pytest.param({"result": {"groups": []}}, id="another-document"),
    ],
)
def test_no_detail(document: Json) -> None:
    with pytest.raises(BadAnswerError) as caught:
        read_detail(document)
    assert caught.value.reason == "bad_answer"


def test_little_is_quoted_of_what_is_no_detail() -> None:
    """It is written into the log each time."""
    document: Json = {f"{letter}" * 500_000: 1 for letter in "abcd"}
    with pytest.raises(BadAnswerError) as caught:
        read_detail(document)
    assert "aaaa" in str(caught.value)
    assert len(str(caught.value)) < 300


WRONG: dict[Shape, list[Json]] = {
    Shape.NUMBER: ["one", "1 A", "01", "+1", "1,5", "1e999", True, [], [1], {"a": 1}, 10**400],
    Shape.FLAG: ["2", "on", 2, 0.5, [], {"a": 1}],
    Shape.BOOLEAN: ["true", "2", 2, [], {"a": 1}],
    Shape.TEXT: [1, True, [], {"a": 1}],
    Shape.LIST: [1, "x", True, {"a": 1}],
}


def put(path: str, value: Json) -> dict[str, Any]:
    """A document with this value at a dotted path."""
    for part in reversed(path.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def test_wrong_kinds_stay_out_and_are_named() -> None:
    for row in FIELDS.values():
        for value in WRONG[row.quantity.shape] if row.detail else ():
            reading = read_detail({"status_id": 161, "cost": 0} | put(row.detail or "", value))
            assert list(reading.wrong) == [row.key], f"{value!r}: the others suffer"
            assert row.key not in reading.values, value
            assert "expected" in reading.wrong[row.key]


def test_wrong_kinds_of_basic_stay_out_and_are_named() -> None:
    for row in FIELDS.values():
        for value in WRONG[row.quantity.shape] if row.basic else ():
            reading = read_basic({"data": {"chargerData": put(row.basic or "", value)}})
            assert row.key in reading.wrong, value
            assert row.key not in reading.values, value


@pytest.mark.parametrize("value", ["5.17", 5, True, [], [1]], ids=repr)
def test_no_object_where_members_are_known(value: Json) -> None:
    reading = read_detail(detail(software=value))
    assert reading.values == {"status_id": 161}
    assert set(reading.wrong) == {key for key in FIELDS if key.startswith("software/")}
    assert "software is no object" in reading.wrong["software/currentVersion"]


def test_no_time_where_a_time_is_known() -> None:
    reading = read_detail({"status_id": 161, "last_sync": "soon"})
    assert "last_sync" not in reading.values
    assert "2026-10-05 17:00:05" in reading.wrong["last_sync"]


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"charging_time": -1648030457}, "charging_time"),
        ({"state_of_charge": 255}, "state_of_charge"),
        ({"state_of_charge": "101"}, "state_of_charge"),
        ({"added_energy": -0.5}, "added_energy"),
        (detail(ecosmart={"percentage": -1}), "ecosmart/percentage"),
    ],
)
def test_impossible_values_are_unknown_at_once(document: Json, key: str) -> None:
    reading = read_detail({"status_id": 161} | document if isinstance(document, dict) else document)
    assert reading.values[key] is None
    assert "expected 0 to" in reading.impossible[key]
    assert reading.wrong == {}


def test_negative_where_it_is_possible() -> None:
    reading = read_detail({"charging_power": -7.2, "cost": -0.1, "config_data": {"max_charging_current": -16}})
    assert list(reading.values.values()) == [-7.2, -0.1, -16]


@pytest.mark.parametrize(("status_id", "power"), [(196, -7.2), (195, 7.2), (194, 7.2), (None, 7.2)])
def test_power_out_of_the_car_is_negative(status_id: Json, power: float) -> None:
    assert read_detail({"charging_power": 7.2, "status_id": status_id}).values["charging_power"] == power
    (listed,) = read_sweep(sweep({"id": 1, "chargingPower": "7.2", "status": status_id}))
    assert listed.reading.values["charging_power"] == power


def test_power_that_is_negative_already_stays() -> None:
    assert read_detail({"charging_power": -7.2, "status_id": 196}).values["charging_power"] == -7.2
    assert str(read_detail({"charging_power": 0.0, "status_id": 196}).values["charging_power"]) == "0.0"


def test_impossible_values_of_every_document() -> None:
    basic = read_basic({"data": {"chargerData": {"wifiSignal": 255, "resume": {"totalEnergy": "-1"}}}})
    assert basic.values == {"basic/wifiSignal": None, "basic/resume/totalEnergy": None}
    (listed,) = read_sweep(sweep({"id": 1, "addedEnergy": -1, "status": "194"}))
    assert listed.reading.values == {"added_energy": None, "status_id": 194}


def test_an_unsafe_key_does_not_pass_for_a_known_field() -> None:
    configs: list[dict[str, Json]] = [{"auto_lock": 1, "auto+lock": "x"}, {"auto+lock": "x", "auto_lock": 1}]
    for config in configs:
        reading = read_detail(detail(**config))
        assert reading.values["auto_lock"] == 1
        assert reading.wrong == {}


def test_depth() -> None:
    deep: Json = 1
    for _ in range(60):
        deep = {"a": deep}
    (key,) = read_detail(detail(new=deep)).values.keys() - {"status_id"}
    assert key.count("/") == 20, "deeper levels are JSON: a broker takes 200 levels of a topic at the most"


def test_what_is_too_deep_for_json_is_left_out() -> None:
    for depth in range(850, 1000):
        deep = "[" * depth + "]" * depth
        try:
            document = json.loads(f'{{"status_id":161,"tariffs":{deep},"new":{deep}}}')
        except RecursionError:
            break
        reading = read_detail(document)
        assert reading.values["status_id"] == 161
        assert "tariffs" in reading.values or "deeply" in reading.wrong["tariffs"]
        assert reading.wrong.keys() <= {"tariffs"}, "an unknown field is not named: there is no end to them"


LONG_TEXT = "x" * LONGEST_TEXT


@pytest.mark.parametrize(
    ("config", "taken", "wrong"),
    [
        pytest.param({"k" * LONGEST_KEY: 1}, {"k" * LONGEST_KEY: 1}, {}, id="key-that-fits"),
        pytest.param({"k" * (LONGEST_KEY + 1): 1}, {}, {}, id="long-key"),
        pytest.param({"k" * 2_000_000: 1, "new": 2}, {"new": 2}, {}, id="very-long-key"),
        pytest.param({"a" * 150: {"b" * 50: 1, "b": 2}}, {"a" * 150 + "/b": 2}, {}, id="long-path"),
        pytest.param({"new": LONG_TEXT}, {"new": LONG_TEXT}, {}, id="text-that-fits"),
        pytest.param({"new": LONG_TEXT + "x"}, {}, {}, id="long-text"),
        pytest.param({"new": [LONG_TEXT]}, {}, {}, id="long-list"),
        pytest.param({"car_plate": "x" * 255}, {"car_plate": "x" * 255}, {}, id="known-text-that-fits"),
        pytest.param({"car_plate": "x" * 10_000}, {"car_plate": "x" * 254 + "…"}, {}, id="long-known-text"),
        pytest.param({"tariffs": [LONG_TEXT]}, {}, {"tariffs": "longer than 65536"}, id="long-known-list"),
    ],
)
def test_what_is_larger_than_any_field_is_left_out(
    config: dict[str, Json], taken: dict[str, Json], wrong: dict[str, str]
) -> None:
    reading = read_detail(detail(**config))
    assert reading.values == {"status_id": 161, **taken}
    assert reading.wrong.keys() == wrong.keys()
    assert all(reading.wrong[key].startswith(text) for key, text in wrong.items())


def test_what_is_left_out_is_told_once_a_run() -> None:
    """In a process of its own, because this one may have told it already."""
    program = """
from wallbox2mqtt.cloud.documents import read_detail
for number in range(3):
    read_detail({"status_id": 161, f"{number}" + "k" * 300: 1, "a": {f"{number}" + "k" * 300: 1}})
    read_detail({"status_id": 161, f"new{number}": "x" * 70_000})
"""
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stderr.splitlines()
    assert [line.rpartition("problem=")[2] for line in told] == [
        "'a name of more than 200 characters'",
        "'longer than 65536 characters'",
    ]
    assert all(len(line) < 200 for line in told)


def test_no_text_of_the_cloud_is_kept_for_ever() -> None:
    """CPython 3.12 never lets go of an interned text: the time of each read would stay."""
    document = json.loads('{"status_id":161,"a key of today":{"and below":"a value of today"}}')
    reading = read_detail(document)
    (value,) = reading.values.keys() - {"status_id"}
    for text in (value, reading.values[value]):
        assert isinstance(text, str)
        same = "".join(list(text))
        assert same is not text
        assert sys.intern(same) is same, "another one was interned before"


@given(json_values)
@example({"status_id": [], "config_data": {"software": {"currentVersion": {}}}})
def test_any_json_is_read_or_refused(document: Json) -> None:
    for read in (read_detail, read_basic):
        try:
            reading = read(document)
        except BadAnswerError:
            continue
        check(reading)
    try:
        for listed in read_sweep(document):
            check(listed.reading)
    except BadAnswerError:
        pass
    for form in ("v2", "config", None, "other"):
        check(read_answer(document, form))


def check(reading: Reading) -> None:
    """Whatever was read can be published: scalars on safe topics, none both right and wrong."""
    assert not reading.values.keys() & reading.wrong.keys()
    for key, value in reading.values.items():
        assert not isinstance(value, list | dict)
        assert payload(value).encode()
        topic = Topics("wallbox").field(1, key)
        assert topic.encode()
        assert not set("+#\0") & set(topic)
        assert all(topic.split("/"))
        assert topic.split("/")[-1] not in {"set", "result"}


_paths = [row.detail for row in FIELDS.values() if row.detail]


@given(st.lists(st.tuples(st.sampled_from(_paths), json_values), max_size=6))
def test_a_capture_with_anything_in_known_places(changes: list[tuple[str, Json]]) -> None:
    document: dict[str, Any] = copy.deepcopy(dict(capture("pulsar-plus")))
    for path, value in changes:
        *parents, name = path.split(".")
        node: Any = document
        for parent in parents:
            node = node.setdefault(parent, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict):
            node[name] = value
    reading = read_detail(document)
    check(reading)
    untouched = SEED.keys() - {key for key in SEED for path, _ in changes if _touches(path, key)}
    assert {key: payloads(reading)[key] for key in untouched} == {key: SEED[key] for key in untouched}


def _touches(path: str, key: str) -> bool:
    return FIELDS[key].detail == path or key == path.removeprefix("config_data.").replace(".", "/")


@given(st.dictionaries(st.text(max_size=6) | st.sampled_from(["set", "result", "availability", "$"]), json_values))
def test_unknown_keys_are_published(config: dict[str, Json]) -> None:
    reading = read_detail({"status_id": 161, "config_data": config})
    check(reading)
    if config:
        assert reading.values.keys() | reading.wrong.keys() != {"status_id"} or all(
            key in FIELDS or key in {parent.partition("/")[0] for parent in FIELDS} for key in config
        )


# --- basic


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"data": None},
        {"data": []},
        {"data": {}},
        {"data": {"chargerData": None}},
        {"data": {"chargerData": []}},
    ],
    ids=repr,
)
def test_no_basic(document: Json) -> None:
    with pytest.raises(BadAnswerError, match="chargerData"):
        read_basic(document)


@pytest.mark.parametrize(
    ("resume", "expected"),
    [
        pytest.param({"totalEnergy": "83610"}, {"basic/resume/totalEnergy": "83610"}, id="text"),
        pytest.param({"totalEnergy": 0}, {"basic/resume/totalEnergy": "0"}, id="number"),
        pytest.param({"totalEnergy": None}, {"basic/resume/totalEnergy": "None"}, id="null"),
        pytest.param({"new": True}, {"basic/resume/new": "true"}, id="unknown"),
    ],
)
def test_month_totals(resume: Json, expected: dict[str, str]) -> None:
    assert payloads(read_basic({"data": {"chargerData": {"resume": resume}}})) == expected


def test_people_are_not_read() -> None:
    document = copy.deepcopy(BASIC)
    document["data"]["users"] = [{"id": 1, "email": "someone@example.org"}]
    assert read_basic(document) == read_basic(BASIC)


# --- the list


ODD_IDS: list[Json] = [None, "1", True, 0, -1, 1.0, [], 7]


def sweep(*chargers: Json) -> Json:
    return {"result": {"groups": [{"id": 1, "chargers": list(chargers)}]}}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"result": None},
        {"result": []},
        {"result": {}},
        {"result": {"groups": None}},
        {"result": {"groups": {}}},
    ],
    ids=repr,
)
def test_no_list(document: Json) -> None:
    with pytest.raises(BadAnswerError, match="groups"):
        read_sweep(document)


@pytest.mark.parametrize(
    ("groups", "ids"),
    [
        pytest.param([], [], id="no-groups"),
        pytest.param([{"chargers": []}, {"chargers": None}, {}, None, 1], [], id="no-chargers"),
        pytest.param([{"chargers": [{"id": 1}, {"id": 2}]}, {"chargers": [{"id": 3}]}], [1, 2, 3], id="groups"),
        pytest.param([{"chargers": [{"id": 1, "locked": 1}]}, {"chargers": [{"id": 1, "locked": 0}]}], [1], id="twice"),
        pytest.param([{"chargers": [{"id": odd} for odd in ODD_IDS]}], [7], id="odd-ids"),
        pytest.param([{"chargers": [None, 1, [], {}, {"name": "x"}, {"id": 5}]}], [5], id="odd-chargers"),
    ],
)
def test_chargers_of_a_list(groups: Json, ids: list[int]) -> None:
    assert [listed.charger_id for listed in read_sweep({"result": {"groups": groups}})] == ids


def test_the_first_of_two_counts() -> None:
    document: Json = {
        "result": {"groups": [{"chargers": [{"id": 1, "locked": 1}]}, {"chargers": [{"id": 1, "locked": 0}]}]}
    }
    assert read_sweep(document) == [Listed(1, "", "", Reading({"locked": 1}))]


def test_name_and_model_of_a_list_are_cleaned() -> None:
    (listed,) = read_sweep(sweep({"id": 1, "name": "Gar\ud800age\u202e", "chargerType": "x" * 10_000}))
    assert listed.name == listed.reading.values["name"] == "Gar?age"
    assert listed.model == listed.reading.values["basic/chargerType"] == "x" * 254 + "…"


def test_only_rows_are_read_of_a_list() -> None:
    charger: Json = {
        "id": 1,
        "name": None,
        "chargerType": 5,
        "state": 181,
        "uid": "x",
        "maxChargingCurrent": None,
        "locked": "yes",
        "software": None,
        "new": 1,
    }
    (listed,) = read_sweep(sweep(charger))
    assert listed.reading.values == {}, "null is no news"
    assert set(listed.reading.wrong) == {"locked", "basic/chargerType"}
    assert (listed.name, listed.model) == ("", "")


# --- answers of writes


def test_answer_of_put_charger() -> None:
    document = copy.deepcopy(BASIC)
    document["data"]["chargerData"] |= {"locked": 0, "maxChargingCurrent": 16, "name": "Garage"}
    reading = read_answer(document, "v2")
    assert {key: reading.values[key] for key in ("locked", "max_charging_current", "name")} == {
        "locked": 0,
        "max_charging_current": 16,
        "name": "Garage",
    }
    assert reading.values["basic/maxChargingCurrent"] == 16
    assert reading.origin is Origin.PUT_CHARGER
    assert not reading.complete, "what is missing from a write's answer has not changed"


def test_the_answer_of_put_charger_is_the_whole_basic_document() -> None:
    """Each value of it that another document shows too is a reading of that field."""
    reading = read_answer(BASIC, "v2")
    shown = {key: value for key, value in reading.values.items() if not key.startswith("basic/")}
    assert shown == {
        "status_id": 210,
        "name": "PulsarPlus SN 00000",
        "locked": 1,
        "max_charging_current": 32,
        "max_available_current": 32,
        "ocpp_status": 4,
        "ocpp_ready": "ocpp_1.6j",
        "software/currentVersion": "5.17.59",
    }, "null says nothing"
    assert read_basic(BASIC).values.items() <= reading.values.items()


@pytest.mark.parametrize("wrap", [lambda config: config, lambda config: {"data": config}], ids=["plain", "under-data"])
def test_answer_of_post_config(wrap: Any) -> None:  # noqa: ANN401 - two lambdas
    config = {
        "energy_price": 0.3,
        "icp_max_current": -20,
        "home_sharing": 0,
        "currency": {"id": 48, "symbol": "£"},
        "max_charging_current": "all",
        "new": 1,
    }
    reading = read_answer(wrap(config), "config")
    assert reading.values == {
        "energy_price": 0.3,
        "icp_max_current": 20,
        "home_sharing": 0,
        "currency/id": 48,
        "currency/symbol": "£",
    }
    assert set(reading.wrong) == {"max_charging_current"}
    assert not reading.complete


def test_the_answer_of_post_config_is_the_whole_configuration() -> None:
    document = dict(capture("pulsar-plus-2026"))
    config = document["config_data"]
    answer, detail_values = read_answer(config, "config").values, read_detail({"config_data": config}).values
    twice = {"name", "mid_status"}  # these count where they stand at the top of the detail
    assert answer == {key: value for key, value in detail_values.items() if value is not None and key not in twice}


@pytest.mark.parametrize("form", ["v2", "config", None])
@pytest.mark.parametrize("document", [None, [], {}, "ok", 1, {"data": None}], ids=repr)
def test_answers_that_show_nothing(document: Json, form: str | None) -> None:
    reading = read_answer(document, form)
    assert (reading.values, reading.wrong) == ({}, {})


_NOTHING_IS_IMPORTED = """
import json, sys
from wallbox2mqtt.daemon import app
from wallbox2mqtt.cloud.documents import read_basic, read_detail, read_sweep
detail, basic, listed = (json.loads(text) for text in sys.argv[1:])
before = set(sys.modules)
assert read_detail(detail).values["last_sync"]
read_basic(basic)
read_sweep(listed)
print(*(set(sys.modules) - before))
"""


def test_nothing_is_imported_to_read_the_first_document() -> None:
    """Where no file can be opened any more an import fails, and would end the reader."""
    charger: Json = {"id": 7, "name": "Garage", "status": 161, "software": {"currentVersion": "1"}}
    documents: list[Json] = [
        {"status_id": 161, "last_sync": "2026-10-05 17:00:05", "config_data": {"locked": 0, "tariffs": [1]}},
        {"data": {"chargerData": charger}},
        {"result": {"groups": [{"chargers": [charger]}]}},
    ]
    command = [sys.executable, "-c", _NOTHING_IS_IMPORTED, *map(json.dumps, documents)]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)  # noqa: S603 - our own program
    assert done.stdout.split() == []
