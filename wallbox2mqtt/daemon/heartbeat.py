"""The heartbeat: what main writes every ten seconds, and what it means.

``wallbox2mqtt health`` reads it, which has to be quick: this module imports next to nothing.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

FILE = "heartbeat"
BEAT_S = 10.0
SILENT_S = 30.0
"""A heartbeat older than this does not count: main is stopped, hangs, or died."""
AWAY_S = 30.0
"""For so long the broker may be away: it may have been restarted."""
UNANSWERED_S, UNANSWERED_END_S = 35.0, 60.0
"""A broker that owes an acknowledgement for 30 s has lost it, and the connection is made anew."""
IDLE_INTERVALS, IDLE_LEAST_S = 3, 120.0
"""Without a read begun for so many intervals, and for so long at least, polls do not advance."""
READ_INTERVALS, READ_LEAST_S, READ_MOST_S = 3, 60.0, 110.0
"""Without a good read for so many intervals, within these bounds, the state is not to be trusted: told within two
minutes, also at one read a minute."""
READ_LATEST_INTERVALS = 1.75
"""At longer intervals than those bounds are made for: one read may be late, none may be missing."""
BACKOFF_S = 45 * 60.0
"""A back-off after «too many requests» is obedience and no fault, for three of its longest steps."""


class Beat(NamedTuple):
    """A heartbeat. Ages are seconds at ``at``, the machine's monotonic time, which begins anew with each boot.

    ``threads``: how long each thread is silent, and how long it may be. ``idle_s``: how long no read was
    begun although one could have been. ``read_age_s``: of the last good read, or of the last answer that was
    no fault, else since the start. ``away_s``: how long the broker is away; 0 when it is there. ``reason``:
    the cloud's, as ``bridge/cloud_reason`` has it. ``unanswered_s``: how long the broker owes an acknowledgement.
    ``unpublished``: topics that the broker refuses. ``stands_by``: another bridge does the work.
    """

    at: float
    threads: dict[str, list[float]]
    idle_s: float
    read_age_s: float
    has_read: bool
    interval_s: float
    away_s: float
    reason: str
    chargers: int
    unanswered_s: float = 0.0
    unpublished: int = 0
    stands_by: bool = False

    @property
    def read_limit_s(self) -> float:
        """How old the last good read may become."""
        if self.reason == "rate_limited":
            return BACKOFF_S
        bounded = min(max(READ_INTERVALS * self.interval_s, READ_LEAST_S), READ_MOST_S)
        return max(bounded, READ_LATEST_INTERVALS * self.interval_s)

    @property
    def idle_limit_s(self) -> float:
        """How long no read may be begun."""
        return max(IDLE_INTERVALS * self.interval_s, IDLE_LEAST_S)

    @property
    def advances(self) -> bool:
        """Whether every thread lives and polls advance: anything else is not the fault of this process."""
        if self.unanswered_s > UNANSWERED_END_S:
            return False  # the connection should have been cut long ago
        return self.idle_s <= self.idle_limit_s and all(age <= allowed for age, allowed in self.threads.values())


def not_live(beat: Beat, now: float) -> list[str]:
    """Return why the process is not alive, in words; empty when it is. Neither cloud nor broker count.

    An orchestrator that restarts the bridge for an outage of the cloud would only add to it. ``now``: monotonic.
    """
    silent = now - beat.at
    if silent < -1.0:
        return ["the bridge does not run: its last heartbeat is of an earlier boot"]
    if silent > SILENT_S:
        return [f"the main loop is silent for {silent:.0f} s: the process is stopped, hangs, or died"]
    return [
        f"the thread {name} is silent for {age:.0f} s" for name, (age, allowed) in beat.threads.items() if age > allowed
    ]


def faults(beat: Beat, now: float) -> list[str]:
    """Return what is wrong, in words, the worst first; empty when all is well. ``now``: monotonic."""
    found = not_live(beat, now)
    silent = now - beat.at
    if not -1.0 <= silent <= SILENT_S:
        return found  # nothing else that it tells is of now
    silent = max(0.0, silent)
    if beat.stands_by:
        return [*found, *_broker_faults(beat, silent)]
    if (idle := beat.idle_s + silent) > beat.idle_limit_s:
        found.append(f"no read was begun for {idle:.0f} s although one could have been")
    if beat.reason == "auth_failed":
        found.append("the cloud refuses the sign-in: check e-mail and password")
    elif (age := beat.read_age_s + silent) > beat.read_limit_s:
        since = "" if beat.has_read else " since the start"
        found.append(f"no good read for {age:.0f} s{since}, {beat.read_limit_s:.0f} s are allowed: {beat.reason}")
    return found + _broker_faults(beat, silent)


def _broker_faults(beat: Beat, silent: float) -> list[str]:
    found = []
    if beat.away_s > 0 and beat.away_s + silent > AWAY_S:
        found.append(f"the broker is away for {beat.away_s + silent:.0f} s")
    elif beat.unanswered_s > UNANSWERED_S:
        found.append(f"the broker acknowledges nothing for {beat.unanswered_s + silent:.0f} s")
    if beat.unpublished:
        found.append(f"the broker refuses to show {beat.unpublished} topics: look at its access list")
    return found


def words(beat: Beat) -> str:
    """Say how things stand, for people."""
    chargers = "1 charger" if beat.chargers == 1 else f"{beat.chargers} chargers"
    read = f"last good read {beat.read_age_s:.0f} s ago" if beat.has_read else "nothing read yet"
    broker = "broker connected" if beat.away_s <= 0 else f"no broker for {beat.away_s:.0f} s"
    if beat.stands_by:
        return f"standing by, {broker}"
    return f"{chargers}, a read each {beat.interval_s:g} s, {read}, cloud {beat.reason}, {broker}"


def find(directory: Path) -> list[Path]:
    """Return the heartbeats in a state directory: one for each account that ran, or was killed, there."""
    return sorted(directory.glob(f"*-{FILE}.json"))


def _content(path: Path) -> bytes:
    """Read a file that somebody else may have put there: a pipe would be waited for."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - of a handle
        return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""


def read(path: Path) -> Beat | None:
    """Read a heartbeat; None if the file is not one, or of another version."""
    try:
        kept: Any = json.loads(_content(path))
        kept.pop("version", None)
        beat = Beat(**kept)
        ages = [number for pair in beat.threads.values() for number in (pair[0], pair[1])]
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return None
    numbers = [*ages, *(value for name, value in kept.items() if name not in {"threads", "reason"})]
    return beat if all(isinstance(number, int | float) for number in numbers) else None
