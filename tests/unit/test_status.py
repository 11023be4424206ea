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


class Harness:
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
def harness(clock: FakeClock) -> Harness:
    return Harness(clock)


def test_a_good_read(harness: Harness, clock: FakeClock) -> None:
    harness.bridge.read_succeeded()
    assert harness.cloud == ("online", "ok")
    assert harness.last("last_poll") == "2026-10-05T12:00:00+00:00"
    clock.advance(61)
    harness.published.clear()
    harness.bridge.read_succeeded()
    assert harness.published == [("w/bridge/last_poll", "2026-10-05T12:01:01+00:00")]


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
def test_offline_after_three_failed_reads_in_a_row(harness: Harness, error: CloudError, word: str) -> None:
    harness.bridge.read_succeeded()
    for _ in range(2):
        harness.bridge.read_failed(error)
        assert harness.cloud == ("online", word)
    harness.bridge.read_succeeded()
    for _ in range(2):
        harness.bridge.read_failed(error)
    assert harness.cloud == ("online", word)
    harness.bridge.read_failed(error)
    assert harness.cloud == ("offline", word)
    harness.bridge.read_succeeded()
    assert harness.cloud == ("online", "ok")


def test_nothing_is_said_of_the_cloud_before_it_is_known(harness: Harness) -> None:
    harness.bridge.read_failed(NotSentError("x"))
    assert harness.cloud == (None, "unreachable")


@pytest.mark.parametrize(
    ("error", "cloud"),
    [
        pytest.param(AuthError("x", 403), "offline", id="sign-in"),
        pytest.param(UnauthorizedError("x", 401), "online", id="a fresh token, of which the next read will tell"),
    ],
)
def test_offline_at_once_when_the_sign_in_is_refused(harness: Harness, error: CloudError, cloud: str) -> None:
    harness.bridge.read_succeeded()
    harness.bridge.read_failed(error)
    assert harness.cloud == (cloud, "auth_failed")


def test_rate_limited_is_not_offline(harness: Harness) -> None:
    harness.bridge.read_succeeded()
    for _ in range(5):
        harness.bridge.read_failed(RateLimitedError("x"))
        harness.bridge.rate_limited()
    assert harness.cloud == ("online", "rate_limited")
    harness.bridge.read_failed(ServerError("x"))
    assert harness.cloud == ("online", "http_5xx")


def test_announce_repeats_everything_that_is_shown(harness: Harness) -> None:
    harness.bridge.read_succeeded()
    harness.bridge.show("reads_last_hour", "1")
    shown = dict(harness.published)
    harness.published.clear()
    harness.bridge.announce()
    assert dict(harness.published) == shown
    harness.published.clear()
    harness.bridge.still_here()
    assert harness.published == [("w/bridge/state", "online")]


def test_info_and_health(harness: Harness, clock: FakeClock) -> None:
    harness.bridge.info(chargers=[1], protocol="5")
    info = json.loads(harness.last("info") or "")
    assert info == {
        "version": __version__,
        "started": "2026-10-05T12:00:00+00:00",
        "chargers": [1],
        "protocol": "5",
    }
    harness.bridge.info(chargers=[1], protocol="5")
    assert len(harness.published) == 1
    clock.advance(90.9)
    clock.jump(-86400)
    harness.bridge.health(reads=3)
    assert json.loads(harness.last("health") or "") == {"uptime_s": 90, "reads": 3}
