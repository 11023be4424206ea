"""``forget``: clears what the broker keeps of chargers, or of the whole bridge, after a list of it."""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence

from wallbox2mqtt.cli.guest import Guest
from wallbox2mqtt.cli.report import agrees
from wallbox2mqtt.config import Config, find, load
from wallbox2mqtt.errors import EXIT_FAULT, EXIT_OK, UsageError
from wallbox2mqtt.log import setup
from wallbox2mqtt.mqtt import Connected, Event, Message
from wallbox2mqtt.topics import ONLINE, Topics

CONNECT_S = 10.0
_QUIET_S = 1.0
"""What a broker keeps comes at once; after so long a silence it was all."""
_LONGEST_S = 60.0
_SHOWN = 10


def run(args: argparse.Namespace) -> int:
    """List the topics of chargers, or of the whole bridge, ask, and clear them; return the exit code.

    Raises:
        UsageError: it is not said what to forget.
        ConfigError: the configuration is wrong.

    """
    setup("error", os.environ)
    config = load(find(args.config, os.environ), os.environ)
    if args.all == bool(args.chargers):
        msg = "forget: name chargers by their ids, or --all for everything that the bridge has published"
        raise UsageError(msg)
    kept: dict[str, bytes] = {}

    def take(event: Event) -> None:
        if isinstance(event, Message) and event.payload:
            kept[event.topic] = event.payload
        elif isinstance(event, Message):
            kept.pop(event.topic, None)

    guest = Guest(config.mqtt, "forget", [f"{config.mqtt.base_topic}/#"], take)
    try:
        event = guest.connect(CONNECT_S)
        if not isinstance(event, Connected):
            return _end(f"the broker does not answer within {CONNECT_S:.0f} s" if event is None else event.reason)
        guest.mqtt.listen([f"{config.home_assistant.prefix}/#"])
        guest.wait(lambda: False, _LONGEST_S, _QUIET_S)
        topics = _ours(config, args.chargers, kept)
        if not topics:
            print("the broker keeps nothing of it")
            return EXIT_OK
        _show(topics)
        if kept.get(Topics(config.mqtt.base_topic).state) == ONLINE.encode():
            return _end("the bridge runs and would publish it all again: end it first")
        if not args.yes and not _yes(f"Clear these {len(topics)} topics?"):
            return _end("nothing was cleared")
        for topic in topics:
            guest.mqtt.show(topic, "")
        is_cleared = guest.wait(lambda: kept.keys().isdisjoint(topics), _LONGEST_S, _QUIET_S)
        return EXIT_OK if is_cleared else _end("the broker did not take it all in time")
    finally:
        guest.mqtt.stop(timeout_s=2.0)


def _end(why: str) -> int:
    print(why)
    return EXIT_FAULT


def _yes(question: str) -> bool:
    if not sys.stdin.isatty():
        print("there is no terminal to ask at; --yes clears without asking")
        return False
    return agrees(question)


def _show(topics: list[str]) -> None:
    for topic in topics[:_SHOWN]:
        print(topic)
    if len(topics) > _SHOWN:
        print(f"… and {len(topics) - _SHOWN} more")


def _ours(config: Config, chargers: Sequence[str], kept: Mapping[str, bytes]) -> list[str]:
    """Return which of the kept topics are of these chargers, without any: of this bridge; in order."""
    base, prefix = config.mqtt.base_topic, config.home_assistant.prefix
    parts = tuple(f"{base}/{charger}/" for charger in chargers) or (f"{base}/",)
    nodes = "|".join(map(re.escape, chargers))
    node = re.compile(rf"_({nodes})/(.*/)?config$" if nodes else r"/wallbox2mqtt_.*/config")
    # an announcement names the topics of its device in full
    names = re.compile("|".join(f'"{re.escape(part)}' for part in parts).encode())

    def is_ours(topic: str, payload: bytes) -> bool:
        if topic.startswith(parts):
            return True
        is_device = topic.startswith(f"{prefix}/") and node.search(topic) is not None
        return is_device and names.search(payload) is not None

    return sorted(topic for topic, payload in kept.items() if is_ours(topic, payload))
