"""What ``check`` and ``init`` find out: a line each, with what to do next."""

import json
from collections.abc import Iterable
from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "fault"]


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
    print(f"{finding.verdict:<8} {finding.what:<15} {_plain(finding.text)}")
    if finding.next:
        print(f"{'':<8} {'':<15} -> {_plain(finding.next)}")


def show_json(findings: Iterable[Finding]) -> None:
    """Print all of them for programs."""
    listed = [finding._asdict() for finding in findings]
    print(json.dumps({"ok": not has_fault(findings), "findings": listed}, indent=2))


def _plain(text: str) -> str:
    """Names come from elsewhere: they must not move the cursor or begin a line."""
    return "".join(one if one.isprintable() else "?" for one in text)
