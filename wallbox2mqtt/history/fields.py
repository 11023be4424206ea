"""What a ledger shows: the fields of its rows, and the payload of an event."""

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo

from wallbox2mqtt.catalogue import Json, Values
from wallbox2mqtt.catalogue.quantities import as_number
from wallbox2mqtt.clock import iso_utc
from wallbox2mqtt.history.entries import Entry
from wallbox2mqtt.history.past import Past
from wallbox2mqtt.history.records import COUNTERS, Event, Ledger, MeterReading, Session

_MWH = 1_000_000
"""In a kWh."""
_HOUR_S = 3600
TOTALS: Mapping[str, str] = {
    "energy": "energy_total",
    "green_energy": "energy_green_total",
    "discharged_energy": "energy_discharged_total",
}
"""The fields of the sums, by counter."""
_ENERGIES = ("energy", "green_energy", "grid_energy", "discharged_energy")
_OF_A_SESSION = ("start", "end", *_ENERGIES, "cost", "cost_real", "duration", "peak_power")
_FIELDS = {level: {name: f"{level}/{name}" for name in _OF_A_SESSION} for level in ("session", "last_session")}
"""The fields of sessions, made once: a fleet has them for each charger."""


def reading_of(view: Values, at: float) -> MeterReading:
    """Return what a charger's fields tell of its session."""
    status_id, user = as_number(view.get("status_id")), as_number(view.get("user_id"))
    counted = {name: as_number(view.get(key)) for name, key in COUNTERS.items()}
    return MeterReading(
        at=at,
        status_id=None if status_id is None else int(status_id),
        counters={name: round(value * _MWH) for name, value in counted.items() if value is not None and value >= 0},
        time_s=as_number(view.get("charging_time")),
        power_kw=as_number(view.get("charging_power")),
        cost=as_number(view.get("cost")),
        user=None if user is None or user < 0 else int(user),
    )


def fields_of(ledger: Ledger, past: Past, now: float) -> dict[str, Json]:
    """Return the fields that a ledger fills; those of a session that does not run are unknown.

    The sums are shown as soon as they are complete: one that jumped by all that was before would be this hour's energy.
    """
    complete = past.seeded is not None
    shown = {field: kwh(past.shown[name]) for name, field in TOTALS.items() if complete and name in past.shown}
    running = _described_session(ledger.session, now)
    shown |= {_FIELDS["session"][name]: value for name, value in running.items() if name != "end"}
    shown["session/state"] = None if ledger.session is None else ledger.session.state
    ended = _described_session(ledger.last, now)
    return shown | {_FIELDS["last_session"][name]: value for name, value in ended.items()}


def kwh(mwh: int | None) -> Json:
    """Return an energy in kWh, to the Wh, cut: what is shown never falls."""
    return None if mwh is None else mwh // 1000 / 1000


def _described_session(session: Session | None, now: float) -> dict[str, Json]:
    if session is None:
        return dict.fromkeys(_OF_A_SESSION)
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
        "cost_real": None if session.cost_real is None else round(session.cost_real, 4),
        "duration": round(max(0.0, (now if session.end is None else session.end) - session.start)),
        "peak_power": None if session.peak_kw is None else round(session.peak_kw, 3),
    }


def described(event: Event) -> dict[str, Json]:
    """Return the payload of an event."""
    user = None if event.session is None else event.session.user
    about: dict[str, Json] = {"event_type": event.type, "at": iso_utc(event.at)}
    about |= _described_session(event.session, event.at)
    return about | {"user": user, "reason": event.reason, "from_history": event.from_history}


def month_start(now: float, zone: tzinfo, before: int = 0) -> float:
    """Return when this month began, or one so many months before (-1: the next), in seconds since 1970."""
    when = datetime.fromtimestamp(now, zone)
    months = when.year * 12 + when.month - 1 - before
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=zone).timestamp()


def months_of(entries: Iterable[Entry], now: float, zone: tzinfo) -> dict[str, Json]:
    """Return the figures of this month and the last: a session counts where it began."""
    this, last = month_start(now, zone), month_start(now, zone, 1)
    entries = list(entries)
    spans = {"this_month": (this, now + 1), "last_month": (last, this)}
    fields: dict[str, Json] = {}
    for name, (begin, end) in spans.items():
        of_month = [entry for entry in entries if begin <= entry.start < end]
        fields |= {
            f"history/{name}/energy": kwh(sum(entry.energy["energy"] for entry in of_month)),
            f"history/{name}/cost": round(sum(entry.cost or 0.0 for entry in of_month), 2),
            f"history/{name}/sessions": len(of_month),
            f"history/{name}/hours": round(sum(entry.charging_s for entry in of_month) / _HOUR_S, 2),
        }
    return fields
