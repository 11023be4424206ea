"""What is said of a connection that does not come about: which host, what is wrong, and what to do."""

import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import A_DAY, FakeClock
from tests.mosquitto import LIMIT_S, free_port
from tests.parts import GENEROUS_S
from tests.stub_cloud import CERTIFICATE, TLS, Act, StubCloud, reply, send
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.config import Secret, WallboxConfig
from wallbox2mqtt.errors import NotSentError
from wallbox2mqtt.storage import Storage

SIGNED_IN = reply(200, {"data": {"attributes": {"token": "t"}}})
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
Fail = Callable[..., str]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in CA_VARIABLES:
            monkeypatch.delenv(name)


@pytest.fixture
def fail(tmp_path: Path) -> Fail:
    """Read from a URL that cannot be reached; return what is said of it."""

    def ask(url: str, clock: FakeClock | None = None) -> str:
        config = WallboxConfig(
            email="a@example.org", password=Secret("p"), timeout=GENEROUS_S, api_url=url, user_api_url=url
        )
        clock = clock or FakeClock()
        tokens = Account(config, clock, Storage(tmp_path, "x")).tokens
        with pytest.raises(NotSentError) as caught:
            tokens._source.sign_in("modern")  # noqa: SLF001 - without the words of the TokenManager around it
        return str(caught.value)

    return ask


def with_certificate(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / name, TLS / "key.pem")
    return context


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        ("expired.pem", "has expired, it is good from 2020-01-01T00:00:00+00:00 to 2021-01-01T00:00:00+00:00"),
        ("future.pem", "is not valid yet, it is good from 2048-01-01T00:00:00+00:00 to 2060-01-01T00:00:00+00:00"),
    ],
)
@pytest.mark.parametrize(
    ("wall", "clock_says"),
    [
        (A_DAY, "this machine's clock says 2026-10-05T12:00:00+00:00"),
        (5.0, "this machine's clock says 1970-01-01T00:00:05+00:00: set it (NTP)"),
    ],
    ids=["set", "1970"],
)
def test_dates_of_a_certificate_and_the_clock(
    fail: Fail, monkeypatch: pytest.MonkeyPatch, certificate: str, expected: str, wall: float, clock_says: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / certificate))
    with StubCloud(tls=with_certificate(certificate)) as wire:
        text = fail(url := wire.url, FakeClock(wall=wall))
    assert text == f"no secure connection: the certificate of {url[8:]} {expected}; {clock_says}"
    assert wire.seen == []


def test_a_certificate_that_nobody_vouches_for(fail: Fail) -> None:
    with StubCloud(tls=True) as wire:
        text = fail(url := wire.url)
    assert f"the certificate is not trusted, of {url[8:]} (self-signed certificate" in text
    assert "SSL_CERT_FILE" in text


def test_a_certificate_of_another_name(fail: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with StubCloud(tls=True) as wire:
        text = fail(wire.url.replace("127.0.0.1", "127.1"))
    assert "the certificate is not that of 127.1:" in text


def test_a_port_without_tls(fail: Fail) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"

        def greet() -> None:
            with server.accept()[0] as sock:
                sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                sock.recv(65536)

        thread = threading.Thread(target=greet)
        thread.start()
        text = fail(f"https://{place}")
        thread.join(LIMIT_S)
    assert text == f"no secure connection: TLS failed with {place}, which may not speak it"


@pytest.mark.parametrize("variable", CA_VARIABLES)
@pytest.mark.parametrize(
    ("name", "expected"),
    [("missing.pem", "cannot be read: No such file or directory"), ("text.pem", "which holds no certificates")],
)
def test_authorities_that_cannot_be_used(
    fail: Fail, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, name: str, expected: str
) -> None:
    (tmp_path / "text.pem").write_text("no certificate\n", encoding="utf-8")
    monkeypatch.setenv(variable, str(tmp_path / name))
    with StubCloud(tls=True) as wire:
        text = fail(wire.url)
    assert f"{variable} is {tmp_path / name}, " in text
    assert text.endswith(expected)


def test_a_name_that_is_not_known(fail: Fail) -> None:
    text = fail("http://no.such.host.invalid")
    assert text.startswith("no connection to no.such.host.invalid: its name is not known (DNS)")


def test_nobody_listens(fail: Fail) -> None:
    port = free_port()
    assert fail(f"http://127.0.0.1:{port}").startswith(f"no connection to 127.0.0.1:{port}: it refuses the connection")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses(fail: Fail, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    port = free_port()
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:secret@127.0.0.1:{port}")
    text = fail(f"{scheme}://cloud.invalid")
    assert text.startswith(f"no connection to the proxy 127.0.0.1:{port}, which the environment names: it refuses")
    assert "secret" not in text


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_does_not_let_through(fail: Fail, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    act: Act = send(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode(), then_close=True)
    with StubCloud(otherwise=act) as wire:
        monkeypatch.setenv("https_proxy", wire.url)
        place = wire.url[7:]
        text = fail("https://cloud.invalid")
    assert text.startswith(f"no connection to the proxy {place}, which the environment names: it answered {status}")
    assert "cloud.invalid" in text


def test_a_proxy_whose_name_is_not_known(fail: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    assert "the proxy proxy.invalid:3128, which the environment names: its name is not known" in fail(
        "https://c.invalid"
    )


@pytest.mark.parametrize(
    ("date", "wall", "is_wrong"),
    [
        ("Mon, 05 Oct 2026 12:00:00 GMT", A_DAY, False),
        ("Mon, 05 Oct 2026 23:00:00 GMT", A_DAY, False),
        ("Mon, 05 Oct 2026 12:00:00 GMT", 1000.0, True),
        ("Mon, 05 Oct 2026 12:00:00 GMT", A_DAY + 90_000, True),
        ("soon", 1000.0, False),
    ],
    ids=["right", "half a day", "1970", "tomorrow", "no date"],
)
def test_a_wrong_clock_is_seen_without_tls_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, date: str, wall: float, *, is_wrong: bool
) -> None:
    clock = FakeClock(wall=wall)
    with StubCloud(SIGNED_IN, otherwise=reply(200, Date=date)) as wire:
        config = WallboxConfig(
            email="a@example.org", password=Secret("p"), timeout=GENEROUS_S, api_url=wire.url, user_api_url=wire.url
        )
        account = Account(config, clock, Storage(tmp_path, "x"))
        account.client().chargers()
    assert (account.clock_check.error is not None) == is_wrong
    assert ("this machine's clock is wrong" in caplog.text) == is_wrong
    if is_wrong:
        assert "the cloud says 2026-10-05T12:00:00+00:00" in str(account.clock_check.error)
