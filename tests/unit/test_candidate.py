"""When a bridge that stands by takes over: the rule alone, with times that the test makes."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from wallbox2mqtt.daemon.candidate import Candidate
from wallbox2mqtt.daemon.leadership import Timing

TIMING = Timing()
LONGEST_S = TIMING.delay_s[1]
Heard = list[tuple[float, str, str]]

HANDOVER: dict[str, Any] = {
    "version": 1, "instance": "a", "owner": False, "term": 4, "chargers": [7],
    "reads": {"ages": [[3.0, 1]], "under_way": 0}, "writes": {"ages": [], "under_way": 0},
    "rate": {}, "pace": {}, "write_pace": {}, "failed_sign_ins": 0, "sign_in_wait_s": 0.0, "token_age_s": None,
}  # fmt: skip


def text(**changes: object) -> bytes:
    return json.dumps(HANDOVER | changes).encode()


def candidate(pick: Callable[[float, float], float] = max) -> Candidate:
    return Candidate(TIMING, pick)


def taken_over_at(one: Candidate, heard: Heard, until_s: float = 600.0) -> float | None:
    """The second at which it takes over, if it is asked each second and hears this; 0 is the start."""
    for second in range(int(until_s)):
        for at, what, payload in heard:
            if second <= at < second + 1:
                match what:
                    case "broker":
                        one.connected(at) if payload == "there" else one.disconnected()
                    case "state":
                        one.heard_state(payload.encode(), at)
                    case "handover":
                        one.heard_handover(text(token_age_s=int(payload)), at)
        if one.is_due(float(second)):
            return float(second)
    return None


THERE = (0.0, "broker", "there")
ALIVE = [(float(at), "handover", str(at)) for at in range(0, 600, 60)]


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        pytest.param([], None, id="no-broker"),
        pytest.param([THERE], TIMING.stored_s + LONGEST_S, id="nobody-was-ever-there"),
        pytest.param([THERE, (0, "state", "offline")], LONGEST_S, id="offline-is-kept"),
        pytest.param([THERE, (0, "state", "online"), *ALIVE], None, id="online-and-alive"),
        pytest.param([THERE, (0, "state", "online")], None, id="online-without-handovers"),
        pytest.param([THERE, (0, "state", "online"), *ALIVE, (30, "state", "offline")], 40.0, id="dies"),
        pytest.param(
            [THERE, (0, "state", "online"), *ALIVE, (30, "state", "offline"), (35, "state", "online")],
            None,
            id="comes-back-in-time",
        ),
        pytest.param(
            [THERE, (0, "state", "online"), *ALIVE[:3]],
            120 + TIMING.silence_s + LONGEST_S,
            id="silent-while-the-broker-kept-online",
        ),
        pytest.param(
            [THERE, (0, "state", "offline"), (5, "broker", "gone")], None, id="the-broker-goes-while-it-waits"
        ),
        pytest.param(
            [THERE, (0, "state", "online"), *ALIVE, (30, "broker", "gone"), (50, "broker", "there"),
             (50, "state", "online")],
            None,
            id="the-broker-comes-back-with-online",
        ),
        pytest.param(
            [THERE, (0, "state", "online"), (30, "broker", "gone"), (50, "broker", "there")],
            50 + TIMING.stored_s + LONGEST_S,
            id="the-broker-comes-back-empty",
        ),
        pytest.param([THERE, (0, "state", "nonsense"), *ALIVE], None, id="a-word-that-nobody-knows"),
        pytest.param([THERE, (0, "state", "online"), *ALIVE, (9, "state", "")], None, id="the-word-is-cleared"),
        pytest.param([THERE, (1, "handover", "1"), *ALIVE[1:]], None, id="a-broker-that-keeps-nothing"),
        pytest.param(
            [THERE, *ALIVE[:3]], 120 + TIMING.silence_s + LONGEST_S, id="silent-at-a-broker-that-keeps-nothing"
        ),
    ],
)  # fmt: skip
def test_takes_over(heard: Heard, expected: float | None) -> None:
    assert taken_over_at(candidate(), heard) == expected


def test_waits_at_random() -> None:
    asked: list[tuple[float, float]] = []

    def pick(shortest: float, longest: float) -> float:
        asked.append((shortest, longest))
        return 3.0

    assert taken_over_at(candidate(pick), [THERE, (0, "state", "offline")]) == 3.0
    assert asked == [(2.0, 10.0)]


def test_after_a_pause_the_broker_speaks_first() -> None:
    one = candidate()
    one.connected(0.0)
    one.heard_state(b"offline", 0.0)
    assert not one.is_due(1.0)
    assert not one.is_due(1000.0)
    one.heard_state(b"online", 1000.1)
    assert not one.is_due(1001.0)
    assert not one.is_due(1003.0)


@pytest.mark.parametrize(
    ("payloads", "expected"),
    [
        pytest.param([], 1, id="nothing"),
        pytest.param([text(term=4)], 5, id="one"),
        pytest.param([text(term=4), text(term=9), text(term=2)], 10, id="the-highest"),
        pytest.param([text(term=4), b"{"], 5, id="then-damaged"),
        pytest.param([b"", b"[]"], 1, id="never-a-good-one"),
    ],
)
def test_term(payloads: list[bytes], expected: int) -> None:
    one = candidate()
    for at, payload in enumerate(payloads):
        one.heard_handover(payload, float(at))
    assert one.next_term == expected
    assert one.handover == (payloads[-1] if payloads else b"")


def test_the_same_handover_again_is_no_newer() -> None:
    one = candidate()
    one.heard_handover(text(), 10.0)
    one.connected(50.0)
    one.heard_handover(text(), 50.0)
    assert one.handover_at == 10.0
