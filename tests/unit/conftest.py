"""What the unit tests share."""

from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.reading_harness import ReadingHarness
from wallbox2mqtt.storage import Storage


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return Storage(tmp_path, "account")


@pytest.fixture
def harness(clock: FakeClock, store: Storage) -> ReadingHarness:
    return ReadingHarness(clock, store)
