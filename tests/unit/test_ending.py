"""The end of the program on a machine that is so slow that there is no time for all that a flood has brought."""

import itertools
import logging
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.config import Config, Secret, WallboxConfig
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.daemon.ending import Ending
from wallbox2mqtt.mqtt import Message
from wallbox2mqtt.mqtt.inbox import Inbox

ONE = 101
NOBODY = "http://127.0.0.1:9"
MANY = 1000
TAKES_S = 0.01


@pytest.fixture
def app(tmp_path: Path, clock: FakeClock) -> App:
    wallbox = WallboxConfig(email="a@example.org", password=Secret("x"), api_url=NOBODY, user_api_url=NOBODY)
    app = App(Config(wallbox=wallbox), tmp_path, clock)
    for worker in app.parts.workers:
        worker.start()
    return app


def test_one_deadline_holds_for_all_that_waits(app: App, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    inbox: Inbox[Message] = Inbox()
    shared = app.parts.bridge.shared
    for _ in range(MANY):
        inbox.put(Message(f"wallbox/{ONE}/locked/set", b"0", retained=False, arrived=clock.monotonic()))
        assert shared.queue.hold(QueuedCommand(ONE, "locked", clock.monotonic()))
    seconds = itertools.count(0.0, TAKES_S)
    with caplog.at_level(logging.WARNING):
        Ending(app.parts, inbox, lambda: next(seconds)).run("asked to stop")
    assert next(seconds) < 2, "each look at the clock takes as long as a command"
    assert 0 < shared.results.answered < MANY
    assert "no time to answer what came in a flood" in caplog.text


def test_all_are_answered_where_there_is_time(app: App, clock: FakeClock) -> None:
    inbox: Inbox[Message] = Inbox()
    shared = app.parts.bridge.shared
    for _ in range(10):
        inbox.put(Message(f"wallbox/{ONE}/locked/set", b"0", retained=False, arrived=clock.monotonic()))
    Ending(app.parts, inbox).run("asked to stop")
    assert shared.results.answered == 10
    assert len(inbox) == 0
