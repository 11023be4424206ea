"""A broker that answers pings and acknowledges nothing, and a process that was paused."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import Harness, Options
from tests.mosquitto import eventually
from tests.parts import writes_of
from tests.stub_broker import StubBroker
from wallbox2mqtt.mqtt.liveness import ANSWER_S, GAP_S

pytestmark = pytest.mark.broker

MAX_AGE_S = 6


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """One that is there, and has not been started."""
    settings = (("COMMANDS__MAX_AGE_S", str(MAX_AGE_S)), ("MQTT__KEEPALIVE", "60"))
    with Harness(tmp_path, Options(settings, fresh=True, starts=False)) as harness:
        yield harness


@pytest.mark.slow
def test_one_that_falls_silent_is_left_and_found_again(harness: Harness) -> None:
    with StubBroker() as broker:
        harness.settings |= {"MQTT__PORT": str(broker.port), "MQTT__KEEPALIVE": "5"}
        harness.start()
        eventually(lambda: f"wallbox/{harness.charger}/locked" in broker.stored, "all is shown")
        broker.temper.acknowledges = lambda _: False
        eventually(lambda: broker.connects == 2, "the connection is made anew", ANSWER_S + 30)
        broker.temper.acknowledges = lambda _: True
        harness.says("did not acknowledge what was published at")
        eventually(
            lambda: json.loads(broker.stored.get("wallbox/bridge/health", b"{}")).get("stalls") == 1,
            "it is counted",
            70,
        )
        assert harness.lives()


@pytest.mark.slow
@pytest.mark.parametrize("pause_s", [MAX_AGE_S + 2])
def test_a_command_of_before_a_pause_is_too_old(harness: Harness, pause_s: float) -> None:
    """It waits in the socket, and arrives when the process goes on."""
    assert pause_s > GAP_S
    harness.start()
    harness.heals()
    lock = f"wallbox/{harness.charger}/locked"
    harness.watcher.wait(lock, "0")  # a command for what is so already would be answered without a request, at any age
    assert harness.process is not None
    harness.process.send_signal(signal.SIGSTOP)
    eventually(lambda: _is_stopped(harness.process.pid), "all its threads stand still")  # type: ignore[union-attr]
    sent = 5
    for _ in range(sent):
        harness.watcher.publish(f"{lock}/set", "1")
    harness.watcher.publish("pause", "begins")
    begun = harness.watcher.wait("pause").at
    eventually(lambda: _later(harness, begun, pause_s), "the pause is over")
    harness.process.send_signal(signal.SIGCONT)
    harness.watcher.wait_for(lambda _: len(harness.watcher.of(f"{lock}/result")) == sent, "each has its result")
    reasons = [json.loads(text)["reason"] for text in harness.watcher.of(f"{lock}/result")]
    assert set(reasons) <= {"expired", "a newer command took its place"}
    assert "expired" in reasons
    assert not [one for one in writes_of(harness.cloud.requests) if one.body in ({"locked": 0}, {"locked": 1})]
    begun = harness.watcher.wait("pause").at
    eventually(lambda: _later(harness, begun, 2), "nothing more may be old")
    harness.watcher.publish(f"{lock}/set", "1")
    harness.watcher.wait_for(
        lambda _: json.loads(harness.watcher.of(f"{lock}/result")[-1])["status"] == "ok", "the next one counts"
    )


def _is_stopped(pid: int) -> bool:
    """Whether each thread is in the state T: the signal is not obeyed at once by one that is at work."""
    states = [file.read_text().rpartition(") ")[2][0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


def _later(harness: Harness, begun: float, seconds: float) -> bool:
    harness.watcher.publish("pause", "goes on")
    return harness.watcher.wait("pause").at - begun > seconds
