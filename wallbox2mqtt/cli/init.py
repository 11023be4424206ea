"""``init``: asks for the account and the broker, tries them, and writes the configuration."""

import argparse
import getpass
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wallbox2mqtt.cli.check_broker import BrokerCheck
from wallbox2mqtt.cli.check_cloud import AccountCheck
from wallbox2mqtt.cli.private_file import write_private
from wallbox2mqtt.cli.report import agrees, has_fault, show
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import Config, Given, Secret, load, state_dir
from wallbox2mqtt.config.keys import KEYS
from wallbox2mqtt.config.password_file import read_password
from wallbox2mqtt.errors import EXIT_CONFIG, EXIT_FAULT, EXIT_OK, ConfigError

MAX_TRIES = 5
_HEAD = "# Written by wallbox2mqtt init. config.example.yaml shows every key.\n"
_ACCOUNT = ("wallbox.email", "wallbox.password")
_BROKER = ("mqtt.host", "mqtt.port", "mqtt.username", "mqtt.password")
_KEYS = _ACCOUNT + _BROKER
_TLS = "mqtt.tls.enabled"
_SECRET = {"wallbox.password": "wallbox-password", "mqtt.password": "mqtt-password"}
_QUESTIONS = {
    "wallbox.email": ("E-mail address of the Wallbox account", ""),
    "wallbox.password": ("Password of the account", ""),
    "mqtt.host": ("Name or address of the MQTT broker", "localhost"),
    "mqtt.port": ("Its port", "1883"),
    "mqtt.username": ("User name at the broker, empty for none", ""),
    "mqtt.password": ("Password at the broker", ""),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of trying. ``wrong``: the keys to ask for anew. ``may_want_tls``: the broker answers as such a port."""

    code: int = EXIT_OK
    wrong: tuple[str, ...] = ()
    may_want_tls: bool = False


def run(args: argparse.Namespace) -> int:
    """Ask, try and write; return the exit code.

    Raises:
        ConfigError: something is missing or not accepted, or a file is there already.

    """
    _check_place(args)
    asks = sys.stdin.isatty() and not args.stdin
    values = _checked(_given(args))
    missing = [key for key in _KEYS if KEYS[key].required and key not in values]
    if missing and not asks:
        names = " and ".join(f"{key} ({KEYS[key].variable})" for key in missing)
        message = f"{names}: found nothing, and there is no terminal to ask at"
        raise ConfigError(message)
    # what else the environment says is refused before anybody has typed a password
    _load(args.config, dict.fromkeys([*missing, "mqtt.username"], "anything") | values)
    outcome = Outcome()
    for _ in range(MAX_TRIES if asks else 1):
        if asks:
            _ask(values)
        config = _load(args.config, values)
        # an account that was let in is not asked again: that would spend its budget, and a minute
        outcome = Outcome() if args.no_try else _try_out(config, with_account=outcome.wrong != _BROKER)
        next_ = "write" if outcome.code == EXIT_OK else _next_step(values, outcome) if asks else "quit"
        if next_ == "write":
            _write(args, config, values)
            return EXIT_OK
        if next_ == "quit":
            break
    print("nothing was written")
    return outcome.code


def _next_step(values: dict[str, str], outcome: Outcome) -> str:
    """Return what to do after something did not work: write, quit, or try again, with new answers or without."""
    wrong = outcome.wrong
    if outcome.may_want_tls and _TLS not in values and agrees("A port for TLS answers like that. Encrypt?"):
        values[_TLS] = "true"
        return "retry"
    if wrong != _ACCOUNT:
        next_ = _choice()
    elif agrees("Write it all the same?"):
        next_ = "write"
    else:
        next_ = "change"  # to try refused credentials again would lock the account
    if next_ == "change":
        for key in wrong or _KEYS:
            values.pop(key, None)
    return next_


def _choice() -> str:
    words = {"r": "retry", "c": "change", "w": "write", "q": "quit"}
    question = f"retry, change the answers, write it all the same, or quit? [{'/'.join(words)}] "
    while True:
        answer = input(question).strip().lower()[:1]
        if answer in words:
            return words[answer]


def _check_place(args: argparse.Namespace) -> None:
    """Refuse, before anything is asked, a file that could not be written at the end."""
    directory = args.config.parent
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        message = f"{directory}: no directory that can be written; choose another place with --config"
        raise ConfigError(message)
    files = [args.config]
    if args.password_files:
        files += [directory / name for name in _SECRET.values()]
    there = [str(file) for file in files if file.exists() and file.stat().st_size]
    if there and not args.force:
        message = f"{', '.join(there)}: there already; --force overwrites"
        raise ConfigError(message)


def _given(args: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    """Return what need not be asked for, with its source: command line, environment, files that it names, and stdin."""
    for key in _KEYS:
        flag, variable = key.removeprefix("wallbox.").replace(".", "-"), KEYS[key].variable
        if text := getattr(args, flag.replace("-", "_"), None):
            yield key, f"--{flag}", str(text)
        elif text := os.environ.get(variable):
            yield key, variable, text
        elif file := os.environ.get(f"{variable}_FILE"):
            try:
                yield key, f"{variable}_FILE", read_password(Path(file).expanduser()).reveal()
            except ValueError as error:
                message = f"{variable}_FILE: {file}: {error}"
                raise ConfigError(message) from None
    if args.stdin:
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
    if key == "wallbox.email" and "@" not in text.strip("@"):
        return f"found text ({text!r}); accepted is {KEYS[key].accepts}"
    try:
        KEYS[key].convert(text)
    except ValueError as error:
        return str(error)
    return ""


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


def _load(file: Path, values: Mapping[str, str]) -> Config:
    """Return the configuration as it would be written to a file, with the environment that is left beside it."""
    # what is written must not be there twice, and the environment must not win over what was answered
    variables = [KEYS[key].variable for key in _KEYS]
    consumed = {*variables, *(f"{variable}_FILE" for variable in variables)}
    environ = {name: text for name, text in os.environ.items() if name not in consumed}
    return load(None, environ, {key: Given(f"{file}: {key}", text) for key, text in values.items() if text})


def _try_out(config: Config, *, with_account: bool) -> Outcome:
    clock = SystemClock()
    directory = state_dir(config, os.environ)
    account = AccountCheck(config.wallbox, directory, clock, lambda note: print(note, flush=True), tries_password=True)
    broker = BrokerCheck(config)
    findings = []
    for probe in (account, broker) if with_account else (broker,):
        for finding in probe.try_out():
            show(finding)
            findings.append(finding)
    if account.is_refused:
        return Outcome(EXIT_CONFIG, _ACCOUNT)
    if not has_fault(findings):
        return Outcome()
    advice = " ".join(f"{finding.text} {finding.next}" for finding in findings)
    may_want_tls = not config.mqtt.tls.enabled and "mqtt.tls.enabled" in advice
    return Outcome(EXIT_FAULT, () if broker.is_connected else _BROKER, may_want_tls)


def _text(config: Config, answered: Iterable[str], files: Mapping[str, Path]) -> str:
    """Return the configuration: what was answered, and what else the environment says, because it was tried, too.

    ``files``: those that hold a password instead.
    """
    others = {path for path, key in KEYS.items() if os.environ.get(key.variable) and path not in _KEYS}
    named = {f"{key}_file": file for key, file in files.items()}
    written = ({*answered, *others} - {*files, *(f"{key}_file" for key in _SECRET)}) | named.keys()
    lines, above = [_HEAD], list[str]()
    for path, key in KEYS.items():
        if path not in written:
            continue
        *sections, name = path.split(".")
        for depth, section in enumerate(sections):
            if above[: depth + 1] != sections[: depth + 1]:
                lines.append(f"{'  ' * depth}{section}:\n")
        above = sections
        lines.append(f"{'  ' * len(sections)}{name}: {_as_yaml(named.get(path, key.value_in(config)))}\n")
    return "".join(lines)


def _as_yaml(value: object) -> str:
    """Return what JSON makes of a value: YAML too, but for some characters that it knows only as escapes."""

    def as_text(value: Secret | Path) -> str:
        return value.reveal() if isinstance(value, Secret) else str(value)

    text = json.dumps(value, ensure_ascii=False, default=as_text)
    return re.sub("[\x7f-\x9f\ufffe\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _write(args: argparse.Namespace, config: Config, values: Mapping[str, str]) -> None:
    directory = args.config.parent
    files: dict[str, Path] = {}
    try:
        if args.password_files:
            for key, name in _SECRET.items():
                write_private(directory / name, values.get(key, ""))
                if values.get(key):
                    files[key] = (directory / name).absolute()
        write_private(args.config, _text(config, [key for key, text in values.items() if text], files))
    except OSError as error:
        message = f"{error.filename or args.config}: {error.strerror}; accepted is a place that can be written"
        raise ConfigError(message) from None
    print(f"written: {args.config} (mode 600)")
