"""The access list of docs/security.md, tried with the bridge and a real mosquitto."""

import base64
import hashlib
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Settings, Simulator

pytestmark = pytest.mark.broker

HERE = Path(__file__).parents[1]
USERS = ("wallbox2mqtt", "homeassistant", "display", "energy", "nobody-of-the-list")
ONE = 900001


def access_list() -> str:
    text = (HERE.parent / "docs" / "security.md").read_text(encoding="utf-8")
    found = re.findall(r"^```acl\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def password_line(user: str) -> str:
    """A line of a password file, as mosquitto_passwd writes it; the password is the name."""
    salt, rounds = b"0123456789ab", 101
    key = hashlib.pbkdf2_hmac("sha512", user.encode(), salt, rounds)
    return f"{user}:$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}\n"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Broker]:
    (tmp_path / "acl").write_text(access_list(), encoding="utf-8")
    (tmp_path / "passwords").write_text("".join(map(password_line, USERS)), encoding="utf-8")
    broker = Broker(
        tmp_path, "allow_anonymous false", f"acl_file {tmp_path / 'acl'}", f"password_file {tmp_path / 'passwords'}"
    )
    broker.start()
    yield broker
    broker.stop()


@contextmanager
def bridge(cloud: Simulator, broker: Broker, directory: Path) -> Iterator[Path]:
    """The program as the user of the list; return its log."""
    variables = {
        "WALLBOX__EMAIL": EMAIL, "WALLBOX__PASSWORD": PASSWORD, "WALLBOX__API_URL": cloud.url,
        "WALLBOX__USER_API_URL": cloud.url, "WALLBOX__READS_PER_MINUTE": "100", "WALLBOX__WRITES_PER_MINUTE": "100",
        "MQTT__HOST": "127.0.0.1", "MQTT__PORT": str(broker.port), "MQTT__USERNAME": "wallbox2mqtt",
        "MQTT__PASSWORD": "wallbox2mqtt", "STATE_DIR": str(directory / "state"),
    }  # fmt: skip
    environ = {**os.environ, **{f"WALLBOX2MQTT_{name}": text for name, text in variables.items()}}
    log = directory / "bridge.log"
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "wallbox2mqtt", "run"], env=environ, stderr=file)
    try:
        yield log
    finally:
        process.terminate()
        assert process.wait(LIMIT_S) == 0


@contextmanager
def as_user(broker: Broker, user: str) -> Iterator[Watcher]:
    with Watcher(broker.port, user=(user, user)) as watcher:
        yield watcher


def say(broker: Broker, user: str, topic: str, payload: str) -> None:
    """Publish, and wait until the broker has decided: mosquitto 2.0.11 drops the connection of who may not."""
    decided = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.username_pw_set(user, user)

    def connected(*_: object) -> None:
        client.publish(topic, payload, qos=1)

    client.on_connect = connected
    client.on_publish = client.on_disconnect = lambda *_: decided.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        assert decided.wait(LIMIT_S)
    finally:
        client.disconnect()
        client.loop_stop()


def test_each_can_do_what_the_list_says_and_no_more(tmp_path: Path, guarded: Broker) -> None:
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    with (
        Simulator(settings=settings) as cloud,
        bridge(cloud, guarded, tmp_path) as log,
        as_user(guarded, "homeassistant") as assistant,
        as_user(guarded, "display") as display,
        as_user(guarded, "energy") as energy,
        as_user(guarded, "nobody-of-the-list") as nobody,
    ):
        unlocked = assistant.wait(f"wallbox/{ONE}/locked").payload == "0"
        other = "1" if unlocked else "0"
        assistant.wait(f"homeassistant/device/wallbox2mqtt_{ONE}/config")
        for intruder in ("display", "energy", "nobody-of-the-list"):
            for topic in ("locked/set", "action/set", "status", "locked", "locked/result", "ecosmart/enabled/set"):
                say(guarded, intruder, f"wallbox/{ONE}/{topic}", other)
            say(guarded, intruder, "wallbox/bridge/state", "offline")
            say(guarded, intruder, "wallbox/bridge/refresh/set", "1")
            say(guarded, intruder, "homeassistant/status", "online")
        say(guarded, "homeassistant", f"wallbox/{ONE}/status", "forged")
        say(guarded, "energy", f"wallbox/{ONE}/max_charging_current/set", "13")
        energy.wait(f"wallbox/{ONE}/max_charging_current/result")
        say(guarded, "homeassistant", f"wallbox/{ONE}/locked/set", other)
        assistant.wait(f"wallbox/{ONE}/locked/result")
        assert [seen.body for seen in cloud.requests if seen.path == f"v2/charger/{ONE}" and seen.method == "PUT"] == [
            {"maxChargingCurrent": 13}, {"locked": int(other)},
        ]  # fmt: skip
        say(guarded, "homeassistant", f"wallbox/{ONE}/ecosmart/enabled/set", "true")
        assistant.wait(f"wallbox/{ONE}/ecosmart/enabled/result")
        assert len(assistant.of(f"wallbox/{ONE}/locked/result")) == 1
        assert "forged" not in {heard.payload for heard in assistant.heard}
        assert assistant.of("wallbox/bridge/state").count("offline") == 0
        eventually(lambda: display.of(f"wallbox/{ONE}/status"), "the display sees the status")
        seen = {heard.topic.partition(f"{ONE}/")[2] or heard.topic for heard in display.heard}
        assert seen <= {"availability", "status", "charging_power", "added_energy", "wallbox/bridge/state"}
        assert nobody.heard == []
        told = log.read_text(encoding="utf-8")
    assert "the broker refuses" not in told, told


def test_who_has_no_password_is_nobody(guarded: Broker) -> None:
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2, client_id="anonymous")
    client.on_connect = lambda _c, _d, _f, reason, _p: answers.put(reason.is_failure)
    client.connect("127.0.0.1", guarded.port)
    client.loop_start()
    try:
        assert answers.get(timeout=LIMIT_S)
    finally:
        client.disconnect()
        client.loop_stop()
