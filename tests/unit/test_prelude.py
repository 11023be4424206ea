"""What is asked before all else on a connection: when it is over, and what comes of it."""

import pytest

from wallbox2mqtt.mqtt.prelude import Prelude

OURS, THEIRS, FIRST = b"ours", b"theirs", b"first"


class Listener:
    """Gives way to whoever is not ours."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def hear(self, payload: bytes) -> bool:
        self.heard.append(payload)
        return THEIRS not in self.heard

    def begin(self) -> str | None:
        return None if THEIRS in self.heard else "first"


class Case:
    def __init__(self) -> None:
        self.now, self.listener = 100.0, Listener()
        self.prelude = Prelude("w/bridge/handover", self.listener, lambda: self.now)
        self.prelude.begin(1)


@pytest.fixture
def case() -> Case:
    return Case()


def test_waits_for_the_subscription(case: Case) -> None:
    case.now += 60.0
    assert case.prelude.first_words() is None
    assert case.prelude.unanswered == "w/bridge/handover"
    assert not case.prelude.answered(2)
    assert case.prelude.answered(1)
    assert case.prelude.unanswered is None


@pytest.mark.parametrize(
    ("heard", "waited_s", "words"),
    [
        pytest.param([], 0.9, None, id="it-may-still-come"),
        pytest.param([], 1.0, "first", id="nothing-is-kept"),
        pytest.param([OURS], 0.0, "first", id="what-is-kept-came"),
        pytest.param([THEIRS], 0.0, None, id="another-one-is-active"),
        pytest.param([OURS, THEIRS], 1.0, None, id="another-one-follows"),
    ],
)
def test_ends(case: Case, heard: list[bytes], waited_s: float, words: str | None) -> None:
    case.prelude.answered(1)
    for payload in heard:
        case.prelude.heard(payload)
    case.now += waited_s
    assert case.prelude.first_words() == words
    assert case.prelude.is_lost == (THEIRS in heard)


def test_once_a_connection(case: Case) -> None:
    for number in (1, 2):
        case.prelude.begin(number)
        case.prelude.answered(number)
        case.prelude.heard(OURS)
        assert case.prelude.first_words() == "first"
        assert case.prelude.first_words() is None


def test_what_comes_before_the_answer_counts(case: Case) -> None:
    case.prelude.heard(OURS)
    assert case.prelude.first_words() is None
    case.prelude.answered(1)
    assert case.prelude.first_words() == "first"


@pytest.mark.parametrize(
    ("heard", "is_others"),
    [
        pytest.param([OURS], [False], id="what-was-kept"),
        pytest.param([OURS, FIRST], [False, True], id="our-first-words"),
        pytest.param([OURS, FIRST, FIRST], [False, True, False], id="the-same-again"),
        pytest.param([OURS, THEIRS, FIRST], [False, True, False], id="another-one-instead"),
    ],
)
def test_what_came_before_is_somebody_elses(case: Case, heard: list[bytes], is_others: list[bool]) -> None:
    case.prelude.answered(1)
    told = [case.prelude.heard(heard[0])]
    assert case.prelude.first_words() == FIRST.decode()
    assert told + [case.prelude.heard(payload) for payload in heard[1:]] == is_others


def test_lost_for_good(case: Case) -> None:
    case.prelude.heard(THEIRS)
    case.prelude.heard(OURS)
    assert case.prelude.is_lost
