"""The daemon's parts, put together: the bridge's, both its ends, and what looks after them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.bridge.readings import Listener
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.config import Config
from wallbox2mqtt.daemon.broker_events import BrokerEvents
from wallbox2mqtt.daemon.health import ActiveHealth
from wallbox2mqtt.daemon.leadership import Leadership
from wallbox2mqtt.daemon.reload import Reloader
from wallbox2mqtt.daemon.reports import Reports
from wallbox2mqtt.history import Prices, Recorder
from wallbox2mqtt.homeassistant.announcer import Announcer
from wallbox2mqtt.homeassistant.ranges import Ranges
from wallbox2mqtt.mqtt import MqttConnection, OwnState, Prelude
from wallbox2mqtt.mqtt.inbox import Inbox
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import SESSION_EVENT, Topics
from wallbox2mqtt.watchdog import Worker

if TYPE_CHECKING:
    from wallbox2mqtt.daemon.status_page import StatusPage


class Wiring:
    """Every part but main's own, each made once, in the order in which they need one another."""

    def __init__(  # noqa: PLR0913 - the ends of all wires
        self,
        config: Config,
        clock: Clock,
        *,
        state_dir: Path,
        runtime_dir: Path | None,
        listener: Listener,
        inbox: Inbox[Any],
        leadership: Leadership,
    ) -> None:
        """Put the parts together; nothing is sent yet.

        ``runtime_dir``: for what does not outlive a boot; None: it goes to ``state_dir``, too. ``listener``: is told
        what the reader finds. ``inbox``: takes what the broker's connection tells.

        Raises:
            ConfigError: a certificate file cannot be used.

        """
        self.config, self.clock, self.leadership = config, clock, leadership
        self.topics = Topics(config.mqtt.base_topic, config.home_assistant.prefix)
        self.mqtt = self._new_mqtt(inbox)
        self.storage = store = Storage(state_dir, config.wallbox.account, runtime_dir)
        ranges = Ranges(self.mqtt)
        account = Account(config.wallbox, clock, store)
        self.bridge = Bridge(
            config, account, self.topics, clock=clock, store=store, publisher=ranges, listener=listener
        )
        account.set_gate(leadership.held_s, leadership.admit)
        leadership.attach(self.mqtt, self.bridge, self.topics.handover)
        self.announcer = self._new_announcer(ranges)
        self.prices = Prices(config.tariff, clock)
        self.recorder = self._new_recorder()
        reader, writer = self.bridge.reader, self.bridge.writer
        self.workers = [
            Worker("reader", reader.step, reader.wakeup, clock),
            Worker("writer", writer.step, self.bridge.shared.queue.wakeup, clock),
        ]
        beats = store if runtime_dir is None else Storage(runtime_dir, config.wallbox.account)
        self.health = ActiveHealth(self.bridge, self.mqtt, store, beats)
        self.broker_events = BrokerEvents(
            config, self.topics, self.bridge, mqtt=self.mqtt, announcer=self.announcer, prices=self.prices, clock=clock
        )
        self.reloader = Reloader(config, account, self.bridge, self.mqtt)
        self.reports = Reports(config, self.bridge, self.topics, self.mqtt, inbox.dropped, clock)
        self.status_page = self._new_status_page()

    def _new_mqtt(self, inbox: Inbox[Any]) -> MqttConnection:
        price = [] if self.config.tariff.topic is None else [self.config.tariff.topic]
        return MqttConnection(
            self.config.mqtt,
            state=OwnState(self.topics.state),
            filters=[*self.topics.command_filters(), self.config.home_assistant.births, *price],
            accept_retained=self.config.commands.accept_retained,
            receipts=f"/{SESSION_EVENT}",
            on_event=inbox.put,
            clock=self.clock,
            prelude=Prelude(self.topics.handover, self.leadership) if self.leadership.may_end else None,
        )

    def _new_announcer(self, ranges: Ranges) -> Announcer:
        return Announcer(
            self.config.home_assistant,
            topics=self.topics,
            mqtt=self.mqtt,
            states=self.bridge.states,
            registry=self.bridge.shared.registry,
            store=self.storage,
            clock=self.clock,
            allowed=self.bridge.allowed,
            ranges=ranges,
        )

    def _new_recorder(self) -> Recorder:
        shared = self.bridge.shared
        return Recorder(
            self.bridge.states,
            shared.registry,
            shared.history_reads,
            self.storage,
            topics=self.topics,
            clock=self.clock,
            publish=self.mqtt.publish_result,
            prices=self.prices,
        )

    def _new_status_page(self) -> "StatusPage | None":
        if (address := self.config.web.address) is None:
            return None
        # not imported where nobody wants it: it would take memory
        from wallbox2mqtt.daemon.status_page import StatusPage  # noqa: PLC0415

        return StatusPage(self, address)
