"""The demo's view without a terminal: a line for each change, as the broker delivers it."""

import sys
import time
from typing import Self

from wallbox2mqtt.catalogue import FIELDS
from wallbox2mqtt.cli.report import printable
from wallbox2mqtt.mqtt import Message

_SHOWN = ("availability", "energy_total", "event/", "session/", "last_session/", "schedules", "why")
"""What is shown beside the fields of the catalogue."""
_OF_BRIDGE = {"state", "cloud", "cloud_reason"}


class Lines:
    """Prints what changes below a base topic."""

    def __init__(self, base: str) -> None:
        """Print to standard output; results are bold where that is a terminal."""
        self._prefix = f"{base}/"
        self._colour = sys.stdout.isatty()

    def __enter__(self) -> Self:
        """Start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the lines where they are."""

    def take(self, message: Message) -> None:
        """Print a change, if it is one to show."""
        if (line := self._line(message)) is not None:
            print(time.strftime("%H:%M:%S"), line, flush=True)

    def refresh(self) -> None:
        """Do nothing: a line stays as it is."""

    def _line(self, message: Message) -> str | None:
        level, _, key = printable(message.topic).removeprefix(self._prefix).partition("/")
        text = printable(message.payload.decode(errors="replace"))
        line = f"{level:>8}  {key:<30} {text}"
        if key.endswith("/result"):
            return f"\x1b[1m{line}\x1b[0m" if self._colour else line
        if key.endswith("/set"):
            return f"{line}   <- command"
        if level == "bridge":
            return line if key in _OF_BRIDGE else None
        row = FIELDS.get(key)
        if row is None and not key.startswith(_SHOWN):
            return None
        if row is not None and (row.category == "diagnostic" or not row.enabled):
            return None
        unit = "" if row is None or row.quantity.unit is None or "{" in row.quantity.unit else f" {row.quantity.unit}"
        return f"{line}{unit}"
