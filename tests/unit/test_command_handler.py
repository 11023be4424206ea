"""Where commands come in: what is taken, refused, or made to wait."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.parts import Parts
from wallbox2mqtt.bridge.command_queue import MAX_UNREAD
from wallbox2mqtt.catalogue import FIELDS
from wallbox2mqtt.mqtt import Message, Reply
from wallbox2mqtt.simulator import ChargerSpec, Settings, Simulator

ONE, TWO = 101, 102
RETAINED = "the message was retained: the broker would replay it at every start"
STORED = "the broker may be delivering what it had stored; send it again"
READY = (("unplug", None), ("unlock", None))

Make = Callable[..., Parts]


@pytest.fixture
def make(clock: FakeClock, tmp_path: Path) -> Iterator[Make]:
    """Return the parts of a bridge for two chargers; ``read``: it has listed them and read their details."""
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    specs = [ChargerSpec(id=number, begin=READY, changes={"config_data.auto_lock": 0}) for number in (ONE, TWO)]
    cloud = Simulator(chargers=specs, clock=clock, settings=settings)

    def make_parts(*, read: bool = True, **options: Any) -> Parts:  # noqa: ANN401 - any key of the configuration
        parts = Parts(cloud, clock, tmp_path, **{"poll_interval": 60, "reads_per_minute": 1, **options})
        parts.clock.advance(10)
        if read:
            parts.settle()
            for number in (ONE, TWO):
                parts.planner.want(number)
            parts.run(180)
            parts.published.clear()
            cloud.forget_requests()
        return parts

    with cloud:
        yield make_parts


class TestRefused:
    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            ("charging_power", "charging_power is read-only; fields that take commands: charging_enabled locked"),
            ("nonsense", "nonsense is unknown; fields that take commands:"),
            ("schedule/10/start", "schedule/10/start is unknown"),
            ("a/b/c/d/e", "a/b/c/d/e is unknown"),
            ("availability", "availability is unknown"),
            ("status", "status is read-only"),
        ],
    )
    def test_unknown_and_read_only_fields(self, make: Make, key: str, reason: str) -> None:
        parts = make()
        parts.send(f"{ONE}/{key}", "1")
        ((status, value, why),) = parts.results_of(key)
        assert (status, value) == ("rejected", None)
        assert str(why).startswith(reason)
        assert str(why).count("/start") <= 1 + key.count("/start"), "the fields of a schedule are told once"
        assert len(parts.queue) == 0

    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            ("", "'' is not accepted"),
            ("abc", "'abc' is not accepted; accepted: 1 0 true false on off lock unlock"),
            (b"\xff\xfe", "the payload is not UTF-8 text"),
            (b"1" * 1025, "the payload is larger than 1024 bytes"),
            (b" " * 1024 + b"1", "the payload is larger than 1024 bytes"),
            ("1\x00", "'1\\x00' is not accepted"),
        ],
        ids=["empty", "word", "UTF-8", "digits", "blanks", "NUL"],
    )
    def test_payloads(self, make: Make, payload: str | bytes, reason: str) -> None:
        parts = make()
        parts.send(f"{ONE}/locked", payload)
        ((status, value, why),) = parts.results_of("locked")
        assert (status, value) == ("rejected", None)
        assert str(why).startswith(reason)

    def test_the_field_springs_back(self, make: Make) -> None:
        parts = make()
        parts.send(f"{ONE}/max_charging_current", "99")
        assert parts.of(f"{ONE}/max_charging_current") == ["32"]

    def test_every_field_without_a_command(self, make: Make) -> None:
        parts = make()
        keys = [key for key, row in FIELDS.items() if row.command is None]
        for key in keys:
            parts.send(f"{ONE}/{key}", "1")
        assert parts.statuses() == {"rejected": len(keys)}

    @pytest.mark.parametrize(("allowed", "status"), [(False, "rejected"), (True, "ok")])
    def test_factory_reset(self, make: Make, status: str, *, allowed: bool) -> None:
        parts = make(allow_factory_reset=allowed)
        parts.send(f"{ONE}/action", "factory_reset")
        parts.settle()
        assert parts.statuses() == {status: 1}

    @pytest.mark.parametrize(("key", "word"), [("action", "update"), ("action", "5"), ("firmware", "install")])
    def test_an_update_that_is_not_there(self, make: Make, key: str, word: str) -> None:
        parts = make()
        parts.send(f"{ONE}/{key}", word)
        assert parts.results_of(key) == [("rejected", None, "no update is available")]


class TestTopics:
    @pytest.mark.parametrize(
        "topic",
        [
            "999/locked",
            "007/locked",
            "-1/locked",
            "\u0661/locked",
            "name/locked",
            "101",
            f"{10**30}/locked",
            "bridge/state",
        ],
    )
    def test_of_nobody_make_no_topic(self, make: Make, caplog: pytest.LogCaptureFixture, topic: str) -> None:
        parts = make()
        with caplog.at_level(logging.WARNING):
            parts.send(topic, "1")
        assert len(caplog.records) == 1
        assert parts.answers == []
        assert parts.published == []
        assert len(parts.queue) == 0

    @pytest.mark.parametrize("topic", ["w/101/locked", "other/101/locked/set", "wallbox/101/locked/set", "set"])
    def test_that_are_no_commands(self, make: Make, topic: str) -> None:
        parts = make()
        parts.command_handler.take(Message(topic, b"1", retained=False, arrived=0.0))
        assert parts.answers == []

    def test_a_charger_that_the_configuration_leaves_out(self, make: Make) -> None:
        parts = make(read=False, chargers=(ONE,))
        parts.run(1)
        parts.send(f"{TWO}/locked", "1")
        parts.run(130)
        assert parts.answers == []
        assert parts.sent_writes == []


def test_what_publishers_can_provoke_is_told_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Of 9,000 lines 33 MB came in 15 seconds."""
    parts = make()
    reply = Reply(f"w/{ONE}/locked", None)
    with caplog.at_level(logging.INFO):
        for number in range(50):
            for topic in (f"{number + 1000}/locked", f"name{number}/locked", f"bridge/unknown{number}"):
                parts.send(topic, "1")
            parts.send("bridge/refresh", "1", stored=True)
            parts.send(f"{ONE}/refresh", "", reply=reply)
    told = [one for one in caplog.records if one.name.endswith("command_handler") and one.levelno >= logging.WARNING]
    assert len(told) == 5


class TestRetained:
    def test_is_rejected(self, make: Make) -> None:
        parts = make()
        parts.send(f"{ONE}/locked", "1", retained=True)
        assert parts.results_of("locked") == [
            ("rejected", None, "the message was retained: the broker would replay it at every start")
        ]
        assert parts.of(f"{ONE}/locked") == ["0"]
        parts.settle()
        assert parts.sent_writes == []

    @pytest.mark.parametrize("read", [True, False], ids=["known", "waits for the first detail"])
    @pytest.mark.parametrize(
        ("accepted", "retained", "stored", "reason"),
        [
            (False, False, False, None),
            (False, True, False, RETAINED),
            (False, True, True, RETAINED),
            (False, False, True, STORED),
            (True, True, False, None),
            (True, True, True, STORED),
            (True, False, True, STORED),
        ],
        ids=["live", "flagged", "flagged and stored", "stored", "accepted", "accepted but stored", "stored unflagged"],
    )
    def test_what_the_broker_had_stored_counts_never(
        self, make: Make, *, read: bool, accepted: bool, retained: bool, stored: bool, reason: str | None
    ) -> None:
        parts = make(read=read, accept_retained=accepted)
        parts.send(f"{ONE}/locked", "1", retained=retained, stored=stored)
        parts.run(130)
        told = [(status, why) for status, _, why in parts.results_of("locked")]
        assert told == [("ok", None) if reason is None else ("rejected", reason)]
        assert len(parts.sent_writes) == (reason is None)

    def test_before_anything_is_known(self, make: Make) -> None:
        parts = make(read=False)
        parts.send(f"{ONE}/locked", "1", retained=True)
        parts.send("999/locked", "1", retained=True)
        parts.run(130)
        assert parts.statuses() == {"rejected": 1}

    def test_of_the_bridge(self, make: Make) -> None:
        parts = make()
        parts.send("bridge/refresh", "", retained=True)
        parts.send("bridge/refresh", "", stored=True)
        assert not parts.planner.is_wanted
        parts.send("bridge/refresh", "")
        assert parts.planner.is_wanted


class TestWaiting:
    def test_for_the_first_detail(self, make: Make) -> None:
        parts = make(read=False)
        parts.settle()
        parts.send(f"{ONE}/max_charging_current", "16")
        assert parts.planner.is_wanted
        assert len(parts.queue) == 1
        assert parts.answers == []
        parts.run(61)
        assert parts.results_of("max_charging_current") == [("ok", 16, None)]
        assert parts.details == [ONE]

    def test_from_before_the_list_on(self, make: Make) -> None:
        parts = make(read=False)
        parts.send(f"{ONE}/locked", "1")
        parts.send("999/locked", "1")
        assert len(parts.queue) == 2
        parts.run(70)
        assert parts.results_of("locked") == [("ok", 1, None)]
        assert {topic for topic, _, _ in parts.answers} == {f"w/{ONE}/locked/result"}

    def test_of_several_the_newest(self, make: Make) -> None:
        parts = make(read=False)
        for number in (10, 11, 12):
            parts.send(f"{ONE}/max_charging_current", str(number))
        parts.run(70)
        assert [(status, value) for status, value, _ in parts.results_of("max_charging_current")] == [
            ("superseded", 10),
            ("superseded", 11),
            ("ok", 12),
        ]
        assert len(parts.sent_writes) == 1

    def test_the_detail_is_asked_for_again_where_its_read_failed(self, make: Make) -> None:
        parts = make(read=False)
        parts.settle()
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.cloud.configure(reads_per_minute=0)
        parts.run(50)
        parts.cloud.configure(reads_per_minute=None)
        parts.run(69)
        assert parts.results_of("max_charging_current") == [("ok", 16, None)]

    def test_no_longer_than_the_limit(self, make: Make) -> None:
        parts = make(read=False, max_age_s=40)
        parts.settle()
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.send(f"{TWO}/max_charging_current", "99")
        parts.run(39)
        assert parts.answers == []
        parts.run(2)
        assert parts.statuses() == {"failed": 2}
        assert parts.results_of("max_charging_current") == [
            ("failed", 16, "expired"),
            ("failed", None, "expired"),  # it would have been refused
        ]

    @pytest.mark.parametrize("read", [True, False], ids=["known", "not read yet"])
    @pytest.mark.parametrize("key", ["locked", "refresh"])
    @pytest.mark.parametrize(("age_s", "life_s"), [(125.0, 3600.0), (0.0, 10.0)], ids=["old", "short-lived"])
    def test_no_longer_than_its_sender_wants(
        self, make: Make, *, read: bool, key: str, age_s: float, life_s: float
    ) -> None:
        """It waits for the first detail, for a read, or for the write budget."""
        parts = make(read=read, writes_per_minute=1)
        parts.cloud.configure(reads_per_minute=0)
        parts.run(1)
        for number in (10, 11) if read else ():
            parts.send(f"{TWO}/max_charging_current", str(number))
            parts.settle()
        parts.cloud.forget_requests()
        parts.send(f"{ONE}/{key}", "1", age_s=age_s, life_s=life_s)
        parts.run(life_s if age_s == 0 else 1)
        assert [(status, why) for status, _, why in parts.results_of(key)] == [("failed", "expired")]
        parts.run(100)
        assert [one for one in parts.sent_writes if str(ONE) in one.path] == []

    @pytest.mark.parametrize(
        ("key", "payload", "reason"),
        [("nonsense", "1", "is unknown"), ("status", "1", "is read-only"), ("locked", b"\xff", "UTF-8")],
    )
    def test_what_no_detail_can_make_good_does_not_wait(
        self, make: Make, key: str, payload: str | bytes, reason: str
    ) -> None:
        parts = make(read=False)
        parts.settle()
        parts.send(f"{ONE}/{key}", payload)
        ((status, _, why),) = parts.results_of(key)
        assert (status, len(parts.queue)) == ("rejected", 0)
        assert reason in str(why)

    def test_before_the_first_list_nobody_is_a_stranger(self, make: Make) -> None:
        parts = make(read=False, max_age_s=40)
        parts.cloud.configure(reads_per_minute=0)
        parts.send(f"{ONE}/locked", "1")
        parts.run(41)
        assert parts.results_of("locked") == [("failed", 1, "expired")]
        parts.send(f"{ONE}/locked", "0")
        ((waiting,), _) = parts.queue.drain()
        assert waiting.intent is not None
        assert waiting.intent.value == 0

    def test_strangers_end_with_a_warning(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        parts = make(read=False)
        parts.send("999/locked", "1")
        with caplog.at_level(logging.WARNING, "wallbox2mqtt.bridge.command_handler"):
            parts.run(10)
        assert [record.name for record in caplog.records if "unknown charger" in record.getMessage()]
        assert parts.answers == []

    def test_no_more_than_there_is_room_for(self, make: Make) -> None:
        parts = make(read=False, chargers=(ONE,))
        for _ in range(MAX_UNREAD):
            parts.send(f"{ONE}/max_charging_current", "16")
        parts.send(f"{ONE}/name", "A")
        assert parts.results_of("name") == [("failed", "A", "too many commands wait for the first reading")]
        assert len(parts.queue) == MAX_UNREAD

    def test_no_topic_for_strangers_even_then(self, make: Make) -> None:
        parts = make(read=False)
        for _ in range(MAX_UNREAD + 1):
            parts.send("999/locked", "1")
        assert parts.answers == []

    def test_what_waits_can_be_taken_out(self, make: Make) -> None:
        parts = make(read=False, chargers=(ONE,))
        parts.send(f"{ONE}/max_charging_current", "16")
        waiting, _ = parts.queue.drain()
        assert [command.charger_id for command in waiting] == [ONE]

    def test_a_refresh_needs_no_detail(self, make: Make) -> None:
        parts = make(read=False)
        parts.settle()
        parts.send(f"{TWO}/refresh", "")
        assert parts.queue.unread() == []
        parts.run(61)
        assert parts.results_of("refresh") == [("ok", None, None)]


class TestBeforeTheFirstDetail:
    """Of a charger that is known from an earlier run, or from the list."""

    @pytest.mark.parametrize(
        ("command", "body"),
        [
            ("locked 1", {"locked": 1}),
            ("locked unlock", {"locked": 0}),
            ("charging_enabled off", {"action": 2}),
            ("action resume", {"action": 1}),
            ("action resume_schedule", {"action": 9}),
            ("name A", {"name": "A"}),
            ("energy_price 0.3", {"energy_price": 0.3}),
        ],
    )
    def test_what_needs_no_reading_goes_at_once(self, make: Make, command: str, body: dict[str, Any]) -> None:
        parts = make(read=False, chargers=(ONE,), reads_per_minute=0.01)
        parts.cloud.configure(reads_per_minute=0)
        key, text = command.split()
        parts.send(f"{ONE}/{key}", text)
        parts.settle()
        assert [one.body for one in parts.sent_writes] == [body]

    @pytest.mark.parametrize("command", ["action reboot", "action update", "firmware install", "home_sharing 1"])
    def test_what_depends_on_the_charger_waits(self, make: Make, command: str) -> None:
        parts = make(read=False, chargers=(ONE,))
        key, text = command.split()
        parts.send(f"{ONE}/{key}", text)
        assert parts.queue.unread() == [ONE]
        parts.run(61)
        assert len(parts.answers) == 1

    def test_a_later_one_for_the_same_field_is_not_overtaken(self, make: Make) -> None:
        """The settings wait for the detail; the price behind them needs none, and must win all the same."""
        parts = make(read=False)
        parts.settle()
        parts.send(f"{ONE}/config", '{"energy_price": 0.1, "max_charging_current": 16}')
        parts.send(f"{ONE}/energy_price", "0.2")
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        assert [one.body for one in parts.sent_writes] == [{"locked": 1}], "urgent ones pass"
        parts.run(100)
        assert parts.last(f"{ONE}/energy_price") == "0.2"
        assert parts.cloud.charger(ONE).detail()["config_data"]["energy_price"] == 0.2  # type: ignore[index,call-overload]


@pytest.mark.parametrize("word", ["reboot", "factory_reset", "update"])
def test_an_updating_charger_is_left_alone(make: Make, word: str) -> None:
    """From the moment on at which it was told to update, whatever its last reading shows."""
    parts = make(allow_factory_reset=True)
    parts.cloud.charger(ONE).do("update")
    parts.send(f"{ONE}/refresh", "")
    parts.run(61)
    parts.send(f"{ONE}/firmware", "install")
    parts.settle()
    assert parts.results_of("firmware") == [("ok", "install", None)]
    parts.send(f"{ONE}/action", word)
    parts.settle()
    parts.send(f"{ONE}/refresh", "")
    parts.run(61)
    assert parts.last(f"{ONE}/status_id") == "166"
    parts.send(f"{ONE}/action", word)
    parts.run(1)
    assert parts.results_of("action") == [("rejected", None, "the charger is updating")] * 2
    assert [one.body for one in parts.sent_writes] == [{"action": 5}]


def test_the_answer_goes_where_an_mqtt_5_client_wants_it(make: Make) -> None:
    parts = make()
    parts.send(f"{ONE}/locked", "1", reply=Reply("me/answers", b"\x01"))
    parts.send(f"{ONE}/locked", "nonsense", reply=Reply("me/answers", None))
    parts.settle()
    told = [(topic, answer["status"], correlation) for topic, answer, correlation in parts.answers]
    assert told == [
        (f"w/{ONE}/locked/result", "rejected", None),
        ("me/answers", "rejected", None),
        (f"w/{ONE}/locked/result", "ok", None),
        ("me/answers", "ok", b"\x01"),
    ]
