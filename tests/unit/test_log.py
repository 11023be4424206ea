"""What is told: lines, priorities, faults that last, the topic, and no secret anywhere."""

import io
import json
import logging
import os
import socket
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

import wallbox2mqtt.cloud.transport  # noqa: F401 - it silences urllib3's own warnings, which the log is not to show
from tests.fakes import FakeClock
from tests.mosquitto import LIMIT_S
from wallbox2mqtt.log import (
    HIDDEN,
    HOUR_S,
    LONGEST_MESSAGE,
    MOST_RECENT,
    MOST_WAITING,
    RETOLD_AFTER_S,
    Hidden,
    LineFormatter,
    RecentLines,
    RepeatedFault,
    TopicHandler,
    is_journal,
    setup,
)
from wallbox2mqtt.simulator import EMAIL

PASSWORD = "s3cr3t-of-logs"  # noqa: S105 - it stands nowhere else, so that finding it means that it was told
HEADER = b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode().rstrip("=")
LOG = logging.getLogger("wallbox2mqtt.tests")


def record(text: str, *args: object, level: int = logging.INFO, created: float = 0.0) -> logging.LogRecord:
    made = logging.LogRecord("wallbox2mqtt.bridge.reader", level, __file__, 1, text, args, None)
    made.created = created
    return made


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back in order afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    for handler in list(root.handlers):
        if handler not in handlers:
            root.removeHandler(handler)
    for handler in handlers:
        if handler not in root.handlers:
            root.addHandler(handler)
    root.setLevel(level)


class TestLines:
    def test_with_time(self) -> None:
        line = LineFormatter(journal=False).format(record("read failed reason=%s", "timeout", created=1791201600.0))
        assert line == "2026-10-05T12:00:00+00:00 info bridge.reader: read failed reason=timeout"

    @pytest.mark.parametrize(
        ("level", "priority"), [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)]
    )
    def test_for_the_journal(self, level: str, priority: int) -> None:
        line = LineFormatter(journal=True).format(record("started", level=getattr(logging, level)))
        assert line == f"<{priority}>bridge.reader: started"

    @pytest.mark.parametrize("journal", [True, False])
    def test_an_event_is_one_line(self, *, journal: bool) -> None:
        forged = record("name=%s", "x\n<0>wallbox2mqtt: all is well\r\x1b[2J\u2028\x85y")
        try:
            raise ValueError("a\nb")  # noqa: EM101, TRY003, TRY301
        except ValueError:
            forged.exc_info = sys.exc_info()
        line = LineFormatter(journal=journal).format(forged)
        assert len(line.splitlines()) == 1
        assert line.isprintable()
        assert "trace=Traceback" in line
        assert "ValueError: a" in line

    @pytest.mark.parametrize("journal", [True, False])
    def test_no_secret_is_in_it(self, *, journal: bool) -> None:
        HIDDEN.add("correct horse")
        line = LineFormatter(journal=journal).format(record("url=%r", "https://x/?p=correct%20horse&q=correct horse"))
        assert line.endswith("url='https://x/?p=***&q=***'")


class TestJournal:
    def test_the_stream_that_systemd_named(self) -> None:
        ours, other = socket.socketpair()
        with ours, other, ours.makefile("w") as stream:
            found = os.fstat(stream.fileno())
            told = f"{found.st_dev}:{found.st_ino}"
            assert is_journal(stream, {"JOURNAL_STREAM": told})
            assert not is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
            assert not is_journal(stream, {})

    def test_what_is_no_file(self) -> None:
        assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})

    def test_setup_writes_in_its_form(self, root: logging.Logger, tmp_path: Path) -> None:
        with (tmp_path / "log").open("w+", encoding="utf-8") as stream:
            found = os.fstat(stream.fileno())
            setup("info", {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}, stream)
            setup("info", {}, stream)
            LOG.debug("nothing")
            LOG.warning("seen once")
            logging.getLogger("urllib3.connectionpool").info("GET /secret")
            logging.getLogger("urllib3.connection").warning("Failed to parse headers", exc_info=ValueError("x"))
            logging.getLogger("schedule").info("Running job")
            root.handlers[0].flush()
            stream.seek(0)
            (line,) = stream.read().splitlines()
        assert line.endswith(" warning tests: seen once")


class TestHidden:
    @pytest.mark.parametrize(
        "secret", ["hunter22", 'pa"ss\\wörd', "two words", "a/b?c=d&e", "line\nbreak", "me@example.org", "émoji🔌"]
    )
    def test_no_form_of_a_secret_is_shown(self, secret: str) -> None:
        hidden = Hidden()
        hidden.add(secret)
        forms = [secret, json.dumps(secret), repr(secret), f"https://x/?p={secret}"]
        for form in forms:
            assert "***" in hidden.clean(f"before {form} after")
            assert secret not in hidden.clean(f"before {form} after")

    def test_the_longest_first(self) -> None:
        hidden = Hidden()
        hidden.add("secret", "secret-and-more")
        assert hidden.clean("x secret-and-more y secret") == "x *** y ***"

    def test_short_ones_hide_nothing(self) -> None:
        hidden = Hidden()
        hidden.add("", "a", "abc")
        assert hidden.clean("abc") == "abc"

    def test_forgets_the_oldest_tokens(self) -> None:
        hidden = Hidden()
        for number in range(1000):
            hidden.add(f"token-{number}")
        assert hidden.clean("token-999 token-998") == "*** ***"
        assert hidden.clean("token-1 ") == "token-1 "

    def test_keeps_what_the_configuration_has(self) -> None:
        hidden = Hidden()
        hidden.keep("me@example.org", "a pass", "abc")
        for number in range(1000):
            hidden.add(f"token-{number}")
        assert hidden.clean("me@example.org a%20pass abc token-999") == "*** *** abc ***"


@pytest.fixture
def trouble(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> RepeatedFault:
    caplog.set_level(logging.INFO)
    return RepeatedFault(LOG, "read failed", "reads succeed again", clock)


class TestTrouble:
    def test_is_told_when_it_begins_hourly_and_when_it_ends(
        self, trouble: RepeatedFault, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(150):
            trouble.occurs("timeout", "reason=timeout")
            clock.advance(60)
        trouble.ended()
        assert caplog.messages == [
            "read failed reason=timeout",
            "still: read failed reason=timeout times=61 lasted_s=3600",
            "still: read failed reason=timeout times=121 lasted_s=7200",
            "reads succeed again times=150 lasted_s=9000",
        ]

    def test_another_kind_is_told_once(self, trouble: RepeatedFault, caplog: pytest.LogCaptureFixture) -> None:
        for kind in ["timeout", "http_5xx", "timeout", "http_5xx", "timeout"]:
            trouble.occurs(kind, kind)
        assert caplog.messages == ["read failed timeout", "read failed http_5xx"]

    @pytest.mark.parametrize("each_s", [1.0, 60.0])
    def test_one_that_comes_and_goes_is_no_flood(
        self, trouble: RepeatedFault, clock: FakeClock, caplog: pytest.LogCaptureFixture, each_s: float
    ) -> None:
        for _ in range(int(2 * HOUR_S / each_s) - 1):
            trouble.occurs("timeout")
            trouble.ended()
            clock.advance(each_s)
        assert len(caplog.messages) == 4

    def test_one_that_stays_is_told_although_it_came_and_went(
        self, trouble: RepeatedFault, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        trouble.occurs("timeout")
        trouble.ended()
        caplog.clear()
        for _ in range(int(RETOLD_AFTER_S // 60) + 1):
            trouble.occurs("timeout")
            clock.advance(60)
        trouble.ended()
        assert caplog.messages == ["read failed", "reads succeed again times=6 lasted_s=360"]

    def test_the_end_of_nothing(self, trouble: RepeatedFault, caplog: pytest.LogCaptureFixture) -> None:
        trouble.ended()
        assert not caplog.messages


class TestTopicHandler:
    def test_keeps_json_until_drained(self) -> None:
        handler, published = TopicHandler(lambda: True), list[str]()
        handler.emit(record("read failed reason=%s", "timeout", level=logging.WARNING, created=1791201600.0))
        assert not published
        handler.drain(published.append, 0.0)
        assert [json.loads(line) for line in published] == [
            {
                "time": "2026-10-05T12:00:00+00:00",
                "level": "warning",
                "logger": "bridge.reader",
                "message": "read failed reason=timeout",
            }
        ]
        handler.drain(published.append, 0.0)
        assert len(published) == 1

    def test_nothing_while_offline(self) -> None:
        online, published = [True], list[str]()
        handler = TopicHandler(lambda: online[0])
        handler.emit(record("before"))
        online[0] = False
        handler.emit(record("during"))
        handler.drain(published.append, 0.0)
        online[0] = True
        handler.drain(published.append, 0.0)
        assert not published

    def test_is_bounded_and_says_so(self) -> None:
        handler, published = TopicHandler(lambda: True), list[str]()
        for _ in range(MOST_WAITING + 7):
            handler.emit(record("x" * 5000))
        handler.drain(published.append, 0.0)
        assert len(published) == MOST_WAITING + 1
        assert json.loads(published[-1])["message"] == "left out lines=7"
        assert len(json.loads(published[0])["message"]) == LONGEST_MESSAGE

    def test_what_publishing_logs_is_not_published(self, root: logging.Logger) -> None:
        handler, published = TopicHandler(lambda: True), list[str]()
        root.addHandler(handler)

        def publish(line: str) -> None:
            LOG.warning("publishing %s", line)
            thread = threading.Thread(target=LOG.warning, args=("meanwhile",))
            thread.start()
            thread.join(LIMIT_S)
            published.append(line)

        LOG.warning("begin")
        handler.drain(publish, 0.0)
        assert [json.loads(line)["message"] for line in published] == ["begin"]
        handler.drain(published.append, 0.0)
        assert [json.loads(line)["message"] for line in published] == ["begin", "meanwhile"]


class TestRecentLines:
    def test_the_last_ones_are_kept_with_their_numbers(self) -> None:
        handler = RecentLines()
        for number in range(MOST_RECENT + 5):
            handler.handle(record("line %d", number, created=float(number)))
        lines = handler.lines()
        assert (lines[0].number, lines[0].text, lines[-1].number) == (6, "line 5", MOST_RECENT + 5)
        assert (lines[0].created, lines[0].level, lines[0].logger) == (5.0, "info", "bridge.reader")

    def test_no_secret_and_no_end(self) -> None:
        HIDDEN.keep(PASSWORD)
        handler = RecentLines()
        handler.handle(record(f"{PASSWORD} {'x' * 5000}"))
        (line,) = handler.lines()
        assert line.text.startswith("*** x")
        assert len(line.text) == LONGEST_MESSAGE
