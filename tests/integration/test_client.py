"""The client of the cloud: each request byte by byte, and every way in which it can fail."""

import base64
import contextlib
import gzip
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import A_DAY, FakeClock, FixedTokens
from tests.mosquitto import LIMIT_S, eventually, free_port
from tests.parts import GENEROUS_S
from tests.stub_cloud import (
    CERTIFICATE,
    Act,
    Seen,
    StubCloud,
    drip,
    flood,
    hang,
    one_by_one,
    reply,
    reset,
    send,
    then_hang,
)
from wallbox2mqtt import __version__
from wallbox2mqtt.catalogue import FIELDS, parse, request_of
from wallbox2mqtt.catalogue.templates import PUT_CHARGER, REMOTE_ACTION
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.cloud import Account, CloudClient, CloudResponse
from wallbox2mqtt.cloud.client import SignInClient
from wallbox2mqtt.cloud.grant import SignInAnswer
from wallbox2mqtt.cloud.responses import DEEPEST, check_status, decoded, http_time
from wallbox2mqtt.cloud.schedules import read_schedules
from wallbox2mqtt.cloud.transport import RawResponse, Transport
from wallbox2mqtt.config import Secret, WallboxConfig
from wallbox2mqtt.errors import (
    AnswerLostError,
    AuthError,
    BadAnswerError,
    BudgetSpentError,
    CloudError,
    CloudTimeoutError,
    ConflictError,
    ConnectTimeoutError,
    ForbiddenError,
    MethodError,
    NotSentError,
    RateLimitedError,
    RequestRefusedError,
    ServerError,
    TooLateError,
    UnauthorizedError,
)
from wallbox2mqtt.log import HIDDEN
from wallbox2mqtt.storage import Storage

HERE = Path(__file__).parents[1]
GOLDEN = json.loads((HERE / "golden" / "requests.json").read_text(encoding="utf-8"))["requests"]
BASIC = json.loads((HERE / "fixtures" / "basic" / "seed.json").read_text(encoding="utf-8"))
EMAIL, PASSWORD = "jörg@example.org", "pä:ss:wörd€"
TIMEOUT_S = 2.0
"""The timeout where nothing comes."""
SLACK_S = 10.0
"""How much later than it must be a busy machine may be."""
_CLOSED = 7
"""Of the kernel's states of a connection; one that was closed in order waits for us to close it, too."""
TWO_MIB = 2 * 1024 * 1024
VIEW = {row.key: row.example for row in FIELDS.values() if row.has_state} | {"software/updateAvailable": True}


class Setup:
    """A client of a stubbed cloud, with its budgets and tokens."""

    def __init__(
        self, url: str, directory: Path, *, timeout: float = GENEROUS_S, reads: float = 100, writes: float = 100
    ) -> None:
        self.clock = FakeClock()
        self.config = WallboxConfig(
            email=EMAIL,
            password=Secret(PASSWORD),
            timeout=timeout,
            api_url=url,
            user_api_url=url,
            reads_per_minute=reads,
            writes_per_minute=writes,
        )
        self.tokens = FixedTokens()
        account = Account(self.config, self.clock, Storage(directory, EMAIL), self.tokens)
        self.reads, self.writes, self.cloud = account.reads, account.writes, account.client()
        self.sign_in_client = account.sign_in_client

    def read(self) -> CloudResponse:
        return self.cloud.detail(12345)

    def write(self) -> CloudResponse:
        return self.cloud.write(PUT_CHARGER, 12345, {"locked": 1})


Make = Callable[..., tuple[StubCloud, Setup]]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make a cloud with this script, and a client of it."""
    stubs: list[StubCloud] = []

    def begin(
        *script: Act,
        otherwise: Act | None = None,
        tls: bool | ssl.SSLContext = False,
        **options: Any,  # noqa: ANN401
    ) -> tuple[StubCloud, Setup]:
        stub = StubCloud(*script, otherwise=otherwise, tls=tls).__enter__()
        stubs.append(stub)
        return stub, Setup(stub.url, tmp_path, **options)

    yield begin
    for stub in stubs:
        stub.__exit__()


def fails(ask: Callable[[], object]) -> CloudError:
    """The error with which something fails, in time and without a library's error behind it."""
    begun = time.monotonic()
    with pytest.raises(CloudError) as caught:
        ask()
    assert time.monotonic() - begun < TIMEOUT_S + SLACK_S < GENEROUS_S
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


# --- what is sent


def common(seen: Seen) -> dict[str, str]:
    names = ("accept", "accept-encoding", "content-type", "user-agent", "content-length", "connection")
    return {name: seen.headers[name] for name in names if name in seen.headers}


EXPECTED = {
    "accept-encoding": "gzip",
    "accept": "application/json, text/plain, */*",
    "content-type": "application/json;charset=utf-8",
    "user-agent": f"wallbox2mqtt/{__version__}",
    "connection": "keep-alive",
}


@pytest.mark.parametrize(
    ("ask", "method", "path"),
    [
        pytest.param(lambda cloud: cloud.chargers(), "GET", "/v3/chargers/groups", id="list"),
        pytest.param(lambda cloud: cloud.detail(12345), "GET", "/chargers/status/12345", id="detail"),
        pytest.param(lambda cloud: cloud.basic(12345), "GET", "/v2/charger/12345", id="basic"),
    ],
)
def test_reads(make: Make, ask: Callable[[CloudClient], CloudResponse], method: str, path: str) -> None:
    stub, setup = make(reply(200, {"a": ["€", 1]}, Date="Mon, 05 Oct 2026 12:00:00 GMT"))
    answer = ask(setup.cloud)
    assert answer == CloudResponse({"a": ["€", 1]}, 200, setup.clock.monotonic(), A_DAY)
    (seen,) = stub.seen
    assert (seen.method, seen.path, seen.body) == (method, path, b"")
    assert seen.headers["authorization"] == "Bearer token-1"
    assert "partner" not in seen.headers
    assert common(seen) == EXPECTED
    assert (setup.reads.total, setup.writes.total) == (1, 0)


WRITES = {f"{row['method']} {row['path']}": row for row in GOLDEN}


@pytest.mark.parametrize("row", WRITES.values(), ids=WRITES)
def test_writes(make: Make, row: dict[str, Any]) -> None:
    stub, setup = make()
    view = VIEW | row.get("state", {})
    if "schedules" in row:
        view |= read_schedules({"schedules": row["schedules"]}, row["utc_offset"]).values | {"charger_id": 12345}
    sending = request_of(
        parse(FIELDS[row["topic"]], row["payloads"][0].strip(), view, frozenset({"factory_reset"})), view
    )
    assert sending is not None
    setup.cloud.write(sending[0], 12345, sending[1])
    (seen,) = stub.seen
    assert (seen.method, seen.path) == (row["method"], "/" + row["path"].format(id=12345))
    body = json.dumps(row["body"], sort_keys=True).replace('"{id}"', "12345")
    assert json.dumps(json.loads(seen.body), sort_keys=True) == body
    assert seen.headers["authorization"] == "Bearer token-1"
    assert common(seen) == EXPECTED | {"content-length": str(len(seen.body))}
    assert (setup.reads.total, setup.writes.total) == (0, 1)


CREDENTIALS = "Basic " + base64.b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    ("ask", "request_line", "authorization", "partner"),
    [
        pytest.param(lambda line: line.sign_in("modern"), "GET /users/signin", CREDENTIALS, "wallbox", id="modern"),
        pytest.param(lambda line: line.sign_in("legacy"), "POST /auth/token/user", CREDENTIALS, None, id="legacy"),
        pytest.param(
            lambda line: line.refresh(Secret("old")), "GET /users/refresh-token", "Bearer old", "wallbox", id="refresh"
        ),
    ],
)
def test_sign_in(
    make: Make, ask: Callable[[SignInClient], SignInAnswer], request_line: str, authorization: str, partner: str | None
) -> None:
    stub, setup = make(reply(200, {"jwt": "x"}, Date="Mon, 05 Oct 2026 12:00:00 GMT"))
    assert ask(setup.sign_in_client()) == SignInAnswer({"jwt": "x"}, A_DAY)
    (seen,) = stub.seen
    assert f"{seen.method} {seen.path}" == request_line
    assert seen.body == b""
    assert seen.headers["authorization"] == authorization
    assert seen.headers.get("partner") == partner
    assert common(seen) == EXPECTED | ({"content-length": "0"} if seen.method == "POST" else {})
    assert (setup.reads.total, setup.writes.total) == (0, int(seen.method == "POST"))


def test_each_request_is_told_without_what_it_carries(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    _, setup = make(reply(200, []), reset, reply(403, {"msg": "no"}), otherwise=reply(200, {}))
    with caplog.at_level(logging.DEBUG, "wallbox2mqtt.cloud.client"):
        setup.cloud.sessions(12345, 1, 2, 50, 0)
        for ask in (setup.read, setup.write):
            with contextlib.suppress(CloudError):
                ask()
        setup.sign_in_client().sign_in("legacy")
    assert [record.getMessage() for record in caplog.records if "request" in record.getMessage()] == [
        "request method=GET path=/v4/sessions/stats http_status=200 ms=0",
        "request method=GET path=/chargers/status/12345 http_status=None ms=0",
        "request method=PUT path=/v2/charger/12345 http_status=403 ms=0",
        "request method=POST path=/auth/token/user http_status=200 ms=0",
    ]


def test_addresses_with_a_path(make: Make, tmp_path: Path) -> None:
    stub, _ = make()
    setup = Setup(f"{stub.url}/proxy/wallbox", tmp_path)
    setup.read()
    assert stub.seen[0].path == "/proxy/wallbox/chargers/status/12345"


# --- what the statuses mean

STATUSES = [
    (400, RequestRefusedError, "bad_answer"),
    (401, UnauthorizedError, "auth_failed"),
    (403, ForbiddenError, "bad_answer"),
    (404, RequestRefusedError, "bad_answer"),
    (405, MethodError, "bad_answer"),
    (409, ConflictError, "bad_answer"),
    (410, RequestRefusedError, "bad_answer"),
    (422, RequestRefusedError, "bad_answer"),
    (429, RateLimitedError, "rate_limited"),
    (500, ServerError, "http_5xx"),
    (502, ServerError, "http_5xx"),
    (503, ServerError, "http_5xx"),
    (599, ServerError, "http_5xx"),
    (300, BadAnswerError, "bad_answer"),
    (301, BadAnswerError, "bad_answer"),
    (302, BadAnswerError, "bad_answer"),
    (304, BadAnswerError, "bad_answer"),
    (307, BadAnswerError, "bad_answer"),
    (600, ServerError, "http_5xx"),
]
# What may be in place of the text of a refusal. The status counts all the same.
TEXTS: dict[str, Callable[[int], Act]] = {
    "json": lambda status: reply(status, {"error": True, "msg": "no", "code": status}),
    "html": lambda status: reply(status, b"<html><body>no</body></html>", Content_Type="text/html"),
    "empty": lambda status: reply(status, b""),
    "cut": lambda status: send(f"HTTP/1.1 {status} No\r\nContent-Length: 100\r\n\r\n{{".encode(), then_close=True),
    "drip": lambda status: drip(f"HTTP/1.1 {status} No\r\nContent-Length: 2000\r\n\r\n".encode() + b"x" * 1000, 0.002),
    "large": lambda status: reply(status, b"x" * (TWO_MIB + 1)),
    "no-gzip": lambda status: reply(status, b"{}", Content_Encoding="gzip"),
}


@pytest.mark.parametrize(("status", "error", "reason"), STATUSES, ids=[str(status) for status, *_ in STATUSES])
@pytest.mark.parametrize("kind", ["read", "write"])
def test_status(make: Make, status: int, error: type[CloudError], reason: str, kind: str) -> None:
    stub, setup = make(TEXTS["json"](status))
    caught = fails(getattr(setup, kind))
    assert type(caught) is error
    assert (caught.http_status, caught.reason) == (status, reason)
    assert len(stub.seen) == 1
    assert str(status) in str(caught)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(("status", "error"), [(409, ConflictError), (429, RateLimitedError), (503, ServerError)])
def test_the_status_counts_whatever_the_text_is(
    make: Make, text: str, kind: str, status: int, error: type[CloudError]
) -> None:
    stub, setup = make(TEXTS[text](status))
    caught = fails(getattr(setup, kind))
    assert type(caught) is error
    assert caught.http_status == status
    assert getattr(setup, kind)().http_status == 200, "the next one is answered"
    assert len(stub.seen) == 2


@pytest.mark.parametrize("location", ["{url}/elsewhere", "https://other.invalid/", "http://[", "", "//", "\u00ff"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(make: Make, status: int, location: str) -> None:
    stub, setup = make()
    stub.script.append(reply(status, b"x" * 10, Location=location.format(url=stub.url)))
    caught = fails(setup.read)
    assert type(caught) is BadAnswerError
    assert caught.http_status == status
    assert len(stub.seen) == 1


def test_the_text_of_a_redirect_is_limited(make: Make) -> None:
    """requests itself would read it to its end."""
    _, setup = make(reply(302, b"x" * 30_000_000, Location="/x"), timeout=10)
    assert fails(setup.read).http_status == 302


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials(make: Make, status: int) -> None:
    _, setup = make(otherwise=reply(status))
    line = setup.sign_in_client()
    asks: list[Callable[[], SignInAnswer]] = [
        lambda: line.sign_in("modern"),
        lambda: line.sign_in("legacy"),
        lambda: line.refresh(Secret("x")),
    ]
    for ask in asks:
        caught = fails(ask)
        assert type(caught) is UnauthorizedError
        assert caught.http_status == status


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(b"", UnauthorizedError, id="nothing"),
        pytest.param(b"{}", UnauthorizedError, id="empty"),
        pytest.param(b'{"error": true, "code": 7, "msg": "bad login"}', UnauthorizedError, id="of the API"),
        pytest.param(b'{"message": "Unauthorized"}', UnauthorizedError, id="in a gateway's form"),
        pytest.param(b'{"errors": [{"title": "wrong"}]}', UnauthorizedError, id="JSON:API"),
        pytest.param(b'{"message": "Limit Exceeded"}', RateLimitedError, id="limit"),
        pytest.param(b'{"error": true, "msg": "Too many requests"}', RateLimitedError, id="too many"),
        pytest.param(b'{"message": "Forbidden"}', BadAnswerError, id="gateway"),
        pytest.param(b'{"message": "Missing Authentication Token"}', BadAnswerError, id="gateway without the route"),
        pytest.param(b'{"Message": "User is not authorized to access this resource"}', BadAnswerError, id="policy"),
        pytest.param(b"<html><h1>403 Forbidden</h1></html>", BadAnswerError, id="page"),
        pytest.param(b"error code: 1020", BadAnswerError, id="text"),
        pytest.param(b"[]", BadAnswerError, id="list"),
        pytest.param(b"\xff\xfe", BadAnswerError, id="bytes"),
    ],
)
@pytest.mark.parametrize("status", [401, 403])
def test_only_the_sign_in_refuses_credentials(make: Make, status: int, body: bytes, error: type[CloudError]) -> None:
    _, setup = make(otherwise=reply(status, body, Retry_After="5"))
    client = setup.sign_in_client()
    for ask in (
        lambda: client.sign_in("modern"),
        lambda: client.sign_in("legacy"),
        lambda: client.refresh(Secret("x")),
    ):
        caught = fails(ask)
        assert type(caught) is error
        assert caught.http_status == status
        assert getattr(caught, "retry_after_s", 5) == 5


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        ("0", 0),
        ("30", 30),
        (" 30 ", 30),
        ("86400", 86400),
        ("99999999999999999999", float("inf")),
        ("Mon, 05 Oct 2026 12:02:00 GMT", 120),
        ("Monday, 05-Oct-26 12:02:00 GMT", 120),
        ("Mon, 05 Oct 2026 12:02:00", 120),
        ("Mon, 05 Oct 2026 14:02:00 +0200", 120),
        ("Mon, 05 Oct 2026 11:00:00 GMT", 0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("30 s", None),
        ("Mon, 99 Oct 2026 12:02:00 GMT", None),
        ("\u00b2", None),
        ("30\x1f", 30),
    ],
)
def test_retry_after(make: Make, retry_after: str, expected: float | None) -> None:
    head = "HTTP/1.1 429 Many\r\nDate: Mon, 05 Oct 2026 12:00:00 GMT\r\nContent-Length: 0\r\n"
    raw = f"{head}Retry-After: {retry_after}\r\n\r\n"
    _, setup = make(send(raw.encode("latin-1")))
    setup.clock.jump(5_000_000)
    caught = fails(setup.read)
    assert isinstance(caught, RateLimitedError)
    assert caught.retry_after_s == expected


def test_retry_after_is_missing(make: Make) -> None:
    _, setup = make(reply(429))
    caught = fails(setup.write)
    assert isinstance(caught, RateLimitedError)
    assert caught.retry_after_s is None


@given(st.text() | st.text(alphabet="0123456789 :,-+GMTJanMon", max_size=40))
def test_any_date_is_read_or_not(text: str) -> None:
    http_time(text)
    with pytest.raises(RateLimitedError) as caught:
        check_status(RawResponse(429, {"Retry-After": text}, b""), A_DAY)
    assert caught.value.retry_after_s is None or caught.value.retry_after_s >= 0


# --- answers that are none

BOMB = gzip.compress(b" " * 100_000_000, 1)
BAD_BODIES: dict[str, Act] = {
    "html": reply(200, b"<html>maintenance</html>", Content_Type="text/html"),
    "empty": reply(200, b""),
    "no-content": reply(204, b""),
    "truncated": reply(200, b'{"a": 1'),
    "trailing": reply(200, b'{"a": 1} x'),
    "nan": reply(200, b'{"a": NaN}'),
    "infinity": reply(200, b'{"a": -Infinity}'),
    "too-large-a-number": reply(200, b'{"a": 1e999}'),
    "too-many-digits": reply(200, b'{"a": ' + b"1" * 5000 + b"}"),
    "deep": reply(200, b"[" * 100_000 + b"]" * 100_000),
    "utf-8": reply(200, b'{"a": "\xff"}'),
    "utf-16": reply(200, '{"a": 1}'.encode("utf-16")),
    "bom": reply(200, b"\xef\xbb\xbf{}"),
    "single-quotes": reply(200, b"{'a': 1}"),
    "larger-than-2-mib": reply(200, b'"' + b"x" * TWO_MIB + b'"'),
    "gzip-bomb": reply(200, BOMB, Content_Encoding="gzip"),
    "no-gzip": reply(200, b"{}", Content_Encoding="gzip"),
    "cut-gzip": reply(200, gzip.compress(b"{}")[:-1], Content_Encoding="gzip"),
    "two-layers-of-gzip": reply(200, gzip.compress(gzip.compress(b"{}")), Content_Encoding="gzip, gzip"),
    "deflate": reply(200, zlib.compress(b"{}"), Content_Encoding="deflate"),
    "brotli": reply(200, b"{}", Content_Encoding="br"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_read_without_a_proper_document(make: Make, name: str) -> None:
    _, setup = make(BAD_BODIES[name])
    caught = fails(setup.read)
    assert type(caught) is BadAnswerError
    assert setup.read().body == {}, "the next one is answered"


@pytest.mark.parametrize(
    ("body", "encoding"), [(BOMB, "gzip"), (gzip.compress(BOMB), "gzip, gzip"), (gzip.compress(BOMB), "gzip")]
)
@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_bomb_takes_no_memory(make: Make, body: bytes, encoding: str, kind: str) -> None:
    """Whatever urllib3 makes of it: the response is decompressed by ourselves, one layer deep."""
    _, setup = make(reply(200, body, Content_Encoding=encoding))
    tracemalloc.start()
    try:
        with contextlib.suppress(BadAnswerError):
            assert getattr(setup, kind)().body is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * TWO_MIB


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_write_is_accepted_whatever_the_document_is(make: Make, name: str) -> None:
    _, setup = make(BAD_BODIES[name])
    answer = setup.write()
    assert answer.body is None
    assert answer.http_status in {200, 204}
    assert setup.write().body == {}


@pytest.mark.parametrize(
    "act",
    [
        send(b"HTTP/1.1 200 OK\r\n", then_close=True),
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", then_close=True),
        send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", then_close=True),
        send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", then_close=True),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 1000, 0.005),
    ],
    ids=["cut-headers", "cut", "cut-chunk", "no-chunk", "drip"],
)
def test_a_write_is_accepted_though_its_answer_breaks_off(make: Make, act: Act) -> None:
    _, setup = make(act, act, timeout=2 * TIMEOUT_S)
    assert setup.write() == CloudResponse(None, 200, setup.clock.monotonic(), None)
    assert isinstance(fails(setup.read), AnswerLostError)


# --- answers before the answer

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": HINTS,
    "199": b"HTTP/1.1 199 Soon\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
    "several": HINTS * 3 + b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS,
}


@pytest.mark.parametrize("raw", INTERIM.values(), ids=INTERIM)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_the_answer_after_interim_ones_is_the_answer(
    make: Make, monkeypatch: pytest.MonkeyPatch, raw: bytes, *, tls: bool
) -> None:
    """And the next request gets its own."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    acts = [one_by_one(send(raw), reply(200, {"number": number})) for number in range(2)]
    stub, setup = make(acts[0], one_by_one(send(raw), reply(403)), acts[1], tls=tls, timeout=10)
    assert setup.read().body == {"number": 0}
    assert type(fails(setup.write)) is ForbiddenError
    assert setup.read().body == {"number": 1}
    assert [seen.connection for seen in stub.seen] == [1, 1, 1]


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize("status", [101, 304])
def test_a_wrong_answer_ends_the_use_of_its_connection(make: Make, status: int, kind: str) -> None:
    head = f"HTTP/1.1 {status} Other\r\n\r\n".encode()
    stub, setup = make(one_by_one(send(head), reply(200, {"late": True})))
    caught = fails(getattr(setup, kind))
    assert type(caught) is BadAnswerError
    assert caught.http_status == status
    assert getattr(setup, kind)().body == {}
    assert [seen.connection for seen in stub.seen] == [1, 2]


@pytest.mark.parametrize("kind", ["read", "write"])
def test_interim_answers_count_in_the_deadline(make: Make, kind: str) -> None:
    stub, setup = make(drip(HINTS * 100, 0.001), timeout=TIMEOUT_S)
    assert type(fails(getattr(setup, kind))) is CloudTimeoutError
    assert getattr(setup, kind)().body == {}
    assert [seen.connection for seen in stub.seen] == [1, 2]


# --- answers without an end

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LINES = b"X-A: " + b"b" * 60_000 + b"\r\n"
ENDLESS = {
    "chunk-of-minus-one": (CHUNKED + b"-1\r\n", b" " * 65536),
    "chunk-of-minus-five": (CHUNKED + b"-5\r\n", b" " * 65536),
    "chunk-after-a-good-one": (CHUNKED + b"2\r\n{}\r\n-1\r\n", b" " * 65536),
    "large-chunk": (CHUNKED + b"f" * 100 + b"\r\n", b" " * 65536),
    "size-of-a-chunk": (CHUNKED, b"0" * 65536),
    "extension-of-a-chunk": (CHUNKED + b"2;", b"0" * 65536),
    "chunks": (CHUNKED, b"1\r\n \r\n" * 10_000),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"a: b\r\n" * 10_000),
    "until-it-closes": (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536),
    "negative-length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b" " * 65536),
    "first-line": (b"HTTP/1.1 200 ", b"O" * 65536),
    "header-lines": (b"HTTP/1.1 200 OK\r\n", LINES),
    "interim-answers": (b"", HINTS * 1000),
    "headers-of-interim-answers": (b"", b"HTTP/1.1 103 Early Hints\r\n" + LINES + b"\r\n"),
    "100": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(("head", "part"), ENDLESS.values(), ids=ENDLESS)
def test_what_has_no_end_is_not_read_on(make: Make, head: bytes, part: bytes, kind: str) -> None:
    """Not beyond the deadline, and not into the memory."""
    _, setup = make(flood(head, part, 3_000_000_000), timeout=2)
    begun = time.monotonic()
    tracemalloc.start()
    try:
        with contextlib.suppress(AnswerLostError):
            answer = getattr(setup, kind)()
            assert kind == "write"
            assert answer.body is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * TWO_MIB
    assert time.monotonic() - begun < 2 + SLACK_S
    assert setup.read().body == {}, "on a connection of its own"


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-ffffffffffffffffffffffff"])
def test_a_chunk_of_less_than_nothing_is_a_bad_answer(make: Make, size: bytes) -> None:
    _, setup = make(then_hang(CHUNKED + size + b"\r\n{}"))
    assert type(fails(setup.read)) is BadAnswerError


def test_many_small_chunks_are_an_answer(make: Make) -> None:
    chunks = b"".join(b"10\r\n" + b" " * 16 + b"\r\n" for _ in range(TWO_MIB // 20)) + b"2\r\n{}\r\n0\r\nX: y\r\n\r\n"
    _, setup = make(send(CHUNKED + chunks), timeout=10)
    assert setup.read().body == {}


def test_cookies_are_neither_kept_nor_sent(make: Make) -> None:
    cookies = "".join(f"Set-Cookie: c{number}={'v' * 1000}; Path=/\r\n" for number in range(10))
    raw = f"HTTP/1.1 200 OK\r\n{cookies}Set-Cookie2: a=b; Version=1\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    stub, setup = make(otherwise=send(raw))
    for ask in (setup.read, setup.write, setup.read):
        ask()
    assert len(stub.seen) == 3
    assert not [seen for seen in stub.seen if "cookie" in seen.headers]


# --- as large as it may be


def test_as_large_as_allowed(make: Make) -> None:
    _, setup = make(reply(200, b'"' + b"x" * (TWO_MIB - 2) + b'"'), timeout=10)
    assert len(str(setup.read().body)) == TWO_MIB - 2


def test_compressed(make: Make) -> None:
    _, setup = make(reply(200, gzip.compress(b'{"a": 1}'), Content_Encoding="gzip"))
    assert setup.read().body == {"a": 1}


def test_chunked(make: Make) -> None:
    _, setup = make(send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n'))
    assert setup.read().body == {"a": 1}


def test_the_last_of_doubled_keys_counts(make: Make) -> None:
    _, setup = make(reply(200, b'{"a": 1, "a": 2}'))
    assert setup.read().body == {"a": 2}


@pytest.mark.parametrize("opens", [b"[", b'{"a":', b'[{"a":'], ids=["lists", "objects", "both"])
def test_what_is_nested_deeper_than_any_document_is_not_decoded(opens: bytes) -> None:
    closes = opens.translate(bytes.maketrans(b"[{", b"]}"), b'"a:')[::-1]
    levels = DEEPEST // len(closes)
    decoded(opens * levels + b"1" + closes * levels)
    with pytest.raises(BadAnswerError, match="nested deeper than 64"):
        decoded(opens * 10_000 + b"1" + closes * 10_000)
    with pytest.raises(BadAnswerError, match="nested deeper than 64"):
        decoded(opens * 100_000)


def test_brackets_in_texts_are_no_levels() -> None:
    names = ["[" * 1000, '\\"[{' * 1000, "]" * 1000]
    assert decoded(json.dumps({"names": names}).encode()) == {"names": names}
    with pytest.raises(BadAnswerError, match="JSONDecodeError"):
        decoded(b'{"names": ["' + b"[" * 1000)


@given(st.binary(max_size=100) | st.text().map(str.encode))
def test_any_bytes_are_json_or_a_bad_answer(raw: bytes) -> None:
    with contextlib.suppress(BadAnswerError):
        json.dumps(decoded(raw), allow_nan=False)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Mon, 05 Oct 2026 12:00:00 GMT", A_DAY),
        ("Mon, 05 Oct 2026 12:00:00 -0000", A_DAY),
        ("Mon, 05 Oct 2026 12:00:00", A_DAY),
        ("today", None),
        ("", None),
    ],
)
def test_date_of_the_answer(make: Make, date: str, expected: float | None) -> None:
    _, setup = make(reply(200, Date=date))
    assert setup.read().server_time == expected


# --- the deadline


SLOW = {
    "hang": hang,
    "drip-of-the-first-line": drip(b"HTTP/1.1 200 OK" + b" " * 1000, 0.01),
    "drip-of-headers": drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200, 0.01),
    "drip-of-the-body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 1000, 0.005),
    "drip-of-chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 200, 0.005),
    "headers-then-nothing": then_hang(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
}


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"], ids=["none", "half"])
def test_what_was_given_up_is_not_delivered_later(make: Make, answer: bytes) -> None:
    """The connection is reset: what was not acknowledged is dropped, and not tried again by the kernel."""
    states: list[int] = []

    def look(sock: socket.socket, stop: threading.Event) -> bool:
        sock.sendall(answer)
        with contextlib.suppress(ConnectionResetError):
            sock.recv(1)
        while _CLOSED not in states and not stop.wait(0.01):
            states.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])
        return False

    _, setup = make(look, timeout=TIMEOUT_S)
    assert isinstance(fails(setup.read), CloudTimeoutError)
    eventually(lambda: _CLOSED in states, "the connection is reset")


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_read_ends_at_the_deadline(make: Make, monkeypatch: pytest.MonkeyPatch, name: str, tls: bool) -> None:  # noqa: FBT001
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    _, setup = make(SLOW[name], tls=tls, timeout=TIMEOUT_S)
    begun = time.monotonic()
    caught = fails(setup.read)
    assert time.monotonic() - begun > TIMEOUT_S - 0.05
    assert type(caught) is CloudTimeoutError
    assert (caught.reason, caught.http_status) == ("timeout", None)
    assert setup.read().body == {}, "on a connection of its own"


def test_the_deadline_is_of_each_request(make: Make) -> None:
    late = drip(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", 0.02)  # 1.2 s each
    _, setup = make(otherwise=late, timeout=5)
    for _ in range(5):
        assert setup.read().body == {}


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog drops what arrives on Linux only")
def test_the_deadline_is_of_all_addresses_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = silent.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)  # noqa: FBT003 - socket's own
            with contextlib.suppress(BlockingIOError):
                filler.connect(address)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)] * 12
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        caught = fails(Setup("http://cloud.invalid", tmp_path, timeout=TIMEOUT_S).write)
    assert type(caught) is ConnectTimeoutError


def test_a_timeout_of_centuries_is_possible(make: Make) -> None:
    _, setup = make(timeout=1e12)
    assert setup.read().body == {}


# --- connections


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(
    "act",
    [
        pytest.param(reset, id="reset"),
        pytest.param(send(b"", then_close=True), id="closed"),
        pytest.param(send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", then_close=True), id="no-http"),
        pytest.param(send(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n"), id="too-many-headers"),
        pytest.param(send(b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n"), id="too-long-a-header"),
    ],
)
def test_the_connection_breaks_after_the_request(make: Make, act: Act, kind: str) -> None:
    stub, setup = make(act)
    caught = fails(getattr(setup, kind))
    assert isinstance(caught, AnswerLostError)
    assert caught.http_status is None
    assert len(stub.seen) == 1, "it is not sent again by itself"
    assert getattr(setup, kind)().body == {}


def test_nobody_listens(tmp_path: Path) -> None:
    setup = Setup(f"http://127.0.0.1:{free_port()}", tmp_path)
    for kind in (setup.read, setup.write):
        caught = fails(kind)
        assert type(caught) is NotSentError
        assert caught.reason == "unreachable"


def test_an_unknown_host(tmp_path: Path) -> None:
    setup = Setup("http://no.such.host.invalid", tmp_path, timeout=20)
    with pytest.raises(NotSentError) as caught:
        setup.read()
    assert type(caught.value) is NotSentError
    assert caught.value.reason == "unreachable"


@pytest.mark.parametrize("url", ["http://a..b", "http://" + "a" * 70 + ".invalid", "http://\u2603\ufffd.invalid"])
def test_an_impossible_host(tmp_path: Path, url: str) -> None:
    assert isinstance(fails(Setup(url, tmp_path).read), NotSentError)


def test_a_connection_is_kept_for_twenty_seconds(make: Make) -> None:
    stub, setup = make()
    for _ in range(3):
        setup.read()
        setup.clock.advance(19)
    assert [seen.connection for seen in stub.seen] == [1, 1, 1]
    setup.clock.advance(2)
    setup.cloud.write(REMOTE_ACTION, 12345, {"action": 1})
    assert stub.seen[-1].connection == 2
    setup.clock.advance(20)
    setup.read()
    assert stub.seen[-1].connection == 2


def test_a_connection_that_the_cloud_closed_meanwhile(make: Make) -> None:
    stub, setup = make(send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", then_close=True))
    setup.read()
    deadline = time.monotonic() + LIMIT_S
    while stub.connections == 1 and time.monotonic() < deadline:
        # the end of the connection may take a moment to arrive
        try:
            setup.read()
        except AnswerLostError:
            continue
    assert stub.connections == 2


# --- TLS


@pytest.fixture
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))


def test_a_certificate_that_nobody_vouches_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    stub, setup = make(tls=True)
    caught = fails(setup.write)
    assert type(caught) is NotSentError
    assert "the certificate is not trusted" in str(caught)
    assert caught.reason == "unreachable"
    assert stub.seen == []


@pytest.mark.usefixtures("_trusting")
def test_a_trusted_certificate(make: Make) -> None:
    _, setup = make(tls=True)
    assert setup.read().body == {}


@pytest.mark.usefixtures("_trusting")
def test_a_command_too_old_once_connected_is_not_sent(make: Make) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))
    stub, setup = make(tls=context)
    context.sni_callback = lambda *_: setup.clock.advance(60)
    expires = setup.clock.monotonic() + 60
    with pytest.raises(TooLateError):
        setup.cloud.write(PUT_CHARGER, 12345, {"locked": 0}, expires)
    assert (stub.connections, stub.seen) == (1, [])
    assert setup.writes.free == setup.writes.limit
    assert setup.write().http_status == 200


@pytest.mark.usefixtures("_trusting")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_each_request_is_asked_once_whether_it_may_leave(make: Make, *, tls: bool) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))
    stub, _ = make(tls=context if tls else None)
    transport, asked = Transport(), list[str]()
    for path in ("first", "again"):
        transport.send("GET", f"{stub.url}/{path}", {}, None, 5.0, partial(asked.append, path))
    assert asked == ["first", "again"]


@pytest.mark.usefixtures("_trusting")
def test_a_certificate_of_another_name(make: Make, tmp_path: Path) -> None:
    stub, _ = make(tls=True)
    setup = Setup(stub.url.replace("127.0.0.1", "127.0.0.2"), tmp_path)
    assert isinstance(fails(setup.read), NotSentError)


@pytest.mark.usefixtures("_trusting")
def test_tls_that_breaks_after_the_request_may_have_worked(make: Make) -> None:
    _, setup = make(tls=True, otherwise=lambda sock, _: bool(sock.detach()) and False, timeout=2 * TIMEOUT_S)
    assert isinstance(fails(setup.write), AnswerLostError)


def test_no_tls_at_all(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        # at once: a greeting of TLS has a line's end in it, or has not
        answering = threading.Thread(target=lambda: server.accept()[0].sendall(b"HTTP/1.1 400 Bad\r\n\r\n"))
        answering.start()
        caught = fails(Setup(f"https://127.0.0.1:{server.getsockname()[1]}", tmp_path).write)
        answering.join()
    assert isinstance(caught, NotSentError)


def test_a_handshake_that_hangs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        setup = Setup(f"https://127.0.0.1:{server.getsockname()[1]}", tmp_path, timeout=TIMEOUT_S)
        caught = fails(setup.write)
    assert type(caught) is ConnectTimeoutError
    assert caught.reason == "timeout"


# --- the environment


def test_proxies_come_from_the_environment(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub, _ = make()
    monkeypatch.setenv("HTTP_PROXY", stub.url)
    monkeypatch.setenv("http_proxy", stub.url)
    assert Setup("http://cloud.invalid", tmp_path).read().body == {}
    assert stub.seen[0].path == "http://cloud.invalid/chargers/status/12345"


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "nonsense://x", "http://"])
def test_a_proxy_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)
    assert isinstance(fails(Setup("http://cloud.invalid", tmp_path).write), NotSentError)


_NETRC_SCRIPT = """
import sys
from functools import partial
from pathlib import Path
from tests.integration.test_client import Setup
setup = Setup(sys.argv[1], Path(sys.argv[2]), timeout=10)
setup.read()
setup.write()
setup.sign_in_client().sign_in("modern")
"""


def test_netrc_is_not_used(make: Make, tmp_path: Path) -> None:
    stub, _ = make()
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text(
            "machine 127.0.0.1 login thief password stolen\ndefault login a password b\n", encoding="utf-8"
        )
        (tmp_path / name).chmod(0o600)
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environ |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
    command = [sys.executable, "-c", _NETRC_SCRIPT, stub.url, str(tmp_path / "state")]
    subprocess.run(command, env=environ, cwd=HERE.parent, check=True, timeout=30)  # noqa: S603 - our own program
    assert [seen.headers["authorization"] for seen in stub.seen] == ["Bearer token-1", "Bearer token-1", CREDENTIALS]


# --- budgets, tokens, and the other form of a request


def test_nothing_is_sent_over_the_budget(make: Make) -> None:
    stub, setup = make(reads=1, writes=1)
    setup.read()
    setup.write()
    for ask in (setup.read, setup.write, setup.cloud.chargers, lambda: setup.cloud.basic(1)):
        with pytest.raises(BudgetSpentError):
            ask()
    assert len(stub.seen) == 2


def test_no_token_is_fetched_without_budget(make: Make) -> None:
    _, setup = make(writes=1)
    with setup.writes.request():
        pass
    with pytest.raises(BudgetSpentError):
        setup.write()
    assert setup.tokens.asked == 0


def test_the_old_sign_in_counts_as_a_write(make: Make) -> None:
    stub, setup = make(otherwise=reply(200, {"jwt": "x"}), writes=1)
    line = setup.sign_in_client()
    line.sign_in("legacy")
    with pytest.raises(BudgetSpentError):
        line.sign_in("legacy")
    line.sign_in("modern")
    assert [seen.path for seen in stub.seen] == ["/auth/token/user", "/users/signin"]


def test_failed_requests_count(make: Make) -> None:
    _, setup = make(reset, reply(500), reads=2)
    for _ in range(2):
        fails(setup.read)
    with pytest.raises(BudgetSpentError):
        setup.read()


def test_basic_by_put_where_get_is_refused(make: Make) -> None:
    stub, setup = make(reply(405), reply(200, BASIC), reply(200, BASIC))
    assert setup.cloud.basic(12345).body == BASIC
    assert setup.cloud.basic(12345).body == BASIC
    assert [(seen.method, seen.path, seen.body) for seen in stub.seen] == [
        ("GET", "/v2/charger/12345", b""),
        ("PUT", "/v2/charger/12345", b""),
        ("PUT", "/v2/charger/12345", b""),
    ]
    assert stub.seen[1].headers["content-length"] == "0"
    assert (setup.reads.total, setup.writes.total) == (1, 2)


def test_basic_by_put_is_a_read_that_needs_a_document(make: Make) -> None:
    _, setup = make(reply(405), reply(200, b""))
    assert type(fails(lambda: setup.cloud.basic(12345))) is BadAnswerError


def test_basic_by_put_waits_for_the_write_budget(make: Make) -> None:
    stub, setup = make(reply(405), writes=1)
    with setup.writes.request():
        pass
    with pytest.raises(BudgetSpentError):
        setup.cloud.basic(12345)
    assert len(stub.seen) == 1


def test_a_refused_token_is_replaced(make: Make) -> None:
    stub, setup = make(reply(401), reply(200), *[reply(401)] * 3, reply(200))
    assert type(fails(setup.read)) is UnauthorizedError
    setup.write()
    assert [seen.headers["authorization"] for seen in stub.seen] == ["Bearer token-1", "Bearer token-2"]
    for _ in range(3):
        assert type(fails(setup.read)) is UnauthorizedError
    assert type(fails(setup.read)) is AuthError, "a token fresh from a sign-in was refused: no hammering"
    assert len(stub.seen) == 5
    setup.clock.advance(60)
    setup.read()


def test_a_command_that_is_never_let_in_ends_nothing_else(make: Make) -> None:
    """Only reads tell that a fresh token is no good."""
    stub, setup = make(*[reply(401)] * 6, reply(200))
    for _ in range(6):
        assert type(fails(setup.write)) is UnauthorizedError
    setup.read()
    tokens = [seen.headers["authorization"] for seen in stub.seen]
    assert tokens == ["Bearer token-1", *["Bearer token-2"] * 6]


@pytest.mark.parametrize("status", [403, 404, 409, 429, 500])
def test_other_refusals_leave_the_token(make: Make, status: int) -> None:
    _, setup = make(reply(status))
    fails(setup.read)
    setup.read()
    assert setup.tokens.asked == 1


def test_secrets_are_in_no_message(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    acts = [
        reply(401),
        reply(500),
        reset,
        reply(302),
        BAD_BODIES["html"],
        send(b"HTTP/1.1 200 OK\r\n", then_close=True),
    ]
    _, setup = make(*acts)
    line = setup.sign_in_client()
    texts = []
    for _ in acts:
        caught = fails(lambda: line.sign_in("modern"))
        texts += [str(caught), repr(caught), repr(caught.__context__)]
    shown = " ".join(texts) + caplog.text
    for secret in (PASSWORD, CREDENTIALS, CREDENTIALS.removeprefix("Basic "), EMAIL):
        assert secret not in shown
    assert PASSWORD not in repr(setup.config)


def test_the_credentials_are_recognised_in_a_header(make: Make) -> None:
    """Nothing logs it. If something did, it would be hidden."""
    _, setup = make()
    setup.sign_in_client()
    assert HIDDEN.clean(f"Authorization: {CREDENTIALS}.").rstrip("=.") == "Authorization: Basic ***"


@pytest.mark.parametrize(
    "line",
    [b"this is no header", b": no name", b" \xff\xfe", b"Transfer-Encoding: chunked", b"\x1b[2Jx" * 1000],
    ids=["no colon", "no name", "no text", "two lengths", "much"],
)
def test_an_odd_header_is_no_line_of_the_log(make: Make, caplog: pytest.LogCaptureFixture, line: bytes) -> None:
    """What becomes of the answer is told by who asked, once."""
    caplog.set_level(logging.DEBUG)
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n" + line + b"\r\nX: y\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    _, setup = make(otherwise=send(raw, then_close=True), timeout=10)
    for _ in range(2):
        with contextlib.suppress(CloudError):
            setup.read()
    assert {record.name for record in caplog.records} <= {"wallbox2mqtt.cloud.auth", "wallbox2mqtt.cloud.client"}
    assert "X: y" not in caplog.text


def test_a_real_clock_does(tmp_path: Path) -> None:
    """The parts fit together over the real clock."""
    with StubCloud(reply(200, {"data": {"attributes": {"token": "t", "ttl": 4e12}}})) as stub:
        setup = Setup(stub.url, tmp_path)
        cloud = Account(setup.config, SystemClock(), Storage(tmp_path / "real", EMAIL)).client()
        assert cloud.chargers().body == {}
        assert cloud.detail(1).body == {}
        assert [seen.path for seen in stub.seen] == ["/users/signin", "/v3/chargers/groups", "/chargers/status/1"]
