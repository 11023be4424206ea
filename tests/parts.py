"""The bridge without broker and threads, as the program puts it together."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock
from tests.simulator_sender import SimulatorSender
from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.bridge.readings import Listener
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.config import CommandsConfig, Config, Secret, WallboxConfig
from wallbox2mqtt.errors import AuthError
from wallbox2mqtt.mqtt import Message, Reply
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Seen, Simulator
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics

FREE_OF_CHARGE = ("users/signin", "users/refresh-token")
"""The sign-in on the other host, which is counted apart."""


GENEROUS_S = 30.0
"""The timeout of requests that are not to fail, however busy this machine is."""
SCANT_S = 1.0
"""The timeout of requests that get no answer."""


OpenCloud = Callable[..., Simulator]
"""Starts a simulated cloud, with any of a Simulator's arguments but the clock."""


def timeout_for(fault: Mapping[str, object]) -> float:
    """Return the timeout of requests that meet a fault, in real seconds."""
    return SCANT_S if fault["kind"] in {"hang", "drip"} else GENEROUS_S


def reads_of(seen: Iterable[Seen]) -> list[Seen]:
    return [one for one in seen if one.method == "GET" and one.path not in FREE_OF_CHARGE]


def writes_of(seen: Iterable[Seen]) -> list[Seen]:
    return [one for one in seen if one.method != "GET"]


def most_in_a_minute(seen: list[Seen]) -> int:
    """How many requests arrived in the busiest 60 s, both ends included."""
    times = sorted(one.at for one in seen)
    return max((sum(1 for at in times if begin <= at <= begin + 60) for begin in times), default=0)


class Parts:
    """Everything but paho and the threads. Time passes only in ``run``."""

    def __init__(
        self,
        cloud: Simulator,
        clock: FakeClock,
        directory: Path,
        *,
        password: str = PASSWORD,
        **options: Any,  # noqa: ANN401 - any key of the configuration, of wallbox or of commands
    ) -> None:
        self.cloud, self.clock = cloud, clock
        self.published: list[tuple[str, str]] = []
        self.answers: list[tuple[str, dict[str, Any], bytes | None]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.details: list[int] = []
        self.gone: list[int] = []
        self.shut_out: list[AuthError] = []
        known = {"email": EMAIL, "password": Secret(password), "timeout": GENEROUS_S, "status_writes_per_minute": 0}
        urls = {"api_url": cloud.url, "user_api_url": cloud.url}
        commands = CommandsConfig(
            **{key: options.pop(key) for key in CommandsConfig.__struct_fields__ if key in options}
        )
        config = Config(wallbox=WallboxConfig(**{**urls, **known, **options}), commands=commands)
        listener = Listener(
            listed=self.gone.extend,
            detailed=self._detailed,
            credentials_rejected=self.shut_out.append,
        )
        self.directory = directory
        store = Storage(directory, "account")
        self.config = config
        self.account = account = Account(config.wallbox, clock, store, new_transport=lambda: SimulatorSender(cloud))
        self.whole = bridge = Bridge(
            config, account, Topics("w"), clock=clock, store=store, publisher=self, listener=listener
        )
        self.states, self.bridge, self.shared, self.pace = bridge.states, bridge.status, bridge.shared, bridge.backoff
        self.reader, self.writer, self.command_handler = bridge.reader, bridge.writer, bridge.command_handler
        self.tokens, self.reads, self.writes = self.shared.tokens, self.shared.reads, self.shared.writes
        self.registry, self.planner = self.shared.registry, self.shared.planner
        self.queue, self.results = self.shared.queue, self.shared.results
        self.status_reads, self.schedules = bridge.status_reads, bridge.schedules
        self.reasons = bridge.reasons
        self._ticked = clock.monotonic()

    def show(self, topic: str, payload: str) -> None:
        """Take what the bridge publishes."""
        self.published.append((topic, payload))

    def publish_result(self, topic: str, payload: str, correlation: bytes | None = None) -> None:
        """Take the result of a command."""
        self.answers.append((topic, json.loads(payload), correlation))

    def publish_event(self, topic: str, payload: str) -> None:
        """Take what happened."""
        self.events.append((topic, json.loads(payload)))

    def _detailed(self, charger_id: int) -> None:
        self.details.append(charger_id)
        self.command_handler.look_again([charger_id])

    def send(  # noqa: PLR0913 - each is a part of a message
        self,
        topic: str,
        payload: str | bytes,
        *,
        retained: bool = False,
        reply: Reply | None = None,
        stored: bool = False,
        age_s: float = 0.0,
        life_s: float = math.inf,
    ) -> None:
        """Let a message arrive on a topic below the base, without the ``/set``."""
        raw = payload if isinstance(payload, bytes) else payload.encode()
        now = self.clock.monotonic()
        self.command_handler.take(Message(f"w/{topic}/set", raw, retained, now - age_s, reply, stored, now + life_s))

    def settle(self) -> float:
        """Do all that can be done now; return the seconds until more may be."""
        while True:
            waits = [self.reader.step(), self.writer.step()]
            if min(waits) > 0:
                return min(waits)

    def run(self, seconds: float, each_s: float = 5.0, then: Callable[[], None] = lambda: None) -> None:
        """Let time pass in steps of ``each_s`` at most, as main and the threads do; ``then`` is called at each."""
        ends = self.clock.monotonic() + seconds
        while (now := self.clock.monotonic()) < ends:
            due = self._ticked + self.pace.interval_s - now
            if due <= 0:
                self._ticked = now
                self.reader.tick()
                continue
            then()
            wait = self.settle()
            self.clock.advance(max(0.001, min(wait, due, each_s, ends - now)))
            self.command_handler.look_again()
        self.settle()

    def of(self, topic: str) -> list[str]:
        """What was published on a topic below the base."""
        return [text for name, text in self.published if name == f"w/{topic}"]

    def last(self, topic: str) -> str | None:
        """What is shown there."""
        found = self.of(topic)
        return found[-1] if found else None

    def results_of(self, key: str) -> list[tuple[str, Any, str | None]]:
        """Status, value and reason of each answer to a field's commands, of whatever charger."""
        found = [answer for topic, answer, _ in self.answers if topic.endswith(f"/{key}/result")]
        return [(answer["status"], answer["value"], answer["reason"]) for answer in found]

    def statuses(self) -> Counter[str]:
        """How many answers of each status there are."""
        return Counter(answer["status"] for _, answer, _ in self.answers)

    @property
    def sent_writes(self) -> list[Seen]:
        """The writes that the cloud has seen."""
        return writes_of(self.cloud.requests)

    @property
    def sent_reads(self) -> list[Seen]:
        """The reads that the cloud has seen."""
        return reads_of(self.cloud.requests)
