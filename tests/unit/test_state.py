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


class Chart:
    """A picture, and what it has published. Times are seconds, given by hand."""

    def __init__(self, settle_s: float = SETTLE_S, store: Storage | None = None) -> None:
        self.published: list[tuple[str, str]] = []
        self.failed: list[str] = []
        self.states = ChargerStates(
            Topics("w"), lambda topic, text: self.published.append((topic, text)), settle_s, store
        )

    def detail(self, begun: float, server_time: float | None = None, /, **values: Json) -> None:
        document: dict[str, Json] = {"status_id": 161, **values}
        self._failed(self.states.read(ONE, read_detail(document), begun, server_time))

    def sweep(self, begun: float, /, **values: Json) -> None:
        self._failed(self.states.read(ONE, Reading(values), begun, None))

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
def chart() -> Chart:
    return Chart()


class TestPublishing:
    def test_only_what_changed(self, chart: Chart) -> None:
        chart.detail(1, charging_power=1.5, name="A")
        assert chart.of("charging_power") == ["1.5"]
        chart.detail(2, charging_power=1.5, name="A")
        chart.detail(3, charging_power=2, name="A")
        assert chart.of("charging_power") == ["2"]
        assert chart.of("name") == ["A"]

    def test_a_number_that_only_changed_its_kind_is_published(self, chart: Chart) -> None:
        chart.detail(1, charging_power=2)
        chart.detail(2, charging_power=2.0)
        assert chart.of("charging_power") == ["2", "2.0"]

    def test_no_flag_is_taken_for_a_number(self, chart: Chart) -> None:
        chart.detail(1, invented=1)
        chart.detail(2, invented=True)
        assert chart.of("invented") == ["1", "true"]

    @pytest.mark.parametrize(
        ("value", "text"),
        [(None, "None"), ("", "None"), (0, "0"), (False, "false"), ([], "[]"), ({}, "{}"), ([1, "ü"], '[1,"ü"]')],
        ids=repr,
    )
    def test_payloads(self, chart: Chart, value: Json, text: str) -> None:
        chart.detail(1, invented=value)
        assert chart.of("invented") == [text]

    def test_every_value_of_the_captures(self, chart: Chart) -> None:
        chart.states.read(ONE, read_detail(dict(capture("pulsar-plus"))), 1, None)
        last = dict(chart.published)
        assert last[f"w/{ONE}/max_charging_current"] == "32"
        assert last[f"w/{ONE}/software/currentVersion"] == "5.17.59"
        assert last[f"w/{ONE}/state_of_charge"] == "None"
        assert last[f"w/{ONE}/status"] == "Locked - Car connected"
        assert last[f"w/{ONE}/last_sync"] == "2023-08-18T06:50:26+00:00"
        assert json.loads(last[f"w/{ONE}/plan/features"])[0] == "DEFAULT_FEATURE"
        assert len(last) == len(chart.published)

    def test_announce_publishes_everything_as_it_is_shown(self, chart: Chart) -> None:
        chart.detail(1, charging_power=1)
        chart.write(2, LIMIT, 20)
        before = dict(chart.published)
        chart.published.clear()
        list(chart.states.announcing())
        assert dict(chart.published) == before
        assert len(chart.published) == len(before)
        assert before[f"w/{ONE}/availability"] == "online"

    def test_announcing_says_what_is_so_by_then(self, chart: Chart) -> None:
        """A slow broker takes a fleet little by little, and what it was told meanwhile must not be overwritten."""
        for charger_id in (ONE, ONE + 1, ONE + 2):
            chart.states.read(charger_id, Reading({"name": "A"}, origin=Origin.DETAIL), 1, None)
        chart.published.clear()
        turns = chart.states.announcing()
        assert next(turns) == ONE
        assert {topic.split("/")[1] for topic, _ in chart.published} == {str(ONE)}
        chart.states.read(ONE + 1, Reading({"name": "B"}, origin=Origin.DETAIL), 2, None)
        chart.states.forget(ONE + 2)
        assert list(turns) == [ONE + 1, ONE + 2]
        names = [(topic, text) for topic, text in chart.published if topic.endswith("name")]
        assert names == [(f"w/{ONE}/name", "A"), (f"w/{ONE + 1}/name", "B"), (f"w/{ONE + 1}/name", "B")]

    def test_repeat_publishes_what_is_known_of_these(self, chart: Chart) -> None:
        chart.detail(1, name="A")
        chart.published.clear()
        chart.states.republish(ONE, ["name", "unknown"])
        chart.states.republish(999, ["name"])
        assert chart.published == [(f"w/{ONE}/name", "A")]

    def test_forget_gives_the_topics(self, chart: Chart) -> None:
        chart.detail(1, name="A")
        topics = chart.states.forget(ONE)
        assert {f"w/{ONE}/name", f"w/{ONE}/status", f"w/{ONE}/availability"} <= set(topics)
        assert set(topics) >= {topic for topic, _ in chart.published}
        assert len(topics) == len(set(topics))
        assert chart.states.view(ONE) == {}
        assert not chart.states.has_detail(ONE)

    def test_forget_knows_what_an_earlier_run_may_have_left(self, chart: Chart) -> None:
        topics = chart.states.forget(ONE)
        assert {f"w/{ONE}/availability", f"w/{ONE}/locked", f"w/{ONE}/basic/wifiSignal"} <= set(topics)
        assert f"w/{ONE}/action" not in topics

    def test_only_a_detail_is_a_detail(self, chart: Chart) -> None:
        chart.sweep(1, status_id=161)
        assert not chart.states.has_detail(ONE)
        chart.detail(2)
        assert chart.states.has_detail(ONE)


class TestEdition:
    """It tells who announces chargers which of them to look at again: of hundreds, few at each sweep."""

    @pytest.fixture
    def revision(self, chart: Chart) -> Callable[[], bool]:
        """Whether it is another one since it was asked last."""
        last = [0]

        def changed() -> bool:
            before, last[0] = last[0], chart.states.revision(ONE)
            return before != last[0]

        return changed

    def test_measurements_and_the_same_again_leave_it(self, chart: Chart, revision: Callable[[], bool]) -> None:
        assert not revision(), "nothing is known"
        chart.detail(0, charging_power=1.5, added_energy=1, name="A")
        assert revision()
        chart.detail(1, charging_power=1.5, added_energy=1, name="A")
        chart.sweep(2, charging_power=7.2, added_energy=3)
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
    def test_all_else_changes_it(self, chart: Chart, revision: Callable[[], bool], later: dict[str, Json]) -> None:
        chart.detail(0, charging_power=0, name="A")
        revision()
        chart.detail(1, **later)
        assert revision()
        chart.detail(2, **later)
        assert not revision()

    def test_so_does_the_first_of_each_document(self, chart: Chart, revision: Callable[[], bool]) -> None:
        chart.sweep(0, charging_power=0)
        assert revision()
        for origin in (Origin.DETAIL, Origin.BASIC):
            chart.states.read(ONE, Reading({"charging_power": 0}, origin=origin), 1, None)
            assert revision()

    def test_and_a_command(self, chart: Chart, revision: Callable[[], bool]) -> None:
        chart.detail(0)
        revision()
        chart.write(1, LIMIT, 13)
        assert revision()


class TestTotals:
    """Home Assistant reports a sum that falls by less than a tenth as an error, and takes a larger fall as a reset."""

    @pytest.mark.parametrize("key", ["added_energy", "added_green_energy", "added_range", "cost"])
    def test_a_small_fall_is_not_shown(self, chart: Chart, key: str) -> None:
        for begun, value in enumerate((10, 9.5, 9)):
            chart.detail(begun, **{key: value})
        assert chart.shown(key) == 9, "who counts in this process needs the truth"
        chart.states.republish(ONE, [key])
        for begun, value in enumerate((10, 10.5), start=3):
            chart.detail(begun, **{key: value})
        assert chart.of(key) == ["10", "10", "10.5"]

    def test_a_new_beginning_is(self, chart: Chart) -> None:
        for begun, value in enumerate((10, 8.9, 0, 0.5, 0, None, 0)):
            chart.detail(begun, added_energy=value)
        assert chart.of("added_energy") == ["10", "8.9", "0", "0.5", "0", "None", "0"]

    def test_a_later_session_that_has_nearly_as_much_is(self, chart: Chart) -> None:
        chart.detail(0, added_energy=5.2, charging_time=900)
        chart.detail(1, added_energy=5.1, charging_time=60)
        chart.detail(2, added_energy=5.0, charging_time=90)
        assert chart.of("added_energy") == ["5.2", "5.1"]

    def test_other_numbers_fall_as_they_like(self, chart: Chart) -> None:
        for begun, value in enumerate((10, 9.9, -9.9)):
            chart.detail(begun, charging_power=value)
        assert chart.of("charging_power") == ["10", "9.9", "-9.9"]


class TestMissingAndWrong:
    def test_a_key_that_is_gone_is_unknown(self, chart: Chart) -> None:
        chart.detail(1, name="A", invented=1)
        chart.detail(2)
        assert chart.of("name") == ["A", "None"]
        assert chart.of("invented") == ["1", "None"]
        chart.detail(3)
        assert chart.of("name") == []
        chart.detail(4, name="B")
        assert chart.of("name") == ["B"]

    @pytest.mark.parametrize("known", [True, False], ids=["known object", "unknown object"])
    def test_the_leaves_of_an_object_that_became_null(self, chart: Chart, *, known: bool) -> None:
        value: Json = 1 if known else {"er": 1}
        key, leaf = ("ecosmart", "mode") if known else ("novelty", "deep")
        topic = f"{key}/{leaf}" if known else f"{key}/{leaf}/er"
        chart.detail(1, config_data={key: {leaf: value}})
        chart.detail(2, config_data={key: None})
        assert chart.of(topic) == ["1", "None"]
        chart.detail(3, config_data={key: {leaf: value}})
        chart.detail(4, config_data={key: None})
        assert chart.of(topic) == ["1", "None"]
        assert chart.of(key) == []

    def test_config_data_that_is_null(self, chart: Chart) -> None:
        chart.detail(1, config_data={"locked": 1, "ecosmart": {"enabled": True, "mode": 0}})
        assert chart.of("eco_smart") == ["eco"]
        chart.detail(2, config_data=None)
        assert chart.of("locked") == ["1", "None"]
        assert chart.of("eco_smart") == ["None"]

    def test_an_object_in_place_of_a_value_and_back(self, chart: Chart) -> None:
        chart.detail(1, novelty=1)
        chart.detail(2, novelty={"inner": 2})
        assert chart.of("novelty") == ["1", "None"]
        chart.detail(3, novelty={})
        assert chart.of("novelty/inner") == ["2", "None"]
        assert chart.of("novelty") == ["{}"]

    @pytest.mark.parametrize("document", ["sweep", "answer"])
    def test_missing_elsewhere_is_no_change(self, chart: Chart, document: str) -> None:
        chart.detail(1, name="A", charging_power=3)
        if document == "sweep":
            chart.sweep(2, status_id=194)
        else:
            chart.write(2, "locked", 1, answer=v2(locked=1))
        assert chart.of("charging_power") == ["3"]
        assert chart.of("name") == ["A"]

    def test_a_wrong_kind_keeps_the_last_value_with_one_warning(
        self, chart: Chart, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        chart.detail(1, charging_power=3)
        for begun in (2, 3):
            chart.detail(begun, charging_power="a lot", config_data={"locked": 7})
        assert chart.of("charging_power") == ["3"]
        assert chart.of("locked") == []
        assert [record.getMessage().split("field=")[1].split()[0] for record in caplog.records] == [
            "charging_power",
            "locked",
        ]
        chart.detail(5, charging_power=4)
        assert chart.of("charging_power") == ["4"]

    def test_a_wrong_kind_three_readings_long_is_unknown(self, chart: Chart) -> None:
        chart.detail(1, charging_power=3, cost=1)
        chart.detail(2, charging_power="a lot", cost=1)
        chart.sweep(3, added_energy=1)
        chart.detail(4, charging_power=[], cost="much")
        assert chart.of("charging_power") == ["3"]
        chart.detail(5, charging_power="a lot", cost=1)
        chart.detail(6, charging_power="a lot", cost="much")
        assert chart.of("charging_power") == ["None"]
        assert chart.of("cost") == ["1"], "two in a row are not three"

    def test_an_impossible_value_is_unknown_at_once(self, chart: Chart, caplog: pytest.LogCaptureFixture) -> None:
        chart.detail(1, charging_time=3)
        for begun in (2, 3):
            chart.detail(begun, charging_time=-1648030457)
        assert chart.of("charging_time") == ["3", "None"]
        (record,) = caplog.records
        assert "an impossible value of a field" in record.getMessage()
        assert "found -1648030457, expected 0 to inf" in record.getMessage()

    def test_basic_and_detail_do_not_miss_one_anothers_keys(self, chart: Chart) -> None:
        chart.detail(1, name="A")
        chart.states.read(ONE, Reading({"basic/wifiSignal": 50, "basic/new": 1}, origin=Origin.BASIC), 2, None)
        chart.detail(3, name="A")
        chart.states.read(ONE, Reading({"basic/wifiSignal": 50}, origin=Origin.BASIC), 4, None)
        assert chart.of("name") == ["A"]
        assert chart.of("basic/wifiSignal") == ["50"]
        assert chart.of("basic/new") == ["1", "None"]

    def test_a_cloud_that_makes_up_keys_does_not_eat_the_memory(self, chart: Chart) -> None:
        for begun in range(5):
            chart.detail(begun, **{f"made_up_{begun}_{number}": number for number in range(MAX_FIELDS)})
        assert len(chart.states.view(ONE)) <= MAX_FIELDS + 10
        chart.detail(9, charging_power=1)
        assert chart.shown("charging_power") == 1
        assert {topic for topic, _ in chart.published} == {
            f"w/{ONE}/{key}" for key in [*chart.states.view(ONE), "availability"]
        }


class TestRestart:
    """What goes while the bridge does not run is unknown too: its topic outlives the process."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Storage:
        return Storage(tmp_path, "account")

    def test_a_key_that_went_meanwhile_is_unknown(self, store: Storage) -> None:
        Chart(store=store).detail(0, cost=0.5, config_data={"ecosmart": {"enabled": True, "mode": 1}}, new=7)
        for _ in range(2):
            again = Chart(store=store)
            again.detail(0, config_data={})
            for key in ("cost", "ecosmart/enabled", "ecosmart/mode", "eco_smart", "new"):
                assert again.of(key) == ["None"], key
            snapshot = again.states.snapshot(ONE)
            assert snapshot is not None
            assert not {"cost", "new"} & snapshot.values.keys()

    def test_of_each_document_by_itself(self, store: Storage) -> None:
        first = Chart(store=store)
        first.detail(0, cost=0.5)
        first.states.read(ONE, Reading({"basic/wifiSignal": 50}, origin=Origin.BASIC), 1, None)
        again = Chart(store=store)
        again.detail(0, cost=0.6)
        assert again.of("basic/wifiSignal") == []
        snapshot = again.states.snapshot(ONE)
        assert snapshot is not None
        assert not snapshot.has_basic
        again.states.read(ONE, Reading({}, origin=Origin.BASIC), 1, None)
        assert again.of("basic/wifiSignal") == ["None"]

    def test_one_that_is_gone_leaves_no_topic_of_an_earlier_run(self, store: Storage) -> None:
        Chart(store=store).detail(0, new=7)
        again = Chart(store=store)
        assert f"w/{ONE}/new" in again.states.forget(ONE)
        assert f"w/{ONE}/new" not in Chart(store=store).states.forget(ONE)

    def test_an_object_that_became_null_meanwhile(self, store: Storage) -> None:
        Chart(store=store).detail(0, novelty={"deep": 1})
        again = Chart(store=store)
        again.detail(0, novelty=None)
        assert again.of("novelty/deep") == ["None"]
        assert again.of("novelty") == []

    def test_keys_that_are_made_up_in_each_run_are_bounded(self, store: Storage) -> None:
        for run in range(5):
            Chart(store=store).detail(run, **{f"made_up_{run}_{number}": 1 for number in range(MAX_FIELDS)})
        assert len(Chart(store=store).states.forget(ONE)) <= MAX_FIELDS + len(FIELDS) + 1

    def test_keys_of_an_older_version_are_bounded(self, store: Storage) -> None:
        sets: list[Json] = [["cost", "x" * 1000, *(f"made_up_{number}" for number in range(40_000))]]
        store.write("fields", {"sets": sets, "chargers": {str(ONE): {"detail": 0}}})
        topics = Chart(store=store).states.forget(ONE)
        assert len(topics) <= MAX_FIELDS + len(FIELDS) + 1
        assert max(map(len, topics)) < 300

    def test_chargers_that_the_configuration_leaves_out(self, store: Storage) -> None:
        Chart(store=store).detail(0)
        states = Chart(store=store).states
        assert states.left_out([ONE]) == []
        assert states.left_out([7]) == [ONE]
        states.forget(ONE)
        assert states.left_out([7]) == []

    def test_is_written_only_when_keys_change(self, store: Storage) -> None:
        chart = Chart(store=store)
        chart.detail(0, cost=0.5)
        store.path("fields").unlink()
        chart.detail(1, cost=0.6)
        assert not store.path("fields").exists()
        chart.detail(2, cost=0.6, new=1)
        assert store.path("fields").exists()

    def test_hundreds_alike_take_little_room(self, store: Storage) -> None:
        chart = Chart(store=store)
        for number in range(1, 301):
            chart.states.read(number, read_detail(dict(capture("pulsar-plus-2026"))), 0, None)
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
        chart = Chart(store=store)
        chart.detail(0)
        assert chart.of("cost") == []


class TestAge:
    def test_an_older_reading_does_not_overwrite_a_newer_one(self, chart: Chart) -> None:
        chart.detail(1, charging_power=1, name="A")
        chart.sweep(5, charging_power=5, status_id=194)
        chart.detail(3, charging_power=3, name="B")
        assert chart.of("charging_power") == ["1", "5"]
        assert chart.of("status") == ["Ready", "Charging"]
        assert chart.of("name") == ["A", "B"]

    def test_gone_from_an_older_detail_is_no_news(self, chart: Chart) -> None:
        chart.detail(1, charging_power=1)
        chart.sweep(5, charging_power=5)
        chart.detail(3)
        assert chart.of("charging_power") == ["1", "5"]

    def test_a_read_that_began_before_the_write_knows_nothing_of_it(self, chart: Chart) -> None:
        chart.detail(1, config_data={"max_charging_current": 32})
        chart.write(10, LIMIT, 20)
        chart.detail(9, config_data={"max_charging_current": 31})
        assert chart.of(LIMIT) == ["32", "20"]

    def test_a_writes_answer_is_as_old_as_its_request(self, chart: Chart) -> None:
        chart.detail(1, name="A", config_data={"locked": 0})
        chart.sweep(8, locked=1, name="B")
        chart.write(10, LIMIT, 20, begun=5, answer=v2(maxChargingCurrent=20, locked=0, name="A"))
        assert chart.of("locked") == ["0", "1"]
        assert chart.of("name") == ["A", "B"]

    def test_a_basic_document_that_is_older_than_a_writes_answer(self, chart: Chart) -> None:
        chart.write(10, LIMIT, 20, answer=v2(maxChargingCurrent=20, wifiSignal=70))
        chart.states.read(ONE, Reading({"basic/wifiSignal": 50}, origin=Origin.BASIC), 9, None)
        assert chart.of("basic/wifiSignal") == ["70"]

    def test_the_writes_answer_is_a_reading_of_the_rest(self, chart: Chart) -> None:
        chart.detail(1, name="A", config_data={"locked": 0})
        chart.write(10, LIMIT, 20, answer=v2(maxChargingCurrent=20, locked=1, name="B", wifiSignal=70))
        assert (chart.shown("locked"), chart.shown("name"), chart.shown("basic/wifiSignal")) == (1, "B", 70)


class TestDisagreement:
    """The list and the detail of a charger say different things, for a moment or for long."""

    def test_for_long_does_not_flap(self, chart: Chart) -> None:
        chart.sweep(0, status_id=185)
        for turn in range(10, 200, 10):
            chart.detail(turn, status_id=194)
            for begun in range(turn + 1, turn + 5):
                chart.sweep(begun, status_id=185)
        assert chart.of("status_id") == ["185", "194", "185", "194"], "the detail has said it twice, and changed last"

    def test_what_changed_last_stays_while_its_document_says_so(self, chart: Chart) -> None:
        chart.sweep(0, status_id=185)
        for begun in range(1, 20, 2):
            chart.detail(begun, status_id=194)
            chart.sweep(begun + 1, status_id=185)
        assert chart.of("status_id") == ["185", "194"]

    def test_two_contradictions_at_most(self, chart: Chart) -> None:
        chart.sweep(0, charging_power=0)
        chart.detail(1, charging_power=7.2)
        chart.sweep(2, charging_power=0)
        chart.sweep(3, charging_power=0)
        assert chart.of("charging_power") == ["0", "7.2"]
        chart.sweep(4, charging_power=0)
        chart.sweep(5, charging_power=0)
        assert chart.of("charging_power") == ["0"]

    def test_the_documents_of_a_charger_itself_count_as_they_are_read(self, chart: Chart) -> None:
        chart.detail(0, status_id=161)
        chart.write(1, "locked", 1, answer=v2(status=194))
        chart.detail(2, status_id=161)
        assert chart.of("status_id") == ["161", "194", "161"]

    def test_a_list_that_stays_behind_is_shown_when_it_moves_again(self, chart: Chart) -> None:
        chart.sweep(0, status_id=185)
        for begun in (1, 2):
            chart.detail(begun, status_id=194)
        for begun in range(3, 9):
            chart.sweep(begun, status_id=185)
        chart.sweep(9, status_id=178)
        assert chart.of("status_id") == ["185", "194", "178"]

    def test_a_detail_that_stays_behind_the_list(self, chart: Chart) -> None:
        chart.detail(0, status_id=161)
        for begun in range(1, 20, 3):
            chart.sweep(begun, status_id=194)
            chart.sweep(begun + 1, status_id=194)
            chart.detail(begun + 2, status_id=161)
        assert chart.of("status_id") == ["161", "194"]

    def test_a_change_of_its_own_counts_at_once(self, chart: Chart) -> None:
        chart.sweep(0, charging_power=0)
        chart.detail(1, charging_power=7.2)
        chart.sweep(2, charging_power=0)
        chart.sweep(3, charging_power=1)
        chart.detail(4, charging_power=7.2)
        chart.detail(5, charging_power=7.1)
        assert chart.of("charging_power") == ["0", "7.2", "1", "7.1"]

    def test_a_document_that_is_alone_may_change_and_change_back(self, chart: Chart) -> None:
        chart.sweep(0, locked=0)
        for begun, locked in enumerate((1, 0, 1, 0), start=1):
            chart.sweep(begun, locked=locked)
        assert chart.of("locked") == ["0", "1", "0", "1", "0"]

    def test_what_follows_from_it_does_not_flap_either(self, chart: Chart) -> None:
        chart.sweep(0, status_id=161)
        chart.detail(1, status_id=194)
        chart.sweep(2, status_id=161)
        chart.detail(3, status_id=194)
        assert chart.of("status") == ["Ready", "Charging"]
        assert chart.of("charging_enabled") == ["true"]

    def test_a_list_that_lags_behind_the_detail_which_confirms_a_command(self, chart: Chart) -> None:
        chart.sweep(0, max_charging_current=32)
        chart.write(1, LIMIT, 13)
        chart.detail(2, config_data={LIMIT: 13})
        chart.sweep(3, max_charging_current=32)
        chart.sweep(4, max_charging_current=13)
        assert chart.of(LIMIT) == ["32", "13"]

    def test_a_detail_that_lags_behind_the_list_which_happens_to_show_the_wish(self, chart: Chart) -> None:
        chart.sweep(0, max_charging_current=13)
        chart.detail(1, config_data={LIMIT: 32})
        chart.write(100, LIMIT, 13)
        chart.sweep(101, max_charging_current=13)
        chart.detail(102, config_data={LIMIT: 32})
        chart.detail(103, config_data={LIMIT: 13})
        assert chart.of(LIMIT) == ["13", "32", "13"]

    def test_after_the_time_to_settle_a_repeated_value_decides(self, chart: Chart) -> None:
        chart.sweep(0, max_charging_current=32)
        chart.detail(1, config_data={LIMIT: 32})
        chart.write(2, LIMIT, 13)
        chart.sweep(2 + SETTLE_S, max_charging_current=32)
        assert chart.of(LIMIT) == ["32", "13", "32"]
        assert chart.failed == [LIMIT]

    def test_gone_from_the_detail_and_still_in_the_list(self, chart: Chart) -> None:
        chart.sweep(0, ocpp_status=1)
        for begun in range(1, 9, 2):
            chart.detail(begun, **({"ocpp_status": 1} if begun == 1 else {}))
            chart.sweep(begun + 1, ocpp_status=1)
        assert chart.of("ocpp_status") == ["1", "None"]


class TestDerived:
    @pytest.mark.parametrize("status_id", [*STATUSES, 999, None], ids=str)
    def test_status(self, chart: Chart, status_id: int | None) -> None:
        chart.detail(1, status_id=status_id)
        if status_id is None:
            expected: tuple[Json, ...] = (None, None, None, None)
        elif status_id in STATUSES:
            known = STATUSES[status_id]
            expected = (known.text, known.car_connected, known.charging, known.charging_enabled)
        else:
            expected = ("Unknown", None, None, None)
        keys = ("status", "car_connected", "charging", "charging_enabled")
        assert tuple(chart.shown(key) for key in keys) == expected
        assert chart.of("status_id") == [payload(status_id)]

    def test_the_letter_of_evcc_is_published(self, chart: Chart) -> None:
        for begun, status_id in enumerate((161, 181, 194, 14, 5, 999, None)):
            chart.detail(begun, status_id=status_id)
        assert chart.of("evcc/status") == ["A", "B", "C", "E", "F", "None"]

    def test_the_status_follows_the_sign_of_the_power(self, chart: Chart) -> None:
        chart.detail(1, status_id=195, charging_power=5)
        chart.detail(2, status_id=195, charging_power=-5)
        chart.sweep(3, charging_power=5)
        assert chart.of("status") == ["Charging", "Discharging", "Charging"]
        assert chart.of("charging") == ["true", "false", "true"]

    def test_from_the_sweep_too(self, chart: Chart) -> None:
        chart.detail(1)
        chart.sweep(2, status_id=194)
        assert chart.of("charging") == ["false", "true"]

    def test_not_before_what_it_follows_from_was_read(self, chart: Chart) -> None:
        """A list without the firmware has its status: what an earlier run has shown of the firmware stays."""
        chart.sweep(0, status_id=161)
        assert chart.of("status") == ["Ready"]
        assert chart.of("firmware") == []

    def test_of_two_documents(self, chart: Chart) -> None:
        """The update's state comes from the detail, that it is under way from the sweep."""
        software: Json = {"currentVersion": "1", "latestVersion": "2", "updateAvailable": True}
        chart.detail(1, config_data={"software": software})
        chart.sweep(5, status_id=166)
        chart.detail(
            3, config_data={"software": {"currentVersion": "1", "latestVersion": "3", "updateAvailable": True}}
        )
        told = [json.loads(text) for text in chart.of("firmware")]
        assert [(state["latest_version"], state["in_progress"]) for state in told] == [
            ("2", False),
            ("2", True),
            ("3", True),
        ]

    def test_follow_a_command(self, chart: Chart) -> None:
        chart.detail(1, config_data={"ecosmart": {"enabled": False, "mode": 1, "percentage": 100}})
        chart.write(2, "ecosmart/enabled", value=True)
        assert chart.of("eco_smart") == ["off", "full_green"]
        chart.detail(3, config_data={"ecosmart": {"enabled": False, "mode": 1, "percentage": 100}})
        assert chart.of("eco_smart") == []
        chart.detail(3 + SETTLE_S, config_data={"ecosmart": {"enabled": False, "mode": 1, "percentage": 100}})
        assert chart.of("eco_smart") == ["off"]
        assert chart.failed == ["ecosmart/enabled"]


class TestAvailability:
    @pytest.mark.parametrize(("status_id", "out"), [(0, True), (5, True), (163, False), (14, False), (None, False)])
    def test_by_status(self, chart: Chart, status_id: int | None, *, out: bool) -> None:
        chart.detail(1, status_id=status_id)
        assert chart.of("availability") == ["offline" if out else "online"]

    def test_by_the_status_of_a_sweep(self, chart: Chart) -> None:
        chart.detail(1)
        chart.sweep(2, status_id=5)
        chart.sweep(3, status_id=161)
        assert chart.of("availability") == ["online", "offline", "online"]

    @pytest.mark.parametrize(("age", "out"), [(0, False), (900, False), (901, True), (-3600, False)])
    def test_by_the_last_sync_against_the_answers_date(self, chart: Chart, age: float, *, out: bool) -> None:
        chart.detail(1, A_DAY, last_sync=iso(A_DAY - age))
        assert chart.of("availability") == ["offline" if out else "online"]

    def test_does_not_age_between_readings(self, chart: Chart) -> None:
        chart.detail(1, A_DAY, last_sync=iso(A_DAY - 800))
        chart.sweep(5000, status_id=161)
        assert chart.of("availability") == ["online"]

    def test_stays_stale_until_the_next_detail(self, chart: Chart) -> None:
        chart.detail(1, A_DAY, last_sync=iso(A_DAY - 2000))
        chart.sweep(5, status_id=161)
        assert chart.of("availability") == ["offline"]
        chart.detail(9, A_DAY, last_sync=iso(A_DAY))
        assert chart.of("availability") == ["online"]

    @pytest.mark.parametrize("last_sync", [None, "", "soon", 17], ids=repr)
    def test_an_unknown_last_sync_tells_nothing(self, chart: Chart, last_sync: Json) -> None:
        chart.detail(1, A_DAY, last_sync=iso(A_DAY))
        chart.detail(2, A_DAY + 5000, last_sync=last_sync)
        chart.detail(3, A_DAY + 5000)
        chart.detail(4, None, last_sync=iso(A_DAY))
        assert chart.of("availability") == ["online"]


class TestNoFlicker:
    def limits(self, chart: Chart, *reads: tuple[float, Json]) -> None:
        for begun, value in reads:
            chart.detail(begun, config_data={"max_charging_current": value})

    def test_the_wish_is_shown_when_it_is_accepted(self, chart: Chart) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        assert chart.of(LIMIT) == ["32", "13"]

    def test_the_old_value_is_held_back_until_the_new_one_was_read(self, chart: Chart) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        self.limits(chart, (11, 32), (20, 32), (30, 13))
        assert chart.of(LIMIT) == ["32", "13"]
        self.limits(chart, (31, 32))  # from now on it is somebody's who set it back
        assert chart.of(LIMIT) == ["32"]
        assert chart.failed == []

    def test_dragged_within_the_lag(self, chart: Chart) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        self.limits(chart, (11, 32))
        chart.write(15, LIMIT, 20)
        self.limits(chart, (16, 32), (17, 13), (18, 32), (19, 13), (20, 20), (21, 20))
        assert chart.of(LIMIT) == ["32", "13", "20"]

    def test_there_and_back_within_the_lag(self, chart: Chart) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        chart.write(15, LIMIT, 32)
        self.limits(chart, (16, 32), (18, 13), (20, 32), (22, 13), (24, 32))
        assert chart.of(LIMIT) == ["32", "13", "32"]
        self.limits(chart, (15 + SETTLE_S, 32), (80, 32))
        assert chart.of(LIMIT) == []
        assert chart.failed == []

    def test_a_third_value_is_somebody_elses(self, chart: Chart) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        self.limits(chart, (11, 32), (12, 10), (13, 10))
        assert chart.of(LIMIT) == ["32", "13", "10"]
        assert chart.failed == []

    def test_a_value_of_long_ago_is_somebody_elses(self, chart: Chart) -> None:
        self.limits(chart, (0, 32), (100, 20))
        chart.write(200, LIMIT, 13)
        self.limits(chart, (201, 32))
        assert chart.of(LIMIT) == ["32", "20", "13", "32"]

    def test_a_value_shown_shortly_before_the_command_is_old(self, chart: Chart) -> None:
        self.limits(chart, (0, 32), (9, 20))
        chart.write(10, LIMIT, 13)
        self.limits(chart, (11, 32), (12, 20), (13, 13))
        assert chart.of(LIMIT) == ["32", "20", "13"]

    @pytest.mark.parametrize(("begun", "held"), [(54.9, True), (55, False), (500, False)])
    def test_the_first_read_begun_after_the_time_decides(self, chart: Chart, begun: float, *, held: bool) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        self.limits(chart, (begun, 32))
        assert chart.of(LIMIT) == ["32", "13", *([] if held else ["32"])]
        assert chart.failed == ([] if held else [LIMIT])
        self.limits(chart, (begun + 100, 32))
        assert chart.failed == [LIMIT]

    def test_confirmed_late_is_confirmed(self, chart: Chart) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        self.limits(chart, (60, 13), (61, 32))
        assert chart.failed == []
        assert chart.of(LIMIT) == ["32", "13", "32"]

    def test_only_the_newest_command_can_fail(self, chart: Chart) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        chart.write(11, LIMIT, 14)
        self.limits(chart, (100, 32))
        assert chart.failed == [LIMIT]

    def test_the_newest_of_several_fails_where_the_first_value_has_come_back_before(self, chart: Chart) -> None:
        """32 was shown longer ago than the time to settle, so it is shown, but the second command is not over yet."""
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        chart.write(20, LIMIT, 20)
        self.limits(chart, (56, 32))
        assert chart.of(LIMIT) == ["32", "13", "20", "32"]
        assert chart.failed == []
        self.limits(chart, (65, 32), (70, 32))
        assert chart.failed == [LIMIT]
        assert chart.of(LIMIT) == []

    def test_the_newest_of_several_may_still_come(self, chart: Chart) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        chart.write(20, LIMIT, 20)
        self.limits(chart, (56, 32), (58, 20), (70, 20))
        assert chart.of(LIMIT) == ["32", "13", "20", "32", "20"]
        assert chart.failed == []

    def test_without_a_time_to_settle_each_read_counts(self) -> None:
        chart = Chart(settle_s=0)
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        self.limits(chart, (11, 32))
        assert chart.of(LIMIT) == ["32", "13", "32"]
        assert chart.failed == [LIMIT]

    def test_by_the_sweep_too(self, chart: Chart) -> None:
        chart.detail(0, config_data={"locked": 1})
        chart.write(10, "locked", 0)
        chart.sweep(11, locked=1)
        chart.sweep(12, locked=0)
        chart.sweep(13, locked=1)
        assert chart.of("locked") == ["1", "0", "1"]

    def test_a_field_that_no_document_has_shown(self, chart: Chart) -> None:
        chart.detail(0)
        chart.write(10, LIMIT, 13)
        self.limits(chart, (11, 32))
        assert chart.of(LIMIT) == ["13", "32"]

    def test_gone_within_the_time_is_a_reading(self, chart: Chart) -> None:
        self.limits(chart, (0, 32))
        chart.write(10, LIMIT, 13)
        chart.detail(11)
        assert chart.of(LIMIT) == ["32", "13", "None"]

    def test_charging_enabled_is_held_and_the_status_is_not(self, chart: Chart) -> None:
        chart.detail(0, status_id=194)
        chart.write(10, "charging_enabled", value=False)
        chart.detail(11, status_id=194)
        chart.detail(12, status_id=193)
        assert chart.of("charging_enabled") == ["true", "false"]
        assert chart.of("status_id") == ["194", "193"]
        assert chart.of("status") == ["Charging"]
        chart.detail(13, status_id=178)
        chart.detail(14, status_id=182)
        assert chart.of("charging_enabled") == []
        assert chart.of("status_id") == ["178", "182"]

    def test_charging_enabled_is_not_confirmed(self, chart: Chart) -> None:
        chart.detail(0, status_id=194)
        chart.write(10, "charging_enabled", value=False)
        chart.detail(60, status_id=194)
        assert chart.of("charging_enabled") == ["true", "false", "true"]
        assert chart.failed == ["charging_enabled"]

    def test_eco_smart_with_its_parts(self, chart: Chart) -> None:
        def eco(begun: float, *, enabled: bool, mode: int) -> None:
            chart.detail(begun, config_data={"ecosmart": {"enabled": enabled, "mode": mode, "percentage": 100}})

        eco(0, enabled=False, mode=0)
        chart.writes(10, {"ecosmart/enabled": True, "ecosmart/mode": 1, "eco_smart": "full_green"})
        eco(11, enabled=False, mode=0)
        assert chart.of("eco_smart") == ["off", "full_green"]
        assert chart.of("ecosmart/enabled") == ["false", "true"]
        assert chart.of("ecosmart/mode") == ["0", "1"]
        eco(12, enabled=True, mode=1)
        eco(13, enabled=True, mode=1)
        assert chart.of("eco_smart") == []
        eco(14, enabled=False, mode=0)
        assert chart.of("eco_smart") == ["off"]
        assert chart.failed == []

    def test_a_part_of_eco_smart_overtakes_the_whole(self, chart: Chart) -> None:
        document: Any = {"ecosmart": {"enabled": False, "mode": 0, "percentage": 100}}
        chart.detail(0, config_data=document)
        chart.writes(10, {"ecosmart/enabled": True, "ecosmart/mode": 0, "eco_smart": "eco"})
        chart.write(12, "ecosmart/enabled", value=False)
        chart.detail(13, config_data=document)
        assert chart.of("eco_smart") == ["off", "eco", "off"]
        chart.detail(80, config_data=document)
        assert chart.of("eco_smart") == []
        assert chart.failed == []

    def test_eco_smart_is_not_confirmed(self, chart: Chart) -> None:
        document: Any = {"ecosmart": {"enabled": False, "mode": 0, "percentage": 100}}
        chart.detail(0, config_data=document)
        wished: dict[str, Json] = {"ecosmart/enabled": True, "ecosmart/mode": 0, "eco_smart": "eco"}
        chart.states.accept(ONE, wished, Reading({}), 10, 10, {"eco_smart": QueuedCommand(ONE, "eco_smart", 10)})
        chart.detail(60, config_data=document)
        assert chart.failed == ["eco_smart"]
        assert chart.of("eco_smart") == ["off", "eco", "off"]


class TestAnswers:
    def test_that_show_the_wish(self, chart: Chart) -> None:
        chart.detail(0, config_data={"max_charging_current": 32})
        chart.write(10, LIMIT, 13, answer=v2(maxChargingCurrent=13))
        chart.detail(11, config_data={"max_charging_current": 32})
        assert chart.of(LIMIT) == ["32", "13"]

    @pytest.mark.parametrize("shown", [32, None], ids=["the old value", "nothing"])
    def test_that_do_not_show_it(self, chart: Chart, shown: int | None) -> None:
        chart.detail(0, config_data={"max_charging_current": 32})
        chart.write(10, LIMIT, 13, answer=v2(maxChargingCurrent=shown))
        assert chart.of(LIMIT) == ["32", "13"]

    def test_that_clamp_it(self, chart: Chart) -> None:
        chart.detail(0, config_data={"max_charging_current": 32})
        chart.write(10, LIMIT, 20, answer=v2(maxChargingCurrent=16))
        chart.detail(11, config_data={"max_charging_current": 32})
        chart.detail(12, config_data={"max_charging_current": 16})
        chart.detail(60, config_data={"max_charging_current": 16})
        assert chart.of(LIMIT) == ["32", "16"]
        assert chart.failed == []

    def test_do_not_end_the_hold_of_an_earlier_command(self, chart: Chart) -> None:
        """The answer of a lock shows the new limit, the status lags behind it all the same."""
        chart.detail(0, config_data={"max_charging_current": 32, "locked": 0})
        chart.write(10, LIMIT, 13, answer=v2(maxChargingCurrent=13))
        chart.write(12, "locked", 1, answer=v2(maxChargingCurrent=13, locked=1))
        chart.detail(14, config_data={"max_charging_current": 32, "locked": 0})
        assert chart.of(LIMIT) == ["32", "13"]
        assert chart.of("locked") == ["0", "1"]

    def test_show_somebody_elses_value_at_once(self, chart: Chart) -> None:
        chart.detail(0, config_data={"max_charging_current": 32, "locked": 0})
        chart.write(10, LIMIT, 13)
        chart.write(12, "locked", 1, answer=v2(maxChargingCurrent=10, locked=1))
        assert chart.of(LIMIT) == ["32", "13", "10"]

    def test_show_what_an_earlier_command_has_not_done(self, chart: Chart) -> None:
        chart.detail(0, config_data={"max_charging_current": 32, "locked": 0})
        chart.write(10, LIMIT, 13)
        chart.write(10 + SETTLE_S, "locked", 1, answer=v2(maxChargingCurrent=32, locked=1))
        assert chart.of(LIMIT) == ["32", "13", "32"]
        assert chart.failed == [LIMIT]

    def test_show_the_status_and_what_follows_from_it(self, chart: Chart) -> None:
        chart.detail(0, status_id=194, config_data={"locked": 0}, ocpp_status=1)
        chart.write(10, "locked", 1, answer=v2(locked=1, status=209, ocppConnectionStatus=4, stateOfCharge=60))
        assert chart.of("status") == ["Charging", "Locked"]
        assert chart.of("charging") == ["true", "false"]
        assert (chart.shown("ocpp_status"), chart.shown("state_of_charge")) == (4, 60)

    def test_are_no_newer_than_their_request(self, chart: Chart) -> None:
        chart.detail(0, status_id=161)
        chart.sweep(8, status_id=194)
        chart.write(10, "locked", 1, begun=5, answer=v2(locked=1, status=161))
        assert chart.of("status_id") == ["161", "194"]

    def test_do_not_take_back_a_pause_that_the_status_does_not_show_yet(self, chart: Chart) -> None:
        chart.detail(0, status_id=194)
        chart.write(10, "charging_enabled", value=False)
        chart.write(12, "locked", 1, answer=v2(locked=1, status=194))
        assert chart.of("charging_enabled") == ["true", "false"]
        chart.write(10 + SETTLE_S, "locked", 0, answer=v2(locked=0, status=194))
        assert chart.of("charging_enabled") == ["true"]
        assert chart.failed == ["charging_enabled"]

    def test_of_a_config_show_what_follows(self, chart: Chart) -> None:
        chart.detail(0, config_data={"ecosmart": {"enabled": False, "mode": 0}, "energy_price": 0.2})
        answer: Json = {"energy_price": 0.3, "ecosmart": {"enabled": True, "mode": 1}}
        chart.writes(10, {"energy_price": 0.3}, answer=answer, form="config")
        assert chart.of("energy_price") == ["0.2", "0.3"]
        assert chart.of("eco_smart") == ["off", "full_green"]

    def test_a_wish_is_published_even_where_it_changes_nothing(self, chart: Chart) -> None:
        chart.detail(0, config_data={"max_charging_current": 32})
        chart.write(10, LIMIT, 32)
        assert chart.of(LIMIT) == ["32", "32"]

    def test_released_fields_follow_the_next_reading(self, chart: Chart) -> None:
        chart.detail(0, status_id=194)
        chart.write(10, "charging_enabled", value=False)
        chart.states.release(ONE, ["charging_enabled", "unknown"])
        chart.states.release(999, ["charging_enabled"])
        chart.detail(12, status_id=194)
        assert chart.of("charging_enabled") == ["true", "false", "true"]
        assert chart.failed == []


class TestDoubt:
    def test_from_a_lost_write_to_a_reading_that_must_know_of_it(self, chart: Chart) -> None:
        chart.detail(0, config_data={"max_charging_current": 32})
        assert chart.states.is_certain(ONE, [LIMIT])
        chart.states.mark_uncertain(ONE, [LIMIT], 10)
        for begun, sure in [(11, False), (10 + SETTLE_S - 0.1, False), (10 + SETTLE_S, True)]:
            chart.detail(begun, config_data={"max_charging_current": 32})
            assert chart.states.is_certain(ONE, ["locked"])
            assert chart.states.is_certain(ONE, ["locked", LIMIT]) is sure

    def test_to_a_write_that_was_accepted(self, chart: Chart) -> None:
        chart.detail(0, config_data={"max_charging_current": 32})
        chart.states.mark_uncertain(ONE, [LIMIT], 10)
        chart.write(12, LIMIT, 13)
        assert chart.states.is_certain(ONE, [LIMIT])

    def test_of_a_charger_that_nobody_knows(self, chart: Chart) -> None:
        chart.states.mark_uncertain(ONE, [LIMIT], 10)
        assert chart.states.is_certain(ONE, [LIMIT])


LAG = st.floats(0, SETTLE_S - 0.5)
STEP = st.tuples(st.floats(0.5, 20), st.one_of(st.none(), st.integers(6, 32)))


@pytest.mark.slow
@given(start=st.integers(6, 32), steps=st.lists(STEP, max_size=30), lag=LAG)
@settings(max_examples=300, deadline=None)
def test_a_lagging_cloud_never_makes_it_flicker(start: int, steps: list[tuple[float, int | None]], lag: float) -> None:
    """Commands (a number) and reads (None) in any order: each intent is shown once, in order; in the end the truth."""
    chart = Chart()
    now, truth, expected = 0.0, [(-1000.0, start)], [str(start)]

    def cloud() -> int:
        return [value for since, value in truth if since <= now][-1]

    def read() -> None:
        chart.detail(now, config_data={"max_charging_current": cloud()})

    read()
    for pause, intent in steps:
        now += pause
        if intent is None:
            read()
        else:
            chart.write(now, LIMIT, intent, answer=v2(maxChargingCurrent=intent))
            truth.append((now + lag, intent))
            expected.append(str(intent))
    for _ in range(3):
        now += SETTLE_S
        read()
    assert chart.of(LIMIT) == expected
    assert chart.shown(LIMIT) == cloud()
    assert chart.failed == []


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=40), truth=st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_what_list_and_detail_agree_on_is_shown(steps: list[tuple[bool, int]], truth: int) -> None:
    """Whatever they said before: one reading of each is enough."""
    chart = Chart()
    for begun, (is_list, value) in enumerate([*steps, (True, truth), (False, truth)]):
        if is_list:
            chart.sweep(begun, status_id=value)
        else:
            chart.detail(begun, status_id=value)
    assert chart.shown("status_id") == truth
