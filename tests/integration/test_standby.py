"""A bridge that stands by, in this process; what the active one says, the test says."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes import FastClock
from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually, free_port
from tests.parts import reads_of
from tests.unit.test_candidate import text
from wallbox2mqtt.cli import health
from wallbox2mqtt.config import Config, MqttConfig, Secret, WallboxConfig, WebConfig
from wallbox2mqtt.daemon.leadership import Timing
from wallbox2mqtt.daemon.standby import Standby
from wallbox2mqtt.errors import EXIT_FAILED, EXIT_OK, ConfigError
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Simulator

pytestmark = pytest.mark.broker

ONE = 900001
SPEED = 60.0
STATE, HANDOVER = "wallbox/bridge/state", "wallbox/bridge/handover"
TIMING = Timing(delay_s=(0.1, 0.3), settle_s=0.1, stored_s=0.2, silence_s=60.0, repeat_s=0.5, apart_s=0.1)


class Harness:
    """A cloud and a standby on a thread of its own."""

    def __init__(self, directory: Path, port: int, **options: Any) -> None:  # noqa: ANN401 - any key
        clock = FastClock(SPEED)
        self.cloud = Simulator(chargers=[ChargerSpec(id=ONE)], clock=clock)
        self.cloud.start()
        self.web = free_port()
        urls: dict[str, Any] = {"api_url": self.cloud.url, "user_api_url": self.cloud.url}
        self.config = Config(
            wallbox=WallboxConfig(
                email=EMAIL, password=Secret(PASSWORD), status_writes_per_minute=0, **urls, **options
            ),
            mqtt=MqttConfig(host="127.0.0.1", port=port, client_id="second"),
            web=WebConfig(listen=f"127.0.0.1:{self.web}"),
            standby=True,
        )
        self.directory = directory / "state"
        self.standby = Standby(self.config, self.directory, clock, timing=TIMING)
        self.codes: list[int] = []
        self._thread = threading.Thread(target=lambda: self.codes.append(self.standby.run()), daemon=True)
        self.begun = clock.monotonic()
        self._thread.start()

    def probe(self, path: str) -> tuple[int, dict[str, Any]]:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"http://127.0.0.1:{self.web}{path}", timeout=LIMIT_S)
        return answer.status_code, answer.json()

    def metrics(self) -> dict[str, float]:
        with requests.Session() as session:
            session.trust_env = False
            text = session.get(f"http://127.0.0.1:{self.web}/metrics", timeout=LIMIT_S).text
        return {one.name: one.value for family in text_string_to_metric_families(text) for one in family.samples}

    def is_standing_by(self) -> bool:
        try:
            status, told = self.probe("/readyz")
        except requests.ConnectionError:
            return False
        return status == HTTPStatus.OK and told["state"] == "standing by, broker connected"

    def wait(self) -> int:
        self._thread.join(LIMIT_S)
        return self.codes[0]

    def end(self) -> None:
        self.standby.stop()
        self._thread.join(LIMIT_S)
        self.cloud.stop()


Make = Callable[..., Harness]


@pytest.fixture
def make(broker: Broker, tmp_path: Path) -> Iterator[Make]:
    harnesses: list[Harness] = []

    def make_harness(**options: Any) -> Harness:  # noqa: ANN401 - any key
        harnesses.append(Harness(tmp_path, broker.port, **options))
        return harnesses[-1]

    yield make_harness
    for harness in harnesses:
        harness.end()


def says(watcher: Watcher, state: str, **handover: object) -> None:
    """Say this as the other bridge, and hear it."""
    watcher.publish(HANDOVER, text(**{"chargers": [ONE], **handover}), retain=True)
    watcher.publish(STATE, state, retain=True)
    watcher.wait(STATE, state)


def test_stands_by(make: Make, watcher: Watcher, capsys: pytest.CaptureFixture[str]) -> None:
    says(watcher, "online")
    one = make()
    eventually(one.is_standing_by, "it stands by")
    assert one.probe("/livez")[0] == HTTPStatus.OK
    names = ("standing_by", "healthy", "broker_connected")
    assert one.metrics() == {f"wallbox2mqtt_{name}": 1 for name in names}
    assert health.report(None, one.directory) == EXIT_OK
    assert "standing by" in capsys.readouterr().out
    watcher.publish(f"wallbox/{ONE}/locked/set", "1")
    watcher.wait(f"wallbox/{ONE}/locked/set")
    one.standby.stop()
    assert one.wait() == EXIT_OK
    assert {heard.topic for heard in watcher.heard} == {STATE, HANDOVER, f"wallbox/{ONE}/locked/set"}
    assert watcher.last()[STATE] == "online"
    assert not one.cloud.requests


def test_gives_way_to_one_that_never_stands_by(make: Make, watcher: Watcher) -> None:
    says(watcher, "offline")
    one = make(writes_per_minute=0.001)
    watcher.wait(STATE, "online")
    watcher.wait(f"wallbox/{ONE}/locked")
    watcher.publish(f"wallbox/{ONE}/name/set", "The only one")
    watcher.wait(f"wallbox/{ONE}/name/result")
    watcher.publish(f"wallbox/{ONE}/max_charging_current/set", "7")
    watcher.publish(HANDOVER, text(instance="the-owner", owner=True), retain=True)
    watcher.publish(f"wallbox/{ONE}/max_charging_current/set", "8")  # for the other one
    result = json.loads(watcher.wait(f"wallbox/{ONE}/max_charging_current/result").payload)
    assert (result["status"], result["value"], result["reason"]) == ("failed", 7, "stepping down")
    eventually(one.is_standing_by, "it stands by")
    assert len(watcher.of(f"wallbox/{ONE}/max_charging_current/result")) == 1
    assert watcher.last()[STATE] == "online"


def test_what_it_took_over_from_is_counted(make: Make, watcher: Watcher) -> None:
    says(watcher, "offline", reads={"ages": [[0.0, 3]], "under_way": 0})
    one = make(reads_per_minute=3)
    watcher.wait(f"wallbox/{ONE}/locked")
    assert min(seen.at for seen in reads_of(one.cloud.requests)) > one.begun + 60.0


def test_the_command_stands_by(broker: Broker, watcher: Watcher, tmp_path: Path) -> None:
    says(watcher, "online")
    variables = {
        "WALLBOX__EMAIL": EMAIL, "WALLBOX__PASSWORD": PASSWORD, "WALLBOX__API_URL": "http://127.0.0.1:9",
        "MQTT__HOST": "127.0.0.1", "MQTT__PORT": str(broker.port), "STANDBY": "true",
        "STATE_DIR": str(tmp_path / "state"),
    }  # fmt: skip
    environ = {**os.environ, **{f"WALLBOX2MQTT_{name}": text for name, text in variables.items()}}
    command = [sys.executable, "-m", "wallbox2mqtt", "run"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        while "standing by" not in lines[-1]:
            lines.append(process.stderr.readline())
        assert any("mqtt.client_id is the default" in line for line in lines)
        process.terminate()
        assert process.wait(LIMIT_S) == EXIT_OK


@pytest.mark.parametrize("is_wrong", [True, False])
def test_reloads(make: Make, watcher: Watcher, caplog: pytest.LogCaptureFixture, *, is_wrong: bool) -> None:
    says(watcher, "online")
    one = make()
    eventually(one.is_standing_by, "it stands by")

    def load() -> Config:
        if is_wrong:
            message = "mqtt.port: found x"
            raise ConfigError(message)
        return one.config

    with caplog.at_level("INFO"):
        one.standby.reload(load)
        expected = "the old one stays in use" if is_wrong else "nothing has changed"
        eventually(lambda: expected in caplog.text, expected)
    assert one.is_standing_by()


@pytest.mark.parametrize(("name", "code"), [("paho", EXIT_FAILED), ("status port", EXIT_OK)])
def test_a_thread_that_died(make: Make, watcher: Watcher, name: str, code: int) -> None:
    says(watcher, "online")
    one = make()
    eventually(one.is_standing_by, "it stands by")
    one.standby.thread_died(name)
    one.standby.stop()
    assert one.wait() == code
