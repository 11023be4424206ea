"""The program: puts the parts together, drives the times, watches over the threads, and stops in order.

Main runs the schedule and handles what the others report; the reader and the writer talk to the cloud, paho's
thread to the broker. Between them are queues, the state, the budgets and the TokenManager, each with its lock.
"""

import contextlib
import logging
import queue
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wallbox2mqtt import __version__
from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.bridge.reader import Listener
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.config import Config
from wallbox2mqtt.daemon.broker_events import BrokerEvents
from wallbox2mqtt.daemon.health import Health
from wallbox2mqtt.daemon.phase import Phase
from wallbox2mqtt.daemon.reload import Reloader
from wallbox2mqtt.daemon.reports import Reports
from wallbox2mqtt.daemon.scheduler import Scheduler
from wallbox2mqtt.daemon.sign_in_report import SignInReport
from wallbox2mqtt.errors import EXIT_CONFIG, EXIT_FAILED, EXIT_OK, AuthError
from wallbox2mqtt.history import Prices, Recorder
from wallbox2mqtt.homeassistant.announcer import Announcer
from wallbox2mqtt.homeassistant.ranges import Ranges
from wallbox2mqtt.mqtt import Event, Message, MqttConnection, OwnState
from wallbox2mqtt.mqtt.inbox import Inbox
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import OFFLINE, Topics
from wallbox2mqtt.watchdog import Watchdog, Worker
from wallbox2mqtt.web import THREAD as STATUS_PORT

if TYPE_CHECKING:
    from wallbox2mqtt.daemon.status_page import StatusPage

_LOG = logging.getLogger(__name__)

HEALTH_S = 60.0
_END_S, _LAST_WORDS_S, _LEAST_LAST_WORDS_S = 3.0, 2.0, 0.5
"""The end takes 5 s at most; what came in a flood has to leave time for the last words."""
_NEARLY_OVER_S = 5.0
_LAST_STEP_S, _LAST_ANSWERS_S = 0.1, 1.0


@dataclass(frozen=True, slots=True)
class _DetailRead:
    """A charger's detail was read."""

    charger_id: int


@dataclass(frozen=True, slots=True)
class _ChargersListed:
    """The chargers were listed; these are gone for good."""

    gone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Exit:
    """The program is to end."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Reload:
    """The configuration is to be read again."""

    load: Callable[[], Config]


class App:
    """The bridge, from its configuration to its exit code."""

    def __init__(self, config: Config, state_dir: Path, clock: Clock, runtime_dir: Path | None = None) -> None:
        """Put the parts together; nothing is sent yet.

        Args:
            config: the configuration.
            state_dir: for what outlives the process.
            clock: of all times.
            runtime_dir: for what does not outlive a boot; None: it goes to ``state_dir``, too.

        Raises:
            ConfigError: a certificate file cannot be used.

        """
        self._config, self._clock = config, clock
        self._events: Inbox[Event | _DetailRead | _ChargersListed | _Exit | _Reload] = Inbox()
        self._exit: _Exit | None = None
        self._end_begun: float | None = None
        self._scheduler = Scheduler(clock)
        self._topics = Topics(config.mqtt.base_topic, config.home_assistant.prefix)
        self._mqtt = self._new_mqtt()
        self._storage = store = Storage(state_dir, config.wallbox.account, runtime_dir)
        self._refusal: str | None = None
        ranges = Ranges(self._mqtt)
        account = Account(config.wallbox, clock, store)
        parts = Bridge(
            config, account, self._topics, clock=clock, store=store, publisher=ranges, listener=self._new_listener()
        )
        self._states, self._status, self._shared = parts.states, parts.status, parts.shared
        self._backoff, self._reader, self._writer = parts.backoff, parts.reader, parts.writer
        self._command_handler, self._reasons = parts.command_handler, parts.reasons
        self._schedules = parts.schedules
        self._sign_in_report = SignInReport(config.wallbox.email, self._shared)
        self._phase = Phase(config.wallbox.account)
        self._interval_s = self._backoff.interval_s
        self._tick_s = self._phase.stretched(self._interval_s)
        self._announcer = self._new_announcer(ranges, parts.allowed)
        self._prices = Prices(config.tariff, clock)
        self._recorder = self._new_recorder()
        self._workers = [
            Worker("reader", self._reader, self._reader.wait, clock),
            Worker("writer", self._writer, self._shared.queue.wait, clock),
        ]
        self._health = self._new_health(store if runtime_dir is None else Storage(runtime_dir, config.wallbox.account))
        self._watchdog = Watchdog(lambda reason: self.stop(EXIT_FAILED, reason), self._say_offline)
        self._broker_events = self._new_broker_events()
        self._reloader = Reloader(config, account, parts, self._mqtt)
        self._reports = Reports(config, parts, self._topics, self._mqtt, self._events.dropped, clock)
        self._status_page = self._new_status_page(parts)

    def _new_status_page(self, bridge: Bridge) -> "StatusPage | None":
        if (address := self._config.web.address) is None:
            return None
        # not imported where nobody wants it: it would take memory
        from wallbox2mqtt.daemon.status_page import Parts, StatusPage  # noqa: PLC0415

        parts = Parts(
            config=self._config,
            bridge=bridge,
            mqtt=self._mqtt,
            health=self._health,
            storage=self._storage,
            clock=self._clock,
        )
        return StatusPage(parts, address)

    def _new_announcer(self, ranges: Ranges, allowed: frozenset[str]) -> Announcer:
        return Announcer(
            self._config.home_assistant,
            topics=self._topics,
            mqtt=self._mqtt,
            states=self._states,
            registry=self._shared.registry,
            store=self._storage,
            clock=self._clock,
            allowed=allowed,
            ranges=ranges,
        )

    def _new_recorder(self) -> Recorder:
        def publish(charger_id: int, text: str) -> None:
            # kept while the broker is away, as results are
            self._mqtt.publish_result(self._topics.field(charger_id, "event/session"), text)

        shared = self._shared
        return Recorder(
            self._states,
            shared.registry,
            shared.history,
            self._storage,
            clock=self._clock,
            publish=publish,
            prices=self._prices,
        )

    def _new_health(self, beats: Storage) -> Health:
        return Health(
            shared=self._shared,
            reader=self._reader,
            backoff=self._backoff,
            status=self._status,
            mqtt=self._mqtt,
            storage=self._storage,
            beats=beats,
        )

    def _new_broker_events(self) -> BrokerEvents:
        home_assistant = self._config.home_assistant
        return BrokerEvents(
            topics=self._topics,
            birth=(home_assistant.births, home_assistant.birth_payload),
            client_id=self._config.mqtt.client_id,
            mqtt=self._mqtt,
            announcer=self._announcer,
            bridge=self._status,
            states=self._states,
            command_handler=self._command_handler,
            prices=self._prices,
            clock=self._clock,
        )

    def _new_mqtt(self) -> MqttConnection:
        price = [] if self._config.tariff.topic is None else [self._config.tariff.topic]
        return MqttConnection(
            self._config.mqtt,
            state=OwnState(self._topics.state),
            filters=[*self._topics.command_filters(), self._config.home_assistant.births, *price],
            accept_retained=self._config.commands.accept_retained,
            on_event=self._events.put,
            clock=self._clock,
        )

    def _new_listener(self) -> Listener:
        return Listener(
            listed=lambda _, gone: self._events.put(_ChargersListed(tuple(gone))),
            detailed=lambda charger: self._events.put(_DetailRead(charger)),
            credentials_rejected=self._end_for_good,
        )

    def _end_for_good(self, error: AuthError) -> None:
        """End so that nobody starts the program again; where the refusal is forgotten, when its wait is nearly over.

        Docker starts it again all the same, and the next start would sign in at once.
        """
        if self._storage.keeps:
            self.stop(EXIT_CONFIG, str(error))
        elif self._refusal is None:
            _LOG.error("ending in_s=%.0f reason=%r", self._shared.tokens.refused_wait_s(), str(error))
            self._refusal = str(error)

    def thread_died(self, name: str) -> None:
        """End the program soon: it needs all its threads, but for that of the status port, which is started anew."""
        if name != STATUS_PORT:
            self.stop(EXIT_FAILED, f"the thread {name} died")

    def stop(self, code: int = EXIT_OK, reason: str = "asked to stop") -> None:
        """End the program soon; may be called from any thread and from a signal handler."""
        intent = _Exit(code, reason)
        # at once, not behind the thousands of messages that may wait; the event only wakes main up
        self._exit = self._exit or intent
        self._events.put(intent)

    def reload(self, load: Callable[[], Config]) -> None:
        """Read the configuration again soon; may be called from a signal handler."""
        self._events.put(_Reload(load))

    def run(self) -> int:
        """Run until stopped; return the exit code."""
        self._reports.start()
        self._reports.info(self._interval_s)
        if only := self._config.wallbox.chargers:
            self._forget(self._states.left_out(only), "the configuration leaves the charger out")
        self._set_schedule()
        self._mqtt.start()
        for worker in self._workers:
            worker.start()
            self._watchdog.watch(worker.name, worker.pulse, worker.is_alive)
        self._watchdog.watch("of the broker's connection", self._mqtt.pulse, self._mqtt.is_alive)
        self._watchdog.start()
        self._health.begin({worker.name: worker.pulse for worker in self._workers} | {"broker": self._mqtt.pulse})
        if self._status_page is not None:
            self._status_page.start()
        if (cap := self._shared.rate.cap) is not None:
            _LOG.info("poll_interval caps the reads a minute that auto tries reads_per_minute=%d", cap)
        _LOG.info("started broker=%s interval_s=%g version=%s", self._config.mqtt.where, self._interval_s, __version__)
        try:
            while self._exit is None:
                self._watchdog.main.beat()
                self._check_times()
                self._scheduler.run()
                wait = min(self._broker_events.go_on(), self._scheduler.idle_s)
                with contextlib.suppress(queue.Empty):
                    self._handle(self._events.get(timeout=wait))
            return self._exit.code
        finally:
            self._end()

    def _set_schedule(self) -> None:
        real_s = self._clock.real_s
        jobs = {self._tick: real_s(self._tick_s), self._reports.health: real_s(HEALTH_S), self._look_around: 1.0}
        self._scheduler.set(jobs)

    def _tick(self) -> None:
        self._reader.tick()
        self._phase.record_tick()

    def _look_around(self) -> None:
        """Each second: commands that wait for a first reading, and who watches over the threads."""
        self._command_handler.look_again()
        self._reloader.look()
        self._recorder.look()
        self._schedules.look()
        self._reasons.look()
        self._announcer.look()
        self._reports.info(self._interval_s)
        self._reports.look()
        self._health.look()
        if self._status_page is not None:
            self._status_page.look()
        if self._refusal is not None and self._shared.tokens.refused_wait_s() <= _NEARLY_OVER_S:
            self.stop(EXIT_CONFIG, self._refusal)
        if not self._watchdog.is_alive():
            self.stop(EXIT_FAILED, "the thread that watches over the others is dead")

    def _check_times(self) -> None:
        """Start the schedule anew after a jump of the wall clock, and when the pace changes."""
        jumped = self._scheduler.has_jumped()
        interval_s = self._backoff.interval_s
        tick_s = self._phase.stretched(interval_s)
        if jumped:
            _LOG.warning("the wall clock jumped, the timetable begins anew")
        if jumped or tick_s != self._tick_s:
            self._interval_s, self._tick_s = interval_s, tick_s
            self._set_schedule()
            self._reports.info(self._interval_s)

    def _handle(self, event: Event | _DetailRead | _ChargersListed | _Exit | _Reload) -> None:
        match event:
            case _DetailRead():
                self._sign_in_report.tell()
                self._announcer.detail_read(event.charger_id)
                self._command_handler.look_again([event.charger_id])
            case _ChargersListed():
                self._sign_in_report.tell()
                self._reports.info(self._interval_s)
                self._announcer.look()
                self._forget(event.gone, "the charger is gone from the account")
                self._command_handler.look_again()
            case _Reload():
                if self._reloader.reload(event.load):
                    self._reports.info(self._interval_s)
            case _Exit():
                pass  # it was taken note of when it was said
            case _:
                self._broker_events.handle(event)

    def _forget(self, chargers: Iterable[int], why: str) -> None:
        for charger_id in chargers:
            _LOG.warning("%s, its topics are removed charger=%d", why, charger_id)
            for topic in self._states.forget(charger_id):
                self._mqtt.show(topic, "")

    def _end(self) -> None:
        """Answer who waits, say ``offline``, and leave. Threads under way are daemons: they are abandoned."""
        self._watchdog.watch_shutdown()
        self._end_begun = time.monotonic()
        reason = self._exit.reason if self._exit is not None else "a fault of its own"
        asked = self._exit is not None and self._exit.code == EXIT_OK
        _LOG.log(logging.INFO if asked else logging.ERROR, "stopping reason=%r", reason)
        self._health.end(reason)
        if self._status_page is not None:
            self._status_page.stop()
        try:
            self._answer_all()
            self._say_offline()
            for budget in (self._shared.reads, self._shared.writes):
                budget.close()
        finally:
            self._watchdog.stop()

    def _answer_all(self) -> None:
        self._stop_workers()
        self._take_what_has_arrived()
        waiting, in_flight = self._shared.queue.drain()
        for command in waiting:
            self._shared.results.failed(command, "stopping")
        for command in in_flight:
            self._shared.results.failed(command, "stopping: it was under way, its effect is unknown")
        self._reports.close()

    def _stop_workers(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._reader.poke()
        self._shared.queue.poke()
        for worker in self._workers:
            # who is not at the cloud ends at once, and has answered what it took; who is, is abandoned
            worker.join(_LAST_STEP_S)

    def _take_what_has_arrived(self) -> None:
        """Take the commands that wait for main, as many as there is time for."""
        self._mqtt.release()
        self._events.close()
        ends = time.monotonic() + _LAST_ANSWERS_S
        with contextlib.suppress(queue.Empty):
            while time.monotonic() < ends:
                if isinstance(event := self._events.get(), Message):
                    self._broker_events.handle(event)
        if left := len(self._events):
            _LOG.warning("no time to answer what came in a flood messages=%d", left)

    def _say_offline(self) -> None:
        timeout_s = _LAST_WORDS_S
        if self._end_begun is not None:
            left_s = self._end_begun + _END_S - time.monotonic()
            timeout_s = min(_LAST_WORDS_S, max(_LEAST_LAST_WORDS_S, left_s))
        self._mqtt.stop(last=(self._topics.state, OFFLINE), timeout_s=timeout_s)
