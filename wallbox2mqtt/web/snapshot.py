"""What is shown at one moment, in encoded parts: what has changed is seen by comparing bytes, and encoded only once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wallbox2mqtt.log import LoggedLine
from wallbox2mqtt.web.http import encoded_json


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    """One moment. ``now``: seconds since 1970; ``parts``: JSON by name; ``chargers``: JSON by id, in their order."""

    now: float
    parts: Mapping[str, bytes]
    chargers: Mapping[int, bytes]
    lines: tuple[LoggedLine, ...]

    def encoded(self, head: Mapping[str, bytes]) -> bytes:
        """Return the whole document, which begins with what is in ``head``."""
        members = {**head, "now": encoded_json(self.now), **self.parts}
        return _object({**members, "chargers": _list(self.chargers.values()), "log": _log(self.lines)})

    def changes_since(self, before: "StatusSnapshot") -> bytes | None:
        """Return the document of what has changed; None where nothing has."""
        members = {name: part for name, part in self.parts.items() if before.parts.get(name) != part}
        changed = [part for number, part in self.chargers.items() if before.chargers.get(number) != part]
        gone = [number for number in before.chargers if number not in self.chargers]
        last = before.lines[-1].number if before.lines else 0
        lines = tuple(line for line in self.lines if line.number > last)
        if changed:
            members["chargers"] = _list(changed)
        if gone:
            members["gone"] = encoded_json(list(gone))
        if lines:
            members["log"] = _log(lines)
        return _object({"now": encoded_json(self.now), **members}) if members else None


def _object(members: Mapping[str, bytes]) -> bytes:
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), part) for name, part in members.items())


def _list(parts: Iterable[bytes]) -> bytes:
    return b"[%s]" % b",".join(parts)


def _log(lines: Iterable[LoggedLine]) -> bytes:
    return encoded_json([[round(line.created, 1), line.level, line.logger, line.text] for line in lines])
