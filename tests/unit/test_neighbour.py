"""Another process that serves the same account."""

import logging
import os

import pytest

from wallbox2mqtt.daemon.neighbour import TWICE, warn_of_another

ACCOUNT = f"someone-{os.getpid()}@example.org https://api.example.org"


def test_a_name_is_had_by_one_at_a_time(caplog: pytest.LogCaptureFixture) -> None:
    first, other = warn_of_another(ACCOUNT), warn_of_another(f"{ACCOUNT}/other")
    first.close()
    third = warn_of_another(ACCOUNT)
    assert not caplog.records
    for name in (third, other):
        name.close()


def test_it_is_said_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    first = warn_of_another(ACCOUNT)
    assert not caplog.records
    second = warn_of_another(ACCOUNT)
    assert [record.getMessage() for record in caplog.records] == [TWICE]
    assert caplog.records[0].levelno == logging.WARNING
    assert "example" not in caplog.text
    for name in (first, second):
        name.close()
