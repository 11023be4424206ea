"""A broker that answers pings and acknowledges nothing, and a process that was paused."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.house import House, Needs
from tests.mosquitto import eventually
from tests.parts import writes_of
from tests.stub_broker import StubBroker
from wallbox2mqtt.mqtt.liveness import ANSWER_S, GAP_S

pytestmark = [pytest.mark.broker, pytest.mark.timeout(150)]

MAX_AGE_S = 6


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """One that is there, and has not been started."""
    settings = (("COMMANDS__MAX_AGE_S", str(MAX_AGE_S)), ("MQTT__KEEPALIVE", "60"))
    with House(tmp_path, Needs(settings, fresh=True, starts=False)) as house:
        yield house


def test_one_that_falls_silent_is_left_and_found_again(house: House) -> None:
    with StubBroker() as broker:
        house.settings |= {"MQTT__PORT": str(broker.port), "MQTT__KEEPALIVE": "5"}
        house.start()
        eventually(lambda: f"wallbox/{house.charger}/locked" in broker.stored, "all is shown")
        broker.temper.acknowledges = lambda _: False
        eventually(lambda: broker.connects == 2, "the connection is made anew", ANSWER_S + 30)
        broker.temper.acknowledges = lambda _: True
        house.says("did not acknowledge what was published at")
        eventually(
            lambda: json.loads(broker.stored.get("wallbox/bridge/health", b"{}")).get("stalls") == 1,
            "it is counted",
            70,
        )
        assert house.lives()


@pytest.mark.parametrize("pause_s", [MAX_AGE_S + 2])
def test_a_command_of_before_a_pause_is_too_old(house: House, pause_s: float) -> None:
    """It waits in the socket, and arrives when the process goes on."""
    assert pause_s > GAP_S
    house.start()
    house.heals()
    lock = f"wallbox/{house.charger}/locked"
    house.process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]
    sent = 5
    for number in range(sent):
        house.watcher.publish(f"{lock}/set", str(number % 2))
    house.watcher.publish("pause", "begins")
    begun = house.watcher.wait("pause").at
    eventually(lambda: _later(house, begun, pause_s), "the pause is over")
    house.process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
    house.watcher.wait_for(lambda _: len(house.watcher.of(f"{lock}/result")) == sent, "each has its result")
    reasons = [json.loads(text)["reason"] for text in house.watcher.of(f"{lock}/result")]
    assert set(reasons) <= {"expired", "a newer command took its place"}
    assert "expired" in reasons
    assert not [one for one in writes_of(house.cloud.requests) if one.body in ({"locked": 0}, {"locked": 1})]
    begun = house.watcher.wait("pause").at
    eventually(lambda: _later(house, begun, 2), "nothing more may be old")
    house.watcher.publish(f"{lock}/set", "0")
    house.watcher.wait_for(
        lambda _: json.loads(house.watcher.of(f"{lock}/result")[-1])["status"] == "ok", "the next one counts"
    )


def _later(house: House, begun: float, seconds: float) -> bool:
    house.watcher.publish("pause", "goes on")
    return house.watcher.wait("pause").at - begun > seconds
