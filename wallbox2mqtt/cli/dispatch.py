"""What each command runs. Modules are imported where they are used: ``--version`` must be quick.

Each takes the arguments of the command line and returns the exit code.
"""

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from wallbox2mqtt.errors import EXIT_FAILED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from wallbox2mqtt.config import Config


def run(args: argparse.Namespace) -> int:
    """Run the bridge."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is read in a moment is the newest already
    from wallbox2mqtt.cli import run  # noqa: PLC0415

    return run.run(args.config, home_assistant_app=args.home_assistant_app)


def health(args: argparse.Namespace) -> int:
    """Print whether the bridge is healthy, and return the exit code."""
    from wallbox2mqtt.cli import health  # noqa: PLC0415

    return health.run(args.config, args.state_dir, live=args.live, as_json=args.json)


def check(args: argparse.Namespace) -> int:
    """Try configuration, account and broker."""
    from wallbox2mqtt.cli import check  # noqa: PLC0415

    return check.run(args.config, as_json=args.json)


def init(args: argparse.Namespace) -> int:
    """Ask, try, and write the configuration."""
    from wallbox2mqtt.cli import init  # noqa: PLC0415

    flags = {
        "wallbox.email": args.email,
        "mqtt.host": args.mqtt_host,
        "mqtt.port": args.mqtt_port,
        "mqtt.username": args.mqtt_username,
    }
    options = init.Options(
        file=args.config,
        given={key: str(value) for key, value in flags.items() if value is not None},
        force=args.force,
        stdin=args.stdin,
        no_try=args.no_try,
        password_files=args.password_files,
    )
    return init.run(options)


def demo(args: argparse.Namespace) -> int:
    """Show the bridge with a simulated cloud."""
    from wallbox2mqtt.cli import demo  # noqa: PLC0415

    return demo.run(port=args.port, chargers=args.chargers, speed=args.speed, seconds=args.seconds, plain=args.plain)


def simulator(args: argparse.Namespace) -> int:
    """Simulate the cloud until told to end."""
    from wallbox2mqtt.simulator import EMAIL, MODELS, PASSWORD, Simulator, fleet  # noqa: PLC0415

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    models = args.model or tuple(MODELS)
    if unknown := set(models) - set(MODELS):
        msg = f"--model: unknown {' '.join(sorted(unknown))}; known: {' '.join(MODELS)}"
        raise UsageError(msg)
    cloud = Simulator(chargers=fleet(args.chargers, models, lively=True), speed=args.speed)
    try:
        cloud.start(args.port)
    except OSError as error:
        problem = f"port {args.port} cannot be used ({error.strerror}); choose another with --port"
        print(f"wallbox2mqtt: {problem}", file=sys.stderr)
        return EXIT_FAILED
    with cloud:
        print(f"The cloud is simulated at {cloud.url} (both hosts), account {EMAIL} / {PASSWORD}")
        print(f"chargers {' '.join(str(number) for number in cloud.chargers)}; move them at {cloud.url}/_control/")
        print("Ctrl-C ends it.", flush=True)
        stop.wait()
    return EXIT_OK


def dump(args: argparse.Namespace) -> int:
    """Copy the cloud's documents without what is private."""
    from wallbox2mqtt.cli import dump  # noqa: PLC0415
    from wallbox2mqtt.clock import SystemClock  # noqa: PLC0415

    return dump.run(*_config_and_state(args.config), SystemClock(), args.output)


def sessions(args: argparse.Namespace) -> int:
    """List charging sessions."""
    from wallbox2mqtt.cli import sessions  # noqa: PLC0415
    from wallbox2mqtt.clock import SystemClock  # noqa: PLC0415

    return sessions.run(*_config_and_state(args.config), SystemClock(), args)


def _config_and_state(file: Path | None) -> "tuple[Config, Path]":
    """Return the configuration, none of whose secrets the log will show, and the directory of the bridge's state."""
    from wallbox2mqtt.config import find, load, state_dir  # noqa: PLC0415
    from wallbox2mqtt.log import HIDDEN, setup  # noqa: PLC0415

    config = load(find(file, os.environ), os.environ)
    setup("warning", os.environ)
    HIDDEN.keep(config.wallbox.email, config.wallbox.password.reveal())
    return config, state_dir(config, os.environ)


def forget(args: argparse.Namespace) -> int:
    """Clear what the broker keeps."""
    from wallbox2mqtt.cli import forget  # noqa: PLC0415
    from wallbox2mqtt.config import find, load  # noqa: PLC0415
    from wallbox2mqtt.log import setup  # noqa: PLC0415

    setup("error", os.environ)
    config = load(find(args.config, os.environ), os.environ)
    return forget.run(config, args.chargers, everything=args.all, unasked=args.yes)


def topics(_args: argparse.Namespace) -> int:
    """Print the tables of topics and commands."""
    from wallbox2mqtt.cli.topics import command_table, topic_table  # noqa: PLC0415

    print(topic_table(), command_table(), sep="\n\n")
    return EXIT_OK


def schema(_args: argparse.Namespace) -> int:
    """Print the configuration's schema."""
    from wallbox2mqtt.config import schema  # noqa: PLC0415

    print(json.dumps(schema(), indent=2))
    return EXIT_OK
