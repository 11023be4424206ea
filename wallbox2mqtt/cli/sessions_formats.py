"""The forms in which sessions are written: a table, CSV, JSON, a page to print, and evcc's CSV."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from html import escape

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cli.report import printable
from wallbox2mqtt.history.entries import Entry

_MWH = 1_000_000
_BAR, _HEIGHT = 14, 120
_STYLE = (
    "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;width:100%}"
    "th,td{border-bottom:1px solid #ccc;padding:.3em;text-align:right}tfoot{font-weight:bold}rect{fill:#2a7}"
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Line:
    """A session of a charger. ``zone``: in which its times are written."""

    charger: int
    entry: Entry
    zone: tzinfo | None

    @property
    def start(self) -> datetime:
        """When it began."""
        return datetime.fromtimestamp(self.entry.start, self.zone).astimezone(self.zone)

    @property
    def end(self) -> datetime:
        """When it ended."""
        return datetime.fromtimestamp(self.entry.end, self.zone).astimezone(self.zone)

    def kwh(self, name: str = "energy") -> float | None:
        """Return an energy in kWh."""
        mwh = self.entry.energy.get(name)
        return None if mwh is None else round(mwh / _MWH, 3)

    @property
    def price(self) -> float | None:
        """What a kWh cost; None where that is not known."""
        energy = self.entry.energy["energy"]
        return None if self.entry.cost is None or not energy else round(self.entry.cost / energy * _MWH, 4)

    def values(self) -> dict[str, Json]:
        """Return all that is known of it."""
        entry, green = self.entry, self.entry.energy.get("green_energy")
        return {
            "charger": self.charger,
            "start": self.start.isoformat(timespec="seconds"),
            "end": self.end.isoformat(timespec="seconds"),
            "energy_kwh": self.kwh(),
            "green_kwh": self.kwh("green_energy"),
            "grid_kwh": None if green is None else round(max(0, entry.energy["energy"] - green) / _MWH, 3),
            "discharged_kwh": self.kwh("discharged_energy"),
            "metered_kwh": round(entry.metered / _MWH, 3) if entry.metered else None,
            "charging_s": round(entry.charging_s),
            "cost": entry.cost,
            "currency": entry.currency,
            "price_kwh": self.price,
            "cost_real": None if entry.cost_real is None else round(entry.cost_real, 4),
            "user": entry.user,
            "user_name": entry.user_name,
        }


COLUMNS = tuple(Line(0, Entry("", 0, 0, {"energy": 0}), None).values())


def _total_kwh(lines: Sequence[Line]) -> float:
    return round(sum(line.entry.energy["energy"] for line in lines) / _MWH, 3)


def _costs(lines: Sequence[Line]) -> str:
    """Return the sum of what they cost, of each currency."""
    sums: dict[str, float] = {}
    for line in lines:
        sums[line.entry.currency or ""] = sums.get(line.entry.currency or "", 0.0) + (line.entry.cost or 0.0)
    return ", ".join(f"{cost:.2f} {currency}".strip() for currency, cost in sums.items())


def _real(lines: Sequence[Line]) -> str:
    """Return what they really cost, and of how many that is known; empty where it is of none."""
    costs = [line.entry.cost_real for line in lines if line.entry.cost_real is not None]
    return f", real {sum(costs):.2f} of {len(costs)} sessions" if costs else ""


def _rows(rows: Sequence[Sequence[Json]]) -> str:
    """Return rows as CSV. A name that begins like a formula would be one to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow([f"'{one}" if isinstance(one, str) and one.startswith(_FORMULA) else one for one in row])
    return out.getvalue()


def as_csv(lines: Sequence[Line]) -> str:
    """Return a line a session, with numbers that have a point."""
    return _rows([COLUMNS, *(list(line.values().values()) for line in lines)])


def as_evcc(lines: Sequence[Line]) -> str:
    """Return the columns of evcc's own file of sessions; what the cloud does not know is empty."""
    head = ["Created", "Finished", "Loadpoint", "Identifier", "Vehicle", "Odometer", "Meter Start (kWh)"]
    head += ["Meter Stop (kWh)", "Charged Energy (kWh)", "Charge Duration", "Solar (%)", "Price", "Price/kWh"]
    return _rows([[*head, "CO2/kWh (gCO2eq)"], *(_evcc(line) for line in lines)])


def _evcc(line: Line) -> list[Json]:
    entry, green = line.entry, line.entry.energy.get("green_energy")
    energy = entry.energy["energy"]
    sun = round(100 * green / energy, 1) if green is not None and energy else None
    times: list[Json] = [f"{when:%Y-%m-%d %H:%M:%S}" for when in (line.start, line.end)]
    duration = str(timedelta(seconds=round(entry.charging_s)))
    who: list[Json] = [f"Wallbox {line.charger}", entry.user_name, None, None, None, None]
    return [*times, *who, line.kwh(), duration, sun, entry.cost, line.price, None]


def as_json(lines: Sequence[Line]) -> str:
    """Return a list of objects."""
    return json.dumps([line.values() for line in lines], indent=2, ensure_ascii=False) + "\n"


def as_table(lines: Sequence[Line]) -> str:
    """Return a table for a terminal."""
    text = [f"{'charger':>10}  {'start':16}  {'end':16}  {'kWh':>9}  {'sun':>9}  {'cost':>9}  {'real':>9}  user"]
    for line in lines:
        figures = ((line.kwh("green_energy"), 3), (line.entry.cost, 2), (line.entry.cost_real, 2))
        shown = [f"{'-' if one is None else f'{one:.{digits}f}':>9}" for one, digits in figures]
        times = f"{line.start:%Y-%m-%d %H:%M}  {line.end:%Y-%m-%d %H:%M}"
        who = printable(line.entry.user_name or "")
        text.append(f"{line.charger:>10}  {times}  {line.kwh():9.3f}  {'  '.join(shown)}  {who}")
    text.append(f"{len(lines)} sessions, {_total_kwh(lines):.3f} kWh, {_costs(lines) or 'no cost'}{_real(lines)}")
    return "\n".join(text) + "\n"


def _fixed(number: float | None, digits: int) -> str:
    return "" if number is None else f"{number:.{digits}f}"


_HTML_COLUMNS: Mapping[str, Callable[[Line], str]] = {
    "Charger": lambda line: str(line.charger),
    "Start": lambda line: f"{line.start:%Y-%m-%d %H:%M}",
    "End": lambda line: f"{line.end:%Y-%m-%d %H:%M}",
    "kWh": lambda line: _fixed(line.kwh(), 3),
    "Meter kWh": lambda line: _fixed(line.entry.metered / _MWH, 3),
    "Price/kWh": lambda line: _fixed(line.price, 4),
    "Cost": lambda line: _fixed(line.entry.cost, 2),
    "Real cost": lambda line: _fixed(line.entry.cost_real, 2),
}


def as_html(lines: Sequence[Line]) -> str:
    """Return one page to print, with a bar a day."""
    known = {
        "Meter kWh": any(line.entry.metered for line in lines),
        "Real cost": any(line.entry.cost_real is not None for line in lines),
    }
    columns = {name: cell for name, cell in _HTML_COLUMNS.items() if known.get(name, True)}
    rows = ["<tr>" + "".join(f"<td>{escape(cell(line))}</td>" for cell in columns.values()) + "</tr>" for line in lines]
    ends = f'<td colspan="3">Sum</td><td>{_total_kwh(lines):.3f}</td>'
    ends += f'<td colspan="{len(columns) - 4}">{escape(_costs(lines) + _real(lines))}</td>'
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Charging sessions</title>'
        f"<style>{_STYLE}</style>\n<h1>Charging sessions</h1>\n{_chart(lines)}\n<table><thead><tr>"
        + "".join(f"<th>{name}</th>" for name in columns)
        + "</tr></thead>\n<tbody>"
        + "\n".join(rows)
        + f"</tbody>\n<tfoot><tr>{ends}</tr></tfoot></table></html>\n"
    )


def _chart(lines: Sequence[Line]) -> str:
    days: dict[str, float] = {}
    for line in lines:
        day = f"{line.start:%Y-%m-%d}"
        days[day] = days.get(day, 0.0) + (line.kwh() or 0.0)
    most = max(days.values(), default=0.0) or 1.0
    bars = []
    for number, (day, energy) in enumerate(sorted(days.items())):
        height = energy / most * _HEIGHT
        place = f'x="{number * _BAR}" y="{_HEIGHT - height:.1f}" width="{_BAR - 3}" height="{height:.1f}"'
        bars.append(f"<rect {place}><title>{day}: {energy:.3f} kWh</title></rect>")
    width = max(1, len(days)) * _BAR
    return f'<svg width="{width}" height="{_HEIGHT}" role="img" aria-label="kWh a day">{"".join(bars)}</svg>'


FORMATS: Mapping[str, Callable[[Sequence[Line]], str]] = {
    "table": as_table,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
}
