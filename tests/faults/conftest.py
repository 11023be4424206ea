"""What the parts of the fault matrix share."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.harness import Harness, Make, Options


@pytest.fixture
def open_harness(tmp_path: Path) -> Iterator[Make]:
    """Return a function that opens harnesses, which are closed at the end."""
    with ExitStack() as stack:

        def make(options: Options) -> Harness:
            return stack.enter_context(Harness(tmp_path, options))

        yield make
