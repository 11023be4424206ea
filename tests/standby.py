"""Two bridges of one account that stand by for one another, each a process, and what they may never do together."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from tests.fakes import FastClock
from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually
from tests.parts import most_in_a_minute, reads_of, writes_of
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Settings, Simulator

ONE = 900001
SPEED = 60.0
READS, WRITES = 1, 5
TIMING = {
    "delay_s": [0.2, 0.8], "settle_s": 0.3, "stored_s": 0.5, "silence_s": 60.0, "repeat_s": 0.5,
    "acknowledge_s": 2.0, "apart_s": 0.1,
}  # fmt: skip
ROOT = Path(__file__).parents[1]
STATE, HANDOVER = "wallbox/bridge/state", "wallbox/bridge/handover"


class NoResultError(AssertionError):
    """Raised when a command has no result in time."""


class Bridge:
    """One of the two. ``port``: of the broker, or of what stands before it."""

    def __init__(self, name: str, directory: Path, cloud: Simulator, port: int) -> None:
        self.name, self.log = name, directory / f"{name}.log"
        self.timing: dict[str, Any] = dict(TIMING)
        variables = {
            "WALLBOX__EMAIL": EMAIL, "WALLBOX__PASSWORD": PASSWORD, "WALLBOX__API_URL": cloud.url,
            "WALLBOX__USER_API_URL": cloud.url, "WALLBOX__READS_PER_MINUTE": str(READS),
            "WALLBOX__WRITES_PER_MINUTE": str(WRITES), "WALLBOX__STATUS_WRITES_PER_MINUTE": "0",
            "MQTT__HOST": "127.0.0.1", "MQTT__PORT": str(port), "MQTT__CLIENT_ID": name, "MQTT__KEEPALIVE": "5",
            "COMMANDS__MAX_AGE_S": "100000", "STANDBY": "true", "STATE_DIR": str(directory / name),
        }  # fmt: skip
        clean = {key: text for key, text in os.environ.items() if not key.startswith("WALLBOX2MQTT_")}
        self.environ = {**clean, **{f"WALLBOX2MQTT_{key}": text for key, text in variables.items()}}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.faults.standby_entry", str(SPEED), json.dumps(self.timing)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log, cwd=ROOT)  # noqa: S603

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(LIMIT_S)
            self.process = None

    def says(self, text: str, times: int = 1) -> None:
        eventually(lambda: self.text().count(text) >= times, f"{self.name} says {text!r} {times} times")

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    @property
    def instance(self) -> str | None:
        """The name that this process gave itself, the last one that was started."""
        found = re.findall(r"standing by broker=\S+ instance=(\w+)", self.text())
        return found[-1] if found else None

    @property
    def take_overs(self) -> int:
        """How often it has begun to work."""
        return self.text().count("connected to the broker")


class Pair:
    """A cloud with its limits, a broker, somebody who listens, and two bridges. A context."""

    def __init__(self, directory: Path, broker: Broker, ports: dict[str, int] | None = None) -> None:
        settings = Settings(reads_per_minute=READS, writes_per_minute=WRITES)
        self.cloud = Simulator(chargers=[ChargerSpec(id=ONE)], clock=FastClock(SPEED), settings=settings)
        self.broker = broker
        self._directory, self._ports, self._stack = directory, ports or {}, ExitStack()
        self._commands = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(self.cloud)
        self.watcher = self._stack.enter_context(Watcher(self.broker.port))
        self.bridges = [self._bridge(name) for name in ("bridge-a", "bridge-b")]
        return self

    def __exit__(self, *_: object) -> None:
        for bridge in self.bridges:
            bridge.kill()
        self._stack.close()

    def _bridge(self, name: str) -> Bridge:
        return Bridge(name, self._directory, self.cloud, self._ports.get(name, self.broker.port))

    def instance(self) -> str:
        """Who says that it is the active one."""
        return str(json.loads(self.watcher.last().get(HANDOVER, "{}")).get("instance"))

    def works(self) -> None:
        """Wait until a read was made from now on."""
        before = len(reads_of(self.cloud.requests))
        eventually(lambda: len(reads_of(self.cloud.requests)) > before, "the cloud is read")

    def rests(self) -> None:
        """Wait until no request is under way: one that is halted on its way to the cloud arrives when it goes on."""
        self.works()

        def is_idle() -> bool:
            told = json.loads(self.watcher.last()[HANDOVER])
            return not told["reads"]["under_way"] and not told["writes"]["under_way"]

        eventually(is_idle, "no request is under way")

    def command(self) -> dict[str, Any]:
        """Send a command, and wait until it was answered by exactly one."""
        self._commands += 1
        key = f"wallbox/{ONE}/max_charging_current"
        before = len(self.watcher.of(f"{key}/result"))
        self.watcher.publish(f"{key}/set", str(6 + self._commands % 20))
        try:
            eventually(lambda: len(self.watcher.of(f"{key}/result")) > before, "the command has a result")
        except AssertionError as error:
            raise NoResultError(*error.args) from None
        results = [json.loads(text) for text in self.watcher.of(f"{key}/result")[before:]]
        assert len(results) == 1, results
        return dict(results[0])

    def keeps_the_budget(self) -> None:
        """Together they asked no more than one may, and nothing was refused."""
        seen = self.cloud.requests
        told = "\n".join(f"{one.at:.1f} {one.method} {one.path} {one.status}" for one in seen)
        assert not any(one.status == HTTPStatus.TOO_MANY_REQUESTS for one in seen), told
        assert most_in_a_minute(reads_of(seen)) <= READS
        assert most_in_a_minute(writes_of(seen)) <= WRITES
        results = [one.payload for one in self.watcher.heard if one.topic.endswith("/result")]
        assert all(json.loads(result)["status"] == "ok" for result in results), results
