"""``health``: whether the bridge runs as it should, and if not, why. Quick: it runs every half minute."""

import argparse
import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from wallbox2mqtt.cli.report import marked
from wallbox2mqtt.daemon import heartbeat
from wallbox2mqtt.errors import EXIT_FAULT, EXIT_OK, ConfigError

_FORBIDDEN = "nothing is known of the bridge: {} may not be read by this user; sudo helps, or the bridge's user"
_NOT_HERE = "the bridge does not run, or with another state directory: no heartbeat in {}"


def run(args: argparse.Namespace) -> int:
    """Print how the bridge is, in a line; return the exit code."""
    return report(args.config, args.state_dir, live=args.live, as_json=args.json)


def report(config: Path | None, state_dir: Path | None, *, live: bool = False, as_json: bool = False) -> int:
    """Print how the bridge is, in a line; return the exit code.

    ``config``, ``state_dir``: where they are named. ``live``: only threads and main loop count, whatever cloud and
    broker do. ``as_json``: for programs.
    """
    state = ""
    try:
        beat = _beat(config, state_dir)
    except PermissionError as error:
        wrong = [_FORBIDDEN.format(error.filename)]
    except ConfigError as error:
        wrong = [f"no state directory is named, and the configuration is wrong: {str(error).splitlines()[0]}"]
    else:
        if isinstance(beat, Path):
            wrong = [_NOT_HERE.format(beat)]
        else:
            wrong = (heartbeat.not_live if live else heartbeat.faults)(beat, time.monotonic())
            state = heartbeat.words(beat)
    if as_json:
        print(json.dumps({"healthy": not wrong, "problems": wrong, "state": state or None}))
    else:
        word = marked("fault", "unhealthy") if wrong else marked("ok", "alive" if live else "healthy")
        print(f"{word}: {'; '.join(wrong) or state}")
    return EXIT_FAULT if wrong else EXIT_OK


def _beat(config: Path | None, state_dir: Path | None) -> heartbeat.Beat | Path:
    """Return the heartbeat that is asked for, or the directory in which there is none.

    Raises:
        PermissionError: it may not be read.
        ConfigError: the configuration is needed to find it, and it is wrong.

    """
    named = _named(state_dir, os.environ)
    found = [] if named is None else heartbeat.find(_allowed(named))
    if named is not None and not found:
        return named
    # the configuration takes longer to read than all the rest: only where several accounts left a heartbeat
    path = found[0] if len(found) == 1 else _configured(config, named)
    return heartbeat.read(_allowed(path)) or path.parent


def _allowed(path: Path) -> Path:
    """Return a file or directory that may be read, or is not there: looking for files in it would not show that.

    Raises:
        PermissionError: it may not.

    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    return path


def _named(state_dir: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the state directory where it is named without the configuration."""
    variables = (environ.get(name, "").split(":")[0] for name in ("WALLBOX2MQTT_STATE_DIR", "STATE_DIRECTORY"))
    text = next(filter(None, variables), None)
    return state_dir or (Path(text).expanduser() if text else None)


def _configured(config: Path | None, state_dir: Path | None) -> Path:
    """Return the heartbeat's file as the configuration has it.

    Raises:
        ConfigError: there is none that can be used.
        PermissionError: the state directory may not be read.

    """
    from wallbox2mqtt.config import find, load  # noqa: PLC0415
    from wallbox2mqtt.config import state_dir as configured  # noqa: PLC0415
    from wallbox2mqtt.storage import Storage  # noqa: PLC0415

    loaded = load(find(config, os.environ), os.environ)
    directory = _allowed(state_dir or configured(loaded, os.environ))
    return Storage(directory, loaded.wallbox.account).path(heartbeat.FILE)
