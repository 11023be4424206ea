"""The price of energy from any topic: retained, live, wrong, refused, and over a restart of the bridge."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes import FastClock
from tests.mosquitto import LIMIT_S, Broker, DenyingBroker, Watcher, eventually
from wallbox2mqtt.config import Config, MqttConfig, Secret, TariffConfig, WallboxConfig
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Settings, Simulator

pytestmark = pytest.mark.broker

ONE = 900001
SPEED = 40.0
CLOCK = FastClock(SPEED)


@contextmanager
def bridge(cloud: Simulator, port: int, directory: Path, topic: str) -> Iterator[App]:
    wallbox = WallboxConfig(
        email=EMAIL,
        password=Secret(PASSWORD),
        reads_per_minute=60,
        poll_interval=5,
        status_writes_per_minute=0,
        api_url=cloud.url,
        user_api_url=cloud.url,
    )
    config = Config(
        wallbox=wallbox,
        mqtt=MqttConfig(host="127.0.0.1", port=port),
        tariff=TariffConfig(topic=topic, solar_price=0.1),
    )
    app = App(config, directory / "state", CLOCK)
    thread = threading.Thread(target=app.run, name="bridge", daemon=True)
    thread.start()
    try:
        yield app
    finally:
        app.stop()
        thread.join(LIMIT_S)


@pytest.fixture
def cloud() -> Iterator[Simulator]:
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    with Simulator(chargers=[ChargerSpec(id=ONE)], clock=CLOCK, settings=settings) as cloud:
        yield cloud


def test_a_session_is_priced_over_a_restart(
    cloud: Simulator, broker: Broker, watcher: Watcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def shown(key: str) -> float:
        text = watcher.last().get(f"wallbox/{ONE}/{key}", "None")
        return -1.0 if text == "None" else float(text)

    def finished() -> list[str]:
        return [text for text in watcher.of(f"wallbox/{ONE}/event/session") if '"finished"' in text]

    watcher.publish("market/now", "0.25", retain=True)
    watcher.wait("market/now", "0.25")
    for word in ("unplug", "unlock"):
        cloud.charger(ONE).do(word)
    with bridge(cloud, broker.port, tmp_path, "market/now"):
        watcher.wait(f"wallbox/{ONE}/energy_total", "0.0")
        cloud.charger(ONE).do("plug", 20)
        eventually(lambda: shown("session/energy") > 0.02, "energy is counted")
        watcher.publish("market/now", "soon")
        eventually(lambda: "price on tariff.topic is no number" in caplog.text, "told")
    with bridge(cloud, broker.port, tmp_path, "market/now"):
        before = shown("session/energy")
        eventually(lambda: shown("session/energy") > before, "it is counted on")
        cloud.charger(ONE).do("unplug")
        eventually(lambda: shown("last_session/energy") > before, "it has ended")
        eventually(finished, "the end is told")
    energy, green = shown("last_session/energy"), shown("last_session/green_energy")
    assert shown("last_session/cost_real") == pytest.approx((energy - green) * 0.25 + green * 0.1, abs=0.002)
    assert [json.loads(text)["cost_real"] for text in finished()] == [shown("last_session/cost_real")]
    assert "result" not in str([one.topic for one in watcher.heard if one.topic.startswith("market/")])


def test_a_price_that_the_broker_refuses_is_told(
    cloud: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with DenyingBroker() as denying, bridge(cloud, denying.port, tmp_path, "no/price"):
        eventually(lambda: "the price of energy will not be noticed" in caplog.text, "told")
    assert "no/price" in caplog.text
