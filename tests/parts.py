"""The bridge without its two ends: all parts between the cloud's door and the broker's, put together by hand."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock
from wallbox2mqtt.bridge.command_handler import CommandHandler
from wallbox2mqtt.bridge.command_queue import CommandQueue
from wallbox2mqtt.bridge.planner import Planner
from wallbox2mqtt.bridge.quarantine import Quarantine
from wallbox2mqtt.bridge.reader import Listener, Reader
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.results import Results
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.bridge.status import BridgeStatus
from wallbox2mqtt.bridge.writer import Writer
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.cloud.backoff import Backoff
from wallbox2mqtt.config import Secret, WallboxConfig
from wallbox2mqtt.errors import AuthError
from wallbox2mqtt.mqtt import Message, Reply
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Seen, Simulator
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics

FREE_OF_CHARGE = ("users/signin", "users/refresh-token")
"""The sign-in on the other host, which is counted apart."""


GENEROUS_S = 30.0
"""The timeout of requests that are not to fail, however busy this machine is."""
SCANT_S = 0.3
"""The timeout of requests that get no answer."""


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

    def __init__(  # noqa: PLR0913 - each is an option of a test
        self,
        cloud: Simulator,
        clock: FakeClock,
        directory: Path,
        *,
        settle_s: float = 45.0,
        max_age_s: float = 120.0,
        allowed: Iterable[str] = (),
        accept_retained: bool = False,
        password: str = PASSWORD,
        **wallbox: Any,  # noqa: ANN401 - any key of the configuration
    ) -> None:
        self.cloud, self.clock = cloud, clock
        self.published: list[tuple[str, str]] = []
        self.answers: list[tuple[str, dict[str, Any], bytes | None]] = []
        self.details: list[int] = []
        self.gone: list[int] = []
        self.shut_out: list[AuthError] = []
        known = {"email": EMAIL, "password": Secret(password), "timeout": GENEROUS_S}
        config = WallboxConfig(**{"api_url": cloud.url, "user_api_url": cloud.url, **known, **wallbox})
        store, topics = Storage(directory, "account"), Topics("w")
        self.states = ChargerStates(topics, lambda topic, text: self.published.append((topic, text)), settle_s, store)
        self.bridge = BridgeStatus(topics, lambda topic, text: self.published.append((topic, text)), clock)
        account = Account(config, clock, store)
        self.reads, self.writes, self.tokens = account.reads, account.writes, account.tokens
        self.registry = Registry(config.chargers, clock, store)
        quarantine = Quarantine(self.registry, clock)
        self.planner = Planner(
            self.registry, quarantine, clock, lambda one: self.states.value(one, "charging") is True, settle_s
        )
        self.queue = CommandQueue(clock, max_age_s)
        self.results = Results(topics, self._answer, clock)
        self.shared = Shared(
            clock=clock,
            tokens=self.tokens,
            reads=self.reads,
            writes=self.writes,
            states=self.states,
            registry=self.registry,
            quarantine=quarantine,
            planner=self.planner,
            queue=self.queue,
            results=self.results,
        )
        self.pace = Backoff(config.poll_interval, self.reads.interval_s, clock, store)
        listener = Listener(
            listed=lambda _, gone: self.gone.extend(gone),
            detailed=self._detailed,
            credentials_rejected=self.shut_out.append,
        )
        self.reader = Reader(self.shared, account.client(), self.pace, self.bridge, listener)
        self.writer = Writer(self.shared, account.client())
        self.command_handler = CommandHandler(
            self.shared, topics, self.reader, frozenset(allowed), accept_retained=accept_retained
        )
        self._ticked = clock.monotonic()

    def _answer(self, topic: str, text: str, correlation: bytes | None) -> None:
        self.answers.append((topic, json.loads(text), correlation))

    def _detailed(self, charger_id: int) -> None:
        self.details.append(charger_id)
        self.command_handler.look_again([charger_id])

    def send(
        self,
        topic: str,
        payload: str | bytes,
        *,
        retained: bool = False,
        reply: Reply | None = None,
        stored: bool = False,
    ) -> None:
        """Let a message arrive on a topic below the base, without the ``/set``."""
        raw = payload if isinstance(payload, bytes) else payload.encode()
        self.command_handler.take(Message(f"w/{topic}/set", raw, retained, self.clock.monotonic(), reply, stored))

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
