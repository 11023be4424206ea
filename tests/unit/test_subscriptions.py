"""What is asked of the broker, and asked again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from wallbox2mqtt.mqtt.subscriptions import ENDED, FIRST_WAIT_S, LONGEST_WAIT_S, SOON_S, Subscriptions

GRANTED, DENIED = ReasonCode(PacketTypes.SUBACK, "Granted QoS 1"), ReasonCode(PacketTypes.SUBACK, "Not authorized")
GRANTED_0 = ReasonCode(PacketTypes.SUBACK, "Granted QoS 0")
ONE, TWO = "w/+/+/set", "homeassistant/status"


@dataclass
class Rig:
    """The packets that were sent, and the time."""

    now: float = 100.0
    sent: list[Sequence[str]] = field(default_factory=list)
    qos: list[int] = field(default_factory=list)
    subscriptions: Subscriptions = field(init=False)

    def __post_init__(self) -> None:
        self.subscriptions = Subscriptions(self._send, lambda: self.now)

    def _send(self, names: Sequence[str], qos: int) -> int:
        self.sent.append(names)
        self.qos.append(qos)
        return len(self.sent)

    def answer(self, *reasons: ReasonCode) -> bool:
        """Answer the last packet."""
        return self.subscriptions.answered(len(self.sent), reasons)

    def refuse_both(self, *reasons: ReasonCode) -> None:
        """Answer the last packet, and refuse what is asked for at QoS 0 for it."""
        self.answer(*reasons)
        assert self.qos[-1] == 0
        self.answer(DENIED)

    def waits(self, seconds: float) -> list[float]:
        """After how many seconds each it is asked again, all of them refused."""
        waits: list[float] = []
        since, ends = self.now, self.now + seconds
        while self.now < ends:
            self.now += 1
            before = len(self.sent)
            self.subscriptions.turn()
            if len(self.sent) > before:
                waits.append(self.now - since)
                since = self.now
                self.answer(DENIED)
        return waits


def test_all_at_once() -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE, TWO]], in_turn=False)
    assert rig.sent == [[ONE, TWO]]
    assert rig.subscriptions.unanswered == ONE
    assert rig.answer(GRANTED, GRANTED)
    assert not rig.subscriptions.denied
    assert rig.subscriptions.unanswered is None


def test_one_after_the_other() -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE], [TWO]], in_turn=True)
    assert rig.sent == [[ONE]]
    assert not rig.answer(GRANTED)
    assert rig.subscriptions.unanswered == TWO
    assert rig.answer(DENIED)
    assert dict(rig.subscriptions.denied) == {TWO: "Not authorized (0x87)"}


def test_what_is_refused_is_asked_for_again() -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE, TWO]], in_turn=False)
    rig.answer(GRANTED, DENIED)
    assert rig.waits(1210) == [FIRST_WAIT_S, 20, 40, 80, 160, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert rig.sent[1:] == [[TWO]] * 8
    rig.now += LONGEST_WAIT_S
    rig.subscriptions.turn()
    rig.answer(GRANTED)
    assert dict(rig.subscriptions.denied) == {}
    rig.now += 10_000
    rig.subscriptions.turn()
    assert len(rig.sent) == 10


def test_what_was_granted_before_is_asked_for_at_qos_0() -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE, TWO]], in_turn=False)
    rig.answer(GRANTED, GRANTED)
    rig.subscriptions.begin([[ONE], [TWO]], in_turn=True)
    assert not rig.answer(DENIED)
    assert not rig.answer(GRANTED_0)
    assert rig.answer(GRANTED_0), "the rest of the first round"
    assert (rig.sent[1:], rig.qos[1:]) == ([[ONE], [ONE], [TWO]], [1, 0, 0])
    assert not rig.subscriptions.denied
    assert rig.waits(1000) == []


def test_the_next_connection_begins_with_qos_1_unless_it_flaps() -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE]], in_turn=True)
    rig.answer(GRANTED)
    rig.subscriptions.begin([[ONE]], in_turn=True)
    rig.answer(DENIED)
    rig.answer(GRANTED_0)
    rig.subscriptions.begin([[ONE]], in_turn=True, flaps=True)
    rig.answer(GRANTED_0)
    rig.subscriptions.begin([[ONE]], in_turn=True, flaps=False)
    assert rig.qos == [1, 1, 0, 0, 1]


def test_a_refusal_at_qos_0_means_missing_rights() -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE], [TWO]], in_turn=True)
    rig.answer(GRANTED)
    rig.answer(GRANTED)
    rig.subscriptions.begin([[ONE], [TWO]], in_turn=True)
    rig.refuse_both(DENIED)
    assert rig.qos[-1] == 1, "the other one has the QoS of all brokers"
    assert rig.answer(GRANTED)
    assert dict(rig.subscriptions.denied) == {ONE: "Not authorized (0x87)"}


def test_what_was_granted_before_is_asked_for_soon() -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE, TWO]], in_turn=False)
    rig.answer(GRANTED, GRANTED)
    for _ in range(2):
        rig.subscriptions.begin([[ONE, TWO]], in_turn=False)
        rig.refuse_both(GRANTED, DENIED)
        assert rig.waits(31) == [SOON_S, 4, 8, 16]
        rig.subscriptions.ask([TWO])
        rig.answer(GRANTED)


def test_recovery_is_over_when_granted_or_after_a_minute() -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE]], in_turn=False)
    rig.answer(GRANTED)
    assert not rig.subscriptions.is_recovering
    for _ in range(2):
        rig.subscriptions.begin([[ONE]], in_turn=False)
        rig.refuse_both(DENIED)
        rig.waits(31)
        assert rig.subscriptions.is_recovering
        rig.subscriptions.ask([ONE])
        rig.answer(GRANTED)
        assert not rig.subscriptions.is_recovering
    rig.subscriptions.begin([[ONE]], in_turn=False)
    rig.refuse_both(DENIED)
    rig.waits(65)
    assert not rig.subscriptions.is_recovering


def test_a_filter_for_which_the_broker_ends_the_connection_waits() -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE], [TWO]], in_turn=True)
    rig.subscriptions.ended_by(ONE)
    rig.subscriptions.begin([[ONE], [TWO]], in_turn=True)
    assert rig.sent == [[ONE], [TWO]]
    assert rig.answer(GRANTED)
    assert dict(rig.subscriptions.denied) == {ONE: ENDED}
    rig.now += FIRST_WAIT_S
    rig.subscriptions.turn()
    assert rig.sent[-1] == [ONE]


@pytest.mark.parametrize("first_round", [True, False])
def test_a_later_one_does_not_end_the_first_round_twice(*, first_round: bool) -> None:
    rig = Rig()
    rig.subscriptions.begin([[ONE]], in_turn=False)
    assert rig.answer(GRANTED)
    if not first_round:
        rig.subscriptions.ask(["w/bridge/state"])
        assert not rig.answer(DENIED)
        assert "w/bridge/state" in rig.subscriptions.denied
