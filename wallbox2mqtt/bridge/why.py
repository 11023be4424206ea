"""Tells of each charger why it charges or does not: ``why`` and ``why/code``."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.results import Result
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.bridge.status import BridgeStatus
from wallbox2mqtt.catalogue import Intent, Json, Values, status_of
from wallbox2mqtt.catalogue.quantities import is_number
from wallbox2mqtt.catalogue.reasons import Circumstances, Done, Reason, reason_of
from wallbox2mqtt.catalogue.zones import local_time
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.storage import Storage

FAILURE_S = 3600.0
"""For so long a command that failed is told beside the reason."""
_TIMES_S = 300.0
"""A part of each day in each time zone."""
_FILE = "why"
_STARTS_AND_STOPS = frozenset({"locked", "charging_enabled"})
_LOCKS: Mapping[Json, str] = {1: "locked", 0: "unlocked"}
_LATEST = 4e9
"""Seconds since 1970; what a damaged file may say beyond is no time."""
_KEYS = _STARTS_AND_STOPS | {"action"}
"""Commands by which a charger begins to charge, or ends."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A command that failed: what it could not do, and when; ``code``: of the reason that it is told beside."""

    text: str
    at: float
    code: str | None = None


class Reasons:
    """Knows what commands did. Any thread may record a result, one calls ``look``."""

    def __init__(
        self, states: ChargerStates, registry: Registry, status: BridgeStatus, clock: Clock, storage: Storage
    ) -> None:
        """Restore which chargers were paused by a command."""
        self._states, self._registry, self._status = states, registry, status
        self._clock, self._storage = clock, storage
        self._lock = threading.Lock()
        self._done: dict[int, Done] = {}
        self._failed: dict[int, _Failure] = {}
        self._paused = dict(_restored(storage.read(_FILE).get("paused")))
        self._kept = dict(self._paused)
        self._known: dict[int, tuple[object, ...]] = {}

    def record(self, command: QueuedCommand, result: Result) -> None:
        """Record what became of a command."""
        charger_id, now = command.charger_id, self._clock.wall()
        if command.key not in _KEYS or result.status == "superseded":
            return
        with self._lock:
            if result.status != "ok":
                self._failed[charger_id] = _Failure(f"{command.key}: {result.reason}", now)
                return
            self._failed.pop(charger_id, None)
            if command.intent is not None and result.http_status is not None:
                self._record_done(charger_id, command.intent, now)

    def _record_done(self, charger_id: int, intent: Intent, now: float) -> None:
        if (word := _word(intent)) is not None:
            self._done[charger_id] = Done(word, now)
        if intent.pauses:
            self._paused[charger_id] = now
        elif intent.resumes:
            self._paused.pop(charger_id, None)

    def look(self) -> None:
        """Show the reasons that have changed."""
        chargers = self._registry.chargers
        with self._lock:
            self._drop_others(set(chargers))
            for charger_id in chargers:
                if (known := self._all_of(charger_id)) != self._known.get(charger_id):
                    self._look_at(charger_id)
                    self._known[charger_id] = known
            if self._paused != self._kept:
                self._kept = dict(self._paused)
                self._storage.write(_FILE, {"paused": {str(one): at for one, at in self._paused.items()}})

    def _drop_others(self, chargers: set[int]) -> None:
        for known in (self._done, self._failed, self._paused, self._known):
            for charger_id in known.keys() - chargers:
                del known[charger_id]

    def _all_of(self, charger_id: int) -> tuple[object, ...]:
        """Return what changes whenever the reason may: of a fleet only what has changed is looked at."""
        stamp, fault = self._states.stamp(charger_id), self._status.cloud_fault
        commands = [known.get(charger_id) for known in (self._done, self._failed, self._paused)]
        # the day that stands before a time, and how long ago a command failed
        return (stamp, fault, self._registry.problem_of(charger_id), *commands, int(self._clock.wall() // _TIMES_S))

    def _look_at(self, charger_id: int) -> None:
        view, fault = self._states.view(charger_id), self._status.cloud_fault
        if not view and fault is None and not self._registry.is_absent(charger_id):
            return  # what an earlier run has shown stays until something is known
        waits = self._states.awaits(charger_id, _STARTS_AND_STOPS)
        state = status_of(view.get("status_id"))
        if not waits and state is not None and state.why != "paused":
            self._paused.pop(charger_id, None)
        known = Circumstances(
            now=self._clock.wall(),
            gone=self._registry.is_absent(charger_id),
            unreadable=self._registry.problem_of(charger_id),
            cloud_fault=fault,
            out_of_touch=self._states.is_out_of_touch(charger_id),
            unshown=self._done.get(charger_id) if waits else None,
            paused=self._paused.get(charger_id),
        )
        reason = self._with_failure(charger_id, reason_of(view, known), view)
        self._states.tell(charger_id, "why", reason.sentence)
        self._states.tell(charger_id, "why/code", reason.code)

    def _with_failure(self, charger_id: int, reason: Reason, view: Values) -> Reason:
        """Return the reason with the command that failed beside it, until it is another one, or for an hour."""
        if (failure := self._failed.get(charger_id)) is None:
            return reason
        now = self._clock.wall()
        if not 0 <= now - failure.at < FAILURE_S or failure.code not in {None, reason.code}:
            del self._failed[charger_id]
            return reason
        self._failed[charger_id] = replace(failure, code=reason.code)
        return reason.with_failure(f"{local_time(failure.at, now, view)}: {failure.text}")


def _word(intent: Intent) -> str | None:
    """Return what a command has done to the charger, in a word; None where it neither starts nor stops charging."""
    if intent.pauses or intent.resumes:
        return "paused" if intent.pauses else "resumed"
    return _LOCKS.get(intent.value) if intent.field.key == "locked" else None


def _restored(kept: Json) -> Iterator[tuple[int, float]]:
    for charger, at in kept.items() if isinstance(kept, dict) else ():
        if charger.isascii() and charger.isdigit() and is_number(at):
            yield int(charger), min(max(0.0, float(at)), _LATEST)
