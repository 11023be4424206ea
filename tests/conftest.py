"""Fixtures that several test files use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.mosquitto import Broker


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A mosquitto that lets everybody in. Tests that use it bear the marker ``broker``."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()
