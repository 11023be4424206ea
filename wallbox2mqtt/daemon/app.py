"""The program: drives the times, handles what the parts report, watches over the threads, and ends.

Main runs the schedule and handles what the others report; the reader and the writer talk to the cloud, paho's
thread to the broker. Between them are queues, the state, the budgets and the TokenManager, each with its lock.
"""

import contextlib
import logging
import queue
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from wallbox2mqtt import __version__
from wallbox2mqtt.bridge.readings import Listener
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import Config
from wallbox2mqtt.daemon.ending import Ending
from wallbox2mqtt.daemon.leadership import STEPPED_DOWN, Leadership, Succession
from wallbox2mqtt.daemon.scheduler import ReadPhase, Scheduler
from wallbox2mqtt.daemon.sign_in_report import SignInReport
from wallbox2mqtt.daemon.wiring import Wiring
from wallbox2mqtt.errors import EXIT_CONFIG, EXIT_FAILED, EXIT_OK, AuthError
from wallbox2mqtt.mqtt import Acknowledged, Connected, Event
from wallbox2mqtt.mqtt.inbox import Inbox
from wallbox2mqtt.watchdog import Watchdog
from wallbox2mqtt.web import THREAD as STATUS_PORT

_LOG = logging.getLogger(__name__)

HEALTH_S = 60.0
_NEARLY_OVER_S = 5.0


class App:
    """The bridge, from its configuration to its exit code."""

    def __init__(
        self,
        config: Config,
        state_dir: Path,
        clock: Clock,
        runtime_dir: Path | None = None,
        succession: Succession | None = None,
    ) -> None:
        """Put the parts together; nothing is sent yet.

        ``runtime_dir``: for what does not outlive a boot; None: it goes to ``state_dir``, too. ``succession``: what it
        takes over, and as who; None: it is the one that never stands by.

        Raises:
            ConfigError: a certificate file cannot be used.

        """
        self._config, self._clock = config, clock
        self._inbox: Inbox[Event | Callable[[], None]] = Inbox()
        self._exit: tuple[int, str] | None = None
        self._refusal: str | None = None
        self._scheduler = Scheduler(clock)
        self.parts = parts = Wiring(
            config,
            clock,
            state_dir=state_dir,
            runtime_dir=runtime_dir,
            listener=self._new_listener(),
            inbox=self._inbox,
            leadership=Leadership(succession or Succession(), self._step_down, self._inbox.put),
        )
        self._mqtt, self._bridge, self._shared = parts.mqtt, parts.bridge, parts.bridge.shared
        self._sign_in_report = SignInReport(config.wallbox.email, self._shared)
        self._phase = ReadPhase(config.wallbox.account)
        self._tick_s = self._phase.stretched(self._bridge.backoff.interval_s)
        self._ending = Ending(parts, self._inbox)
        self._watchdog = Watchdog(lambda reason: self.stop(EXIT_FAILED, reason), self._ending.say_offline)

    def _new_listener(self) -> Listener:
        return Listener(
            listed=lambda gone: self._inbox.put(partial(self._listed, gone)),
            detailed=lambda charger_id: self._inbox.put(partial(self._detailed, charger_id)),
            credentials_rejected=self._end_for_good,
        )

    def _end_for_good(self, error: AuthError) -> None:
        """End so that nobody starts the program again; where the refusal is forgotten, when its wait is nearly over.

        Docker starts it again all the same, and the next start would sign in at once.
        """
        if self.parts.storage.keeps:
            self.stop(EXIT_CONFIG, str(error))
        elif self._refusal is None:
            _LOG.error("ending in_s=%.0f reason=%r", self._shared.tokens.refused_wait_s(), str(error))
            self._refusal = str(error)

    def _step_down(self, by: str) -> None:
        # after what had arrived before that was heard
        self._inbox.put(partial(self.stop, STEPPED_DOWN, f"stepping down, the bridge {by} is active"))

    def thread_died(self, name: str) -> None:
        """End the program soon: it needs all its threads, but for that of the status port, which is started anew."""
        if name != STATUS_PORT:
            self.stop(EXIT_FAILED, f"the thread {name} died")

    def stop(self, code: int = EXIT_OK, reason: str = "asked to stop") -> None:
        """End the program soon; may be called from any thread and from a signal handler."""
        # at once, not behind the thousands of messages that may wait; what is put only wakes main up
        self._exit = self._exit or (code, reason)
        self._inbox.put(lambda: None)

    def reload(self, load: Callable[[], Config]) -> None:
        """Read the configuration again soon; may be called from a signal handler."""
        self._inbox.put(partial(self.parts.reloader.reload, load))

    def run(self) -> int:
        """Run until stopped; return the exit code."""
        self.parts.reports.start()
        self.parts.reports.info()
        if only := self._config.wallbox.chargers:
            self._forget(self._bridge.states.left_out(only), "the configuration leaves the charger out")
        self._set_schedule()
        if (wait_s := self._shared.reads.ready_in_s()) > 0:
            _LOG.info("the first read waits: the last minute's budget is spent wait_s=%.0f", wait_s)
        self._mqtt.start()
        for worker in self.parts.workers:
            worker.start()
            self._watchdog.watch(worker.name, worker.pulse, worker.is_alive)
        self._watchdog.watch("of the broker's connection", self._mqtt.pulse, self._mqtt.is_alive)
        self._watchdog.start()
        self.parts.health.begin(
            {worker.name: worker.pulse for worker in self.parts.workers} | {"broker": self._mqtt.pulse}
        )
        if self.parts.status_page is not None:
            self.parts.status_page.start()
        if (cap := self._shared.rate.cap) is not None:
            _LOG.info("poll_interval caps the reads a minute that auto tries reads_per_minute=%d", cap)
        interval_s = self._bridge.backoff.interval_s
        _LOG.info("started broker=%s interval_s=%g version=%s", self._config.mqtt.where, interval_s, __version__)
        try:
            while self._exit is None:
                self._watchdog.main.beat()
                self._check_times()
                self._scheduler.run()
                wait = min(self.parts.broker_events.go_on(), self._scheduler.idle_s)
                with contextlib.suppress(queue.Empty):
                    self._handle(self._inbox.get(timeout=wait))
            return self._exit[0]
        finally:
            self._end()

    def _set_schedule(self) -> None:
        real_s = self._clock.real_s
        jobs = {self._tick: real_s(self._tick_s), self.parts.reports.health: real_s(HEALTH_S), self._look_around: 1.0}
        self._scheduler.set(jobs)

    def _tick(self) -> None:
        self._bridge.reader.tick()
        self._phase.record_tick()

    def _look_around(self) -> None:
        """Each second: commands that wait for a first reading, and who watches over the threads."""
        self._bridge.command_handler.look_again()
        self.parts.reloader.look()
        self.parts.recorder.look()
        self._bridge.schedules.look()
        self._bridge.reasons.look()
        self.parts.announcer.look()
        self.parts.leadership.look()
        self.parts.reports.look()
        self.parts.health.look()
        if self.parts.status_page is not None:
            self.parts.status_page.look()
        if self._refusal is not None and self._shared.tokens.refused_wait_s() <= _NEARLY_OVER_S:
            self.stop(EXIT_CONFIG, self._refusal)
        if not self._watchdog.is_alive():
            self.stop(EXIT_FAILED, "the thread that watches over the others is dead")

    def _check_times(self) -> None:
        """Start the schedule anew after a jump of the wall clock, and when the pace changes."""
        jumped = self._scheduler.has_jumped()
        tick_s = self._phase.stretched(self._bridge.backoff.interval_s)
        if jumped:
            _LOG.warning("the wall clock jumped, the timetable begins anew")
        if jumped or tick_s != self._tick_s:
            self._tick_s = tick_s
            self._set_schedule()

    def _handle(self, event: Event | Callable[[], None]) -> None:
        match event:
            case Acknowledged():
                self.parts.recorder.acknowledged(event.topic, event.payload)
            case _ if callable(event):
                event()
            case _:
                if isinstance(event, Connected):
                    self.parts.leadership.connected()
                self.parts.broker_events.handle(event)

    def _detailed(self, charger_id: int) -> None:
        self._sign_in_report.tell()
        self.parts.announcer.detail_read(charger_id)
        self._bridge.command_handler.look_again([charger_id])

    def _listed(self, gone: Iterable[int]) -> None:
        self._sign_in_report.tell()
        self.parts.announcer.look()
        self._forget(gone, "the charger is gone from the account")
        self._bridge.command_handler.look_again(self._shared.registry.chargers)

    def _forget(self, chargers: Iterable[int], why: str) -> None:
        for charger_id in chargers:
            _LOG.warning("%s, its topics are removed charger=%d", why, charger_id)
            for topic in self._bridge.states.forget(charger_id):
                self._mqtt.show(topic, "")

    def _end(self) -> None:
        self._watchdog.watch_shutdown()
        code, reason = self._exit or (EXIT_FAILED, "a fault of its own")
        asked = code in {EXIT_OK, STEPPED_DOWN}
        _LOG.log(logging.INFO if asked else logging.ERROR, "stopping reason=%r", reason)
        try:
            self._ending.run(reason)
        finally:
            self._watchdog.stop()
