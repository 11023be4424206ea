"""Fixtures that several test files use."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fakes import FakeClock
from tests.fuzz.profile import EXAMPLES, TIMES
from tests.mosquitto import Broker, Watcher

# a busy machine is no failure; in CI the same examples each time, so that a failure is one for everybody
settings.register_profile(
    "tests", deadline=None, max_examples=EXAMPLES, derandomize=os.environ.get("CI") == "true" and TIMES == 1
)
settings.load_profile("tests")


# where a shell runs the tests in the background, the programs that they start would not hear Ctrl-C either
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
ORDER = ("faults", "integration", "end_to_end", "fuzz", "unit")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew; then look at the diff")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow tests first: at the end, the other processes would wait for one that has such a test left."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> tuple[bool, int]:
    return item.get_closest_marker("slow") is None, ORDER.index(item.path.relative_to(TESTS).parts[0])


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


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


@pytest.fixture
def watcher(broker: Broker) -> Iterator[Watcher]:
    with Watcher(broker.port) as watching:
        yield watching
