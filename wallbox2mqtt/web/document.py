"""The document behind the page: what the bridge knows, without people, places and secrets.

Times are seconds since 1970. The state's lock is held for as long as it takes to copy a few fields of one charger, and
only when something of it has changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from wallbox2mqtt import __version__
from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.bridge.command_reports import Report
from wallbox2mqtt.bridge.snapshot import Shown
from wallbox2mqtt.catalogue import FIELDS, Field, Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.budget import Budget
from wallbox2mqtt.log import LoggedLine
from wallbox2mqtt.topics import LAST_PROBLEM
from wallbox2mqtt.web.http import encoded_json
from wallbox2mqtt.web.routes import Verdict, health_document
from wallbox2mqtt.web.snapshot import StatusSnapshot

_WHY, _WHY_CODE = "why", "why/code"
_APART = ("name", "status", "status_id", _WHY)
_MODEL, _PART, _CURRENCY = "basic/chargerType", "part_number", "currency/code"
_OFFSET_S = 0.5
_LONGEST_TEXT = 300


def _is_shown(row: Field) -> bool:
    return row.has_state and not row.hidden and not row.private and row.key not in _APART


SHOWN = tuple(row for row in FIELDS.values() if _is_shown(row) and (row.enabled or row.recorded))
"""The fields that a page shows: those of everyday, and what the bridge has worked out of sessions."""
_KEYS = tuple(row.key for row in SHOWN)
_ASKED = (*_KEYS, *_APART, _WHY_CODE, LAST_PROBLEM, _MODEL, _PART, _CURRENCY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where document and metrics come from. All may be asked from any thread.

    ``reconnects``: connections to the broker after the first. ``stalls``: those that the bridge gave up because the
    broker did not answer. ``memory_bytes``: of this process; None: the system does not tell.
    """

    bridge: Bridge
    broker: str
    is_online: Callable[[], bool]
    reconnects: Callable[[], int]
    stalls: Callable[[], int]
    unpublished: Callable[[], int]
    verdict: Verdict
    threads: Callable[[], Mapping[str, bool]]
    lines: Callable[[], list[LoggedLine]]
    memory_bytes: Callable[[], int | None]


class StatusDocument:
    """Makes the document. One thread calls it."""

    def __init__(self, sources: Sources, clock: Clock) -> None:
        self._sources, self._clock = sources, clock
        self._bridge, self._shared = sources.bridge, sources.bridge.shared
        self._offset = clock.wall() - clock.monotonic()
        self._encoded: dict[int, tuple[object, bytes]] = {}
        started = datetime.fromisoformat(sources.bridge.status.started).timestamp()
        fields: dict[str, Json] = {row.key: _described(row) for row in SHOWN}
        head: dict[str, Json] = {"version": __version__, "started": started, "fields": fields}
        self._head = {name: encoded_json(part) for name, part in head.items()}

    def now(self) -> float:
        """Return the bridge's time."""
        return round(self._clock.wall(), 1)

    def whole(self, snapshot: StatusSnapshot) -> bytes:
        """Return the whole document of a moment."""
        return snapshot.encoded(self._head)

    def current(self) -> bytes:
        """Return the whole document of now."""
        return self.whole(self.snapshot())

    def snapshot(self) -> StatusSnapshot:
        """Return how things are now."""
        self._follow_the_wall_clock()
        chargers = sorted(self._shared.registry.chargers)
        encoded = {charger_id: self._charger(charger_id) for charger_id in chargers}
        self._encoded = {charger_id: self._encoded[charger_id] for charger_id in chargers}
        commands: list[Json] = [_command(report) for report in self._bridge.reports.recent()]
        parts: dict[str, Json] = {"bridge": self._own(), "budget": self._budget(), "commands": commands}
        encoded_parts = {name: encoded_json(part) for name, part in parts.items()}
        return StatusSnapshot(self.now(), encoded_parts, encoded, tuple(self._sources.lines()))

    def _follow_the_wall_clock(self) -> None:
        """Reckon with another offset only after a jump, or all times would change a little each time."""
        offset = self._clock.wall() - self._clock.monotonic()
        if abs(offset - self._offset) > _OFFSET_S:
            self._offset = offset
            self._encoded.clear()

    def _time(self, monotonic: float | None) -> Json:
        return None if monotonic is None else round(monotonic + self._offset, 1)

    def _own(self) -> Json:
        status = self._bridge.status
        threads: dict[str, Json] = {**self._sources.threads()}
        return {
            "broker": "online" if self._sources.is_online() else "offline",
            "broker_where": self._sources.broker,
            "cloud": status.shown("cloud"),
            "cloud_reason": status.reason,
            "last_poll": self._time(status.last_read),
            "threads": threads,
            "health": health_document(*self._sources.verdict()),
        }

    def _budget(self) -> Json:
        shared, backoff = self._shared, self._bridge.backoff
        held_s = backoff.wait_s()
        requests: list[Json] = [
            [self._time(one.at), one.budget, one.kind, one.outcome] for one in shared.requests.recent()
        ]
        return {
            "reads": _described_budget(shared.reads),
            "writes": _described_budget(shared.writes),
            "auto": shared.rate.is_auto,
            "interval_s": round(backoff.interval_s, 1),
            "next_read": self._next_read(held_s),
            "next_try": _rounded(shared.rate.next_try),
            "last_refusal": _rounded(shared.rate.last_refusal),
            "refused": backoff.refused_total + self._bridge.write_backoff.refused_total,
            "backoff_until": round(self._clock.wall() + held_s) if held_s > 0 else None,
            "waiting": len(shared.queue),
            "requests": requests,
        }

    def _next_read(self, held_s: float) -> Json:
        begun, now = self._bridge.reader.begun, self._clock.monotonic()
        due = now if begun is None else begun + self._bridge.backoff.interval_s
        due = max(due, now + held_s)
        return self._time(due) if due > now else None

    def _charger(self, charger_id: int) -> bytes:
        stamp = self._bridge.states.stamp(charger_id)
        known = self._encoded.get(charger_id)
        if known is None or known[0] != stamp:
            known = stamp, encoded_json(self._described(charger_id, self._bridge.states.shown(charger_id, _ASKED)))
            self._encoded[charger_id] = known
        return known[1]

    def _described(self, charger_id: int, shown: Shown | None) -> Json:
        shown = shown or Shown({}, {}, None, None)
        values = shown.values
        fields: dict[str, Json] = {
            key: [values[key], self._time(shown.read_at.get(key))] for key in _KEYS if key in values
        }
        return {
            "id": charger_id,
            "name": values.get("name"),
            "model": values.get(_MODEL) or values.get(_PART),
            "currency": values.get(_CURRENCY),
            "availability": shown.availability,
            "read": self._time(shown.newest),
            "status": values.get("status"),
            "status_id": values.get("status_id"),
            "why": values.get(_WHY),
            "why_code": values.get(_WHY_CODE),
            "last_problem": values.get(LAST_PROBLEM),
            "fields": fields,
        }


def _described(row: Field) -> Json:
    quantity = row.quantity
    return {
        "name": row.name,
        "unit": quantity.unit,
        "precision": quantity.precision,
        "kind": quantity.device_class,
        "category": row.category,
    }


def _described_budget(budget: Budget) -> Json:
    return {
        "per_minute": budget.limit,
        "window_s": budget.window_s,
        "last_hour": budget.last_hour(),
        "total": budget.total,
    }


def _rounded(wall: float | None) -> Json:
    return None if wall is None else round(wall)


def _command(report: Report) -> Json:
    return {
        "at": round(report.at, 1),
        "charger": report.charger_id,
        "field": report.key,
        "value": _short(report.result.value),
        "status": report.kind,
        "reason": _short(report.result.reason),
        "http_status": report.result.http_status,
        "took_ms": report.result.took_ms,
    }


def _short(value: Json) -> Json:
    return f"{value[: _LONGEST_TEXT - 1]}…" if isinstance(value, str) and len(value) > _LONGEST_TEXT else value
