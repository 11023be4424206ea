"""What waits for a slow broker, what becomes of it when the broker goes, and in which order it is sent."""

import pytest

from wallbox2mqtt.mqtt.outbox import MAX_RESULT_BYTES, MOST_OPEN, Outbox, Outgoing


class Broker:
    """Takes messages while there is room."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.room = 0
        self.outbox = Outbox(self._send, lambda: MOST_OPEN - self.room)

    def _send(self, message: Outgoing) -> bool:
        self.taken.append(message.topic)
        self.room -= 1
        return True

    def takes(self, room: int) -> list[str]:
        """What it takes now that there is so much room."""
        self.taken.clear()
        self.room = room
        self.outbox.go_on()
        return self.taken


def state(topic: str) -> Outgoing:
    return Outgoing(topic, b"1", retain=True)


def end(topic: str) -> Outgoing:
    return Outgoing(topic, b"", retain=True)


def result(topic: str) -> Outgoing:
    return Outgoing(topic, b"{}", retain=False)


@pytest.fixture
def broker() -> Broker:
    """One that is there and takes nothing for now."""
    broker = Broker()
    broker.outbox.connected()
    broker.outbox.flush_results()
    return broker


@pytest.mark.parametrize("each", [True, False])
def test_a_lost_broker_drops_waiting_state_but_no_removal(broker: Broker, *, each: bool) -> None:
    """State is announced anew; an old one must not follow what is new."""
    broker.outbox.state(state("old"), each=each)
    broker.outbox.state(end("gone"), each=each)
    assert broker.outbox.disconnected()
    broker.outbox.connected()
    assert broker.takes(5) == ["gone"]


def test_answers_wait_until_a_new_broker_knows_the_state(broker: Broker) -> None:
    broker.outbox.disconnected()
    broker.outbox.result(result("answer"))
    broker.outbox.connected()
    assert broker.takes(5) == []
    broker.outbox.state(state("how things are"), each=False)
    broker.outbox.flush_results()
    assert broker.taken == ["how things are", "answer"]


def test_states_and_answers_take_turns(broker: Broker) -> None:
    for number in range(3):
        broker.outbox.state(state(f"state {number}"), each=True)
        broker.outbox.result(result(f"answer {number}"))
    assert sorted(broker.takes(2)) == ["answer 0", "state 0"]
    assert sorted(broker.takes(2)) == ["answer 1", "state 1"]
    assert sorted(broker.takes(5)) == ["answer 2", "state 2"]


def test_at_the_end_answers_and_ends_of_topics_go_out(broker: Broker) -> None:
    broker.outbox.result(result("answer"))
    broker.outbox.state(end("gone"), each=False)
    broker.outbox.state(state("state"), each=False)
    broker.room = 10
    assert broker.outbox.close(60)
    assert sorted(broker.taken) == ["answer", "gone"]
    broker.outbox.result(result("later"))
    broker.outbox.connected()
    assert not broker.outbox.online, "nothing follows the last words"


def test_the_end_sends_only_what_the_broker_accepts(broker: Broker) -> None:
    for number in range(100):
        broker.outbox.result(result(f"answer {number}"))
    broker.room = 10
    assert broker.outbox.close(0.1)
    assert len(broker.taken) == 10


def test_answers_are_bounded_whatever_their_topics() -> None:
    broker = Broker()
    broker.outbox.connected()
    large = "x" * 1000
    for number in range(20_000):
        broker.outbox.result(result(f"{number}{large}"))
    dropped = broker.outbox.dropped_results()
    broker.outbox.flush_results()
    kept = broker.takes(20_000)
    assert dropped + len(kept) == 20_000
    assert sum(map(len, kept)) <= MAX_RESULT_BYTES
    assert kept[-1].startswith("19999"), "the newest"


def test_what_comes_back_is_sent_before_what_waits() -> None:
    broker = Broker()
    broker.outbox.connected()
    broker.outbox.flush_results()
    broker.outbox.result(result("waits"))
    broker.outbox.disconnected()
    broker.outbox.returned([result("a"), state("again"), end("gone"), result("b")])
    broker.outbox.connected()
    broker.outbox.flush_results()
    assert [topic for topic in broker.takes(100) if topic != "gone"] == ["a", "b", "waits"]
    assert "gone" in broker.taken
