"""The bridge of one account without its two ends, put together in one place for the daemon and for the tests."""

from typing import Protocol

from wallbox2mqtt.bridge.command_handler import CommandHandler
from wallbox2mqtt.bridge.command_queue import CommandQueue, QueuedCommand
from wallbox2mqtt.bridge.command_reports import CommandReports
from wallbox2mqtt.bridge.command_times import CommandTimes
from wallbox2mqtt.bridge.debounce import Debounce
from wallbox2mqtt.bridge.history_reads import HistoryReads
from wallbox2mqtt.bridge.planner import Planner
from wallbox2mqtt.bridge.quarantine import Quarantine
from wallbox2mqtt.bridge.reader import Reader
from wallbox2mqtt.bridge.readings import Listener
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.results import Result, Results
from wallbox2mqtt.bridge.schedule_reads import ScheduleReads
from wallbox2mqtt.bridge.schedules import Schedules
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.bridge.status import BridgeStatus
from wallbox2mqtt.bridge.status_reads import StatusReads
from wallbox2mqtt.bridge.why import Reasons
from wallbox2mqtt.bridge.writer import Writer
from wallbox2mqtt.catalogue.commands import ALLOW_FACTORY_RESET
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.cloud.backoff import Backoff
from wallbox2mqtt.config import CommandsConfig, Config, WallboxConfig
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics


class Publisher(Protocol):
    """Where values and results go: the broker's connection, or a test's list."""

    def show(self, topic: str, payload: str) -> None:
        """Publish state, retained."""

    def publish_result(self, topic: str, payload: str, correlation: bytes | None = None) -> None:
        """Publish the result of a command."""

    def publish_event(self, topic: str, payload: str) -> None:
        """Publish what happened, not retained."""


class Bridge:
    """All parts between the cloud and the broker; those that the threads share have locks of their own."""

    def __init__(  # noqa: PLR0913 - each is one end of the bridge
        self,
        config: Config,
        account: Account,
        topics: Topics,
        *,
        clock: Clock,
        store: Storage,
        publisher: Publisher,
        listener: Listener,
    ) -> None:
        """Put the parts together; nothing is sent yet."""
        wallbox, commands = config.wallbox, config.commands
        self.allowed = frozenset({ALLOW_FACTORY_RESET} if commands.allow_factory_reset else ())
        self.states = ChargerStates(topics, publisher.show, commands.settle_s, store)
        self.status = BridgeStatus(topics, publisher.show, clock)
        self.reports = CommandReports(topics, self.states, publisher.publish_event, clock)
        registry = Registry(wallbox.chargers, clock, store)
        self.reasons = Reasons(self.states, registry, self.status, clock, store)
        self.command_times = CommandTimes()
        results = Results(topics, publisher.publish_result, self._report, clock)
        self.shared = self._new_shared(commands, account, registry, results, clock)
        self.schedules = Schedules(self.states, registry, self.shared.schedule_reads, clock)
        self.backoff = Backoff(wallbox.poll_interval, account.reads.interval_s, clock, store)
        client = account.client()
        self.status_reads = StatusReads(wallbox.status_writes_per_minute, self.shared, client, store)
        self.reader = Reader(self.shared, client, self.backoff, self.status, listener, self.status_reads)
        self.write_backoff = Backoff(0.0, account.writes.interval_s, clock, store, "write_pace")
        unlocks = commands.unlock_before_resume
        self.writer = Writer(self.shared, account.client(), self.write_backoff, unlock_before_resume=unlocks)
        self.command_handler = CommandHandler(self.shared, topics, self.reader, commands, self.allowed)

    def _new_shared(
        self, commands: CommandsConfig, account: Account, registry: Registry, results: Results, clock: Clock
    ) -> Shared:
        quarantine = Quarantine(registry, clock)
        debounce = Debounce(account.writes.limit, account.writes.window_s)
        return Shared(
            clock=clock,
            tokens=account.tokens,
            reads=account.reads,
            writes=account.writes,
            rate=account.rate,
            requests=account.requests,
            states=self.states,
            registry=registry,
            quarantine=quarantine,
            planner=Planner(registry, quarantine, clock, self.states.is_charging, commands.settle_s),
            queue=CommandQueue(clock, debounce),
            history_reads=HistoryReads(),
            schedule_reads=ScheduleReads(clock, commands.settle_s),
            results=results,
        )

    def set_budgets(self, config: WallboxConfig) -> None:
        """Keep to these budgets from now on; the requests of the last minute count."""
        reads, writes = self.shared.reads, self.shared.writes
        self.shared.rate.configure(config.reads_per_minute)
        writes.set_per_minute(config.writes_per_minute)
        self.backoff.set_budget_interval(reads.interval_s)
        self.write_backoff.set_budget_interval(writes.interval_s)
        self.status_reads.set_per_minute(config.status_writes_per_minute)
        self.shared.queue.set_budget(writes.limit, writes.window_s)
        self.reader.wakeup.set()

    def _report(self, command: QueuedCommand, result: Result) -> None:
        self.reports.tell(command, result)
        self.reasons.record(command, result)
        self.command_times.record(command, result)
