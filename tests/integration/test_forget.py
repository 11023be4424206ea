"""``forget``: what it clears, what it leaves, and when it does nothing."""

import json
from pathlib import Path

import pytest

from tests.command import environment, run, run_at_terminal, with_account
from tests.mosquitto import Broker, Watcher

pytestmark = pytest.mark.broker

ONE, TWO = 101, 102
OF_ONE = {
    f"wallbox/{ONE}/locked": "1",
    f"wallbox/{ONE}/availability": "online",
    f"homeassistant/device/wallbox2mqtt_{ONE}/config": json.dumps({"components": {"x": f"wallbox/{ONE}/locked"}}),
    f"homeassistant/lock/wallbox2mqtt_{ONE}/lock_locked/config": json.dumps({"t": f"wallbox/{ONE}/locked"}),
}
OF_THE_BRIDGE = {
    "wallbox/bridge/state": "offline",
    f"wallbox/{TWO}/locked": "0",
    "homeassistant/device/wallbox2mqtt_bridge_wallbox/config": json.dumps({"t": "wallbox/bridge/state"}),
}
OF_OTHERS = {
    "other/thing": "1",
    f"homeassistant/device/wallbox2mqtt_home_{ONE}/config": json.dumps({"t": f"home/{ONE}/locked"}),
    "homeassistant/device/another/config": "{}",
}
ALL = OF_ONE | OF_THE_BRIDGE | OF_OTHERS


@pytest.fixture
def environ(broker: Broker, tmp_path: Path) -> dict[str, str]:
    with Watcher(broker.port) as publisher:
        for topic, payload in ALL.items():
            publisher.publish(topic, payload, retain=True)
        publisher.wait_for(lambda heard: len({one.topic for one in heard} & ALL.keys()) == len(ALL), "all is there")
    return with_account(environment(None, tmp_path), broker.port)


def kept(broker: Broker) -> set[str]:
    """What the broker keeps of what was put there; a message that marks the end comes behind all of it."""
    with Watcher(broker.port) as watcher:
        watcher.publish("end", "", retain=False)
        watcher.wait("end")
        return {topic for topic in watcher.last() if topic != "end"}


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    ("arguments", "cleared"),
    [
        pytest.param([str(ONE)], OF_ONE, id="a-charger"),
        pytest.param(["--all"], OF_ONE | OF_THE_BRIDGE, id="all"),
        pytest.param(["7"], {}, id="a-charger-of-which-nothing-is-kept"),
    ],
)
def test_clears_what_is_ours(
    environ: dict[str, str], broker: Broker, arguments: list[str], cleared: dict[str, str], protocol: str
) -> None:
    done = run({**environ, "WALLBOX2MQTT_MQTT__PROTOCOL": protocol}, "forget", "--yes", *arguments)
    assert done.code == 0, done
    assert all(topic in done.out for topic in list(cleared)[:10])
    assert kept(broker) == ALL.keys() - cleared.keys()


@pytest.mark.parametrize(("answer", "code"), [("n", 69), ("y", 0)])
def test_asks_at_a_terminal(environ: dict[str, str], broker: Broker, answer: str, code: int) -> None:
    done = run_at_terminal(environ, "forget", "--all", answers=[("Clear these 7 topics?", answer)])
    assert done.code == code, done.out
    assert kept(broker) == (ALL.keys() if code else OF_OTHERS.keys())


def test_clears_nothing_unasked(environ: dict[str, str], broker: Broker) -> None:
    done = run(environ, "forget", "--all")
    assert (done.code, "--yes" in done.out) == (69, True)
    assert kept(broker) == ALL.keys()


def test_not_while_the_bridge_runs(environ: dict[str, str], broker: Broker) -> None:
    with Watcher(broker.port) as publisher:
        publisher.publish("wallbox/bridge/state", "online", retain=True)
        publisher.wait("wallbox/bridge/state", "online")
    done = run(environ, "forget", "--all", "--yes")
    assert (done.code, "end it first" in done.out) == (69, True)
    assert kept(broker) == ALL.keys()


@pytest.mark.parametrize("arguments", [[], ["--all", str(ONE)]])
def test_it_has_to_be_said_what(environ: dict[str, str], arguments: list[str]) -> None:
    assert run(environ, "forget", *arguments).code == 1
