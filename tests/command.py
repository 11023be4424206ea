"""Running the program as a user does: a process of its own, with an environment that is only what is given."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.mosquitto import LIMIT_S
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Simulator

COMMAND = (sys.executable, "-m", "wallbox2mqtt")


class Done(NamedTuple):
    """What became of it."""

    code: int
    out: str
    err: str = ""


def environment(cloud: Simulator | None, directory: Path, **more: str) -> dict[str, str]:
    """The least that a command needs, with the simulated cloud in the place of the vendor's."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(directory), "WALLBOX2MQTT_STATE_DIR": str(directory / "state")}
    if cloud is not None:
        environ |= {"WALLBOX2MQTT_WALLBOX__API_URL": cloud.url, "WALLBOX2MQTT_WALLBOX__USER_API_URL": cloud.url}
    return environ | more


def with_account(environ: Mapping[str, str], port: int, **more: str) -> dict[str, str]:
    """An environment that is a whole configuration."""
    return {
        **environ,
        "WALLBOX2MQTT_WALLBOX__EMAIL": EMAIL,
        "WALLBOX2MQTT_WALLBOX__PASSWORD": PASSWORD,
        "WALLBOX2MQTT_WALLBOX__READS_PER_MINUTE": "1000",
        "WALLBOX2MQTT_MQTT__HOST": "127.0.0.1",
        "WALLBOX2MQTT_MQTT__PORT": str(port),
        **more,
    }


def run(environ: Mapping[str, str], *arguments: str, stdin: str = "", cwd: Path | None = None) -> Done:
    """Run a command to its end, without a terminal."""
    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * LIMIT_S,
        env=dict(environ),
        input=stdin,
        cwd=cwd,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def run_at_terminal(environ: Mapping[str, str], *arguments: str, answers: list[tuple[str, str]]) -> Done:
    """Run a command at a terminal; each answer is given when its question is seen, in their order."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(COMMAND[0], [*COMMAND, *arguments], dict(environ))  # noqa: S606 - our own command
    shown, waiting, seen = "", list(answers), 0
    ends = time.monotonic() + 2 * LIMIT_S
    while time.monotonic() < ends:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                shown += os.read(terminal, 65536).decode(errors="replace")
            except OSError:
                break  # the other end is closed
        if waiting and (at := shown.find(waiting[0][0], seen)) >= 0:
            seen = at + len(waiting[0][0])
            os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())
    os.close(terminal)
    return Done(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown)
