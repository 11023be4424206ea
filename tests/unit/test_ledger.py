"""The ledger of a charger: sums to the Wh and events one by one, against an account of what was really played."""

import json
import random
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import A_DAY, FakeClock
from wallbox2mqtt.bridge.history_reads import HistoryReads, Page, PageRead
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.zones import zone_of
from wallbox2mqtt.cloud.documents import read_detail
from wallbox2mqtt.config import TariffConfig
from wallbox2mqtt.errors import CloudError, RequestRefusedError, ServerError
from wallbox2mqtt.history import Prices, Recorder
from wallbox2mqtt.history.entries import Entry, read_page
from wallbox2mqtt.history.fields import month_start
from wallbox2mqtt.history.ledger import step
from wallbox2mqtt.history.past import Past, follow, settle
from wallbox2mqtt.history.records import Counter, Event, Ledger, MeterReading, Session
from wallbox2mqtt.history.saved import restored
from wallbox2mqtt.history.timetable import daily_after
from wallbox2mqtt.storage import Disk, Storage
from wallbox2mqtt.topics import Topics

READY, LOCKED, CHARGING, PAUSED, WAITING, OFFLINE, COMPLETED, ERROR = 161, 209, 194, 182, 181, 5, 4, 14
KWH = 1_000_000


def reading(at: float, status: int | None, kwh: float | None = None, time_s: float | None = None) -> MeterReading:
    return MeterReading(at, status, {} if kwh is None else {"energy": round(kwh * KWH)}, time_s)


def play(readings: Iterable[MeterReading], ledger: Ledger | None = None) -> tuple[Ledger, list[Event]]:
    ledger, events = ledger or Ledger(), list[Event]()
    for one in readings:
        ledger, happened = step(ledger, one)
        events += happened
    return ledger, events


def types(events: Iterable[Event]) -> str:
    return " ".join(event.type for event in events)


IDLE = reading(0, READY, 0, 0)
CASES = {
    "a session": (
        [IDLE, reading(60, CHARGING, 0.1, 30), reading(120, CHARGING, 0.3, 90), reading(180, READY, 0.4, 140)],
        0.4,
        "started charging finished unplugged",
    ),
    "paused and resumed": (
        [IDLE, reading(60, CHARGING, 1, 30), reading(120, PAUSED, 2, 90), reading(180, CHARGING, 3, 150)],
        3,
        "started charging paused charging",
    ),
    "begun before the first reading": ([reading(0, CHARGING, 5, 3600)], 5, "started charging"),
    "ended before the first reading": ([reading(0, READY, 5, 3600), reading(60, READY, 5, 3600)], 0, ""),
    "plugged in, without power": (
        [IDLE, reading(60, WAITING, 0, 10), reading(90, READY, 0, 40)],
        0,
        "started finished unplugged",
    ),
    "two of the same energy": (
        [
            *[IDLE, reading(60, CHARGING, 10, 30), reading(120, READY, 20, 90)],
            *[reading(300, CHARGING, 10, 100), reading(360, READY, 20, 160)],
        ],
        40,
        "started charging finished unplugged " * 2,
    ),
    "the counter of the last one is shown for a while": (
        [
            *[IDLE, reading(60, CHARGING, 5, 30), reading(120, READY, 5, 90)],
            *[reading(300, WAITING, 5, 90), reading(360, CHARGING, 1, 40), reading(400, CHARGING, 6, 80)],
        ],
        11,
        "started charging finished unplugged started charging",
    ),
    "the figures of one without energy are shown for a while": (
        [
            *[IDLE, reading(60, WAITING, 0, 30), reading(930, READY, 0, 900)],
            *[reading(3000, CHARGING, 0, 900), reading(3200, CHARGING, 0.1, 240), reading(3400, CHARGING, 0.3, 440)],
        ],
        0.3,
        "started finished unplugged started charging",
    ),
    "the last of a short one is shown for a while": (
        [
            *[IDLE, reading(60, CHARGING, 0.005, 30), reading(300, CHARGING, 0.011, 50)],
            *[reading(330, CHARGING, 0.001, 40), reading(361, CHARGING, 0.002, 71)],
        ],
        0.007,
        "started charging finished started charging",
    ),
    "one that came and went unheard is shown for a while": (
        [
            *[IDLE, reading(60, WAITING, 0, 30), reading(930, READY, 0, 900)],
            *[reading(9000, WAITING, 5, 980), reading(9030, WAITING, 5, 980), reading(9120, CHARGING, 1, 121)],
        ],
        1,
        "started finished unplugged started charging",
    ),
    "the next one has more already": (
        [
            *[IDLE, reading(60, CHARGING, 5, 30), reading(120, READY, 5, 90)],
            *[reading(9000, CHARGING, 7, 5000), reading(9060, CHARGING, 7, 5060)],
        ],
        12,
        "started charging finished unplugged started charging",
    ),
    "between two readings another one began": (
        [
            IDLE,
            *(
                reading(at, CHARGING, kwh, time_s)
                for at, kwh, time_s in [(60, 5, 30), (9000, 7, 5000), (9060, 7, 5060)]
            ),
        ],
        12,
        "started charging finished started charging",
    ),
    "between two readings another one began and ended": (
        [
            *[IDLE, reading(60, CHARGING, 5, 600), reading(120, READY, 5, 660)],
            *[reading(3000, READY, 0.7, 100), reading(3030, READY, 0.7, 100), reading(3061, READY, 0.7, 100)],
        ],
        5.7,
        "started charging finished unplugged started finished unplugged",
    ),
    "an older document": (
        [IDLE, reading(60, CHARGING, 5, 600), reading(80, CHARGING, 4.9, 580), reading(100, CHARGING, 5.2, 640)],
        5.2,
        "started charging",
    ),
    "the counter begins anew in the session": (
        [
            *[IDLE, reading(60, CHARGING, 5, 600), reading(120, CHARGING, 0.2, 660)],
            *[reading(150, CHARGING, 0.3, 690), reading(181, CHARGING, 0.4, 720)],
        ],
        5.4,
        "started charging",
    ),
    "a late report of the last energy": (
        [IDLE, reading(60, CHARGING, 5, 600), reading(120, READY, 5, 660), reading(140, READY, 5.1, 670)],
        5.1,
        "started charging finished unplugged",
    ),
    "out of touch": (
        [IDLE, reading(60, CHARGING, 5, 600), reading(120, OFFLINE, 5, 600), reading(180, CHARGING, 6, 720)],
        6,
        "started charging",
    ),
    "nothing known": (
        [IDLE, reading(60, CHARGING, 5, 600), reading(120, None), reading(180, CHARGING, 6, 720)],
        6,
        "started charging",
    ),
    "in error": (
        [
            IDLE,
            reading(60, CHARGING, 5, 600),
            reading(120, ERROR, 5, 600),
            reading(150, ERROR, 5, 600),
            reading(180, READY, 5, 600),
        ],
        5,
        "started charging error finished unplugged",
    ),
    "begun and ended while the bridge was off, and out of touch at its return": (
        [
            *[IDLE, reading(60, CHARGING, 0.3, 30), reading(120, READY, 0.3, 90)],
            *[reading(90_000, OFFLINE, 8, 7200), reading(90_060, READY, 8, 7200)],
        ],
        8.3,
        "started charging finished unplugged started finished unplugged",
    ),
    "begun while the bridge was off, and out of touch at its return": (
        [
            *[IDLE, reading(60, CHARGING, 0.3, 30), reading(120, READY, 0.3, 90)],
            *[reading(90_000, OFFLINE, 8, 7200), reading(97_200, CHARGING, 9, 16_000)],
        ],
        9.3,
        "started charging finished unplugged started charging",
    ),
    "between two readings another one began and ended, with more": (
        [IDLE, reading(60, CHARGING, 5, 600), reading(120, READY, 5, 660), reading(9000, READY, 7, 3000)],
        12,
        "started charging finished unplugged started finished unplugged",
    ),
    "completed, then unplugged": (
        [
            IDLE,
            reading(60, CHARGING, 5, 600),
            reading(120, COMPLETED, 5, 660),
            reading(150, WAITING, 5, 690),
            reading(180, READY, 5, 700),
        ],
        5,
        "started charging finished unplugged",
    ),
    "the time stands still in a long pause": (
        [
            IDLE,
            reading(60, CHARGING, 5, 600),
            reading(120, PAUSED, 5, 660),
            reading(9000, PAUSED, 5, 660),
            reading(9060, CHARGING, 6, 720),
        ],
        6,
        "started charging paused charging",
    ),
}


@pytest.mark.parametrize(("readings", "kwh", "events"), CASES.values(), ids=CASES.keys())
def test_what_becomes_of_readings(readings: list[MeterReading], kwh: float, events: str) -> None:
    ledger, happened = play(readings)
    assert ledger.total("energy") == round(kwh * KWH)
    assert types(happened) == events.strip()


def test_a_session_out_of_touch_began_when_last_heard() -> None:
    """The history has it with its own times: the two have to overlap, or it counts twice."""
    silent = [reading(at, OFFLINE, 0, 0) for at in range(180, 6000, 60)]
    ledger, events = play([reading(120, READY, 0, 0), *silent, reading(6000, READY, 5, 1200)])
    assert types(events) == "started finished unplugged"
    assert ledger.last is not None
    assert (ledger.last.start, ledger.last.end) == (120, 6000)


def test_a_session_ends_after_the_charger_lost_touch() -> None:
    silent = [reading(at, OFFLINE, 5, 1200) for at in (9000, 9061)]
    _, events = play([reading(120, READY, 0, 0), *silent, *(reading(at, READY, 3, 600) for at in (20_000, 20_061))])
    assert types(events) == "started finished started finished unplugged"
    assert events[1].session is not None
    assert (events[1].session.start, events[1].session.end) == (120, 9061), "as its entry, or it counts twice"


def test_what_is_given_back_may_begin_anew_by_itself() -> None:
    def given(at: float, mwh: int, time_s: float) -> MeterReading:
        return MeterReading(at, READY, {"energy": 0, "discharged_energy": mwh}, time_s)

    seen = [given(0, 302, 1058), given(9000, 166, 1200), given(9061, 166, 1200), given(9122, 166, 1200)]
    ledger, events = play(seen)
    assert types(events) == "started finished unplugged", "in a session of its own, not in the one before"
    assert ledger.total("discharged_energy") == 166


def test_a_session_with_an_unseen_start_ends() -> None:
    """Its time tells how long it was, not when: it has to overlap its entry in the history."""
    ledger, events = play(
        [reading(120, READY, 0, 0), reading(90_000, OFFLINE, 5, 1200), reading(99_000, READY, 5, 1200)]
    )
    assert types(events) == "started finished unplugged"
    assert ledger.last is not None
    assert (ledger.last.start, ledger.last.end) == (120, 99_000)


def test_a_session_that_only_gave_back_is_one() -> None:
    given = [MeterReading(at, READY, {"energy": 0, "discharged_energy": 2 * KWH}, 900) for at in (9000, 9061)]
    ledger, events = play([IDLE, reading(60, CHARGING, 1, 7000), reading(120, READY, 1, 7060), *given])
    assert types(events) == "started charging finished unplugged started finished unplugged"
    assert ledger.last is not None
    assert ledger.last.energy["discharged_energy"] == 2 * KWH


def test_a_session_tells_when_it_began_and_what_it_had() -> None:
    readings = [IDLE, MeterReading(100, CHARGING, {"energy": KWH, "green_energy": KWH // 4}, 30, 7.2, 0.25, 12)]
    ledger, events = play([*readings, reading(200, READY, 2, 125)])
    assert (ledger.last, events[-1].session) == (events[-2].session, events[-2].session)
    assert ledger.last is not None
    assert (ledger.last.start, ledger.last.end, ledger.last.peak_kw, ledger.last.cost, ledger.last.user) == (
        70,
        195,
        7.2,
        0.25,
        12,
    )
    assert ledger.last.energy == {"energy": 2 * KWH, "green_energy": KWH // 4}


@dataclass
class Played:
    """A charger that is really there, with an account of its own: Wh and sessions. Nothing here is the ledger's."""

    at: float = 0.0
    plugged_at: float | None = None
    wh: int = 0
    green_wh: int = 0
    session_green: int = 0
    time_s: float = 0.0
    status: int = READY
    sessions: list[int] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    unit: str = "kWh"

    def act(self, word: str, seconds: float, wh: int) -> None:
        """Let time pass with the energy that flows in it, then do what the word says."""
        self.at += seconds
        if self.status == CHARGING:
            self.wh += wh
            self.green_wh += wh // 3
            self.session_green += wh // 3
            self.sessions[-1] += wh
        if self.plugged_at is not None:
            self.time_s = self.at - self.plugged_at
        match word:
            case "plug" if self.plugged_at is None:
                self.plugged_at, self.wh, self.green_wh, self.time_s = self.at, 0, 0, 0.0
                self.status = CHARGING
                self.sessions.append(0)
                self.session_green = 0
            case "unplug" if self.plugged_at is not None:
                self._write_down(self.plugged_at)
                self.plugged_at, self.status = None, READY
            case "pause" if self.status == CHARGING:
                self.status = PAUSED
            case "resume" if self.status == PAUSED:
                self.status = CHARGING
            case _:
                pass

    def _write_down(self, start: float) -> None:
        scale = 1000 if self.unit == "kWh" else 1
        attributes = {
            "start": int(A_DAY + start),
            "end": int(A_DAY + self.at),
            "time": int(self.time_s),
            "cost": 1.5,
            "energy": self.sessions[-1] / scale,
            "green_energy": self.session_green / scale,
            "energy_unit": self.unit,
            "user": 12,
        }
        self.log.append({"type": "charger_log_session", "id": str(len(self.sessions)), "attributes": attributes})

    def reset(self) -> None:
        """Show the session's figures from zero again; the history has all of it."""
        self.wh = self.green_wh = 0

    def read(self) -> MeterReading:
        counters = {"energy": self.wh * 1000, "green_energy": self.green_wh * 1000}
        return MeterReading(self.at, self.status, counters, self.time_s)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["plug", "unplug", "pause", "resume", "go on"]),
        st.integers(5, 20_000),
        st.integers(0, 20_000),
        st.sampled_from(["kill", "read", "outage"]),
    ),
    max_size=60,
)


@given(ACTS)
def test_sums_are_right_whatever_is_played(acts: list[tuple[str, int, int, str]]) -> None:
    """Each change of the plug is read; between, readings are missed and the bridge is killed."""
    charger, ledger, events = Played(), Ledger(), list[Event]()
    ledger, _ = step(ledger, charger.read())
    for word, seconds, wh, what in acts:
        charger.act("go on", seconds, wh)
        if word in {"plug", "unplug"}:
            ledger, happened = step(ledger, charger.read())
            events += happened
        charger.act(word, 1, 0)
        if what == "kill":
            ledger = restored(Ledger, json.loads(json.dumps(asdict(ledger))))
        if what != "outage" or word in {"plug", "unplug"}:
            before = ledger.total("energy") or 0
            ledger, happened = step(ledger, charger.read())
            events += happened
            assert (ledger.total("energy") or 0) >= before
    ledger, happened = step(ledger, charger.read())
    events += happened
    assert ledger.total("energy") == sum(charger.sessions) * 1000
    told = [event.type for event in events]
    assert told.count("started") == len(charger.sessions)
    assert told.count("finished") == told.count("unplugged") == len(charger.sessions) - (charger.plugged_at is not None)
    ended = [event.session.energy["energy"] for event in events if event.type == "finished" and event.session]
    assert ended == [wh * 1000 for wh in charger.sessions[: len(ended)]]


@given(ACTS)
def test_what_nobody_saw_is_never_counted_twice(acts: list[tuple[str, int, int, str]]) -> None:
    charger, ledger = Played(), Ledger()
    ledger, _ = step(ledger, charger.read())
    for word, seconds, wh, what in acts:
        charger.act(word, seconds, wh)
        if what == "read":
            ledger, _ = step(ledger, charger.read())
    assert (ledger.total("energy") or 0) <= sum(charger.sessions) * 1000


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_damaged_ledger_is_refused_or_taken(kept: Json) -> None:
    damaged: dict[str, Json] = {
        **asdict(play([IDLE, reading(60, CHARGING, 1, 30)])[0]),
        "counters": kept,
        "session": kept,
    }
    with pytest.raises(ValueError, match=r"Expected|missing"):
        restored(Ledger, damaged)


class Killed(Exception):  # noqa: N818 - the end of a process, no error
    """The process ended here."""


class QuickDisk(Disk):
    """A disk that is not waited for."""

    def sync(self, handle: int) -> None:
        """Wait for nothing."""

    def sync_directory(self, directory: Path) -> None:
        """Wait for nothing."""


class MortalStorage(Storage):
    """Files of a process that ends before or after a write, as it is told."""

    lives, after = 10**9, False

    def write(self, name: str, content: dict[str, Json], *, durable: bool = False) -> bool:
        self.lives -= 1
        if self.lives < 0 and not self.after:
            raise Killed
        super().write(name, content, durable=durable)
        if self.lives < 0:
            raise Killed
        return True


class Bench:
    """A recorder that can be killed and started again; what it has published stays.

    ``history``: what the cloud answers, with the sessions of all chargers that were played; an error where it refuses.
    """

    def __init__(
        self,
        directory: Path,
        per_page: int = 1000,
        tariff: TariffConfig | None = None,
        runtime: Path | None = None,
    ) -> None:
        self.runtime = runtime
        self.tariff = tariff or TariffConfig()
        self.clock, self.shown, self.events = FakeClock(), list[float](), list[dict[str, Any]]()
        self.broker_is_there = True
        self._texts = set[str]()
        self.directory, self.per_page = directory, per_page
        self.refusal: CloudError | None = None
        self.pages = 0
        self.start()

    def start(self) -> None:
        self.on_the_way: list[tuple[str, str]] = []
        self.storage = MortalStorage(self.directory, "account", self.runtime, QuickDisk())
        topics = Topics("w")
        self.states = ChargerStates(topics, self._show, 45.0)
        registry = Registry([101], self.clock, Storage(self.directory, "other"))
        self.history = HistoryReads()
        self.prices = Prices(self.tariff, self.clock)
        self.recorder = Recorder(
            self.states,
            registry,
            self.history,
            self.storage,
            topics=topics,
            clock=self.clock,
            publish=self._tell,
            prices=self.prices,
        )

    def _tell(self, topic: str, text: str) -> None:
        self.on_the_way.append((topic, text))

    def deliver(self) -> None:
        """Let the broker have what is on the way to it; what it had before, it knows by its text."""
        while self.broker_is_there and self.on_the_way:
            topic, text = self.on_the_way.pop(0)
            if text not in self._texts:
                self._texts.add(text)
                self.events.append(json.loads(text))
            self.recorder.acknowledged(topic, text)

    def _show(self, topic: str, text: str) -> None:
        if topic == "w/101/energy_total":
            self.shown.append(float(text))

    @property
    def told(self) -> str:
        return " ".join(event["event_type"] for event in self.events)

    def read(self, charger: "Played") -> None:
        self.clock.advance(charger.at - (self.clock.wall() - A_DAY))
        document: dict[str, Json] = {
            "status_id": charger.status,
            "added_energy": charger.wh / 1000,
            "added_green_energy": charger.green_wh / 1000,
            "charging_time": int(charger.time_s),
        }
        self.states.take_reading(101, read_detail(document), self.clock.monotonic())
        self.look(charger)

    def look(self, charger: "Played") -> None:
        """Look at what was read, and at the history until nothing of it is wanted."""
        self.recorder.look()
        self.deliver()
        while (page := self.history.next()) is not None:
            self.pages += 1
            error = self.refusal
            self.history.record(PageRead(page, None if error else self._page(charger, page), error))
            self.recorder.look()
            self.deliver()

    def _page(self, charger: "Played", page: Page) -> Json:
        entries = [one for one in charger.log if page.start <= one["attributes"]["start"] < page.end]
        ends = page.offset + self.per_page
        links: dict[str, Json] = {"next": "http://elsewhere/"} if ends < len(entries) else {}
        return {"data": list[Json](entries[page.offset : ends]), "links": links}


@pytest.mark.parametrize(("memory", "turns"), [("none", 1500), ("outlives the process", 400), ("is lost", 400)])
def test_killed_at_any_moment(tmp_path: Path, memory: str, turns: int) -> None:
    chance = random.Random(9)  # noqa: S311
    runtime = None if memory == "none" else tmp_path / "run"
    bench, charger, kills = Bench(tmp_path / "state", runtime=runtime), Played(), 0
    bench.read(charger)
    acts = {0: "plug", 20: "pause", 25: "resume", 39: "unplug"}
    for turn in range(turns):
        if chance.random() < 0.4:
            bench.storage.lives, bench.storage.after = chance.randrange(2), chance.random() < 0.5
        charger.act(acts.get(turn % 40, "go on"), 60, chance.randrange(300))
        try:
            bench.read(charger)
        except Killed:
            kills += 1
            if memory == "is lost":
                shutil.rmtree(tmp_path / "run", ignore_errors=True)
            bench.start()
            bench.read(charger)
    bench.look(charger)
    assert kills > (turns / 5 if memory == "none" else 20)
    assert bench.shown == sorted(bench.shown)
    assert bench.shown[-1] == sum(charger.sessions) / 1000
    assert bench.told.count("started") == len(charger.sessions), "none lost, none invented"


def test_events_without_a_broker_outlive_the_process(bench: Bench) -> None:
    charger = played(1)
    bench.read(charger)
    bench.broker_is_there = False
    for word in ("plug", "pause", "unplug"):
        charger.act(word, 600, 1000)
        bench.read(charger)
    bench.start()
    bench.broker_is_there = True
    bench.deliver()
    assert bench.told == "started charging paused finished unplugged"
    bench.start()
    assert bench.on_the_way == [], "once"


def test_acknowledged_events_are_dropped_at_the_end(bench: Bench) -> None:
    charger = played(1)
    bench.read(charger)
    charger.act("plug", 600, 0)
    bench.broker_is_there = False
    bench.read(charger)
    bench.recorder.acknowledged(*bench.on_the_way[0])
    bench.recorder.close()
    bench.start()
    assert [json.loads(text)["event_type"] for _, text in bench.on_the_way] == ["charging"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def played(sessions: int, wh: int = 7000, unit: str = "kWh") -> Played:
    charger = Played(unit=unit)
    for _ in range(sessions):
        charger.act("plug", 3600, 0)
        charger.act("unplug", 3600, wh)
    charger.act("go on", 3600, 0)
    return charger


@pytest.mark.parametrize("unit", ["kWh", "Wh"])
@pytest.mark.parametrize("per_page", [1000, 3])
def test_the_history_is_where_the_sums_begin(tmp_path: Path, per_page: int, unit: str) -> None:
    bench, charger = Bench(tmp_path, per_page), played(7, unit=unit)
    bench.read(charger)
    assert (bench.shown, bench.told) == ([49.0], "")
    assert bench.pages == (1 if per_page == 1000 else 3)
    view = bench.states.view(101)
    assert view["energy_green_total"] == 16.331
    assert (view["history/this_month/energy"], view["history/this_month/sessions"]) == (49.0, 7)
    assert (view["history/this_month/hours"], view["history/this_month/cost"]) == (7.0, 10.5)


def test_no_sum_is_shown_before_it_is_complete(bench: Bench) -> None:
    charger = played(3)
    charger.act("plug", 60, 0)
    charger.act("go on", 3600, 500)
    bench.per_page = 2
    bench.read(charger)
    assert bench.shown == [21.5], "nothing less before"


def test_what_happened_while_the_bridge_was_off(bench: Bench) -> None:
    charger = played(1)
    bench.read(charger)
    for _ in range(3):
        charger.act("plug", 200_000, 0)
        charger.act("unplug", 40_000, 5000)
    charger.act("plug", 60_000, 0)
    charger.act("go on", 3600, 2000)
    bench.start()
    bench.read(charger)
    assert bench.shown[-1] == 7 + 15 + 2
    assert bench.shown == sorted(bench.shown)
    late = [event for event in bench.events if event["from_history"]]
    assert [event["event_type"] for event in late] == ["started", "finished"] * 3
    assert late[1]["energy"] == 5.0
    assert [event["event_type"] for event in bench.events if not event["from_history"]] == ["started", "charging"]


def test_the_history_does_not_count_what_the_next_reading_shows(bench: Bench) -> None:
    """A session between two readings, and the history is read in between: it is in both."""
    charger = played(1)
    bench.read(charger)
    charger.act("plug", 60, 0)
    charger.act("unplug", 4000, 3000)
    charger.act("go on", 86_400, 0)
    bench.clock.advance(charger.at - (bench.clock.wall() - A_DAY))
    bench.look(charger)
    for _ in range(3):
        bench.read(charger)
        charger.act("go on", 1000, 0)
    assert bench.shown == [7.0, 10.0]
    assert bench.told == "started finished unplugged"


def test_the_last_of_several_sessions_is_known_by_its_counter(bench: Bench) -> None:
    """The bridge was off: it sees the last one's counter, the history has the others, and each is told once."""
    charger = played(1)
    bench.read(charger)
    for wh in (5000, 6000, 2000):
        charger.act("plug", 20_000, 0)
        charger.act("unplug", 4000, wh)
    charger.act("go on", 9000, 0)
    bench.start()
    for _ in range(3):
        bench.read(charger)
        charger.act("go on", 600, 0)
    assert bench.shown[-1] == 7 + 13
    ended = [event for event in bench.events if event["event_type"] == "finished"]
    assert sorted(event["energy"] for event in ended) == [2.0, 5.0, 6.0]
    assert [event["from_history"] for event in ended].count(True) == 2


def test_a_session_whose_entry_comes_late_is_told_once() -> None:
    """What nobody saw begin may overlap the entry of the one before, whose end nobody saw either."""
    first = Session(1000, 2000, "finished", {"energy": 5 * KWH})
    second = Session(2000, 4000, "finished", {"energy": KWH // 5}, unseen=True)
    ledger = Ledger(at=90_000, reached=90_000, last=second, counters={"energy": Counter(total=5 * KWH + KWH // 5)})
    past = Past(seeded=0.0, finished=(first, second))
    entries = [Entry("1", 1000, 3000, {"energy": 5 * KWH + KWH // 2}), Entry("2", 3200, 3500, {"energy": KWH // 2})]
    for known in (entries[:1], entries):
        settled = settle(past, known, ledger, 0, 90_000)
        past = follow(settled.past, ledger, ())
        assert settled.events == ()
    assert past.shown["energy"] == 6 * KWH
    assert past.finished == ()


def test_discharged_energy_waits_for_its_history_entry() -> None:
    """Two sessions nobody saw begin, of which the readings show the second, and the history first has the first."""
    seen = Session(1000, 9000, "finished", {"energy": 0, "discharged_energy": 223_000}, unseen=True)
    ledger = Ledger(at=10_000, reached=10_000, last=seen, counters={"discharged_energy": Counter(total=223_000)})
    past = Past(seeded=0.0, finished=(seen,))
    entries = [
        Entry("1", 2000, 2400, {"energy": 0, "discharged_energy": 156_000}),
        Entry("2", 8000, 8400, {"energy": 0, "discharged_energy": 223_000}),
    ]
    for known in (entries[:1], entries):
        past = follow(settle(past, known, ledger, 0, 10_000).past, ledger, ())
    assert past.shown["discharged_energy"] == 156_000 + 223_000


def test_one_seen_session_may_be_two_in_the_history() -> None:
    """The last reading of the first and the only one of the second, whose counter began anew meanwhile."""
    seen = Session(1000, 9000, "finished", {"energy": 8 * KWH}, read=50_000)
    ledger = Ledger(at=60_000, reached=60_000, last=seen, counters={"energy": Counter(total=8 * KWH)})
    entries = [Entry("1", 1000, 5000, {"energy": 2 * KWH}), Entry("2", 20_000, 40_000, {"energy": 10 * KWH})]
    past = follow(settle(Past(seeded=0.0, finished=(seen,)), entries, ledger, 0, 60_000).past, ledger, ())
    assert past.shown["energy"] == 12 * KWH


def test_less_solar_energy_shows_another_session() -> None:
    """The bridge was off from within the first to after the second, and the first one has more energy."""
    seen = Session(1000, 9000, "finished", {"energy": 8 * KWH, "green_energy": 2 * KWH}, read=50_000)
    counters = {"energy": Counter(total=8 * KWH), "green_energy": Counter(total=2 * KWH)}
    ledger = Ledger(at=60_000, reached=60_000, last=seen, counters=counters)
    entries = [
        Entry("1", 1000, 12_000, {"energy": 9 * KWH, "green_energy": KWH}),
        Entry("2", 20_000, 40_000, {"energy": 8 * KWH, "green_energy": 2 * KWH}),
    ]
    settled = settle(Past(seeded=0.0, finished=(seen,)), entries, ledger, 0, 60_000)
    assert follow(settled.past, ledger, ()).shown == {"energy": 17 * KWH, "green_energy": 3 * KWH}
    assert [event.session.start for event in settled.events if event.session is not None] == [20_000, 20_000]


def test_an_entry_with_less_than_was_seen_waits() -> None:
    seen, later = Session(1000, 2000, "finished", {"energy": 5 * KWH}), Entry("2", 9000, 9500, {"energy": KWH})
    ledger = Ledger(at=10_000, reached=10_000, last=seen, counters={"energy": Counter(total=5 * KWH)})
    entries = [Entry("1", 1000, 2000, {"energy": KWH}), later]
    past = settle(Past(seeded=0.0, finished=(seen,)), entries, ledger, 0, 10_000).past
    assert (set(past.settled), past.finished) == ({"2"}, (seen,))


def test_the_counter_of_a_session_that_looked_like_the_last(bench: Bench) -> None:
    """The bridge was off from within a session to after another one with more."""
    charger = played(1)
    bench.read(charger)
    charger.act("plug", 60, 0)
    charger.act("go on", 3600, 3000)
    bench.read(charger)
    charger.act("unplug", 3600, 2000)
    for wh in (1000, 9000):
        charger.act("plug", 200_000, 0)
        charger.act("unplug", 9000, wh)
    charger.act("go on", 200_000, 0)
    bench.start()
    for _ in range(3):
        bench.read(charger)
        charger.act("go on", 1000, 0)
    assert bench.shown == sorted(bench.shown)
    assert bench.shown[-1] == 7 + 5 + 1 + 9
    told = [event["event_type"] for event in bench.events]
    assert (told.count("started"), told.count("finished")) == (3, 3)


def test_what_was_missed_of_a_session_that_was_seen(bench: Bench) -> None:
    charger = Played()
    bench.read(charger)
    charger.act("plug", 60, 0)
    bench.read(charger)
    charger.act("go on", 3600, 4000)
    charger.reset()
    charger.act("go on", 600, 100)
    bench.read(charger)
    charger.act("unplug", 600, 100)
    bench.read(charger)
    assert bench.shown[-1] == 0.2
    charger.act("go on", 600, 0)
    bench.read(charger)
    assert bench.shown[-1] == 4.2
    assert bench.told == "started charging finished unplugged"


def test_the_month_begins_before_the_history_is_read_again(bench: Bench) -> None:
    charger = played(2)
    bench.read(charger)
    begins = month_start(bench.clock.wall(), UTC, -1)
    pages = bench.pages
    bench.refusal = ServerError("the cloud answered 502", 502)
    charger.act("go on", begins - bench.clock.wall() - 1, 0)
    bench.read(charger)
    assert bench.states.view(101)["history/this_month/energy"] == 14.0
    charger.act("go on", 1, 0)
    bench.read(charger)
    view = bench.states.view(101)
    assert (view["history/this_month/energy"], view["history/this_month/sessions"]) == (0.0, 0)
    assert (view["history/last_month/energy"], view["history/last_month/sessions"]) == (14.0, 2)
    assert bench.pages > pages, "it was refused meanwhile"


def test_daily_reads_are_spread_over_the_day() -> None:
    times = [daily_after(A_DAY, charger) for charger in range(100_000, 100_100)]
    assert all(A_DAY < at <= A_DAY + 86_400 for at in times)
    assert len({int((at - A_DAY) // 3600) for at in times}) > 20, "hours of the day"
    assert daily_after(times[0], 100_000) == times[0] + 86_400, "at the same time the next day"


def test_a_lost_state_directory(bench: Bench, tmp_path: Path) -> None:
    charger = played(5)
    bench.read(charger)
    charger.act("plug", 60, 0)
    charger.act("go on", 3600, 1234)
    bench.read(charger)
    assert bench.shown[-1] == 36.234
    bench.directory = tmp_path / "new"
    bench.start()
    bench.read(charger)
    assert bench.shown[-1] == 36.234


@pytest.mark.parametrize(
    ("error", "tries"),
    [(RequestRefusedError("the cloud answered 404", 404), 1), (ServerError("the cloud answered 502", 502), 3)],
    ids=["final", "passing"],
)
def test_without_a_history_the_sums_begin_with_the_readings(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: CloudError, tries: int
) -> None:
    bench.refusal = error
    charger = played(5)
    for _ in range(tries):
        assert not bench.shown
        bench.read(charger)
        charger.act("go on", 61, 0)
    assert bench.shown == [0.0]
    assert bench.pages == tries
    assert "sums go on from the readings" in caplog.text
    bench.refusal = None
    charger.act("plug", 60, 0)
    bench.read(charger)
    charger.act("unplug", 3600, 3000)
    bench.read(charger)
    charger.act("go on", 2 * 86_400, 0)
    bench.read(charger)
    assert bench.pages > tries
    assert bench.shown[-1] == 3.0, "what was before does not make it jump"


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"data": {}}, {"data": [3]}, {"data": [{"id": "1", "attributes": {"start": 1}}]}],
    ids=json.dumps,
)
def test_an_answer_of_another_shape_is_refused(body: Json) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_page(body)


@pytest.mark.parametrize("seed", range(60))
def test_with_the_history_nothing_is_missed_or_doubled(bench: Bench, seed: int) -> None:
    """Readings come when they come, whole sessions are missed, the bridge is killed: in the end all is there."""
    chance, charger = random.Random(seed), Played()  # noqa: S311
    bench.read(charger)
    for _ in range(chance.randint(1, 15)):
        word = chance.choice(["plug", "unplug", "pause", "resume", "go on"])
        charger.act(word, chance.choice([5, 60, 600, 4000, 20_000]), chance.randrange(20_000))
        what = chance.choice(["kill", "read", "read", "outage"])
        if what == "kill":
            bench.start()
        if what != "outage":
            bench.read(charger)
    charger.act("unplug", 600, 100)
    for _ in range(3):
        bench.read(charger)
        charger.act("go on", 600, 0)
    assert bench.shown == sorted(bench.shown)
    assert bench.shown[-1] == sum(charger.sessions) / 1000


def test_what_is_shown_of_a_session(bench: Bench) -> None:
    charger = Played()
    bench.read(charger)
    charger.act("plug", 60, 0)
    bench.read(charger)
    charger.act("go on", 3600, 7000)
    bench.read(charger)
    view = bench.states.view(101)
    assert (view["energy_total"], view["session/state"], view["session/duration"]) == (7.0, "charging", 3600)
    assert (view["session/energy"], view["session/green_energy"], view["session/grid_energy"]) == (7.0, 2.333, 4.667)
    charger.act("unplug", 60, 0)
    bench.read(charger)
    view = bench.states.view(101)
    assert (view["session/state"], view["session/energy"], view["last_session/energy"]) == (None, None, 7.0)
    assert bench.told == "started charging finished unplugged"


def test_where_nothing_new_is_read_nothing_is_written(bench: Bench) -> None:
    charger = Played()
    bench.read(charger)
    before = bench.storage.lives
    for _ in range(3):
        bench.look(charger)
    assert bench.storage.lives == before


def test_a_damaged_file_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    damaged: dict[str, Json] = {"ledger": {"counters": 3}, "past": {}}
    Storage(tmp_path, "account").write("sessions", {"chargers": {"101": damaged, "x": 3}})
    Bench(tmp_path)
    assert caplog.text.count("ignored a damaged ledger charger=") == 2


def test_the_start_is_a_time_of_this_world() -> None:
    ledger, _ = play([reading(A_DAY, CHARGING, 1, -5), reading(A_DAY + 60, CHARGING, 1, 10**9)])
    assert ledger.session is not None
    assert ledger.session.start <= A_DAY + 60


@pytest.mark.parametrize(
    ("now", "zone", "before", "start"),
    [
        ("2026-01-01T00:30:00+01:00", "Europe/Berlin", 0, "2026-01-01T00:00:00+01:00"),
        ("2026-01-01T00:30:00+01:00", "Europe/Berlin", 1, "2025-12-01T00:00:00+01:00"),
        ("2026-04-02T00:00:00+02:00", "Europe/Berlin", 1, "2026-03-01T00:00:00+01:00"),
        ("2026-11-01T00:00:00+00:00", "nonsense", 0, "2026-11-01T00:00:00+00:00"),
    ],
    ids=["new year", "the month before", "summer time", "unknown zone"],
)
def test_months_begin_where_the_charger_is(now: str, zone: str, before: int, start: str) -> None:
    at = datetime.fromisoformat(now).timestamp()
    assert month_start(at, zone_of({"timezone": zone}), before) == datetime.fromisoformat(start).timestamp()
