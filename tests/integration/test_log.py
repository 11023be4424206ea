"""What reaches the log topic, with a real broker and the whole bridge."""

import logging
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes import FastClock
from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually
from wallbox2mqtt.config import Config, LogConfig, MqttConfig, Secret, WallboxConfig
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.simulator import EMAIL, Fault, Simulator

pytestmark = pytest.mark.broker

PASSWORD = "s3cr3t-of-logs"  # noqa: S105 - it stands nowhere else, so that finding it means that it was told
HEADER = b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode().rstrip("=")


@pytest.fixture
def run(broker: Broker, tmp_path: Path) -> Iterator[Callable[[Simulator], App]]:
    running: list[tuple[App, threading.Thread]] = []

    def run(cloud: Simulator) -> App:
        wallbox = WallboxConfig(
            email=EMAIL, password=Secret(PASSWORD), api_url=cloud.url, user_api_url=cloud.url, poll_interval=60
        )
        mqtt = MqttConfig(host="127.0.0.1", port=broker.port, base_topic="w")
        config = Config(wallbox=wallbox, mqtt=mqtt, log=LogConfig(level="debug", mqtt=True))
        app = App(config, tmp_path / "state", FastClock(speed=20))
        thread = threading.Thread(target=app.run)
        thread.start()
        running.append((app, thread))
        return app

    yield run
    for app, thread in running:
        app.stop()
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def test_lines_arrive_and_are_not_retained(
    broker: Broker, run: Callable[[Simulator], App], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Simulator(password=PASSWORD) as cloud, Watcher(broker.port, "w/#") as watcher:
        cloud.fault(Fault(kind="status", status=500, path="*groups*", count=None))
        app = run(cloud)
        watcher.wait_for(lambda heard: any("read failed" in one.payload for one in heard), "the failed read")
        assert not [one for one in watcher.heard if one.topic == "w/bridge/log" and one.retained]
        app.stop()
        watcher.wait("w/bridge/state", "offline")
        assert any("stopping" in payload for payload in watcher.of("w/bridge/log"))
        told = " ".join(watcher.of("w/bridge/log")) + caplog.text
        assert not [secret for secret in (PASSWORD, HEADER) if secret in told]
    with Watcher(broker.port, "w/bridge/#") as later:
        later.wait("w/bridge/state")
        assert not later.of("w/bridge/log")


@pytest.mark.slow
def test_nothing_is_repeated_each_poll(
    broker: Broker, run: Callable[[Simulator], App], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Simulator(password=PASSWORD) as cloud, Watcher(broker.port, "w/bridge/#"):
        cloud.fault(Fault(kind="status", status=500, path="*", count=None))
        run(cloud)
        eventually(lambda: len(cloud.requests) > 4, "several polls have failed")
    failed = [message for message in caplog.messages if "read failed" in message]
    assert len(failed) == 1
