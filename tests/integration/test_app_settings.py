"""What ``commands`` of the configuration says reaches the parts: App with a broker and the simulated cloud."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FastClock
from tests.integration.test_app import GENEROUS, ONE, SPEED, Harness
from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually
from tests.parts import reads_of, writes_of
from tests.stub_broker import StubBroker
from wallbox2mqtt.simulator import Seen, Settings

pytestmark = pytest.mark.broker

Open = Callable[..., Harness]


@pytest.fixture
def open_harness(tmp_path: Path) -> Iterator[Open]:
    """Start a harness at a broker's port."""
    harnesses: list[Harness] = []

    def make(port: int, settings: Settings = GENEROUS, *, speed: float = SPEED, **options: Any) -> Harness:  # noqa: ANN401
        harnesses.append(Harness(FastClock(speed), tmp_path, port, settings, **options))
        harnesses[-1].start()
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.end()


@pytest.mark.parametrize("accepted", [True, False])
def test_accept_retained(open_harness: Open, caplog: pytest.LogCaptureFixture, *, accepted: bool) -> None:
    """A broker that retains everything marks what is live as well."""
    caplog.set_level(logging.INFO)
    with StubBroker() as broker:
        harness = open_harness(broker.port, commands={"accept_retained": accepted})
        eventually(lambda: harness.app.parts.bridge.states.has_detail(ONE), "all is known")
        known = "commands count, the broker is quiet" if accepted else "connected to the broker"
        eventually(lambda: known in caplog.text, "what is stored has come")
        broker.publish(f"wallbox/{ONE}/locked/set", b"0", flagged=True)
        eventually(lambda: harness.app.parts.bridge.shared.results.answered == 1, "the command has its result")
        assert [one.body for one in writes_of(harness.cloud.requests)] == ([{"locked": 0}] if accepted else [])


def test_a_stored_unlock_is_none_at_the_start_even_so(broker: Broker, open_harness: Open, watcher: Watcher) -> None:
    """This broker delivers it after it has confirmed the subscription."""
    watcher.publish(f"wallbox/{ONE}/locked/set", "0", retain=True)
    watcher.wait(f"wallbox/{ONE}/locked/set")
    harness = open_harness(broker.port, commands={"accept_retained": True})
    result = json.loads(watcher.wait(f"wallbox/{ONE}/locked/result").payload)
    assert (result["status"], "had stored" in result["reason"]) == ("rejected", True)
    assert writes_of(harness.cloud.requests) == []


def test_max_age(broker: Broker, open_harness: Open, watcher: Watcher) -> None:
    """The budget would let the second command through after a minute."""
    harness = open_harness(broker.port, writes_per_minute=1, commands={"max_age_s": 20})
    watcher.wait(f"wallbox/{ONE}/locked", "1")
    watcher.publish(f"wallbox/{ONE}/locked/set", "0")
    watcher.wait(f"wallbox/{ONE}/locked/result")
    watcher.publish(f"wallbox/{ONE}/max_charging_current/set", "10")
    result = json.loads(watcher.wait(f"wallbox/{ONE}/max_charging_current/result").payload)
    assert (result["status"], result["reason"]) == ("failed", "expired")
    assert len(writes_of(harness.cloud.requests)) == 1


def test_settle_holds_the_picture(broker: Broker, open_harness: Open, watcher: Watcher) -> None:
    """Longer than by default, so that no machine is too slow for the test; the cloud never shows the new value."""
    open_harness(broker.port, Settings(reads_per_minute=None, lag_s=1e6), commands={"settle_s": 70})
    topic = f"wallbox/{ONE}/locked"
    watcher.wait(topic, "1")
    watcher.publish(f"{topic}/set", "0")
    watcher.wait_for(lambda _: len(watcher.of(f"{topic}/result")) == 2, "the second result")
    done, refuted = map(json.loads, watcher.of(f"{topic}/result"))
    assert done["status"] == "ok"
    assert (refuted["reason"], refuted["took_ms"] >= 70_000) == ("not confirmed", True)


def test_settle_tells_what_to_read(broker: Broker, open_harness: Open, watcher: Watcher) -> None:
    """While nobody knows what a command has done, every second detail is that of its charger, of however many."""
    options: dict[str, Any] = {"chargers": 20, "poll_interval": 1, "reads_per_minute": 600}
    harness = open_harness(broker.port, speed=50.0, commands={"settle_s": 100_000}, **options)
    watcher.wait(f"wallbox/{ONE}/locked", "1")
    watcher.publish(f"wallbox/{ONE}/locked/set", "0")
    watcher.wait(f"wallbox/{ONE}/locked/result")
    default_is_over = harness.cloud.clock.monotonic() + 50

    def details(seen: tuple[Seen, ...]) -> list[bool]:
        late = [one.path for one in reads_of(seen) if one.at > default_is_over and one.path != "v3/chargers/groups"]
        return [path == f"chargers/status/{ONE}" for path in late][:10]

    assert harness.cloud.wait_for(lambda seen: len(details(seen)) == 10, LIMIT_S)
    assert sum(details(harness.cloud.requests)) == 5
