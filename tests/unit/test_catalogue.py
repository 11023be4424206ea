"""The rows, the states, the payloads of the commands and the requests that they make."""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal as Exact
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hostile import HOSTILE, KELVIN, json_values
from wallbox2mqtt.catalogue import (
    CONFIG,
    CONFIG_FIELDS,
    FIELDS,
    MAX_PAYLOAD_BYTES,
    OUT_OF_TOUCH,
    STATUS_TEXTS,
    Command,
    Field,
    FirstValues,
    Intent,
    Json,
    NotReadYetError,
    Quantity,
    Shape,
    parse,
    payloads,
    quantities,
    read_payload,
    request_of,
    status_of,
)
from wallbox2mqtt.catalogue.derived import (
    RUN_BY_OCPP,
    charging,
    control,
    control_reason,
    eco_smart,
    firmware,
    last_sync,
    magnitude,
    status,
)
from wallbox2mqtt.catalogue.quantities import ImpossibleValueError
from wallbox2mqtt.catalogue.rows import by_key
from wallbox2mqtt.catalogue.statuses import Status
from wallbox2mqtt.catalogue.templates import REMOTE_ACTION, Placeholder, Template, UnfilledError, fill
from wallbox2mqtt.cloud.schedules import read_schedules
from wallbox2mqtt.errors import InvalidPayloadError
from wallbox2mqtt.simulator import capture

HERE = Path(__file__).parents[1]
GOLDEN = json.loads((HERE / "golden" / "requests.json").read_text(encoding="utf-8"))["requests"]
ALLOWED = frozenset({"factory_reset"})
EXAMPLES: dict[str, Json] = {row.key: row.example for row in FIELDS.values() if row.has_state}
VIEW = EXAMPLES | {
    "software/updateAvailable": True,
    "part_number": "PLP1-M-2-4-9-002-F",
    "state_of_charge": None,
}
COMMANDS = {key: row.command for key, row in FIELDS.items() if row.command is not None}
SENT = {key: command for key, command in COMMANDS.items() if command.request is not None}
SLOTS = {key for key, row in FIELDS.items() if row.slot is not None}
SCHEDULED = {*SLOTS, "schedules"}

every_command = pytest.mark.parametrize("key", COMMANDS)


def exact(value: Json) -> str:
    """JSON text: unlike ``==`` it tells 1 from true and 1 from 1.0."""
    return json.dumps(value, sort_keys=True)


def understood(key: str, payload: bytes | str, view: Mapping[str, Json] = VIEW) -> Intent:
    text = read_payload(payload if isinstance(payload, bytes) else payload.encode(errors="surrogatepass"))
    return parse(FIELDS[key], text, view, ALLOWED)


def accepts(key: str, payload: bytes | str, view: Mapping[str, Json] = VIEW) -> bool:
    try:
        understood(key, payload, view)
    except InvalidPayloadError:
        return False
    return True


# --- the states


# Written from the contract's table: id, text, car_connected, charging, charging_enabled, and for evcc.
STATES = [
    (0, "Disconnected", None, False, None, "F"),
    (4, "Completed", None, False, None, "B"),
    (5, "Offline", None, False, None, "F"),
    (14, "Error", False, False, None, "E"),
    (15, "Error", False, False, None, "E"),
    (161, "Ready", False, False, True, "A"),
    (162, "Ready", False, False, True, "A"),
    (163, "Disconnected", False, False, None, "A"),
    (164, "Waiting", True, False, True, "B"),
    (165, "Locked", False, False, False, "A"),
    (166, "Updating", None, False, None, "F"),
    (177, "Scheduled", True, False, False, "B"),
    (178, "Paused", True, False, False, "B"),
    (179, "Scheduled", True, False, False, "B"),
    (180, "Waiting for car demand", True, False, True, "B"),
    (181, "Waiting for car demand", True, False, True, "B"),
    (182, "Paused", True, False, False, "B"),
    (183, "Waiting in queue by Power Sharing", True, False, True, "B"),
    (184, "Waiting in queue by Power Sharing", True, False, True, "B"),
    (185, "Waiting in queue by Power Boost", True, False, True, "B"),
    (186, "Waiting in queue by Power Boost", True, False, True, "B"),
    (187, "Waiting MID failed", True, False, True, "B"),
    (188, "Waiting MID safety margin exceeded", True, False, True, "B"),
    (189, "Waiting in queue by Eco-Smart", True, False, True, "B"),
    (193, "Charging", True, True, True, "C"),
    (194, "Charging", True, True, True, "C"),
    (195, "Charging", True, True, True, "C"),
    (196, "Discharging", True, False, True, "C"),
    (209, "Locked", False, False, False, "A"),
    (210, "Locked - Car connected", True, False, False, "B"),
]
NAMED = {number for number, *_ in STATES}
DERIVED = ("status", "car_connected", "charging", "charging_enabled", "evcc/status")


def derived_of(status_id: Json) -> tuple[Json, ...]:
    found = []
    for key in DERIVED:
        derive = FIELDS[key].derive
        assert derive is not None
        found.append(derive(status_id))
    return tuple(found)


@pytest.mark.parametrize("state", STATES, ids=[str(number) for number, *_ in STATES])
def test_state(state: tuple[int, str, bool | None, bool | None, bool | None, str]) -> None:
    number, *expected = state
    assert derived_of(number) == tuple(expected)
    assert derived_of(float(number)) == tuple(expected)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number not in NAMED))
@example(1)
@example(-1)
@example(160)
@example(211)
@example(209.5)
def test_state_of_another_number(number: float) -> None:
    if number not in NAMED:
        assert derived_of(number) == ("Unknown", None, None, None, None)


@pytest.mark.parametrize("nothing", [None, "210", True, False, [], {}], ids=repr)
def test_no_state_without_a_number(nothing: Json) -> None:
    assert derived_of(nothing) == (None, None, None, None, None)
    assert status_of(nothing) is None


def test_the_states_are_those_of_the_contract() -> None:
    assert set(STATUS_TEXTS) == {text for _, text, *_ in STATES} | {"Unknown"}
    assert {0, 5} == OUT_OF_TOUCH
    locked = Status(
        "Locked - Car connected", car_connected=True, charging=False, charging_enabled=False, evcc="B", why="locked"
    )
    assert status_of(210) == locked


@pytest.mark.parametrize(
    ("status_id", "power_kw", "expected"),
    [
        (195, 7.2, ("Charging", True)),
        (195, 0, ("Charging", True)),
        (195, None, ("Charging", True)),
        (195, -5.5, ("Discharging", False)),
        (194, -5.5, ("Charging", True)),
        (196, 5.5, ("Discharging", False)),
    ],
)
def test_negative_power_in_the_third_state_is_discharging(
    status_id: int, power_kw: Json, expected: tuple[str, bool]
) -> None:
    assert (status(status_id, power_kw), charging(status_id, power_kw)) == expected


# --- other derived fields


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-10-05 17:00:05", "2026-10-05T17:00:05+00:00", id="summer"),
        pytest.param("2023-01-18 06:50:26", "2023-01-18T06:50:26+00:00", id="winter"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="null"),
    ],
)
def test_last_sync(text: Json, expected: Json) -> None:
    assert last_sync(text) == expected


@pytest.mark.parametrize(
    ("mode", "status", "expected"),
    [
        pytest.param("ocpp", 4, "ocpp", id="connected"),
        pytest.param("ocpp", None, "ocpp", id="unknown"),
        pytest.param("ocpp", 2, "ocpp", id="another"),
        pytest.param("ocpp", 1, "wallbox", id="not-connected"),
        pytest.param("wallbox", 4, "wallbox", id="left"),
        pytest.param("wallbox", 1, "wallbox", id="wallbox"),
        pytest.param(None, 4, None, id="no-mode"),
    ],
)
def test_control(mode: Json, status: Json, expected: Json) -> None:
    assert control(mode, status) == expected
    assert control_reason(mode, status) == (RUN_BY_OCPP if expected == "ocpp" else None)


@pytest.mark.parametrize(
    "text",
    [
        "0000-00-00 00:00:00",
        "yesterday",
        "2026-10-05T17:00:05",
        "2026-02-30 00:00:00",
        "2026-10-05",
        "2026-10-05 17:00",
        "2026-10-05 17:00:05.5",
        "2026-10-05 17:00:05Z",
        "2026-10-05 17:00:05+02:00",
        "20261005 170005",
        "2026-W41-1 17:00:05",
        "2026-10-05 17:00:05\0",
        "\u0662026-10-05 17:00:05",
        "\ud800",
    ],
)
def test_last_sync_is_no_time(text: str) -> None:
    with pytest.raises(TypeError, match="expected a time"):
        last_sync(text)


@pytest.mark.parametrize(("current", "expected"), [(16, 16), (-16, 16), (0, 0), (-16.5, 16.5), (None, None)])
def test_magnitude(current: Json, expected: Json) -> None:
    assert magnitude(current) == expected


@pytest.mark.parametrize(
    ("enabled", "mode", "expected"),
    [
        (False, 0, "off"),
        (False, 1, "off"),
        (False, None, "off"),
        (True, 0, "eco"),
        (True, 1, "full_green"),
        (True, 2, None),
        (True, None, None),
        (True, 0.5, None),
        (None, 0, None),
        (None, None, None),
    ],
)
def test_eco_smart(enabled: Json, mode: Json, expected: Json) -> None:
    assert eco_smart(enabled, mode) == expected


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param(("5.1", "6.0", True, 161), ["5.1", "6.0", False], id="update"),
        pytest.param(("5.1", "6.0", True, 166), ["5.1", "6.0", True], id="updating"),
        pytest.param(("5.1", "6.0", False, 161), ["5.1", "5.1", False], id="not-offered"),
        pytest.param(("5.1", None, True, None), ["5.1", "5.1", False], id="latest-unknown"),
        pytest.param(("5.1", "", True, 161), ["5.1", "5.1", False], id="latest-empty"),
    ],
)
def test_firmware(sources: tuple[Json, Json, Json, Json], expected: list[Json]) -> None:
    state = json.loads(str(firmware(*sources)))
    assert state == dict(zip(("installed_version", "latest_version", "in_progress"), expected, strict=True))


@pytest.mark.parametrize("current", [None, "", 5])
def test_firmware_unknown(current: Json) -> None:
    assert firmware(current, "6.0", True, 161) is None  # noqa: FBT003 - the sources in the order of the row


# --- the rows


def test_rows() -> None:
    for key, row in FIELDS.items():
        assert key == row.key
        assert row.name.strip() == row.name != "", key
        assert row.category in {None, "config", "diagnostic"}, key
        assert set(row.sources) <= FIELDS.keys(), f"{key}: worked out from a field that is none"
        assert not row.hidden or not row.enabled, key
        if row.detail is not None:
            assert key == row.detail.removeprefix(CONFIG).replace(".", "/")
        if row.basic is not None:
            assert key == "basic/" + row.basic.replace(".", "/")
        if row.config is not None:
            assert row.config_key in row.config, key


@pytest.mark.parametrize("home", ["detail", "sweep", "basic", "v2", "config_key"])
def test_no_place_of_a_document_has_two_rows(home: str) -> None:
    places = [getattr(row, home) for row in FIELDS.values() if getattr(row, home) is not None]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("row", [row for row in FIELDS.values() if row.derive], ids=lambda row: row.key)
def test_derived_row(row: Field) -> None:
    assert row.derive is not None
    value = row.derive(*(EXAMPLES[source] for source in row.sources))
    assert row.quantity.read(value) == value
    assert row.derive(*[None] * len(row.sources)) is None


@pytest.mark.parametrize("row", [row for row in FIELDS.values() if row.words and row.derive], ids=lambda row: row.key)
@given(sources=st.lists(st.none() | st.booleans() | st.integers(-1, 220), min_size=2, max_size=2))
def test_a_derived_text_is_one_of_its_words(row: Field, sources: list[Json]) -> None:
    assert row.derive is not None
    value = row.derive(*sources[: len(row.sources)])
    assert value is None or value in row.words


def test_command_rows() -> None:
    for key, command in COMMANDS.items():
        assert command.payload.accepts(VIEW), key
        assert {changed for _, sets in command.effects for changed, _ in sets} <= FIELDS.keys(), key
        assert all(claim in FIELDS or claim.startswith("action ") for _, claim in command.claims), key
        assert command.always_sent == (command.request is REMOTE_ACTION), key
        if command.request is not None:
            assert command.request.answer in {None, "v2", "config"}, key
            assert command.request.path.count("{id}") == 1, key
            made = command.body or command.make_body or FIELDS[key].config
            assert made is not None or key == "config", key


def placeholders(template: Template) -> list[Placeholder]:
    if isinstance(template, Placeholder):
        return [template]
    return (
        [placeholder for part in template.values() for placeholder in placeholders(part)]
        if isinstance(template, Mapping)
        else []
    )


def test_holes_name_fields() -> None:
    for row in FIELDS.values():
        body = row.command.body if row.command else None
        for placeholder in placeholders(body) + placeholders(dict(row.config or {})):
            assert placeholder.field in FIELDS, row.key
            assert placeholder.sign is None or placeholder.sign in FIELDS, row.key


def test_urgent_are_lock_and_charging() -> None:
    assert {key for key, command in COMMANDS.items() if command.urgent} == {"locked", "charging_enabled", "action"}


def leaves(node: Any, prefix: str = "") -> set[str]:  # noqa: ANN401 - any JSON
    if isinstance(node, dict) and node:
        return {leaf for key, part in node.items() for leaf in leaves(part, f"{prefix}{key}.")}
    return {prefix.rstrip(".")}


@pytest.mark.parametrize("name", ["pulsar-plus", "pulsar-plus-2026"])
def test_every_field_of_the_details_has_a_row(name: str) -> None:
    # the name and the meter's state stand twice; the top one counts
    twice = {"config_data.name", "config_data.mid_status"}
    rows = {row.detail for row in FIELDS.values()}
    assert leaves(capture(name)) - twice <= rows


def test_every_field_of_basic_has_a_row() -> None:
    document = json.loads((HERE / "fixtures" / "basic" / "seed.json").read_text(encoding="utf-8"))
    assert leaves(document["data"]["chargerData"]) <= {row.basic for row in FIELDS.values()}


@pytest.mark.parametrize("name", ["pulsar-plus", "pulsar-plus-2026"])
def test_rows_fit_the_captures(name: str) -> None:
    """Every value of a capture is of its row's kind."""
    for row in FIELDS.values():
        value: Any = capture(name)
        for part in (row.detail or "").split("."):
            value = value.get(part) if isinstance(value, dict) else None
        assert row.quantity.read(value) == value


def row_of(**changes: Any) -> Field:  # noqa: ANN401 - each test breaks another one
    right: dict[str, Any] = {"detail": "x", "name": "X", "quantity": quantities.NUMBER, "meaning": "an x", "example": 1}
    return Field(**(right | changes))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"detail": "a b"}, "the key is no topic", id="blank"),
        pytest.param({"detail": "a..b"}, "the key is no topic", id="empty-level"),
        pytest.param({"detail": ""}, "the key is no topic", id="empty"),
        pytest.param({"key": "a/+"}, "the key is no topic", id="wildcard"),
        pytest.param({"key": "a\n"}, "the key is no topic", id="line-break"),
        pytest.param({"detail": None}, "the key is no topic", id="no-key"),
        pytest.param({"basic": "x"}, "two documents", id="two-homes"),
        pytest.param({"derive": magnitude, "sources": ("y",)}, "two documents", id="read-and-derived"),
        pytest.param({"detail": None, "key": "x"}, "stands nowhere", id="nowhere"),
        pytest.param({"detail": None, "key": "x", "derive": magnitude}, "derived from nothing", id="no-sources"),
        pytest.param({"sources": ("y",)}, "derived from nothing", id="sources-for-nothing"),
        pytest.param({"enabled": False}, "an everyday field is enabled", id="everyday-disabled"),
        pytest.param({"category": "rare"}, "its category is none", id="category"),
        pytest.param({"essential": True}, "no list shows", id="essential-in-no-list"),
        pytest.param({"name": ""}, "no meaning or name", id="nameless"),
        pytest.param({"meaning": ""}, "no meaning or name", id="meaningless"),
        pytest.param({"config_key": "x"}, "a config key goes with a body", id="config-without-body"),
        pytest.param({"config": {"x": Placeholder("x")}}, "a config key goes with a body", id="config-without-key"),
        pytest.param({"example": "one"}, "the example is not of its kind", id="example-of-another-kind"),
        pytest.param({"example": True}, "the example is not of its kind", id="boolean-for-number"),
        pytest.param({"words": (2,)}, "the example is not of its kind", id="example-is-no-word"),
    ],
)
def test_a_wrong_row_cannot_be_built(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        row_of(**changes)
    assert "row '" in str(caught.value)


def test_two_rows_cannot_have_one_key() -> None:
    with pytest.raises(ValueError, match="two rows have the key 'x'"):
        by_key([row_of(), row_of(detail="config_data.x")])


def test_a_right_row_can() -> None:
    assert row_of().key == "x"
    assert row_of(detail="config_data.a.b").key == "a/b"
    assert row_of(detail=None, basic="a.b").key == "basic/a/b"


@pytest.mark.parametrize(
    "shape",
    [shape for shape in Shape if shape is not Shape.NUMBER],
    ids=lambda shape: shape.name,
)
@pytest.mark.parametrize(
    "extra",
    [{"unit": "A"}, {"state_class": "total"}, {"precision": 0}, {"least": 0}],
    ids=lambda extra: next(iter(extra)),
)
def test_only_numbers_have_units(shape: Shape, extra: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has no unit"):
        Quantity(shape, **extra)


# --- kinds


READS: dict[Shape, list[Json]] = {
    Shape.NUMBER: [0, -1, 0.5, 1e308],
    Shape.FLAG: [0, 1],
    Shape.BOOLEAN: [True, False],
    Shape.TEXT: ["", "a", "1"],
    Shape.LIST: [[], [1, None]],
}
REFUSES: dict[Shape, list[Json]] = {
    Shape.NUMBER: [
        "one",
        "1 ",
        "0x1",
        "1_0",
        "\u0661",
        "1e999",
        True,
        [],
        {},
        10**400,
        -(10**400),
        float("inf"),
        float("nan"),
    ],
    Shape.FLAG: [2, -1, 0.5, 1.0, "2", "true", [], {}],
    Shape.BOOLEAN: [2, -1, 0.0, "true", "1.0", [], {}],
    Shape.TEXT: [1, True, [], {}],
    Shape.LIST: [1, True, "[]", {}],
}


@pytest.mark.parametrize("shape", Shape, ids=lambda shape: shape.name)
def test_kind(shape: Shape) -> None:
    kind = Quantity(shape)
    for value in [None, *READS[shape]]:
        assert exact(kind.read(value)) == exact(value)
    for value in REFUSES[shape]:
        with pytest.raises(TypeError, match=f"expected {shape.value}"):
            kind.read(value)


@pytest.mark.parametrize(("number", "boolean"), [(0, False), (1, True)])
def test_a_boolean_given_as_flag_is_a_boolean(number: int, *, boolean: bool) -> None:
    assert quantities.BOOLEAN.read(number) is boolean


def test_a_flag_given_as_boolean_is_a_number() -> None:
    assert exact([Quantity(Shape.FLAG).read(value) for value in (True, False)]) == "[1, 0]"


@given(json_values)
def test_kinds_read_or_refuse(value: Json) -> None:
    for shape in Shape:
        try:
            read = Quantity(shape).read(value)
        except TypeError:
            continue
        assert read == value or isinstance(value, str)


@pytest.mark.parametrize(
    ("shape", "text", "expected"),
    [
        (Shape.NUMBER, "194", 194),
        (Shape.NUMBER, "-7.20", -7.2),
        (Shape.NUMBER, "1e-05", 1e-05),
        (Shape.NUMBER, "", None),
        (Shape.FLAG, "1", 1),
        (Shape.BOOLEAN, "0", False),
        (Shape.BOOLEAN, "", None),
        (Shape.TEXT, "007", "007"),
    ],
)
def test_a_number_as_text_is_that_number(shape: Shape, text: str, expected: Json) -> None:
    assert exact(Quantity(shape).read(text)) == exact(expected)


@pytest.mark.parametrize("value", [-0.001, 100.5, "101", -(10**300)], ids=str)
def test_impossible_values(value: Json) -> None:
    with pytest.raises(ImpossibleValueError, match="expected 0 to 100"):
        quantities.PERCENT.read(value)
    assert [quantities.PERCENT.read(possible) for possible in (0, 100, "55", None)] == [0, 100, 55, None]


# --- the requests, against the table kept by hand


def view_of(row: dict[str, Any]) -> dict[str, Json]:
    """What a charger shows before a request of the table."""
    view: dict[str, Json] = VIEW | row.get("state", {})
    if "schedules" not in row:
        return view
    rest = {key: value for key, value in view.items() if key not in SLOTS}
    return rest | read_schedules({"schedules": row["schedules"]}, row["utc_offset"]).values


@pytest.mark.parametrize("row", GOLDEN, ids=[f"{row['topic']} {row['payloads'][0]}" for row in GOLDEN])
def test_request_is_that_of_the_document(row: dict[str, Any]) -> None:
    view = view_of(row)
    for payload in row["payloads"]:
        intent = understood(row["topic"], payload, view)
        assert exact(intent.value) == exact(row["value"]), payload
        sending = request_of(intent, view)
        assert sending is not None
        request, body = sending
        assert (request.method, request.path) == (row["method"], row["path"])
        assert exact(body) == exact(row["body"]).replace('"{id}"', str(VIEW["charger_id"])), payload


def test_the_table_has_every_command_and_every_word() -> None:
    told = {
        key: {p.strip().lower() for row in GOLDEN if row["topic"] == key for p in row["payloads"]} for key in COMMANDS
    }
    for key in SENT.keys() - {key for key in SLOTS if FIELDS[key].slot != 0}:
        command = SENT[key]
        words = {word for word, _ in command.payload.values} if isinstance(command.payload, payloads.Choice) else set()
        assert told[key], f"{key} is not in the table"
        assert words <= told[key], f"{key}: words that are not in the table"


def test_refresh_makes_no_request() -> None:
    intent = understood("refresh", b"")
    assert request_of(intent, VIEW) is None
    assert intent.value is None
    assert not intent.is_fulfilled(VIEW)


def test_empty_placeholders_are_told() -> None:
    with pytest.raises(UnfilledError, match="set locked first"):
        fill({"locked": Placeholder("locked")}, {})


# --- refusal is the default

NUMBERS = (
    "-0",
    "-00",
    "1.0",
    "16.0",
    "6.0",
    "1.",
    "16.00",
    "0.0",
    "5",
    "33",
    "-6",
    "-33",
    "256",
    "101",
    "1e0",
    "9" * 9,
    "9" * 10,
)
PRICES = (
    "1000000.0001",
    "-1000.0001",
    "1000001",
    "-1001",
    "1e7",
    "1e400",
    "1e9999",
    "00.5",
    "0.5.5",
    "0,5",
    "1e",
    "e-1",
    "1e-",
    "1e1.5",
    "+1e-05",
    "1 e-05",
    "0." + "1" * 39,
    "- 1",
    "0. 5",
)
OBJECTS = (
    '{"energy_price": "0.2"}', '{"energy_price": true}', '{"energy_price": null}', '{"energy_price": NaN}',
    '{"energy_price": Infinity}',
    '{"energy_price": -Infinity}', '{"energy_price": "1e-05"}', '{"energy_price": +1}', '{"energy_price": 01}',
    '{"energy_price": .5}',
    '{"energy_price": 1000000.1}', '{"energy_price": -1e4}', '{"currency_id": 1e0}',
    '{"energy_price": [1]}', '{"energy_price": {}}',
    '{"energy_price": 1,}',
    '{"energy_price": 1} x', '{"energy_price": 1}{}', '{"energy_price": 1, "energy_price": 1}',
    '{"energy_price": 1, "x": 2}',
    '{"energy_price": 1, "Energy_Price": 2}', '{"ENERGY_PRICE": 1}', '{"currency_id": 0}', '{"currency_id": -1}',
    '{"currency_id": 1.0}',
    '{"currency_id": 1.5}', '{"currency_id": "1"}', '{"currency_id": true}', '{"currency_id": 10000000000}',
    "{'energy_price': 1}",
    "{energy_price: 1}", '{"energy_price": 1 /* x */}', '{"energy_price": 0x1}',
    '{"energy_price": 1, "currency_id": false}',
    '{"energy_price": 1, "currency_id": null}', '{"energy_price": \uff11}', '\ufeff{"energy_price": 1}',
    '{"energy_price" 1}',
    '{"energy_price": 1', '{"a":' * 100 + "1" + "}" * 100, '{"energy_price":' + "[" * 900 + "]" * 90 + "}",
    '{"energy_price":\x001}',
    '"{\\"energy_price\\": 1}"', '{"energy_price": 1}' + " " * 1010,
)  # fmt: skip
SETTINGS = (
    '{"max_charging_current": 5}', '{"max_charging_current": 33}', '{"max_charging_current": 16.0}',
    '{"max_charging_current": "16"}',
    '{"max_charging_current": -16}', '{"home_sharing": 2}', '{"home_sharing": true}', '{"home_sharing": "on"}',
    '{"home_sharing": -1}',
    '{"home_sharing": 0.0}', '{"home_sharing": -0}', '{"icp_max_current": 0}', '{"icp_max_current": -16}',
    '{"icp_max_current": 256}',
    '{"icp_max_current": 1e1}', '{"max_charging_current": 16, "max_charging_current": 16}', '{"name": "x"}',
    '{"locked": 1}',
    '{"max_charging_current": 16, "locked": 1}', "16", "1", "0", "on", "0.5",
)  # fmt: skip
FOREIGN_WORDS = (
    "2",
    "-1",
    "1.0",
    "0.0",
    "10",
    "resume",
    "install",
    "eco",
    "6",
    "16",
    "3.5",
    "-0",
    "o",
    "of",
    "lockk",
    f"LOC{KELVIN}",
)
UNPRINTABLE = [f"a{chr(code)}b" for code in [*range(0x20), *range(0x7F, 0xA0), 0x200B, 0x202E, 0xFEFF, 0xFFFF, 0xE000]]
EXTRA: dict[str, tuple[str, ...]] = {
    "locked": FOREIGN_WORDS,
    "max_charging_current": (*(n for n in NUMBERS if n != "5"), "5", "0", "1", "on", "true", "-16", "32.5"),
    "name": (*UNPRINTABLE, "x" * 65, "\u00e9" * 65, "\u3000", "\u2028x"),
    "charging_enabled": (*FOREIGN_WORDS, "lock", "unlock", "pause"),
    "action": ("0", "6", "7", "8", "10", "-1", "1.0", "05", "on", "true", "resume pause", "factory reset", "reset"),
    "firmware": ("1", "0", "5", "on", "true", "update", "Install now", "install!", "5.17.59", "latest"),
    "energy_price": (*PRICES, *OBJECTS, "on", "true"),
    "home_sharing": (*FOREIGN_WORDS, "lock", '{"home_sharing": 1}'),
    "icp_max_current": (*(n for n in NUMBERS if n not in {"5", "33", "101"}), "0", "-1", "-16", "on", "true", "16.5"),
    "config": (*OBJECTS, *SETTINGS),
    "eco_smart": (
        "0",
        "1",
        "2",
        "on",
        "true",
        "full green",
        "full-green",
        "fullgreen",
        "full_solar",
        "eco_mode",
        "solar",
    ),
    "ecosmart/enabled": (*FOREIGN_WORDS, "lock", "unlock"),
    "ecosmart/mode": ("2", "-1", "10", "on", "off", "true", "false", "eco", "full_green", "0.0", "1.0", "-0"),
    "ecosmart/percentage": ("101", "-1", "100.0", "50%", "50 %", "1.5", "0.5", "1e2", "on", "all", "-0", "999999999"),
}


def hostile_for(key: str) -> list[bytes]:
    extra = [text.encode() for text in EXTRA.get(key, ())]
    if key == "name":
        too_long = [payload for payload in HOSTILE if len(payload) > 1024]
        return [*extra, *too_long, b"", b" ", b"\r\n", b"\xff", b"a\x80", b"\xed\xa0\x80"]
    if key == "refresh":
        # whatever is sent asks for a read, as far as it is text and no larger than a command may be
        return [payload for payload in HOSTILE if len(payload) > MAX_PAYLOAD_BYTES or not _is_utf8(payload)]
    if key == "energy_price":
        # prices may have an exponent
        return [*(payload for payload in HOSTILE if not EXPONENT.fullmatch(payload)), *extra]
    return [*HOSTILE, *extra]


EXPONENT = re.compile(rb"[0-9.]+[eE][+-]?[0-9]+")


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


@every_command
def test_hostile_payloads_are_refused(key: str) -> None:
    hostile = hostile_for(key)
    assert len(set(hostile)) >= 50 or key == "refresh"
    wrongly = [payload for payload in hostile if accepts(key, payload)]
    assert wrongly == []


def test_a_refusal_says_what_is_accepted() -> None:
    for key in COMMANDS.keys() - {"refresh"}:
        with pytest.raises(InvalidPayloadError, match="accepted: ") as caught:
            understood(key, "\u00a0nonsense" + "x" * 200)
        assert COMMANDS[key].payload.accepts(VIEW) in str(caught.value)
        assert "x" * 60 not in str(caught.value), "the payload is told at full length"


def test_a_refused_member_is_named() -> None:
    with pytest.raises(
        InvalidPayloadError, match=r"home_sharing: '2' is not accepted; accepted: a whole number from 0 to 1"
    ):
        understood("config", '{"energy_price": 1, "home_sharing": 2}')


def test_read_only_fields_refuse() -> None:
    for row in FIELDS.values():
        if not row.command:
            with pytest.raises(InvalidPayloadError, match="read-only"):
                parse(row, "1", VIEW, ALLOWED)


@given(st.binary(max_size=40) | st.binary(min_size=1000, max_size=1100))
def test_payload_is_text_of_a_kilobyte(payload: bytes) -> None:
    good = len(payload) <= 1024 and _is_utf8(payload)
    try:
        text = read_payload(payload)
    except InvalidPayloadError:
        assert not good
    else:
        assert good
        assert text == payload.decode().strip(" \t\n\r\x0b\x0c")


# --- each format against an independent oracle


WORDS: dict[str, str] = {
    "locked": "1|0|true|false|on|off|lock|unlock",
    "charging_enabled": "1|0|true|false|on|off",
    "home_sharing": "1|0|true|false|on|off",
    "ecosmart/enabled": "1|0|true|false|on|off",
    "action": "resume|pause|reboot|factory_reset|update|resume_schedule|1|2|3|4|5|9",
    "firmware": "install",
    "eco_smart": "off|eco|full_green",
}
_cases = st.sampled_from([word for words in WORDS.values() for word in words.split("|")]).flatmap(
    lambda word: st.tuples(*(st.sampled_from([letter, letter.upper(), letter.title()]) for letter in word)).map("".join)
)
_near = st.tuples(_cases, st.sampled_from(["", " ", "\n", ".", "\u0130", KELVIN, "\u017f", "1"])).map("".join)


@given(_cases | _near | st.text(max_size=12))
@example(f"loc{KELVIN}")
@example(f"\u00a0loc{KELVIN}")
@example("un\u017fet")
def test_words_are_exactly_these(text: str) -> None:
    for key, words in WORDS.items():
        stripped = text.strip(" \t\r\n\v\f")
        good = re.fullmatch(words, stripped, re.ASCII | re.IGNORECASE) is not None
        assert accepts(key, text) == good, key


WHOLES: dict[str, tuple[dict[str, Json], list[range]]] = {
    "max_charging_current": ({}, [range(6, 33)]),
    "icp_max_current": ({}, [range(1, 256)]),
    "ecosmart/mode": ({}, [range(2)]),
    "ecosmart/percentage": ({}, [range(101)]),
}
_digits = st.text(alphabet="0123456789", max_size=4)
_numeric = (
    st.integers(-300, 300).map(str)
    | st.integers().map(str)
    | _digits
    | st.tuples(
        st.sampled_from(["", "-", "+", " ", "0"]), _digits, st.sampled_from(["", ".0", ".", "e1", " ", "A"])
    ).map("".join)
    | st.text(alphabet="0123456789-+.eE_ \u0661\uff11", max_size=8)
    | st.floats(-6, 6).map(lambda number: f"{number:.4f}")
    | st.floats(-6, 6).map(repr)
)


def is_whole(text: str, ranges: list[range]) -> bool:
    """A plain whole number within one of the ranges: written as Python writes it."""
    return any(text == str(number) for part in ranges for number in part)


@given(_numeric)
def test_whole_numbers_are_exactly_these(text: str) -> None:
    stripped = text.strip(" \t\r\n\v\f")
    for key, (view, ranges) in WHOLES.items():
        assert accepts(key, text, VIEW | view) == is_whole(stripped, ranges), key


_LIMITS: list[tuple[str, dict[str, Json], list[range]]] = [
    ("max_charging_current", {"max_available_current": 16}, [range(6, 17)]),
    ("max_charging_current", {"max_available_current": 48}, [range(6, 49)]),
    ("max_charging_current", {"max_available_current": None, "max_available_power": 25.2}, [range(6, 26)]),
    ("max_charging_current", {"max_available_current": 0, "max_available_power": 20}, [range(6, 21)]),
    ("max_charging_current", {"max_available_current": None, "max_available_power": None}, [range(6, 33)]),
    ("max_charging_current", {"max_available_current": "40", "max_available_power": True}, [range(6, 33)]),
    ("max_charging_current", {"part_number": "QSX1"}, [range(-32, -5), range(6, 33)]),
    ("max_charging_current", {"part_number": "QS", "max_available_current": 16}, [range(-16, -5), range(6, 17)]),
    ("max_charging_current", {"part_number": None}, [range(6, 33)]),
    ("max_charging_current", {"part_number": "PQS1"}, [range(6, 33)]),
    ("max_charging_current", {"status_id": 196}, [range(-32, -5), range(6, 33)]),
    ("max_charging_current", {"state_of_charge": 55}, [range(-32, -5), range(6, 33)]),
    ("max_charging_current", {"max_charging_current": -16}, [range(-32, -5), range(6, 33)]),
    ("max_charging_current", {"max_charging_current": 16, "status_id": 195}, [range(6, 33)]),
    ("icp_max_current", {"icp_max_current": 20}, [range(1, 256)]),
    ("icp_max_current", {"icp_max_current": None}, [range(1, 256)]),
]


@pytest.mark.parametrize(("key", "view", "ranges"), _LIMITS, ids=[f"{key} {view}" for key, view, _ in _LIMITS])
def test_limits_of_a_charger(key: str, view: dict[str, Json], ranges: list[range]) -> None:
    taken = [number for number in range(-300, 301) if accepts(key, str(number), VIEW | view)]
    assert taken == [number for part in ranges for number in part]
    if key == "max_charging_current":
        in_config = [n for n in range(-300, 301) if accepts("config", f'{{"max_charging_current": {n}}}', VIEW | view)]
        assert in_config == taken


@pytest.mark.parametrize(
    ("key", "view", "expected"),
    [
        ("max_charging_current", {}, payloads.Range(6, 32, 1)),
        ("max_charging_current", {"part_number": "QSX", "max_available_current": 16}, payloads.Range(-16, 16, 1)),
        ("icp_max_current", {}, payloads.Range(1, 255, 1)),
        ("energy_price", {}, payloads.Range(-1000, 1_000_000, 0.0001)),
        ("ecosmart/percentage", {}, payloads.Range(0, 100, 1)),
        ("locked", {}, None),
        ("name", {}, None),
    ],
)
def test_range_of_a_slider(key: str, view: dict[str, Json], expected: payloads.Range | None) -> None:
    assert payloads.range_of(COMMANDS[key].payload, view) == expected


def test_limits_of_a_charger_of_which_nothing_is_known() -> None:
    assert [n for n in range(-50, 50) if accepts("max_charging_current", str(n), {})] == list(range(6, 33))


def is_price(text: str) -> bool:
    if len(text) > 40 or not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", text, re.ASCII):
        return False
    return -1000 <= Exact(text) <= 1_000_000


@given(_numeric)
@example("-5.0000")
@example("5.0001")
@example("-0")
@example("0.00000")
@example("1e-05")
@example("1e6")
def test_prices_are_exactly_these(text: str) -> None:
    stripped = text.strip(" \t\r\n\v\f")
    assert accepts("energy_price", text) == is_price(stripped)
    if is_price(stripped):
        value = understood("energy_price", text).value
        assert isinstance(value, int | float)
        assert abs(Exact(repr(value)) - Exact(stripped)) <= Exact("0.00005")
        assert round(value, 4) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.123456", 0.1235),
        ("0.30000000000000004", 0.3),
        ("1e-05", 0.0),
        ("-1e-05", 0.0),
        ("5e-05", 0.0001),
        ("2.5E-1", 0.25),
        ("0.12345", 0.1235),
        ("36.5", 36.5),
        ("6.25", 6.25),
        ("31", 31),
        ("1000000", 1_000_000),
        ("-1000", -1000),
    ],
)
def test_prices_are_rounded_to_four_decimals(text: str, value: float) -> None:
    """As sensors of tariffs print them, in any currency."""
    for key, payload in (("energy_price", text), ("energy_price", f'{{"energy_price": {text}}}')):
        shown = understood(key, payload).value
        assert (shown["energy_price"] if isinstance(shown, dict) else shown) == value
    assert str(understood("energy_price", text).value)[0] != "-" or value < 0


CONFIG_ORACLE: dict[str, Callable[[str], bool]] = {
    "energy_price": is_price,
    "currency_id": lambda text: re.fullmatch(r"[1-9][0-9]{0,8}", text) is not None,
    "max_charging_current": lambda text: is_whole(text, [range(6, 33)]),
    "home_sharing": lambda text: text in {"0", "1"},
    "icp_max_current": lambda text: is_whole(text, [range(1, 256)]),
}
_member_keys = st.sampled_from([*CONFIG_ORACLE, "locked", "", "Energy_price"])
_member_values = (
    _numeric | json_values.map(json.dumps) | st.sampled_from(["NaN", "Infinity", '"1"', "true", "1e1", "16", "1"])
)
_blank = st.sampled_from(["", " ", "\n", "\t "])
_good_value = st.integers(-40, 70).map(str) | st.sampled_from(["0.25", "-1.5", "0", "1"])


@given(st.lists(st.tuples(_member_keys, _good_value | _member_values), max_size=4), _blank)
@example([], "")
@example([("home_sharing", "1"), ("home_sharing", "1")], "")
def test_objects_are_exactly_these(members: list[tuple[str, str]], blank: str) -> None:
    text = "{" + ",".join(f'{blank}"{key}"{blank}:{blank}{value}{blank}' for key, value in members) + "}"
    keys = [key for key, _ in members]
    good = len(text.encode()) <= 1024 and 0 < len(keys) == len(set(keys))
    good = good and all(key in CONFIG_ORACLE and CONFIG_ORACLE[key](value.strip()) for key, value in members)
    view = VIEW | {"icp_max_current": 20}
    assert accepts("config", text, view) == good
    assert accepts("energy_price", text, view) == (good and set(keys) <= {"energy_price", "currency_id"})
    if good:
        sending = request_of(understood("config", text, view), view)
        assert sending is not None
        assert isinstance(sending[1], dict)
        assert set(keys) <= sending[1].keys()


@given(json_values)
def test_other_json_is_refused(value: Json) -> None:
    known = isinstance(value, dict) and value.keys() & CONFIG_FIELDS.keys()
    assert known or not accepts("config", json.dumps(value))


JOINERS = "\u200c\u200d\u00a0\u202f"


@given(st.text(max_size=70) | st.text(alphabet="a\u00e9 \u00a0\u200b\u200d\n", max_size=70))
@example("\U0001f468\u200d\U0001f469\u200d\U0001f467")
@example("Garage\u00a02")
@example("\u00a0\u200d")
def test_names_are_exactly_these(text: str) -> None:
    stripped = text.strip(" \t\r\n\v\f")
    plain = [char for char in stripped if char not in JOINERS]
    printable = all(char == " " or unicodedata.category(char)[0] not in "CZ" for char in plain)
    assert accepts("name", text) == (printable and len(plain) > 0 and len(stripped) <= 64)


@given(st.binary(max_size=1024).filter(_is_utf8))
def test_refresh_takes_anything(payload: bytes) -> None:
    assert accepts("refresh", payload)


@given(st.sampled_from(sorted(SENT)), _numeric | _cases | json_values.map(json.dumps) | st.text(max_size=80))
def test_what_is_accepted_makes_a_request(key: str, text: str) -> None:
    """Whatever a charger shows: a command is refused, or it makes a request without booleans."""
    for view in (VIEW, {}, dict.fromkeys(FIELDS)):
        try:
            intent = understood(key, text, view)
        except (InvalidPayloadError, NotReadYetError):
            continue
        sending = request_of(intent, view)
        assert sending is not None
        words = "null|NaN|Infinity" if key in SCHEDULED else "true|false|null|NaN|Infinity"
        assert not re.search(words, json.dumps(sending[1])) or key == "name"


# --- what depends on the charger's state and on the configuration


def test_factory_reset_needs_permission() -> None:
    for payload in ("factory_reset", "4"):
        with pytest.raises(InvalidPayloadError, match="allow_factory_reset"):
            parse(FIELDS["action"], payload, VIEW, frozenset())
        assert parse(FIELDS["action"], payload, VIEW, ALLOWED).value == "factory_reset"


@pytest.mark.parametrize(("key", "payload"), [("action", "update"), ("action", "5"), ("firmware", "install")])
@pytest.mark.parametrize("available", [False, None, "true", 1])
def test_no_update_without_one(key: str, payload: str, available: Json) -> None:
    with pytest.raises(InvalidPayloadError, match="no update is available"):
        understood(key, payload, VIEW | {"software/updateAvailable": available})


@pytest.mark.parametrize("current", [0, None])
@pytest.mark.parametrize(
    ("key", "payload"), [("home_sharing", "on"), ("home_sharing", "0"), ("config", '{"home_sharing": 1}')]
)
def test_power_boost_needs_a_current(key: str, payload: str, current: Json) -> None:
    with pytest.raises(InvalidPayloadError, match="set icp_max_current first"):
        understood(key, payload, VIEW | {"icp_max_current": current})


def test_off_has_nothing_to_do_where_nothing_charges_or_could() -> None:
    off = understood("charging_enabled", "off")
    needless = {status for status in range(256) if off.is_fulfilled({"status_id": status})}
    assert needless == {0, 5, 161, 162, 163, 165, 166, *range(177, 183), 209, 210}
    assert not off.is_fulfilled({})


def test_what_is_so_already_is_fulfilled() -> None:
    view = VIEW | {"locked": 1, "energy_price": 0.24, "currency/id": 1, "eco_smart": "off", "max_charging_current": 16}
    for key, payload, fulfilled in [
        ("locked", "lock", True),
        ("locked", "unlock", False),
        ("energy_price", "0.24", True),
        ("energy_price", '{"energy_price": 0.24, "currency_id": 1}', True),
        ("energy_price", '{"energy_price": 0.24, "currency_id": 48}', False),
        ("max_charging_current", "16", True),
        ("eco_smart", "OFF", True),
        ("eco_smart", "eco", False),
        ("charging_enabled", "off", True),  # VIEW is locked
        ("charging_enabled", "on", False),
        ("action", "pause", False),
    ]:
        assert understood(key, payload, view).is_fulfilled(view) == fulfilled, (key, payload)
    assert not understood("locked", "lock", view).is_fulfilled({}), "an unknown value fulfils nothing"


def test_claims() -> None:
    assert understood("action", "resume").claims == understood("charging_enabled", "1").claims == {"charging_enabled"}
    assert understood("action", "pause").claims == {"charging_enabled"}
    assert understood("action", "reboot").claims != understood("action", "update").claims
    both = understood("config", '{"energy_price": 1, "max_charging_current": 16}')
    assert both.claims == {"energy_price", "max_charging_current"}


def test_what_newer_commands_leave_of_a_wish() -> None:
    intent = understood("config", '{"energy_price": 1, "max_charging_current": 16}')
    assert intent.without(frozenset({"locked"})) is intent
    assert intent.without(intent.claims) is None
    rest = intent.without(frozenset({"energy_price"}))
    assert rest is not None
    sending = request_of(rest, VIEW)
    assert sending is not None
    assert sending[1] == {"max_charging_current": 16}


def test_a_command_without_a_request_is_a_read() -> None:
    assert {key for key, command in COMMANDS.items() if command.request is None} == {"refresh"}
    assert not Command(payload=payloads.Anything(), request=None).always_sent


WORDS_WHILE_UPDATING = [
    ("action", "reboot", False),
    ("action", "3", False),
    ("action", "factory_reset", False),
    ("action", "update", False),
    ("firmware", "install", False),
    ("action", "resume", True),
    ("action", "pause", True),
    ("action", "resume_schedule", True),
    ("locked", "1", True),
    ("charging_enabled", "off", True),
]


@pytest.mark.parametrize(("key", "payload", "allowed"), WORDS_WHILE_UPDATING)
def test_what_may_break_a_charger_waits_until_its_update_ends(key: str, payload: str, *, allowed: bool) -> None:
    view = VIEW | {"status_id": 166, "software/updateAvailable": True}
    assert accepts(key, payload, view) == allowed
    assert accepts(key, payload, view | {"status_id": 161})
    if not allowed:
        with pytest.raises(InvalidPayloadError, match="the charger is updating"):
            understood(key, payload, view)


@pytest.mark.parametrize(
    ("key", "payload", "field"),
    [
        ("locked", "1", None),
        ("charging_enabled", "off", None),
        ("action", "resume", None),
        ("action", "resume_schedule", None),
        ("name", "Garage", None),
        ("energy_price", "0.3", None),
        ("action", "reboot", "status_id"),
        ("action", "factory_reset", "status_id"),
        ("action", "update", "status_id"),
        ("firmware", "install", "status_id"),
        ("max_charging_current", "16", "max_available_current"),
        ("home_sharing", "1", "icp_max_current"),
        ("icp_max_current", "20", "home_sharing"),
        ("eco_smart", "eco", "ecosmart/percentage"),
    ],
)
def test_what_a_command_needs_to_know_of_its_charger(key: str, payload: str, field: str | None) -> None:
    nothing = FirstValues()
    if field is None:
        assert understood(key, payload, nothing) == understood(key, payload, VIEW)
    else:
        with pytest.raises(NotReadYetError):
            understood(key, payload, nothing)
    view = FirstValues(VIEW | {"status_id": 161, "software/updateAvailable": True})
    assert understood(key, payload, view).field.key == key
