"""Shows for each charger why it charges or does not: ``why`` and ``why/code``."""

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


@dataclass(slots=True)
class _Charger:
    """What commands did to a charger. ``paused``: when one did. ``known``: what its reason was worked out from."""

    done: Done | None = None
    failure: _Failure | None = None
    paused: float | None = None
    known: tuple[object, ...] = ()


class Reasons:
    """Knows what commands did. Any thread may record a result, one calls ``look``."""

    def __init__(
        self, states: ChargerStates, registry: Registry, status: BridgeStatus, clock: Clock, storage: Storage
    ) -> None:
        """Restore which chargers were paused by a command."""
        self._states, self._registry, self._status = states, registry, status
        self._clock, self._storage = clock, storage
        self._lock = threading.Lock()
        self._kept = dict(_restored(storage.read(_FILE).get("paused")))
        self._chargers = {charger_id: _Charger(paused=at) for charger_id, at in self._kept.items()}

    def record(self, command: QueuedCommand, result: Result) -> None:
        """Record what became of a command."""
        if command.key not in _KEYS or result.status == "superseded":
            return
        now, intent = self._clock.wall(), command.intent
        with self._lock:
            charger = self._chargers.setdefault(command.charger_id, _Charger())
            if result.status != "ok":
                charger.failure = _Failure(f"{command.key}: {result.reason}", now)
                return
            charger.failure = None
            if intent is None or result.http_status is None:
                return
            if (word := _word(intent)) is not None:
                charger.done = Done(word, now)
            if intent.pauses or intent.resumes:
                charger.paused = now if intent.pauses else None

    def look(self) -> None:
        """Show the reasons that have changed."""
        with self._lock:
            chargers = {one: self._chargers.get(one, _Charger()) for one in self._registry.chargers}
            for charger_id, charger in chargers.items():
                if (known := self._all_of(charger_id, charger)) != charger.known:
                    charger.known = known
                    self._look_at(charger_id, charger)
            self._chargers = chargers
            paused = {one: charger.paused for one, charger in chargers.items() if charger.paused is not None}
            if paused != self._kept:
                self._kept = paused
                self._storage.write(_FILE, {"paused": {str(one): at for one, at in paused.items()}})

    def _all_of(self, charger_id: int, charger: _Charger) -> tuple[object, ...]:
        """Return what changes whenever the reason may: of a fleet only what has changed is looked at."""
        stamp, fault = self._states.stamp(charger_id), self._status.cloud_fault
        commands = charger.done, charger.failure, charger.paused
        # the day that stands before a time, and how long ago a command failed
        return (stamp, fault, self._registry.problem_of(charger_id), *commands, int(self._clock.wall() // _TIMES_S))

    def _look_at(self, charger_id: int, charger: _Charger) -> None:
        view, fault = self._states.view(charger_id), self._status.cloud_fault
        if not view and fault is None and not self._registry.is_absent(charger_id):
            return  # what an earlier run has shown stays until something is known
        waits = self._states.awaits(charger_id, _STARTS_AND_STOPS)
        state = status_of(view.get("status_id"))
        if not waits and state is not None and state.why != "paused":
            charger.paused = None
        known = Circumstances(
            now=self._clock.wall(),
            gone=self._registry.is_absent(charger_id),
            unreadable=self._registry.problem_of(charger_id),
            cloud_fault=fault,
            out_of_touch=self._states.is_out_of_touch(charger_id),
            unshown=charger.done if waits else None,
            paused=charger.paused,
        )
        reason = self._with_failure(charger, reason_of(view, known), view)
        self._states.tell(charger_id, "why", reason.sentence)
        self._states.tell(charger_id, "why/code", reason.code)

    def _with_failure(self, charger: _Charger, reason: Reason, view: Values) -> Reason:
        """Return the reason with the command that failed beside it, until it is another one, or for an hour."""
        if (failure := charger.failure) is None:
            return reason
        now = self._clock.wall()
        if not 0 <= now - failure.at < FAILURE_S or failure.code not in {None, reason.code}:
            charger.failure = None
            return reason
        charger.failure = replace(failure, code=reason.code)
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
