"""What is told of each command beside its result: event, last problem, a line of the log."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.command_reports import CommandReports, Report
from wallbox2mqtt.bridge.results import Made, Result, Results
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import FIELDS, parse
from wallbox2mqtt.cloud.documents import Reading
from wallbox2mqtt.topics import Topics

ONE = 101

Answer = Callable[[Results, QueuedCommand], None]


class Harness:
    """Results with reports, and what they publish."""

    def __init__(self, clock: FakeClock) -> None:
        self.shown: list[tuple[str, str]] = []
        self.events: list[dict[str, Any]] = []
        topics = Topics("w")
        self.states = ChargerStates(topics, lambda topic, text: self.shown.append((topic, text)), 45)
        self.states.take_reading(ONE, Reading({"status_id": 161}), 0.0)
        self.reports = CommandReports(topics, self.states, self._event, clock)
        self.results = Results(topics, lambda *_: None, self.reports.tell, clock)

    def _event(self, topic: str, text: str) -> None:
        assert topic == f"w/{ONE}/event/command"
        self.events.append(json.loads(text))

    def problems(self) -> list[str]:
        return [text for topic, text in self.shown if topic == f"w/{ONE}/last_problem"]


@pytest.fixture
def harness(clock: FakeClock) -> Harness:
    return Harness(clock)


def command(clock: FakeClock, key: str = "max_charging_current", text: str = "16") -> QueuedCommand:
    return QueuedCommand(ONE, key, clock.monotonic(), intent=parse(FIELDS[key], text, {}, frozenset()))


WAYS: list[tuple[Answer, str, Any, str | None, str | None]] = [
    (lambda results, one: results.ok(one, 200), "ok", 16, None, "None"),
    (
        lambda results, one: results.ok(one, 200, Made(12, "the charger made 12 of 16")),
        "ok",
        12,
        "the charger made 12 of 16",
        "None",
    ),
    (lambda results, one: results.rejected(one, "no"), "rejected", None, "no", "max_charging_current: no"),
    (lambda results, one: results.failed(one, "why", 403), "failed", 16, "why", "max_charging_current: why"),
    (lambda results, one: results.superseded(one), "superseded", 16, "a newer command took its place", None),
    (
        lambda results, one: results.not_confirmed(one, {}),
        "not_confirmed",
        16,
        "not confirmed",
        "max_charging_current: not confirmed",
    ),
]


@pytest.mark.parametrize("way", WAYS, ids=[f"{kind} {reason}" for _, kind, _, reason, _ in WAYS])
def test_each_way(
    harness: Harness, clock: FakeClock, way: tuple[Answer, str, int | None, str | None, str | None]
) -> None:
    answer, kind, value, reason, problem = way
    answer(harness.results, command(clock))
    assert harness.events == [{"event_type": kind, "field": "max_charging_current", "value": value, "reason": reason}]
    assert harness.problems() == ([] if problem is None else [problem])


def test_who_else_may_run_it(harness: Harness, clock: FakeClock) -> None:
    harness.results.not_confirmed(command(clock, "locked", "lock"), {"operation_mode": "ocpp"})
    reason = "not confirmed: an OCPP back end runs it"
    assert harness.events == [{"event_type": "not_confirmed", "field": "locked", "value": 1, "reason": reason}]
    assert harness.problems() == [f"locked: {reason}"]


def test_a_problem_is_over_with_the_next_command_that_succeeds(harness: Harness, clock: FakeClock) -> None:
    harness.states.introduce(ONE)
    harness.results.rejected(command(clock), "no")
    harness.results.superseded(command(clock))
    harness.results.ok(command(clock), 200)
    harness.results.ok(command(clock), 200)
    harness.states.introduce(ONE)
    assert harness.problems() == ["None", "max_charging_current: no", "None"]


def test_it_is_announced_again_and_forgotten_with_the_charger(harness: Harness, clock: FakeClock) -> None:
    harness.results.rejected(command(clock), "no")
    harness.shown.clear()
    list(harness.states.announcing())
    assert harness.problems() == ["max_charging_current: no"]
    assert f"w/{ONE}/last_problem" in harness.states.forget(ONE)


def test_a_problem_fits_into_a_state(harness: Harness, clock: FakeClock) -> None:
    harness.results.rejected(command(clock), "x" * 1000)
    assert len(harness.problems()[0]) == 255


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name.endswith("command_reports")]


def test_a_line_for_each_command(harness: Harness, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    one = command(clock)
    clock.advance(1.5)
    with caplog.at_level(logging.INFO):
        harness.results.failed(one, "the cloud answered 403: no", 403)
    (told,) = lines(caplog)
    assert told.startswith("command topic=w/101/max_charging_current/set value=16 result=failed ")
    assert told.endswith(" reason='the cloud answered 403: no' http_status=403 ms=1500")


@pytest.mark.parametrize(
    "answer",
    [
        lambda results, one: results.ok(one, 200),
        lambda results, one: results.failed(one, "why", 500),
        lambda results, one: results.rejected(one, "'Mine' is not accepted"),
    ],
)
def test_no_name_is_in_the_log(
    harness: Harness, clock: FakeClock, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer(harness.results, command(clock, "name", "Mine"))
    assert len(lines(caplog)) == 1
    assert "Mine" not in caplog.text


def test_a_flood_is_counted(harness: Harness, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(1000):
            harness.results.rejected(command(clock), "no")
        harness.results.ok(command(clock), 200)
        clock.advance(60)
        harness.results.rejected(command(clock), "no")
    told = lines(caplog)
    assert len(told) == 103
    assert "result=ok" in told[100], "what the cloud was asked is always told"
    assert told[101] == "more commands came than are told one by one count=900"


def test_the_last_ones_are_remembered(harness: Harness, clock: FakeClock) -> None:
    for _ in range(30):
        harness.results.superseded(command(clock))
    clock.advance(1)
    harness.results.failed(command(clock), "why", 403)
    harness.results.rejected(command(clock, "name", "Mine"), "'Mine' is not accepted")
    *superseded, failed, name = harness.reports.recent()
    assert len(superseded) == 18
    assert failed == Report(clock.wall(), ONE, "max_charging_current", "failed", Result("failed", 16, "why", 403, 0))
    assert (name.result.value, name.result.reason) == ("***", "the payload is not accepted")
