"""What the tests of the broker's connection share, and those of the simulated cloud."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.broker_connection import Connection, Open, Protocol
from tests.fakes import Caller, FakeClock
from wallbox2mqtt.simulator import Simulator


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request: pytest.FixtureRequest) -> Protocol:
    version: Protocol = request.param
    return version


@pytest.fixture
def make(clock: FakeClock) -> Iterator[Open]:
    """Return a function that makes connections, which are stopped at the end."""
    connections: list[Connection] = []

    def make_connection(port: int, **options: Any) -> Connection:  # noqa: ANN401 - any key of the configuration
        connection = Connection(clock, port=port, **options)
        connections.append(connection)
        return connection

    yield make_connection
    for connection in connections:
        connection.mqtt.stop(timeout_s=0.2)


@pytest.fixture
def caller(cloud: Simulator) -> Iterator[Caller]:
    """Return somebody who has signed in to the cloud of the test's module."""
    with Caller(cloud.url) as somebody:
        somebody.sign_in()
        yield somebody
