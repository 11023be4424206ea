"""The entry: runs a command, and says in a line what went wrong."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from wallbox2mqtt.cli.parsers import parsers
from wallbox2mqtt.errors import EXIT_CONFIG, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, ConfigError, Wallbox2MqttError

_ENDS = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    _open_streams()
    try:
        return _guarded(argv)
    finally:
        _flush_streams()


def _open_streams() -> None:
    """Write to nowhere if the parent has closed standard output or error."""
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
    if args.command == "run":
        # until the program has handlers of its own there is nothing to put in order
        for number in _ENDS:
            signal.signal(number, lambda *_: sys.exit(EXIT_OK))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is read in a moment is the newest already
    # a container's image blocks them from its first moment on
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    try:
        return _run(args)
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


def _run(args: argparse.Namespace) -> int:
    """Run the module that has the command's name. It is imported only now: ``--version`` must be quick."""
    code: int = import_module(f"wallbox2mqtt.cli.{args.command}").run(args)
    return code


def _say_ended(why: str) -> None:
    # at a terminal the cursor stands behind a question
    print("\n" if sys.stderr.isatty() else "", f"wallbox2mqtt: {why}", sep="", file=sys.stderr)
