"""The log: one line for each event, words and then ``key=value``, and no secret in it.

Under systemd the journal gets priorities, elsewhere each line has its time. A fault that lasts is told when it
begins, hourly, and when it ends. The same lines can go to a topic, as JSON.
"""

import base64
import json
import logging
import os
import sys
import threading
import traceback
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TextIO
from urllib.parse import quote

from wallbox2mqtt.clock import Clock, iso_utc

HOUR_S = 3600.0
RETOLD_AFTER_S = 300.0
"""A fault that comes and goes is told again in the same hour only when it has lasted for so long."""
SHORTEST_SECRET = 4
"""Shorter ones are part of many words: replacing them would hide nothing and garble everything."""
LONGEST_MESSAGE = 1000
MOST_WAITING = 100
MOST_RECENT = 50
_MOST_PASSING = 400
_PACKAGE = "wallbox2mqtt."
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Hidden:
    """Texts that no line may show. The second defence: the first is that nothing logs a secret."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: set[str] = set()
        self._passing: dict[str, None] = {}
        self._longest_first: tuple[str, ...] = ()

    def keep(self, *secrets: str) -> None:
        """Hide these for ever, also as JSON, ``repr``, a URL or base64 would write them: what the configuration has."""
        with self._lock:
            self._kept.update(_all_forms(secrets))
            self._sort()

    def add(self, *secrets: str) -> None:
        """Hide these in the same way, until so many newer ones came that the oldest are let go: tokens."""
        with self._lock:
            for form in _all_forms(secrets):
                self._passing.pop(form, None)
                self._passing[form] = None
            for oldest in list(self._passing)[:-_MOST_PASSING]:
                del self._passing[oldest]
            self._sort()

    def _sort(self) -> None:
        self._longest_first = tuple(sorted(self._kept | self._passing.keys(), key=len, reverse=True))

    def clean(self, text: str) -> str:
        """Return the text with three stars in place of each secret."""
        for form in self._longest_first:
            text = text.replace(form, "***")
        return text


def _all_forms(secrets: Iterable[str]) -> list[str]:
    return [form for text in secrets if len(text) >= SHORTEST_SECRET for form in _forms(text)]


def _forms(text: str) -> set[str]:
    encoded = base64.b64encode(text.encode(errors="replace")).decode().rstrip("=")
    return {text, json.dumps(text)[1:-1], repr(text)[1:-1], quote(text, safe="", errors="replace"), encoded}


HIDDEN = Hidden()
"""The secrets of this process; the code that reads one adds it."""


def one_line(record: logging.LogRecord) -> str:
    """Return a record's text in one line, a traceback too, without control characters and secrets."""
    text = record.getMessage()
    if record.exc_info is not None and record.exc_info[0] is not None:
        text += " trace=" + " | ".join("".join(traceback.format_exception(*record.exc_info)).splitlines())
    # a name or an answer from elsewhere must not be able to forge a line of its own
    plain = "".join(f"\\x{ord(one):02x}" if unicodedata.category(one) in {"Cc", "Zl", "Zp"} else one for one in text)
    return HIDDEN.clean(plain)


def _short(name: str) -> str:
    return name.removeprefix(_PACKAGE)


class LineFormatter(logging.Formatter):
    """Lines for people and for the journal."""

    def __init__(self, *, journal: bool) -> None:
        """With ``journal``: its priorities instead of a time, which the journal has itself."""
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        text = f"{_short(record.name)}: {one_line(record)}"
        if self._journal:
            return f"<{_PRIORITIES.get(record.levelno, 6)}>{text}"
        return f"{iso_utc(record.created)} {record.levelname.lower()} {text}"


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether a stream goes to systemd's journal, by what systemd says about it."""
    told = environ.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return told == f"{found.st_dev}:{found.st_ino}"


def setup(level: str, environ: Mapping[str, str], stream: TextIO | None = None) -> None:
    """Send all lines of this level and above to a stream (stderr); an earlier set-up is replaced."""
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(journal=is_journal(stream, environ)))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # of urllib3 nothing counts at all: its home, ``cloud``, sees to that
    logging.getLogger("schedule").setLevel(logging.WARNING)


class RepeatedFault:
    """One sort of fault: logged when it begins, hourly, and when it ends; other occurrences at level debug.

    One that comes and goes is told once an hour, unless it then stays. Any thread may call.
    """

    def __init__(self, log: logging.Logger, begins: str, ends: str, clock: Clock) -> None:
        """Start without; the texts say what happens when it begins and when it ends."""
        self._log, self._begins, self._ends, self._clock = log, begins, ends, clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._told: float | None = None
        self._kinds: set[str] = set()
        self._times, self._is_told = 0, False

    def occurs(self, kind: str, details: str = "", level: int = logging.WARNING) -> None:
        """Record that it happens.

        Args:
            kind: one of few words; another one than before is told at once.
            details: ``key=value`` for the line.
            level: at which it is told.

        """
        with self._lock:
            now = self._clock.monotonic()
            if self._since is None:
                self._since, self._times, self._is_told = now, 0, False
            self._times += 1
            lasted = now - self._since
            hourly = self._told is None or now - self._told >= HOUR_S
            if hourly:
                self._kinds.clear()
            stays = not self._is_told and lasted >= RETOLD_AFTER_S
            text = f"{self._begins} {details}".rstrip()
            if self._is_told and hourly:
                text = f"still: {text} times={self._times} lasted_s={lasted:.0f}"
            if hourly or stays or kind not in self._kinds:
                self._kinds.add(kind)
                self._told, self._is_told = now, True
            else:
                level = logging.DEBUG
        self._log.log(level, "%s", text)

    def ended(self) -> None:
        """Record that it does not happen any more."""
        if self._since is None:
            return
        with self._lock:
            if self._since is None:
                return
            lasted, self._since = self._clock.monotonic() - self._since, None
            level = logging.INFO if self._is_told else logging.DEBUG
            times = self._times
        self._log.log(level, "%s times=%d lasted_s=%.0f", self._ends, times, lasted)


class TopicHandler(logging.Handler):
    """Keeps lines for a topic, as JSON. It only enqueues: main publishes, and nothing waits for the broker."""

    def __init__(self, is_online: Callable[[], bool]) -> None:
        """Take lines only while ``is_online`` says that they could be published."""
        super().__init__()
        self._is_online = is_online
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._publisher: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; publishing must not bring forth more to publish."""
        if self._publisher == threading.get_ident() or not self._is_online():
            return
        if len(self._waiting) >= MOST_WAITING:
            self._left_out += 1
            return
        self._waiting.append(_to_json(record.created, record.levelname, _short(record.name), one_line(record)))

    def drain(self, publish: Callable[[str], None], wall: float) -> None:
        """Publish what was kept; what cannot be published is forgotten. ``wall``: now, seconds since 1970."""
        if not self._is_online():
            self._waiting.clear()
            self._left_out = 0
            return
        left_out, self._left_out = self._left_out, 0
        self._publisher = threading.get_ident()
        try:
            # no more than there are now: other threads go on logging
            for _ in range(len(self._waiting)):
                publish(self._waiting.popleft())
            if left_out:
                publish(_to_json(wall, "WARNING", "logs", f"left out lines={left_out}"))
        finally:
            self._publisher = None


@dataclass(frozen=True, slots=True)
class LoggedLine:
    """A line. ``number``: of all lines since the start; ``created``: seconds since 1970."""

    number: int
    created: float
    level: str
    logger: str
    text: str


class RecentLines(logging.Handler):
    """Keeps the last lines, for people who look."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: deque[LoggedLine] = deque(maxlen=MOST_RECENT)
        self._reading = threading.Lock()
        self._count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        text = _cut(one_line(record))
        with self._reading:
            self._count += 1
            line = LoggedLine(self._count, record.created, record.levelname.lower(), _short(record.name), text)
            self._kept.append(line)

    def lines(self) -> list[LoggedLine]:
        """Return the last lines, the oldest first."""
        with self._reading:
            return list(self._kept)


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"


def _to_json(created: float, level: str, logger: str, message: str) -> str:
    line = {"time": iso_utc(created), "level": level.lower(), "logger": logger, "message": _cut(message)}
    return json.dumps(line)
