"""A charger through time: its past, what is on its way to it, and what the cloud shows of it."""

import bisect
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.simulator import paths, render, sessions
from wallbox2mqtt.simulator.models import MODELS, ChargerSpec, capture
from wallbox2mqtt.simulator.moves import move
from wallbox2mqtt.simulator.paths import Document, Json
from wallbox2mqtt.simulator.settings import Settings
from wallbox2mqtt.simulator.state import WITH_CAR, ChargerState, RecordedSession, RunningSession
from wallbox2mqtt.simulator.transitions import advance, apply_due, transitions

Change = Callable[[ChargerState], ChargerState]

_PAST = 10_000
_JUMP_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the account may do with a charger.

    ``listed``: the list of chargers has it. ``documents``: 200, or the status that refuses its documents and its
    commands. ``may_write`` False: the account is a guest there, every write is answered with 403.
    """

    listed: bool = True
    documents: int = 200
    may_write: bool = True

    def __post_init__(self) -> None:
        """Check the status."""
        if self.documents not in {200, 403, 404}:
            msg = f"documents: 200, 403 or 404, not {self.documents}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Truth:
    """The energy that the cloud shows, and since when it is true (monotonic seconds of the clock)."""

    energy_kwh: float
    since: float


class SimulatedCharger:
    """A living charger. Thread-safe; nothing runs in it: it is worked out whenever somebody looks."""

    def __init__(self, spec: ChargerSpec, clock: Clock, settings: Callable[[], Settings], speed: float = 1.0) -> None:
        """Start in the state of the model's capture, then make the moves of the specification."""
        self.id = spec.id
        self.spec = spec
        self.access = Access()
        self._clock = clock
        self._settings = settings
        self._lock = threading.RLock()
        self._origin, self._begun = clock.monotonic(), clock.wall()
        self._past = [_first_state(spec, self._origin, clock.wall(), speed)]
        self._pending: list[tuple[float, Change]] = []
        self._served: dict[str, Document] = {}
        for word, value in spec.begin:
            self.do(word, value)

    def do(self, word: str, value: Json = None) -> None:
        """Make a move of ``moves.MOVES`` now.

        Raises:
            ValueError: there is no such move, or not with this value.

        """
        with self._lock:
            now = self._advance()
            self._past.append(move(advance(self._past[-1], now), word, value))

    def serve(self, kind: str, document: Mapping[str, Json] | None) -> None:
        """Show this document as it is in place of ``detail``, ``basic`` or ``listed`` (None: the living one again)."""
        with self._lock:
            if document is None:
                self._served.pop(kind, None)
            else:
                self._served[kind] = document

    def command(self, change: Change) -> None:
        """Accept a command: it has its effect after the lag."""
        with self._lock:
            now, settings = self._advance(), self._settings()
            bisect.insort(self._pending, (now + settings.lag_s, change), key=lambda pending: pending[0])
            self._advance()

    def expected(self) -> ChargerState:
        """Return the state as it will be when all accepted commands have had their effect."""
        with self._lock:
            now = self._advance()
            state = advance(self._past[-1], now)
            for _, change in self._pending:
                state = change(state)
            return state

    def state(self) -> ChargerState:
        """Return the state that the cloud knows of at present."""
        with self._lock:
            return self._shown(self._advance())

    def detail(self, state: ChargerState | None = None) -> Document:
        """Return the status document, of the present or of a state."""
        if served := self._served.get("detail"):
            return served
        settings = self._settings()
        return render.detail(
            self.state() if state is None else state,
            self.spec,
            {
                "config_data.live_refresh_time": settings.report_interval_s,
                "config_data.update_refresh_time": settings.idle_report_interval_s or settings.report_interval_s,
            },
        )

    def basic(self, state: ChargerState | None = None) -> Document:
        """Return ``chargerData``, of the present or of a state."""
        return self._served.get("basic") or render.basic(self.detail(state), self.spec, self._month())

    def history(self) -> tuple[RecordedSession, ...]:
        """Return the sessions that the cloud knows of, the oldest first."""
        state = self.state()
        return (state if state.last_seen is None else state.last_seen).recorded

    def _month(self) -> Document:
        """Return the totals of the month; those of the capture belong to the month of the start."""
        wall = self._clock.wall()
        is_first = time.gmtime(wall)[:2] == time.gmtime(self._begun)[:2] and not self.spec.past_days
        base = render.resume(capture("basic")) if is_first else None
        return sessions.month_totals(self.history(), wall, base, self._settings().month_totals)

    def listed(self, state: ChargerState | None = None) -> Document:
        """Return what the list of chargers says, of the present or of a state."""
        return self._served.get("listed") or render.listed(self.detail(state), self.spec)

    def truth(self, when: float) -> Truth:
        """Return the energy that the cloud showed at a time of the clock, not later than now."""
        with self._lock:
            self._advance()
            state = self._shown(when)
            source = state if state.last_seen is None else state.last_seen
            return Truth(round(source.session.energy_kwh, 3), source.at)

    def actual(self, when: float) -> ChargerState:
        """Return the state that the charger was in at a time of the clock, reported or not, not later than now."""
        with self._lock:
            self._advance()
            return self._at(when)

    def _advance(self) -> float:
        """Bring the past up to the present; return the present."""
        now = self._clock.monotonic()
        while self._pending and self._pending[0][0] <= now:
            when, change = self._pending.pop(0)
            self._past.extend(transitions(self._past[-1], when))
            self._past.append(change(advance(self._past[-1], when)))
        self._past.extend(transitions(self._past[-1], now))
        offset = self._clock.wall() - now
        if abs(offset - self._past[-1].wall_offset) > _JUMP_S:
            self._past.append(replace(advance(self._past[-1], now), wall_offset=offset))
        if len(self._past) > _PAST:
            del self._past[: _PAST // 2]
        return now

    def _at(self, when: float) -> ChargerState:
        return advance(self._changed_before(when), when)

    def _changed_before(self, when: float) -> ChargerState:
        """Return the state right after the last change before a time."""
        index = bisect.bisect_right(self._past, when, key=lambda state: state.at) - 1
        return self._past[max(0, index)]

    def _shown(self, when: float) -> ChargerState:
        """Return what the cloud knows at a time: the last report."""
        return self._at(self._reported_at(when))

    def _reported_at(self, when: float) -> float:
        """Return the time of the last report before a time."""
        settings = self._settings()
        live_s = settings.report_interval_s
        if live_s is None:
            return when
        idle_s = settings.idle_report_interval_s or live_s
        latest = self._changed_before(when)
        # the pace may have been another one before the latest change, and last_sync never goes back
        times = [self._slot(latest.at, live_s), self._slot(latest.at, idle_s)]
        times.append(self._slot(when, live_s if latest.power_kw else idle_s))
        if settings.reports_changes:
            times.append(latest.at)
        return max(self._origin, *times)

    def _slot(self, when: float, step_s: float) -> float:
        begin = self._origin + self.spec.report_offset_s
        return begin + math.floor((when - begin) / step_s) * step_s


def _first_state(spec: ChargerSpec, now: float, wall: float, speed: float) -> ChargerState:
    document = spec.detail
    plugged = paths.get(document, "status_id") in WITH_CAR
    model = MODELS[spec.model]
    return apply_due(
        ChargerState(
            at=now,
            wall_offset=wall - now,
            speed=speed,
            document=document,
            session=RunningSession(
                energy_kwh=paths.number(document, "added_energy"),
                green_kwh=paths.number(document, "added_green_energy"),
                grid_kwh=paths.number(document, "added_grid_energy"),
                discharged_kwh=paths.number(document, "added_discharged_energy"),
                cost=paths.number(document, "cost"),
                range_km=paths.number(document, "added_range"),
                time_s=paths.number(document, "charging_time"),
            ),
            capacity_kwh=model.capacity_kwh,
            plugged=plugged,
            wanted_kwh=model.capacity_kwh / 2 if plugged else 0.0,
            idle_since=now,
            finished=paths.get(document, "finished") is not False,
            recorded=sessions.past(spec.id, spec.past_days, wall, paths.number(document, "config_data.energy_price")),
        )
    )
