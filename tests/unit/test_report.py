"""Findings as people see them, at a terminal and elsewhere."""

import io

import pytest

from wallbox2mqtt.cli.report import Finding, Verdict, marked, show


class Stream(io.StringIO):
    """What is printed to, with or without a terminal behind it."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = True) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:  # type: ignore[override] # a read-only attribute
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [("ok", "\x1b[32m✓ x\x1b[0m"), ("warning", "\x1b[33m! x\x1b[0m"), ("fault", "\x1b[31m✗ x\x1b[0m")],
)
def test_at_a_terminal(verdict: Verdict, shown: str) -> None:
    assert marked(verdict, "x", Stream(), {"TERM": "xterm"}) == shown
    assert marked(verdict, "x", Stream(), {"TERM": "xterm", "NO_COLOR": ""}) == shown


@pytest.mark.parametrize(
    ("stream", "environ"),
    [
        pytest.param(Stream(terminal=False), {"TERM": "xterm"}, id="no terminal"),
        pytest.param(Stream(), {"TERM": "xterm", "NO_COLOR": "1"}, id="NO_COLOR"),
        pytest.param(Stream(), {"TERM": "dumb"}, id="dumb"),
        pytest.param(Stream(), {}, id="no TERM"),
        pytest.param(Stream("ascii"), {"TERM": "xterm"}, id="ASCII"),
    ],
)
def test_elsewhere_it_is_plain(stream: Stream, environ: dict[str, str]) -> None:
    assert marked("fault", "x", stream, environ) == "x"


@pytest.mark.parametrize("terminal", [False, True])
def test_columns_stand_below_each_other(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Stream(terminal=terminal)
    monkeypatch.setattr("sys.stdout", stream)
    show(Finding("broker", "warning", "away", "wait"))
    first, second = stream.getvalue().splitlines()
    bare = first.replace("\x1b[33m", "").replace("\x1b[0m", "")
    assert (bare != first) == terminal
    assert bare.index("away") == second.index("-> wait")
