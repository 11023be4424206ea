"""Why connections end."""

from dataclasses import dataclass, field

import pytest

from wallbox2mqtt.mqtt.connection_ends import ENDS_IF_TAKEN, LONGEST_DELAY_S, STABLE_S, ConnectionEnds, End


@dataclass
class Rig:
    """Connections, each a second long where nothing else is said."""

    now: float = 100.0
    ends: ConnectionEnds = field(init=False)

    def __post_init__(self) -> None:
        self.ends = ConnectionEnds(lambda: self.now)

    def connection(
        self, oldest: str | None = None, lasts_s: float = 1.0, *, unexplained: bool = True, was_taken: bool = False
    ) -> End:
        self.ends.connected()
        self.now += lasts_s
        self.ends.turn()
        return self.ends.ended(unexplained=unexplained, oldest=oldest, was_taken=was_taken)


def test_the_same_message_at_two_ends_is_the_cause() -> None:
    rig = Rig()
    message = "w/1/large"
    assert rig.connection("w/1/first") == End(twin=False, cause=None)
    assert rig.ends.careful
    assert rig.connection(message) == End(twin=False, cause=None)
    assert rig.connection(message) == End(twin=False, cause=message)
    assert rig.connection(message).cause is None, "it was held back, and comes again only when it is tried again"


def test_also_after_a_connection_that_was_stable() -> None:
    rig = Rig()
    message = "w/1/large"
    assert rig.connection(message, 1000).cause is None
    assert rig.connection(message).cause == message


def test_a_message_taken_before_needs_five_ends() -> None:
    """A way that is cut again and again, or rights that were taken away while the bridge works."""
    rig = Rig()
    causes = [rig.connection("w/bridge/state", was_taken=True).cause for _ in range(ENDS_IF_TAKEN)]
    assert causes == [None] * (ENDS_IF_TAKEN - 1) + ["w/bridge/state"]


def test_stable_after_half_a_minute_and_not_after_its_end() -> None:
    rig = Rig()
    rig.ends.connected()
    assert not rig.ends.is_stable
    rig.now += STABLE_S
    rig.ends.turn()
    assert rig.ends.is_stable
    rig.ends.ended(unexplained=True, oldest=None)
    assert not rig.ends.is_stable


@pytest.mark.parametrize("between", ["explained", "not connected"])
def test_what_the_broker_or_the_network_explains_has_no_cause(between: str) -> None:
    rig = Rig()
    message = "w/1/large"
    rig.connection(message)
    if between == "explained":
        assert rig.connection(message, unexplained=False).cause is None
        assert rig.connection(message).cause is None
    else:
        for _ in range(5):
            assert rig.ends.ended(unexplained=True, oldest=message).cause is None


def test_two_clients_with_one_id() -> None:
    rig = Rig()
    assert [rig.connection(f"w/1/{number}").twin for number in range(3)] == [False, False, True]


def test_no_twin_where_the_ends_follow_what_is_published() -> None:
    rig = Rig()
    twins = []
    for number in range(5):
        message = f"w/1/{number}"
        twins += [rig.connection(message).twin, rig.connection(message).twin]
    assert not any(twins)


def test_no_twin_where_they_are_far_apart() -> None:
    rig = Rig()
    twins = []
    for _ in range(10):
        twins.append(rig.connection(None, 20).twin)
        rig.now += 15
    assert not any(twins)


def test_the_delay_grows_until_a_connection_is_stable() -> None:
    rig = Rig()
    delays = []
    for _ in range(6):
        rig.connection()
        delays.append(rig.ends.delay_s)
    assert delays == [1, 2, 4, 8, LONGEST_DELAY_S, LONGEST_DELAY_S]
    assert rig.ends.flaps
    rig.ends.connected()
    rig.now += STABLE_S
    assert rig.ends.turn()
    assert (rig.ends.flaps, rig.ends.careful) == (False, False)
    assert not rig.ends.turn(), "told once"
    rig.ends.ended(unexplained=True, oldest=None)
    assert rig.ends.delay_s == 1
