"""The demo's view in a terminal: chargers, commands and budget in their places, as the broker delivers them."""

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group, JustifyMethod, OverflowMethod, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cli.report import json_object, printable
from wallbox2mqtt.mqtt import Message
from wallbox2mqtt.topics import UNKNOWN

_COMMANDS, _WARNINGS = 8, 3
_NOTHING = "\N{EN DASH}"
_REDRAWN_S = 0.5
_STRIP_S = 60
_BAR, _BAR_KW = 6, 22.0
_FRAMES = 1 + 3 + 3 + 6
"""Lines that are always there: the head, the frames of chargers and commands, the budget."""
_WIDE, _LABEL = 100, 10
_CHARGER = {
    "Charger": -3,
    "State": -4,
    "Why": -6,
    "": _BAR,
    "Power": 8,
    "Session": 10,
    "Cost": 9,
    "Limit": 5,
    "Lock": 8,
}
_COMMAND = {"Time": 8, "Charger": -2, "Command": 20, "Payload": 8, "Result": 10, "Reason": -4}
"""Columns with their widths; of those below 0 each has so many shares of what is left."""
_NOT_NARROW = {"Charger": ("", "Cost", "Lock"), "Time": ("Charger",)}
"""Columns that a narrow terminal has no room for, by the table's first one."""
_NUMBERS = ("Power", "Session", "Cost", "Limit")
_STATES = {"Charging": "bold green", "Discharging": "bold magenta", "Error": "bold red", "Locked": "yellow"}
_RESULTS = {"ok": "green", "rejected": "red", "failed": "bold red", "superseded": "dim"}


@dataclass
class SentCommand:
    """A command as it was heard, and what became of it."""

    at: str
    charger: str
    key: str
    wish: str
    result: Mapping[str, Json] = field(default_factory=dict)


class Heard:
    """What the broker has delivered."""

    def __init__(self, base: str) -> None:
        """Start with nothing; ``base`` is the base topic."""
        self._prefix = f"{base}/"
        self.chargers: dict[str, dict[str, str]] = {}
        self.bridge: dict[str, str] = {}
        self.commands: deque[SentCommand] = deque(maxlen=_COMMANDS)
        self.reads: deque[float] = deque(maxlen=1000)
        self.writes: deque[float] = deque(maxlen=1000)

    def take(self, message: Message) -> None:
        """Keep a message's payload by its topic."""
        level, _, key = printable(message.topic).removeprefix(self._prefix).partition("/")
        text = printable(message.payload.decode(errors="replace"))
        if key.endswith("/set"):
            self.commands.append(SentCommand(time.strftime("%H:%M:%S"), level, key.removesuffix("/set"), text))
        elif key.endswith("/result"):
            self._answer(level, key.removesuffix("/result"), json_object(text))
        elif level == "bridge":
            self.bridge[key] = text
            if key == "last_poll":
                self.reads.append(time.monotonic())
        elif level.isdecimal():
            self.chargers.setdefault(level, {})[key] = text

    def _answer(self, charger: str, key: str, result: Mapping[str, Json]) -> None:
        """Assign a result to its command: a rejection comes at once, others in the order of the commands."""
        if result.get("http_status") is not None:
            self.writes.append(time.monotonic())
        waiting = [one for one in self.commands if (one.charger, one.key) == (charger, key) and not one.result]
        if waiting:
            waiting[-1 if result.get("status") == "rejected" else 0].result = result

    def name(self, charger: str) -> str:
        """Return what a charger is called."""
        return self.chargers.get(charger, {}).get("name", charger)


class LiveView(logging.Handler):
    """Draws what was heard until the ``with`` ends. Warnings are part of it: printed, they would break it."""

    def __init__(self, base: str, title: str, hints: Sequence[tuple[str, str]], console: Console | None = None) -> None:
        """Draw on a console, else on standard output; ``hints``: names and addresses that stand below."""
        super().__init__(logging.WARNING)
        self.console = console or Console()
        self._heard, self._title, self._hints = Heard(base), title, hints
        self._warnings: deque[str] = deque(maxlen=_WARNINGS)
        self._live = Live(console=self.console, screen=True, auto_refresh=False)
        self._drawn = 0.0

    def __enter__(self) -> Self:
        """Take the screen."""
        logging.getLogger().addHandler(self)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the screen."""
        self._live.stop()
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning for the view."""
        self._warnings.append(printable(record.getMessage()))

    def take(self, message: Message) -> None:
        """Keep a change for the next drawing."""
        self._heard.take(message)

    def refresh(self) -> None:
        """Draw, if the last time is long enough ago."""
        if (now := time.monotonic()) - self._drawn >= _REDRAWN_S:
            self._drawn = now
            self._live.update(self.drawing(), refresh=True)

    def drawing(self) -> RenderableType:
        """Return what is to be seen now, as long as the terminal is high."""
        heard, (width, height) = self._heard, self.console.size
        hints = sum(1 + (len(text) + _LABEL) // width for _, text in self._hints)
        warnings = [Text(text, "yellow", no_wrap=True, overflow="ellipsis") for text in self._warnings]
        room = height - _FRAMES - hints - len(warnings)
        count, seconds = len(heard.chargers), max(10, min(_STRIP_S, width - 60))
        shown = max(1, min(count, room - 2))
        title = f"Chargers ({count})" if count <= shown else f"{shown} of {count} chargers; the page has all"
        return Group(
            Text(self._title, "bold", no_wrap=True, overflow="ellipsis"),
            _panel(title, _chargers(heard.chargers, shown, _columns(_CHARGER, width))),
            _panel("Last commands", _commands(heard, max(1, room - shown), _columns(_COMMAND, width))),
            _panel(f"Budget, and the last {seconds} seconds", _budget(heard, seconds)),
            *warnings,
            _grid(self._hints, overflow="fold"),
        )


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=f"[bold]{title}[/]", title_align="left", border_style="dim")


def _columns(columns: Mapping[str, int], width: int) -> Mapping[str, int]:
    """Return the columns for which a terminal is wide enough."""
    left_out = () if width >= _WIDE else _NOT_NARROW[next(iter(columns))]
    return {name: share for name, share in columns.items() if name not in left_out}


def _table(columns: Mapping[str, int]) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    for name, width in columns.items():
        justify: JustifyMethod = "right" if name in _NUMBERS else "left"
        fixed, ratio = (width, None) if width > 0 else (None, -width)
        table.add_column(name, justify=justify, width=fixed, ratio=ratio, no_wrap=True, overflow="ellipsis")
    return table


def _add(table: Table, cells: Mapping[str, str | Text]) -> None:
    """Add a row; text is never markup."""
    row = [cells[str(column.header)] for column in table.columns]
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))


def _chargers(chargers: Mapping[str, Mapping[str, str]], room: int, columns: Mapping[str, int]) -> RenderableType:
    table = _table(columns)
    for number in sorted(chargers)[:room]:
        _add(table, _charger(number, chargers[number]))
    return table


def _charger(number: str, values: Mapping[str, str]) -> dict[str, str | Text]:
    """Return a charger's cells by column."""

    def shown(key: str, unit: str = "") -> str:
        text = values.get(key, UNKNOWN)
        return _NOTHING if text == UNKNOWN else f"{text} {unit}".strip()

    state = "Offline" if values.get("availability") == "offline" else shown("status")
    style = next((style for begin, style in _STATES.items() if state.startswith(begin)), "")
    return {
        "Charger": Text(shown("name") if "name" in values else number, "bold"),
        "State": Text(state, style),
        "Why": shown("why"),
        "": Text(_bar(values.get("charging_power", "")), "green"),
        "Power": shown("charging_power", "kW"),
        "Session": shown("added_energy", "kWh"),
        "Cost": shown("cost", values.get("currency/code", "")),
        "Limit": shown("max_charging_current", "A"),
        "Lock": {"1": "locked", "0": "unlocked"}.get(values.get("locked", ""), _NOTHING),
    }


def _bar(power: str) -> str:
    """Return a bar as long as a power in kW, filled up to 22 kW."""
    try:
        part = min(1.0, abs(float(power)) / _BAR_KW)
    except ValueError:
        part = 0.0
    return ("\N{LOWER SEVEN EIGHTHS BLOCK}" * round(part * _BAR)).ljust(_BAR, "\N{MIDDLE DOT}")


def _commands(heard: Heard, room: int, columns: Mapping[str, int]) -> RenderableType:
    if not heard.commands:
        return Text("None yet: send one with a line from below, in another terminal.", "dim")
    table = _table(columns)
    for command in list(reversed(heard.commands))[:room]:
        status = str(command.result.get("status", "\N{HORIZONTAL ELLIPSIS}"))
        cells: dict[str, str | Text] = {
            "Time": command.at,
            "Charger": heard.name(command.charger),
            "Command": command.key,
            "Payload": command.wish,
            "Result": Text(status, _RESULTS.get(status, "")),
            "Reason": str(command.result.get("reason") or ""),
        }
        _add(table, cells)
    return table


def _budget(heard: Heard, seconds: int) -> RenderableType:
    info, health = json_object(heard.bridge.get("info", "")), json_object(heard.bridge.get("health", ""))

    def line(budget: str, times: Sequence[float]) -> Text:
        allowed, used = (
            info.get(f"{budget}_per_minute", _NOTHING),
            heard.bridge.get(f"{budget}_last_hour", _NOTHING),
        )
        strip = Text(_strip(times, seconds), "cyan" if budget == "reads" else "magenta")
        return strip + Text(f"  {allowed} a minute, {used} in the last hour", "default")

    cloud = f"{heard.bridge.get('cloud', _NOTHING)}, {heard.bridge.get('cloud_reason', _NOTHING)}"
    return _grid(
        [
            ("reads", line("reads", heard.reads)),
            ("writes", line("writes", heard.writes)),
            ("cloud", f"{cloud}; last good read {heard.bridge.get('last_poll', _NOTHING)}"),
            ("refused", f"{health.get('refused', 0)}, commands waiting {health.get('commands_waiting', 0)}"),
        ]
    )


def _strip(times: Sequence[float], seconds: int) -> str:
    """Return a mark for each second, the present one last: did something happen in it."""
    ages = {int(time.monotonic() - at) for at in times}
    marks = ["\N{BLACK VERTICAL RECTANGLE}" if age in ages else "\N{MIDDLE DOT}" for age in range(seconds)]
    return "".join(reversed(marks))


def _grid(rows: Sequence[tuple[str, str | Text]], overflow: OverflowMethod = "ellipsis") -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True, width=_LABEL)
    grid.add_column(no_wrap=overflow == "ellipsis", overflow=overflow)
    for name, text in rows:
        grid.add_row(name, text if isinstance(text, Text) else Text(text))
    return grid
