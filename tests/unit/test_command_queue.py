"""Commands that wait, and the one result that each gets."""

import json
import math
import threading
from typing import Any

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.bridge.command_queue import MAX_UNREAD, MAX_UNREAD_BYTES, CommandQueue, QueuedCommand
from wallbox2mqtt.bridge.debounce import Debounce
from wallbox2mqtt.bridge.results import Results
from wallbox2mqtt.catalogue import FIELDS, Values, parse
from wallbox2mqtt.mqtt import Reply
from wallbox2mqtt.topics import Topics

ONE, OTHER = 101, 102
MAX_AGE_S = 120.0
VIEW: Values = {"icp_max_current": 20, "home_sharing": 1, "software/updateAvailable": True}


def ticket(command: str, charger_id: int = ONE) -> QueuedCommand:
    """A command written as «field text»."""
    key, _, text = command.partition(" ")
    intent = parse(FIELDS[key], text, VIEW, frozenset({"factory_reset"}))
    return QueuedCommand(charger_id, key, arrived=1000.0, intent=intent, expires=1000.0 + MAX_AGE_S)


def told(waiting: list[QueuedCommand]) -> list[str]:
    return [f"{one.key} {one.intent.value if one.intent else None}" for one in waiting]


@pytest.fixture
def queue(clock: FakeClock) -> CommandQueue:
    return CommandQueue(clock, Debounce(limit=5, window_s=60))


class TestSuperseding:
    @pytest.mark.parametrize(
        ("old", "new", "supersedes"),
        [
            ("max_charging_current 13", "max_charging_current 20", True),
            ("locked 1", "locked 0", True),
            ("locked 1", "max_charging_current 20", False),
            ("action reboot", "action reboot", True),
            ("action reboot", "action resume", False),
            ("action resume", "action pause", True),
            ("action pause", "charging_enabled on", True),
            ("charging_enabled off", "action 1", True),
            ("action resume_schedule", "action resume", False),
            ("action update", "firmware install", False),
            ('config {"max_charging_current": 13}', "max_charging_current 20", True),
            ("max_charging_current 13", 'config {"max_charging_current": 20, "energy_price": 1}', True),
            ("energy_price 1", 'energy_price {"energy_price": 2, "currency_id": 1}', True),
            ('energy_price {"energy_price": 2, "currency_id": 1}', "energy_price 1", False),
            ('config {"energy_price": 1, "currency_id": 1}', "energy_price 2", False),
            ("home_sharing 1", 'config {"home_sharing": 0}', True),
            ("eco_smart off", "ecosmart/mode 1", False),
        ],
        ids=str,
    )
    def test_the_newest_of_a_field_counts(self, queue: CommandQueue, old: str, new: str, *, supersedes: bool) -> None:
        first, second = ticket(old), ticket(new)
        assert queue.add(first) == []
        assert queue.add(second) == ([first] if supersedes else [])
        assert (first in queue.waiting()) is not supersedes
        assert len(queue) == (1 if supersedes else 2)

    def test_of_the_same_charger_only(self, queue: CommandQueue) -> None:
        queue.add(ticket("locked 1", ONE))
        assert queue.add(ticket("locked 0", OTHER)) == []

    def test_a_part_of_a_config_can_be_superseded(self, queue: CommandQueue) -> None:
        config = ticket('config {"max_charging_current": 13, "energy_price": 1, "currency_id": 2}')
        queue.add(config)
        queue.add(ticket("max_charging_current 20"))
        assert config.intent is not None
        assert dict(config.intent.sets) == {"energy_price": 1, "currency/id": 2}
        assert config.intent.value == {"max_charging_current": 13, "energy_price": 1, "currency_id": 2}
        queue.add(ticket("energy_price 3"))
        last = ticket('config {"currency_id": 1}')
        assert queue.add(last) == [config]

    def test_one_can_supersede_several(self, queue: CommandQueue) -> None:
        first, second = ticket("max_charging_current 13"), ticket("energy_price 1")
        queue.add(first)
        queue.add(second)
        both = ticket('config {"max_charging_current": 20, "energy_price": 2}')
        assert queue.add(both) == [first, second]
        assert queue.waiting() == [both]

    def test_a_thousand_of_one_field_are_one(self, queue: CommandQueue) -> None:
        superseded = [
            old for number in range(1000) for old in queue.add(ticket(f"max_charging_current {6 + number % 20}"))
        ]
        assert len(superseded) == 999
        assert len(queue) == 1


class TestOrder:
    def test_as_they_came(self, queue: CommandQueue) -> None:
        for command in ("energy_price 1", "max_charging_current 13", "home_sharing 1"):
            queue.add(ticket(command))
        assert told(queue.waiting()) == ["energy_price 1", "max_charging_current 13", "home_sharing 1"]

    def test_urgent_ones_pass(self, queue: CommandQueue) -> None:
        commands = ["name A", "locked 1", "eco_smart eco", "action reboot", "firmware install", "charging_enabled on"]
        for command in commands:
            queue.add(ticket(command))
        assert told(queue.waiting()) == [
            "locked 1",
            "action reboot",
            "charging_enabled True",
            "name A",
            "eco_smart eco",
            "firmware install",
        ]

    def test_whoever_supersedes_takes_the_place(self, queue: CommandQueue) -> None:
        """Else a slider that is dragged would never be sent while another one moves."""
        queue.add(ticket("max_charging_current 13", ONE))
        queue.add(ticket("max_charging_current 14", OTHER))
        queue.add(ticket("max_charging_current 15", ONE))
        assert [one.charger_id for one in queue.waiting()] == [ONE, OTHER]


class TestPutBack:
    def test_at_its_place(self, queue: CommandQueue) -> None:
        first, second = ticket("energy_price 1"), ticket("max_charging_current 13")
        queue.add(first)
        queue.add(second)
        assert queue.start(first)
        assert queue.put_back(first)
        assert queue.waiting() == [first, second]

    def test_not_where_a_newer_one_came_meanwhile(self, queue: CommandQueue) -> None:
        old = ticket("max_charging_current 13")
        queue.add(old)
        queue.start(old)
        new = ticket("max_charging_current 20")
        assert queue.add(new) == []
        assert not queue.put_back(old)
        assert queue.waiting() == [new]
        assert old.intent is not None, "its result tells what was wished"

    def test_a_config_loses_what_newer_ones_set(self, queue: CommandQueue) -> None:
        config = ticket('config {"max_charging_current": 13, "energy_price": 1}')
        queue.add(config)
        queue.start(config)
        queue.add(ticket("max_charging_current 20"))
        assert queue.put_back(config)
        assert config.intent is not None
        assert dict(config.intent.sets) == {"energy_price": 1}

    def test_an_older_one_that_waits_takes_nothing(self, queue: CommandQueue) -> None:
        config = ticket('config {"max_charging_current": 13, "energy_price": 1}')
        price = ticket("energy_price 2")
        queue.add(config)
        queue.add(price)
        queue.start(price)
        assert queue.put_back(price)
        assert price.intent is not None
        assert dict(price.intent.sets) == {"energy_price": 2}

    def test_a_newer_one_is_not_given_up_for_an_older(self, queue: CommandQueue) -> None:
        old, new = ticket("max_charging_current 13"), ticket("max_charging_current 20")
        for one in (old, new):
            queue.add(one)
            queue.start(one)
        assert queue.put_back(old)
        assert queue.put_back(new)
        assert new.intent is not None

    def test_nor_for_a_newer_one_that_inherited_an_old_place(self, queue: CommandQueue) -> None:
        queue.add(ticket("energy_price 1"))
        old = ticket("max_charging_current 13")
        queue.add(old)
        queue.start(old)
        new = ticket('config {"max_charging_current": 20, "energy_price": 2}')
        queue.add(new)
        assert new.order < old.order
        assert not queue.put_back(old)


class TestTaking:
    def test_once(self, queue: CommandQueue) -> None:
        one = ticket("locked 1")
        queue.add(one)
        assert queue.start(one)
        assert not queue.start(one)
        queue.finish(one)
        assert queue.in_flight is None

    def test_not_what_was_superseded(self, queue: CommandQueue) -> None:
        one = ticket("locked 1")
        queue.add(one)
        queue.add(ticket("locked 0"))
        assert not queue.start(one)
        assert not queue.remove(one)

    def test_what_waits_again_is_not_finished(self, queue: CommandQueue) -> None:
        one = ticket("locked 1")
        queue.add(one)
        queue.start(one)
        assert queue.put_back(one)
        queue.finish(one)
        assert queue.waiting() == [one]

    def test_drain(self, queue: CommandQueue) -> None:
        queue.add(ticket("locked 1"))
        queue.add(ticket("name A"))
        flying = ticket("energy_price 1")
        queue.add(flying)
        assert queue.start(flying)
        assert queue.in_flight is flying
        waiting, in_flight = queue.drain()
        assert told(waiting) == ["locked 1", "name A"]
        assert in_flight == [flying]
        assert queue.drain() == ([], [])

    def test_commands_in_flight_at_the_end_do_not_return(self, queue: CommandQueue) -> None:
        """The writer may be about to put it back: it has its result, and must not get another."""
        flying = ticket("locked 1")
        queue.add(flying)
        queue.start(flying)
        queue.drain()
        assert queue.put_back(flying)
        assert len(queue) == 0

    def test_waiting_ends_when_a_command_arrives(self, queue: CommandQueue) -> None:
        waiting = threading.Thread(target=queue.wakeup.wait, args=(1e6,))
        waiting.start()
        queue.add(ticket("locked 1"))
        waiting.join(30)
        assert not waiting.is_alive()

    def test_a_command_that_came_before_the_wait_ends_it(self, queue: CommandQueue) -> None:
        queue.add(ticket("locked 1"))
        queue.wakeup.wait(1e6)
        queue.wakeup.set()
        queue.wakeup.wait(1e6)

    def test_waiting_ends_with_the_time(self, queue: CommandQueue, clock: FakeClock) -> None:
        waiting = threading.Thread(target=queue.wakeup.wait, args=(5.0,))
        waiting.start()
        while waiting.is_alive():
            clock.advance(5)
        waiting.join(30)


def held(charger_id: int = ONE, payload: bytes = b"1", arrived: float = 1000.0) -> QueuedCommand:
    return QueuedCommand(charger_id, "locked", arrived, payload=payload, expires=arrived + MAX_AGE_S)


class TestUnread:
    """Commands that wait for a first reading of their charger."""

    def test_are_released_in_their_order(self, queue: CommandQueue) -> None:
        commands = [held(charger) for charger in (ONE, OTHER, ONE)]
        for command in commands:
            assert queue.hold(command)
        assert sorted(queue.unread()) == [ONE, OTHER]
        assert queue.release([OTHER, ONE]) == commands
        assert queue.release([ONE]) == []
        assert len(queue) == 0

    def test_do_not_wait_for_the_budget(self, queue: CommandQueue) -> None:
        queue.hold(held())
        assert queue.waiting() == []
        assert len(queue) == 1
        assert queue.awaited() == {ONE}

    def test_have_a_limit_in_number(self, queue: CommandQueue) -> None:
        assert all(queue.hold(held()) for _ in range(MAX_UNREAD))
        assert not queue.hold(held())
        queue.release([ONE])
        assert queue.hold(held())

    def test_and_in_bytes(self, queue: CommandQueue) -> None:
        payload = b"x" * 1025
        count = sum(queue.hold(held(payload=payload)) for _ in range(MAX_UNREAD))
        assert count * len(payload) <= MAX_UNREAD_BYTES < (count + 1) * held(payload=payload).size


class TestReading:
    """Commands that ask for a reading."""

    def test_the_newest_counts(self, queue: CommandQueue) -> None:
        old, new = ticket("refresh x"), ticket("refresh x")
        queue.add(old)
        assert queue.add(new) == [old]
        assert queue.waiting() == []
        assert queue.awaited() == {ONE}

    def test_a_document_that_began_before_does_not_answer(self, queue: CommandQueue) -> None:
        one = ticket("refresh x")
        one.arrived = 1010.0
        queue.add(one)
        assert queue.take_read(ONE, begun=1009.9) == []
        assert queue.awaits_reading(ONE)
        assert queue.take_read(ONE, begun=1010.0) == [one]
        assert not queue.awaits_reading(ONE)


class TestExpiry:
    def test_whatever_it_waits_for(self, queue: CommandQueue, clock: FakeClock) -> None:
        now = clock.monotonic()
        unread, reading, ready, flying, young = (
            held(arrived=now),
            ticket("refresh x"),
            ticket("name A"),
            ticket("locked 1"),
            ticket("home_sharing 1"),
        )
        queue.hold(unread)
        for command in (reading, ready, flying, young):
            command.arrived, command.expires = now, now + MAX_AGE_S
            queue.add(command)
        young.expires += 1
        queue.start(flying)
        assert queue.expires_in_s() == 120
        clock.advance(119.9)
        assert queue.expire() == []
        clock.advance(0.1)
        assert set(queue.expire()) == {unread, reading, ready}
        assert queue.expires_in_s() == pytest.approx(1)
        assert (queue.waiting(), queue.in_flight) == ([young], flying)

    def test_never_where_nothing_waits(self, queue: CommandQueue) -> None:
        assert queue.expires_in_s() == math.inf


def test_a_flood_of_unread_commands_delays_no_others(queue: CommandQueue, clock: FakeClock) -> None:
    for _ in range(MAX_UNREAD):
        queue.hold(held(OTHER, arrived=clock.monotonic()))
    looked = 0

    class Counted(QueuedCommand):
        @property
        def expires(self) -> float:
            nonlocal looked
            looked += 1
            return clock.monotonic() + MAX_AGE_S

        @expires.setter
        def expires(self, _: float) -> None:
            pass

    queue.hold(Counted(OTHER, "locked", clock.monotonic()))
    queue.release([ONE])
    for _ in range(1000):
        queue.add(ticket("locked 1"))
        assert queue.expire() == []
        assert queue.expires_in_s() > 0
    assert looked <= 1


class TestResults:
    @pytest.fixture
    def sent(self) -> list[tuple[str, dict[str, Any], bytes | None]]:
        return []

    @pytest.fixture
    def results(self, clock: FakeClock, sent: list[tuple[str, dict[str, Any], bytes | None]]) -> Results:
        def publish(topic: str, text: str, correlation: bytes | None) -> None:
            sent.append((topic, json.loads(text), correlation))

        return Results(Topics("w"), publish, lambda *_: None, clock)

    def test_ok(self, results: Results, clock: FakeClock, sent: list[Any]) -> None:
        one = ticket("max_charging_current 13")
        one.arrived = clock.monotonic()
        clock.advance(1.234)
        results.ok(one, 200)
        expected = {"status": "ok", "value": 13, "reason": None, "http_status": 200, "took_ms": 1234}
        assert sent == [("w/101/max_charging_current/result", expected, None)]

    def test_each_way(self, results: Results, sent: list[Any]) -> None:
        results.rejected(ticket("locked 1"), "no")
        results.failed(ticket("locked 1"), "why", 403)
        results.superseded(ticket("locked 1"))
        told = [(one["status"], one["value"], one["reason"], one["http_status"]) for _, one, _ in sent]
        assert told == [
            ("rejected", None, "no", None),
            ("failed", 1, "why", 403),
            ("superseded", 1, "a newer command took its place", None),
        ]

    def test_exactly_one_each(self, results: Results, sent: list[Any]) -> None:
        one = ticket("locked 1")
        results.ok(one)
        results.failed(one, "too late")
        results.superseded(one)
        assert [answer["status"] for _, answer, _ in sent] == ["ok"]
        assert results.answered == 1

    def test_not_confirmed_comes_once_after_it(self, results: Results, sent: list[Any]) -> None:
        one = ticket('config {"max_charging_current": 13, "energy_price": 1}')
        results.ok(one, 200)
        results.not_confirmed(one, {})
        results.not_confirmed(one, {})
        assert [(answer["status"], answer["reason"]) for _, answer, _ in sent] == [
            ("ok", None),
            ("failed", "not confirmed"),
        ]

    @pytest.mark.parametrize("correlation", [None, b"\x00\xff"])
    def test_mqtt_5_reply(self, results: Results, sent: list[Any], correlation: bytes | None) -> None:
        one = ticket("locked 1")
        one.reply = Reply("answers/here", correlation)
        results.ok(one)
        (topic, answer, none), (reply, same, given) = sent
        assert (topic, none) == ("w/101/locked/result", None)
        assert (reply, given) == ("answers/here", correlation)
        assert answer == same
