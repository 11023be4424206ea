"""What the broker does not take."""

from dataclasses import dataclass, field

from wallbox2mqtt.mqtt.events import Refused, Taken
from wallbox2mqtt.mqtt.outbox import Outgoing
from wallbox2mqtt.mqtt.unpublished import CLOSED_S, MOST_BYTES, MOST_TOPICS, REFUSED_LONGEST_S, REFUSED_S, Unpublished


def state(topic: str, payload: bytes = b"1") -> Outgoing:
    return Outgoing(topic, payload, retain=True)


@dataclass
class Rig:
    """What is refused, and the time."""

    now: float = 100.0
    told: list[Refused | Taken] = field(default_factory=list)
    unpublished: Unpublished = field(init=False)

    def __post_init__(self) -> None:
        self.unpublished = Unpublished("w", self.told.append, lambda: self.now)

    def after(self, seconds: float) -> list[Outgoing]:
        self.now += seconds
        return self.unpublished.due()


def test_it_is_tried_again_in_its_newest_form() -> None:
    rig = Rig()
    rig.unpublished.refused(state("w/1/locked"), "no")
    assert rig.unpublished.holds(state("w/1/locked", b"0"))
    assert not rig.unpublished.holds(state("w/1/status"))
    assert rig.after(REFUSED_S - 0.1) == []
    assert rig.after(1.1) == [state("w/1/locked", b"0")]
    assert rig.after(100) == [], "it is on its way"
    rig.unpublished.taken("w/1/locked")
    assert rig.told == [Refused("no", "w/1/locked", 1, 1), Taken()]
    assert (len(rig.unpublished), rig.unpublished.holds(state("w/1/locked"))) == (0, False)


def test_more_and_more_seldom() -> None:
    rig = Rig()
    rig.unpublished.refused(state("w/1/locked"), "no")
    waits: list[float] = []
    since = rig.now
    while len(waits) < 8:
        if tried := rig.after(1):
            waits.append(rig.now - since)
            since = rig.now
            rig.unpublished.refused(tried[0], "no")
    assert waits == [10, 20, 40, 80, 160, REFUSED_LONGEST_S, REFUSED_LONGEST_S, REFUSED_LONGEST_S]


def test_answers_are_refused_and_not_kept() -> None:
    rig = Rig()
    rig.unpublished.refused(Outgoing("w/1/locked/result", b"{}", retain=False), "no")
    assert len(rig.unpublished) == 0


def test_an_answer_that_ends_the_connection_is_not_sent_again() -> None:
    rig = Rig()
    answer = Outgoing("me/answers", b"{}", retain=False)
    rig.unpublished.ended_by(answer)
    assert rig.unpublished.holds(answer)
    assert rig.after(CLOSED_S) == []
    assert not rig.unpublished.holds(answer)


def test_connection_enders_are_tried_one_at_a_time() -> None:
    rig = Rig()
    for topic in ("w/1/a", "w/1/b"):
        rig.unpublished.ended_by(state(topic))
    assert [one.topic for one in rig.after(CLOSED_S)] == ["w/1/a"]
    rig.unpublished.taken("w/1/a")
    assert [one.topic for one in rig.after(1)] == ["w/1/b"]


def test_a_new_connection_tries_again_what_had_no_answer() -> None:
    rig = Rig()
    rig.unpublished.refused(state("w/1/a"), "no")
    assert rig.after(REFUSED_S)
    rig.unpublished.connected()
    assert rig.after(1) == [state("w/1/a")]


def test_two_topics_that_end_connections_stop_their_whole_level() -> None:
    """An access list that forbids discovery: 70 entities would be 140 connections."""
    rig = Rig()
    for topic in ("homeassistant/sensor/a/config", "w/1/a", "w/1/b", "w/1/c"):
        rig.unpublished.ended_by(state(topic))
    assert not rig.unpublished.holds(state("homeassistant/sensor/c/config"))
    rig.unpublished.ended_by(state("homeassistant/sensor/b/config"))
    assert rig.unpublished.holds(state("homeassistant/sensor/c/config"))
    assert not rig.unpublished.holds(state("w/1/d")), "our own are tried one by one"
    rig.unpublished.taken("homeassistant/sensor/a/config")
    assert not rig.unpublished.holds(state("homeassistant/sensor/d/config"))


def test_no_more_is_kept_than_there_is_room_for() -> None:
    rig = Rig()
    large = b"x" * 60_000
    for number in range(MOST_TOPICS + 10):
        rig.unpublished.refused(state(f"w/1/{number}", large), "no")
    assert len(rig.unpublished) == MOST_TOPICS
    assert sum(len(one.payload) for one in rig.after(REFUSED_S)) <= MOST_BYTES
