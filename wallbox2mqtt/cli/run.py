"""``run``: the bridge, in a process that it has to itself."""

import argparse
import faulthandler
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import Config, find, load, runtime_dir, state_dir
from wallbox2mqtt.config.credentials import as_operators_know_it, reloaded
from wallbox2mqtt.config.warnings import precautions
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.daemon.neighbour import warn_of_another
from wallbox2mqtt.daemon.systemd import Notifier
from wallbox2mqtt.errors import ConfigError
from wallbox2mqtt.log import HIDDEN, setup
from wallbox2mqtt.storage import Storage

if TYPE_CHECKING:
    from wallbox2mqtt.daemon.standby import Standby

_LOG = logging.getLogger(__name__)
LOCK_WAIT_S = 15.0
_LOCK_LOOK_S = 0.2
_ENDS = (signal.SIGTERM, signal.SIGINT)
_Read = Callable[[Path | None, Mapping[str, str]], Config]


def run(args: argparse.Namespace) -> int:
    """Run the bridge as its configuration has it; return the exit code.

    Raises:
        ConfigError: the configuration is wrong, or another process runs with the same state.

    """
    try:
        return _run(args.config, home_assistant_app=args.home_assistant_app)
    except ConfigError as error:
        # where people look first: systemctl status
        Notifier().tell(STATUS=str(error).splitlines()[0])
        raise


def _run(config_file: Path | None, *, home_assistant_app: bool) -> int:
    read = _reader(home_assistant_app=home_assistant_app)
    config = _load(read, config_file, os.environ)
    file = find(config_file, os.environ)
    setup(config.log.level, os.environ)
    faulthandler.enable()  # systemd's watchdog ends a process that hangs: its journal then says where
    directory = state_dir(config, os.environ)
    if not home_assistant_app:  # there nobody but the bridge sees its files, and the broker is in the same machine
        for precaution in precautions(config, file, directory, os.environ):
            _LOG.warning(as_operators_know_it(precaution, os.environ))
    storage = Storage(directory, config.wallbox.account)
    _take_lock(storage)
    name = None if config.standby else warn_of_another(config.wallbox.account)
    try:
        return serve(_new_app(config, directory), lambda: _load_again(read, config_file))
    finally:
        storage.unlock()
        if name is not None:
            name.close()
        for number in _ENDS:
            # Python ends with the default handlers, and a second signal would make a failure of an orderly end
            signal.signal(number, signal.SIG_IGN)


# What the configuration does not ask for is not imported: it would take memory for as long as the bridge runs.


def _reader(*, home_assistant_app: bool) -> _Read:
    if not home_assistant_app:
        return load
    from wallbox2mqtt.cli import home_assistant_app as app  # noqa: PLC0415

    return app.load


def _new_app(config: Config, directory: Path) -> "App | Standby":
    if not config.standby:
        return App(config, directory, SystemClock(), runtime_dir(os.environ))
    from wallbox2mqtt.daemon.standby import Standby  # noqa: PLC0415

    return Standby(config, directory, SystemClock(), runtime_dir(os.environ))


def _load(read: _Read, config_file: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the configuration, and let no line show its secrets.

    Raises:
        ConfigError: it is wrong.

    """
    try:
        config = read(find(config_file, environ), environ)
    except ConfigError as error:
        raise ConfigError(as_operators_know_it(str(error), environ)) from None
    secrets = (config.wallbox.password, config.mqtt.password)
    HIDDEN.keep(config.wallbox.email, *(secret.reveal() for secret in secrets if secret is not None))
    return config


def _load_again(read: _Read, config_file: Path | None) -> Config:
    """Read the configuration as it is now, for SIGHUP.

    Raises:
        ConfigError: it is wrong.

    """
    return _load(read, *reloaded(config_file, os.environ))


def _take_lock(storage: Storage) -> None:
    """Wait until no other process has the account's files: a container that is being replaced ends within seconds.

    Raises:
        ConfigError: another process keeps them.

    """
    ends = time.monotonic() + LOCK_WAIT_S
    while not storage.lock():
        if time.monotonic() >= ends:
            msg = (
                f"state_dir: another process runs with {storage.directory} and this account, and two would spend its "
                "budget twice: end the other one, or give this one an account and a state_dir of its own"
            )
            raise ConfigError(msg)
        time.sleep(_LOCK_LOOK_S)


def serve(app: "App | Standby", load_again: Callable[[], Config]) -> int:
    """Run the bridge with the whole process to itself: its time zone, its signals, the ends of its threads.

    ``load_again``: reads the configuration anew, for SIGHUP.
    """
    os.environ["TZ"] = "UTC"  # see Scheduler
    time.tzset()

    def died(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread is not None else "unknown"
        error = args.exc_value
        trace = (args.exc_type, error, args.exc_traceback) if error is not None else None
        _LOG.critical("a thread died thread=%s", name, exc_info=trace)
        app.thread_died(name)

    threading.excepthook = died
    for number in _ENDS:
        signal.signal(number, lambda *_: app.stop())
    signal.signal(signal.SIGHUP, lambda *_: app.reload(load_again))
    return app.run()
