"""The commands, and what each needs. Modules are imported where they are used: ``--version`` must be quick."""

import argparse
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from wallbox2mqtt import __version__
from wallbox2mqtt.cli import help as help_texts
from wallbox2mqtt.errors import EXIT_CONFIG, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, ConfigError, Wallbox2MqttError

_ENDS = (signal.SIGTERM, signal.SIGINT)


def _number(text: str, kind: type[float], least: float, most: float) -> float:
    try:
        number = kind(text)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        msg = f"{text!r} is no number from {least:g} to {most:g}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _port(text: str) -> int:
    return int(_number(text, int, 1, 65535))


def _count(text: str) -> int:
    return int(_number(text, int, 1, 1000))


def _speed(text: str) -> float:
    return _number(text, float, 0.01, 1e6)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="else $WALLBOX2MQTT_CONFIG, ./config.yaml, /etc/wallbox2mqtt/config.yaml, or the environment alone",
    )


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="to write (%(default)s)"
    )
    parser.add_argument("--email", help="of the Wallbox account")
    parser.add_argument("--mqtt-host", metavar="HOST", help="name or address of the broker")
    parser.add_argument("--mqtt-port", type=_port, metavar="PORT", help="of the broker")
    parser.add_argument("--mqtt-username", metavar="NAME", help="at the broker")
    parser.add_argument(
        "--stdin", action="store_true", help="read the passwords from standard input: the account's, then the broker's"
    )
    parser.add_argument(
        "--password-files", action="store_true", help="write passwords to files of their own beside the configuration"
    )
    parser.add_argument("--no-try", action="store_true", help="write without trying")
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=11883, help="of the broker (%(default)s)")
    parser.add_argument("--chargers", type=_count, default=2, help="how many (%(default)s)")
    parser.add_argument("--speed", type=_speed, default=20.0, help="how fast its cars charge (%(default)g)")
    parser.add_argument("--for", type=_speed, default=None, dest="seconds", metavar="SECONDS", help="end by itself")
    parser.add_argument("--plain", action="store_true", help="a line for each change, in a terminal too")


def _add_simulator(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=18080, help="of both hosts (%(default)s)")
    parser.add_argument("--chargers", type=_count, default=1, help="how many (%(default)s)")
    parser.add_argument("--model", action="append", metavar="MODEL", help="old, pulsar-plus, pulsar-plus-2026, quasar")
    parser.add_argument("--speed", type=_speed, default=1.0, help="how fast its cars charge (%(default)g)")


def _add_sessions(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    parser.add_argument("--from", dest="first", metavar="DATE", help="first day, like 2026-10-01")
    parser.add_argument("--to", dest="last", metavar="DATE", help="last day")
    parser.add_argument("--month", metavar="MONTH", help="like 2026-10; else the present one")
    parser.add_argument("--charger", type=int, action="append", metavar="ID", help="else all")
    parser.add_argument("--format", choices=("table", "csv", "json", "html"), default="table", help="(%(default)s)")
    parser.add_argument("--evcc", action="store_true", help="CSV with the columns of evcc's own")


class _Parser(argparse.ArgumentParser):
    """One whose errors end with 1: of its own 2 the list of exit codes knows nothing."""

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

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=help_texts.EPILOGS.get(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    bridge = add("run", _run, "run the bridge")
    _add_config(bridge)
    bridge.add_argument(
        "--home-assistant-app", action="store_true", help="as an app of Home Assistant, with its options from /data"
    )
    health = add("health", _health, "tell whether the bridge that runs here is healthy, and if not why")
    _add_config(health)
    health.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="of the bridge; else $WALLBOX2MQTT_STATE_DIR, $STATE_DIRECTORY, or as configured, which takes longer",
    )
    health.add_argument("--live", action="store_true", help="whether the process lives, whatever cloud and broker do")
    health.add_argument("--json", action="store_true", help="for programs")
    check = add("check", _check, "try the configuration, the account and the broker, and say what to do")
    _add_config(check)
    check.add_argument("--json", action="store_true", help="for programs")
    _add_init(add("init", _init, "ask for the account and the broker, try them, and write the configuration"))
    _add_demo(
        add("demo", _demo, "simulated cloud, broker and bridge on this machine, with a view of what is published")
    )
    _add_simulator(add("simulator", _simulator, "simulate the Wallbox cloud by itself, for this or any other client"))
    dump = add("dump", _dump, "anonymised copy of the cloud's documents, for a bug report; takes minutes")
    _add_config(dump)
    dump.add_argument("--output", type=Path, metavar="FILE", help="else standard output")
    forget = add("forget", _forget, "clear what the broker keeps of chargers, or of the whole bridge")
    _add_config(forget)
    forget.add_argument("chargers", nargs="*", metavar="CHARGER", help="id of a charger")
    forget.add_argument("--all", action="store_true", help="everything that the bridge has published")
    forget.add_argument("--yes", action="store_true", help="clear without asking")
    _add_sessions(add("sessions", _sessions, "list charging sessions, for the books or a company car"))
    add("topics", _topics, "print the tables of topics and commands")
    add("schema", _schema, "print the JSON schema of the configuration, for editors")
    return parser, commands.choices


def _run(args: argparse.Namespace) -> int:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is read in a moment is the newest already
    from wallbox2mqtt.cli import run  # noqa: PLC0415

    return run.run(args.config, home_assistant_app=args.home_assistant_app)


def _health(args: argparse.Namespace) -> int:
    from wallbox2mqtt.cli import health  # noqa: PLC0415

    return health.run(args.config, args.state_dir, live=args.live, as_json=args.json)


def _check(args: argparse.Namespace) -> int:
    from wallbox2mqtt.cli import check  # noqa: PLC0415

    return check.run(args.config, as_json=args.json)


def _init(args: argparse.Namespace) -> int:
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


def _demo(args: argparse.Namespace) -> int:
    from wallbox2mqtt.cli import demo  # noqa: PLC0415

    return demo.run(port=args.port, chargers=args.chargers, speed=args.speed, seconds=args.seconds, plain=args.plain)


def _simulator(args: argparse.Namespace) -> int:
    from wallbox2mqtt.simulator import EMAIL, MODELS, PASSWORD, Simulator, serve_forever  # noqa: PLC0415

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def ready(cloud: Simulator) -> None:
        print(f"The cloud is simulated at {cloud.url} (both hosts), account {EMAIL} / {PASSWORD}")
        print(f"chargers {' '.join(str(number) for number in cloud.chargers)}; move them at {cloud.url}/_control/")
        print("Ctrl-C ends it.", flush=True)

    models = args.model or tuple(MODELS)
    if unknown := set(models) - set(MODELS):
        msg = f"--model: unknown {' '.join(sorted(unknown))}; known: {' '.join(MODELS)}"
        raise ConfigError(msg)
    try:
        serve_forever(port=args.port, chargers=args.chargers, models=models, speed=args.speed, ready=ready, stop=stop)
    except OSError as error:
        print(
            f"wallbox2mqtt: port {args.port} cannot be used ({error.strerror}); choose another with --port",
            file=sys.stderr,
        )
        return EXIT_FAILED
    return 0


def _dump(args: argparse.Namespace) -> int:
    from wallbox2mqtt.cli import dump  # noqa: PLC0415
    from wallbox2mqtt.clock import SystemClock  # noqa: PLC0415
    from wallbox2mqtt.config import find, load, state_dir  # noqa: PLC0415
    from wallbox2mqtt.log import HIDDEN, setup  # noqa: PLC0415

    config = load(find(args.config, os.environ), os.environ)
    setup("warning", os.environ)
    HIDDEN.keep(config.wallbox.email, config.wallbox.password.reveal())
    return dump.run(config, state_dir(config, os.environ), SystemClock(), args.output)


def _sessions(args: argparse.Namespace) -> int:
    from wallbox2mqtt.cli import sessions  # noqa: PLC0415
    from wallbox2mqtt.clock import SystemClock  # noqa: PLC0415
    from wallbox2mqtt.config import find, load, state_dir  # noqa: PLC0415
    from wallbox2mqtt.log import HIDDEN, setup  # noqa: PLC0415

    config = load(find(args.config, os.environ), os.environ)
    setup("warning", os.environ)
    HIDDEN.keep(config.wallbox.email, config.wallbox.password.reveal())
    return sessions.run(config, state_dir(config, os.environ), SystemClock(), args)


def _forget(args: argparse.Namespace) -> int:
    from wallbox2mqtt.cli import forget  # noqa: PLC0415
    from wallbox2mqtt.config import find, load  # noqa: PLC0415
    from wallbox2mqtt.log import setup  # noqa: PLC0415

    setup("error", os.environ)
    config = load(find(args.config, os.environ), os.environ)
    choice = forget.Choice(tuple(args.chargers), everything=args.all, unasked=args.yes)
    return forget.run(config, choice)


def _topics(_args: argparse.Namespace) -> int:
    from wallbox2mqtt.cli.tables import command_table, topic_table  # noqa: PLC0415

    print(topic_table(), command_table(), sep="\n\n")
    return 0


def _schema(_args: argparse.Namespace) -> int:
    from wallbox2mqtt.config import schema  # noqa: PLC0415

    print(json.dumps(schema(), indent=2))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    _open_streams()
    try:
        return _guarded(argv)
    finally:
        _flush_streams()


def _open_streams() -> None:
    """Write to nowhere where whoever started this has closed standard output or error."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for as long as the process


def _flush_streams() -> None:
    """Write out what is left, and end with 1 where that cannot be: a full disk must not look like success."""
    problem = ""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            # Python would try once more, and end with 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            problem = "" if isinstance(error, BrokenPipeError) or stream is sys.stderr else _words(error)
    if problem:
        print(problem, file=sys.stderr)
        raise SystemExit(EXIT_FAILED)


def _words(error: OSError) -> str:
    what = f"{error.filename}: " if error.filename else "the output cannot be written: "
    return f"wallbox2mqtt: {what}{error.strerror}"


def _guarded(argv: Sequence[str] | None) -> int:
    args = parsers()[0].parse_args(argv)
    run: Callable[[argparse.Namespace], int] = args.run
    if args.command == "run":
        # until the program has handlers of its own there is nothing to put in order
        for number in _ENDS:
            signal.signal(number, lambda *_: sys.exit(EXIT_OK))
    # a container's image blocks them from its first moment on
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    try:
        return run(args)
    except ConfigError as error:
        print(f"wallbox2mqtt: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except Wallbox2MqttError as error:
        print(f"wallbox2mqtt: {error}", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:
        return EXIT_OK
    except OSError as error:
        print(_words(error), file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        _say_ended("ended by Ctrl-C")
        return EXIT_INTERRUPTED
    except EOFError:
        _say_ended("a question was not answered")
        return EXIT_FAILED


def _say_ended(why: str) -> None:
    # at a terminal the cursor stands behind a question
    print("\n" if sys.stderr.isatty() else "", f"wallbox2mqtt: {why}", sep="", file=sys.stderr)
