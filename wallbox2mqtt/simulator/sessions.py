"""Charging sessions as the cloud records them: its history, and the month's totals, as public clients read them."""

import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.paths import Document, Json
from wallbox2mqtt.simulator.state import ChargerState, RecordedSession, RunningSession

DAY_S = 86400.0
_MONTH_START: Document = {"totalSessions": 0, "chargingTime": None, "totalEnergy": 0, "totalMidEnergy": 0}
"""As public clients saw: on the first of a month the totals are no text."""


def begin(state: ChargerState) -> ChargerState:
    """Return the state with a new session; one that runs is recorded."""
    state = end(state)
    number = max((one.number for one in state.recorded), default=0) + 1
    return replace(
        state, session=RunningSession(number=number, start=state.wall), shown_from=RunningSession(), in_session=True
    )


def end(state: ChargerState) -> ChargerState:
    """Return the state with the running session recorded, if there is one; its figures stay."""
    if not state.in_session:
        return state
    document = state.document
    recorded = RecordedSession(
        **asdict(state.session),
        end=state.wall,
        user=int(paths.number(document, "user_id")),
        user_name=str(paths.get(document, "user_name")),
        is_metered=paths.get(document, "config_data.mid_enabled") == 1,
    )
    return replace(state, in_session=False, recorded=(*state.recorded, recorded))


def past(charger: int, days: int, wall: float, price: float) -> tuple[RecordedSession, ...]:
    """Return plausible sessions of so many days before a time, always the same for a charger."""
    chance = random.Random(charger)  # noqa: S311 - variety for the eye, no secret
    today = wall - wall % DAY_S
    made: list[RecordedSession] = []
    for day in range(days, 0, -1):
        if chance.random() < 0.4:  # noqa: PLR2004 - nobody charges every day
            continue
        energy_kwh = round(chance.uniform(2, 22), 3)
        charging_s = energy_kwh / chance.choice([3.7, 7.4, 11]) * 3600
        start = today - day * DAY_S + chance.uniform(6, 14) * 3600
        made.append(
            RecordedSession(
                number=len(made) + 1,
                start=start,
                end=start + charging_s + chance.uniform(0, 2) * 3600,
                energy_kwh=energy_kwh,
                green_kwh=round(energy_kwh * chance.choice([0, 0, 0.35, 0.8]), 3),
                cost=energy_kwh * price,
                range_km=energy_kwh * 7,
                charging_s=charging_s,
            )
        )
    return tuple(one for one in made if one.end < wall)


def entry(session: RecordedSession, charger: int, detail: Document, email: str, unit: str) -> Document:
    """Return a session as ``v4/sessions/stats`` has it. ``unit``: kWh, or Wh in whole numbers."""
    currency = paths.get(detail, "config_data.currency")

    def energy(kwh: float) -> Json:
        return round(kwh * 1000) if unit == "Wh" else round(kwh, 3)

    attributes: Document = {
        "group": paths.get(detail, "config_data.group_id"),
        "charger": charger,
        "user": session.user,
        "start": int(session.start),
        "end": int(session.end),
        "energy": energy(session.energy_kwh),
        "discharged_energy": energy(session.discharged_kwh),
        "mid_energy": energy(session.energy_kwh) if session.is_metered else 0,
        "green_energy": energy(session.green_kwh),
        "time": int(session.charging_s),
        "discharging_time": int(session.discharging_s),
        "cost": round(session.cost, 3),
        "cost_savings": 0,
        "cost_unit": paths.get(detail, "config_data.currency.symbol"),
        "currency": currency,
        "range": int(session.range_km),
        "group_name": paths.get(detail, "depot_name"),
        "base_group_name": paths.get(detail, "depot_name"),
        "charger_name": paths.get(detail, "name"),
        "user_subgroup": paths.get(detail, "depot_name"),
        "user_name": session.user_name,
        "user_email": email,
        "user_rfid": None,
        "user_is_rfid": 0,
        "user_plate": None,
        "user_extra_information": None,
        "energy_unit": unit,
        "amount": None,
        "service_price": None,
        "service_time": None,
        "tax_rate": None,
        "tax_sales": None,
    }
    number = f"{charger}{session.number:05d}"
    return {"type": "charger_log_session", "id": number, "attributes": dict(attributes)}


def month_totals(recorded: Sequence[RecordedSession], wall: float, base: Document | None, form: str) -> Document:
    """Return the totals of a calendar month: its days before today, in text and Wh.

    Args:
        recorded: all sessions.
        wall: the present, in seconds since 1970 (UTC).
        base: totals of the same month that are known beside the sessions.
        form: ``calendar``: numbers and null where there is nothing yet; ``text`` and ``empty``: always, never text.

    """
    today = datetime.fromtimestamp(wall, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today.replace(day=1)
    ended = [one for one in recorded if one.start >= first.timestamp() and one.end < today.timestamp()]
    is_empty = today == first or (base is None and not ended)
    if form == "empty" or (form == "calendar" and is_empty):
        return _MONTH_START
    before: Document = {} if base is None else base

    def total(key: str, added: float) -> int:
        return int(str(before.get(key, 0))) + round(added)

    return {
        "totalSessions": total("totalSessions", len(ended)),
        "chargingTime": str(total("chargingTime", sum(one.charging_s for one in ended))),
        "totalEnergy": str(total("totalEnergy", 1000 * sum(one.energy_kwh for one in ended))),
        "totalMidEnergy": str(total("totalMidEnergy", 1000 * sum(one.energy_kwh for one in ended if one.is_metered))),
    }
