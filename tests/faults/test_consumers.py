"""The fault matrix, third part: who publishes on the broker, by mistake or on purpose."""

import json
import socket
import struct
from collections import Counter

import pytest

from tests.bench.rig import resident_mib
from tests.faults.harness import GROWS_MIB, Harness, Make, Options
from tests.faults.proxy import Proxy
from tests.faults.test_matrix import OK
from tests.mosquitto import LIMIT_S, Heard, eventually

pytestmark = pytest.mark.broker

HOW_MANY = [("5", 2_000), ("3.1.1", 10_000)]
"""The protocol makes no difference to how many: once is enough."""
UNLIMITED = ("allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 0")


def patient(protocol: str) -> tuple[tuple[str, str], ...]:
    """Return the settings of a connection that holds however long a busy machine takes for all the messages."""
    return (("MQTT__PROTOCOL", protocol), ("MQTT__KEEPALIVE", "120"))


class EnoughAnswers:
    """Counts each message once: to look at all of them again at each would take longer than the bridge does."""

    def __init__(self, wanted: int) -> None:
        self._wanted, self._looked, self._found = wanted, 0, 0

    def __call__(self, heard: list[Heard]) -> bool:
        self._found += sum(one.topic.endswith("/result") for one in heard[self._looked :])
        self._looked = len(heard)
        return self._found >= self._wanted


def results(harness: Harness) -> Counter[str]:
    """How many results there are, by status and reason."""
    found = [json.loads(heard.payload) for heard in harness.watcher.heard if heard.topic.endswith("/result")]
    return Counter(f"{one['status']}: {one['reason']}"[:34] for one in found)


def writes(harness: Harness) -> int:
    return sum(seen.method != "GET" for seen in harness.cloud.requests)


def works(harness: Harness) -> None:
    """It is as it was, and its memory has come back."""
    harness.heals()
    since = len(harness.watcher.heard)
    harness.answered(harness.ask(), since, OK)
    eventually(
        lambda: resident_mib(harness.pid) < harness.base_mib + GROWS_MIB,
        f"memory comes back to {harness.base_mib:.0f} MiB, not {resident_mib(harness.pid):.0f}",
    )
    assert harness.lives()
    harness.keeps_secrets()


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "many"), HOW_MANY)
def test_ten_thousand_commands_at_once(protocol: str, many: int, open_harness: Make) -> None:
    harness = open_harness(Options(settings=patient(protocol), broker=UNLIMITED))
    harness.rest()
    before = writes(harness)
    for number in range(many):
        harness.watcher.publish(f"wallbox/{harness.charger}/max_charging_current/set", str(6 + number % 2))
    harness.watcher.wait_for(EnoughAnswers(many), f"{many} results", 120)
    counted = results(harness)
    assert sum(counted.values()) == many, counted
    assert not any(kind.startswith(("failed", "rejected")) for kind in counted), counted
    assert writes(harness) - before < many / 2, "the last one wins"
    # the newest is what counts
    harness.watcher.wait(f"wallbox/{harness.charger}/max_charging_current", str(6 + (many - 1) % 2))
    works(harness)


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "many"), HOW_MANY)
def test_ten_thousand_retained_commands(protocol: str, many: int, open_harness: Make) -> None:
    """They were stored while the bridge was away: each unlocks, or does worse."""
    harness = open_harness(Options(settings=patient(protocol), broker=UNLIMITED, starts=False))
    words = ("locked", "charging_enabled", "action", "max_charging_current")
    for number in range(many):
        charger, key = (harness.charger, words[number]) if number < len(words) else (harness.charger, f"field{number}")
        harness.watcher.publish(f"wallbox/{charger}/{key}/set", "1", retain=True)
    harness.watcher.publish("wallbox/bridge/refresh/set", "1", retain=True)
    harness.watcher.wait_for(lambda heard: len(heard) >= many, "all are stored", 120)
    harness.start()
    if protocol == "3.1.1":  # with MQTT 5 they are not asked for
        harness.watcher.wait_for(EnoughAnswers(many), f"{many} results", 120)
    harness.heals()
    counted = results(harness)
    assert set(counted) <= {"rejected: the message was retained"}, counted
    assert sum(counted.values()) == (many if protocol == "3.1.1" else 0)
    assert writes(harness) == 0
    harness.rest()
    works(harness)


def test_large_and_broken_payloads(open_harness: Make) -> None:
    harness = open_harness(Options())
    harness.rest()
    before = writes(harness)
    keys = ["locked", "max_charging_current", "name", "action", "config", "refresh"]
    payloads = [b"x" * 1_000_000, b"1" * 1_000_000, b"\xff\xfe\x00", b"lock\x80", b"\xed\xa0\x80", b"{" * 100_000]
    for key in keys[:-1]:
        for payload in payloads:
            harness.watcher.publish(f"wallbox/{harness.charger}/{key}/set", payload)
    wanted = len(keys[:-1]) * len(payloads)
    harness.watcher.wait_for(EnoughAnswers(wanted), f"{wanted} results", 60)
    assert sum(results(harness).values()) == wanted
    assert all(kind.startswith("rejected") for kind in results(harness)), results(harness)
    assert writes(harness) == before
    works(harness)


TOPICS = [
    "wallbox/set", "wallbox//set", "wallbox///set", "wallbox/bridge/set", "wallbox/bridge/state/set",
    "wallbox/bridge/refresh/set/set", "wallbox/0/locked/set", "wallbox/-1/locked/set", "wallbox/007/locked/set",
    "wallbox/1e5/locked/set", "wallbox/\uff11/locked/set", "wallbox/99999999999999999999999/locked/set",
    "wallbox/{id}/set", "wallbox/{id}//set", "wallbox/{id}/set/set", "wallbox/{id}/locked/set/set",
    "wallbox/{id}/locked/result/set", "wallbox/{id}/availability/set", "wallbox/{id}/event/session/set",
    "wallbox/{id}/basic/name/set", "wallbox/{id}/Locked/set", "wallbox/{id}/locked /set", "wallbox/{id}/../locked/set",
    "wallbox/{id}/a/b/c/d/e/f/set", "wallbox/{id}/a/b/c/d/e/f/g/set", "wallbox/{id}/charging_power/set",
    "wallbox/900002x/locked/set", "wallbox/123/locked/set", "wallbox/$SYS/set", "wallbox/{id}/%s%n/set",
    "wallbox/{id}/" + "x" * 5000 + "/set", "wallbox/{id}/\u202elocked/set", "wallbox/ {id}/locked/set",
]  # fmt: skip


def test_every_topic_that_ends_in_set(open_harness: Make) -> None:
    harness = open_harness(Options())
    harness.rest()
    before = writes(harness)
    for topic in TOPICS:
        for payload in ("1", "unlock"):
            harness.watcher.publish(topic.format(id=harness.charger), payload)
    # commands of one client keep their order: with this answer the others are done
    harness.watcher.publish(f"wallbox/{harness.charger}/locked/set", "nothing", reply="done", correlation=b"1")
    harness.watcher.wait("done")
    assert writes(harness) == before
    assert all(kind.startswith("rejected") for kind in results(harness)), results(harness)
    ours = {f"wallbox/{number}/" for number in harness.cloud.chargers} | {"wallbox/bridge/"}
    said = {heard.topic for heard in harness.watcher.heard if not heard.topic.endswith("/set")}
    strange = [topic for topic in said if topic.startswith("wallbox/") and not topic.startswith(tuple(ours))]
    assert not strange, "no topic is made for strangers"
    works(harness)


def test_replies_to_where_they_must_not_go(open_harness: Make) -> None:
    """Response topics are chosen by whoever publishes: among them those of commands, and no topics at all."""
    harness = open_harness(Options())
    harness.rest()
    before = writes(harness)
    for reply in (f"wallbox/{harness.charger}/locked/set", "wallbox/bridge/state", "$SYS/x", "a" * 60_000):
        harness.watcher.publish(
            f"wallbox/{harness.charger}/locked/set", "rubbish", reply=reply, correlation=b"\x00" * 60_000
        )
    harness.watcher.publish(f"wallbox/{harness.charger}/locked/set", "rubbish", reply="done", correlation=b"1")
    harness.watcher.wait("done")
    assert writes(harness) == before
    assert sum(results(harness).values()) == 5
    works(harness)
    assert harness.watcher.last()["wallbox/bridge/state"] == "online"


def test_bytes_that_are_no_mqtt(open_harness: Make) -> None:
    """Topics in bad UTF-8 end at the broker; the bridge sees none of them."""
    harness = open_harness(Options())
    harness.rest()
    topic = b"wallbox/\xff\xfe/set"
    packet = struct.pack("!H", len(topic)) + topic + b"1"
    with socket.create_connection(("127.0.0.1", harness.broker.port), LIMIT_S) as raw:
        raw.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04evil" + bytes([0x30, len(packet)]) + packet)
        raw.settimeout(LIMIT_S)
        while raw.recv(100):
            pass
    works(harness)


def test_a_broker_that_delivers_what_no_broker_may(open_harness: Make) -> None:
    """Wildcards and broken text in the topic of a command: an answer to it could not be published."""
    harness = open_harness(Options(starts=False))
    proxy = harness.stack.enter_context(Proxy(harness.broker.port))
    harness.settings["MQTT__PORT"] = str(proxy.port)
    harness.start()
    harness.heals()
    harness.rest()
    before = writes(harness)
    for key in (b"+", b"a#", b"\x00", b"\xff", "\ufffe".encode()):
        topic = b"wallbox/%d/%s/set" % (harness.charger, key)
        # without properties, QoS 0
        packet = struct.pack("!H", len(topic)) + topic + b"\x00" + b"1"
        proxy.inject(bytes([0x30, len(packet)]) + packet)
        harness.heals()
    assert harness.process is not None
    assert harness.process.poll() is None, harness.text()[-2000:]
    assert writes(harness) == before
    works(harness)
