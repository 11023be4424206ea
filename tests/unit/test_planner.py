"""What is read next, and which chargers there are."""

import itertools
import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.bridge.planner import LIST, Kind, Plan, Target
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.documents import MAX_CHARGERS, Listed, Reading
from wallbox2mqtt.errors import BadAnswerError, CloudError, NotSentError, RequestRefusedError, ServerError
from wallbox2mqtt.storage import Store

ESSENTIAL: dict[str, Json] = {"status_id": 161, "charging_power": 0, "added_energy": 0}
INTERVAL_S = 20.0
SETTLE_S = 45.0
DAY_S = 86400.0


def listing(*ids: int, **values: Json) -> list[Listed]:
    return [Listed(number, f"charger {number}", "PulsarPlus", Reading(values or dict(ESSENTIAL))) for number in ids]


def detail(charger_id: int) -> Target:
    return Target(Kind.DETAIL, charger_id)


def basic(charger_id: int) -> Target:
    return Target(Kind.BASIC, charger_id)


class Course:
    """A plan, and a reader that does what it says each interval; ``charging``: chargers that charge."""

    def __init__(self, clock: FakeClock, store: Store, only: Iterable[int] = ()) -> None:
        self.clock, self.charging, self.lists = clock, set[int](), list[int]()
        self.plan = Plan(only, clock, store, lambda charger: charger in self.charging, SETTLE_S)
        self.errors: dict[Target, CloudError] = {}
        self.told: dict[str, Json] = dict(ESSENTIAL)

    def read(self, count: int = 1) -> list[Target]:
        """Read so many documents, all with success but those of ``errors``."""
        done = []
        for _ in range(count):
            target = self.plan.next()
            self.plan.asked(target)
            if error := self.errors.get(target):
                self.plan.failed(target, error)
            else:
                if target == LIST:
                    self.plan.listed(listing(*self.lists, **self.told))
                self.plan.succeeded(target)
            done.append(target)
            self.clock.advance(INTERVAL_S)
        return done


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, "account")


@pytest.fixture
def course(clock: FakeClock, store: Store) -> Course:
    return Course(clock, store)


class TestOneCharger:
    def test_the_list_then_its_detail_then_its_basic_then_details(self, course: Course) -> None:
        course.lists = [1]
        assert course.read(5) == [LIST, detail(1), basic(1), detail(1), detail(1)]

    def test_the_list_daily_and_basic_hourly(self, course: Course) -> None:
        course.lists = [1]
        reads = course.read(int(2 * DAY_S / INTERVAL_S))
        counts = Counter(target.kind for target in reads)
        assert counts[Kind.LIST] == 2
        assert 45 <= counts[Kind.BASIC] <= 48

    def test_basic_stays_hourly_while_it_charges(self, course: Course) -> None:
        course.lists, course.charging = [1], {1}
        reads = course.read(int(DAY_S / INTERVAL_S))
        assert 20 <= Counter(reads)[basic(1)] <= 24

    def test_while_it_charges_the_first_basic_waits(self, course: Course) -> None:
        course.lists, course.charging = [1], {1}
        assert course.read(31) == [LIST, *[detail(1)] * 30]
        assert course.read(2) == [basic(1), detail(1)]

    def test_until_it_ends(self, course: Course) -> None:
        course.lists, course.charging = [1], {1}
        course.read(10)
        course.charging.clear()
        assert course.read(2) == [basic(1), detail(1)]

    def test_who_asks_for_everything_does_not_wait(self, course: Course) -> None:
        course.lists, course.charging = [1], {1}
        course.read(3)
        course.plan.want_all()
        assert course.read(2) == [detail(1), basic(1)]

    def test_named_in_the_configuration_it_needs_no_list(self, clock: FakeClock, store: Store) -> None:
        course = Course(clock, store, [7])
        assert course.plan.was_listed
        assert course.read(3) == [detail(7), basic(7), detail(7)]

    def test_found_by_the_first_list_its_detail_does_not_wait(self, course: Course) -> None:
        course.lists = [1]
        course.read()
        assert course.plan.is_wanted

    def test_a_useless_list_is_no_matter(self, course: Course) -> None:
        course.lists, course.told = [1], {"name": "A"}
        assert course.read(2) == [LIST, detail(1)]


class TestSeveral:
    @pytest.fixture(autouse=True)
    def _three(self, course: Course) -> None:
        course.lists = [1, 2, 3]

    def test_four_reads_in_five_are_the_sweep_at_any_time(self, course: Course) -> None:
        reads = course.read(1000)
        for begin in range(len(reads) - 5):
            assert reads[begin : begin + 5].count(LIST) == 4

    def test_the_rest_goes_round_the_details(self, course: Course) -> None:
        others = [target for target in course.read(60) if target != LIST]
        assert others[:3] == [detail(1), detail(2), detail(3)]
        assert {basic(1), basic(2), basic(3)} <= set(others)

    def test_basic_at_most_once_an_hour_and_charger(self, course: Course) -> None:
        last: dict[Target, int] = {}
        for number, target in enumerate(course.read(int(DAY_S / INTERVAL_S))):
            if target.kind is Kind.BASIC:
                assert (number - last.get(target, -1000)) * INTERVAL_S >= 3600
                last[target] = number
        assert len(last) == 3

    def test_charging_ones_more_often(self, course: Course) -> None:
        course.charging = {2}
        counts = Counter(course.read(2000))
        assert counts[detail(2)] > 2 * counts[detail(1)]
        assert counts[detail(1)] > 20

    def others(self, course: Course, count: int) -> list[Target]:
        """What is read beside the sweep."""
        return [target for target in course.read(5 * count) if target != LIST]

    @pytest.mark.parametrize("rounds", [1, 10], ids=["before any basic", "when all was read"])
    def test_a_just_commanded_one_comes_first(self, course: Course, rounds: int) -> None:
        last = self.others(course, 3 * rounds)[-1]
        course.plan.commanded(last.charger_id)
        assert self.others(course, 1) == [detail(last.charger_id)]

    def test_until_what_it_did_must_show(self, course: Course) -> None:
        """The first read comes within the time to settle: a second one decides."""
        self.others(course, 10)
        course.read(4)
        course.plan.commanded(2)
        assert course.read() == [detail(2)]
        assert detail(2) in self.others(course, 2)

    def test_commands_without_end_do_not_keep_the_others_from_being_read(self, course: Course) -> None:
        counts = Counter[Target]()
        for _ in range(100):
            course.plan.commanded(2)
            counts.update(self.others(course, 1))
        assert counts[detail(2)] == 50
        assert counts[detail(1)] > 15
        assert counts[detail(3)] > 15

    def test_many_chargers_are_all_read_before_any_basic(self, course: Course) -> None:
        course.lists = list(range(1, 101))
        others = [target for target in course.read(5 * 99) if target != LIST]
        assert others == [detail(number) for number in range(1, len(others) + 1)]
        later = Counter(target.kind for target in course.read(5 * 400) if target != LIST)
        assert later[Kind.DETAIL] > later[Kind.BASIC] > 10

    def test_a_second_charger_is_found_and_swept_at_once(self, course: Course) -> None:
        course.lists = [1]
        course.read(2000)
        course.lists = [1, 2]
        course.clock.advance(DAY_S)
        reads = course.read(30)
        assert 4 <= len([target for target in reads if target != LIST]) <= 7


class TestWanted:
    def test_comes_first_once(self, course: Course) -> None:
        course.lists = [1, 2, 3]
        course.read()
        course.plan.want(2)
        course.plan.want(2)
        assert course.plan.is_wanted
        assert course.read(2) == [detail(2), LIST]
        assert not course.plan.is_wanted

    def test_everything(self, course: Course) -> None:
        course.lists = [1, 2]
        course.read()
        course.plan.want_all()
        assert course.read(5) == [LIST, detail(1), detail(2), basic(1), basic(2)]
        assert not course.plan.is_wanted

    def test_everything_before_it_is_known_what_there_is(self, course: Course) -> None:
        course.lists = [1, 2]
        course.plan.want_all()
        assert course.read(5) == [LIST, detail(1), detail(2), basic(1), basic(2)]
        assert not course.plan.is_wanted

    def test_everything_of_one(self, course: Course) -> None:
        course.lists = [1]
        course.read(4)
        course.plan.want_all()
        assert course.read(3) == [detail(1), basic(1), LIST]
        assert not course.plan.is_wanted

    def test_everything_of_those_that_the_configuration_names(self, clock: FakeClock, store: Store) -> None:
        course = Course(clock, store, [7])
        course.read(4)
        course.plan.want_all()
        assert course.read(2) == [detail(7), basic(7)]
        assert not course.plan.is_wanted

    @pytest.mark.parametrize("chargers", [1, 3, 10])
    def test_everything_again_and_again_reads_everything(self, course: Course, chargers: int) -> None:
        course.lists = list(range(1, chargers + 1))
        course.read()
        reads = Counter[Target]()
        for _ in range(4 * (2 * chargers + 1)):
            course.plan.want_all()
            reads.update(course.read())
        assert reads.keys() == {LIST, *map(detail, course.lists), *map(basic, course.lists)}
        assert min(reads.values()) >= 2

    def test_one_that_a_command_waits_for_passes_everything(self, course: Course) -> None:
        course.lists = [1, 2, 3]
        course.read()
        course.plan.want_all()
        course.plan.want(3)
        assert course.read(3) == [detail(3), LIST, detail(1)]

    def test_does_not_count_as_planned(self, course: Course) -> None:
        course.lists = [1, 2, 3]
        course.read(2)
        for _ in range(3):
            course.plan.want(1)
            course.read()
        assert [target == LIST for target in course.read(4)] == [True, True, False, True]

    def test_again_and_again_leaves_each_fifth_read_to_the_sweep(self, course: Course) -> None:
        course.lists = [1, 2, 3]
        reads = course.read()
        for _ in range(100):
            course.plan.want(1)
            reads += course.read()
        assert reads.count(LIST) == 21
        assert reads.count(detail(1)) == 80

    def test_one_that_fails_does_not_block_the_others(self, course: Course) -> None:
        course.lists = [1, 2]
        course.read()
        course.errors = {detail(1): ServerError("x", 500)}
        course.plan.want(1)
        course.plan.want(2)
        assert course.read(2) == [detail(1), detail(2)]


class TestListThatIsNoGood:
    @pytest.fixture(autouse=True)
    def _three(self, course: Course) -> None:
        course.lists = [1, 2, 3]
        course.read(5)

    def test_without_the_values_that_change(self, course: Course, caplog: pytest.LogCaptureFixture) -> None:
        course.told = {"name": "A"}
        with caplog.at_level(logging.WARNING):
            reads = course.read(100)
        assert reads.count(LIST) == 3
        assert {detail(1), detail(2), detail(3)} <= set(reads)
        assert len(caplog.records) == 1
        course.told = dict(ESSENTIAL)
        course.read(200)
        assert course.read(50).count(LIST) == 40

    def test_of_one_charger_at_least_they_must_be_there(self, course: Course) -> None:
        course.plan.listed([*listing(1, name="A"), *listing(2, 3)])
        assert LIST in course.read(2)

    def test_refused(self, course: Course) -> None:
        course.errors = {LIST: RequestRefusedError("x", 404)}
        assert LIST in course.read(100)

    def test_left_alone_for_5_15_and_60_minutes(self, course: Course) -> None:
        course.errors = {LIST: RequestRefusedError("x", 404)}
        reads = course.read(700)
        at = [number * INTERVAL_S for number, target in enumerate(reads) if target == LIST]
        gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
        assert gaps == [300, 900, 3600, 3600, 3600]
        course.errors = {}
        course.read(200)
        course.errors = {LIST: RequestRefusedError("x", 404)}
        assert course.read(30).count(LIST) >= 2, "a new trouble begins anew"

    @pytest.mark.parametrize("error", [ServerError("x", 500), BadAnswerError("x")], ids=["5xx", "bad answer"])
    def test_failing_while_details_succeed(self, course: Course, error: CloudError) -> None:
        course.errors = {LIST: error}
        reads = course.read(17)
        assert reads[0] == reads[2] == LIST
        assert reads[3:].count(LIST) == 0

    def test_failing_once_it_is_tried_again(self, course: Course) -> None:
        course.errors = {LIST: ServerError("x", 500)}
        course.read()
        course.errors = {}
        course.read()
        assert course.read(10).count(LIST) == 8

    def test_an_outage_is_not_the_lists_fault(self, course: Course) -> None:
        course.errors = dict.fromkeys([LIST, *map(detail, (1, 2, 3)), *map(basic, (1, 2, 3))], NotSentError("x"))
        course.read(100)
        course.errors = {}
        course.read(2)
        assert course.read(50).count(LIST) == 40

    def test_the_time_without_it_does_not_count_against_the_details(self, course: Course) -> None:
        course.told = {"name": "A"}
        course.read(181)
        course.told = dict(ESSENTIAL)
        assert len([target for target in course.read(20) if target.kind is not Kind.LIST]) >= 3


class TestForbidden:
    def three(self, course: Course) -> Plan:
        course.lists = [1, 2, 3]
        course.read()
        return course.plan

    def test_one_is_set_aside_for_15_minutes(self, course: Course) -> None:
        plan = self.three(course)
        plan.asked(detail(2))
        assert not plan.forbidden(detail(2))
        course.told = {"name": "A"}
        reads = course.read(43)
        assert {detail(1), detail(3)} <= set(reads)
        assert not {detail(2), basic(2)} & set(reads)
        assert detail(2) in course.read(5)

    def test_its_basic_alone_can_be_set_aside(self, course: Course) -> None:
        plan = self.three(course)
        assert not plan.forbidden(basic(2))
        course.told = {"name": "A"}
        reads = course.read(40)
        assert detail(2) in reads
        assert basic(2) not in reads

    def test_two_of_three_are_two_of_three(self, course: Course) -> None:
        plan = self.three(course)
        assert [plan.forbidden(detail(1)), plan.forbidden(detail(2))] == [False, False]
        plan.succeeded(detail(3))
        assert not plan.forbidden(detail(1))

    @pytest.mark.parametrize(
        ("chargers", "refused"),
        [([1], [detail(1)]), ([1, 2], [detail(1), detail(2)]), ([1, 2, 3, 4], [LIST, detail(2)]), ([], [LIST])],
        ids=["the only one", "both", "the list and one", "the list where nothing else is known"],
    )
    def test_all_are_a_refusal(self, course: Course, chargers: list[int], refused: list[Target]) -> None:
        course.lists = chargers
        course.read()
        assert [course.plan.forbidden(target) for target in refused] == [False] * (len(refused) - 1) + [True]

    def test_three_in_a_row_of_many_are_a_refusal(self, course: Course) -> None:
        course.lists = list(range(1, 11))
        course.read()
        targets = [detail(1), basic(1), detail(2), detail(3)]
        assert [course.plan.forbidden(target) for target in targets] == [False, False, False, True]

    def test_two_in_a_row_that_could_be_read_before_are_a_refusal(self, course: Course) -> None:
        course.lists = list(range(1, 11))
        course.read(5)
        course.plan.succeeded(detail(2))
        assert [course.plan.forbidden(target) for target in (detail(1), detail(2))] == [False, True]

    def test_a_refusal_sets_nobody_aside(self, course: Course) -> None:
        course.lists = [1, 2]
        course.read()
        course.plan.forbidden(detail(1))
        course.plan.forbidden(detail(2))
        course.plan.succeeded(LIST)
        assert set(course.read(20)) >= {LIST, detail(1), detail(2)}

    def test_until_something_can_be_read_again_each_is_a_refusal(self, course: Course) -> None:
        plan = self.three(course)
        assert [plan.forbidden(one) for one in (LIST, detail(1), LIST, LIST, detail(2))] == [False, *[True] * 4]
        plan.succeeded(detail(3))
        assert not plan.forbidden(detail(1))

    def test_a_refused_list_leaves_the_details_in_turn(self, course: Course) -> None:
        plan = self.three(course)
        assert not plan.forbidden(LIST)
        assert set(course.read(3)) == {detail(1), detail(2), detail(3)}
        assert LIST not in course.read(40)
        assert LIST in course.read(5)


class TestChargers:
    def test_from_the_list(self, course: Course) -> None:
        assert not course.plan.was_listed
        assert course.plan.chargers == []
        course.lists = [3, 1]
        course.read()
        assert course.plan.was_listed
        assert course.plan.chargers == [3, 1]

    def test_no_more_than_any_account_has(self, course: Course) -> None:
        for begin in range(1, 4 * MAX_CHARGERS, MAX_CHARGERS // 2):
            course.plan.listed(listing(*range(begin, begin + MAX_CHARGERS // 2)))
        assert len(course.plan.chargers) == MAX_CHARGERS

    def test_twice_in_what_is_kept_is_once(self, clock: FakeClock, store: Store) -> None:
        store.write("chargers", {"ids": [3, 1, 3, *range(1, 2 * MAX_CHARGERS)]})
        chargers = Plan((), clock, store).chargers
        assert chargers[:3] == [3, 1, 2]
        assert len(chargers) == len(set(chargers)) == MAX_CHARGERS

    def test_kept_across_restarts(self, course: Course, clock: FakeClock, store: Store) -> None:
        course.lists = [3, 1]
        course.read()
        again = Course(clock, store)
        assert again.plan.chargers == [3, 1]
        assert not again.plan.was_listed
        alone = Course(clock, store, [8])
        assert alone.plan.chargers == [8]

    def test_a_restart_begins_with_what_users_wait_for(self, clock: FakeClock, store: Store) -> None:
        Plan((), clock, store).listed(listing(1))
        course = Course(clock, store)
        course.lists = [1]
        assert course.read(4) == [detail(1), basic(1), LIST, detail(1)]

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
    def test_what_is_kept_may_be_damaged(self, clock: FakeClock, store: Store, kept: dict[str, Json]) -> None:
        store.write("chargers", kept)
        assert Plan((), clock, store).chargers == []

    def test_only_those_of_the_configuration(self, clock: FakeClock, store: Store) -> None:
        course = Course(clock, store, [2, 9, 2])
        course.lists = [1, 2, 3]
        course.read(10)
        assert course.plan.chargers == [2, 9]

    def test_gone_after_a_day_of_good_listings(self, course: Course, clock: FakeClock) -> None:
        plan = course.plan
        plan.listed(listing(1, 2))
        assert plan.listed(listing(1)) == []
        clock.advance(DAY_S - 1)
        assert plan.listed(listing(1)) == []
        assert plan.chargers == [1, 2]
        clock.advance(1)
        assert plan.listed(listing(1)) == [2]
        assert plan.chargers == [1]
        assert plan.listed(listing(1)) == []

    def test_one_listing_that_has_it_begins_the_day_anew(self, course: Course, clock: FakeClock) -> None:
        plan = course.plan
        for present in ((1, 2), (1,), (1, 2), (1,)):
            assert plan.listed(listing(*present)) == []
            clock.advance(DAY_S / 2)
        assert plan.listed(listing(1)) == []
        clock.advance(DAY_S / 2)
        assert plan.listed(listing(1)) == [2]

    def test_the_day_goes_on_across_restarts(self, clock: FakeClock, store: Store) -> None:
        plan = Plan((), clock, store)
        plan.listed(listing(1, 2))
        plan.listed(listing(1))
        clock.advance(DAY_S / 2)
        plan.listed(listing(1))
        clock.advance(30 * DAY_S)  # nobody listed anything meanwhile
        plan = Plan((), clock, store)
        assert plan.listed(listing(1)) == []
        clock.advance(DAY_S / 2)
        assert plan.listed(listing(1)) == [2]

    @pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S, -1e9], ids=["forward", "back", "1995"])
    def test_a_wall_clock_that_jumps_makes_nobody_gone(self, clock: FakeClock, store: Store, jump_s: float) -> None:
        plan = Plan((), clock, store)
        plan.listed(listing(1, 2))
        plan.listed(listing(1))
        clock.jump(jump_s)
        assert plan.listed(listing(1)) == []
        clock.advance(DAY_S)
        assert plan.listed(listing(1)) == [2]

    def test_one_that_the_configuration_names_is_never_gone(self, clock: FakeClock, store: Store) -> None:
        plan = Plan([1, 2], clock, store)
        for _ in range(3):
            assert plan.listed(listing(1)) == []
            clock.advance(DAY_S)
        assert plan.chargers == [1, 2]

    def test_an_empty_list_takes_a_day_too(self, course: Course, clock: FakeClock) -> None:
        course.plan.listed(listing(1, 2))
        assert course.plan.listed([]) == []
        clock.advance(DAY_S)
        assert course.plan.listed([]) == [1, 2]
        assert course.plan.next() == LIST
