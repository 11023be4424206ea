"""The cloud's history of sessions, ``v4/sessions/stats``: JSON to entries."""

from collections.abc import Mapping
from dataclasses import dataclass

from wallbox2mqtt.bridge.history_reads import PAGE
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import as_number

_MWH_IN = {"kwh": 1_000_000, "wh": 1_000}
"""Units in which the cloud tells energies: another endpoint has Wh where this one has kWh."""
_COUNTERS = {"energy": "energy", "green_energy": "green_energy", "discharged_energy": "discharged_energy"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A session of the history. Times are seconds since 1970; ``energy`` in mWh by counter.

    ``charging_s``: how long power flowed. ``metered``: what a MID meter counted, in mWh; 0 where there is none.
    ``cost``: as the cloud works it out. ``cost_real``: by the prices of their time, as far as the bridge has seen it.
    """

    id: str
    start: float
    end: float
    energy: Mapping[str, int]
    cost: float | None = None
    currency: str | None = None
    user: int | None = None
    user_name: str | None = None
    charging_s: float = 0.0
    metered: int = 0
    cost_real: float | None = None


def read_page(body: Json) -> tuple[list[Entry], int, bool]:
    """Return a page's sessions, how many it has with those that cannot be read, and whether another one follows.

    Raises:
        ValueError: it is no page of the history, or none of its sessions can be read.

    """
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        msg = "expected a list «data»"
        raise ValueError(msg)  # noqa: TRY004 - each wrong form of a document is the same fault
    entries = [entry for one in data if (entry := _entry(one)) is not None]
    if data and not entries:
        msg = f"expected sessions with id, start, end and energy, found {str(data[0])[:80]!r}"
        raise ValueError(msg)
    links = body.get("links") if isinstance(body, dict) else None
    has_next = isinstance(links, dict) and bool(links.get("next"))
    return entries, len(data), bool(data) and (has_next or len(data) >= PAGE)


def _entry(one: Json) -> Entry | None:
    attributes = one.get("attributes") if isinstance(one, dict) else None
    if not isinstance(one, dict) or not isinstance(attributes, dict):
        return None
    start, end = _number(attributes.get("start")), _number(attributes.get("end"))
    scale = _MWH_IN.get(str(attributes.get("energy_unit", "kWh")).lower())
    if start is None or end is None or not 0 <= start <= end or scale is None or not one.get("id"):
        return None
    energy = {name: _energy(attributes.get(key), scale) for name, key in _COUNTERS.items()}
    if energy["energy"] is None:
        return None
    currency, user = attributes.get("currency"), _number(attributes.get("user"))
    name = attributes.get("user_name")
    return Entry(
        id=str(one["id"])[:64],
        start=start,
        end=end,
        energy={key: value for key, value in energy.items() if value is not None},
        cost=_number(attributes.get("cost")),
        currency=str(currency.get("code"))[:8] if isinstance(currency, dict) else None,
        user=None if user is None or user < 0 else int(user),
        user_name=name[:64] if isinstance(name, str) else None,
        charging_s=_number(attributes.get("time")) or 0.0,
        metered=_energy(attributes.get("mid_energy"), scale) or 0,
    )


def _energy(value: Json, scale: int) -> int | None:
    number = _number(value)
    return None if number is None or number < 0 else round(number * scale)


def _number(value: Json) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return as_number(value)
