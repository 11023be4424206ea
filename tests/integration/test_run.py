"""What ``run`` does to the process that the bridge has to itself."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading, time
from wallbox2mqtt.cli.run import serve

class App:
    def __init__(self):
        self.asked, self.code, self.reason = threading.Event(), 0, ""

    def stop(self, code=0, reason="asked to stop"):
        self.code, self.reason = code, reason
        self.asked.set()

    def run(self):
        {act}
        assert self.asked.wait(20)
        print(self.reason, time.timezone, time.daylight)
        return self.code

sys.exit(serve(App()))
"""


@pytest.mark.parametrize(
    ("act", "code", "told"),
    [
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", 0, "asked to stop", id="sigterm"),
        pytest.param("os.kill(os.getpid(), signal.SIGINT)", 0, "asked to stop", id="ctrl-c"),
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
