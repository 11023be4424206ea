"""Schedules: slots and their times, what is accepted, when they are read, and how they are shown and changed."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock
from tests.hostile import json_values
from tests.parts import OpenCloud, Parts
from wallbox2mqtt.bridge.schedule_reads import ScheduleReads
from wallbox2mqtt.catalogue import FIELDS, Json, NotReadYetError, parse
from wallbox2mqtt.catalogue.slots import DAYS, PARTS, UTC_OFFSET, Slot, key_of, slot_in, slots_in, upcoming
from wallbox2mqtt.catalogue.zones import offset_min
from wallbox2mqtt.cloud.schedules import read_schedules
from wallbox2mqtt.errors import BadAnswerError, CloudError, InvalidPayloadError, RequestRefusedError, ServerError
from wallbox2mqtt.simulator import ChargerSpec, Fault, Settings
from wallbox2mqtt.simulator.schedule import Schedule

ONE, TWO = 101, 102
DAY_S = 86_400.0
MIDSUMMER = datetime(2026, 6, 24, 12, 30, tzinfo=UTC).timestamp()
BEFORE_WINTER = datetime(2026, 10, 25, 0, 58, tzinfo=UTC).timestamp()
"""Summer time ends in Berlin two minutes later."""
ALL_DAYS: dict[str, Json] = dict.fromkeys(DAYS, True)
WEEKEND: dict[str, Json] = {day: day in {"saturday", "sunday"} for day in DAYS}
NIGHT: dict[str, Json] = {
    "id": 0,
    "enable": True,
    "start": "2030",
    "stop": "0400",
    "days": ALL_DAYS,
    "max_current": 16,
    "max_energy": 0,
}
NOON: dict[str, Json] = {**NIGHT, "id": 1, "enable": False, "start": "1000", "stop": "1200", "days": WEEKEND}
GENEROUS = Settings(reads_per_minute=None, writes_per_minute=None)
PATH = f"chargers/{ONE}/schedules"

slots = st.builds(
    Slot,
    number=st.integers(0, 9),
    enabled=st.booleans(),
    start=st.integers(0, 1439),
    stop=st.integers(0, 1439),
    days=st.frozensets(st.integers(0, 6)),
    current=st.integers(6, 32),
    energy=st.integers(0, 1000),
)
offsets = st.integers(-12 * 60, 14 * 60)
Make = Callable[..., Parts]


# --- slots and time


@given(slots, offsets)
def test_local_time_and_back(slot: Slot, offset: int) -> None:
    local = slot.shifted(offset)
    assert local.shifted(-offset) == slot
    assert (local.stop - local.start) % 1440 == (slot.stop - slot.start) % 1440
    assert len(local.days) == len(slot.days)


@given(slots)
def test_a_slot_is_what_its_fields_say(slot: Slot) -> None:
    assert slot_in(slot.fields, slot.number) == slot
    assert read_schedules({"schedules": [slot.document]}, 0).values == {UTC_OFFSET: 0, **slot.fields}
    assert list(slot.fields) == [key_of(slot.number, part) for part in PARTS]


@pytest.mark.parametrize(
    ("start", "days", "offset", "local", "shown"),
    [
        pytest.param("2230", ["sunday"], 120, "00:30", "mon", id="into-the-next-day"),
        pytest.param("0130", ["sunday", "monday"], -300, "20:30", "sat,sun", id="into-the-day-before"),
        pytest.param("2030", ["friday"], 120, "22:30", "fri", id="the-same-day"),
        pytest.param("1845", ["saturday"], 345, "00:30", "sun", id="quarter-of-an-hour"),
        pytest.param("1000", [], 60, "11:00", "never", id="no-day"),
    ],
)
def test_days_follow_the_start_over_midnight(start: str, days: list[str], offset: int, local: str, shown: str) -> None:
    wire: Json = {**NIGHT, "start": start, "days": {day: day in days for day in DAYS}}
    values = read_schedules({"schedules": [wire]}, offset).values
    assert (values["schedule/0/start"], values["schedule/0/days"]) == (local, shown)


@given(st.lists(slots, max_size=4), st.integers(0, 14 * 1440))
def test_next_and_running_slot_are_those_of_the_simulator(several: list[Slot], minute: int) -> None:
    """The simulator looks whether a window is open; the next ten days are tried minute by minute at the edges."""
    now = MIDSUMMER + minute * 60.0
    known = [Schedule.of({**slot.document, "chargerId": ONE}) for slot in several if slot.enabled]
    begins, ends = upcoming(several, now)
    is_open = any(one.is_open(now) for one in known)
    assert (begins is not None or is_open) == any(one.days for one in known)
    if begins is not None:
        assert begins > now
        assert any(one.is_open(begins) and one.start_s == begins % DAY_S for one in known)
    if is_open:
        assert ends is not None
        assert now < ends <= now + DAY_S
        assert any(one.is_open(ends - 60) for one in known)
    elif begins is not None:
        assert ends is not None
        assert begins < ends <= begins + DAY_S


def test_the_offset_in_force() -> None:
    casablanca = datetime.fromtimestamp(MIDSUMMER, ZoneInfo("Africa/Casablanca")).utcoffset()
    assert casablanca is not None
    assert offset_min({"timezone": "Africa/Casablanca"}, MIDSUMMER) == casablanca.total_seconds() / 60
    winter = datetime(2026, 12, 24, tzinfo=UTC).timestamp()
    assert (
        offset_min({"timezone": "Europe/Berlin"}, MIDSUMMER),
        offset_min({"timezone": "Europe/Berlin"}, winter),
    ) == (120, 60)
    assert offset_min({"timezone": "Asia/Kathmandu"}, winter) == 345
    assert [
        offset_min({"timezone": name}, winter) for name in (None, "", "Nowhere/Land", "../etc/passwd", 7, "\0")
    ] == [0] * 6


# --- the cloud's document


@pytest.mark.parametrize("document", [None, [], {}, {"schedules": None}, {"schedules": {}}, "x"], ids=str)
def test_what_is_no_document(document: Json) -> None:
    with pytest.raises(BadAnswerError):
        read_schedules(document, 0)


def test_a_slot_without_an_id_is_at_its_position() -> None:
    wires: list[Json] = [{key: value for key, value in wire.items() if key != "id"} for wire in (NIGHT, NOON)]
    values = read_schedules({"schedules": wires}, 0).values
    assert (values["schedule/0/start"], values["schedule/1/start"]) == ("20:30", "10:00")


@pytest.mark.parametrize(
    "change",
    [
        {"start": "9"},
        {"start": None},
        {"stop": 400},
        {"days": None},
        {"enable": "yes"},
        {"enable": None},
        {"max_current": [1]},
    ],
    ids=str,
)
def test_an_invalid_slot_is_named_and_others_count(change: dict[str, Json]) -> None:
    reading = read_schedules({"schedules": [{**NIGHT, **change}, NOON]}, 0)
    assert reading.wrong.keys() == {key_of(0, part) for part in PARTS}
    assert {key.split("/")[1] for key in reading.values} == {"utc_offset", "1"}


@pytest.mark.parametrize(
    ("change", "field", "expected"),
    [
        ({"enable": 1}, "enabled", True),
        ({"enable": 0}, "enabled", False),
        ({"max_energy": None}, "energy", None),
        ({"max_current": "16"}, "current", 16),
        ({"max_current": 1}, "current", 1),
        ({"days": {"monday": 1}}, "days", "mon"),
    ],
    ids=str,
)
def test_forms_that_the_cloud_has(change: dict[str, Json], field: str, expected: Json) -> None:
    assert read_schedules({"schedules": [{**NIGHT, **change}]}, 0).values[f"schedule/0/{field}"] == expected


@settings(max_examples=30)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(NIGHT, json_values)) | json_values, max_size=3))
def test_hostile_documents(wires: list[Json]) -> None:
    reading = read_schedules({"schedules": wires}, 60)
    assert all(key in FIELDS for key in reading.values.keys() | reading.wrong.keys())


# --- what is accepted

VIEW: dict[str, Json] = {
    "charger_id": ONE,
    "max_available_current": 20,
    **read_schedules({"schedules": [NIGHT, {**NOON, "max_current": 1}]}, 120).values,
}


def refusal(key: str, payload: str) -> str:
    with pytest.raises(InvalidPayloadError) as caught:
        parse(FIELDS[key], payload, VIEW, frozenset())
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"start": "2460"}, 'schedule 0: start: "2460"'),
        ({"start": "22:30"}, "schedule 0: start"),
        ({"stop": 600}, "schedule 0: stop: 600"),
        ({"stop": "\u0660600"}, "schedule 0: stop"),
        ({"days": {"monday": True}}, "schedule 0: days"),
        ({"days": {**ALL_DAYS, "funday": True}}, "schedule 0: days"),
        ({"days": {**ALL_DAYS, "friday": None}}, "schedule 0: days"),
        ({"days": ["monday"]}, "schedule 0: days"),
        ({"max_current": 5}, "schedule 0: max_current: 5"),
        ({"max_current": 21}, "schedule 0: max_current: 21"),
        ({"max_current": 16.0}, "schedule 0: max_current: 16.0"),
        ({"max_current": True}, "schedule 0: max_current: true"),
        ({"max_energy": None}, "schedule 0: max_energy: null"),
        ({"max_energy": -1}, "schedule 0: max_energy: -1"),
        ({"enable": "on"}, "schedule 0: enable"),
        ({"enable": 2}, "schedule 0: enable: 2"),
        ({"id": 10}, "id: 10"),
        ({"id": -1}, "id: -1"),
        ({"id": False}, "id: false"),
        ({"id": None}, "id: null"),
        ({"colour": 1}, "unknown colour"),
    ],
    ids=str,
)
def test_a_wrong_schedule_is_refused_with_what_is_accepted(change: dict[str, Json], problem: str) -> None:
    for payload in (json.dumps({**NIGHT, **change}), json.dumps([{**NOON, "max_current": 6}, {**NIGHT, **change}])):
        reason = refusal("schedules", payload)
        assert problem in reason
        for word in ("HHMM", "all seven days", "a whole number from 6 to 20 A", "0 to 9"):
            assert word in reason


@pytest.mark.parametrize("key", sorted(NIGHT))
def test_a_schedule_that_lacks_something_is_refused(key: str) -> None:
    assert f"lacks {key}" in refusal("schedules", json.dumps({name: NIGHT[name] for name in NIGHT if name != key}))


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ("", "no JSON"),
        ("[]", "neither a schedule nor a list"),
        ("null", "neither a schedule nor a list"),
        ("[1]", "no object"),
        ('{"id": 0, "id": 1}', "'id' is there twice"),
        (json.dumps([NIGHT, NIGHT]), "one id"),
        ("[" * 4000, "no JSON"),
        (f'{{"id": {"9" * 5000}}}', "no JSON"),
    ],
    ids=["empty", "none", "null", "number", "doubled", "same-id", "deep", "huge"],
)
def test_what_is_no_schedule_is_refused(payload: str, problem: str) -> None:
    assert problem in refusal("schedules", payload)


def test_what_the_topic_shows_may_be_sent_back() -> None:
    """A current of 1 A is in the cloud's own examples."""
    shown = FIELDS["schedules"].derive
    assert shown is not None
    text = str(shown(*(VIEW.get(source) for source in FIELDS["schedules"].sources)))
    assert json.loads(text)[1]["max_current"] == 1
    intent = parse(FIELDS["schedules"], text, VIEW, frozenset())
    assert intent.is_fulfilled(VIEW)


@pytest.mark.parametrize(
    ("part", "payload", "accepted"),
    [
        ("start", "24:00", "22:30 or 2230"),
        ("start", "9:00", "22:30 or 2230"),
        ("stop", "10:00:30", "22:30 or 2230"),
        ("stop", "noon", "22:30 or 2230"),
        ("days", "", "mon,tue"),
        ("days", "mo", "mon,tue"),
        ("days", "mon,mon", "mon,tue"),
        ("days", "mon,never", "mon,tue"),
        ("days", "None", "never"),
        ("current", "5", "from 6 to 20 A"),
        ("enabled", "yes", "on off"),
    ],
)
def test_fields_of_a_schedule_say_what_they_accept(part: str, payload: str, accepted: str) -> None:
    assert accepted in refusal(f"schedule/0/{part}", payload)


def test_what_is_not_there_cannot_be_changed() -> None:
    assert "there is no schedule 2" in refusal("schedule/2/enabled", "on")


def test_commands_wait_until_the_schedules_were_read() -> None:
    for key, payload in (("schedules", json.dumps(NIGHT)), ("schedule/0/start", "22:30")):
        with pytest.raises(NotReadYetError):
            parse(FIELDS[key], payload, {"max_available_current": 20}, frozenset())


# --- with a cloud


@pytest.fixture
def make(open_cloud: OpenCloud, clock: FakeClock, tmp_path: Path) -> Make:
    """Return the parts of a bridge that has read its charger once, in Berlin in summer."""

    def make_parts(
        *wires: Json,
        api: Settings = GENEROUS,
        begin: tuple[tuple[str, Json], ...] = (("unplug", None), ("unlock", None)),
        at: float = MIDSUMMER,
        ids: tuple[int, ...] = (ONE,),
        **options: Any,  # noqa: ANN401 - any key of the configuration
    ) -> Parts:
        clock.jump(at - clock.wall())
        specs = [
            ChargerSpec(
                id=number,
                begin=(*begin, ("schedules", list(wires))),
                changes={"config_data.auto_lock": 0, "config_data.timezone": "Europe/Berlin"},
            )
            for number in ids
        ]
        cloud = open_cloud(chargers=specs, settings=api)
        return Parts(cloud, clock, tmp_path, **{"poll_interval": 60, "reads_per_minute": 2, **options})

    return make_parts


def run(parts: Parts, seconds: float, each_s: float = 5.0) -> None:
    parts.run(seconds, each_s, then=parts.schedules.look)
    parts.schedules.look()


def asked(parts: Parts) -> list[float]:
    return [one.at for one in parts.sent_reads if one.path == PATH]


def posted(parts: Parts) -> list[Any]:
    return [one.body for one in parts.sent_writes if one.path == PATH]


class TestShown:
    def test_slots_are_shown_in_local_time(self, make: Make) -> None:
        parts = make(NIGHT, NOON)
        run(parts, 400)
        shown = {part: parts.last(f"{ONE}/schedule/0/{part}") for part in PARTS}
        assert shown == {
            "enabled": "true",
            "start": "22:30",
            "stop": "06:00",
            "days": "mon,tue,wed,thu,fri,sat,sun",
            "current": "16",
            "energy": "0",
        }
        assert parts.last(f"{ONE}/schedule/1/days") == "sat,sun"
        listed = json.loads(parts.last(f"{ONE}/schedules") or "")
        assert listed == [{**NIGHT, "start": "2230", "stop": "0600"}, {**NOON, "start": "1200", "stop": "1400"}]
        assert parts.last(f"{ONE}/schedule/next") == "2026-06-24T20:30:00+00:00"
        assert parts.last(f"{ONE}/schedule/ends") == "2026-06-25T04:00:00+00:00"

    def test_next_and_ends_follow_the_clock(self, make: Make) -> None:
        parts = make(NIGHT, at=datetime(2026, 6, 24, 20, 20, tzinfo=UTC).timestamp())
        run(parts, 400)
        assert parts.last(f"{ONE}/schedule/next") == "2026-06-24T20:30:00+00:00"
        run(parts, 400)
        assert parts.last(f"{ONE}/schedule/next") == "2026-06-25T20:30:00+00:00"
        assert parts.last(f"{ONE}/schedule/ends") == "2026-06-25T04:00:00+00:00"

    def test_slots_that_have_no_id(self, make: Make) -> None:
        parts = make(NIGHT, NOON, api=replace(GENEROUS, schedule_ids=False))
        run(parts, 400)
        parts.send(f"{ONE}/schedule/1/enabled", "on")
        run(parts, 300)
        assert parts.results_of("schedule/1/enabled") == [("ok", True, None)]
        assert [one.enabled for one in parts.cloud.charger(ONE).state().schedules] == [True, True]
        assert [one["id"] for one in json.loads(parts.last(f"{ONE}/schedules") or "")] == [0, 1]

    def test_none(self, make: Make) -> None:
        parts = make()
        run(parts, 400)
        assert parts.last(f"{ONE}/schedules") == "[]"
        assert parts.last(f"{ONE}/schedule/next") == parts.last(f"{ONE}/schedule/ends") == "None"

    def test_a_refused_token_is_renewed_once(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        parts = make(NIGHT)
        parts.cloud.fault(Fault(kind="status", status=401, path=PATH))
        run(parts, 400)
        assert parts.last(f"{ONE}/schedule/0/start") == "22:30"
        assert len(asked(parts)) == 2
        assert "cannot be read" not in caplog.text

    def test_one_that_goes_is_unknown(self, make: Make) -> None:
        parts = make(NIGHT, NOON)
        run(parts, 400)
        parts.cloud.charger(ONE).do("schedules", [NIGHT])
        parts.shared.schedule_reads.want(ONE)
        run(parts, 200)
        assert {parts.last(f"{ONE}/schedule/1/{part}") for part in PARTS} == {"None"}
        assert [one["id"] for one in json.loads(parts.last(f"{ONE}/schedules") or "")] == [0]
        snapshot = parts.states.snapshot(ONE)
        assert snapshot is not None
        assert slots_in(snapshot.values) == [slot_in(snapshot.values, 0)]

    def test_summer_time_ends(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        parts = make({**NIGHT, "start": "2230", "days": WEEKEND}, at=BEFORE_WINTER - 600)
        run(parts, 500)
        assert (parts.last(f"{ONE}/schedule/0/start"), parts.last(f"{ONE}/schedule/0/days")) == ("00:30", "mon,sun")
        with caplog.at_level(logging.WARNING):
            run(parts, 240)
        assert (parts.last(f"{ONE}/schedule/0/start"), parts.last(f"{ONE}/schedule/0/days")) == ("23:30", "sat,sun")
        assert parts.last(f"{ONE}/schedule/0/stop") == "05:00"
        assert json.loads(parts.last(f"{ONE}/schedules") or "")[0]["start"] == "2330"
        (line,) = [one.message for one in caplog.records if "local time" in one.message]
        assert line.endswith("charger=101 by_min=-60")
        assert posted(parts) == []
        parts.send(f"{ONE}/schedule/0/stop", "06:00")
        run(parts, 20)
        assert posted(parts)[0]["schedules"][0]["stop"] == "0500"
        assert posted(parts)[0]["schedules"][0]["start"] == "2230"

    def test_a_schedules_read_is_no_reading_of_the_session(self, make: Make) -> None:
        parts = make(NIGHT)
        run(parts, 400)
        before = parts.states.read_at(ONE)
        parts.cloud.fault(Fault(kind="status", status=500, path="chargers/status/*", count=None))
        parts.shared.schedule_reads.want(ONE)
        parts.reader.step()
        assert parts.states.read_at(ONE) == before


def test_schedules_are_due_at_start_daily_and_after_writes(clock: FakeClock) -> None:
    reads = ScheduleReads(clock, 45)
    assert reads.next(wanted=False) is None
    reads.follow(ONE, 161)
    assert reads.next(wanted=False) == ONE
    assert reads.next(wanted=True) is None
    reads.succeeded(ONE)
    clock.advance(DAY_S - 1)
    assert reads.next(wanted=False) is None
    clock.advance(1)
    assert reads.next(wanted=False) == ONE
    reads.succeeded(ONE)
    reads.written(ONE)
    clock.advance(44)
    assert reads.next(wanted=False) is None
    clock.advance(1)
    assert reads.next(wanted=False) == ONE
    reads.succeeded(ONE)
    reads.want(ONE)
    assert (reads.next(wanted=True), reads.is_wanted) == (ONE, True)
    reads.keep_only({TWO})
    assert (reads.next(wanted=False), reads.is_wanted) == (None, False)
    # one that was forgotten while they were read
    reads.succeeded(ONE)
    reads.keep_only(set())
    reads.failed(ONE, ServerError("the cloud answered 500", 500))


@pytest.mark.parametrize(
    ("error", "had_some", "pauses"),
    [
        pytest.param(RequestRefusedError("404", 404), False, [3600, 3600, DAY_S, DAY_S], id="never"),
        pytest.param(RequestRefusedError("404", 404), True, [3600] * 4, id="no-longer"),
        pytest.param(BadAnswerError("302", 302), False, [60, 60, 3600, 3600], id="nonsense"),
        pytest.param(ServerError("500", 500), False, [60, 60, 3600, 3600], id="outage"),
    ],
)
def test_when_they_are_tried_again(clock: FakeClock, error: CloudError, pauses: list[float], *, had_some: bool) -> None:
    reads = ScheduleReads(clock, 45)
    reads.follow(ONE, 161)
    if had_some:
        reads.succeeded(ONE)
    for pause_s in pauses:
        reads.failed(ONE, error)
        clock.advance(pause_s - 1)
        assert reads.next(wanted=False) is None
        clock.advance(1)
        assert reads.next(wanted=False) == ONE


class TestReads:
    def test_schedules_are_read_when_a_car_waits(self, make: Make) -> None:
        parts = make(NIGHT)
        run(parts, 400)
        assert len(asked(parts)) == 1
        parts.cloud.charger(ONE).do("plug", 20)
        run(parts, 200)
        assert parts.last(f"{ONE}/status") == "Scheduled"
        assert len(asked(parts)) == 2

    def test_within_the_budget_and_after_what_others_wait_for(self, make: Make) -> None:
        numbers = tuple(range(ONE, ONE + 6))
        parts = make(NIGHT, ids=numbers, api=Settings(reads_per_minute=2), reads_per_minute=2)
        run(parts, 7200)
        assert not [one for one in parts.cloud.requests if one.limited]
        read = [one.path for one in parts.sent_reads if one.path.endswith("/schedules")]
        assert sorted(read) == [f"chargers/{number}/schedules" for number in numbers]
        paths = [one.path for one in parts.sent_reads]
        begins, ends = paths.index(read[0]), len(paths) - paths[::-1].index(read[-1])
        between = paths[begins:ends]
        assert between.count("v3/chargers/groups") >= 0.8 * (len(between) - 1), "they take turns with the details"

    def test_a_charger_just_commanded_comes_before_them(self, make: Make) -> None:
        numbers = (ONE, ONE + 1, ONE + 2)
        parts = make(NIGHT, ids=numbers)
        run(parts, 400)
        before = len(parts.sent_reads)
        assert not [one for one in parts.sent_reads if one.path.endswith("/schedules")]
        parts.send(f"{ONE + 1}/max_charging_current", "9")
        run(parts, 700)
        others = [one.path for one in parts.sent_reads[before:] if one.path != "v3/chargers/groups"]
        assert others[0] == f"chargers/status/{ONE + 1}"
        assert others[1].endswith("/schedules")

    @pytest.mark.parametrize(("status", "tries"), [(404, 2), (403, 2), (500, 4), (302, 4)])
    def test_a_cloud_without_them_is_asked_rarely(self, make: Make, status: int, tries: int) -> None:
        parts = make(NIGHT)
        parts.cloud.fault(Fault(kind="status", status=status, path="chargers/*/schedules", count=None))
        run(parts, 5400, 60.0)
        assert len(asked(parts)) == tries
        assert parts.last(f"{ONE}/schedules") is None
        assert parts.last("bridge/cloud_reason") == "ok"
        assert parts.last(f"{ONE}/availability") == "online"


class TestCommands:
    def test_a_change_is_shown_at_once_and_confirmed_later(self, make: Make) -> None:
        parts = make(NIGHT, NOON)
        run(parts, 400)
        reads = len(asked(parts))
        parts.published.clear()
        parts.send(f"{ONE}/schedule/0/start", "23:15")
        parts.settle()
        assert parts.results_of("schedule/0/start") == [("ok", "23:15", None)]
        assert parts.last(f"{ONE}/schedule/0/start") == "23:15"
        assert json.loads(parts.last(f"{ONE}/schedules") or "")[0]["start"] == "2315"
        assert posted(parts) == [{"schedules": [{**NIGHT, "chargerId": ONE, "enable": 1, "start": "2115"}]}]
        assert len(asked(parts)) == reads, "the budget is for what was planned"
        run(parts, 300)
        assert len(asked(parts)) == reads + 1
        assert parts.results_of("schedule/0/start") == [("ok", "23:15", None)]
        assert parts.of(f"{ONE}/schedule/0/start") == ["23:15"]

    def test_a_list_makes_and_changes_and_leaves_the_others(self, make: Make) -> None:
        parts = make(NIGHT, NOON)
        run(parts, 400)
        new: dict[str, Json] = {**NOON, "id": 2, "start": "0015", "stop": "0200"}
        parts.send(f"{ONE}/schedules", json.dumps([{**NIGHT, "max_current": 10}, new]))
        run(parts, 300)
        ((status, value, reason),) = parts.results_of("schedules")
        assert (status, reason) == ("ok", None)
        assert value == [{**NIGHT, "max_current": 10}, new]
        state = parts.cloud.charger(ONE).state()
        assert [one.wire["id"] for one in state.schedules] == [0, 1, 2]
        assert state.schedules[2].wire["start"] == "2215"
        assert state.schedules[2].wire["days"] == {day: day in {"friday", "saturday"} for day in DAYS}
        assert [one["id"] for one in json.loads(parts.last(f"{ONE}/schedules") or "")] == [0, 1, 2]
        assert parts.last(f"{ONE}/schedule/2/start") == "00:15"

    def test_what_is_so_already_needs_no_write(self, make: Make) -> None:
        parts = make(NIGHT)
        run(parts, 400)
        parts.send(f"{ONE}/schedules", parts.last(f"{ONE}/schedules") or "")
        parts.send(f"{ONE}/schedule/0/days", "all")
        parts.settle()
        assert [answer["status"] for _, answer, _ in parts.answers] == ["ok", "ok"]
        assert posted(parts) == []

    def test_a_command_reads_schedules_that_were_never_read(self, make: Make) -> None:
        parts = make(NIGHT)
        parts.run(5)
        parts.send(f"{ONE}/schedule/0/current", "20")
        run(parts, 110)
        assert parts.results_of("schedule/0/current") == [("ok", 20, None)]
        assert len(asked(parts)) == 1

    def test_where_they_cannot_be_read_a_command_is_rejected(self, make: Make) -> None:
        parts = make(NIGHT)
        parts.cloud.fault(Fault(kind="status", status=404, path="chargers/*/schedules", count=None))
        parts.run(5)
        parts.send(f"{ONE}/schedule/0/current", "20")
        run(parts, 110)
        reason = "the schedules cannot be read: the cloud answered 404"
        assert parts.results_of("schedule/0/current") == [("rejected", None, reason)]

    @pytest.mark.parametrize("status", [401, 429])
    def test_a_refusal_that_says_nothing_of_them_costs_no_command(self, make: Make, status: int) -> None:
        parts = make(NIGHT, max_age_s=600)
        parts.cloud.fault(Fault(kind="status", status=status, path="chargers/*/schedules"))
        parts.run(5)
        parts.send(f"{ONE}/schedule/0/current", "20")
        run(parts, 590)
        assert parts.results_of("schedule/0/current") == [("ok", 20, None)]

    def test_the_newest_wins_field_by_field(self, make: Make) -> None:
        parts = make(NIGHT)
        run(parts, 400)
        parts.send(f"{ONE}/schedules", json.dumps({**NIGHT, "stop": "0700", "max_current": 8}))
        parts.send(f"{ONE}/schedule/0/current", "9")
        parts.send(f"{ONE}/schedule/0/current", "10")
        run(parts, 30, 1.0)
        assert [status for status, *_ in parts.results_of("schedule/0/current")] == ["superseded", "ok"]
        assert [status for status, *_ in parts.results_of("schedules")] == ["ok"]
        (slot,) = parts.cloud.charger(ONE).expected().schedules
        assert (slot.wire["stop"], slot.wire["max_current"]) == ("0500", 10)

    def test_one_that_the_cloud_never_shows_is_told(self, make: Make) -> None:
        parts = make(NIGHT, api=replace(GENEROUS, lag_s=100_000.0))
        run(parts, 400)
        parts.send(f"{ONE}/schedule/0/enabled", "off")
        run(parts, 40)
        assert parts.last(f"{ONE}/schedule/0/enabled") == "false"
        run(parts, 200)
        results = parts.results_of("schedule/0/enabled")
        assert [(status, reason) for status, _, reason in results] == [("ok", None), ("failed", "not confirmed")]
        assert parts.last(f"{ONE}/schedule/0/enabled") == "true"

    def test_what_the_cloud_refuses(self, make: Make) -> None:
        parts = make(NIGHT)
        run(parts, 400)
        parts.cloud.fault(Fault(kind="status", status=400, path="chargers/*/schedules", method="POST"))
        parts.send(f"{ONE}/schedule/0/enabled", "off")
        run(parts, 20)
        assert parts.results_of("schedule/0/enabled") == [("failed", False, "the cloud answered 400")]
        assert parts.of(f"{ONE}/schedule/0/enabled")[-1] == "true"

    def test_retained_ones_are_no_commands(self, make: Make) -> None:
        parts = make(NIGHT)
        run(parts, 400)
        parts.send(f"{ONE}/schedule/0/enabled", "off", retained=True)
        parts.settle()
        ((status, _, reason),) = parts.results_of("schedule/0/enabled")
        assert status == "rejected"
        assert "retained" in (reason or "")

    def test_a_long_list_is_no_longer_than_allowed(self, make: Make) -> None:
        parts = make(NIGHT)
        run(parts, 400)
        several = [{**NIGHT, "id": number, "user_uid": "x" * 300} for number in range(10)]
        assert len(json.dumps(several)) > 1024
        parts.send(f"{ONE}/schedules", json.dumps(several))
        parts.send(f"{ONE}/schedules", " " * 9000)
        run(parts, 20)
        assert [status for status, *_ in parts.results_of("schedules")] == ["rejected", "ok"]
