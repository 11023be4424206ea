"""When a charger reports, and how long a read is put off for it."""

import pytest

from wallbox2mqtt.bridge.report_phase import ReportPhase

WALL = 1_791_201_600.0


class Charger:
    """A charger that reports each ``period_s``, and a cloud whose clock is ``WALL`` at monotonic 0."""

    def __init__(self, phase: ReportPhase, charger_id: int = 1, *, period_s: float = 30, first_s: float = 12.3) -> None:
        self.phase, self.id, self.period_s, self.first_s = phase, charger_id, period_s, first_s

    def last_report(self, now: float) -> float:
        return now - (now - self.first_s) % self.period_s

    def read(self, now: float, live_s: float | None = 30) -> None:
        """Read its status document, which takes 0.2 s; times are told in whole seconds."""
        last_sync = float(int(WALL + self.last_report(now)))
        self.phase.observe(self.id, last_sync, live_s, float(int(WALL + now + 0.1)), now, now + 0.2)


@pytest.fixture
def phase() -> ReportPhase:
    return ReportPhase()


def test_nothing_known_nothing_delayed(phase: ReportPhase) -> None:
    assert phase.delay_s(5, 60) == 0


def test_three_that_agree_are_needed(phase: ReportPhase) -> None:
    charger = Charger(phase)
    for number in range(3):
        assert phase.delay_s(60.3 * number, 60) == 0
        charger.read(60.3 * number)
    assert phase.delay_s(181, 60) > 0


@pytest.mark.parametrize("start", [0.0, 3.0, 11.9, 12.2, 12.5, 20.0, 29.9])
@pytest.mark.parametrize("first_s", [0.0, 12.3, 12.99])
def test_a_read_comes_just_after_a_report(phase: ReportPhase, start: float, first_s: float) -> None:
    charger = Charger(phase, first_s=first_s)
    now, ages = start, []
    for _ in range(30):
        delay = phase.delay_s(now, 60)
        assert 0 <= delay <= 30
        now += delay
        ages.append(now - charger.last_report(now))
        charger.read(now)
        now += 60.07
    assert all(0.3 <= age <= 6 for age in ages[4:]), ages


def test_a_charger_that_reports_at_any_time_delays_nothing(phase: ReportPhase) -> None:
    charger = Charger(phase)
    for now in (0, 61, 125, 197, 290):
        phase.observe(1, WALL + now, 30, WALL + now, now, now + 0.1)
        assert phase.delay_s(now + 61, 60) == 0 or now > 290
    assert charger.id == 1


def test_of_several_the_one_read_longest_ago(phase: ReportPhase) -> None:
    one, two = Charger(phase, 1, first_s=5), Charger(phase, 2, first_s=20)
    for number in range(3):
        one.read(60.0 * number)
        two.read(60.0 * number + 30)
    assert (180 + phase.delay_s(180, 60)) % 30 == pytest.approx(5 + 1.7, abs=1.2)
    phase.keep(lambda charger: charger == 2)
    assert (180 + phase.delay_s(180, 60)) % 30 == pytest.approx(20 + 1.7, abs=1.2)


@pytest.mark.parametrize("live_s", [None, 0, -30, 1e9])
def test_a_period_that_is_none_is_thirty_seconds(phase: ReportPhase, live_s: float | None) -> None:
    charger = Charger(phase)
    for number in range(3):
        charger.read(60.0 * number, live_s)
    assert phase.delay_s(185, 60) > 0


@pytest.mark.parametrize(("report_s", "is_delayed"), [(5, False), (30, True)])
def test_fast_reads_are_slowed_only_for_rare_reports(phase: ReportPhase, *, report_s: float, is_delayed: bool) -> None:
    charger, now, delays = Charger(phase, period_s=report_s), 0.0, []
    for _ in range(60):
        delays.append(phase.delay_s(now, 20))
        now += delays[-1]
        charger.read(now)
        now += 20.07
    assert (max(delays) > 0) == is_delayed


def test_frequent_reports_are_young_at_any_time(phase: ReportPhase) -> None:
    charger, now = Charger(phase, period_s=5), 0.0
    for _ in range(60):
        assert phase.delay_s(now, 60) == 0
        charger.read(now, live_s=5)
        now += 60.07
