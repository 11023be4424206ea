"""The command line: the commands and their arguments."""

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from wallbox2mqtt import __version__
from wallbox2mqtt.cli import help as help_texts
from wallbox2mqtt.errors import EXIT_FAILED


def _between(least: float, most: float, kind: type[float] = int) -> Callable[[str], float]:
    """Return what reads an argument that is a number in these limits."""

    def number(text: str) -> float:
        try:
            found = kind(text)
        except ValueError:
            found = math.nan
        if not least <= found <= most:
            msg = f"{text!r} is no number from {least:g} to {most:g}"
            raise argparse.ArgumentTypeError(msg)
        return found

    return number


_port, _count, _speed = _between(1, 65535), _between(1, 1000), _between(0.01, 1e6, float)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="else $WALLBOX2MQTT_CONFIG, ./config.yaml, /etc/wallbox2mqtt/config.yaml, or the environment alone",
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--home-assistant-app", action="store_true", help="run as an app of Home Assistant, with its options from /data"
    )


def _add_health(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="directory of the bridge; else $WALLBOX2MQTT_STATE_DIR, $STATE_DIRECTORY, or as configured (slower)",
    )
    parser.add_argument("--live", action="store_true", help="look at the process alone, not at cloud and broker")


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="file to write (%(default)s)"
    )
    parser.add_argument("--email", help="e-mail address of the Wallbox account")
    parser.add_argument("--mqtt-host", metavar="HOST", help="name or address of the broker")
    parser.add_argument("--mqtt-port", type=_port, metavar="PORT", help="port of the broker")
    parser.add_argument("--mqtt-username", metavar="NAME", help="user name at the broker")
    parser.add_argument(
        "--stdin", action="store_true", help="read the passwords from standard input: the account's, then the broker's"
    )
    parser.add_argument(
        "--password-files", action="store_true", help="write passwords to files of their own beside the configuration"
    )
    parser.add_argument("--no-try", action="store_true", help="write without trying anything")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=11883, help="port of the broker (%(default)s)")
    parser.add_argument("--chargers", type=_count, default=2, help="number of chargers (%(default)s)")
    parser.add_argument("--speed", type=_speed, default=20.0, help="how much faster cars charge (%(default)g)")
    parser.add_argument("--for", type=_speed, default=None, dest="seconds", metavar="SECONDS", help="end after this")
    parser.add_argument("--plain", action="store_true", help="print a line for each change, in a terminal too")


def _add_simulator(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=18080, help="port for both hosts (%(default)s)")
    parser.add_argument("--chargers", type=_count, default=1, help="number of chargers (%(default)s)")
    parser.add_argument("--model", action="append", metavar="MODEL", help="old, pulsar-plus, pulsar-plus-2026, quasar")
    parser.add_argument("--speed", type=_speed, default=1.0, help="how much faster cars charge (%(default)g)")


def _add_dump(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write; else standard output")


def _add_forget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chargers", nargs="*", metavar="CHARGER", help="id of a charger")
    parser.add_argument("--all", action="store_true", help="clear everything that the bridge has published")
    parser.add_argument("--yes", action="store_true", help="clear without asking")


def _add_sessions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", metavar="DATE", help="first day, such as 2026-10-01")
    parser.add_argument("--to", dest="last", metavar="DATE", help="last day")
    parser.add_argument("--month", metavar="MONTH", help="such as 2026-10; else the current month")
    parser.add_argument("--charger", type=int, action="append", metavar="ID", help="one charger, else all; repeatable")
    parser.add_argument(
        "--format", choices=("table", "csv", "json", "html"), default="table", help="form (%(default)s)"
    )
    parser.add_argument("--evcc", action="store_true", help="CSV with the columns of evcc's own file")


_COMMANDS: Mapping[str, tuple[str, Sequence[Callable[[argparse.ArgumentParser], None]]]] = {
    "run": ("run the bridge", (_add_config, _add_run)),
    "health": (
        "say whether the bridge on this machine is healthy, and if not, why",
        (_add_config, _add_health, _add_json),
    ),
    "check": ("try the configuration, the account and the broker, and say what to do", (_add_config, _add_json)),
    "init": ("ask for the account and the broker, try them, and write the configuration", (_add_init,)),
    "demo": (
        "run a simulated cloud, a broker and the bridge here, and show what is published",
        (_add_demo,),
    ),
    "simulator": ("simulate the Wallbox cloud by itself, for this or any other client", (_add_simulator,)),
    "dump": (
        "write an anonymised copy of the cloud's documents, for bug reports; takes minutes",
        (_add_config, _add_dump),
    ),
    "forget": ("clear what the broker keeps of chargers, or of the whole bridge", (_add_config, _add_forget)),
    "sessions": ("list charging sessions, for your accounts or a company car", (_add_config, _add_sessions)),
    "topics": ("print the tables of topics and commands", ()),
    "schema": ("print the JSON schema of the configuration, for editors", ()),
}
"""What each command is for, and what adds its arguments."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors end with 1, because 2, argparse's own, is no exit code of ours."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_FAILED, f"{self.prog}: {message}\n")


def parsers() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser of the command line, and by name those of the commands."""
    parser = _Parser(
        prog="wallbox2mqtt",
        description=help_texts.OVERVIEW,
        epilog=help_texts.EPILOGS[""],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"wallbox2mqtt {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    for name, (text, adders) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=help_texts.EPILOGS.get(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for add in adders:
            add(command)
    return parser, commands.choices
