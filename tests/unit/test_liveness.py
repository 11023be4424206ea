"""How long the broker owes an answer, and how old what it delivers may be."""

from dataclasses import dataclass, field

import pytest

from wallbox2mqtt.mqtt.liveness import ANSWER_S, GAP_S, AnswerWatch, GapMeter


@dataclass
class Rig:
    """A watch, what is owed, and the time."""

    now: float = 0.0
    owed: object | None = None
    watch: AnswerWatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = AnswerWatch(lambda: self.owed, lambda: self.now)

    def pass_time(self, seconds: float, step_s: float = 1.0) -> object | None:
        """The first thing that has waited too long, within so many seconds."""
        for _ in range(round(seconds / step_s)):
            self.now += step_s
            if (late := self.watch.turn()) is not None:
                return late
        return None


class TestAnswerWatch:
    def test_one_that_is_lost(self) -> None:
        rig = Rig(owed="first")
        assert rig.pass_time(ANSWER_S) is None
        assert rig.pass_time(1) == "first"
        assert rig.watch.waited_s == ANSWER_S

    def test_a_slow_broker_that_goes_on(self) -> None:
        rig = Rig()
        for number in range(200):
            rig.owed = f"message {number}"
            assert rig.pass_time(ANSWER_S - 1) is None

    def test_nothing_is_owed(self) -> None:
        rig = Rig(owed="first")
        rig.pass_time(20)
        rig.owed = None
        assert rig.pass_time(100) is None
        assert rig.watch.waited_s == 0

    def test_one_lost_in_a_month(self) -> None:
        rig = Rig()
        for number in range(1000):
            rig.owed = f"message {number}"
            assert rig.pass_time(3) is None
        rig.owed = lost = "lost"
        assert rig.pass_time(60) is lost

    def test_a_pause_of_the_process_is_not_the_broker_s(self) -> None:
        rig = Rig(owed="first")
        rig.pass_time(10)
        assert rig.pass_time(3600, 3600) is None
        assert rig.watch.waited_s < ANSWER_S

    def test_a_new_connection_begins_anew(self) -> None:
        rig = Rig(owed="first")
        rig.pass_time(ANSWER_S)
        rig.watch.begin()
        assert rig.pass_time(ANSWER_S) is None


class Times:
    """A meter and its time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.unread = False
        self.meter = GapMeter(lambda: self.unread, lambda: self.now)

    def pause(self, seconds: float) -> None:
        """Let the process be stopped, or the machine sleep."""
        self.now += seconds

    def turn(self, times: int = 1, each_s: float = 1.0) -> None:
        for _ in range(times):
            self.pause(each_s)
            self.meter.turn()


class TestGapMeter:
    def test_without_a_gap_what_arrives_is_new(self) -> None:
        times = Times()
        for _ in range(100):
            times.turn()
            times.pause(0.5)
            assert times.meter.age_s() == 0

    @pytest.mark.parametrize("seconds", [20.0, 60.0, 3600.0, 172_800.0])
    def test_after_a_gap_it_is_dated_back_to_before(self, seconds: float) -> None:
        times = Times()
        times.turn()
        times.pause(seconds)
        assert times.meter.age_s() == pytest.approx(seconds)
        times.turn(each_s=0.001)
        assert times.meter.age_s() == pytest.approx(seconds, abs=0.1), "the next of what was waiting"

    def test_also_where_a_turn_comes_before_it(self) -> None:
        times = Times()
        times.turn()
        times.pause(3600)
        times.meter.turn()
        assert times.meter.age_s() >= 3600

    def test_until_nothing_more_has_come_for_a_second(self) -> None:
        times = Times()
        times.turn()
        times.pause(3600)
        for _ in range(20):
            assert times.meter.age_s() >= 3600
            times.turn(each_s=0.1)
        times.turn(10, 0.11)
        assert times.meter.age_s() < 1

    def test_a_thread_that_gets_no_time_has_not_read_all(self) -> None:
        times = Times()
        times.turn()
        times.pause(3600)
        assert times.meter.age_s() >= 3600
        times.unread = True
        times.turn(each_s=2.0)
        assert times.meter.age_s() >= 3600, "it waited in the socket"

    def test_a_flood_is_not_old_for_ever(self) -> None:
        times = Times()
        times.turn()
        times.pause(3600)
        for _ in range(150):
            times.meter.age_s()
            times.turn(each_s=0.1)
        assert times.meter.age_s() < 1

    def test_a_second_gap_does_not_make_it_younger(self) -> None:
        times = Times()
        times.turn()
        times.pause(100)
        times.meter.turn()
        times.pause(50)
        assert times.meter.age_s() == pytest.approx(150)

    def test_a_new_connection_brings_nothing_old(self) -> None:
        times = Times()
        times.pause(3600)
        times.meter.age_s()
        times.meter.connected()
        assert times.meter.age_s() == 0

    def test_a_busy_moment_is_no_gap(self) -> None:
        times = Times()
        times.turn()
        times.pause(GAP_S - 0.1)
        times.meter.turn()
        assert times.meter.age_s() == 0
