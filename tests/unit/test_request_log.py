"""What the cloud was asked, and what came of it."""

import contextlib

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.cloud.request_log import KEPT_S, MOST_KEPT, RequestLog
from wallbox2mqtt.errors import (
    BadAnswerError,
    CloudError,
    ConflictError,
    ForbiddenError,
    RateLimitedError,
    ServerError,
    UnauthorizedError,
)


def ask(log: RequestLog, error: CloudError | None = None, kind: str = "list") -> None:
    with contextlib.suppress(CloudError), log.request("read", kind):
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        pytest.param(None, "ok", id="ok"),
        pytest.param(RateLimitedError("x"), "rate_limited", id="429"),
        pytest.param(ForbiddenError("x", 403), "http_403", id="403"),
        pytest.param(ConflictError("x", 409), "http_409", id="409"),
        pytest.param(UnauthorizedError("x", 401), "unauthorized", id="401"),
        pytest.param(ServerError("x", 503), "http_5xx", id="503"),
        pytest.param(BadAnswerError("x"), "bad_answer", id="bad"),
    ],
)
def test_outcome(clock: FakeClock, error: CloudError | None, outcome: str) -> None:
    log = RequestLog(clock)
    ask(log, error)
    (request,) = log.recent()
    assert (request.at, request.budget, request.kind, request.outcome) == (clock.monotonic(), "read", "list", outcome)
    assert log.totals() == {("read", "list", outcome): 1}


def test_kept_for_ten_minutes_and_counted_for_ever(clock: FakeClock) -> None:
    log = RequestLog(clock)
    ask(log)
    clock.advance(KEPT_S)
    ask(log, kind="detail")
    assert [request.kind for request in log.recent()] == ["list", "detail"]
    clock.advance(1)
    assert [request.kind for request in log.recent()] == ["detail"]
    assert sum(log.totals().values()) == 2


def test_of_very_many_the_newest(clock: FakeClock) -> None:
    log = RequestLog(clock)
    for number in range(MOST_KEPT + 5):
        ask(log, kind=str(number))
    assert [request.kind for request in log.recent()][:: MOST_KEPT - 1] == ["5", str(MOST_KEPT + 4)]
