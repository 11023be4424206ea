"""The bridge's ledgers in a year that is played: read now and then, killed, without cloud or broker for a while."""

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock
from tests.unit.test_ledger import Killed, MortalStorage, QuickDisk
from tests.year import BEGIN, DAY, END, HOUR, Year, local, outages, within
from wallbox2mqtt.bridge.history_reads import HistoryReads, PageRead
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.documents import read_detail
from wallbox2mqtt.config import Config, Secret, TariffConfig, WallboxConfig
from wallbox2mqtt.errors import ServerError
from wallbox2mqtt.history import Prices, Recorder
from wallbox2mqtt.mqtt.outbox import Outbox, Outgoing
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics

ONE = 900001
EVENTS = f"w/{ONE}/event/session"
_REPEATED = 20
"""Of the newest events one may come again, word by word, where the bridge ended just after it had told it."""
CONFIG = Config(wallbox=WallboxConfig(email="year@example.org", password=Secret("year")))


class PlayedYear:
    """A year with a bridge. ``heard``: what a consumer at the broker has; ``events``: the session's, in order.

    ``sums``: what was shown when, by key; ``repeated``: events that came once more.
    """

    def __init__(
        self, year: Year, directory: Path, seed: int, *, poll_s: int, idle_s: int, begin: float = BEGIN
    ) -> None:
        self.year, self.directory = year, directory
        self._poll_s, self._idle_s = poll_s, idle_s
        self.clock = FakeClock(monotonic=begin, wall=begin)
        self.heard: dict[str, str] = {}
        self.sums: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self.months: dict[tuple[int, int], tuple[float, int]] = {}
        self.events: list[dict[str, Any]] = []
        self.kills = self.repeated = 0
        self.reads: list[int] = []
        self._paged = 0
        self._chance = random.Random(seed)  # noqa: S311 - a play
        self._no_cloud = outages(seed, 25, 6 * HOUR)
        self._off = [*outages(seed, 12, 3 * HOUR), *outages(seed, 3, 20 * DAY)]
        self._no_broker = outages(seed, 24, 10 * HOUR)
        self._is_online = False
        self._start()

    def _start(self) -> None:
        self.storage = self.new_storage()
        self._outbox = Outbox(self._deliver, lambda: 0)
        self._receipts: list[tuple[str, str]] = []
        topics = Topics("w")
        self._states = ChargerStates(topics, self._show, 45.0)
        registry = Registry([ONE], self.clock, Storage(self.directory, "other"))
        self._history = HistoryReads()
        self._recorder = Recorder(
            self._states,
            registry,
            self._history,
            self.storage,
            topics=topics,
            clock=self.clock,
            publish=lambda topic, text: self._outbox.result(Outgoing(topic, text.encode(), retain=False)),
            prices=Prices(TariffConfig(), self.clock),
        )
        self._is_online = False

    def new_storage(self) -> Storage:
        self._mortal = MortalStorage(self.directory, CONFIG.wallbox.account, disk=QuickDisk())
        return self._mortal

    def be_well(self) -> None:
        """Let nothing be away any more."""
        self._no_cloud, self._no_broker = [], []

    def _show(self, topic: str, text: str) -> None:
        self._outbox.state(Outgoing(topic, text.encode(), retain=True), each=False)

    def _deliver(self, message: Outgoing) -> bool:
        text = message.payload.decode()
        if message.topic == EVENTS:
            self._receipts.append((message.topic, text))
            if (event := json.loads(text)) in self.events[-_REPEATED:]:
                self.repeated += 1
            else:
                self.events.append(event)
        else:
            key = message.topic.removeprefix(f"w/{ONE}/")
            self.heard[key] = text
            if key.startswith("energy_"):
                self.sums[key].append((self.now, float(text)))
        return True

    @property
    def now(self) -> int:
        return int(self.clock.wall())

    def play(self) -> None:
        """Let the year pass, and two quiet days in which all is made good."""
        was_off = False
        while self.now < END:
            self._pass_time()
            if within(self.now, self._off):
                was_off = True
                continue
            if was_off or self._chance.random() < 0.005:
                self._start()
            was_off = False
            if self._chance.random() < 0.02:
                self._mortal.lives = 0
            try:
                self.turn()
            except Killed:
                self.kills += 1
                self._start()
        self.be_well()
        self._mortal.lives = MortalStorage.lives
        for _ in range(3 * 24):
            self.clock.advance(HOUR)
            self.turn()

    def _pass_time(self) -> None:
        busy = any(one.plug - 300 <= self.now < one.unplug + 300 for one in self.year.stays)
        step = self._poll_s if busy else self._idle_s
        self.clock.advance(self._chance.randrange(step // 2, 2 * step))

    def turn(self) -> None:
        """Read once, if there is a cloud, and let the bridge do its work."""
        self._meet_broker(gone=within(self.now, self._no_broker))
        if not within(self.now, self._no_cloud) and self._chance.random() < 0.95:
            self.reads.append(self.now)
            self._states.take_reading(ONE, read_detail(self.year.document(self.now)), self.clock.monotonic())
        self._look()
        while (page := self._history.next()) is not None:
            if within(self.now, self._no_cloud):
                self._history.record(PageRead(page, error=ServerError("the cloud answered 502", 502)))
            else:
                entries = self.year.history(page.start, page.end, self.now)
                body: Json = {"data": entries[page.offset : page.offset + 1000], "links": {}}
                self._history.record(PageRead(page, body))
                self._paged = self.now
            self._look()
        self._note_month()

    def _look(self) -> None:
        self._recorder.look()
        while self._receipts:
            self._recorder.acknowledged(*self._receipts.pop(0))

    def _note_month(self) -> None:
        """Note what is shown of the last month, ten days after it."""
        day = local(self.now)
        month = (day.year, day.month - 1) if day.month > 1 else (day.year - 1, 12)
        shown = [self.heard.get(f"history/last_month/{name}") for name in ("energy", "sessions")]
        if day.day >= 10 and self._is_online and self.now - self._paged < 2 * DAY and shown[0] is not None:
            self.months.setdefault(month, (float(shown[0]), int(shown[1] or 0)))

    def _meet_broker(self, *, gone: bool) -> None:
        if gone and self._is_online:
            self._outbox.disconnected()
        elif not gone and not self._is_online:
            self._outbox.connected()
            list(self._states.announcing())
            self._outbox.flush_results()
        self._is_online = not gone
