"""What the unit tests share."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.parts import OpenCloud
from tests.reading_harness import ReadingHarness
from wallbox2mqtt.simulator import Simulator
from wallbox2mqtt.storage import Storage


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return Storage(tmp_path, "account")


@pytest.fixture
def harness(clock: FakeClock, store: Storage) -> ReadingHarness:
    return ReadingHarness(clock, store)


@pytest.fixture
def open_cloud(clock: FakeClock) -> Iterator[OpenCloud]:
    """Return a function that starts a cloud on the test's clock; it runs until the test ends."""
    with ExitStack() as stack:

        def start(**how: Any) -> Simulator:  # noqa: ANN401 - any argument of a Simulator
            return stack.enter_context(Simulator(clock=clock, **how))

        yield start
