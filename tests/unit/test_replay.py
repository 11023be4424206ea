"""When commands count: at once where the broker marks what it has stored, else when it has been quiet."""

import pytest

from wallbox2mqtt.mqtt import Event, Message, QuietOver, QuietWait, TellsStored
from wallbox2mqtt.mqtt.replay import ACCEPTED, ACKNOWLEDGE_S, ECHO_S, NO_FLAG, QUIET_S, ReplayGuard, Step

SET = "w/1/locked/set"


class Rig:
    """A guard, its time, and what it has told."""

    def __init__(self, *, probes: bool = True, always: bool = False) -> None:
        self.now = 1000.0
        self.events: list[Event] = []
        self.guard = ReplayGuard(self.events.append, probes=probes, always=always, now=lambda: self.now)
        self.guard.connected()

    def pass_time(self, seconds: float) -> Step | None:
        self.now += seconds
        return self.guard.turn()

    def ask(self) -> None:
        """Come to where the broker is to give back the state."""
        assert self.guard.subscribed() is None
        assert self.guard.turn() is None
        self.guard.acknowledged()
        assert self.guard.turn() is Step.ASK

    def mark_uncertain(self) -> None:
        """Come to where everything is listened to."""
        self.ask()
        assert self.pass_time(ECHO_S) is Step.WATCH
        self.guard.watching()

    def send(self, payload: str = "0", topic: str = SET) -> bool | None:
        """Let a command arrive; return whether it counts as stored, None where nothing is told."""
        before = len(self.events)
        self.guard.take(Message(topic, payload.encode(), retained=False, arrived=self.now))
        match self.events[before:]:
            case [Message(stored=stored)]:
                return stored
        return None

    @property
    def told(self) -> list[Event]:
        return [event for event in self.events if not isinstance(event, Message)]


def test_a_broker_that_returns_the_flag_is_trusted_at_once() -> None:
    rig = Rig()
    rig.ask()
    rig.guard.came_back(flagged=True)
    assert rig.told == [TellsStored()]
    assert rig.send() is False
    assert rig.pass_time(1000) is None


def test_what_comes_before_is_held_and_then_counts_in_order() -> None:
    rig = Rig()
    assert rig.send("a") is None
    rig.ask()
    assert rig.send("b") is None
    rig.guard.came_back(flagged=True)
    told = [(event.payload, event.stored) for event in rig.events if isinstance(event, Message)]
    assert told == [(b"a", False), (b"b", False)]


def test_the_state_without_the_flag_proves_nothing() -> None:
    """It may be another's, or our own as it passes; the stored one may still follow."""
    rig = Rig()
    rig.ask()
    rig.guard.came_back(flagged=False)
    assert rig.told == []
    rig.guard.came_back(flagged=True)
    assert rig.told == [TellsStored()]


def test_the_flag_before_the_subscription_proves_nothing() -> None:
    rig = Rig()
    rig.guard.subscribed()
    rig.guard.came_back(flagged=True)
    assert rig.told == []


@pytest.mark.parametrize("acknowledged", [True, False])
def test_without_the_flag_nothing_counts_until_it_is_quiet(*, acknowledged: bool) -> None:
    rig = Rig()
    rig.send("held")
    if acknowledged:
        rig.ask()
    else:
        rig.guard.subscribed()
        assert rig.pass_time(ACKNOWLEDGE_S - 0.1) is None
        rig.now += 0.1 - ECHO_S
    assert rig.pass_time(ECHO_S) is Step.WATCH
    assert rig.told == [QuietWait(NO_FLAG, 0.0, "")]
    assert [event.stored for event in rig.events if isinstance(event, Message)] == [True]
    assert rig.pass_time(QUIET_S + 1) is None, "not before everything comes"
    rig.guard.watching()
    assert rig.pass_time(QUIET_S - 0.1) is None
    assert rig.send("1") is True
    assert rig.pass_time(0.1) is Step.LEAVE
    assert rig.send("2") is True, "not before the other subscription has ended"
    rig.guard.left()
    assert rig.send("3") is False
    assert isinstance(rig.told[-1], QuietOver)


def test_the_flag_may_come_late() -> None:
    """A cluster that has lost a node needs seconds; somebody may command all the time."""
    rig = Rig()
    rig.mark_uncertain()
    rig.guard.seen("w/1/locked/set")
    rig.guard.came_back(flagged=False)
    assert rig.pass_time(0.1) is None
    rig.guard.came_back(flagged=True)
    assert rig.pass_time(0.1) is Step.LEAVE
    assert rig.send() is True
    rig.guard.left()
    assert rig.send("1") is False


def test_where_retained_counts_the_flag_ends_no_quiet() -> None:
    rig = Rig(always=True)
    assert rig.guard.subscribed() is Step.WATCH
    rig.guard.watching()
    rig.guard.came_back(flagged=True)
    assert rig.pass_time(0.1) is None


def test_only_foreign_messages_restart_the_quiet_wait() -> None:
    rig = Rig()
    rig.mark_uncertain()
    for _ in range(20):
        rig.pass_time(3)
        rig.guard.seen(SET)
    assert not [event for event in rig.told if isinstance(event, QuietOver)]
    rig.guard.sent("w/1/status")
    rig.pass_time(1)
    rig.guard.seen("w/1/status")
    assert rig.pass_time(QUIET_S - 1) is Step.LEAVE


def test_our_stored_topic_counts_as_foreign() -> None:
    rig = Rig()
    rig.mark_uncertain()
    rig.guard.sent("w/1/status")
    rig.pass_time(4)
    rig.guard.seen("w/1/status")
    assert rig.pass_time(QUIET_S - 0.1) is None
    assert rig.pass_time(0.1) is Step.LEAVE


def test_how_long_it_takes_is_told_each_minute() -> None:
    rig = Rig()
    rig.mark_uncertain()
    for _ in range(140):
        rig.pass_time(1)
        rig.guard.seen("w/others")
    waits = [event for event in rig.told if isinstance(event, QuietWait)]
    assert [(round(event.waited_s), event.last) for event in waits] == [(0, ""), (60, "w/others"), (120, "w/others")]


def test_accepting_retained_commands_always_waits_for_quiet() -> None:
    rig = Rig(always=True)
    assert rig.guard.subscribed() is Step.WATCH
    rig.guard.came_back(flagged=True)
    rig.guard.watching()
    assert rig.send() is True
    assert rig.told == [QuietWait(ACCEPTED, 0.0, "")]
    assert rig.pass_time(QUIET_S) is Step.LEAVE
    rig.guard.left()
    assert rig.send("1") is False


def test_a_message_that_comes_by_both_subscriptions_is_one() -> None:
    rig = Rig()
    rig.mark_uncertain()
    assert rig.send("0") is True
    assert rig.send("0") is None
    assert rig.send("0") is True, "the next one"
    rig.pass_time(QUIET_S)
    assert rig.send("reboot") is True
    rig.guard.left()
    assert rig.send("reboot") is None, "its copy was delivered later"
    rig.pass_time(2)
    assert [rig.send("reboot") for _ in range(2)] == [False, False]


def test_a_broker_that_confirms_no_end_of_the_subscription() -> None:
    rig = Rig()
    rig.mark_uncertain()
    assert rig.pass_time(QUIET_S) is Step.LEAVE
    rig.pass_time(QUIET_S)
    assert rig.send() is False


def test_each_connection_begins_anew() -> None:
    rig = Rig()
    rig.ask()
    rig.guard.came_back(flagged=True)
    rig.guard.connected()
    assert rig.send("a") is None
    rig.guard.release()
    assert [event.stored for event in rig.events if isinstance(event, Message)] == [True]


def test_no_more_is_held_than_there_is_room_for() -> None:
    rig = Rig()
    large = "x" * 1024
    sent = [rig.send(f"{number}{large}") for number in range(20_000)]
    assert sent.count(None) < 17_000
    assert sent[-1] is True


def test_a_broker_that_is_not_tried_is_believed() -> None:
    rig = Rig(probes=False)
    assert rig.send() is False
    assert rig.guard.subscribed() is None
