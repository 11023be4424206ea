"""What the status port shows: the document, the events, the plot; and which request is answered by what."""

import json
import math
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import A_DAY, FakeClock
from tests.parts import Parts
from wallbox2mqtt.catalogue import FIELDS, Json
from wallbox2mqtt.log import LoggedLine
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Fault, Settings, Simulator
from wallbox2mqtt.web import routes
from wallbox2mqtt.web.day_log import MINUTES, STEP_S, DayLog
from wallbox2mqtt.web.document import SHOWN, Sources, StatusDocument
from wallbox2mqtt.web.feed import Feed
from wallbox2mqtt.web.history import History
from wallbox2mqtt.web.http import Request, Response, parsed
from wallbox2mqtt.web.routes import document
from wallbox2mqtt.web.snapshot import StatusSnapshot

ONE, TWO = 900001, 900002
STATE = "all is well"


class Harness:
    """A bridge with two chargers, and the document of it."""

    def __init__(self, cloud: Simulator, clock: FakeClock, directory: Path) -> None:
        self.cloud, self.clock = cloud, clock
        self.parts = Parts(self.cloud, clock, directory, reads_per_minute=30, poll_interval=2)
        self.lines: list[LoggedLine] = []
        sources = Sources(
            bridge=self.parts.whole,
            broker="localhost:1883",
            is_online=lambda: True,
            reconnects=lambda: 0,
            stalls=lambda: 0,
            unpublished=lambda: 0,
            verdict=lambda: ([], STATE),
            threads=lambda: {"reader": True, "writer": False},
            lines=lambda: self.lines,
            memory_bytes=lambda: None,
        )
        self.document = StatusDocument(sources, clock)

    def now(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.document.whole(self.document.snapshot()))
        return found

    def charger(self) -> dict[str, Any]:
        found: dict[str, Any] = self.now()["chargers"][0]
        return found


@pytest.fixture
def harness(clock: FakeClock, tmp_path: Path) -> Iterator[Harness]:
    specs = [ChargerSpec(id=ONE), ChargerSpec(id=TWO)]
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    with Simulator(chargers=specs, clock=clock, settings=settings) as cloud:
        yield Harness(cloud, clock, tmp_path)


class TestDocument:
    def test_before_the_first_read(self, harness: Harness) -> None:
        shown = harness.now()
        assert (shown["chargers"], shown["commands"], shown["log"]) == ([], [], [])
        assert (shown["now"], shown["started"]) == (A_DAY, A_DAY)
        assert shown["bridge"] == {
            "broker": "online",
            "broker_where": "localhost:1883",
            "cloud": None,
            "cloud_reason": None,
            "last_poll": None,
            "threads": {"reader": True, "writer": False},
            "health": {"healthy": True, "problems": [], "state": STATE},
        }
        assert shown["budget"]["requests"] == []
        assert shown["budget"]["next_read"] is None

    def test_charger(self, harness: Harness) -> None:
        harness.parts.run(20)
        charger = harness.charger()
        assert (charger["id"], charger["availability"], charger["currency"]) == (ONE, "online", "EUR")
        assert charger["name"] == harness.parts.states.value(ONE, "name")
        assert charger["status"] == "Locked - Car connected"
        assert charger["status_id"] == 210
        assert charger["last_problem"] is None
        value, read_at = charger["fields"]["locked"]
        assert value == 1
        assert A_DAY <= read_at <= A_DAY + 20
        assert charger["read"] >= read_at

    def test_age_is_of_the_reading_and_not_of_the_change(self, harness: Harness) -> None:
        harness.parts.run(20)
        before = harness.charger()["fields"]["locked"]
        harness.parts.run(20)
        value, read_at = harness.charger()["fields"]["locked"]
        assert value == before[0]
        assert read_at >= before[1] + 15

    def test_what_the_bridge_says_has_no_age(self, harness: Harness) -> None:
        harness.parts.run(20)
        harness.parts.states.show(ONE, "energy_total", 12.5)
        harness.parts.states.show(ONE, "why", "locked; unlock it to charge")
        charger = harness.charger()
        assert charger["fields"]["energy_total"] == [12.5, None]
        assert charger["why"] == "locked; unlock it to charge"

    def test_only_what_was_read_has_a_time(self, harness: Harness) -> None:
        harness.parts.run(20)
        harness.parts.states.show(ONE, "why", "locked; unlock it to charge")
        shown = harness.parts.states.shown(ONE, ["why", "locked", "ocpp_status", "not-there"])
        assert shown is not None
        assert set(shown.values) == {"why", "locked", "ocpp_status"}
        assert set(shown.read_at) == {"locked", "ocpp_status"}

    def test_requests_of_the_last_minutes(self, harness: Harness) -> None:
        harness.parts.run(10)
        kinds = {tuple(one[1:]) for one in harness.now()["budget"]["requests"]}
        assert {("sign_in", "sign_in", "ok"), ("read", "list", "ok"), ("read", "detail", "ok")} <= kinds
        harness.clock.advance(601)
        assert harness.now()["budget"]["requests"] == []

    def test_refusal(self, harness: Harness) -> None:
        harness.parts.run(10)
        harness.cloud.fault(Fault(kind="status", status=429, count=1, method="GET"))
        harness.parts.run(10)
        budget = harness.now()["budget"]
        assert "rate_limited" in {one[3] for one in budget["requests"]}
        assert budget["refused"] == 1

    def test_command(self, harness: Harness) -> None:
        harness.parts.run(20)
        harness.parts.send(f"{ONE}/locked", "0")
        harness.parts.send(f"{ONE}/name", "a\u0007b")
        harness.parts.settle()
        name, locked = sorted(harness.now()["commands"], key=lambda one: one["status"], reverse=True)
        assert (locked["charger"], locked["field"], locked["value"], locked["status"]) == (ONE, "locked", 0, "ok")
        assert locked["http_status"] == 200
        assert (name["status"], name["value"], name["reason"]) == ("rejected", "***", "the payload is not accepted")

    def test_times_follow_a_jump_of_the_wall_clock(self, harness: Harness) -> None:
        harness.parts.run(20)
        before = harness.charger()
        harness.clock.jump(3600)
        assert harness.charger()["read"] == before["read"] + 3600

    def test_nothing_of_people_and_places(self, harness: Harness) -> None:
        harness.parts.run(60)
        text = json.dumps(harness.now())
        view = harness.parts.states.view(ONE)
        told = {key: str(view[key]) for key in ("user_name", "depot_name", "uid", "country/name", "timezone")}
        assert not [key for key, value in told.items() if value in text]
        assert EMAIL not in text
        assert PASSWORD not in text


class TestFields:
    def test_shown_ones_are_neither_private_nor_hidden(self) -> None:
        assert not [row.key for row in SHOWN if row.private or row.hidden]

    @pytest.mark.parametrize("key", ["charging_power", "added_energy", "max_charging_current", "last_session/energy"])
    def test_described(self, harness: Harness, key: str) -> None:
        row, described = FIELDS[key], harness.now()["fields"][key]
        assert (described["name"], described["unit"]) == (row.name, row.quantity.unit)


def snapshot(**changed: Any) -> StatusSnapshot:  # noqa: ANN401
    parts = {"bridge": b'{"a":1}', "budget": b"{}", **changed.get("parts", {})}
    return StatusSnapshot(
        changed.get("now", 1.0), parts, changed.get("chargers", {1: b"1", 2: b"2"}), changed.get("lines", ())
    )


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(snapshot(now=2.0), None, id="time-alone"),
        pytest.param(snapshot(parts={"bridge": b"3"}), {"now": 1.0, "bridge": 3}, id="part"),
        pytest.param(snapshot(chargers={1: b"1", 2: b"5", 3: b"7"}), {"now": 1.0, "chargers": [5, 7]}, id="chargers"),
        pytest.param(snapshot(chargers={2: b"2"}), {"now": 1.0, "gone": [1]}, id="gone"),
        pytest.param(
            snapshot(lines=(LoggedLine(8, 5.0, "info", "x", "old"), LoggedLine(9, 6.0, "info", "x", "new"))),
            {"now": 1.0, "log": [[6.0, "info", "x", "new"]]},
            id="lines",
        ),
    ],
)
def test_changes(after: StatusSnapshot, expected: Json) -> None:
    before = snapshot(lines=(LoggedLine(8, 5.0, "info", "x", "old"),))
    changes = after.changes_since(before)
    assert (None if changes is None else json.loads(changes)) == expected


class Follower:
    """Somebody who follows the events, as the page does."""

    def __init__(self, event: bytes) -> None:
        self.seen: dict[str, Any] = {}
        self.take(event)

    def take(self, event: bytes) -> None:
        _, name, data = event.decode().strip().split("\n")
        told = json.loads(data.removeprefix("data: "))
        if name == "event: status":
            self.seen = told
            return
        chargers = {one["id"]: one for one in self.seen["chargers"]} | {
            one["id"]: one for one in told.pop("chargers", [])
        }
        self.seen["chargers"] = [chargers[key] for key in sorted(chargers)]
        self.seen["log"] = (self.seen["log"] + told.pop("log", []))[-50:]
        self.seen |= told


class TestFeed:
    def test_who_follows_the_changes_knows_all(self, harness: Harness) -> None:
        now = [0.0]
        feed = Feed(harness.document, lambda: now[0])
        feed.begin()
        follower = Follower(feed.whole())
        for second in range(1, 30):
            harness.parts.run(2)
            harness.lines = [
                LoggedLine(n, float(n), "info", "x", "line") for n in range(max(1, second - 3), second + 1)
            ]
            now[0] = float(second)
            if (event := feed.change()) is not None:
                follower.take(event)
        later = Follower(feed.whole())
        assert follower.seen["chargers"] == later.seen["chargers"] != []
        assert {**follower.seen, "now": 0, "log": 0} == {**later.seen, "now": 0, "log": 0}
        assert [line[0] for line in follower.seen["log"]] == list(range(1, 30))

    def test_one_event_a_second_at_most(self, harness: Harness) -> None:
        now = [0.0]
        feed = Feed(harness.document, lambda: now[0])
        feed.begin()
        harness.parts.run(10)
        now[0] = 0.9
        assert feed.change() is None
        now[0] = 1.0
        assert feed.change() is not None

    def test_asking_takes_no_change_from_those_who_follow(self, harness: Harness) -> None:
        now = [0.0]
        feed = Feed(harness.document, lambda: now[0])
        feed.begin()
        harness.parts.run(10)
        now[0] = 5.0
        assert json.loads(harness.document.current())["chargers"]
        event = feed.change()
        assert event is not None
        assert b'"chargers"' in event


def test_asking_without_a_pause_repeats_the_last_document() -> None:
    made: list[bytes] = []
    now = [0.0]

    def make() -> bytes:
        made.append(str(len(made)).encode())
        return made[-1]

    serve = document(make, now=lambda: now[0])
    bodies = [serve(Request("GET", "/")).body, serve(Request("GET", "/")).body]
    for now[0] in (0.9, 1.0):
        bodies.append(serve(Request("GET", "/")).body)
    assert bodies == [b"0", b"0", b"0", b"1"]


class TestDayLog:
    def test_a_day_and_no_more(self) -> None:
        log = DayLog()
        for minute in range(5, 5 + MINUTES + 10):
            log.record(minute, {ONE: (minute / 1000, None)})
        day = log.of(ONE)
        assert day is not None
        assert (day.minute, len(day.power)) == (15, MINUTES)
        assert (day.power[0], day.power[-1]) == (0.015, 1.454)
        assert set(day.energy) == {None}

    @pytest.mark.parametrize("gap", [3, MINUTES - 1, MINUTES, 3 * MINUTES])
    def test_minutes_that_were_left_out_are_unknown(self, gap: int) -> None:
        log = DayLog()
        log.record(0, {ONE: (1.0, 1.0)})
        log.record(gap, {ONE: (2.0, 2.0)})
        day = log.of(ONE)
        assert day is not None
        assert day.power[-1] == 2.0
        assert day.power.count(None) == len(day.power) - (2 if gap < MINUTES else 1)

    def test_charger_that_comes_and_goes(self) -> None:
        log = DayLog()
        log.record(0, {ONE: (1.0, 1.0)})
        log.record(1, {ONE: (1.0, 1.0), TWO: (3.0, 3.0)})
        later = log.of(TWO)
        assert later is not None
        assert later.power == [None, 3.0]
        log.record(2, {TWO: (3.0, 3.0)})
        assert log.of(ONE) is None

    def test_what_is_too_large_is_unknown(self) -> None:
        log = DayLog()
        log.record(0, {ONE: (1e300, -1e300)})
        day = log.of(ONE)
        assert day is not None
        assert (day.power, day.energy) == ([None], [None])

    def test_a_minute_counts_once(self) -> None:
        log = DayLog()
        log.record(1, {ONE: (1.0, 1.0)})
        log.record(1, {ONE: (9.0, 9.0)})
        log.record(0, {ONE: (9.0, 9.0)})
        day = log.of(ONE)
        assert day is not None
        assert day.power == [1.0]


class TestHistory:
    @pytest.fixture
    def history(self, harness: Harness) -> History:
        parts = harness.parts

        def past(charger_id: int) -> tuple[list[Json], list[Json]]:
            return [["2026-10-01", 9.1, None]], [{"start": charger_id}]

        return History(parts.states, parts.registry, harness.clock, past, DayLog())

    def test_document(self, harness: Harness, history: History) -> None:
        harness.parts.run(20)
        for _ in range(3):
            history.look()
            history.look()
            harness.clock.advance(60)
        response = history.serve(Request("GET", "", {"charger": str(ONE)}))
        shown = json.loads(response.body)
        assert (shown["charger"], shown["step_s"], shown["now"]) == (ONE, STEP_S, A_DAY + 200)
        assert len(shown["power"]) == len(shown["energy"]) == 3
        assert math.isclose(shown["start"] + 2 * STEP_S, A_DAY + 140, abs_tol=STEP_S)
        assert shown["energy"][-1] == harness.parts.states.value(ONE, "added_energy")
        assert (shown["days"], shown["sessions"]) == ([["2026-10-01", 9.1, None]], [{"start": ONE}])

    def test_charger_out_of_touch_is_unknown(self, harness: Harness, history: History) -> None:
        harness.parts.run(20)
        harness.parts.states.mark_absent(ONE, absent=True)
        history.look()
        assert json.loads(history.serve(Request("GET", "", {"charger": str(ONE)})).body)["power"] == [None]

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            pytest.param({}, HTTPStatus.BAD_REQUEST, id="none"),
            pytest.param({"charger": "x"}, HTTPStatus.BAD_REQUEST, id="word"),
            pytest.param({"charger": "-1"}, HTTPStatus.BAD_REQUEST, id="negative"),
            pytest.param({"charger": "٣"}, HTTPStatus.BAD_REQUEST, id="other-digits"),
            pytest.param({"charger": "9" * 5000}, HTTPStatus.BAD_REQUEST, id="huge"),
            pytest.param({"charger": "7"}, HTTPStatus.NOT_FOUND, id="unknown"),
        ],
    )
    def test_refused(self, history: History, query: dict[str, str], status: HTTPStatus) -> None:
        response = history.serve(Request("GET", "", query))
        assert response.status is status
        assert "error" in json.loads(response.body)


class TestRoutes:
    def test_files_of_a_directory(self, tmp_path: Path) -> None:
        for name in ("index.html", "page.js", "secret.yaml", ".hidden.js"):
            (tmp_path / name).write_text(name, encoding="utf-8")
        table = routes.files(tmp_path)
        assert set(table) == {"/", "/static/index.html", "/static/page.js"}
        response = table["/static/page.js"](Request("GET", "/static/page.js"))
        assert (response.content_type, response.cache, response.body) == (
            "text/javascript; charset=utf-8",
            "no-cache",
            b"page.js",
        )

    def test_file_that_has_gone_meanwhile(self, tmp_path: Path) -> None:
        page = tmp_path / "page.js"
        page.touch()
        table = routes.files(tmp_path)
        page.unlink()
        assert table["/static/page.js"](Request("GET", "")).status is HTTPStatus.NOT_FOUND

    def test_metrics_without_the_extra(self) -> None:
        assert routes.NO_METRICS.status is HTTPStatus.NOT_FOUND
        assert b"wallbox2mqtt[metrics]" in routes.NO_METRICS.body


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(b"GET /a?charger=1&charger=2 HTTP/1.1", Request("GET", "/a", {"charger": "2"}), id="query"),
        pytest.param(b"GET ?a=1 HTTP/1.1", Request("GET", "/", {"a": "1"}), id="no-path"),
        pytest.param(b"HEAD //a HTTP/1.1", Request("HEAD", "/"), id="host-without-path"),
        pytest.param(b"GET /%2e%2e/x HTTP/1.1", Request("GET", "/%2e%2e/x"), id="escapes-stay"),
    ],
)
def test_request(head: bytes, expected: Request) -> None:
    assert parsed(head) == expected


@pytest.mark.parametrize("head", [b"", b"GET", b"GET  HTTP/1.1", b"GET / HTTP/2", b"GET /\xff HTTP/1.1", b"\x00\x01"])
def test_no_request(head: bytes) -> None:
    response = parsed(head)
    assert isinstance(response, Response)
    assert response.status is HTTPStatus.BAD_REQUEST


@given(st.binary(max_size=300) | st.from_regex(rb"GET [^ ]{0,200} HTTP/1\.1", fullmatch=True))
def test_any_bytes_are_a_request_or_refused(head: bytes) -> None:
    request = parsed(head)
    response = request if isinstance(request, Response) else routes.router({})(request)
    assert response.encoded(with_body=True).startswith(b"HTTP/1.1 4")
