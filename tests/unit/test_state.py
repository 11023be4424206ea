"""The state: what is published of all that is read and commanded, and when it is not."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import A_DAY
from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.kept_keys import MAX_FIELDS
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import FIELDS, STATUSES, Json
from wallbox2mqtt.cloud.documents import Origin, Reading, read_answer, read_detail
from wallbox2mqtt.simulator import capture
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics, payload

ONE = 101
SETTLE_S = 45.0
LIMIT = "max_charging_current"


def iso(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M:%S")


class Harness:
    """A state, and what it has published. Times are seconds, given by hand."""

    def __init__(self, settle_s: float = SETTLE_S, store: Storage | None = None) -> None:
        self.published: list[tuple[str, str]] = []
        self.failed: list[str] = []
        self.states = ChargerStates(
            Topics("w"), lambda topic, text: self.published.append((topic, text)), settle_s, store
        )

    def detail(self, begun: float, server_time: float | None = None, /, **values: Json) -> None:
        document: dict[str, Json] = {"status_id": 161, **values}
        self._failed(self.states.take_reading(ONE, read_detail(document), begun, server_time))

    def sweep(self, begun: float, /, **values: Json) -> None:
        self._failed(self.states.take_reading(ONE, Reading(values), begun, None))

    def _failed(self, commands: list[QueuedCommand]) -> None:
        self.failed += [command.key for command in commands]

    def write(self, at: float, key: str, value: Json, *, begun: float | None = None, answer: Json = None) -> None:
        self.writes(at, {key: value}, begun=begun, answer=answer)

    def writes(
        self, at: float, wished: dict[str, Json], *, begun: float | None = None, answer: Json = None, form: str = "v2"
    ) -> None:
        commands = {key: QueuedCommand(ONE, key, at) for key in wished}
        reading = read_answer(answer, form)
        self._failed(self.states.accept(ONE, wished, reading, at if begun is None else begun, at, commands))

    def of(self, key: str) -> list[str]:
        """What was published of a field since it was asked last, the other fields stay."""
        topic = f"w/{ONE}/{key}"
        found = [text for name, text in self.published if name == topic]
        self.published = [(name, text) for name, text in self.published if name != topic]
        return found

    def shown(self, key: str) -> Json:
        return self.states.value(ONE, key)


def v2(**values: Json) -> Json:
    return {"data": {"chargerData": dict(values), "users": []}}


@pytest.fixture
def harness() -> Harness:
    return Harness()


class TestPublishing:
    def test_only_what_changed(self, harness: Harness) -> None:
        harness.detail(1, charging_power=1.5, name="A")
        assert harness.of("charging_power") == ["1.5"]
        harness.detail(2, charging_power=1.5, name="A")
        harness.detail(3, charging_power=2, name="A")
        assert harness.of("charging_power") == ["2"]
        assert harness.of("name") == ["A"]

    def test_a_number_that_only_changed_its_kind_is_published(self, harness: Harness) -> None:
        harness.detail(1, charging_power=2)
        harness.detail(2, charging_power=2.0)
        assert harness.of("charging_power") == ["2", "2.0"]

    def test_no_flag_is_taken_for_a_number(self, harness: Harness) -> None:
        harness.detail(1, invented=1)
        harness.detail(2, invented=True)
        assert harness.of("invented") == ["1", "true"]

    @pytest.mark.parametrize(
        ("value", "text"),
        [(None, "None"), ("", "None"), (0, "0"), (False, "false"), ([], "[]"), ({}, "{}"), ([1, "ü"], '[1,"ü"]')],
        ids=repr,
    )
    def test_payloads(self, harness: Harness, value: Json, text: str) -> None:
        harness.detail(1, invented=value)
        assert harness.of("invented") == [text]

    def test_every_value_of_the_captures(self, harness: Harness) -> None:
        harness.states.take_reading(ONE, read_detail(dict(capture("pulsar-plus"))), 1, None)
        last = dict(harness.published)
        assert last[f"w/{ONE}/max_charging_current"] == "32"
        assert last[f"w/{ONE}/software/currentVersion"] == "5.17.59"
        assert last[f"w/{ONE}/state_of_charge"] == "None"
        assert last[f"w/{ONE}/status"] == "Locked - Car connected"
        assert last[f"w/{ONE}/last_sync"] == "2023-08-18T06:50:26+00:00"
        assert json.loads(last[f"w/{ONE}/plan/features"])[0] == "DEFAULT_FEATURE"
        assert len(last) == len(harness.published)

    def test_announce_publishes_everything_as_it_is_shown(self, harness: Harness) -> None:
        harness.detail(1, charging_power=1)
        harness.write(2, LIMIT, 20)
        before = dict(harness.published)
        harness.published.clear()
        list(harness.states.announcing())
        assert dict(harness.published) == before
        assert len(harness.published) == len(before)
        assert before[f"w/{ONE}/availability"] == "online"

    def test_announcing_says_what_is_so_by_then(self, harness: Harness) -> None:
        """A slow broker takes a fleet little by little, and what it was told meanwhile must not be overwritten."""
        for charger_id in (ONE, ONE + 1, ONE + 2):
            harness.states.take_reading(charger_id, Reading({"name": "A"}, origin=Origin.DETAIL), 1, None)
        harness.published.clear()
        turns = harness.states.announcing()
        assert next(turns) == ONE
        assert {topic.split("/")[1] for topic, _ in harness.published} == {str(ONE)}
        harness.states.take_reading(ONE + 1, Reading({"name": "B"}, origin=Origin.DETAIL), 2, None)
        harness.states.forget(ONE + 2)
        assert list(turns) == [ONE + 1, ONE + 2]
        names = [(topic, text) for topic, text in harness.published if topic.endswith("name")]
        assert names == [(f"w/{ONE}/name", "A"), (f"w/{ONE + 1}/name", "B"), (f"w/{ONE + 1}/name", "B")]

    def test_repeat_publishes_what_is_known_of_these(self, harness: Harness) -> None:
        harness.detail(1, name="A")
        harness.published.clear()
        harness.states.republish(ONE, ["name", "unknown"])
        harness.states.republish(999, ["name"])
        assert harness.published == [(f"w/{ONE}/name", "A")]

    def test_forget_gives_the_topics(self, harness: Harness) -> None:
        harness.detail(1, name="A")
        topics = harness.states.forget(ONE)
        assert {f"w/{ONE}/name", f"w/{ONE}/status", f"w/{ONE}/availability"} <= set(topics)
        assert set(topics) >= {topic for topic, _ in harness.published}
        assert len(topics) == len(set(topics))
        assert harness.states.view(ONE) == {}
        assert not harness.states.has_detail(ONE)

    def test_forget_knows_what_an_earlier_run_may_have_left(self, harness: Harness) -> None:
        topics = harness.states.forget(ONE)
        assert {f"w/{ONE}/availability", f"w/{ONE}/locked", f"w/{ONE}/basic/wifiSignal"} <= set(topics)
        assert f"w/{ONE}/action" not in topics

    def test_only_a_detail_is_a_detail(self, harness: Harness) -> None:
        harness.sweep(1, status_id=161)
        assert not harness.states.has_detail(ONE)
        harness.detail(2)
        assert harness.states.has_detail(ONE)


class TestEdition:
    """It tells who announces chargers which of them to look at again: of hundreds, few at each sweep."""

    @pytest.fixture
    def revision(self, harness: Harness) -> Callable[[], bool]:
        """Whether it is another one since it was asked last."""
        last = [0]

        def changed() -> bool:
            before, last[0] = last[0], harness.states.revision(ONE)
            return before != last[0]

        return changed

    def test_measurements_and_the_same_again_leave_it(self, harness: Harness, revision: Callable[[], bool]) -> None:
        assert not revision(), "nothing is known"
        harness.detail(0, charging_power=1.5, added_energy=1, name="A")
        assert revision()
        harness.detail(1, charging_power=1.5, added_energy=1, name="A")
        harness.sweep(2, charging_power=7.2, added_energy=3)
        assert not revision()

    @pytest.mark.parametrize(
        "later",
        [
            {"charging_power": 0, "name": "B"},
            {"charging_power": 0, "name": "A", "new": 1},
            {"charging_power": None, "name": "A"},
            {"name": "A"},
        ],
        ids=["another name", "a new key", "a measurement that is unknown", "a measurement that is gone"],
    )
    def test_all_else_changes_it(self, harness: Harness, revision: Callable[[], bool], later: dict[str, Json]) -> None:
        harness.detail(0, charging_power=0, name="A")
        revision()
        harness.detail(1, **later)
        assert revision()
        harness.detail(2, **later)
        assert not revision()

    def test_so_does_the_first_of_each_document(self, harness: Harness, revision: Callable[[], bool]) -> None:
        harness.sweep(0, charging_power=0)
        assert revision()
        for origin in (Origin.DETAIL, Origin.BASIC):
            harness.states.take_reading(ONE, Reading({"charging_power": 0}, origin=origin), 1, None)
            assert revision()

    def test_and_a_command(self, harness: Harness, revision: Callable[[], bool]) -> None:
        harness.detail(0)
        revision()
        harness.write(1, LIMIT, 13)
        assert revision()


class TestTotals:
    """Home Assistant reports a sum that falls by less than a tenth as an error, and takes a larger fall as a reset."""

    @pytest.mark.parametrize("key", ["added_energy", "added_green_energy", "added_range", "cost"])
    def test_a_small_fall_is_not_shown(self, harness: Harness, key: str) -> None:
        for begun, value in enumerate((10, 9.5, 9)):
            harness.detail(begun, **{key: value})
        assert harness.shown(key) == 9, "who counts in this process needs the truth"
        harness.states.republish(ONE, [key])
        for begun, value in enumerate((10, 10.5), start=3):
            harness.detail(begun, **{key: value})
        assert harness.of(key) == ["10", "10", "10.5"]

    def test_a_new_beginning_is(self, harness: Harness) -> None:
        for begun, value in enumerate((10, 8.9, 0, 0.5, 0, None, 0)):
            harness.detail(begun, added_energy=value)
        assert harness.of("added_energy") == ["10", "8.9", "0", "0.5", "0", "None", "0"]

    def test_a_later_session_that_has_nearly_as_much_is(self, harness: Harness) -> None:
        harness.detail(0, added_energy=5.2, charging_time=900)
        harness.detail(1, added_energy=5.1, charging_time=60)
        harness.detail(2, added_energy=5.0, charging_time=90)
        assert harness.of("added_energy") == ["5.2", "5.1"]

    def test_other_numbers_fall_as_they_like(self, harness: Harness) -> None:
        for begun, value in enumerate((10, 9.9, -9.9)):
            harness.detail(begun, charging_power=value)
        assert harness.of("charging_power") == ["10", "9.9", "-9.9"]


class TestMissingAndWrong:
    def test_a_key_that_is_gone_is_unknown(self, harness: Harness) -> None:
        harness.detail(1, name="A", invented=1)
        harness.detail(2)
        assert harness.of("name") == ["A", "None"]
        assert harness.of("invented") == ["1", "None"]
        harness.detail(3)
        assert harness.of("name") == []
        harness.detail(4, name="B")
        assert harness.of("name") == ["B"]

    @pytest.mark.parametrize("known", [True, False], ids=["known object", "unknown object"])
    def test_the_leaves_of_an_object_that_became_null(self, harness: Harness, *, known: bool) -> None:
        value: Json = 1 if known else {"er": 1}
        key, leaf = ("ecosmart", "mode") if known else ("novelty", "deep")
        topic = f"{key}/{leaf}" if known else f"{key}/{leaf}/er"
        harness.detail(1, config_data={key: {leaf: value}})
        harness.detail(2, config_data={key: None})
        assert harness.of(topic) == ["1", "None"]
        harness.detail(3, config_data={key: {leaf: value}})
        harness.detail(4, config_data={key: None})
        assert harness.of(topic) == ["1", "None"]
        assert harness.of(key) == []

    def test_config_data_that_is_null(self, harness: Harness) -> None:
        harness.detail(1, config_data={"locked": 1, "ecosmart": {"enabled": True, "mode": 0}})
        assert harness.of("eco_smart") == ["eco"]
        harness.detail(2, config_data=None)
        assert harness.of("locked") == ["1", "None"]
        assert harness.of("eco_smart") == ["None"]

    def test_an_object_in_place_of_a_value_and_back(self, harness: Harness) -> None:
        harness.detail(1, novelty=1)
        harness.detail(2, novelty={"inner": 2})
        assert harness.of("novelty") == ["1", "None"]
        harness.detail(3, novelty={})
        assert harness.of("novelty/inner") == ["2", "None"]
        assert harness.of("novelty") == ["{}"]

    @pytest.mark.parametrize("document", ["sweep", "answer"])
    def test_missing_elsewhere_is_no_change(self, harness: Harness, document: str) -> None:
        harness.detail(1, name="A", charging_power=3)
        if document == "sweep":
            harness.sweep(2, status_id=194)
        else:
            harness.write(2, "locked", 1, answer=v2(locked=1))
        assert harness.of("charging_power") == ["3"]
        assert harness.of("name") == ["A"]

    def test_a_wrong_kind_keeps_the_last_value_with_one_warning(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        harness.detail(1, charging_power=3)
        for begun in (2, 3):
            harness.detail(begun, charging_power="a lot", config_data={"locked": 7})
        assert harness.of("charging_power") == ["3"]
        assert harness.of("locked") == []
        assert [record.getMessage().split("field=")[1].split()[0] for record in caplog.records] == [
            "charging_power",
            "locked",
        ]
        harness.detail(5, charging_power=4)
        assert harness.of("charging_power") == ["4"]

    def test_a_wrong_kind_three_readings_long_is_unknown(self, harness: Harness) -> None:
        harness.detail(1, charging_power=3, cost=1)
        harness.detail(2, charging_power="a lot", cost=1)
        harness.sweep(3, added_energy=1)
        harness.detail(4, charging_power=[], cost="much")
        assert harness.of("charging_power") == ["3"]
        harness.detail(5, charging_power="a lot", cost=1)
        harness.detail(6, charging_power="a lot", cost="much")
        assert harness.of("charging_power") == ["None"]
        assert harness.of("cost") == ["1"], "two in a row are not three"

    def test_an_impossible_value_is_unknown_at_once(self, harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
        harness.detail(1, charging_time=3)
        for begun in (2, 3):
            harness.detail(begun, charging_time=-1648030457)
        assert harness.of("charging_time") == ["3", "None"]
        (record,) = caplog.records
        assert "an impossible value of a field" in record.getMessage()
        assert "found -1648030457, expected 0 to inf" in record.getMessage()

    def test_basic_and_detail_do_not_miss_one_anothers_keys(self, harness: Harness) -> None:
        harness.detail(1, name="A")
        harness.states.take_reading(
            ONE, Reading({"basic/wifiSignal": 50, "basic/new": 1}, origin=Origin.BASIC), 2, None
        )
        harness.detail(3, name="A")
        harness.states.take_reading(ONE, Reading({"basic/wifiSignal": 50}, origin=Origin.BASIC), 4, None)
        assert harness.of("name") == ["A"]
        assert harness.of("basic/wifiSignal") == ["50"]
        assert harness.of("basic/new") == ["1", "None"]

    def test_made_up_keys_do_not_fill_the_memory(self, harness: Harness) -> None:
        for begun in range(5):
            harness.detail(begun, **{f"made_up_{begun}_{number}": number for number in range(MAX_FIELDS)})
        assert len(harness.states.view(ONE)) <= MAX_FIELDS + 10
        harness.detail(9, charging_power=1)
        assert harness.shown("charging_power") == 1
        assert {topic for topic, _ in harness.published} == {
            f"w/{ONE}/{key}" for key in [*harness.states.view(ONE), "availability"]
        }


class TestRestart:
    """What goes while the bridge does not run is unknown too: its topic outlives the process."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Storage:
        return Storage(tmp_path, "account")

    def test_a_key_that_went_meanwhile_is_unknown(self, store: Storage) -> None:
        Harness(store=store).detail(0, cost=0.5, config_data={"ecosmart": {"enabled": True, "mode": 1}}, new=7)
        for _ in range(2):
            again = Harness(store=store)
            again.detail(0, config_data={})
            for key in ("cost", "ecosmart/enabled", "ecosmart/mode", "eco_smart", "new"):
                assert again.of(key) == ["None"], key
            snapshot = again.states.snapshot(ONE)
            assert snapshot is not None
            assert not {"cost", "new"} & snapshot.values.keys()

    def test_of_each_document_by_itself(self, store: Storage) -> None:
        first = Harness(store=store)
        first.detail(0, cost=0.5)
        first.states.take_reading(ONE, Reading({"basic/wifiSignal": 50}, origin=Origin.BASIC), 1, None)
        again = Harness(store=store)
        again.detail(0, cost=0.6)
        assert again.of("basic/wifiSignal") == []
        snapshot = again.states.snapshot(ONE)
        assert snapshot is not None
        assert not snapshot.has_basic
        again.states.take_reading(ONE, Reading({}, origin=Origin.BASIC), 1, None)
        assert again.of("basic/wifiSignal") == ["None"]

    def test_a_gone_charger_leaves_no_earlier_topics(self, store: Storage) -> None:
        Harness(store=store).detail(0, new=7)
        again = Harness(store=store)
        assert f"w/{ONE}/new" in again.states.forget(ONE)
        assert f"w/{ONE}/new" not in Harness(store=store).states.forget(ONE)

    def test_an_object_that_became_null_meanwhile(self, store: Storage) -> None:
        Harness(store=store).detail(0, novelty={"deep": 1})
        again = Harness(store=store)
        again.detail(0, novelty=None)
        assert again.of("novelty/deep") == ["None"]
        assert again.of("novelty") == []

    def test_keys_that_are_made_up_in_each_run_are_bounded(self, store: Storage) -> None:
        for run in range(5):
            Harness(store=store).detail(run, **{f"made_up_{run}_{number}": 1 for number in range(MAX_FIELDS)})
        assert len(Harness(store=store).states.forget(ONE)) <= MAX_FIELDS + len(FIELDS) + 1

    def test_keys_of_an_older_version_are_bounded(self, store: Storage) -> None:
        sets: list[Json] = [["cost", "x" * 1000, *(f"made_up_{number}" for number in range(40_000))]]
        store.write("fields", {"sets": sets, "chargers": {str(ONE): {"detail": 0}}})
        topics = Harness(store=store).states.forget(ONE)
        assert len(topics) <= MAX_FIELDS + len(FIELDS) + 1
        assert max(map(len, topics)) < 300

    def test_chargers_that_the_configuration_leaves_out(self, store: Storage) -> None:
        Harness(store=store).detail(0)
        states = Harness(store=store).states
        assert states.left_out([ONE]) == []
        assert states.left_out([7]) == [ONE]
        states.forget(ONE)
        assert states.left_out([7]) == []

    def test_is_written_only_when_keys_change(self, store: Storage) -> None:
        harness = Harness(store=store)
        harness.detail(0, cost=0.5)
        store.path("fields").unlink()
        harness.detail(1, cost=0.6)
        assert not store.path("fields").exists()
        harness.detail(2, cost=0.6, new=1)
        assert store.path("fields").exists()

    def test_hundreds_alike_take_little_room(self, store: Storage) -> None:
        harness = Harness(store=store)
        for number in range(1, 301):
            harness.states.take_reading(number, read_detail(dict(capture("pulsar-plus-2026"))), 0, None)
        assert store.path("fields").stat().st_size < 20_000

    @pytest.mark.parametrize(
        "kept",
        [
            {"sets": 5, "chargers": {str(ONE): {"detail": 0}}},
            {"sets": [["cost"], "x", [1, None]], "chargers": {str(ONE): {"detail": 9}, "9" * 5000: {}, "x": 1}},
            {"sets": [["cost"]], "chargers": {str(ONE): {"detail": True, "basic": -1, "sweep": None}}},
            {"sets": [["cost"]], "chargers": []},
            {"sets": [["cost"]], "chargers": {"0": {"detail": 0}, "-1": {"detail": 0}, "1\u0661": {"detail": 0}}},
        ],
        ids=["no sets", "no such set", "no numbers", "no chargers", "no ids"],
    )
    def test_what_is_kept_may_be_damaged(self, store: Storage, kept: dict[str, Json]) -> None:
        store.write("fields", kept)
        harness = Harness(store=store)
        harness.detail(0)
        assert harness.of("cost") == []


class TestAge:
    def test_an_older_reading_does_not_overwrite_a_newer_one(self, harness: Harness) -> None:
        harness.detail(1, charging_power=1, name="A")
        harness.sweep(5, charging_power=5, status_id=194)
        harness.detail(3, charging_power=3, name="B")
        assert harness.of("charging_power") == ["1", "5"]
        assert harness.of("status") == ["Ready", "Charging"]
        assert harness.of("name") == ["A", "B"]

    def test_gone_from_an_older_detail_is_no_news(self, harness: Harness) -> None:
        harness.detail(1, charging_power=1)
        harness.sweep(5, charging_power=5)
        harness.detail(3)
        assert harness.of("charging_power") == ["1", "5"]

    def test_a_read_begun_before_the_write_is_ignored(self, harness: Harness) -> None:
        harness.detail(1, config_data={"max_charging_current": 32})
        harness.write(10, LIMIT, 20)
        harness.detail(9, config_data={"max_charging_current": 31})
        assert harness.of(LIMIT) == ["32", "20"]

    def test_a_writes_answer_is_as_old_as_its_request(self, harness: Harness) -> None:
        harness.detail(1, name="A", config_data={"locked": 0})
        harness.sweep(8, locked=1, name="B")
        harness.write(10, LIMIT, 20, begun=5, answer=v2(maxChargingCurrent=20, locked=0, name="A"))
        assert harness.of("locked") == ["0", "1"]
        assert harness.of("name") == ["A", "B"]

    def test_a_basic_document_that_is_older_than_a_writes_answer(self, harness: Harness) -> None:
        harness.write(10, LIMIT, 20, answer=v2(maxChargingCurrent=20, wifiSignal=70))
        harness.states.take_reading(ONE, Reading({"basic/wifiSignal": 50}, origin=Origin.BASIC), 9, None)
        assert harness.of("basic/wifiSignal") == ["70"]

    def test_the_writes_answer_is_a_reading_of_the_rest(self, harness: Harness) -> None:
        harness.detail(1, name="A", config_data={"locked": 0})
        harness.write(10, LIMIT, 20, answer=v2(maxChargingCurrent=20, locked=1, name="B", wifiSignal=70))
        assert (harness.shown("locked"), harness.shown("name"), harness.shown("basic/wifiSignal")) == (1, "B", 70)


class TestDisagreement:
    """The list and the detail of a charger say different things, for a moment or for long."""

    def test_for_long_does_not_flap(self, harness: Harness) -> None:
        harness.sweep(0, status_id=185)
        for turn in range(10, 200, 10):
            harness.detail(turn, status_id=194)
            for begun in range(turn + 1, turn + 5):
                harness.sweep(begun, status_id=185)
        assert harness.of("status_id") == ["185", "194", "185", "194"], "the detail has said it twice, and changed last"

    def test_what_changed_last_stays_while_its_document_says_so(self, harness: Harness) -> None:
        harness.sweep(0, status_id=185)
        for begun in range(1, 20, 2):
            harness.detail(begun, status_id=194)
            harness.sweep(begun + 1, status_id=185)
        assert harness.of("status_id") == ["185", "194"]

    def test_two_contradictions_at_most(self, harness: Harness) -> None:
        harness.sweep(0, charging_power=0)
        harness.detail(1, charging_power=7.2)
        harness.sweep(2, charging_power=0)
        harness.sweep(3, charging_power=0)
        assert harness.of("charging_power") == ["0", "7.2"]
        harness.sweep(4, charging_power=0)
        harness.sweep(5, charging_power=0)
        assert harness.of("charging_power") == ["0"]

    def test_a_chargers_own_documents_count_as_they_are_read(self, harness: Harness) -> None:
        harness.detail(0, status_id=161)
        harness.write(1, "locked", 1, answer=v2(status=194))
        harness.detail(2, status_id=161)
        assert harness.of("status_id") == ["161", "194", "161"]

    def test_a_stuck_list_counts_again_once_it_moves(self, harness: Harness) -> None:
        harness.sweep(0, status_id=185)
        for begun in (1, 2):
            harness.detail(begun, status_id=194)
        for begun in range(3, 9):
            harness.sweep(begun, status_id=185)
        harness.sweep(9, status_id=178)
        assert harness.of("status_id") == ["185", "194", "178"]

    def test_a_detail_that_stays_behind_the_list(self, harness: Harness) -> None:
        harness.detail(0, status_id=161)
        for begun in range(1, 20, 3):
            harness.sweep(begun, status_id=194)
            harness.sweep(begun + 1, status_id=194)
            harness.detail(begun + 2, status_id=161)
        assert harness.of("status_id") == ["161", "194"]

    def test_a_change_of_its_own_counts_at_once(self, harness: Harness) -> None:
        harness.sweep(0, charging_power=0)
        harness.detail(1, charging_power=7.2)
        harness.sweep(2, charging_power=0)
        harness.sweep(3, charging_power=1)
        harness.detail(4, charging_power=7.2)
        harness.detail(5, charging_power=7.1)
        assert harness.of("charging_power") == ["0", "7.2", "1", "7.1"]

    def test_a_document_that_is_alone_may_change_and_change_back(self, harness: Harness) -> None:
        harness.sweep(0, locked=0)
        for begun, locked in enumerate((1, 0, 1, 0), start=1):
            harness.sweep(begun, locked=locked)
        assert harness.of("locked") == ["0", "1", "0", "1", "0"]

    def test_what_follows_from_it_does_not_flap_either(self, harness: Harness) -> None:
        harness.sweep(0, status_id=161)
        harness.detail(1, status_id=194)
        harness.sweep(2, status_id=161)
        harness.detail(3, status_id=194)
        assert harness.of("status") == ["Ready", "Charging"]
        assert harness.of("charging_enabled") == ["true"]

    def test_a_list_that_lags_behind_the_confirming_detail(self, harness: Harness) -> None:
        harness.sweep(0, max_charging_current=32)
        harness.write(1, LIMIT, 13)
        harness.detail(2, config_data={LIMIT: 13})
        harness.sweep(3, max_charging_current=32)
        harness.sweep(4, max_charging_current=13)
        assert harness.of(LIMIT) == ["32", "13"]

    def test_a_detail_lags_behind_the_list(self, harness: Harness) -> None:
        harness.sweep(0, max_charging_current=13)
        harness.detail(1, config_data={LIMIT: 32})
        harness.write(100, LIMIT, 13)
        harness.sweep(101, max_charging_current=13)
        harness.detail(102, config_data={LIMIT: 32})
        harness.detail(103, config_data={LIMIT: 13})
        assert harness.of(LIMIT) == ["13", "32", "13"]

    def test_after_the_time_to_settle_a_repeated_value_decides(self, harness: Harness) -> None:
        harness.sweep(0, max_charging_current=32)
        harness.detail(1, config_data={LIMIT: 32})
        harness.write(2, LIMIT, 13)
        harness.sweep(2 + SETTLE_S, max_charging_current=32)
        assert harness.of(LIMIT) == ["32", "13", "32"]
        assert harness.failed == [LIMIT]

    def test_gone_from_the_detail_and_still_in_the_list(self, harness: Harness) -> None:
        harness.sweep(0, ocpp_status=1)
        for begun in range(1, 9, 2):
            harness.detail(begun, **({"ocpp_status": 1} if begun == 1 else {}))
            harness.sweep(begun + 1, ocpp_status=1)
        assert harness.of("ocpp_status") == ["1", "None"]


class TestDerived:
    @pytest.mark.parametrize("status_id", [*STATUSES, 999, None], ids=str)
    def test_status(self, harness: Harness, status_id: int | None) -> None:
        harness.detail(1, status_id=status_id)
        if status_id is None:
            expected: tuple[Json, ...] = (None, None, None, None)
        elif status_id in STATUSES:
            known = STATUSES[status_id]
            expected = (known.text, known.car_connected, known.charging, known.charging_enabled)
        else:
            expected = ("Unknown", None, None, None)
        keys = ("status", "car_connected", "charging", "charging_enabled")
        assert tuple(harness.shown(key) for key in keys) == expected
        assert harness.of("status_id") == [payload(status_id)]

    def test_the_letter_of_evcc_is_published(self, harness: Harness) -> None:
        for begun, status_id in enumerate((161, 181, 194, 14, 5, 999, None)):
            harness.detail(begun, status_id=status_id)
        assert harness.of("evcc/status") == ["A", "B", "C", "E", "F", "None"]

    def test_the_status_follows_the_sign_of_the_power(self, harness: Harness) -> None:
        harness.detail(1, status_id=195, charging_power=5)
        harness.detail(2, status_id=195, charging_power=-5)
        harness.sweep(3, charging_power=5)
        assert harness.of("status") == ["Charging", "Discharging", "Charging"]
        assert harness.of("charging") == ["true", "false", "true"]

    def test_from_the_sweep_too(self, harness: Harness) -> None:
        harness.detail(1)
        harness.sweep(2, status_id=194)
        assert harness.of("charging") == ["false", "true"]

    def test_not_before_what_it_follows_from_was_read(self, harness: Harness) -> None:
        """A list without the firmware has its status: what an earlier run has shown of the firmware stays."""
        harness.sweep(0, status_id=161)
        assert harness.of("status") == ["Ready"]
        assert harness.of("firmware") == []

    def test_of_two_documents(self, harness: Harness) -> None:
        """The update's state comes from the detail, that it is under way from the sweep."""
        software: Json = {"currentVersion": "1", "latestVersion": "2", "updateAvailable": True}
        harness.detail(1, config_data={"software": software})
        harness.sweep(5, status_id=166)
        harness.detail(
            3, config_data={"software": {"currentVersion": "1", "latestVersion": "3", "updateAvailable": True}}
        )
        told = [json.loads(text) for text in harness.of("firmware")]
        assert [(state["latest_version"], state["in_progress"]) for state in told] == [
            ("2", False),
            ("2", True),
            ("3", True),
        ]

    def test_follow_a_command(self, harness: Harness) -> None:
        harness.detail(1, config_data={"ecosmart": {"enabled": False, "mode": 1, "percentage": 100}})
        harness.write(2, "ecosmart/enabled", value=True)
        assert harness.of("eco_smart") == ["off", "full_green"]
        harness.detail(3, config_data={"ecosmart": {"enabled": False, "mode": 1, "percentage": 100}})
        assert harness.of("eco_smart") == []
        harness.detail(3 + SETTLE_S, config_data={"ecosmart": {"enabled": False, "mode": 1, "percentage": 100}})
        assert harness.of("eco_smart") == ["off"]
        assert harness.failed == ["ecosmart/enabled"]


class TestAvailability:
    @pytest.mark.parametrize(("status_id", "out"), [(0, True), (5, True), (163, False), (14, False), (None, False)])
    def test_by_status(self, harness: Harness, status_id: int | None, *, out: bool) -> None:
        harness.detail(1, status_id=status_id)
        assert harness.of("availability") == ["offline" if out else "online"]

    def test_by_the_status_of_a_sweep(self, harness: Harness) -> None:
        harness.detail(1)
        harness.sweep(2, status_id=5)
        harness.sweep(3, status_id=161)
        assert harness.of("availability") == ["online", "offline", "online"]

    @pytest.mark.parametrize(("age", "out"), [(0, False), (900, False), (901, True), (-3600, False)])
    def test_by_the_last_sync_against_the_answers_date(self, harness: Harness, age: float, *, out: bool) -> None:
        harness.detail(1, A_DAY, last_sync=iso(A_DAY - age))
        assert harness.of("availability") == ["offline" if out else "online"]

    def test_does_not_age_between_readings(self, harness: Harness) -> None:
        harness.detail(1, A_DAY, last_sync=iso(A_DAY - 800))
        harness.sweep(5000, status_id=161)
        assert harness.of("availability") == ["online"]

    def test_stays_stale_until_the_next_detail(self, harness: Harness) -> None:
        harness.detail(1, A_DAY, last_sync=iso(A_DAY - 2000))
        harness.sweep(5, status_id=161)
        assert harness.of("availability") == ["offline"]
        harness.detail(9, A_DAY, last_sync=iso(A_DAY))
        assert harness.of("availability") == ["online"]

    @pytest.mark.parametrize("last_sync", [None, "", "soon", 17], ids=repr)
    def test_an_unknown_last_sync_tells_nothing(self, harness: Harness, last_sync: Json) -> None:
        harness.detail(1, A_DAY, last_sync=iso(A_DAY))
        harness.detail(2, A_DAY + 5000, last_sync=last_sync)
        harness.detail(3, A_DAY + 5000)
        harness.detail(4, None, last_sync=iso(A_DAY))
        assert harness.of("availability") == ["online"]


class TestNoFlicker:
    def limits(self, harness: Harness, *reads: tuple[float, Json]) -> None:
        for begun, value in reads:
            harness.detail(begun, config_data={"max_charging_current": value})

    def test_the_wish_is_shown_when_it_is_accepted(self, harness: Harness) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        assert harness.of(LIMIT) == ["32", "13"]

    def test_the_old_value_is_held_back(self, harness: Harness) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        self.limits(harness, (11, 32), (20, 32), (30, 13))
        assert harness.of(LIMIT) == ["32", "13"]
        self.limits(harness, (31, 32))  # from now on it is somebody's who set it back
        assert harness.of(LIMIT) == ["32"]
        assert harness.failed == []

    def test_dragged_within_the_lag(self, harness: Harness) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        self.limits(harness, (11, 32))
        harness.write(15, LIMIT, 20)
        self.limits(harness, (16, 32), (17, 13), (18, 32), (19, 13), (20, 20), (21, 20))
        assert harness.of(LIMIT) == ["32", "13", "20"]

    def test_there_and_back_within_the_lag(self, harness: Harness) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        harness.write(15, LIMIT, 32)
        self.limits(harness, (16, 32), (18, 13), (20, 32), (22, 13), (24, 32))
        assert harness.of(LIMIT) == ["32", "13", "32"]
        self.limits(harness, (15 + SETTLE_S, 32), (80, 32))
        assert harness.of(LIMIT) == []
        assert harness.failed == []

    def test_a_third_value_is_somebody_elses(self, harness: Harness) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        self.limits(harness, (11, 32), (12, 10), (13, 10))
        assert harness.of(LIMIT) == ["32", "13", "10"]
        assert harness.failed == []

    def test_a_value_of_long_ago_is_somebody_elses(self, harness: Harness) -> None:
        self.limits(harness, (0, 32), (100, 20))
        harness.write(200, LIMIT, 13)
        self.limits(harness, (201, 32))
        assert harness.of(LIMIT) == ["32", "20", "13", "32"]

    def test_a_value_shown_shortly_before_the_command_is_old(self, harness: Harness) -> None:
        self.limits(harness, (0, 32), (9, 20))
        harness.write(10, LIMIT, 13)
        self.limits(harness, (11, 32), (12, 20), (13, 13))
        assert harness.of(LIMIT) == ["32", "20", "13"]

    @pytest.mark.parametrize(("begun", "held"), [(54.9, True), (55, False), (500, False)])
    def test_the_first_read_begun_after_the_time_decides(self, harness: Harness, begun: float, *, held: bool) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        self.limits(harness, (begun, 32))
        assert harness.of(LIMIT) == ["32", "13", *([] if held else ["32"])]
        assert harness.failed == ([] if held else [LIMIT])
        self.limits(harness, (begun + 100, 32))
        assert harness.failed == [LIMIT]

    def test_confirmed_late_is_confirmed(self, harness: Harness) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        self.limits(harness, (60, 13), (61, 32))
        assert harness.failed == []
        assert harness.of(LIMIT) == ["32", "13", "32"]

    def test_only_the_newest_command_can_fail(self, harness: Harness) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        harness.write(11, LIMIT, 14)
        self.limits(harness, (100, 32))
        assert harness.failed == [LIMIT]

    def test_the_newest_fails_if_the_first_value_came_back_before(self, harness: Harness) -> None:
        """32 was shown longer ago than the time to settle, so it is shown, but the second command is not over yet."""
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        harness.write(20, LIMIT, 20)
        self.limits(harness, (56, 32))
        assert harness.of(LIMIT) == ["32", "13", "20", "32"]
        assert harness.failed == []
        self.limits(harness, (65, 32), (70, 32))
        assert harness.failed == [LIMIT]
        assert harness.of(LIMIT) == []

    def test_the_newest_of_several_may_still_come(self, harness: Harness) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        harness.write(20, LIMIT, 20)
        self.limits(harness, (56, 32), (58, 20), (70, 20))
        assert harness.of(LIMIT) == ["32", "13", "20", "32", "20"]
        assert harness.failed == []

    def test_without_a_time_to_settle_each_read_counts(self) -> None:
        harness = Harness(settle_s=0)
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        self.limits(harness, (11, 32))
        assert harness.of(LIMIT) == ["32", "13", "32"]
        assert harness.failed == [LIMIT]

    def test_by_the_sweep_too(self, harness: Harness) -> None:
        harness.detail(0, config_data={"locked": 1})
        harness.write(10, "locked", 0)
        harness.sweep(11, locked=1)
        harness.sweep(12, locked=0)
        harness.sweep(13, locked=1)
        assert harness.of("locked") == ["1", "0", "1"]

    def test_a_field_that_no_document_has_shown(self, harness: Harness) -> None:
        harness.detail(0)
        harness.write(10, LIMIT, 13)
        self.limits(harness, (11, 32))
        assert harness.of(LIMIT) == ["13", "32"]

    def test_gone_within_the_time_is_a_reading(self, harness: Harness) -> None:
        self.limits(harness, (0, 32))
        harness.write(10, LIMIT, 13)
        harness.detail(11)
        assert harness.of(LIMIT) == ["32", "13", "None"]

    def test_charging_enabled_is_held_and_the_status_is_not(self, harness: Harness) -> None:
        harness.detail(0, status_id=194)
        harness.write(10, "charging_enabled", value=False)
        harness.detail(11, status_id=194)
        harness.detail(12, status_id=193)
        assert harness.of("charging_enabled") == ["true", "false"]
        assert harness.of("status_id") == ["194", "193"]
        assert harness.of("status") == ["Charging"]
        harness.detail(13, status_id=178)
        harness.detail(14, status_id=182)
        assert harness.of("charging_enabled") == []
        assert harness.of("status_id") == ["178", "182"]

    def test_charging_enabled_is_not_confirmed(self, harness: Harness) -> None:
        harness.detail(0, status_id=194)
        harness.write(10, "charging_enabled", value=False)
        harness.detail(60, status_id=194)
        assert harness.of("charging_enabled") == ["true", "false", "true"]
        assert harness.failed == ["charging_enabled"]

    def test_eco_smart_with_its_parts(self, harness: Harness) -> None:
        def eco(begun: float, *, enabled: bool, mode: int) -> None:
            harness.detail(begun, config_data={"ecosmart": {"enabled": enabled, "mode": mode, "percentage": 100}})

        eco(0, enabled=False, mode=0)
        harness.writes(10, {"ecosmart/enabled": True, "ecosmart/mode": 1, "eco_smart": "full_green"})
        eco(11, enabled=False, mode=0)
        assert harness.of("eco_smart") == ["off", "full_green"]
        assert harness.of("ecosmart/enabled") == ["false", "true"]
        assert harness.of("ecosmart/mode") == ["0", "1"]
        eco(12, enabled=True, mode=1)
        eco(13, enabled=True, mode=1)
        assert harness.of("eco_smart") == []
        eco(14, enabled=False, mode=0)
        assert harness.of("eco_smart") == ["off"]
        assert harness.failed == []

    def test_a_part_of_eco_smart_overtakes_the_whole(self, harness: Harness) -> None:
        document: Any = {"ecosmart": {"enabled": False, "mode": 0, "percentage": 100}}
        harness.detail(0, config_data=document)
        harness.writes(10, {"ecosmart/enabled": True, "ecosmart/mode": 0, "eco_smart": "eco"})
        harness.write(12, "ecosmart/enabled", value=False)
        harness.detail(13, config_data=document)
        assert harness.of("eco_smart") == ["off", "eco", "off"]
        harness.detail(80, config_data=document)
        assert harness.of("eco_smart") == []
        assert harness.failed == []

    def test_eco_smart_is_not_confirmed(self, harness: Harness) -> None:
        document: Any = {"ecosmart": {"enabled": False, "mode": 0, "percentage": 100}}
        harness.detail(0, config_data=document)
        wished: dict[str, Json] = {"ecosmart/enabled": True, "ecosmart/mode": 0, "eco_smart": "eco"}
        harness.states.accept(ONE, wished, Reading({}), 10, 10, {"eco_smart": QueuedCommand(ONE, "eco_smart", 10)})
        harness.detail(60, config_data=document)
        assert harness.failed == ["eco_smart"]
        assert harness.of("eco_smart") == ["off", "eco", "off"]


class TestAnswers:
    def test_that_show_the_wish(self, harness: Harness) -> None:
        harness.detail(0, config_data={"max_charging_current": 32})
        harness.write(10, LIMIT, 13, answer=v2(maxChargingCurrent=13))
        harness.detail(11, config_data={"max_charging_current": 32})
        assert harness.of(LIMIT) == ["32", "13"]

    @pytest.mark.parametrize("shown", [32, None], ids=["the old value", "nothing"])
    def test_that_do_not_show_it(self, harness: Harness, shown: int | None) -> None:
        harness.detail(0, config_data={"max_charging_current": 32})
        harness.write(10, LIMIT, 13, answer=v2(maxChargingCurrent=shown))
        assert harness.of(LIMIT) == ["32", "13"]

    def test_that_clamp_it(self, harness: Harness) -> None:
        harness.detail(0, config_data={"max_charging_current": 32})
        harness.write(10, LIMIT, 20, answer=v2(maxChargingCurrent=16))
        harness.detail(11, config_data={"max_charging_current": 32})
        harness.detail(12, config_data={"max_charging_current": 16})
        harness.detail(60, config_data={"max_charging_current": 16})
        assert harness.of(LIMIT) == ["32", "16"]
        assert harness.failed == []

    def test_do_not_end_the_hold_of_an_earlier_command(self, harness: Harness) -> None:
        """The answer of a lock shows the new limit, the status lags behind it all the same."""
        harness.detail(0, config_data={"max_charging_current": 32, "locked": 0})
        harness.write(10, LIMIT, 13, answer=v2(maxChargingCurrent=13))
        harness.write(12, "locked", 1, answer=v2(maxChargingCurrent=13, locked=1))
        harness.detail(14, config_data={"max_charging_current": 32, "locked": 0})
        assert harness.of(LIMIT) == ["32", "13"]
        assert harness.of("locked") == ["0", "1"]

    def test_show_somebody_elses_value_at_once(self, harness: Harness) -> None:
        harness.detail(0, config_data={"max_charging_current": 32, "locked": 0})
        harness.write(10, LIMIT, 13)
        harness.write(12, "locked", 1, answer=v2(maxChargingCurrent=10, locked=1))
        assert harness.of(LIMIT) == ["32", "13", "10"]

    def test_show_what_an_earlier_command_has_not_done(self, harness: Harness) -> None:
        harness.detail(0, config_data={"max_charging_current": 32, "locked": 0})
        harness.write(10, LIMIT, 13)
        harness.write(10 + SETTLE_S, "locked", 1, answer=v2(maxChargingCurrent=32, locked=1))
        assert harness.of(LIMIT) == ["32", "13", "32"]
        assert harness.failed == [LIMIT]

    def test_show_the_status_and_what_follows_from_it(self, harness: Harness) -> None:
        harness.detail(0, status_id=194, config_data={"locked": 0}, ocpp_status=1)
        harness.write(10, "locked", 1, answer=v2(locked=1, status=209, ocppConnectionStatus=4, stateOfCharge=60))
        assert harness.of("status") == ["Charging", "Locked"]
        assert harness.of("charging") == ["true", "false"]
        assert (harness.shown("ocpp_status"), harness.shown("state_of_charge")) == (4, 60)

    def test_are_no_newer_than_their_request(self, harness: Harness) -> None:
        harness.detail(0, status_id=161)
        harness.sweep(8, status_id=194)
        harness.write(10, "locked", 1, begun=5, answer=v2(locked=1, status=161))
        assert harness.of("status_id") == ["161", "194"]

    def test_no_pause_is_taken_back_before_the_status_shows_it(self, harness: Harness) -> None:
        harness.detail(0, status_id=194)
        harness.write(10, "charging_enabled", value=False)
        harness.write(12, "locked", 1, answer=v2(locked=1, status=194))
        assert harness.of("charging_enabled") == ["true", "false"]
        harness.write(10 + SETTLE_S, "locked", 0, answer=v2(locked=0, status=194))
        assert harness.of("charging_enabled") == ["true"]
        assert harness.failed == ["charging_enabled"]

    def test_of_a_config_show_what_follows(self, harness: Harness) -> None:
        harness.detail(0, config_data={"ecosmart": {"enabled": False, "mode": 0}, "energy_price": 0.2})
        answer: Json = {"energy_price": 0.3, "ecosmart": {"enabled": True, "mode": 1}}
        harness.writes(10, {"energy_price": 0.3}, answer=answer, form="config")
        assert harness.of("energy_price") == ["0.2", "0.3"]
        assert harness.of("eco_smart") == ["off", "full_green"]

    def test_a_wish_is_published_even_where_it_changes_nothing(self, harness: Harness) -> None:
        harness.detail(0, config_data={"max_charging_current": 32})
        harness.write(10, LIMIT, 32)
        assert harness.of(LIMIT) == ["32", "32"]

    def test_released_fields_follow_the_next_reading(self, harness: Harness) -> None:
        harness.detail(0, status_id=194)
        harness.write(10, "charging_enabled", value=False)
        harness.states.release(ONE, ["charging_enabled", "unknown"])
        harness.states.release(999, ["charging_enabled"])
        harness.detail(12, status_id=194)
        assert harness.of("charging_enabled") == ["true", "false", "true"]
        assert harness.failed == []


class TestDoubt:
    def test_a_lost_write_is_uncertain_until_read(self, harness: Harness) -> None:
        harness.detail(0, config_data={"max_charging_current": 32})
        assert harness.states.is_certain(ONE, [LIMIT])
        harness.states.mark_uncertain(ONE, [LIMIT], 10)
        for begun, sure in [(11, False), (10 + SETTLE_S - 0.1, False), (10 + SETTLE_S, True)]:
            harness.detail(begun, config_data={"max_charging_current": 32})
            assert harness.states.is_certain(ONE, ["locked"])
            assert harness.states.is_certain(ONE, ["locked", LIMIT]) is sure

    def test_to_a_write_that_was_accepted(self, harness: Harness) -> None:
        harness.detail(0, config_data={"max_charging_current": 32})
        harness.states.mark_uncertain(ONE, [LIMIT], 10)
        harness.write(12, LIMIT, 13)
        assert harness.states.is_certain(ONE, [LIMIT])

    def test_of_a_charger_that_nobody_knows(self, harness: Harness) -> None:
        harness.states.mark_uncertain(ONE, [LIMIT], 10)
        assert harness.states.is_certain(ONE, [LIMIT])


LAG = st.floats(0, SETTLE_S - 0.5)
STEP = st.tuples(st.floats(0.5, 20), st.one_of(st.none(), st.integers(6, 32)))


@pytest.mark.slow
@given(start=st.integers(6, 32), steps=st.lists(STEP, max_size=30), lag=LAG)
@settings(max_examples=300, deadline=None)
def test_a_lagging_cloud_never_makes_it_flicker(start: int, steps: list[tuple[float, int | None]], lag: float) -> None:
    """Commands (a number) and reads (None) in any order: each intent is shown once, in order; in the end the truth."""
    harness = Harness()
    now, truth, expected = 0.0, [(-1000.0, start)], [str(start)]

    def cloud() -> int:
        return [value for since, value in truth if since <= now][-1]

    def read() -> None:
        harness.detail(now, config_data={"max_charging_current": cloud()})

    read()
    for pause, intent in steps:
        now += pause
        if intent is None:
            read()
        else:
            harness.write(now, LIMIT, intent, answer=v2(maxChargingCurrent=intent))
            truth.append((now + lag, intent))
            expected.append(str(intent))
    for _ in range(3):
        now += SETTLE_S
        read()
    assert harness.of(LIMIT) == expected
    assert harness.shown(LIMIT) == cloud()
    assert harness.failed == []


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=40), truth=st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_what_list_and_detail_agree_on_is_shown(steps: list[tuple[bool, int]], truth: int) -> None:
    """Whatever they said before: one reading of each is enough."""
    harness = Harness()
    for begun, (is_list, value) in enumerate([*steps, (True, truth), (False, truth)]):
        if is_list:
            harness.sweep(begun, status_id=value)
        else:
            harness.detail(begun, status_id=value)
    assert harness.shown("status_id") == truth
