"""The TokenManager: how long tokens live, who renews them, and what happens when nobody is let in."""

import base64
import contextlib
import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import A_DAY, FakeClock
from tests.hostile import json_values
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.auth import TokenManager
from wallbox2mqtt.cloud.grant import SignInAnswer, Way
from wallbox2mqtt.config import Secret
from wallbox2mqtt.errors import (
    AuthError,
    BadAnswerError,
    BudgetSpentError,
    CloudError,
    CloudTimeoutError,
    ForbiddenError,
    MethodError,
    NotSentError,
    RateLimitedError,
    RequestRefusedError,
    ServerError,
    SignInError,
    UnauthorizedError,
)
from wallbox2mqtt.log import HIDDEN
from wallbox2mqtt.storage import Storage

PASSWORD = "pä:ss wörd"  # noqa: S105 - of nobody
MINUTE = 60.0
Outcome = SignInAnswer | CloudError


def jwt(**claims: Json) -> str:
    """A token with these claims, and a signature of nothing."""
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in [*parts, b"signature"])


class FakeSender:
    """The cloud's sign-in: both ways and the refresh, each with what becomes of it.

    Tokens live ``life_s`` by the server's clock, which is ``ahead_s`` of ours. ``failures`` come first, by way.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.life_s, self.refresh_life_s, self.ahead_s = 900.0, 86_400.0, 0.0
        self.asked: list[str] = []
        self.passwords: list[str] = []
        self.failures: dict[str, list[CloudError]] = {}
        self.always: dict[str, CloudError] = {}
        self.answers: list[SignInAnswer] = []
        self.spent = False
        self.slow = threading.Event()
        self.slow.set()

    def now(self) -> float:
        return self.clock.monotonic() + A_DAY + self.ahead_s

    def set_password(self, password: Secret) -> None:
        self.passwords.append(password.reveal())

    def sign_in(self, way: Way) -> SignInAnswer:
        return self._answer(way)

    def refresh(self, token: Secret) -> SignInAnswer:
        assert not token.reveal().startswith("token-"), "an access token is no refresh token"
        return self._answer("refresh")

    def _answer(self, what: str) -> SignInAnswer:
        self.asked.append(what)
        number = len(self.asked)
        assert self.slow.wait(30)
        if self.spent:
            raise BudgetSpentError(30.0)
        if failures := self.failures.get(what):
            raise failures.pop(0)
        if what in self.always:
            raise self.always[what]
        if self.answers:
            return self.answers.pop(0)
        ends = self.now() + self.life_s
        body: Json
        if what == "legacy":
            body = {"jwt": f"token-{number}", "user_id": 1, "ttl": int(ends), "error": False, "status": 200}
        else:
            body = modern(
                f"token-{number}",
                round(ends * 1000),
                f"refresh-{number}",
                round((self.now() + self.refresh_life_s) * 1000),
            )
        return SignInAnswer(body, float(int(self.now())))


def modern(token: Json, ttl: Json = None, refresh: Json = None, refresh_ttl: Json = None) -> Json:
    attributes: dict[str, Json] = {"token": token, "error": "false", "status": 200}
    attributes |= {"ttl": ttl, "refresh_token": refresh, "refresh_token_ttl": refresh_ttl}

    return {
        "data": {"type": "signin", "id": "uid", "attributes": {k: v for k, v in attributes.items() if v is not None}}
    }


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(monotonic=0.0, wall=A_DAY)


@pytest.fixture
def sender(clock: FakeClock) -> FakeSender:
    return FakeSender(clock)


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return Storage(tmp_path, "someone@example.org")


Start = Callable[..., TokenManager]


@pytest.fixture
def start(sender: FakeSender, clock: FakeClock, store: Storage) -> Start:
    """Start a TokenManager, the first or another one over the same files."""

    def begin(sign_in: str = "auto", password: str = PASSWORD, spread: float = 0.0) -> TokenManager:
        return TokenManager(sender, clock, store, sign_in, Secret(password), spread=lambda: spread)

    return begin


def unauthorized(status: int = 401) -> UnauthorizedError:
    return UnauthorizedError("the cloud answered", status)


def life_of(manager: TokenManager, clock: FakeClock, sender: FakeSender) -> float:
    """For how many seconds a token is handed out, to a tenth."""
    manager.token()
    begun, asked = clock.monotonic(), len(sender.asked)
    while len(sender.asked) == asked:
        clock.advance(0.1)
        manager.token()
    return clock.monotonic() - begun


# --- how long a token lives


def told(ttl: Json, *, way: str = "modern", token: str = "t") -> Json:  # noqa: S107 - no secret
    return modern(token, ttl) if way == "modern" else {"jwt": token, **({} if ttl is None else {"ttl": ttl})}


SERVER = A_DAY
LIVES = [
    pytest.param(told((SERVER + 900) * 1000), 900, id="ms"),
    pytest.param(told(SERVER + 900), 900, id="s"),
    pytest.param(told((SERVER + 5) * 1000), 5, id="five-seconds"),
    pytest.param(told((SERVER + 60) * 1000), 60, id="a-minute"),
    pytest.param(told(SERVER + 900, way="legacy"), 900, id="legacy-s"),
    pytest.param(told((SERVER + 900) * 1000, way="legacy"), 900, id="legacy-ms"),
    pytest.param(told(None, token=jwt(exp=SERVER + 300)), 300, id="jwt-exp"),
    pytest.param(told(None, way="legacy", token=jwt(exp=SERVER + 300)), 300, id="legacy-jwt-exp"),
    pytest.param(told(SERVER + 200, token=jwt(exp=SERVER + 300)), 200, id="ttl-before-exp"),
    pytest.param(told("soon", token=jwt(exp=SERVER + 300)), 300, id="ttl-text"),
    pytest.param(told(True, token=jwt(exp=SERVER + 300)), 300, id="ttl-boolean"),  # noqa: FBT003 - a value of JSON
    pytest.param(told(900, token=jwt(exp=SERVER + 300)), 300, id="ttl-no-time"),
    pytest.param(told(10**400, token=jwt(exp=SERVER + 300)), 300, id="ttl-huge"),
    pytest.param(told(None), 60, id="nothing-told"),
    pytest.param(told(None, way="legacy"), 60, id="legacy-nothing-told"),
    pytest.param(told(0), 60, id="zero"),
    pytest.param(told(SERVER - 3600), 60, id="in-the-past"),
    pytest.param(told(None, token=jwt(exp="soon")), 60, id="exp-text"),
    pytest.param(told(None, token="a.b.c"), 60, id="jwt-nonsense"),  # noqa: S106 - no secret
    pytest.param(told(None, token="a." + "e" * 401 + ".c"), 60, id="jwt-no-base64"),
    pytest.param(told(None, token="e30.W10.x"), 60, id="jwt-list"),  # noqa: S106
]


@pytest.mark.parametrize("server_ahead_s", [0, 86_400, -86_400], ids=["right", "behind-by-a-day", "ahead-by-a-day"])
@pytest.mark.parametrize(("body", "life_s"), LIVES)
def test_life_is_what_the_answer_says(
    start: Start, sender: FakeSender, clock: FakeClock, body: Json, life_s: float, server_ahead_s: float
) -> None:
    """Whatever our clock says: the Date header of the answer counts."""
    clock.jump(-server_ahead_s)
    sender.answers = [SignInAnswer(body, SERVER)]
    manager = start("modern" if "data" in str(body) else "legacy")
    expected = life_s - min(30, life_s / 10)
    # the Date header is up to a second old, so that a second less is counted on
    assert expected - 1.2 <= life_of(manager, clock, sender) <= expected + 0.2


def test_a_token_does_not_outlive_what_its_server_said(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    """The Date header cuts off what is nearly a second."""
    clock.advance(0.9)
    sender.life_s = 5.0
    manager = start()
    manager.token()
    assert manager.life_s <= 5.0


def test_without_a_date_our_clock_counts(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    sender.answers = [SignInAnswer(told((SERVER + 900) * 1000), None)]
    assert life_of(start(), clock, sender) == pytest.approx(870, abs=0.2)


@pytest.mark.parametrize(("life_s", "margin_s"), [(5, 0.5), (60, 6), (299, 29.9), (900, 30), (7000, 30)])
def test_renewed_before_the_end(
    start: Start, sender: FakeSender, clock: FakeClock, life_s: float, margin_s: float
) -> None:
    sender.life_s = life_s
    manager = start()
    assert life_of(manager, clock, sender) == pytest.approx(life_s - margin_s, abs=1.2)
    assert sender.asked == ["modern", "refresh"]


def test_a_life_of_nothing_still_gives_a_token(start: Start, sender: FakeSender) -> None:
    sender.life_s = 0
    manager = start()
    assert manager.token() != manager.token()
    assert manager.sign_ins == 2


# --- ways in


@pytest.mark.parametrize("sign_in", ["modern", "legacy"])
def test_a_fixed_way(start: Start, sender: FakeSender, sign_in: str) -> None:
    assert start(sign_in).token().reveal() == "token-1"
    assert sender.asked == [sign_in]


def test_auto_tries_the_present_one_first(start: Start, sender: FakeSender) -> None:
    start().token()
    assert sender.asked == ["modern"]


@pytest.mark.parametrize(
    "error",
    [RequestRefusedError("gone", 404), MethodError("gone", 405), RequestRefusedError("gone", 410)],
    ids=["404", "405", "410"],
)
def test_auto_falls_back_and_remembers(start: Start, sender: FakeSender, clock: FakeClock, error: CloudError) -> None:
    sender.always["modern"] = error
    manager = start()
    assert manager.token().reveal() == "token-2"
    assert sender.asked == ["modern", "legacy"]
    assert manager.way == "legacy"
    clock.advance(1000)
    manager.token()
    again = start()
    clock.advance(1000)
    again.token()
    assert sender.asked == ["modern", "legacy", "legacy", "legacy"], "also after a restart"


def test_auto_comes_back_when_the_old_one_goes(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    sender.failures["modern"] = [RequestRefusedError("gone", 404)]
    manager = start()
    manager.token()
    sender.always["legacy"] = RequestRefusedError("gone", 410)
    clock.advance(1000)
    manager.token()
    assert sender.asked == ["modern", "legacy", "legacy", "modern"]
    assert manager.way == "modern"


def test_no_way_in(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    sender.always = {"modern": RequestRefusedError("gone", 404), "legacy": RequestRefusedError("gone", 404)}
    manager = start()
    with pytest.raises(SignInError, match="modern legacy"):
        manager.token()
    for _ in range(3):
        asked = len(sender.asked)
        clock.advance(manager.wait_s())
        with pytest.raises(SignInError, match="gone"):
            manager.token()
        assert len(sender.asked) == asked + 1, "one request a wait: each way in turn"
    assert sender.asked == ["modern", "legacy", "modern", "legacy", "modern"]


def test_the_one_way_that_is_configured_is_gone(start: Start, sender: FakeSender) -> None:
    sender.always["legacy"] = RequestRefusedError("gone", 404)
    with pytest.raises(SignInError, match="none of the sign-ins legacy"):
        start("legacy").token()


@pytest.mark.parametrize(
    "error",
    [
        NotSentError("no connection"),
        CloudTimeoutError("no answer"),
        ServerError("the cloud answered 500", 500),
        RateLimitedError("the cloud answered 429"),
        BadAnswerError("no JSON"),
        RequestRefusedError("the cloud answered 400", 400),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_other_failure_is_followed_by_a_wait(
    start: Start, sender: FakeSender, clock: FakeClock, error: CloudError
) -> None:
    sender.failures["modern"] = [error]
    manager = start()
    with pytest.raises(SignInError) as caught:
        manager.token()
    assert (caught.value.reason, caught.value.http_status) == (error.reason, None)
    assert str(error) in str(caught.value)
    assert (manager.failed_wait_s(), manager.refused_wait_s()) == (3, 0)
    clock.advance(2.9)
    with pytest.raises(SignInError):
        manager.token()
    clock.advance(0.2)
    assert manager.token().reveal() == "token-2"
    assert sender.asked == ["modern"] * 2
    assert (manager.wait_s(), manager.failures) == (0, 0)


WAITS = [3, 6, 12, 24, 48, 96, 192, 384, 768, 900, 900]


def failing(manager: TokenManager, clock: FakeClock, times: int) -> Iterator[float]:
    """The waits after so many tries, which all fail."""
    for _ in range(times):
        with pytest.raises(SignInError):
            manager.token()
        yield manager.wait_s()
        clock.advance(manager.wait_s())


class TestAHostInTrouble:
    """Sign-ins that fail for another reason than the credentials: 5xx, resets, nonsense."""

    @pytest.mark.parametrize(("spread", "share"), [(0.0, 1.0), (0.5, 5 / 6), (1.0, 2 / 3)])
    def test_waits_longer_and_longer(
        self, start: Start, sender: FakeSender, clock: FakeClock, spread: float, share: float
    ) -> None:
        sender.always["modern"] = ServerError("down", 503)
        waits = list(failing(start(spread=spread), clock, len(WAITS)))
        assert waits == pytest.approx([wait * share for wait in WAITS])
        assert all(2 <= wait <= 900 for wait in waits)
        assert sender.asked == ["modern"] * len(WAITS), "one request a wait, and no other sign-in"

    def test_a_wait_that_was_asked_for(self, start: Start, sender: FakeSender) -> None:
        for asked_s, wait_s in ((None, 3), (0.0, 3), (60.0, 60), (1e9, 900)):
            sender.failures["modern"] = [RateLimitedError("the cloud answered 429", 429, asked_s)]
            manager = start()
            manager._failed.succeeded()  # noqa: SLF001 - as in a run that has met no failure
            with pytest.raises(SignInError):
                manager.token()
            assert manager.wait_s() == wait_s

    def test_a_thousand_threads_and_commands_make_one_request(
        self, start: Start, sender: FakeSender, clock: FakeClock
    ) -> None:
        sender.always["modern"] = ServerError("down", 503)
        manager = start()
        seconds = 0
        while seconds < 60:
            for _ in range(5):
                with pytest.raises(SignInError):
                    manager.token()
            clock.advance(1)
            seconds += 1
        assert len(sender.asked) == 5, "at 0, 3, 9, 21 and 45 s"

    def test_a_failed_refresh_is_repeated_before_any_sign_in(
        self, start: Start, sender: FakeSender, clock: FakeClock
    ) -> None:
        manager = start()
        manager.token()
        clock.advance(1000)
        sender.always["refresh"] = ServerError("down", 503)
        list(failing(manager, clock, 9))
        assert sender.asked == ["modern", *["refresh"] * 9]
        sender.always.clear()
        manager.token()
        assert sender.asked[-1] == "refresh", "the refresh token has outlived it"

    def test_after_half_an_hour_of_failed_refreshes_it_signs_in(
        self, start: Start, sender: FakeSender, clock: FakeClock
    ) -> None:
        manager = start()
        manager.token()
        clock.advance(1000)
        sender.always["refresh"] = ServerError("down", 500)
        list(failing(manager, clock, 10))
        manager.token()
        assert sender.asked == ["modern", *["refresh"] * 10, "modern"]

    def test_a_token_serves_to_its_end(self, start: Start, sender: FakeSender, clock: FakeClock) -> None:
        manager = start()
        token = manager.token()
        sender.always["refresh"] = ServerError("down", 503)
        clock.advance(880)
        assert manager.token() == token, "the renewal failed, and the token is good for 20 s more"
        assert manager.wait_s() == 0
        clock.advance(21)
        with pytest.raises(SignInError):
            manager.token()

    def test_the_wait_is_kept_over_restarts(
        self, start: Start, sender: FakeSender, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        sender.always["modern"] = ServerError("down", 503)
        list(failing(start(), clock, 4))
        with pytest.raises(SignInError):
            start().token()
        caplog.clear()
        clock.advance(8)
        again = start()
        assert again.wait_s() == pytest.approx(40)
        assert "in_s=40 reason=http_5xx" in caplog.text
        with pytest.raises(SignInError) as caught:
            again.token()
        assert caught.value.reason == "http_5xx"
        assert len(sender.asked) == 5
        clock.jump(-1e6)
        assert start().wait_s() <= 48

    def test_a_spent_budget_is_no_failure(self, start: Start, sender: FakeSender) -> None:
        manager = start("legacy")
        sender.spent = True
        with pytest.raises(BudgetSpentError):
            manager.token()
        assert manager.wait_s() == 0


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "ok",
        {},
        {"data": None},
        {"data": {"attributes": []}},
        {"data": {"attributes": {}}},
        modern(None),
        modern(""),
        modern(5),
        modern("with blank"),
        modern("two\r\nlines: x"),
        modern("größe"),
        {"jwt": "of the other way"},
    ],
    ids=repr,
)
def test_no_token_in_the_answer(start: Start, sender: FakeSender, body: Json) -> None:
    sender.answers = [SignInAnswer(body, SERVER)]
    with pytest.raises(SignInError, match="no token"):
        start("modern").token()


@given(
    body=json_values | json_values.map(lambda value: {"data": {"attributes": value}}),
    date=st.none() | st.floats(0, 1e10),
)
def test_any_answer_gives_a_token_or_a_fault(
    tmp_path_factory: pytest.TempPathFactory, body: Json, date: float | None
) -> None:
    clock = FakeClock()
    for way in ("modern", "legacy"):
        sender = FakeSender(clock)
        sender.answers = [SignInAnswer(body, date)]
        manager = TokenManager(sender, clock, Storage(tmp_path_factory.mktemp("any"), "x"), way, Secret("x"))
        with contextlib.suppress(SignInError):
            assert manager.token().reveal()


# --- refresh


@pytest.mark.parametrize(
    "error",
    [
        unauthorized(401),
        unauthorized(403),
        ForbiddenError("no", 403),
        RequestRefusedError("no", 404),
    ],
    ids=["401", "403", "forbidden", "404"],
)
def test_a_refused_refresh_becomes_a_sign_in(
    start: Start, sender: FakeSender, clock: FakeClock, error: CloudError
) -> None:
    manager = start()
    manager.token()
    clock.advance(1000)
    sender.always["refresh"] = error
    assert manager.token().reveal() == "token-3"
    assert sender.asked == ["modern", "refresh", "modern"]
    assert manager.wait_s() == 0


def test_an_old_refresh_token_is_not_tried(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    manager = start()
    manager.token()
    clock.advance(86_500)
    manager.token()
    assert sender.asked == ["modern", "modern"]


def test_legacy_knows_no_refresh(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    sender.answers = [SignInAnswer({"jwt": "t", "refresh_token": "refresh"}, SERVER)]
    manager = start("legacy")
    manager.token()
    clock.advance(1000)
    manager.token()
    assert sender.asked == ["legacy", "legacy"]


def test_legacy_says_when_it_spends_a_write(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    manager = start("legacy")
    assert manager.spends_a_write()
    manager.token()
    assert not manager.spends_a_write()
    clock.advance(1000)
    assert manager.spends_a_write()
    assert not start("modern").spends_a_write()
    assert sender.asked == ["legacy"]


# --- 401 of a data request


def test_a_revoked_token_is_replaced_once(start: Start, sender: FakeSender) -> None:
    manager = start()
    token = manager.token()
    manager.accepted(token)
    manager.unauthorized(token)
    new = manager.token()
    assert new != token
    manager.accepted(new)
    assert sender.asked == ["modern", "refresh"]
    assert manager.wait_s() == 0


def test_two_threads_hear_of_one_revoked_token(start: Start, sender: FakeSender) -> None:
    manager = start()
    token = manager.token()
    manager.accepted(token)
    manager.unauthorized(token)
    manager.unauthorized(token)
    assert manager.wait_s() == 0, "the second refusal is of the same token"
    manager.token()
    manager.unauthorized(token)
    assert manager.token().reveal() == "token-2"
    assert sender.asked == ["modern", "refresh"]


def test_thirty_threads_want_a_token_and_one_signs_in(start: Start, sender: FakeSender) -> None:
    manager = start()
    for expected in (1, 2, 3):
        tokens: list[Secret] = []
        barrier = threading.Barrier(31)
        sender.slow.clear()

        def run(tokens: list[Secret] = tokens, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(30)
            tokens.append(manager.token())

        threads = [threading.Thread(target=run) for _ in range(30)]
        for thread in threads:
            thread.start()
        barrier.wait(30)
        sender.slow.set()
        for thread in threads:
            thread.join(30)
        assert len(tokens) == 30
        assert len(set(tokens)) == 1
        assert len(sender.asked) == expected
        manager.accepted(tokens[0])
        storm = [threading.Thread(target=manager.unauthorized, args=(tokens[0],)) for _ in range(30)]
        for thread in storm:
            thread.start()
        for thread in storm:
            thread.join(30)
    assert manager.wait_s() == 0


def waits(manager: TokenManager, clock: FakeClock, times: int) -> Iterator[float]:
    """The waits between so many tries whose tokens are all refused."""
    for _ in range(times):
        while manager.wait_s() == 0:
            manager.unauthorized(manager.token())
        yield manager.wait_s()
        clock.advance(manager.wait_s())


DOUBLING = [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_storm_of_401_waits_longer_and_longer(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    manager = start()
    assert list(waits(manager, clock, 9)) == DOUBLING
    token = manager.token()
    manager.accepted(token)
    manager.unauthorized(token)
    assert manager.wait_s() == 0, "one that was let in ends the storm"
    assert len(sender.asked) < 25


def test_a_new_password_is_tried_at_once(start: Start, sender: FakeSender) -> None:
    sender.always["modern"] = unauthorized()
    manager = start()
    with pytest.raises(AuthError):
        manager.token()
    assert manager.wait_s() > 0
    sender.always.clear()
    manager.set_password(Secret("an0ther-one"))
    assert manager.token().reveal()
    assert sender.passwords == ["an0ther-one"]
    assert start(password="an0ther-one").wait_s() == 0  # noqa: S106 - of nobody


@pytest.mark.parametrize(
    ("in_file", "refusals", "asked", "used"),
    [
        pytest.param("an0ther-one", 1, 2, ["an0ther-one"], id="another one that is right"),
        pytest.param("an0ther-one", 2, 2, ["an0ther-one"], id="another one that is wrong"),
        pytest.param(PASSWORD, 1, 1, [], id="the same"),
        pytest.param(None, 1, 1, [], id="none that can be read"),
    ],
)
def test_the_password_is_read_again_before_a_refusal_counts(  # noqa: PLR0913, PLR0917 - fixtures, and a table
    clock: FakeClock,
    sender: FakeSender,
    store: Storage,
    in_file: str | None,
    refusals: int,
    asked: int,
    used: list[str],
) -> None:
    newest = None if in_file is None else Secret(in_file)
    manager = TokenManager(sender, clock, store, "auto", Secret(PASSWORD), newest_password=lambda: newest)
    sender.failures["modern"] = [unauthorized() for _ in range(refusals)]
    is_let_in = refusals < asked
    with contextlib.nullcontext() if is_let_in else pytest.raises(AuthError):
        manager.token()
    assert (len(sender.asked), sender.passwords, manager.wait_s()) == (asked, used, 0 if is_let_in else 60)


def test_the_same_password_again_does_not_shorten_the_wait(start: Start, sender: FakeSender) -> None:
    sender.always["modern"] = unauthorized()
    manager = start()
    with pytest.raises(AuthError):
        manager.token()
    manager.set_password(Secret(PASSWORD))
    assert (manager.wait_s(), sender.passwords) == (60, [])


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_wait_longer_and_longer(
    start: Start, sender: FakeSender, clock: FakeClock, status: int
) -> None:
    sender.always["modern"] = unauthorized(status)
    manager = start()
    for number, wait in enumerate(DOUBLING, 1):
        with pytest.raises(AuthError, match="check e-mail and password") as caught:
            manager.token()
        assert (caught.value.http_status, caught.value.reason) == (status, "auth_failed")
        assert manager.wait_s() == wait
        clock.advance(wait - 0.5)
        with pytest.raises(AuthError, match="next try"):
            manager.token()
        assert len(sender.asked) == number, "no try while it waits"
        clock.advance(1)
    assert "legacy" not in sender.asked, "refused is not gone"


def test_refusals_count_across_restarts(
    start: Start, sender: FakeSender, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    sender.always["modern"] = unauthorized()
    for wait in (60, 120, 240):
        manager = start()
        with pytest.raises(AuthError):
            manager.token()
        assert manager.wait_s() == wait
        clock.advance(10)
        caplog.clear()
        again = start()
        assert again.wait_s() == pytest.approx(wait - 10)
        assert f"in_s={wait - 10}" in caplog.text, "a user who starts it again is told why nothing happens"
        with pytest.raises(AuthError, match="next try"):
            again.token()
        clock.advance(wait - 9)
    assert len(sender.asked) == 3


def test_a_clock_that_went_back_does_not_lengthen_the_wait(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    sender.always["modern"] = unauthorized()
    with pytest.raises(AuthError):
        start().token()
    clock.jump(-1e6)
    assert start().wait_s() <= 60


def test_a_changed_password_tries_at_once(start: Start, sender: FakeSender) -> None:
    sender.always["modern"] = unauthorized()
    with pytest.raises(AuthError):
        start().token()
    sender.always.clear()
    assert start(password="another").wait_s() == 0  # noqa: S106 - no secret
    assert start(password="another").token().reveal() == "token-2"  # noqa: S106


def test_let_in_again_ends_the_count(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    sender.failures["modern"] = [unauthorized(), unauthorized()]
    manager = start()
    for wait in (60, 120):
        with pytest.raises(AuthError):
            manager.token()
        assert manager.wait_s() == wait
        clock.advance(wait)
    manager.accepted(manager.token())
    sender.failures["modern"] = [unauthorized()]
    sender.always["refresh"] = unauthorized()
    clock.advance(1000)
    with pytest.raises(AuthError):
        manager.token()
    assert manager.wait_s() == 60
    assert start().wait_s() == 60


def test_worked_before(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    sender.failures["modern"] = [unauthorized()]
    manager = start()
    with pytest.raises(AuthError):
        manager.token()
    assert not manager.worked_before
    assert not start().worked_before
    clock.advance(61)
    manager.token()
    assert manager.worked_before
    assert start().worked_before


# --- restarts


def test_the_token_is_kept(start: Start, sender: FakeSender, clock: FakeClock) -> None:
    token = start().token()
    clock.advance(100)
    again = start()
    assert again.token() == token
    assert life_of(again, clock, sender) == pytest.approx(770, abs=1.2)
    assert again.token() != token
    assert sender.asked == ["modern", "refresh"], "the refresh token too"


def test_a_token_refused_is_not_kept(start: Start, clock: FakeClock) -> None:
    manager = start()
    list(waits(manager, clock, 1))
    asked = start()
    assert asked.token() != Secret("token-1")


def test_kept_private(start: Start, store: Storage) -> None:
    start().token()
    assert store.path("tokens").stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in store.path("tokens").read_text(encoding="utf-8")


def test_a_refusal_does_not_keep_the_password(start: Start, sender: FakeSender, store: Storage) -> None:
    sender.always["modern"] = unauthorized()
    with pytest.raises(AuthError):
        start().token()
    text = store.path("tokens").read_text(encoding="utf-8")
    assert PASSWORD not in json.loads(text).values()
    first = json.loads(text)["password"]
    with pytest.raises(AuthError):
        start(password="x").token()  # noqa: S106 - no secret
    assert json.loads(store.path("tokens").read_text(encoding="utf-8"))["password"] != first


DAMAGED: list[dict[str, Json]] = [
    {"token": None},
    {"token": 5, "renew_s": 100},
    {"token": "", "renew_s": 100},
    {"token": "two\nlines", "renew_s": 100},
    {"token": "t", "renew_s": "long"},
    {"token": "t", "renew_s": None},
    {"token": "t", "renew_s": -1},
    {"token": "t", "renew_s": 10**400},
    {"token": "t", "renew_s": 100, "saved": -1e300},
    {"way": "third"},
    {"way": ["modern"]},
    {"worked": "yes"},
    {"refusals": 3},
    {"refusals": 3, "salt": "zz", "password": ""},
    {"refusals": 3, "salt": "00", "password": None},
    {"refusals": 10**400, "salt": "00"},
    {"refusals": "3", "salt": "00", "password": ""},
    {"refresh_token": "refresh", "refresh_life_s": 100},
]


@pytest.mark.parametrize("kept", DAMAGED, ids=repr)
def test_damaged_files_are_ignored(start: Start, sender: FakeSender, store: Storage, kept: dict[str, Json]) -> None:
    store.write("tokens", kept)
    manager = start()
    assert manager.wait_s() == 0
    assert not manager.worked_before
    assert manager.token().reveal() == "token-1"
    assert sender.asked == ["modern"]


KEYS = [
    "token",
    "refresh_token",
    "renew_s",
    "life_s",
    "refresh_life_s",
    "saved",
    "way",
    "worked",
    "refusals",
    "wait_s",
    "salt",
    "password",
]


@given(
    kept=st.dictionaries(
        st.sampled_from(KEYS), json_values | st.sampled_from(["refresh-x", "00"]) | st.floats(-1e4, 1e4)
    )
)
def test_any_kept_json_does_no_harm(tmp_path_factory: pytest.TempPathFactory, kept: dict[str, Json]) -> None:
    store, clock = Storage(tmp_path_factory.getbasetemp() / "kept", "x"), FakeClock()
    store.write("tokens", kept)
    sender = FakeSender(clock)
    sender.always["refresh"] = unauthorized()
    manager = TokenManager(sender, clock, store, "auto", Secret("x"))
    assert manager.wait_s() <= 3600
    clock.advance(3601)
    token = manager.token()
    manager.unauthorized(token)
    assert manager.token() != token


def test_without_a_state_dir_it_works_and_forgets(sender: FakeSender, clock: FakeClock, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    store = Storage(file / "state", "x")
    assert TokenManager(sender, clock, store, "auto", Secret("x")).token().reveal() == "token-1"
    assert TokenManager(sender, clock, store, "auto", Secret("x")).token().reveal() == "token-2"


# --- secrets


def test_a_new_token_is_hidden(start: Start, sender: FakeSender) -> None:
    token, refresh = secrets.token_hex(), secrets.token_hex()  # what is hidden is hidden from all tests of this process
    sender.answers = [SignInAnswer(modern(token, refresh=refresh), None)]
    assert HIDDEN.clean(f"{token} {refresh}") == f"{token} {refresh}"
    start().token()
    assert HIDDEN.clean(f"{token} {refresh}") == "*** ***"


def test_a_kept_token_is_hidden(start: Start, store: Storage) -> None:
    token, refresh = secrets.token_hex(), secrets.token_hex()
    store.write("tokens", {"token": token, "renew_s": 100, "refresh_token": refresh, "refresh_life_s": 100})
    assert start().token().reveal() == token
    assert HIDDEN.clean(f"{token} {refresh}") == "*** ***"


def test_secrets_are_in_no_message(
    start: Start, sender: FakeSender, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    manager = start()
    token = manager.token()
    manager.accepted(token)
    manager.unauthorized(token)
    sender.failures["refresh"] = [unauthorized()]
    clock.advance(1000)
    manager.token()
    sender.always = {"modern": unauthorized(), "refresh": unauthorized()}
    clock.advance(1000)
    with pytest.raises(AuthError) as caught:
        manager.token()
    shown = caplog.text + str(caught.value) + repr(caught.value) + repr(token) + repr(manager) + repr(vars(manager))
    assert "way=modern" in caplog.text
    for secret in (PASSWORD, "token-", "refresh-"):
        assert secret not in shown
