"""A harness to break things in: a simulated cloud, a real broker, somebody who listens, and the bridge as a process."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Self

from tests.bench.rig import resident_mib
from tests.faults.proxy import Proxy
from tests.mosquitto import LIMIT_S, Broker, Watcher, ends_within, eventually, free_port
from tests.stub_cloud import StubCloud
from wallbox2mqtt.simulator import EMAIL, Seen, Settings, Simulator

PASSWORD = "s3cr3t-Pässword"  # noqa: S105 - of an account that exists nowhere
BROKER_PASSWORD = "br0ker-s3cr3t"  # noqa: S105 - likewise
HEALS_S = 30.0
GROWS_MIB = 12.0
# of a header, without its padding; the broker's never travels so
_BASIC = b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode().rstrip("=")
SECRET = re.compile(f"{PASSWORD}|{BROKER_PASSWORD}|{re.escape(_BASIC)}|eyJ[A-Za-z0-9_-]{{10}}")
ROOT = Path(__file__).parents[2]

FAST = {
    "WALLBOX__POLL_INTERVAL": "0.1",
    "WALLBOX__STATUS_WRITES_PER_MINUTE": "0",
    "WALLBOX__READS_PER_MINUTE": "60000",
    "WALLBOX__WRITES_PER_MINUTE": "60000",
    "WALLBOX__TIMEOUT": "3",
    "COMMANDS__SETTLE_S": "2",
    "MQTT__KEEPALIVE": "5",
}


def passwords(file: Path, *users: str) -> None:
    """Write what mosquitto_passwd would, which is not everywhere: ``$7$`` is PBKDF2 with SHA-512."""
    salt = b"salt-of-test"
    key = b64encode(hashlib.pbkdf2_hmac("sha512", BROKER_PASSWORD.encode(), salt, 101)).decode()
    line = f"$7$101${b64encode(salt).decode()}${key}"
    file.write_text("".join(f"{user}:{line}\n" for user in users), encoding="utf-8")
    file.chmod(0o600)


@dataclass(frozen=True)
class Options:
    """What a harness is to be like. ``fresh``: of its own, which nobody uses afterwards."""

    settings: tuple[tuple[str, str], ...] = ()
    broker: tuple[str, ...] = ()
    meddled: bool = False
    fresh: bool = False
    starts: bool = True


@dataclass
class Asked:
    """A command on its way: what was sent, and how to know it at the cloud."""

    key: str
    payload: str
    is_mine: Callable[[Seen], bool]
    most: int
    before: int = 0


@dataclass
class Harness:
    """All of it. A context."""

    directory: Path
    options: Options = field(default_factory=Options)
    command: Sequence[str] = ("-m", "wallbox2mqtt", "run")
    # what the rows bring along
    proxy: Proxy = field(init=False)
    server: StubCloud = field(init=False)
    twin: Watcher = field(init=False)
    port: int = 0

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.stack = ExitStack()
        settings = Settings(reads_per_minute=None, writes_per_minute=None)
        self.cloud = Simulator(chargers=2, password=PASSWORD, settings=settings)
        self.broker = Broker(self.directory, *(line.format(dir=self.directory) for line in self.options.broker))
        passwords(self.directory / "passwords", "watcher")
        (self.directory / "acl").write_text("user watcher\ntopic readwrite #\nuser bridge\ntopic readwrite #\n")
        self.control = self.directory / "control.json"
        self.log = self.directory / "bridge.log"
        self.log.touch()
        self.process: subprocess.Popen[bytes] | None = None
        self.mark = 0
        self.settings = {**FAST, **dict(self.options.settings)}
        self.base_mib = 0.0

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self.stack.close()
            raise
        return self

    def _open(self) -> None:
        self.cloud.start(free_port())  # where it may come back after it was gone
        self.stack.callback(self.cloud.stop)
        self.url = self.cloud.url
        self.broker.start()
        self.stack.callback(self.broker.stop)
        self.listen()
        self.meddle()
        self.stack.callback(self.kill)
        if self.options.starts:
            self.start()
            self.heals()

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def listen(self) -> None:
        user = ("watcher", BROKER_PASSWORD) if any("password_file" in line for line in self.options.broker) else None
        self.watcher = self.stack.enter_context(Watcher(self.broker.port, user=user))

    def meddle(self, **what: object) -> None:
        """Say what happens to the machine; written in one go, because the bridge looks at any time."""
        draft = self.control.with_suffix(".new")
        draft.write_text(json.dumps(what), encoding="utf-8")
        draft.replace(self.control)

    @property
    def charger(self) -> int:
        return next(iter(self.cloud.chargers))

    def variables(self) -> dict[str, str]:
        variables = {
            "WALLBOX__EMAIL": EMAIL,
            "WALLBOX__PASSWORD": PASSWORD,
            "WALLBOX__API_URL": self.url,
            "WALLBOX__USER_API_URL": self.url,
            "MQTT__HOST": "127.0.0.1",
            "MQTT__PORT": str(self.broker.port),
            "STATE_DIR": str(self.directory / "state"),
            "LOG__LEVEL": "debug",
            **self.settings,
        }
        return {f"WALLBOX2MQTT_{name}": text for name, text in variables.items()}

    def start(self, *, around: Sequence[str] = (), **environment: str) -> None:
        """Start the bridge; ``around``: a command that runs it."""
        command = ("-m", "tests.faults.entry", str(self.control)) if self.options.meddled else self.command
        clean = {name: text for name, text in os.environ.items() if not name.startswith("WALLBOX2MQTT_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [*around, sys.executable, *command],
                env={**clean, **self.variables(), **environment},
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(LIMIT_S)

    def ends(self, limit_s: float) -> int:
        """Wait until the bridge ends, which has to be in time; return its code."""
        assert self.process is not None
        return ends_within(self.process, limit_s)

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def says(self, pattern: str, limit_s: float = LIMIT_S) -> None:
        eventually(lambda: re.search(pattern, self.text()), f"the log says {pattern!r}", limit_s)

    def topic(self, name: str) -> str:
        return f"wallbox/{name}"

    def heals(self, limit_s: float = HEALS_S) -> float:
        """Change something at the charger and wait until it is shown, and all is well; return the seconds."""
        self.mark += 1
        begun, shown = time.monotonic(), self.topic(f"{self.charger}/depot_price")
        wanted = {self.topic("bridge/state"): "online", self.topic("bridge/cloud_reason"): "ok"}
        wanted |= {self.topic("bridge/cloud"): "online", shown: str(self.mark)}
        self.cloud.charger(self.charger).do("set", {"depot_price": self.mark})
        self.watcher.wait_for(
            lambda _: wanted.items() <= self.watcher.last().items(), f"the state is true again: {wanted}", limit_s
        )
        return time.monotonic() - begun

    def ask(self) -> list[Asked]:
        """Send a command of each sort: an idempotent one, which may be sent once more, and a remote action."""
        self.mark += 1
        current = 6 + self.mark % 24
        asked = [
            Asked("max_charging_current", str(current), lambda seen: seen.body == {"maxChargingCurrent": current}, 2),
            Asked("action", "resume_schedule", lambda seen: seen.body == {"action": 9}, 1),
        ]
        for one in asked:
            one.before = self._at_cloud(one)
            self.watcher.publish(self.topic(f"{self.charger}/{one.key}/set"), one.payload)
        return asked

    def _at_cloud(self, asked: Asked) -> int:
        # one that was refused for its token has had no effect: it comes once more with a new one
        return sum(asked.is_mine(seen) and seen.status != HTTPStatus.UNAUTHORIZED for seen in self.cloud.requests)

    def results(self, asked: Asked, since: int) -> list[str]:
        topic = self.topic(f"{self.charger}/{asked.key}/result")
        found = [json.loads(heard.payload) for heard in self.watcher.heard[since:] if heard.topic == topic]
        return [result["status"] for result in found if result["reason"] != "not confirmed"]

    def answered(self, asked: list[Asked], since: int, allowed: frozenset[str], limit_s: float = HEALS_S) -> None:
        """Each has exactly one result, of a kind that is allowed, and none was doubled at the cloud."""
        self.watcher.wait_for(
            lambda _: all(self.results(one, since) for one in asked), f"a result of each of {asked}", limit_s
        )
        for one in asked:
            statuses = Counter(self.results(one, since))
            assert sum(statuses.values()) == 1, f"{one.key}: {statuses}"
            assert set(statuses) <= allowed, f"{one.key}: {statuses}; {self.text()[-2000:]}"
            times = self._at_cloud(one) - one.before
            assert times <= one.most, f"{one.key} reached the cloud {times} times"

    def keeps_secrets(self) -> None:
        """Neither the log nor any topic shows a password, a header made of it, or a token."""
        found = SECRET.search(self.text())
        assert found is None, f"the log shows {found}"
        for heard in self.watcher.heard:
            assert not SECRET.search(heard.payload), heard.topic

    def tells_no_trace(self) -> None:
        """Whatever is expected to fail is told in a line; a traceback is for faults of our own."""
        found = re.search(".*(Traceback|Exception in thread).*", self.text())
        assert found is None, f"the log shows {found.group()[:3000]}"

    def rest(self) -> None:
        """Note how much memory is in use, and begin to note the most of it anew."""
        self.base_mib = resident_mib(self.pid)
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def has_not_grown(self) -> None:
        """Not even for a moment."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        assert peak < self.base_mib + GROWS_MIB, f"{self.base_mib:.1f} MiB before, {peak:.1f} MiB at most"


Make = Callable[[Options], Harness]
