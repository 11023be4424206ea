"""A bridge that works only while no other one of its account does: it listens, takes over, and steps down again.

While it stands by it has one connection to the broker, which listens to two topics: no will, nothing published, no
commands. The active part is the ordinary ``App``, made anew for each time that it takes over.
"""

import contextlib
import logging
import queue
from collections.abc import Callable
from pathlib import Path

from wallbox2mqtt.bridge.handover import Claim
from wallbox2mqtt.clock import Clock, boot_time
from wallbox2mqtt.config import Config, PasswordFile
from wallbox2mqtt.config.password_file import with_passwords
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.daemon.candidate import Candidate
from wallbox2mqtt.daemon.health import Health
from wallbox2mqtt.daemon.leadership import STEPPED_DOWN, Inheritance, Succession, Timing, new_instance
from wallbox2mqtt.daemon.probes import probes
from wallbox2mqtt.daemon.reload import AT_ONCE, changed_keys, loaded, tell
from wallbox2mqtt.errors import EXIT_FAILED, EXIT_OK
from wallbox2mqtt.log import HIDDEN, RepeatedFault
from wallbox2mqtt.mqtt import Connected, Disconnected, Event, Message, MqttConnection, Subscribed
from wallbox2mqtt.mqtt.inbox import Inbox
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics
from wallbox2mqtt.watchdog import Watchdog
from wallbox2mqtt.web import THREAD as STATUS_PORT

_LOG = logging.getLogger(__name__)

_LOOK_S = 0.2
_LEAVE_S = 1.0


class Standby:
    """Stands by and works in turn, from the configuration to the exit code."""

    def __init__(
        self,
        config: Config,
        state_dir: Path,
        clock: Clock,
        runtime_dir: Path | None = None,
        timing: Timing | None = None,
    ) -> None:
        """Stand by for an account; the arguments are those of the ``App``, and how long to wait for what."""
        self._config, self._clock, self._timing = config, clock, timing or Timing()
        self._directories = state_dir, runtime_dir
        self._begin_account(Storage(state_dir, config.wallbox.account))
        self._instance = new_instance()
        self._candidate = Candidate(self._timing)
        self._broker_file = PasswordFile(config.mqtt.password_file, config.mqtt.password)
        self._inbox: Inbox[Event | None] = Inbox()
        """None only wakes main."""
        self._app: App | None = None
        self._exit: tuple[int, str] | None = None
        self._load: Callable[[], Config] | None = None
        absent = "not connected to the broker, trying again"
        self._absent = RepeatedFault(_LOG, absent, "connected again", clock)

    @staticmethod
    def _begin_account(storage: Storage) -> None:
        """Keep that nothing was asked yet where that is so: of a known account what is missing counts as spent."""
        if storage.is_new:
            for name in ("reads", "writes"):
                storage.write(name, {"ends": [], "running": 0})

    def stop(self, code: int = EXIT_OK, reason: str = "asked to stop") -> None:
        """End the program soon; may be called from any thread and from a signal handler."""
        self._exit = self._exit or (code, reason)
        if (app := self._app) is not None:
            app.stop(code, reason)
        self._inbox.put(None)

    def reload(self, load: Callable[[], Config]) -> None:
        """Read the configuration again soon; may be called from a signal handler."""
        self._load = load
        if (app := self._app) is not None:
            app.reload(load)
        self._inbox.put(None)

    def thread_died(self, name: str) -> None:
        """End the program soon, but for the status port's thread."""
        if name != STATUS_PORT:
            self.stop(EXIT_FAILED, f"the thread {name} died")

    def run(self) -> int:
        """Run until stopped; return the exit code."""
        while (succession := self._stand_by()) is not None:
            if (code := self._work(succession)) != STEPPED_DOWN:
                return code
        return EXIT_OK if self._exit is None else self._exit[0]

    def _work(self, succession: Succession) -> int:
        app = self._app = App(self._config, self._directories[0], self._clock, self._directories[1], succession)
        try:
            if self._exit is not None:
                app.stop(*self._exit)
            return app.run()
        finally:
            self._app = None

    def _stand_by(self) -> Succession | None:
        """Listen until this one may take over; None: the program is to end."""
        topics = Topics(self._config.mqtt.base_topic)
        self._inbox = Inbox()
        mqtt = MqttConnection(
            self._config.mqtt, filters=[topics.state, topics.handover], on_event=self._inbox.put, clock=self._clock
        )
        (state_dir, runtime_dir), account = self._directories, self._config.wallbox.account
        health = Health(mqtt, Storage(state_dir, account), Storage(runtime_dir or state_dir, account))
        port = None if (address := self._config.web.address) is None else probes(address, health, mqtt, self._clock)
        watchdog = Watchdog(lambda reason: self.stop(EXIT_FAILED, reason), lambda: None)
        watchdog.watch("of the broker's connection", mqtt.pulse, mqtt.is_alive)
        self._candidate.disconnected()
        mqtt.start()
        watchdog.start()
        health.begin({"broker": mqtt.pulse})
        if port is not None:
            port.start()
        _LOG.info("standing by broker=%s instance=%s", self._config.mqtt.where, self._instance)
        try:
            while self._exit is None:
                watchdog.main.beat()
                with contextlib.suppress(queue.Empty):
                    self._handle(self._inbox.get(timeout=_LOOK_S), topics)
                health.look()
                self._renew(mqtt)
                if not len(self._inbox) and self._candidate.is_due(boot_time()):
                    return self._succession()
            health.end(self._exit[1])
            return None
        finally:
            if port is not None:
                port.stop()
            mqtt.stop(timeout_s=_LEAVE_S)
            watchdog.stop()

    def _handle(self, event: Event | None, topics: Topics) -> None:
        match event:
            case Connected(denied=denied) | Subscribed(denied=denied):
                self._connected(bool(denied))
            case Disconnected():
                self._candidate.disconnected()
                help_ = "; another client uses the same mqtt.client_id: each needs its own" if event.twin else ""
                self._absent.occurs(event.reason, f"reason={event.reason!r}{help_}")
            case Message(topic=topics.state):
                self._candidate.heard_state(event.payload, boot_time())
            case Message(topic=topics.handover):
                self._candidate.heard_handover(event.payload, boot_time())

    def _connected(self, is_denied: bool) -> None:  # noqa: FBT001 - of one caller
        if is_denied:
            self._candidate.disconnected()
            denied = "the broker refuses bridge/state or bridge/handover: without them nobody can stand by"
            self._absent.occurs("denied", f"reason={denied!r}", logging.ERROR)
        else:
            self._absent.ended()
            self._candidate.connected(boot_time())

    def _succession(self) -> Succession:
        candidate, heard_at = self._candidate, self._candidate.handover_at
        claim = Claim(is_owner=False, term=candidate.next_term, instance=self._instance)
        inheritance = Inheritance(candidate.handover, lambda: self._clock_s(boot_time() - heard_at))
        candidate.highest_term = claim.term
        return Succession(claim, inheritance, self._timing)

    def _clock_s(self, real_s: float) -> float:
        """Return how much time passes by the clock meanwhile."""
        return real_s / self._clock.real_s(1.0)

    def _renew(self, mqtt: MqttConnection) -> None:
        """Use the configuration that was read again, where it may change without a restart, and a new password."""
        if (password := self._broker_file.changed()) is not None:
            HIDDEN.keep(password.reveal())
            mqtt.set_credentials(self._config.mqtt.username, password)
            self._config = with_passwords(self._config, self._config.wallbox.password, password)
        load, self._load = self._load, None
        if load is None or (new := loaded(load)) is None:
            return
        changed = changed_keys(self._config, new)
        tell(changed)
        if set(changed) <= AT_ONCE:
            self._config = new
            self._broker_file.follow(new.mqtt.password_file, new.mqtt.password)
            mqtt.set_credentials(new.mqtt.username, new.mqtt.password)
            logging.getLogger().setLevel(new.log.level.upper())
