"""``kill -9`` at random moments of a process that books energy: ``python -m tests.soak.kill_ledger --kills 500``.

The year of ``tests.year`` passes on, fast, whether the process lives or not: each life goes on from the files of the
one before, real ones that are waited for. What a life publishes goes into a file with one write, before the next.
"""

import argparse
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.year import BEGIN, HOUR, Stay, Year, a_year
from tests.year_bridge import CONFIG, EVENTS, PlayedYear
from tests.year_checks import by_stay, of_course
from wallbox2mqtt.mqtt.outbox import Outgoing
from wallbox2mqtt.storage import Storage

_SPEED = 200_000.0
_LIFE_S = (0.0, 0.12)
_QUIET_HOURS = 120


def _year_time(begun: float) -> float:
    """Every process that begins with the same moment has the same time of the year."""
    return BEGIN + (time.time() - begun) * _SPEED


class Life(PlayedYear):
    """A bridge that writes down what it publishes. Nothing is away but what it misses itself."""

    def __init__(self, year: Year, directory: Path, at: float, out: int) -> None:
        self._out = out
        super().__init__(year, directory, time.time_ns(), poll_s=0, idle_s=0, begin=at)
        self.be_well()

    def new_storage(self) -> Storage:
        return Storage(self.directory, CONFIG.wallbox.account)

    def _deliver(self, message: Outgoing) -> bool:
        if message.topic == EVENTS or message.topic.endswith("/energy_total"):
            line = {"at": self.now, "topic": message.topic, "payload": json.loads(message.payload)}
            os.write(self._out, json.dumps(line).encode() + b"\n")
        return super()._deliver(message)


@dataclass
class Report:
    """What was published in all lives; ``repeated``: events that came again, word by word."""

    sums: list[tuple[int, float]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    repeated: int = 0


def _report(out: Path) -> Report:
    report = Report()
    for line in out.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if one["topic"] == EVENTS:
            report.repeated += one["payload"] in report.events
            report.events += [one["payload"]] if one["payload"] not in report.events else []
        else:
            report.sums.append((one["at"], one["payload"]))
    return report


def _calm(stays: list[Stay]) -> list[Stay]:
    """Leave out what readings cannot tell apart at any pace: here it is about the moments of the kills."""
    kept: list[Stay] = []
    for stay in stays:
        if not kept or stay.plug >= kept[-1].unplug + HOUR:
            kept.append(replace(stay, number=len(kept) + 1, resets=(), errors=(), late_s=0, delay_s=60))
    return kept


def _live(year: Year, directory: Path, begun: float, out: int) -> None:
    life = Life(year, directory, _year_time(begun), out)
    while True:
        life.turn()
        # in a turn no time passes: a program would need no hours for one
        life.clock.advance(_year_time(begun) - life.clock.wall())


def _kill_many(year: Year, directory: Path, kills: int, out: int, chance: random.Random) -> int:
    """Return the year's time at the end."""
    begun = time.time()
    for _ in range(kills):
        child = os.fork()
        if not child:
            try:
                _live(year, directory, begun, out)
            finally:
                os._exit(1)  # a fault of the child: the parent sees that it was not killed
        time.sleep(chance.uniform(*_LIFE_S))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            msg = "a life ended by itself"
            raise RuntimeError(msg)
    return int(_year_time(begun))


def _problems(year: Year, report: Report) -> Iterator[str]:
    yield from of_course("energy_total", report.sums, year.total)
    end, kwh = report.sums[-1]
    if round(kwh * 1000) != year.total(end):
        yield f"at the end {kwh} kWh, of {year.total(end)} Wh"
    for word in ("started", "finished"):
        told, strangers = by_stay(year, report.events, word)
        yield from (f"{word}: invented or twice: {event}" for event in strangers)
        yield from (f"{word}: never told: {stay}" for stay in year.stays if stay.number not in told)


def main() -> int:
    """Kill as often as the command line asks for; return 1 where a Wh or an event is lost or doubled."""
    parser = argparse.ArgumentParser(prog="kill_ledger", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rough", action="store_true", help="with counters that begin anew, and silences")
    args = parser.parse_args()
    logging.disable()
    year, chance = a_year(args.seed, stays=900), random.Random(args.seed)  # noqa: S311 - moments
    if not args.rough:
        year.silences, year.stays = [], _calm(year.stays)
    with tempfile.TemporaryDirectory() as name:
        directory, path = Path(name, "state"), Path(name, "published")
        out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        end = _kill_many(year, directory, args.kills, out, chance)
        year.stays = [one for one in year.stays if one.plug < end]
        life = Life(year, directory, end, out)
        for _ in range(_QUIET_HOURS):
            life.turn()
            life.clock.advance(HOUR)
        report = _report(path)
    found = list(_problems(year, report))
    figures = f"{len(year.stays)} sessions, {report.sums[-1][1]} kWh, {report.repeated} events repeated"
    sys.stdout.write(f"{args.kills} kills, {figures}, {len(found)} problems\n")
    sys.stdout.writelines(f"  {problem:.400}\n" for problem in found[:10])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
