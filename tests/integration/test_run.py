"""What ``run`` does to the process that the bridge has to itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mosquitto import LIMIT_S, eventually, free_port
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Simulator

PROGRAM = """
import os, signal, sys, threading, time
from wallbox2mqtt.cli.run import serve

class App:
    def __init__(self):
        self.asked, self.code, self.reason = threading.Event(), 0, ""

    def stop(self, code=0, reason="asked to stop"):
        self.code, self.reason = code, reason
        self.asked.set()

    def thread_died(self, name):
        self.stop(1, f"the thread {name} died")

    def reload(self, load):
        self.stop(0, f"reload {load()}")

    def run(self):
        {act}
        assert self.asked.wait(20)
        print(self.reason, time.timezone, time.daylight)
        return self.code

sys.exit(serve(App(), lambda: 'new'))
"""


@pytest.mark.parametrize(
    ("act", "code", "told"),
    [
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", 0, "asked to stop", id="sigterm"),
        pytest.param("os.kill(os.getpid(), signal.SIGINT)", 0, "asked to stop", id="ctrl-c"),
        pytest.param("os.kill(os.getpid(), signal.SIGHUP)", 0, "reload new", id="sighup"),
        pytest.param(
            "threading.Thread(target=lambda: 1 / 0, name='reader').start()", 1, "the thread reader died", id="a-thread"
        ),
    ],
)
def test_process(act: str, code: int, told: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM.replace("{act}", act)],
        env={**os.environ, "TZ": "Europe/Madrid"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (code, f"{told} 0 0\n")
    assert ("ZeroDivisionError" in done.stderr) == (code != 0)


@pytest.fixture
def cloud() -> Iterator[Simulator]:
    with Simulator() as cloud:
        yield cloud


def test_sighup_takes_a_password_and_says_what_needs_a_restart(cloud: Simulator, tmp_path: Path) -> None:
    file, log = tmp_path / "config.yaml", tmp_path / "log"

    def configure(password: str, more: str = "") -> None:
        account = f"email: {EMAIL}, password: '{password}', api_url: '{cloud.url}', user_api_url: '{cloud.url}'{more}"
        file.write_text(
            f"wallbox: {{{account}}}\nmqtt: {{host: 127.0.0.1, port: {free_port()}}}\nstate_dir: {tmp_path}/state\n"
        )

    def told(text: str) -> Callable[[], bool]:
        return lambda: text in log.read_text(encoding="utf-8")

    configure(PASSWORD)
    with log.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "wallbox2mqtt", "run", "--config", str(file)],
            env={"PATH": os.environ["PATH"]},
            stderr=stream,
        )
        try:
            eventually(told("signed in version="), "it reads")
            configure("an0ther-one", ", poll_interval: 77")
            process.send_signal(signal.SIGHUP)
            eventually(told("these are used now keys=wallbox.password"), "the password is new")
            assert told("these need a restart keys=wallbox.poll_interval,mqtt.port")()
            file.write_text("wallbox: {email: x}\n")
            process.send_signal(signal.SIGHUP)
            eventually(told("the old one stays in use"), "a wrong one is refused")
            assert process.poll() is None
        finally:
            process.terminate()
            assert process.wait(LIMIT_S) == 0
    assert "an0ther-one" not in log.read_text(encoding="utf-8")
