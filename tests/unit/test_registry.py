"""Which chargers exist."""

import pytest

from tests.fakes import FakeClock
from tests.reading_harness import DAY_S, ReadingHarness, basic, detail, listing
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.target import LIST
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.documents import MAX_CHARGERS
from wallbox2mqtt.storage import Storage


class TestChargers:
    def test_from_the_list(self, harness: ReadingHarness) -> None:
        assert not harness.registry.was_listed
        assert harness.registry.chargers == []
        harness.lists = [3, 1]
        harness.read()
        assert harness.registry.was_listed
        assert harness.registry.chargers == [3, 1]

    def test_no_more_than_any_account_has(self, harness: ReadingHarness) -> None:
        for begin in range(1, 4 * MAX_CHARGERS, MAX_CHARGERS // 2):
            harness.planner.record_list(listing(*range(begin, begin + MAX_CHARGERS // 2)))
        assert len(harness.registry.chargers) == MAX_CHARGERS

    def test_twice_in_what_is_kept_is_once(self, clock: FakeClock, store: Storage) -> None:
        store.write("chargers", {"ids": [3, 1, 3, *range(1, 2 * MAX_CHARGERS)]})
        chargers = Registry((), clock, store).chargers
        assert chargers[:3] == [3, 1, 2]
        assert len(chargers) == len(set(chargers)) == MAX_CHARGERS

    def test_kept_across_restarts(self, harness: ReadingHarness, clock: FakeClock, store: Storage) -> None:
        harness.lists = [3, 1]
        harness.read()
        again = ReadingHarness(clock, store)
        assert again.registry.chargers == [3, 1]
        assert not again.registry.was_listed
        alone = ReadingHarness(clock, store, [8])
        assert alone.registry.chargers == [8]

    def test_a_restart_begins_with_what_users_wait_for(self, clock: FakeClock, store: Storage) -> None:
        Registry((), clock, store).record_list([1])
        harness = ReadingHarness(clock, store)
        harness.lists = [1]
        assert harness.read(4) == [detail(1), basic(1), LIST, detail(1)]

    @pytest.mark.parametrize(
        "kept",
        [
            {"ids": "no"},
            {"ids": [True, -1, "1", None, 1.5]},
            {"ids": None, "missing": [1]},
            {"missing": {"x": 1, "9" * 5000: 1}},
        ],
        ids=lambda kept: str(kept)[:40],
    )
    def test_what_is_kept_may_be_damaged(self, clock: FakeClock, store: Storage, kept: dict[str, Json]) -> None:
        store.write("chargers", kept)
        assert Registry((), clock, store).chargers == []

    def test_only_those_of_the_configuration(self, clock: FakeClock, store: Storage) -> None:
        harness = ReadingHarness(clock, store, [2, 9, 2])
        harness.lists = [1, 2, 3]
        harness.read(10)
        assert harness.registry.chargers == [2, 9]

    def test_gone_after_a_day_of_good_listings(self, harness: ReadingHarness, clock: FakeClock) -> None:
        registry = harness.registry
        registry.record_list([1, 2])
        assert registry.record_list([1]) == []
        clock.advance(DAY_S - 1)
        assert registry.record_list([1]) == []
        assert registry.chargers == [1, 2]
        clock.advance(1)
        assert registry.record_list([1]) == [2]
        assert registry.chargers == [1]
        assert registry.record_list([1]) == []

    def test_one_listing_that_has_it_begins_the_day_anew(self, harness: ReadingHarness, clock: FakeClock) -> None:
        registry = harness.registry
        for present in ((1, 2), (1,), (1, 2), (1,)):
            assert registry.record_list(present) == []
            clock.advance(DAY_S / 2)
        assert registry.record_list([1]) == []
        clock.advance(DAY_S / 2)
        assert registry.record_list([1]) == [2]

    def test_the_day_goes_on_across_restarts(self, clock: FakeClock, store: Storage) -> None:
        registry = Registry((), clock, store)
        registry.record_list([1, 2])
        registry.record_list([1])
        clock.advance(DAY_S / 2)
        registry.record_list([1])
        clock.advance(30 * DAY_S)  # nobody listed anything meanwhile
        registry = Registry((), clock, store)
        assert registry.record_list([1]) == []
        clock.advance(DAY_S / 2)
        assert registry.record_list([1]) == [2]

    @pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S, -1e9], ids=["forward", "back", "1995"])
    def test_a_wall_clock_that_jumps_makes_nobody_gone(self, clock: FakeClock, store: Storage, jump_s: float) -> None:
        registry = Registry((), clock, store)
        registry.record_list([1, 2])
        registry.record_list([1])
        clock.jump(jump_s)
        assert registry.record_list([1]) == []
        clock.advance(DAY_S)
        assert registry.record_list([1]) == [2]

    def test_one_that_the_configuration_names_is_never_gone(self, clock: FakeClock, store: Storage) -> None:
        registry = Registry([1, 2], clock, store)
        for _ in range(3):
            assert registry.record_list([1]) == []
            clock.advance(DAY_S)
        assert registry.chargers == [1, 2]

    def test_an_empty_list_takes_a_day_too(self, harness: ReadingHarness, clock: FakeClock) -> None:
        harness.planner.record_list(listing(1, 2))
        assert harness.planner.record_list([]) == []
        clock.advance(DAY_S)
        assert harness.planner.record_list([]) == [1, 2]
        assert harness.planner.next() == LIST
