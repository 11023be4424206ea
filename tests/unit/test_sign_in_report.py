"""The first line of the audit trail."""

import logging
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.parts import Parts
from wallbox2mqtt import __version__
from wallbox2mqtt.daemon.sign_in_report import SignInReport, masked
from wallbox2mqtt.simulator import EMAIL, ChargerSpec, Simulator


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("you@example.org", "y***@e***.org"),
        ("you@mail.example.org", "y***@m***.org"),
        ("jörg@localhost", "j***@l***"),
        ("you", "y***@***"),
    ],
)
def test_masked(email: str, shown: str) -> None:
    assert masked(email) == shown


def told(parts: Parts, caplog: pytest.LogCaptureFixture) -> str:
    """Return the only line of a report that is asked for twice."""
    report = SignInReport(EMAIL, parts.shared)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        report.tell()
        report.tell()
    (record,) = caplog.records
    return record.getMessage()


def test_one_line_says_who_signed_in_and_how(
    clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Simulator(chargers=[ChargerSpec(id=101), ChargerSpec(id=102)], clock=clock) as cloud:
        parts = Parts(cloud, clock, tmp_path)
        parts.settle()
        line = told(parts, caplog)
        assert line.startswith(f"signed in version={__version__} account={masked(EMAIL)} by='password' way=modern")
        assert line.endswith("chargers=101,102 count=2")
        clock.advance(61)
        again = Parts(cloud, clock, tmp_path)
        again.settle()
        assert "by='last run'" in told(again, caplog)
        clock.advance(3600)
        parts.run(70)
        assert "by='refresh token'" in told(parts, caplog)


def test_a_fleet_is_counted(clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Simulator(chargers=[ChargerSpec(id=number) for number in range(1, 31)], clock=clock) as cloud:
        parts = Parts(cloud, clock, tmp_path)
        parts.settle()
    assert told(parts, caplog).endswith("19,20,… count=30")
