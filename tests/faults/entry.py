"""The bridge as a process on a machine that a test meddles with: its clocks, its names, its threads.

``python -m tests.faults.entry CONTROL``; CONTROL is a file with JSON, which is looked at again and again:
``shift`` (seconds that the wall clock is off), ``names`` (``unknown``, ``slow``), ``stick`` and ``kill`` (the name of
a thread). The clock is a constructor argument of the program; names and ``schedule``'s time are those of the libraries.
"""

import datetime as dt
import json
import logging
import os
import socket
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import schedule

from wallbox2mqtt.cli.run import serve
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import load, state_dir
from wallbox2mqtt.daemon.app import App

SLOW_S = 40.0
HOST = "cloud.test"


class KilledError(BaseException):
    """Ends a thread, whatever it catches."""


class Control:
    """What the test wants at present."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, dict[str, Any]] = (-1, {})
        self._killed = False

    def __call__(self, name: str) -> Any:  # noqa: ANN401 - any JSON
        changed = self._path.stat().st_mtime_ns
        if changed != self._read[0]:
            self._read = changed, json.loads(self._path.read_text(encoding="utf-8"))
        return self._read[1].get(name)

    def befall(self) -> None:
        own = threading.current_thread().name
        if self("stick") == own:
            threading.Event().wait()
        if self("kill") == own and not self._killed:
            self._killed = True
            raise KilledError


class MeddledClock:
    """The machine's clock, as far as the test leaves it alone."""

    def __init__(self, control: Control) -> None:
        self._control, self._clock = control, SystemClock()

    def monotonic(self) -> float:
        self._control.befall()
        return self._clock.monotonic()

    def wall(self) -> float:
        return self._clock.wall() + (self._control("shift") or 0.0)

    def real_s(self, seconds: float) -> float:
        return self._clock.real_s(seconds)

    def wait(self, condition: threading.Condition, timeout: float | None) -> bool:
        return self._clock.wait(condition, timeout)


def shift_schedule(clock: MeddledClock) -> None:
    """Let ``schedule`` see the shifted time of day, in the zone that the process has by then."""

    class Shifted(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> "Shifted":
            return cls.fromtimestamp(clock.wall(), tz)

    shim = types.ModuleType("datetime")
    shim.__dict__.update(dt.__dict__)
    shim.datetime = Shifted  # type: ignore[attr-defined]
    schedule.datetime = shim  # type: ignore[attr-defined]


def meddle_with_names(control: Control) -> None:
    """One name is looked up as the test says; all others as ever."""
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the original has it
        if host != HOST:
            return real(host, *args, **kwargs)
        how = control("names")
        if how == "slow":
            time.sleep(SLOW_S)
        if how in {"unknown", "slow"}:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.1", *args, **kwargs)

    socket.getaddrinfo = look_up


def main() -> int:
    control = Control(Path(sys.argv[1]))
    config = load(None, os.environ)
    logging.basicConfig(level=config.log.level.upper(), stream=sys.stderr)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    clock = MeddledClock(control)
    shift_schedule(clock)
    meddle_with_names(control)
    return serve(App(config, state_dir(config, os.environ), clock), lambda: load(None, os.environ))


if __name__ == "__main__":
    sys.exit(main())
