"""The status port of the whole program: a broker, the simulated cloud, and somebody who looks."""

import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FastClock
from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually, free_port
from wallbox2mqtt.config import Config, MqttConfig, Secret, WallboxConfig, WebConfig
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.errors import EXIT_FAILED, EXIT_OK
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Settings, Simulator
from wallbox2mqtt.web import THREAD

pytestmark = pytest.mark.broker

HOST, ONE = "127.0.0.1", 900001


class Harness:
    """The program with a status port, on a thread of its own."""

    def __init__(self, cloud: Simulator, clock: FastClock, broker: Broker, directory: Path) -> None:
        self.port = free_port()
        wallbox = WallboxConfig(
            email=EMAIL,
            password=Secret(PASSWORD),
            api_url=cloud.url,
            user_api_url=cloud.url,
            reads_per_minute=60,
            poll_interval=5,
        )
        mqtt, web = MqttConfig(host=HOST, port=broker.port), WebConfig(listen=f"{HOST}:{self.port}")
        self.app = App(Config(wallbox=wallbox, mqtt=mqtt, web=web), directory, clock)
        self.codes: list[int] = []
        self._thread = threading.Thread(target=lambda: self.codes.append(self.app.run()), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> list[int]:
        self.app.stop()
        self._thread.join(LIMIT_S)
        return self.codes

    def ask(self, path: str) -> tuple[int, Any]:
        with closing(HTTPConnection(HOST, self.port, timeout=LIMIT_S)) as client:
            client.request("GET", path)
            response = client.getresponse()
            return response.status, json.loads(response.read())

    def read(self, path: str) -> tuple[int, str | None, str]:
        with closing(HTTPConnection(HOST, self.port, timeout=LIMIT_S)) as client:
            client.request("GET", path)
            response = client.getresponse()
            return response.status, response.getheader("Content-Type"), response.read().decode()

    def is_open(self) -> bool:
        try:
            return self.ask("/livez")[0] == 200
        except OSError:
            return False


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.delitem(sys.modules, "wallbox2mqtt.web.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)


@pytest.fixture
def harness(broker: Broker, tmp_path: Path) -> Iterator[Harness]:
    clock = FastClock(20)
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    with Simulator(chargers=[ChargerSpec(id=ONE)], clock=clock, settings=settings) as cloud:
        made = Harness(cloud, clock, broker, tmp_path)
        yield made
        made.stop()


def test_shows_how_things_are(harness: Harness, watcher: Watcher) -> None:
    harness.start()
    watcher.wait(f"wallbox/{ONE}/name")
    assert harness.ask("/livez")[1]["healthy"]
    eventually(lambda: harness.ask("/readyz")[0] == 200, "all is well")
    _, shown = harness.ask("/api/status")
    (charger,) = shown["chargers"]
    assert charger["fields"]["locked"][0] == 1
    assert (shown["bridge"]["broker"], shown["bridge"]["cloud"]) == ("online", "online")
    assert set(shown["bridge"]["threads"]) == {"reader", "writer", "broker"}
    eventually(lambda: harness.ask(f"/api/history?charger={ONE}")[1]["power"], "the first minute")


def test_a_command_arrives_as_an_event(harness: Harness, watcher: Watcher) -> None:
    harness.start()
    watcher.wait(f"wallbox/{ONE}/locked", "1")
    with socket.create_connection((HOST, harness.port), LIMIT_S) as viewer, viewer.makefile("rb") as events:
        viewer.sendall(b"GET /events HTTP/1.1\r\n\r\n")
        data = (json.loads(line[6:]) for line in events if line.startswith(b"data: "))
        assert "fields" in next(data)
        watcher.publish(f"wallbox/{ONE}/locked/set", "0")
        told = next(part for part in data if any(one["field"] == "locked" for one in part.get("commands", [])))
        assert told["commands"][-1]["status"] == "ok"
        assert harness.stop() == [EXIT_OK]


def test_the_bridge_goes_on_without_its_port(
    harness: Harness, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server((HOST, harness.port)):
        harness.start()
        watcher.wait("wallbox/bridge/cloud", "online")
        eventually(lambda: "the status port cannot be opened" in caplog.text, "the error is told")
        assert harness.stop() == [EXIT_OK]
    assert f"web.listen={HOST}:{harness.port}" in caplog.text


@pytest.mark.parametrize(("thread", "codes"), [(THREAD, []), ("reader", [EXIT_FAILED])])
def test_only_threads_that_the_bridge_needs_end_it(
    harness: Harness, watcher: Watcher, thread: str, codes: list[int]
) -> None:
    harness.start()
    watcher.wait("wallbox/bridge/cloud", "online")
    harness.app.thread_died(thread)
    if codes:
        eventually(lambda: harness.codes == codes, "the program ends")
    else:
        assert harness.is_open()


def test_no_line_is_kept_after_the_end(harness: Harness) -> None:
    before = list(logging.getLogger().handlers)
    harness.start()
    eventually(harness.is_open, "the port is open")
    harness.stop()
    assert logging.getLogger().handlers == before


def test_metrics_of_the_whole_program(harness: Harness, watcher: Watcher) -> None:
    harness.start()
    watcher.wait(f"wallbox/{ONE}/why/code", "locked")
    eventually(lambda: "wallbox2mqtt_healthy 1.0" in harness.read("/metrics")[2], "all is well")
    status, kind, text = harness.read("/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = text.splitlines()
    for told in (
        f'wallbox2mqtt_charger_why{{charger="{ONE}",code="locked"}} 1.0',
        "wallbox2mqtt_broker_connected 1.0",
        "wallbox2mqtt_broker_reconnects_total 0.0",
        'wallbox2mqtt_thread_alive{thread="reader"} 1.0',
    ):
        assert told in lines
    assert [line for line in lines if line.startswith('wallbox2mqtt_requests_total{budget="read",kind="detail",')]


@pytest.mark.usefixtures("without_library")
def test_without_the_extra_metrics_say_how_to_get_them(harness: Harness) -> None:
    harness.start()
    eventually(harness.is_open, "the port is open")
    status, _, text = harness.read("/metrics")
    assert status == 404
    assert "pip install 'wallbox2mqtt[metrics]'" in text
    assert harness.stop() == [EXIT_OK]


def test_nothing_is_imported_for_a_port_that_nobody_wants() -> None:
    code = "import sys, wallbox2mqtt.daemon.app; print(*(name for name in sys.modules if 'wallbox2mqtt.web.' in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert not done.stdout.strip()
