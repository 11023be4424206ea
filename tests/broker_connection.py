"""The connection to the broker, with its events as a queue."""

import queue
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from tests.fakes import FakeClock
from tests.mosquitto import LIMIT_S
from wallbox2mqtt.config import MqttConfig
from wallbox2mqtt.mqtt import Connected, Disconnected, Event, Message, MqttConnection, OwnState, Prelude, TellsStored

E = TypeVar("E", bound=Event)

STATE = "w/bridge/state"

Protocol = Literal["5", "3.1.1"]


class Connection:
    """The connection under test with its events, which are taken in their order."""

    def __init__(
        self,
        clock: FakeClock,
        *,
        filters: tuple[str, ...] = ("w/+/set", "w/+/+/set"),
        accept_retained: bool = False,
        prelude: Prelude | None = None,
        **config: Any,  # noqa: ANN401 - any key of the configuration
    ) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.left_out: list[Message] = []
        """Messages that were left out."""
        self.ends: list[Disconnected] = []
        self.broken = False
        self.mqtt = MqttConnection(
            MqttConfig(**{"host": "127.0.0.1", "keepalive": 2, "base_topic": "w", **config}),
            state=OwnState(STATE),
            filters=filters,
            receipts="/kept",
            on_event=self._take,
            clock=clock,
            accept_retained=accept_retained,
            prelude=prelude,
        )

    def _take(self, event: Event) -> None:
        """What ends paho's thread once it is broken."""
        assert not self.broken
        if isinstance(event, Disconnected):
            self.ends.append(event)
        if not (isinstance(event, Message) and event.topic == STATE):
            self.events.put(event)

    def next(self, kind: type[E]) -> E:
        """The next event of a kind; those of other kinds before it are left out."""
        while True:
            event = self.events.get(timeout=LIMIT_S)
            if isinstance(event, kind):
                return event
            if isinstance(event, Message):
                self.left_out.append(event)

    def connect(self, *, honest: bool = True) -> Connected:
        """Connect; ``honest``: to a broker that marks what it has stored, and until that is known."""
        self.mqtt.start()
        connected = self.next(Connected)
        if honest:
            self.next(TellsStored)
        return connected

    def nothing_more(self) -> bool:
        return self.events.empty()


Open = Callable[..., Connection]
