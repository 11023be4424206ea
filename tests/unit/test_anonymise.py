"""Nothing that could tell who, where or which one survives in a copy for a bug report, wherever it stood."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import json_values
from wallbox2mqtt.catalogue import FIELDS, Json
from wallbox2mqtt.cli.anonymise import Anonymiser, Document
from wallbox2mqtt.simulator import capture

HERE = Path(__file__).parents[1]
DOCUMENTS: dict[str, tuple[Document, dict[str, Any]]] = {
    "2023": ("detail", dict(capture("pulsar-plus"))),
    "2026": ("detail", dict(capture("pulsar-plus-2026"))),
    "list": ("list", dict(capture("groups"))),
    "basic": ("basic", json.loads((HERE / "fixtures" / "basic" / "seed.json").read_text(encoding="utf-8"))),
}
KINDS = get_args(Document)

# Each is searched for as it is, in any case, in all that is left: names, addresses, plates, serials, tokens, places.
SECRETS: tuple[str | int | float, ...] = (
    "Stephanie", "Müller-Lüdenscheidt", "jane.doe@example.org", "B-MW 1234", "1234 BCD", "M-AB-123", "900001234",
    "SN 7736251", "PulsarPlus SN 7736251", "01GZXM2K3R9V8W7T6S5Q4P3N2M", "wsUnanQQ", "8934071179001234567",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "Hauptstraße 12", "10115", "SW1A 1AA", "+49 30 901820",
    "Europe/Berlin", "DEU", "ALEMANIA", "52.520008,13.404954", "192.168.178.20", "00:1B:44:11:3A:B7", "Güntzelkiez",
    "Tokyo 東京タワー", "s3cr3t!pass", "!§$%&", "Casa de Ana", "2001:db8::7334", "JANE_DOE", "jane", "ÉLODIE",
    "Zoë's car",
    7736251, 900001234, 286113777, 49301234567, 52.520008, 13.404954, 8934071179001234567, 10117,
)  # fmt: skip


def texts(value: Json) -> Iterator[str]:
    """Every name and every leaf, as it would be read."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def survives(secret: object, copied: Json) -> bool:
    return any(str(secret).casefold() in text.casefold() for text in texts(copied))


def copied(document: Document, body: Json, *secrets: str) -> Json:
    return Anonymiser([(document, body)], secrets).copy(document, body)


def places(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a document: of leaves, of objects, of lists."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def put(document: Any, path: tuple[str | int, ...], value: Json) -> Json:  # noqa: ANN401 - any JSON with such a place
    """A document with this value in a place; all else is shared with the given one."""
    if not path:
        return value
    changed = copy.copy(document)
    changed[path[0]] = put(document[path[0]], path[1:], value)
    return changed  # type: ignore[no-any-return]


def test_a_secret_survives_nowhere() -> None:
    """In the place of anything that is recorded, known or not, harmless or not."""
    tried = set[tuple[Document, tuple[str | int, ...]]]()
    for document, body in DOCUMENTS.values():
        for path in {(document, path) for path in places(body)} - tried:
            for secret in SECRETS:
                left = copied(document, put(body, path[1], secret))
                assert not survives(secret, left), (path, secret)
            tried.add(path)


def test_nor_in_keys_that_nobody_knew() -> None:
    for secret in SECRETS:
        cases: dict[str, dict[str, Json]] = {
            "top": {"newThing": secret}, "list": {"newThings": [1, [secret]]}, "object": {"a": {"b": {"c": secret}}},
            "key": {str(secret): 1, "owner": secret},
        }  # fmt: skip
        for path, unknown in cases.items() if isinstance(secret, str) else ():
            left = copied("detail", {**DOCUMENTS["2026"][1], **unknown, "user_name": secret})
            assert not survives(secret, left), (path, secret)


_secrets = st.sampled_from(SECRETS)
_planted = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | _secrets,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "x", "newKey"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(DOCUMENTS)), st.data())
def test_no_secret_survives_however_it_is_wrapped(name: str, data: st.DataObject) -> None:
    document, body = DOCUMENTS[name]
    for _ in range(data.draw(st.integers(1, 4))):
        body = put(body, data.draw(st.sampled_from(sorted(places(body), key=str))), data.draw(_planted))  # type: ignore[assignment]
    left = list(texts(copied(document, body)))
    here = set(texts(body))
    for secret in SECRETS:
        if str(secret) in here:
            assert not [one for one in left if str(secret).casefold() in one.casefold()], secret


@given(st.sampled_from(KINDS), json_values)
def test_any_json_keeps_its_structure(document: Document, body: Json) -> None:
    def shape(value: Json) -> object:
        if isinstance(value, dict):
            return [shape(inner) for inner in value.values()]
        if isinstance(value, list):
            return [shape(inner) for inner in value]
        return type(value) if value is None or isinstance(value, bool | str) else "number"

    left = copied(document, body)
    assert shape(left) == shape(body)
    json.dumps(left)


def test_far_too_deep() -> None:
    body: Json = json.loads('{"a":' * 800 + '"Stephanie"' + "}" * 800)
    assert not survives("Stephanie", copied("detail", body))


# --- and it is still of use


@pytest.mark.parametrize("name", ["2023", "2026"])
def test_what_a_bug_report_needs_is_left(name: str) -> None:
    document, body = DOCUMENTS[name]
    left: Any = copied(document, body)
    assert list(left) == list(body)
    assert list(left["config_data"]) == list(body["config_data"])
    for path in (
        "status_id", "charging_power", "added_energy", "added_range", "last_sync", "ocpp_status", "finished",
        "config_data.locked", "config_data.max_charging_current", "config_data.icp_max_current",
        "config_data.home_sharing", "config_data.software.currentVersion", "config_data.software.fileName",
        "config_data.part_number", "config_data.ecosmart", "config_data.operation_mode", "config_data.ocpp_ready",
        "config_data.energy_price", "config_data.currency.code", "config_data.plan.features",
    ):  # fmt: skip
        one: Any = body
        other: Any = left
        for part in path.split("."):
            one, other = one.get(part), other.get(part)
        assert other == one, path


def test_the_list_and_the_basic_document_too() -> None:
    charger: Any = copied(*DOCUMENTS["list"])
    charger = charger["result"]["groups"][0]["chargers"][0]
    kept = {
        key: charger[key] for key in ("status", "chargerType", "locked", "maxChargingCurrent", "addedEnergy", "access")
    }
    assert kept == {
        "status": 181, "chargerType": "PulsarPlus", "locked": 0, "maxChargingCurrent": 32, "addedEnergy": 8.359,
        "access": True,
    }  # fmt: skip
    data: Any = copied(*DOCUMENTS["basic"])
    assert data["data"]["chargerData"]["chargerType"] == "PulsarPlus"
    assert data["data"]["chargerData"]["lastSync"]["date"] == "2023-08-17 20:01:46.000000"
    assert data["data"]["users"] != DOCUMENTS["basic"][1]["data"]["users"]


def test_a_schedule_stays_what_it_is() -> None:
    slot: dict[str, Any] = {
        "id": 0, "enable": 1, "start": "0530", "stop": "2100", "days": {"monday": True, "sunday": False},
        "max_current": 16, "max_energy": 0,
    }  # fmt: skip
    whose = {"chargerId": 900001234, "uid": "wsUnanQQ", "name": "Stephanie", "user_uid": "01GZXM2K3R9V8W7T6S5Q4P3N2M"}
    left: Any = copied("schedules", {"schedules": [slot | whose]})
    assert {key: left["schedules"][0][key] for key in slot} == slot
    assert not [secret for secret in whose.values() if survives(secret, left)]


def test_an_id_is_the_same_everywhere() -> None:
    bodies: list[tuple[Document, Json]] = [
        ("list", {"result": {"groups": [{"id": 257061, "chargers": [{"id": 900001}, {"id": 900002}]}]}}),
        (
            "detail",
            {"status_id": 161, "config_data": {"charger_id": 900001, "serial_number": "900001", "group_id": 257061}},
        ),
        ("basic", {"data": {"chargerData": {"id": 900001, "serialNumber": "900001", "group": 257061}}}),
    ]  # fmt: skip
    anonymiser = Anonymiser(bodies)
    listed, detail, basic = (anonymiser.copy(document, body) for document, body in bodies)
    one, two = (anonymiser.number(number) for number in (900001, 900002))
    assert len({one, two, 900001, 900002}) == 4
    assert [len(str(number)) for number in (one, two)] == [6, 6]
    group: Any = listed["result"]["groups"][0]  # type: ignore[index, call-overload]
    assert [charger["id"] for charger in group["chargers"]] == [one, two]
    assert detail == {
        "status_id": 161, "config_data": {"charger_id": one, "serial_number": str(one), "group_id": group["id"]},
    }  # fmt: skip
    assert basic == {"data": {"chargerData": {"id": one, "serialNumber": str(one), "group": group["id"]}}}


@given(st.lists(st.integers(10, 10**12), min_size=1, max_size=60, unique=True))
def test_ids_stay_apart_and_none_becomes_another_real_one(ids: list[int]) -> None:
    left: Any = copied("detail", {"unknown": ids})  # type: ignore[dict-item]
    assert len(set(left["unknown"])) == len(ids)
    assert not set(left["unknown"]) & set(ids)


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=20, unique=True))
def test_texts_stay_apart(words: list[str]) -> None:
    left: Any = copied("detail", {"unknown": words})  # type: ignore[dict-item]
    assert len(set(left["unknown"])) == len({word for word in words})  # noqa: C416


def test_patterns() -> None:
    left: Any = copied(
        "detail", {"a": "Jörg-2 B.", "b": "", "c": "y" * 900, "d": "007", "e": -286113, "f": 7, "g": -0.25}
    )
    assert left == {"a": "Xxxx-0 X.", "b": "", "c": "x" * 40 + "…", "d": "000", "e": -100000, "f": 7, "g": 0.5}


PRIVATE = re.compile(
    r"serial|uid|unique|plate|user|owner|zip|iccid|country|depot|group|car_id|charger_id|zone|(^|/)name$|sha256"
)


def test_marks_of_the_rows() -> None:
    """A row whose key sounds like somebody or some place is private; one that only sounds so is named here."""
    harmless = {
        "multiuser", "user_socket_locking", "basic/resume/totalUsers", "basic/lastSync/timezone_type", "currency/name",
        "software/fileName", "depot_price",
    }  # fmt: skip
    sounding = {key for key, row in FIELDS.items() if row.has_state and PRIVATE.search(key)}
    assert {key for key in sounding if not FIELDS[key].private} <= harmless
    assert {row.key for row in FIELDS.values() if row.hidden and row.detail is not None} <= {
        row.key for row in FIELDS.values() if row.private
    }
