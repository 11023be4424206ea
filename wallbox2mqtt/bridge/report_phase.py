"""When a charger reports to the cloud, worked out from what its status documents show.

A charger that charges reports each ``live_refresh_time`` seconds. A document read just before a report shows what is
almost one report older than one read just after.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

AGREEING = 3
"""So many observations in a row that agree make a phase known."""
_TOLERANCE_S = 1.5
_AFTER_S = 1.7
"""A last sync is told in whole seconds: a read so long after it comes 0.7 to 1.7 s after the report."""
_GOOD_S = 2.5
"""A read so much later than that is still good: to wait for the next report would cost more than it brings."""
_PERIOD_S = 30.0
_SELDOM = 1 / 3
"""A last sync that is older than this share of the period proves that there was no report in between."""
_SHORTEST_S, _LONGEST_S = 15.0, 120.0
"""Reports more often than the first are young at any time; a longer time than the second is no period."""
_OFFSETS = 20


@dataclass(slots=True)
class _Reports:
    """What was observed of one charger: its last syncs (server time), newest last.

    ``is_seldom``: a document has shown that it does not report much more often than it says.
    """

    seen: deque[float] = field(default_factory=lambda: deque(maxlen=AGREEING))
    period_s: float | None = None
    observed: float = -math.inf
    is_seldom: bool = False


class ReportPhase:
    """Tells how long to put a read off so that it comes just after a report. Only the reader's thread uses it."""

    def __init__(self) -> None:
        self._reports: dict[int, _Reports] = {}
        self._earliest: deque[float] = deque(maxlen=_OFFSETS)
        self._latest: deque[float] = deque(maxlen=_OFFSETS)

    def observe(
        self, charger_id: int, last_sync: float, live_s: float | None, server_time: float, sent: float, received: float
    ) -> None:
        """Record what a status document shows.

        ``last_sync`` and ``server_time``, the answer's Date, are seconds since 1970 by the server, ``sent`` and
        ``received`` monotonic. ``live_s``: how often it says that it reports while it charges.
        """
        # the Date is whole seconds: the server's clock was between it and a second later, between sending and receiving
        self._earliest.append(server_time - received)
        self._latest.append(server_time + 1 - sent)
        reports = self._reports.setdefault(charger_id, _Reports())
        if not reports.seen or last_sync != reports.seen[-1]:
            reports.seen.append(last_sync)
        reports.observed = received
        reports.period_s = _period(list(reports.seen), live_s)
        reports.is_seldom = reports.is_seldom or server_time - last_sync >= (reports.period_s or _PERIOD_S) * _SELDOM

    def keep(self, is_charging: Callable[[int], bool]) -> None:
        """Drop what was observed of chargers that do not charge any more: they report seldom."""
        for charger_id in [one for one in self._reports if not is_charging(one)]:
            del self._reports[charger_id]

    def delay_s(self, now: float, interval_s: float) -> float:
        """Return for how long to put off a read that is due now, so that it comes just after a report.

        Of several chargers the one that was observed longest ago counts. Zero where nothing is known. One that reports
        each five seconds fits any longer period, too: where that would slow down each read, it has to be ruled out.
        """
        known = [
            reports
            for reports in self._reports.values()
            if reports.period_s is not None and (reports.is_seldom or interval_s >= reports.period_s)
        ]
        if not known:
            return 0.0
        reports = min(known, key=lambda one: one.observed)
        period = reports.period_s or _LONGEST_S
        late = (now + self._offset - reports.seen[-1] - _AFTER_S) % period
        return 0.0 if late <= _GOOD_S else period - late

    @property
    def _offset(self) -> float:
        """What the monotonic clock lacks to the server's."""
        least, most = max(self._earliest), min(self._latest)
        return (least + most) / 2 if least <= most else self._earliest[-1]


def _period(seen: list[float], live_s: float | None) -> float | None:
    """Return the period of which these times are multiples apart; None where there are too few, or none fits."""
    if len(seen) < AGREEING:
        return None
    period = live_s if live_s is not None and 0 < live_s <= _LONGEST_S else _PERIOD_S
    if period < _SHORTEST_S:
        return None
    fits = all(_fits(later - earlier, period) for earlier, later in itertools.pairwise(seen))
    return period if fits else None


def _fits(step: float, period: float) -> bool:
    return step > 0 and abs(step - period * round(step / period)) <= _TOLERANCE_S and round(step / period) > 0
