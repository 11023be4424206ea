"""What is looked up once a connection."""

import threading
from collections.abc import Sequence

from wallbox2mqtt.mqtt.lookups import Lookups


def test_what_was_answered_before_is_known_at_the_next_end() -> None:
    lookups = Lookups(lambda _: 7, lambda _: None)
    lookups.listen(["a"])
    assert not lookups.has_granted("a"), "the broker may end the connection for it"
    lookups.answered(7)
    lookups.connected()
    lookups.listen(["a"])
    assert lookups.has_granted("a")


def test_an_answer_that_comes_at_once_is_not_missed() -> None:
    """The broker's answer is taken on another thread, before the packet's number is known here."""
    answers: list[threading.Thread] = []

    def subscribe(_names: Sequence[str]) -> int:
        answers.append(threading.Thread(target=lookups.answered, args=(7,)))
        answers[0].start()
        answers[0].join(0.05)
        return 7

    lookups = Lookups(subscribe, lambda _: None)
    lookups.listen(["homeassistant/device/x/config"])
    answers[0].join()
    assert lookups.unanswered is None
