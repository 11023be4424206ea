"""``forget``: clears what the broker keeps of chargers, or of the whole bridge, after a list of it."""

import argparse
import os
import queue
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from wallbox2mqtt.cli.report import agrees
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import Config, find, load
from wallbox2mqtt.errors import EXIT_FAULT, EXIT_OK, UsageError
from wallbox2mqtt.log import setup
from wallbox2mqtt.mqtt import Connected, Disconnected, Event, Message, MqttConnection
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
    broker = _Broker(config)
    try:
        if (problem := broker.connect()) is not None:
            return _end(problem)
        kept = broker.kept()
        topics = _ours(config, args.chargers, kept)
        if not topics:
            print("the broker keeps nothing of it")
            return EXIT_OK
        _show(topics)
        if kept.get(Topics(config.mqtt.base_topic).state) == ONLINE.encode():
            return _end("the bridge runs and would publish it all again: end it first")
        if not args.yes and not _yes(f"Clear these {len(topics)} topics?"):
            return _end("nothing was cleared")
        return EXIT_OK if broker.clear(topics) else _end("the broker did not take it all in time")
    finally:
        broker.stop()


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


class _Broker:
    """The broker, as a guest who only looks, and clears."""

    def __init__(self, config: Config) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._prefix = config.home_assistant.prefix
        self._kept: dict[str, bytes] = {}
        self._mqtt = MqttConnection(
            config.mqtt.for_guest("forget"),
            filters=[f"{config.mqtt.base_topic}/#"],
            on_event=self._events.put,
            clock=SystemClock(),
        )

    def connect(self) -> str | None:
        """Connect; return why that did not succeed."""
        self._mqtt.start()
        ends = time.monotonic() + CONNECT_S
        while (event := self._next(ends - time.monotonic())) is not None:
            if isinstance(event, Connected):
                return None
            if isinstance(event, Disconnected):
                return event.reason
        return f"the broker does not answer within {CONNECT_S:.0f} s"

    def kept(self) -> dict[str, bytes]:
        """Return what the broker keeps below our topics and those of discovery, by topic."""
        self._mqtt.listen([f"{self._prefix}/#"])
        self._wait(lambda: False)
        return dict(self._kept)

    def clear(self, topics: Iterable[str]) -> bool:
        """Clear these topics; return whether the broker has told that they are cleared."""
        cleared = set(topics)
        for topic in sorted(cleared):
            self._mqtt.show(topic, "")
        return self._wait(lambda: not cleared & self._kept.keys())

    def _wait(self, holds: Callable[[], bool]) -> bool:
        """Wait until something holds, or nothing comes any more; return whether it holds."""
        ends = time.monotonic() + _LONGEST_S
        while not holds() and time.monotonic() < ends:
            if self._next(_QUIET_S) is None:
                break
        return holds()

    def _next(self, limit_s: float) -> Event | None:
        try:
            event = self._events.get(timeout=max(limit_s, 0.001))
        except queue.Empty:
            return None
        if isinstance(event, Message) and event.payload:
            self._kept[event.topic] = event.payload
        elif isinstance(event, Message):
            self._kept.pop(event.topic, None)
        return event

    def stop(self) -> None:
        """Leave."""
        self._mqtt.stop(timeout_s=2.0)
