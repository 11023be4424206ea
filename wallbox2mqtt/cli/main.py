"""The commands, and what each needs. Modules are imported where they are used: ``--version`` must be quick."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from wallbox2mqtt import __version__
from wallbox2mqtt.errors import ConfigError

EXIT_CONFIG = 78

_EPILOG = """exit codes:
  0   done, also after SIGTERM and SIGINT
  78  the configuration is wrong, or the cloud refuses credentials that never worked: you must act
  69  check or health found a fault
  1   anything else
"""


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="else $WALLBOX2MQTT_CONFIG, ./config.yaml, /etc/wallbox2mqtt/config.yaml, or the environment alone",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wallbox2mqtt",
        description="Wallbox chargers on MQTT, as fresh as the vendor's cloud allows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"wallbox2mqtt {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    _add_config(add("run", _run, "run the bridge"))
    add("topics", _topics, "print the tables of topics and commands")
    add("schema", _schema, "print the JSON schema of the configuration, for editors")
    return parser


def _run(args: argparse.Namespace) -> int:
    from wallbox2mqtt.app import App  # noqa: PLC0415
    from wallbox2mqtt.clock import SystemClock  # noqa: PLC0415
    from wallbox2mqtt.config import find, load, state_dir  # noqa: PLC0415

    config = load(find(args.config, os.environ), os.environ)
    logging.basicConfig(
        level=config.log.level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    # urllib3 tells of its connections at debug, with addresses but without headers; paho is not asked
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    return App(config, state_dir(config, os.environ), SystemClock()).run()


def _topics(_args: argparse.Namespace) -> int:
    from wallbox2mqtt.docs import command_table, topic_table  # noqa: PLC0415

    print(topic_table(), command_table(), sep="\n\n")
    return 0


def _schema(_args: argparse.Namespace) -> int:
    from wallbox2mqtt.config import schema  # noqa: PLC0415

    print(json.dumps(schema(), indent=2))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    args = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = args.run
    try:
        return run(args)
    except ConfigError as error:
        print(f"wallbox2mqtt: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except BrokenPipeError:
        return 0
