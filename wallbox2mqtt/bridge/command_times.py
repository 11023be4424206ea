"""How long commands took, by what became of them: a histogram for the metrics."""

import threading
from bisect import bisect_left
from dataclasses import dataclass

from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.results import Result

KINDS = ("ok", "rejected", "failed", "superseded", "not_confirmed")
BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper ends of the histogram's classes: from what needs no request to what waited for the budget until it expired."""


@dataclass(frozen=True, slots=True)
class Times:
    """Of one kind of result: how many took up to each of the bounds, and at the end all; and their sum in seconds."""

    counts: tuple[int, ...]
    sum_s: float


class CommandTimes:
    """Counts results. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {kind: [0] * (len(BOUNDS_S) + 1) for kind in KINDS}
        self._sums = dict.fromkeys(KINDS, 0.0)

    def record(self, _: QueuedCommand, result: Result) -> None:
        """Count a result."""
        took_s = result.took_ms / 1000
        with self._lock:
            self._counts[result.kind][bisect_left(BOUNDS_S, took_s)] += 1
            self._sums[result.kind] += took_s

    def by_kind(self) -> dict[str, Times]:
        """Return what was counted since the start, of every kind."""
        with self._lock:
            return {kind: Times(_summed(counts), self._sums[kind]) for kind, counts in self._counts.items()}


def _summed(counts: list[int]) -> tuple[int, ...]:
    return tuple(sum(counts[: n + 1]) for n in range(len(counts)))
