"""When in its interval a process reads."""

from itertools import pairwise

import pytest

from wallbox2mqtt.daemon.scheduler import STEPS, ReadPhase

INTERVAL_S = 60.0


def ticks(account: str, count: int = 3 * STEPS) -> list[float]:
    """When a process reads that starts at 0: after its first read, which comes at once."""
    phase, times = ReadPhase(account), [0.0]
    for _ in range(count):
        times.append(times[-1] + phase.stretched(INTERVAL_S))
        phase.record_tick()
    return times


def test_fifty_are_spread_over_the_minute() -> None:
    phases = sorted(ticks(f"user{number}@example.org")[-1] % INTERVAL_S for number in range(50))
    for start in range(0, 60, 10):
        within = [phase for phase in phases if start <= phase < start + 10]
        assert 3 <= len(within) <= 16, (start, phases)


@pytest.mark.parametrize("account", ["a@example.org", "b@example.org", ""])
def test_no_interval_is_much_longer_and_none_is_shorter(account: str) -> None:
    times = ticks(account)
    lengths = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == 0
    assert all(INTERVAL_S <= length <= INTERVAL_S * 1.1 for length in lengths)
    assert lengths[STEPS:] == pytest.approx([INTERVAL_S] * (len(lengths) - STEPS))


def test_a_restart_finds_the_same_phase() -> None:
    assert ticks("a@example.org") == ticks("a@example.org") != ticks("b@example.org")
