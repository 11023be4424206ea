"""Two bridges of one account, each a process: whatever ends or halts one, one works, and never more than the budget."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import Proxy
from tests.mosquitto import Broker, eventually
from tests.standby import STATE, Pair

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture
def pair(tmp_path: Path, broker: Broker) -> Iterator[Pair]:
    with Pair(tmp_path, broker) as pair:
        yield pair


def test_kill(pair: Pair) -> None:
    first, second = pair.bridges
    first.start()
    pair.works()
    second.start()
    second.says("standing by")
    assert pair.command()["status"] == "ok"
    first.kill()
    pair.watcher.wait(STATE, "offline")
    second.says("connected to the broker")
    assert pair.command()["status"] == "ok"
    pair.works()
    first.start()
    pair.works()
    assert second.take_overs == 1
    assert first.take_overs == 1
    pair.keeps_the_budget()


@pytest.mark.parametrize(
    ("keepalive", "silence_s"),
    [pytest.param("2", 60.0, id="the-broker-notices"), pytest.param("60", 2.0, id="only-the-other-notices")],
)
def test_stop_and_go_on(pair: Pair, keepalive: str, silence_s: float) -> None:
    first, second = pair.bridges
    for bridge in pair.bridges:
        bridge.environ["WALLBOX2MQTT_MQTT__KEEPALIVE"], bridge.timing["silence_s"] = keepalive, silence_s
    first.start()
    pair.works()
    second.start()
    second.says("standing by")
    pair.rests()
    first.signal(signal.SIGSTOP)
    second.says("connected to the broker")
    assert pair.command()["status"] == "ok"
    first.signal(signal.SIGCONT)
    first.says("stepping down")
    first.says("standing by", times=2)
    assert pair.command()["status"] == "ok"
    pair.works()
    pair.keeps_the_budget()


def test_a_partition(tmp_path: Path, broker: Broker) -> None:
    """The active one reaches the cloud but not the broker: it asks nothing, and gives way when it is back."""
    with Proxy(broker.port) as proxy, Pair(tmp_path, broker, {"bridge-a": proxy.port}) as pair:
        first, second = pair.bridges
        first.start()
        pair.works()
        second.start()
        second.says("standing by")
        proxy.silent = True
        second.says("connected to the broker")
        assert pair.command()["status"] == "ok"
        proxy.silent = False
        proxy.cut()
        first.says("stepping down")
        pair.works()
        pair.keeps_the_budget()


def test_both_at_once(pair: Pair) -> None:
    for bridge in pair.bridges:
        bridge.start()
    pair.works()
    eventually(lambda: pair.watcher.last().get(STATE) == "online", "one is online")
    assert pair.command()["status"] == "ok"
    pair.works()
    pair.keeps_the_budget()
