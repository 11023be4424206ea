"""``sessions``: the charging sessions of a time, as the bridge has read them, or from the cloud within the budget."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from wallbox2mqtt.bridge.history_reads import PAGE
from wallbox2mqtt.cli.paced_reads import PacedReads, configured, only_command
from wallbox2mqtt.cli.report import say
from wallbox2mqtt.cli.sessions_formats import FORMATS, Line, as_evcc
from wallbox2mqtt.clock import Clock, SystemClock
from wallbox2mqtt.cloud import Account, CloudResponse
from wallbox2mqtt.cloud.documents import read_sweep
from wallbox2mqtt.config import Config
from wallbox2mqtt.errors import EXIT_OK, BadAnswerError, UnauthorizedError, UsageError
from wallbox2mqtt.history.archive import Archive, Kept
from wallbox2mqtt.history.entries import Entry, read_page
from wallbox2mqtt.storage import Storage

_FRESH_S = 26 * 3600.0
"""A bridge that runs reads the history daily."""
_MARGIN_S = 31 * 86_400
"""The cloud selects by one of a session's two times; nobody is plugged in for longer."""


@dataclass(frozen=True, slots=True)
class Period:
    """From a time to before another one, in seconds since 1970."""

    start: float
    end: float


def span_of(first: str | None, last: str | None, month: str | None, now: float) -> Period:
    """Return the time that is asked for, in local time: whole days, a month, or the present month.

    Raises:
        UsageError: it is no date, or both are given.

    """
    if month and (first or last):
        msg = "give either --month, or --from and --to"
        raise UsageError(msg)
    try:
        if first or last:
            begins = datetime.strptime(first, "%Y-%m-%d") if first else datetime(1970, 1, 2)  # noqa: DTZ001, DTZ007 - local time
            ends = datetime.strptime(last, "%Y-%m-%d") if last else datetime.fromtimestamp(now)  # noqa: DTZ006, DTZ007
            return Period(begins.timestamp(), (ends + timedelta(days=1)).timestamp())
        begins = datetime.strptime(month or f"{datetime.fromtimestamp(now):%Y-%m}", "%Y-%m")  # noqa: DTZ006, DTZ007
        return Period(begins.timestamp(), (begins + timedelta(days=32)).replace(day=1).timestamp())
    except (ValueError, OverflowError) as error:
        msg = f"no date like 2026-10-31, or month like 2026-10: {error}"
        raise UsageError(msg) from None


class Sessions:
    """Finds the sessions of an account. ``say`` reports the progress."""

    def __init__(self, config: Config, directory: Path, clock: Clock, say: Callable[[str], None]) -> None:
        """Use what the bridge has left: history, token and budgets."""
        self._config, self._clock, self._say = config.wallbox, clock, say
        self._storage = Storage(directory, config.wallbox.account)

    def of(self, span: Period, chargers: Sequence[int]) -> list[Line]:
        """Return the sessions that began in this time, the oldest first."""
        kept = Archive(self._storage).chargers()
        wanted = list(chargers or self._config.chargers)
        until = min(span.end, self._clock.wall())
        known = [number for number, one in kept.items() if one.start <= span.start and one.read >= until - _FRESH_S]
        if known and set(wanted or kept) <= set(known):
            found = {number: kept[number].entries for number in wanted or known}
            read = datetime.fromtimestamp(min(kept[number].read for number in found))  # noqa: DTZ006 - as people here read it
            self._say(f"as the bridge has read it until {read:%Y-%m-%d %H:%M}")
        else:
            found = {
                number: tuple(_with_costs(entries, kept.get(number)))
                for number, entries in self._from_cloud(span, wanted).items()
            }
        lines = [
            Line(number, entry, None)
            for number, entries in found.items()
            for entry in entries
            if span.start <= entry.start < span.end
        ]
        return sorted(lines, key=lambda line: (line.entry.start, line.charger))

    def _from_cloud(self, span: Period, wanted: Iterable[int]) -> dict[int, tuple[Entry, ...]]:
        with only_command(self._storage, self._say):
            account = Account(self._config, self._clock, self._storage, is_command=True)
            cloud, paced = account.client(), PacedReads(account, self._clock)

            def ask(read: Callable[[], CloudResponse]) -> CloudResponse:
                try:
                    return paced.read(read)
                except UnauthorizedError:
                    return paced.read(read)  # the token is dropped: once more with a new one

            chargers = list(wanted) or [one.charger_id for one in read_sweep(ask(cloud.chargers).body)]
            found: dict[int, tuple[Entry, ...]] = {}
            start, end = int(max(0, span.start - _MARGIN_S)), int(span.end)
            for number, charger in enumerate(chargers, 1):
                entries: dict[str, Entry] = {}
                offset, more = 0, True
                while more:
                    self._say(f"charger {number} of {len(chargers)}: {len(entries)} sessions")
                    page, count, more = _page(ask(partial(cloud.sessions, charger, start, end, PAGE, offset)))
                    offset, before = offset + count, len(entries)
                    entries |= {entry.id: entry for entry in page}
                    more = more and len(entries) > before
                found[charger] = tuple(entries.values())
            return found


def _page(response: CloudResponse) -> tuple[Sequence[Entry], int, bool]:
    """Return the sessions of a page, how many it has, and whether another one follows."""
    try:
        return read_page(response.body)
    except ValueError as error:
        msg = f"the history of sessions has another form: {error}"
        raise BadAnswerError(msg) from None


def _with_costs(entries: Iterable[Entry], kept: Kept | None) -> Iterable[Entry]:
    """Return entries of the cloud with what they really cost, which only the bridge knows."""
    costs = {} if kept is None else {entry.id: entry.cost_real for entry in kept.entries}
    return (replace(entry, cost_real=costs.get(entry.id)) for entry in entries)


def run(args: argparse.Namespace) -> int:
    """Write the sessions to standard output; return the exit code."""
    config, directory = configured(args.config)
    clock = SystemClock()
    span = span_of(args.first, args.last, args.month, clock.wall())
    lines = Sessions(config, directory, clock, say).of(span, args.charger or ())
    sys.stdout.write(as_evcc(lines) if args.evcc else FORMATS[args.format](lines))
    return EXIT_OK
