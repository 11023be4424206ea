"""What the bridge says of itself."""

import json

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt import __version__
from wallbox2mqtt.bridge.status import BridgeStatus
from wallbox2mqtt.errors import (
    AuthError,
    BadAnswerError,
    CloudError,
    CloudTimeoutError,
    NotSentError,
    RateLimitedError,
    RequestRefusedError,
    ServerError,
    UnauthorizedError,
)
from wallbox2mqtt.topics import Topics


class Board:
    """A bridge, and what it has published."""

    def __init__(self, clock: FakeClock) -> None:
        self.published: list[tuple[str, str]] = []
        self.bridge = BridgeStatus(Topics("w"), lambda topic, text: self.published.append((topic, text)), clock)

    def last(self, name: str) -> str | None:
        return dict(self.published).get(f"w/bridge/{name}")

    @property
    def cloud(self) -> tuple[str | None, str | None]:
        return self.last("cloud"), self.last("cloud_reason")


@pytest.fixture
def board(clock: FakeClock) -> Board:
    return Board(clock)


def test_a_good_read(board: Board, clock: FakeClock) -> None:
    board.bridge.read_succeeded()
    assert board.cloud == ("online", "ok")
    assert board.last("last_poll") == "2026-10-05T12:00:00+00:00"
    clock.advance(61)
    board.published.clear()
    board.bridge.read_succeeded()
    assert board.published == [("w/bridge/last_poll", "2026-10-05T12:01:01+00:00")]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (CloudTimeoutError("x"), "timeout"),
        (NotSentError("x"), "unreachable"),
        (ServerError("x", 503), "http_5xx"),
        (BadAnswerError("x"), "bad_answer"),
        (RequestRefusedError("x", 404), "bad_answer"),
    ],
    ids=["timeout", "not sent", "5xx", "bad answer", "404"],
)
def test_offline_after_three_failed_reads_in_a_row(board: Board, error: CloudError, word: str) -> None:
    board.bridge.read_succeeded()
    for _ in range(2):
        board.bridge.read_failed(error)
        assert board.cloud == ("online", word)
    board.bridge.read_succeeded()
    for _ in range(2):
        board.bridge.read_failed(error)
    assert board.cloud == ("online", word)
    board.bridge.read_failed(error)
    assert board.cloud == ("offline", word)
    board.bridge.read_succeeded()
    assert board.cloud == ("online", "ok")


def test_nothing_is_said_of_the_cloud_before_it_is_known(board: Board) -> None:
    board.bridge.read_failed(NotSentError("x"))
    assert board.cloud == (None, "unreachable")


@pytest.mark.parametrize(
    ("error", "cloud"),
    [
        pytest.param(AuthError("x", 403), "offline", id="sign-in"),
        pytest.param(UnauthorizedError("x", 401), "online", id="a fresh token, of which the next read will tell"),
    ],
)
def test_offline_at_once_when_the_sign_in_is_refused(board: Board, error: CloudError, cloud: str) -> None:
    board.bridge.read_succeeded()
    board.bridge.read_failed(error)
    assert board.cloud == (cloud, "auth_failed")


def test_rate_limited_is_not_offline(board: Board) -> None:
    board.bridge.read_succeeded()
    for _ in range(5):
        board.bridge.read_failed(RateLimitedError("x"))
        board.bridge.rate_limited()
    assert board.cloud == ("online", "rate_limited")
    board.bridge.read_failed(ServerError("x"))
    assert board.cloud == ("online", "http_5xx")


def test_announce_repeats_everything_that_is_shown(board: Board) -> None:
    board.bridge.read_succeeded()
    board.bridge.show("reads_last_hour", "1")
    shown = dict(board.published)
    board.published.clear()
    board.bridge.announce()
    assert dict(board.published) == shown
    board.published.clear()
    board.bridge.still_here()
    assert board.published == [("w/bridge/state", "online")]


def test_info_and_health(board: Board, clock: FakeClock) -> None:
    board.bridge.info(chargers=[1], protocol="5")
    info = json.loads(board.last("info") or "")
    assert info == {
        "version": __version__,
        "started": "2026-10-05T12:00:00+00:00",
        "chargers": [1],
        "protocol": "5",
    }
    board.bridge.info(chargers=[1], protocol="5")
    assert len(board.published) == 1
    clock.advance(90.9)
    clock.jump(-86400)
    board.bridge.health(reads=3)
    assert json.loads(board.last("health") or "") == {"uptime_s": 90, "reads": 3}
