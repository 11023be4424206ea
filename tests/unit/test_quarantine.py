"""Documents that are refused or fail while others can be read."""

import itertools
import logging

import pytest

from tests.reading_harness import ESSENTIAL, INTERVAL_S, ReadingHarness, basic, detail, listing
from wallbox2mqtt.bridge.quarantine import Quarantine
from wallbox2mqtt.bridge.target import LIST, Document, Target
from wallbox2mqtt.errors import BadAnswerError, CloudError, NotSentError, RequestRefusedError, ServerError


class TestListThatIsNoGood:
    @pytest.fixture(autouse=True)
    def _three(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2, 3]
        harness.read(6)

    def test_without_the_values_that_change(self, harness: ReadingHarness, caplog: pytest.LogCaptureFixture) -> None:
        harness.shown = {"name": "A"}
        with caplog.at_level(logging.WARNING):
            reads = harness.read(100)
        assert reads.count(LIST) == 3
        assert {detail(1), detail(2), detail(3)} <= set(reads)
        assert len(caplog.records) == 1
        harness.shown = dict(ESSENTIAL)
        harness.read(200)
        assert harness.read(50).count(LIST) == 40

    def test_of_one_charger_at_least_they_must_be_there(self, harness: ReadingHarness) -> None:
        harness.planner.record_list([*listing(1, name="A"), *listing(2, 3)])
        assert LIST in harness.read(2)

    def test_refused(self, harness: ReadingHarness) -> None:
        harness.errors = {LIST: RequestRefusedError("x", 404)}
        assert LIST in harness.read(100)

    def test_left_alone_for_5_15_and_60_minutes(self, harness: ReadingHarness) -> None:
        harness.errors = {LIST: RequestRefusedError("x", 404)}
        reads = harness.read(700)
        at = [number * INTERVAL_S for number, target in enumerate(reads) if target == LIST]
        gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
        assert gaps == [300, 900, 3600, 3600, 3600]
        harness.errors = {}
        harness.read(200)
        harness.errors = {LIST: RequestRefusedError("x", 404)}
        assert harness.read(30).count(LIST) >= 2, "a new trouble begins anew"

    @pytest.mark.parametrize("error", [ServerError("x", 500), BadAnswerError("x")], ids=["5xx", "bad answer"])
    def test_failing_while_details_succeed(self, harness: ReadingHarness, error: CloudError) -> None:
        harness.errors = {LIST: error}
        reads = harness.read(17)
        assert reads[0] == reads[2] == LIST
        assert reads[3:].count(LIST) == 0

    def test_failing_once_it_is_tried_again(self, harness: ReadingHarness) -> None:
        harness.errors = {LIST: ServerError("x", 500)}
        harness.read()
        harness.errors = {}
        harness.read()
        assert harness.read(10).count(LIST) == 8

    def test_an_outage_is_not_the_lists_fault(self, harness: ReadingHarness) -> None:
        harness.errors = dict.fromkeys([LIST, *map(detail, (1, 2, 3)), *map(basic, (1, 2, 3))], NotSentError("x"))
        harness.read(100)
        harness.errors = {}
        harness.read(2)
        assert harness.read(50).count(LIST) == 40

    def test_the_time_without_it_does_not_count_against_the_details(self, harness: ReadingHarness) -> None:
        harness.shown = {"name": "A"}
        harness.read(181)
        harness.shown = dict(ESSENTIAL)
        assert len([target for target in harness.read(20) if target.document is not Document.LIST]) >= 3


class TestForbidden:
    def three(self, harness: ReadingHarness) -> Quarantine:
        harness.lists = [1, 2, 3]
        harness.read()
        return harness.quarantine

    def test_one_is_set_aside_for_15_minutes(self, harness: ReadingHarness) -> None:
        quarantine = self.three(harness)
        harness.planner.record_read(detail(2))
        assert not quarantine.record_forbidden(detail(2))
        harness.shown = {"name": "A"}
        reads = harness.read(43)
        assert {detail(1), detail(3)} <= set(reads)
        assert not {detail(2), basic(2)} & set(reads)
        assert detail(2) in harness.read(5)

    def test_its_basic_alone_can_be_set_aside(self, harness: ReadingHarness) -> None:
        quarantine = self.three(harness)
        assert not quarantine.record_forbidden(basic(2))
        harness.shown = {"name": "A"}
        reads = harness.read(40)
        assert detail(2) in reads
        assert basic(2) not in reads

    def test_two_of_three_are_two_of_three(self, harness: ReadingHarness) -> None:
        quarantine = self.three(harness)
        assert [quarantine.record_forbidden(detail(1)), quarantine.record_forbidden(detail(2))] == [False, False]
        quarantine.record_success(detail(3))
        assert not quarantine.record_forbidden(detail(1))

    @pytest.mark.parametrize(
        ("chargers", "refused"),
        [([1], [detail(1), LIST]), ([1, 2], [detail(1), detail(2)]), ([1, 2, 3, 4], [LIST, detail(2)]), ([], [LIST])],
        ids=["the only one", "both", "the list and one", "the list where nothing else is known"],
    )
    def test_all_are_a_refusal(self, harness: ReadingHarness, chargers: list[int], refused: list[Target]) -> None:
        harness.lists = chargers
        harness.read()
        assert [harness.quarantine.record_forbidden(target) for target in refused] == [False] * (len(refused) - 1) + [
            True
        ]

    def test_three_in_a_row_of_many_are_a_refusal(self, harness: ReadingHarness) -> None:
        harness.lists = list(range(1, 11))
        harness.read()
        targets = [detail(1), basic(1), detail(2), detail(3)]
        assert [harness.quarantine.record_forbidden(target) for target in targets] == [False, False, False, True]

    def test_two_readable_documents_refused_in_a_row_are_a_refusal(self, harness: ReadingHarness) -> None:
        harness.lists = list(range(1, 11))
        harness.read(5)
        harness.quarantine.record_success(detail(2))
        assert [harness.quarantine.record_forbidden(target) for target in (detail(1), detail(2))] == [False, True]

    def test_a_refusal_sets_nobody_aside(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2]
        harness.read()
        harness.quarantine.record_forbidden(detail(1))
        harness.quarantine.record_forbidden(detail(2))
        harness.quarantine.record_success(LIST)
        assert set(harness.read(20)) >= {LIST, detail(1), detail(2)}

    def test_until_something_can_be_read_again_each_is_a_refusal(self, harness: ReadingHarness) -> None:
        quarantine = self.three(harness)
        assert [quarantine.record_forbidden(one) for one in (LIST, detail(1), LIST, LIST, detail(2))] == [
            False,
            *[True] * 4,
        ]
        quarantine.record_success(detail(3))
        assert not quarantine.record_forbidden(detail(1))

    def test_a_refused_list_leaves_the_details_in_turn(self, harness: ReadingHarness) -> None:
        quarantine = self.three(harness)
        assert not quarantine.record_forbidden(LIST)
        assert set(harness.read(3)) == {detail(1), detail(2), detail(3)}
        assert LIST not in harness.read(40)
        assert LIST in harness.read(5)
