"""``check``: tries each part of the set-up, and says whether it works, or what to do."""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from wallbox2mqtt.cli.check_broker import BrokerCheck
from wallbox2mqtt.cli.check_cloud import AccountCheck
from wallbox2mqtt.cli.report import Finding, has_fault, json_object, say, show, show_json
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import Config, find, load, state_dir
from wallbox2mqtt.config.warnings import precautions
from wallbox2mqtt.daemon import heartbeat
from wallbox2mqtt.daemon.heartbeat import Beat
from wallbox2mqtt.errors import EXIT_CONFIG, EXIT_FAULT, EXIT_OK, ConfigError
from wallbox2mqtt.storage import DISK, Storage, trouble
from wallbox2mqtt.topics import ONLINE, Topics

_CONFIGURATION, _STATE, _BRIDGE, _CHARGERS = "configuration", "state", "bridge", "chargers"


def run(args: argparse.Namespace) -> int:
    """Try everything and print it; return the exit code."""
    findings: list[Finding] = []
    for finding in _all(args.config):
        findings.append(finding)
        if not args.json:
            show(finding)
            sys.stdout.flush()
    if args.json:
        show_json(findings)
    if has_fault(one for one in findings if one.what == _CONFIGURATION):
        return EXIT_CONFIG
    return EXIT_FAULT if has_fault(findings) else EXIT_OK


def _all(config_file: Path | None) -> Iterator[Finding]:
    clock = SystemClock()
    try:
        file = find(config_file, os.environ)
        config = load(file, os.environ)
        directory = state_dir(config, os.environ)
        broker = BrokerCheck(config)
    except ConfigError as error:
        for line in str(error).splitlines():
            yield Finding(_CONFIGURATION, "fault", line, "config.example.yaml shows every key")
        return
    yield Finding(_CONFIGURATION, "ok", "from the environment alone" if file is None else str(file))
    for warning in precautions(config, file, directory, os.environ):
        yield Finding(_CONFIGURATION, "warning", warning)
    yield _state(directory)
    beat = _running(config, directory)
    if beat is not None:
        wrong = heartbeat.faults(beat, time.monotonic())
        yield Finding(_BRIDGE, "warning" if wrong else "ok", "; ".join(wrong) or f"runs: {heartbeat.words(beat)}")
    yield from broker.try_out()
    account = AccountCheck(config.wallbox, directory, clock, say)
    if beat is None:
        yield from account.try_out()
    else:
        yield from _told_by_the_bridge(config, beat, account, broker.shown)


def _state(directory: Path) -> Finding:
    if (why := why_not_kept(directory)) is not None:
        text = f"{directory} cannot be written: tokens and budget would be forgotten at each restart"
        return Finding(_STATE, "warning", text, why)
    return Finding(_STATE, "ok", str(directory))


def why_not_kept(directory: Path) -> str | None:
    """Try whether files can be kept in a directory; returns why not. Nothing is left behind."""
    there = directory
    while not os.path.lexists(there):
        there = there.parent
    probe = there / f".wallbox2mqtt-{secrets.token_hex(8)}.tmp"
    try:
        handle = DISK.create(probe)
        try:
            DISK.write(handle, b"\0" * 4096)
        finally:
            os.close(handle)
            probe.unlink()
    except OSError as error:
        return trouble(error, directory)
    return None


def _running(config: Config, directory: Path) -> Beat | None:
    """Return the heartbeat of the bridge that runs for this account, if one does."""
    beat = heartbeat.read(Storage(directory, config.wallbox.account).path(heartbeat.FILE))
    if beat is None:
        return None
    return beat if -1.0 <= time.monotonic() - beat.at <= heartbeat.SILENT_S else None


def _told_by_the_bridge(
    config: Config, beat: Beat, account: AccountCheck, shown: Mapping[str, str]
) -> Iterator[Finding]:
    """Say what the running bridge knows: the budget is its, and the cloud need not be asked for it again."""
    if beat.reason == "auth_failed":
        yield Finding("sign-in", "fault", "the running bridge is refused", "check wallbox.email and wallbox.password")
    elif not beat.has_read:
        yield Finding("sign-in", "warning", f"the running bridge has read nothing yet, cloud: {beat.reason}", "wait")
    else:
        yield Finding("sign-in", "ok", f"the running bridge is signed in ({account.kept()}), cloud: {beat.reason}")
    topics = Topics(config.mqtt.base_topic)
    info = json_object(shown.get(topics.bridge("info"), ""))
    numbers = info.get("chargers")
    chargers = [one for one in numbers if isinstance(one, int)] if isinstance(numbers, list) else []
    chargers = chargers or account.known_chargers()
    if not chargers:
        yield Finding(_CHARGERS, "warning", "the running bridge shows none as yet", "look again in a few minutes")
    for charger in chargers:

        def value(key: str, charger: int = charger) -> str:
            return shown.get(topics.field(charger, key), "unknown")

        online = value("availability")
        if topics.field(charger, "availability") not in shown:
            text = f"{charger}, as listed before; the running bridge has not read it yet, which it does within minutes"
            yield Finding(_CHARGERS, "ok", text)
            continue
        model, firmware = value("basic/chargerType"), value("software/currentVersion")
        text = f"{charger} {value('name')!r} {model}, firmware {firmware}, {online} (as the running bridge shows it)"
        yield Finding(_CHARGERS, "ok" if online == ONLINE else "warning", text)
