"""The state of the bridge, which main reports to ``wallbox2mqtt health`` and to systemd.

The first reads the heartbeat, the second listens at its socket.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.daemon.heartbeat import BEAT_S, FILE, SILENT_S, Beat, faults, not_live, words
from wallbox2mqtt.daemon.systemd import Notifier
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.watchdog import Pulse


class Verdict(NamedTuple):
    """What is wrong, in words, the worst first, and how things stand."""

    problems: list[str]
    state: str


class Health:
    """What main tells every ten seconds, whatever the process is at. Real seconds throughout."""

    def __init__(self, mqtt: MqttConnection, storage: Storage, beats: Storage) -> None:
        """Start at the start of the program.

        ``beats``: where the heartbeat is written, in memory where that can be had. ``storage``: where it is looked for.
        """
        self._mqtt, self._storage, self._beats = mqtt, storage, beats
        self._threads: Mapping[str, Pulse] = {}
        self._systemd = Notifier()
        self._told = self._online_at = time.monotonic()
        self._told_of: tuple[object, ...] = ()
        self._beat: Beat | None = None

    def beat(self) -> Beat:
        """Return the heartbeat of this moment: of a bridge that stands by."""
        now = time.monotonic()
        return Beat(
            at=round(now, 1),
            threads={name: [round(one.silent_s, 1), round(one.allowed_s, 1)] for name, one in self._threads.items()},
            idle_s=0.0,
            read_age_s=0.0,
            has_read=False,
            interval_s=0.0,
            away_s=0.0 if self._mqtt.answers else round(max(now - self._online_at, 0.1), 1),
            reason="not asked",
            chargers=0,
            unanswered_s=round(self._mqtt.unanswered_s, 1),
            stands_by=True,
        )

    def _state(self) -> tuple[object, ...]:
        """Return what is told at once when it changes."""
        return (self._mqtt.answers,)

    def begin(self, threads: Mapping[str, Pulse]) -> None:
        """Say that these threads run. Neither the cloud nor the broker need be there: the bridge waits for them."""
        self._threads = threads
        self._tell(READY="1")
        self._storage.link(FILE, self._beats.path(FILE))

    def look(self) -> None:
        """Look how things are, each second, and tell every ten, or when they change."""
        if self._mqtt.answers:
            self._online_at = time.monotonic()
        if time.monotonic() - self._told >= BEAT_S or self._state() != self._told_of:
            self._tell()

    def end(self, reason: str) -> None:
        """Say that the program ends, and why; ``health`` reports from now on that it does not run."""
        self._systemd.tell(STOPPING="1", STATUS=f"ended: {reason}")
        for store in (self._storage, self._beats):
            with contextlib.suppress(OSError):
                store.path(FILE).unlink(missing_ok=True)

    def live(self) -> Verdict:
        """Return how the process is, as ``health --live`` says it. Any thread may ask."""
        return _verdict(self._beat, not_live, time.monotonic())

    def ready(self) -> Verdict:
        """Return how the bridge is, as ``health`` says it. Any thread may ask."""
        return _verdict(self._beat, faults, time.monotonic())

    def told(self) -> Verdict:
        """Return how the bridge was when main told it last: each ten seconds, or when something happens."""
        beat, now = self._beat, time.monotonic()
        is_recent = beat is not None and now - beat.at <= SILENT_S
        return _verdict(beat, faults, beat.at if beat is not None and is_recent else now)

    def threads(self) -> dict[str, bool]:
        """Return whether each thread was heard of in time, as it was told last."""
        beat = self._beat
        return {} if beat is None else {name: age <= allowed for name, (age, allowed) in beat.threads.items()}

    def _tell(self, **states: str) -> None:
        self._told, self._told_of = time.monotonic(), self._state()
        beat = self._beat = self.beat()
        self._beats.write(FILE, beat._asdict())
        wrong = faults(beat, beat.at)
        if beat.advances:
            states["WATCHDOG"] = "1"
        self._systemd.tell(**states, STATUS="; ".join(wrong) if wrong else words(beat))


class ActiveHealth(Health):
    """How the active bridge is: also told when broker or cloud come or go. The ages of reads are the clock's."""

    def __init__(self, bridge: Bridge, mqtt: MqttConnection, storage: Storage, beats: Storage) -> None:
        """Start at the start of the program; ``storage`` and ``beats``: as of any ``Health``."""
        super().__init__(mqtt, storage, beats)
        self._bridge, self._shared, self._status = bridge, bridge.shared, bridge.status
        self._advanced = self._shared.clock.monotonic()

    def _state(self) -> tuple[object, ...]:
        return self._mqtt.answers, self._status.reason, self._status.last_read is not None

    def look(self) -> None:
        """Record when a read was begun, or when none may be: after refusals, or within the budget; and tell."""
        shared, begun = self._shared, self._bridge.reader.begun
        if max(self._bridge.backoff.wait_s(), shared.tokens.wait_s(), shared.reads.ready_in_s()) > 0:
            self._advanced = shared.clock.monotonic()
        elif begun is not None:
            self._advanced = max(self._advanced, begun)
        super().look()

    def beat(self) -> Beat:
        """Return the heartbeat of this moment."""
        now = self._shared.clock.monotonic()
        return (
            super()
            .beat()
            ._replace(
                idle_s=round(now - self._advanced, 1),
                read_age_s=round(now - self._status.last_contact, 1),
                has_read=self._status.last_read is not None,
                interval_s=round(self._bridge.backoff.interval_s, 1),
                reason=self._status.reason or "not asked yet",
                chargers=len(self._shared.registry.chargers),
                unpublished=self._mqtt.unpublished,
                stands_by=False,
            )
        )


def _verdict(beat: Beat | None, judge: Callable[[Beat, float], list[str]], now: float) -> Verdict:
    return Verdict(["the bridge has not begun yet"], "") if beat is None else Verdict(judge(beat, now), words(beat))
