"""The whole: the program as a process of its own, a mosquitto, and the simulated cloud."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.mosquitto import LIMIT_S, Broker, ends_within, free_port
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Settings, Simulator

ROOT = Path(__file__).parents[2]
STOP_S = 5.0
"""The contract's limit."""

QUICK = {
    "reads_per_minute": 600,
    "writes_per_minute": 6000,
    "poll_interval": 0.2,
    "timeout": 3,
    "status_writes_per_minute": 0,
}
"""Where budgets are not the subject."""


class Program:
    """The bridge as its users run it."""

    def __init__(self, directory: Path, api_url: str, port: int, **config: dict[str, Any]) -> None:
        self.password = config.get("wallbox", {}).get("password", PASSWORD)
        self._directory, self._log = directory, directory / "program.log"
        account = {"email": EMAIL, "password": self.password, "api_url": api_url, "user_api_url": api_url}
        whole = {
            **config,
            "wallbox": {**account, **QUICK, **config.get("wallbox", {})},
            "mqtt": {"host": "127.0.0.1", "port": port, "keepalive": 5, **config.get("mqtt", {})},
            "state_dir": str(directory / "state"),
        }
        self._file = directory / "config.yaml"
        self._file.write_text(json.dumps(whole), encoding="utf-8")
        self._file.chmod(0o600)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WALLBOX2MQTT_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "wallbox2mqtt", "run", "--config", str(self._file)],
                cwd=self._directory,
                env={**clean, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def wait(self, limit_s: float) -> int:
        """The exit code, within the limit."""
        assert self._process is not None
        return ends_within(self._process, limit_s)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; return the exit code, which has to come in time."""
        assert self._process is not None
        assert self._process.poll() is None, self.log
        self._process.send_signal(number)
        return self.wait(STOP_S)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait(LIMIT_S)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def check_log(self) -> None:
        """No traceback, whatever happened, and no secret."""
        assert "Traceback" not in self.log, self.log
        assert len(self.password) < 5 or self.password not in self.log


Run = Callable[..., Program]
OpenCloud = Callable[..., Simulator]


@pytest.fixture
def cloud() -> Iterator[OpenCloud]:
    """Make a cloud; ``started=False``: its port is known, but nobody answers there yet."""
    made: list[Simulator] = []

    def make(
        chargers: Sequence[ChargerSpec] | int = 1,
        *,
        password: str = PASSWORD,
        started: bool = True,
        **settings: Any,  # noqa: ANN401
    ) -> Simulator:
        limits = {"reads_per_minute": None, "writes_per_minute": None}
        simulator = Simulator(chargers=chargers, password=password, settings=Settings(**{**limits, **settings}))
        if started:
            simulator.start()
        made.append(simulator)
        return simulator

    yield make
    for simulator in made:
        simulator.stop()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start the program; ``started=False`` only writes its configuration."""
    made: list[Program] = []

    def make(api_url: str, port: int, *, started: bool = True, **config: dict[str, Any]) -> Program:
        program = Program(tmp_path, api_url, port, **config)
        made.append(program)
        if started:
            program.start()
        return program

    yield make
    for program in made:
        program.kill()
        program.check_log()


@pytest.fixture
def absent(tmp_path: Path) -> Iterator[Broker]:
    """A broker that does not run yet."""
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def nowhere() -> str:
    """An address at which nobody answers."""
    return f"http://127.0.0.1:{free_port()}"
