"""What the log says of chargers that are met for the first time."""

import logging

import pytest

from wallbox2mqtt.bridge.first_start import FirstStart
from wallbox2mqtt.cloud.documents import Listed, Reading


def listing(count: int) -> list[Listed]:
    return [Listed(number, "x" * 100, "PulsarPlus", Reading({})) for number in range(1, count + 1)]


@pytest.mark.parametrize(("count", "lines"), [(1, 1), (20, 20), (21, 1)])
def test_a_line_each_or_one_for_a_fleet(caplog: pytest.LogCaptureFixture, count: int, lines: int) -> None:
    chargers = listing(count)
    with caplog.at_level(logging.INFO):
        start = FirstStart()
        start.tell_found(chargers, {one.charger_id: 60.0 for one in chargers})
        start.tell_found(chargers, {one.charger_id: 60.0 for one in chargers})
    assert len(caplog.records) == lines
    assert "x" * 65 not in caplog.text


def test_one_that_is_complete_is_told_once_and_not_as_found(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        start = FirstStart()
        start.tell_complete(1, "Garage")
        start.tell_complete(1, "Garage")
        start.tell_found(listing(1), {})
    assert [record.getMessage() for record in caplog.records] == ["the charger is complete charger=1 name='Garage'"]
