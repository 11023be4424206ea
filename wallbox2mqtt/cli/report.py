"""What commands say: findings with what to do next, in colour where people read it; notes; questions."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TextIO

Verdict = Literal["ok", "warning", "fault"]

_MARKS: dict[Verdict, tuple[str, int]] = {"ok": ("✓", 32), "warning": ("!", 33), "fault": ("✗", 31)}
"""Symbol and colour (green, yellow, red) of each verdict."""


class Finding(NamedTuple):
    """One line. ``what``: the part it is about; ``next``: what to do, empty when nothing is."""

    what: str
    verdict: Verdict
    text: str
    next: str = ""


def has_fault(findings: Iterable[Finding]) -> bool:
    """Return whether one of them is a fault."""
    return any(finding.verdict == "fault" for finding in findings)


def show(finding: Finding) -> None:
    """Print one for people."""
    verdict = marked(finding.verdict, f"{finding.verdict:<8}")
    indent = "" if verdict.startswith(finding.verdict) else "  "
    print(f"{verdict} {finding.what:<15} {printable(finding.text)}")
    if finding.next:
        print(f"{indent}{'':<8} {'':<15} -> {printable(finding.next)}")


def marked(verdict: Verdict, text: str, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """Return a text with the symbol and in the colour of a verdict; as it is where no terminal shows them."""
    stream = sys.stdout if stream is None else stream
    symbol, colour = _MARKS[verdict]
    if not _has_colours(stream, environ):
        return text
    return f"\x1b[{colour}m{symbol} {text}\x1b[0m"


def _has_colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether this is a terminal that takes colours and symbols, and nobody asks to do without."""
    if not stream.isatty() or environ.get("NO_COLOR") or environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        "".join(symbol for symbol, _ in _MARKS.values()).encode(stream.encoding)
    except UnicodeEncodeError:
        return False
    return True


def show_json(findings: Iterable[Finding]) -> None:
    """Print all of them for programs."""
    listed = [finding._asdict() for finding in findings]
    print(json.dumps({"ok": not has_fault(findings), "findings": listed}, indent=2))


def printable(text: str) -> str:
    """Return a text that came from elsewhere without what a terminal would obey."""
    return "".join(one if one.isprintable() else "?" for one in text)


def say(text: str) -> None:
    """Tell the person who waits, beside what goes to standard output."""
    print(text, file=sys.stderr, flush=True)


def agrees(question: str) -> bool:
    """Ask at the terminal; return whether the answer is yes."""
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def json_object(text: str) -> dict[str, Any]:
    """Return what a broker delivered as a JSON object, empty if it is not one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
