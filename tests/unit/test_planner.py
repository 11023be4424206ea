"""What is read next."""

from collections import Counter

import pytest

from tests.fakes import FakeClock
from tests.reading_harness import DAY_S, INTERVAL_S, ReadingHarness, basic, detail
from wallbox2mqtt.bridge.target import LIST, Document, Target
from wallbox2mqtt.errors import ServerError
from wallbox2mqtt.storage import Storage


class TestOneCharger:
    def test_the_list_then_its_detail_then_its_basic_then_details(self, harness: ReadingHarness) -> None:
        harness.lists = [1]
        assert harness.read(5) == [LIST, detail(1), basic(1), detail(1), detail(1)]

    def test_the_list_and_basic_hourly(self, harness: ReadingHarness) -> None:
        harness.lists = [1]
        reads = harness.read(int(2 * DAY_S / INTERVAL_S))
        counts = Counter(target.document for target in reads)
        assert 45 <= counts[Document.LIST] <= 48
        assert 45 <= counts[Document.BASIC] <= 48

    def test_basic_stays_hourly_while_it_charges(self, harness: ReadingHarness) -> None:
        harness.lists, harness.charging = [1], {1}
        reads = harness.read(int(DAY_S / INTERVAL_S))
        assert 20 <= Counter(reads)[basic(1)] <= 24

    def test_while_it_charges_the_first_basic_waits(self, harness: ReadingHarness) -> None:
        harness.lists, harness.charging = [1], {1}
        assert harness.read(31) == [LIST, *[detail(1)] * 30]
        assert harness.read(2) == [basic(1), detail(1)]

    def test_until_it_ends(self, harness: ReadingHarness) -> None:
        harness.lists, harness.charging = [1], {1}
        harness.read(10)
        harness.charging.clear()
        assert harness.read(2) == [basic(1), detail(1)]

    def test_who_asks_for_everything_does_not_wait(self, harness: ReadingHarness) -> None:
        harness.lists, harness.charging = [1], {1}
        harness.read(3)
        harness.planner.want_all()
        assert harness.read(3) == [LIST, detail(1), basic(1)]

    def test_named_in_the_configuration_it_needs_no_list(self, clock: FakeClock, store: Storage) -> None:
        harness = ReadingHarness(clock, store, [7])
        assert harness.registry.was_listed
        assert harness.read(3) == [detail(7), basic(7), detail(7)]

    def test_found_by_the_first_list_its_detail_does_not_wait(self, harness: ReadingHarness) -> None:
        harness.lists = [1]
        harness.read()
        assert harness.planner.is_wanted

    def test_a_useless_list_is_no_matter(self, harness: ReadingHarness) -> None:
        harness.lists, harness.shown = [1], {"name": "A"}
        assert harness.read(2) == [LIST, detail(1)]


class TestSeveral:
    @pytest.fixture(autouse=True)
    def _three(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2, 3]

    def test_four_reads_in_five_are_the_sweep_at_any_time(self, harness: ReadingHarness) -> None:
        harness.read(6)
        reads = harness.read(1000)
        for begin in range(len(reads) - 5):
            assert reads[begin : begin + 5].count(LIST) == 4

    def test_at_first_every_second_read_is_a_detail(self, harness: ReadingHarness) -> None:
        harness.lists = list(range(1, 11))
        reads = harness.read(20)
        assert reads == [target for number in range(1, 11) for target in (LIST, detail(number))]
        assert harness.read(5).count(LIST) == 4

    def test_an_unreadable_charger_does_not_count_as_unread(self, harness: ReadingHarness) -> None:
        harness.read()
        harness.quarantine.record_forbidden(detail(2))
        harness.read(4)
        assert harness.read(5).count(LIST) == 4

    def test_when_each_will_be_complete(self, harness: ReadingHarness) -> None:
        harness.read()
        assert harness.planner.complete_after() == {1: 1, 2: 3, 3: 5}
        harness.read(2)
        assert harness.planner.complete_after() == {2: 1, 3: 3}

    def test_the_rest_goes_round_the_details(self, harness: ReadingHarness) -> None:
        others = [target for target in harness.read(60) if target != LIST]
        assert others[:3] == [detail(1), detail(2), detail(3)]
        assert {basic(1), basic(2), basic(3)} <= set(others)

    def test_basic_at_most_once_an_hour_and_charger(self, harness: ReadingHarness) -> None:
        last: dict[Target, int] = {}
        for number, target in enumerate(harness.read(int(DAY_S / INTERVAL_S))):
            if target.document is Document.BASIC:
                assert (number - last.get(target, -1000)) * INTERVAL_S >= 3600
                last[target] = number
        assert len(last) == 3

    def test_charging_ones_more_often(self, harness: ReadingHarness) -> None:
        harness.charging = {2}
        counts = Counter(harness.read(2000))
        assert counts[detail(2)] > 2 * counts[detail(1)]
        assert counts[detail(1)] > 20

    def others(self, harness: ReadingHarness, count: int) -> list[Target]:
        """What is read beside the sweep."""
        return [target for target in harness.read(5 * count) if target != LIST]

    @pytest.mark.parametrize("rounds", [1, 10], ids=["before any basic", "when all was read"])
    def test_a_just_commanded_one_comes_first(self, harness: ReadingHarness, rounds: int) -> None:
        last = self.others(harness, 3 * rounds)[-1]
        harness.planner.record_command(last.charger_id)
        assert self.others(harness, 1) == [detail(last.charger_id)]

    def test_until_what_it_did_must_show(self, harness: ReadingHarness) -> None:
        """The first read comes within the time to settle: a second one decides."""
        harness.read(6)
        self.others(harness, 10)
        harness.read(4)
        harness.planner.record_command(2)
        assert harness.read() == [detail(2)]
        assert detail(2) in self.others(harness, 2)

    def test_commands_without_end_keep_no_other_from_being_read(self, harness: ReadingHarness) -> None:
        harness.read(6)
        counts = Counter[Target]()
        for _ in range(100):
            harness.planner.record_command(2)
            counts.update(self.others(harness, 1))
        assert counts[detail(2)] == 50
        assert counts[detail(1)] > 15
        assert counts[detail(3)] > 15

    def test_many_chargers_are_all_read_before_any_basic(self, harness: ReadingHarness) -> None:
        harness.lists = list(range(1, 101))
        others = [target for target in harness.read(2 * 99) if target != LIST]
        assert others == [detail(number) for number in range(1, len(others) + 1)]
        later = Counter(target.document for target in harness.read(5 * 400) if target != LIST)
        assert later[Document.DETAIL] > later[Document.BASIC] > 10

    def test_a_second_charger_is_found_and_swept_at_once(self, harness: ReadingHarness) -> None:
        harness.lists = [1]
        harness.read(2000)
        harness.lists = [1, 2]
        harness.clock.advance(DAY_S)
        reads = harness.read(30)
        assert 4 <= len([target for target in reads if target != LIST]) <= 7


class TestWanted:
    def test_comes_first_once(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2, 3]
        harness.read(6)
        harness.planner.want(2)
        harness.planner.want(2)
        assert harness.planner.is_wanted
        assert harness.read(2) == [detail(2), LIST]
        assert not harness.planner.is_wanted

    def test_everything(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2]
        harness.read()
        harness.planner.want_all()
        assert harness.read(5) == [LIST, detail(1), detail(2), basic(1), basic(2)]
        assert not harness.planner.is_wanted

    def test_everything_before_it_is_known_what_there_is(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2]
        harness.planner.want_all()
        assert harness.read(5) == [LIST, detail(1), detail(2), basic(1), basic(2)]
        assert not harness.planner.is_wanted

    def test_everything_of_one(self, harness: ReadingHarness) -> None:
        harness.lists = [1]
        harness.read(4)
        harness.planner.want_all()
        assert harness.read(3) == [LIST, detail(1), basic(1)]
        assert not harness.planner.is_wanted

    def test_everything_of_those_that_the_configuration_names(self, clock: FakeClock, store: Storage) -> None:
        harness = ReadingHarness(clock, store, [7])
        harness.read(4)
        harness.planner.want_all()
        assert harness.read(3) == [LIST, detail(7), basic(7)]
        assert not harness.planner.is_wanted

    @pytest.mark.parametrize("chargers", [1, 3, 10])
    def test_everything_again_and_again_reads_everything(self, harness: ReadingHarness, chargers: int) -> None:
        harness.lists = list(range(1, chargers + 1))
        harness.read()
        reads = Counter[Target]()
        for _ in range(4 * (2 * chargers + 1)):
            harness.planner.want_all()
            reads.update(harness.read())
        assert reads.keys() == {LIST, *map(detail, harness.lists), *map(basic, harness.lists)}
        assert min(reads.values()) >= 2

    def test_one_that_a_command_waits_for_passes_everything(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2, 3]
        harness.read()
        harness.planner.want_all()
        harness.planner.want(3)
        assert harness.read(3) == [detail(3), LIST, detail(1)]

    def test_does_not_count_as_planned(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2, 3]
        harness.read(8)
        for _ in range(3):
            harness.planner.want(1)
            harness.read()
        assert [target == LIST for target in harness.read(4)] == [True, True, False, True]

    def test_again_and_again_leaves_each_fifth_read_to_the_sweep(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2, 3]
        reads = harness.read()
        for _ in range(100):
            harness.planner.want(1)
            reads += harness.read()
        assert reads.count(LIST) == 21
        assert reads.count(detail(1)) == 80

    def test_one_that_fails_does_not_block_the_others(self, harness: ReadingHarness) -> None:
        harness.lists = [1, 2]
        harness.read()
        harness.errors = {detail(1): ServerError("x", 500)}
        harness.planner.want(1)
        harness.planner.want(2)
        assert harness.read(2) == [detail(1), detail(2)]
