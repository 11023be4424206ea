"""A year of sessions against an account that is kept apart: sums to the Wh, each event, each line of the file."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.year import a_year
from tests.year_bridge import PlayedYear
from tests.year_checks import problems_of


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_berlin")
def test_a_year(tmp_path: Path) -> None:
    """``tests.soak.year`` plays many, and reads more often."""
    played = PlayedYear(a_year(1, stays=40, quasar=True), tmp_path, 1, poll_s=1200, idle_s=30_000)
    played.play()
    assert played.kills > 5
    assert len(played.months) > 8
    assert problems_of(played) == []
