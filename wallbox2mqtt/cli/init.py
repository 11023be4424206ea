"""``init``: asks for the account and the broker, tries them, and writes the configuration."""

import getpass
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wallbox2mqtt.cli.check_broker import BrokerCheck
from wallbox2mqtt.cli.check_cloud import AccountCheck
from wallbox2mqtt.cli.files import write_private
from wallbox2mqtt.cli.report import has_fault, show
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import Config, load, state_dir
from wallbox2mqtt.config.keys import KEYS
from wallbox2mqtt.errors import EXIT_CONFIG, EXIT_FAULT, EXIT_OK, ConfigError

MAX_TRIES = 3
_ACCOUNT = ("wallbox.email", "wallbox.password")
_BROKER = ("mqtt.host", "mqtt.port", "mqtt.username", "mqtt.password")
_KEYS = _ACCOUNT + _BROKER
_SECRET = {"wallbox.password": "wallbox-password", "mqtt.password": "mqtt-password"}
_QUESTIONS = {
    "wallbox.email": ("E-mail address of the Wallbox account", ""),
    "wallbox.password": ("Password of the account", ""),
    "mqtt.host": ("Name or address of the MQTT broker", "localhost"),
    "mqtt.port": ("Its port", "1883"),
    "mqtt.username": ("User name at the broker, empty for none", ""),
    "mqtt.password": ("Password at the broker", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line. ``given``: values by key. ``password_files``: passwords go into files of their own."""

    file: Path
    given: Mapping[str, str] = field(default_factory=dict)
    force: bool = False
    stdin: bool = False
    no_try: bool = False
    password_files: bool = False


def run(options: Options) -> int:
    """Ask, try and write; return the exit code.

    Raises:
        ConfigError: something is missing or not accepted, or a file is there already.

    """
    _check_place(options)
    asks = sys.stdin.isatty() and not options.stdin
    values = _checked(_given(options, os.environ))
    missing = [key for key in _KEYS if KEYS[key].required and key not in values]
    if missing and not asks:
        names = " and ".join(f"{key} ({KEYS[key].variable})" for key in missing)
        message = f"{names}: found nothing, and there is no terminal to ask at"
        raise ConfigError(message)
    # what else the environment says is refused before anybody has typed a password
    _load(options, dict.fromkeys([*missing, "mqtt.username"], "anything") | values)
    for _ in range(MAX_TRIES if asks else 1):
        if asks:
            _ask(values)
        code, wrong = _tried(options, values)
        if code == EXIT_OK:
            _write(options, values)
            return EXIT_OK
        if not asks:
            break
        if _yes("Write it all the same?"):
            _write(options, values)
            return EXIT_OK
        for key in wrong:
            values.pop(key, None)
    print("nothing was written")
    return code


def _check_place(options: Options) -> None:
    """Refuse, before anything is asked, a file that could not be written at the end."""
    directory = options.file.parent
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        message = f"{directory}: no directory that can be written; choose another place with --config"
        raise ConfigError(message)
    files = [options.file]
    if options.password_files:
        files += [options.file.parent / name for name in _SECRET.values()]
    there = [str(file) for file in files if file.exists() and file.stat().st_size]
    if there and not options.force:
        message = f"{', '.join(there)}: there already; --force overwrites"
        raise ConfigError(message)


def _given(options: Options, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Return what need not be asked for, with its source: command line, environment, files that it names, and stdin."""
    for key in _KEYS:
        variable = KEYS[key].variable
        if text := options.given.get(key):
            yield key, f"--{key.removeprefix('wallbox.').replace('.', '-')}", text
        elif text := environ.get(variable):
            yield key, variable, text
        elif file := environ.get(f"{variable}_FILE"):
            try:
                text = Path(file).expanduser().read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
            except (OSError, UnicodeDecodeError) as error:
                message = f"{variable}_FILE: {file}: {getattr(error, 'strerror', 'not UTF-8')}"
                raise ConfigError(message) from None
            yield key, f"{variable}_FILE", text
    if options.stdin:
        for key in _SECRET:
            if line := sys.stdin.readline().rstrip("\r\n"):
                yield key, "standard input", line


def _checked(given: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    values, problems = dict[str, str](), []
    for key, source, text in given:
        values[key] = text
        if problem := _problem(key, text):
            problems.append(f"{source}: {problem}")
    if problems:
        raise ConfigError("\n".join(problems))
    return values


def _problem(key: str, text: str) -> str:
    """Say what is wrong with a value, and what is accepted; empty where nothing is."""
    if not text:
        return f"found nothing; accepted is {KEYS[key].accepts}"
    try:
        KEYS[key].convert(_value(key, text))
    except ValueError as error:
        return str(error)
    return ""


def _value(key: str, text: str) -> str | int:
    """Return a value as it will stand in the file."""
    return text if KEYS[key].is_text or not text.isdecimal() else int(text)


def _ask(values: dict[str, str]) -> None:
    """Ask for what is not known yet."""
    for key in _KEYS:
        if key in values or (key == "mqtt.password" and not values.get("mqtt.username")):
            continue
        # a password of the broker that is known already is nothing without a user name
        needed = KEYS[key].required or (key == "mqtt.username" and bool(values.get("mqtt.password")))
        values[key] = _answer(key, needed=needed)


def _answer(key: str, *, needed: bool) -> str:
    """Ask until the answer is one that will be accepted."""
    question, default = _QUESTIONS[key]
    while True:
        if key in _SECRET:
            text = getpass.getpass(f"{question}: ")
        else:
            text = input(f"{question}{f' [{default}]' if default else ''}: ").strip() or default
        problem = _problem(key, text) if text or needed else ""
        if not problem:
            return text
        print(problem)


def _yes(question: str) -> bool:
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def _tried(options: Options, values: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    """Try the configuration as it would be written; return the exit code, and the keys to ask for anew."""
    config, environ = _load(options, values)
    if options.no_try:
        return EXIT_OK, ()
    return _try_out(config, environ)


def _load(options: Options, values: Mapping[str, str]) -> tuple[Config, dict[str, str]]:
    """Load the configuration as it would be written, with the environment that is left beside it."""
    # what is written from these must not be there twice, and not win over what was answered
    variables = [KEYS[key].variable for key in _KEYS]
    consumed = {*variables, *(f"{variable}_FILE" for variable in variables)}
    environ = {name: text for name, text in os.environ.items() if name not in consumed}
    with tempfile.TemporaryDirectory(prefix="wallbox2mqtt-") as directory:
        file = Path(directory) / "config.yaml"
        write_private(file, _text(values, {}))
        try:
            return load(file, environ), environ
        except ConfigError as error:
            # this file is gone when somebody reads its name
            raise ConfigError(str(error).replace(str(file), str(options.file))) from None


def _try_out(config: Config, environ: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    clock = SystemClock()
    account = AccountCheck(config.wallbox, state_dir(config, environ), clock, lambda note: print(note, flush=True))
    broker = BrokerCheck(config, clock)
    findings = []
    for probe in (account, broker):
        for finding in probe.try_out():
            show(finding)
            findings.append(finding)
    if account.is_refused:
        return EXIT_CONFIG, _ACCOUNT
    if not has_fault(findings):
        return EXIT_OK, ()
    return EXIT_FAULT, () if broker.is_connected else _BROKER


def _text(values: Mapping[str, str], files: Mapping[str, Path]) -> str:
    """Return the configuration. JSON's strings are YAML's, whatever characters they hold."""
    lines = ["# Written by wallbox2mqtt init. config.example.yaml shows every key."]
    for section in ("wallbox", "mqtt"):
        lines.append(f"{section}:")
        for key in _KEYS:
            if not key.startswith(f"{section}.") or not values.get(key):
                continue
            name, value = key.removeprefix(f"{section}."), _value(key, values[key])
            if key in files:
                name, value = f"{name}_file", str(files[key])
            lines.append(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _write(options: Options, values: Mapping[str, str]) -> None:
    directory = options.file.parent
    files: dict[str, Path] = {}
    try:
        if options.password_files:
            for key, name in _SECRET.items():
                write_private(directory / name, values.get(key, ""))
                if values.get(key):
                    files[key] = (directory / name).absolute()
        write_private(options.file, _text(values, files))
    except OSError as error:
        message = f"{error.filename or options.file}: {error.strerror}; accepted is a place that can be written"
        raise ConfigError(message) from None
    print(f"written: {options.file} (mode 600)")
