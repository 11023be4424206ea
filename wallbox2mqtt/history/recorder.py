"""Keeps the ledgers of all chargers: looks at what was read, keeps it, and only then publishes it."""

import logging
from collections.abc import Callable, Iterable, Mapping

from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json, Values
from wallbox2mqtt.catalogue.quantities import is_number
from wallbox2mqtt.clock import Clock, iso_utc
from wallbox2mqtt.history.ledger import COUNTERS, Event, Ledger, Reading, Session, duration_s, step
from wallbox2mqtt.history.saved import from_json, to_json
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics
from wallbox2mqtt.topics import to_json as json_text

_LOG = logging.getLogger(__name__)

_FILE = "sessions"
_MWH = 1_000_000
"""In a kWh."""
TOTALS: Mapping[str, str] = {
    "energy": "energy_total",
    "green_energy": "energy_green_total",
    "discharged_energy": "energy_discharged_total",
}
"""The fields of the sums, by counter."""

PublishEvent = Callable[[str, str], None]


class Recorder:
    """The ledgers. One thread calls ``look``."""

    def __init__(
        self,
        states: ChargerStates,
        registry: Registry,
        storage: Storage,
        clock: Clock,
        topics: Topics,
        publish: PublishEvent,
    ) -> None:
        """Restore what the last run kept. ``publish`` takes the topic and the payload of an event."""
        self._states, self._registry, self._storage = states, registry, storage
        self._clock, self._topics, self._publish = clock, topics, publish
        self._kept = storage.read(_FILE)
        self._ledgers = dict(_restored(self._kept.get("chargers")))
        self._read_at: dict[int, float] = {}

    def look(self) -> None:
        """Take what was read of the chargers since the last look. What is published has been kept before.

        Killed between the two, the bridge shows the same sums after the next start: nothing is counted twice.
        """
        happened: dict[int, tuple[Event, ...]] = {}
        changed = False
        for charger_id in self._registry.chargers:
            read_at = self._states.read_at(charger_id)
            if read_at is None or self._read_at.get(charger_id) == read_at:
                continue
            self._read_at[charger_id] = read_at
            at = self._clock.wall() - (self._clock.monotonic() - read_at)
            before = self._ledgers.get(charger_id, Ledger())
            reading = reading_of(self._states.view(charger_id), at)
            self._ledgers[charger_id], happened[charger_id] = step(before, reading)
            changed = changed or self._ledgers[charger_id] != before
        if changed:
            self._write()
        for charger_id, events in happened.items():
            for key, value in fields_of(self._ledgers[charger_id], self._clock.wall()).items():
                self._states.show(charger_id, key, value)
            for event in events:
                _LOG.info("session charger=%d event=%s reason=%r", charger_id, event.type, event.reason)
                self._publish(self._topics.field(charger_id, "event/session"), json_text(_described(event)))

    def _write(self) -> None:
        chargers: dict[str, Json] = {str(number): to_json(ledger) for number, ledger in self._ledgers.items()}
        self._storage.write(_FILE, {"chargers": chargers}, durable=True)


def _restored(kept: Json) -> Iterable[tuple[int, Ledger]]:
    for charger, ledger in kept.items() if isinstance(kept, dict) else ():
        try:
            yield int(charger), from_json(ledger)
        except ValueError as error:
            _LOG.warning("ignored a damaged ledger charger=%.20s error=%r", charger, str(error)[:200])


def reading_of(view: Values, at: float) -> Reading:
    """Return what a charger's fields tell of its session."""
    status_id, user = _number(view.get("status_id")), _number(view.get("user_id"))
    counted = {name: _number(view.get(key)) for name, key in COUNTERS.items()}
    return Reading(
        at=at,
        status_id=None if status_id is None else int(status_id),
        counters={name: round(value * _MWH) for name, value in counted.items() if value is not None and value >= 0},
        time_s=_number(view.get("charging_time")),
        power_kw=_number(view.get("charging_power")),
        cost=_number(view.get("cost")),
        user=None if user is None or user < 0 else int(user),
    )


def _number(value: Json) -> float | None:
    return value if isinstance(value, int | float) and is_number(value) else None


def fields_of(ledger: Ledger, now: float) -> dict[str, Json]:
    """Return the fields that a ledger fills; those of a session that does not run are unknown."""
    totals = {key: kwh(ledger.total(name)) for name, key in TOTALS.items() if ledger.total(name) is not None}
    running = _described_session(ledger.session, now)
    last = _described_session(ledger.last, now)
    shown: dict[str, Json] = {f"session/{name}": value for name, value in running.items() if name != "end"}
    shown["session/state"] = None if ledger.session is None else ledger.session.state
    return totals | shown | {f"last_session/{name}": value for name, value in last.items()}


def kwh(mwh: int | None) -> Json:
    """Return an energy in kWh, to the Wh, cut: what is shown never falls."""
    return None if mwh is None else mwh // 1000 / 1000


def _described_session(session: Session | None, now: float) -> dict[str, Json]:
    names = ("start", "end", "energy", "green_energy", "grid_energy", "discharged_energy")
    if session is None:
        return dict.fromkeys((*names, "cost", "duration", "peak_power"))
    energy, green = session.energy.get("energy", 0), session.energy.get("green_energy")
    return {
        "start": iso_utc(session.start),
        "end": None if session.end is None else iso_utc(session.end),
        "energy": kwh(energy),
        "green_energy": kwh(green),
        # the cloud's own grid counter stays at 0 for many
        "grid_energy": None if green is None else kwh(max(0, energy - green)),
        "discharged_energy": kwh(session.energy.get("discharged_energy")),
        "cost": session.cost,
        "duration": round(duration_s(session, now)),
        "peak_power": round(session.peak_kw, 3),
    }


def _described(event: Event) -> dict[str, Json]:
    user = None if event.session is None else event.session.user
    about: dict[str, Json] = {"event_type": event.type, "at": iso_utc(event.at)}
    return about | _described_session(event.session, event.at) | {"user": user, "reason": event.reason}
