"""The demo in a terminal: it takes the screen, and gives it back."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.mosquitto import find_mosquitto, free_port

pytestmark = pytest.mark.broker

_WAIT_S = 60.0
_TAKES_SCREEN, _GIVES_SCREEN = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process, self._end, self.output = process, end, ""

    def read_until(self, done: Callable[[str], bool]) -> None:
        """Read until the output has what is waited for; at the program's end all of it was read."""
        ends = time.monotonic() + _WAIT_S
        while not done(self.output):
            assert time.monotonic() < ends, self.output[-3000:]
            if not select.select([self._end], [], [], 1.0)[0]:
                continue
            try:
                self.output += os.read(self._end, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                assert done(self.output), self.output[-3000:]

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.output)


@contextmanager
def terminal(directory: Path, *options: str, term: str = "xterm-256color") -> Iterator[Terminal]:
    find_mosquitto()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "wallbox2mqtt", "demo", "--port", str(free_port()), *options]
    environment = {**os.environ, "TERM": term, "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=directory, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)


def test_draws_in_a_terminal_and_gives_it_back(tmp_path: Path) -> None:
    with terminal(tmp_path) as live:
        live.read_until(lambda output: "Charging" in output and "kW" in output)
        assert live.output.index(_TAKES_SCREEN) < live.output.index("Garage")
        page = re.search(r"http://127\.0\.0\.1:\d+/(?!_)", live.text)
        assert page is not None
        with urlopen(f"{page[0]}api/status", timeout=_WAIT_S) as answer:  # noqa: S310 - on this machine
            status = json.load(answer)
        live.process.send_signal(signal.SIGINT)
        live.read_until(lambda output: "The demo has ended." in output)
        assert live.process.wait(_WAIT_S) == 0
    assert live.output.index(_GIVES_SCREEN) < live.output.index("The demo has ended.")
    assert "mosquitto_pub" in live.text
    assert [charger["name"] for charger in status["chargers"]] == ["Garage", "Carport"]
    assert status["log"]


@pytest.mark.parametrize(("options", "term"), [(["--plain"], "xterm"), ([], "dumb")], ids=["plain", "dumb"])
def test_prints_lines_where_that_is_wanted(tmp_path: Path, options: list[str], term: str) -> None:
    with terminal(tmp_path, *options, term=term) as live:
        live.read_until(lambda output: " 900001  " in output)
        assert _TAKES_SCREEN not in live.output
        live.process.send_signal(signal.SIGINT)
        live.read_until(lambda output: "The demo has ended." in output)
        assert live.process.wait(_WAIT_S) == 0
