"""What waits for main: bounded, whoever publishes."""

import queue

import pytest

from wallbox2mqtt.mqtt import Message
from wallbox2mqtt.mqtt.inbox import MOST_BYTES, MOST_MESSAGES, Inbox


def message(topic: str, payload: bytes = b"1") -> Message:
    return Message(topic, payload, retained=False, arrived=0.0)


def test_no_more_messages_than_there_is_room_for() -> None:
    inbox: Inbox[Message] = Inbox()
    for _ in range(MOST_MESSAGES + 5):
        inbox.put(message("w/1/locked/set"))
    assert (len(inbox), inbox.dropped(), inbox.dropped()) == (MOST_MESSAGES, 5, 0)


def test_no_more_bytes_either() -> None:
    inbox: Inbox[Message] = Inbox()
    large = message("w/1/name/set", bytes(1024))
    for _ in range(MOST_MESSAGES):
        inbox.put(large)
    assert len(inbox) == MOST_BYTES // large.size
    inbox.get()
    inbox.put(large)
    assert len(inbox) == MOST_BYTES // large.size


def test_of_many_refreshes_one_waits() -> None:
    """Five thousand a second kept a lock waiting."""
    inbox: Inbox[Message] = Inbox()
    for _ in range(5000):
        inbox.put(message("w/bridge/refresh/set"))
    inbox.put(message("w/1/locked/set"))
    assert [inbox.get().topic for _ in range(2)] == ["w/bridge/refresh/set", "w/1/locked/set"]
    with pytest.raises(queue.Empty):
        inbox.get()
    inbox.put(message("w/bridge/refresh/set"))
    assert inbox.get().topic == "w/bridge/refresh/set", "the next one, when that was taken"
    assert inbox.dropped() == 0
