"""What the bridge tells of itself on its own topics: its figures, its log lines, what it had to drop."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.clock import Clock, iso_utc
from wallbox2mqtt.cloud.read_rate import ANOTHER_CLIENT
from wallbox2mqtt.config import Config
from wallbox2mqtt.log import RepeatedFault, TopicHandler
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.topics import Topics

_LOG = logging.getLogger(__name__)


class Reports:
    """Publishes the bridge's own topics. On the main thread."""

    def __init__(
        self,
        config: Config,
        bridge: Bridge,
        topics: Topics,
        mqtt: MqttConnection,
        dropped_messages: Callable[[], int],
        clock: Clock,
    ) -> None:
        """Tell nothing yet; ``dropped_messages`` returns how many were dropped since its last call."""
        self._config, self._topics, self._mqtt, self._clock = config, topics, mqtt, clock
        self._bridge, self._shared = bridge, bridge.shared
        self._dropped_messages = dropped_messages
        self._flood = RepeatedFault(_LOG, "dropped messages, too many at once", "all messages are taken again", clock)
        lost = "dropped results of commands, too many wait for the broker"
        self._lost = RepeatedFault(_LOG, lost, "all results reach the broker again", clock)
        self._log_topic = TopicHandler(lambda: mqtt.online) if config.log.mqtt else None

    def start(self) -> None:
        """Keep the log's lines from now on, where they are wanted on a topic."""
        if self._log_topic is not None:
            logging.getLogger().addHandler(self._log_topic)

    def close(self) -> None:
        """Publish the last lines of the log."""
        self._log()
        if self._log_topic is not None:
            logging.getLogger().removeHandler(self._log_topic)

    def look(self) -> None:
        """Publish what may change each second."""
        self.info()
        self._bridge.status.show("reads_last_hour", str(self._shared.reads.last_hour()))
        self._bridge.status.show("writes_last_hour", str(self._shared.writes.last_hour()))
        self._tell_dropped(self._flood, self._dropped_messages())
        self._tell_dropped(self._lost, self._mqtt.dropped_results())
        self._log()

    def info(self) -> None:
        """Publish what the bridge is and how it reads."""
        chargers: list[Json] = list(self._shared.registry.chargers)
        rate, status_reads, pace = self._shared.rate, self._bridge.status_reads, _plain(self._shared.reads.per_minute)
        self._bridge.status.info(
            chargers=chargers,
            reads_per_minute="auto" if rate.is_auto else pace,
            pace=pace,
            next_try=_time(rate.next_try),
            last_refusal=_time(rate.last_refusal),
            writes_per_minute=_plain(self._shared.writes.per_minute),
            status_writes=status_reads.per_minute,
            status_writes_again=_time(status_reads.again_at),
            interval_s=_plain(round(self._bridge.backoff.interval_s, 3)),
            protocol=self._config.mqtt.protocol,
            problems=list[Json](self._shared.registry.problems + ([ANOTHER_CLIENT] if rate.is_shared else [])),
        )

    def health(self) -> None:
        """Publish the figures of this process."""
        backoff, writes = self._bridge.backoff, self._bridge.write_backoff
        self._bridge.status.health(
            reads=self._shared.reads.total,
            writes=self._shared.writes.total,
            sign_ins=self._shared.tokens.sign_ins,
            refused=backoff.refused_total + writes.refused_total,
            backoff_s=round(max(backoff.wait_s(), writes.wait_s())),
            commands_waiting=len(self._shared.queue),
            reconnects=max(0, self._mqtt.connects - 1),
            stalls=self._mqtt.stalls,
            unpublished=self._mqtt.unpublished,
            rss_mib=round((resident_bytes() or 0) / 2**20, 1),
        )

    def _log(self) -> None:
        # it keeps some lines itself: a broker that is too slow for the rest need not be told more
        if self._log_topic is not None and self._mqtt.keeps_up:
            topic = self._topics.bridge("log")
            self._log_topic.drain(lambda line: self._mqtt.publish(topic, line, retain=False), self._clock.wall())

    @staticmethod
    def _tell_dropped(trouble: RepeatedFault, count: int) -> None:
        if count:
            trouble.occurs("messages", f"count={count}")
        else:
            trouble.ended()


def _time(wall: float | None) -> str | None:
    return None if wall is None else iso_utc(wall)


def _plain(number: float) -> int | float:
    return int(number) if float(number).is_integer() else number


def resident_bytes() -> int | None:
    """Return the resident memory of this process; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") if sys.platform != "win32" else None
