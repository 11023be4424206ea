"""The fault matrix: what breaks between the bridge, the cloud and the broker, and what must hold all the same.

A row is a fault: how it begins and ends, and how the bridge tells it (``reason``: in ``bridge/cloud_reason``,
``cloud``: in ``bridge/cloud``, ``says``: in its log). The columns are the same for all rows, and held by one test:

- the bridge stays up, and tells the fault where it should;
- each command sent meanwhile gets exactly one result, of a kind that the row allows;
- no remote action reaches the cloud twice, no other write more than twice;
- within 15 s of the fault's end the state is true again (``heals``; back-off and refused credentials apart);
- memory does not grow, neither log nor topics show a password or a token, and no fault is told with a traceback.

``options``: a harness of its own, where the shared one does not do. What ends or starts the program itself is in
``test_process``, what publishes on the broker in ``test_consumers``.
"""

import dataclasses
import re
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import BROKER_PASSWORD, PASSWORD, SECRET, Harness, Options, passwords
from tests.faults.proxy import Proxy
from tests.mosquitto import LIMIT_S, Watcher, eventually
from tests.parts import writes_of
from tests.stub_cloud import StubCloud
from wallbox2mqtt.catalogue import FIELDS
from wallbox2mqtt.simulator import EMAIL, Fault

pytestmark = pytest.mark.broker

Act = Callable[[Harness], None]
OK, FAILED = frozenset({"ok"}), frozenset({"failed"})
ANY = OK | FAILED


def nothing(_: Harness) -> None:
    """What it says."""


SHARED = Options()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault; see above."""

    name: str
    begins: Act
    ends: Act = nothing
    reason: str | None = None
    cloud: str | None = None
    says: str | None = None
    answers: frozenset[str] = ANY
    asks: bool = True
    heals: bool = True
    options: Options = SHARED


# The cloud


def cloudy(name: str, reason: str | None, answers: frozenset[str] = ANY, **fault: Any) -> Row:  # noqa: ANN401
    """A fault of every request until it is cleared; ``reason`` None: the bridge works on."""
    offline = reason is not None
    return Row(
        name=name,
        begins=lambda harness: harness.cloud.fault(Fault(count=None, **fault)),
        ends=lambda harness: harness.cloud.clear_faults(),
        reason=reason or "ok",
        cloud="offline" if offline else "online",
        answers=answers,
    )


def corrupted(kind: Any, reason: str | None) -> Row:  # noqa: ANN401 - one of the simulator's words
    """A fault of the answers only: what was commanded has its effect, and is accepted by the status."""
    return cloudy(f"cloud: {kind}", reason, ANY, kind=kind)


def limited(name: str, refusal: str) -> Row:
    return Row(
        name=f"cloud: {name}",
        begins=lambda harness: harness.cloud.configure(reads_per_minute=0, refusal=refusal),
        ends=lambda harness: harness.cloud.configure(reads_per_minute=None),
        reason="rate_limited",
        cloud="online",
        answers=OK,
        heals=False,
        options=Options(fresh=True),
    )


def stop_cloud(harness: Harness) -> None:
    harness.port = harness.cloud.port
    harness.cloud.stop()


def start_cloud(harness: Harness) -> None:
    harness.cloud.start(harness.port)


def revoke(harness: Harness) -> None:
    harness.cloud.revoke_refresh_tokens()
    harness.cloud.revoke_tokens()


def forbid_one(harness: Harness) -> None:
    other = list(harness.cloud.chargers)[1]
    harness.cloud.fault(Fault(kind="status", status=403, path=f"chargers/status/{other}", count=None))


def conflict(harness: Harness) -> None:
    for method in ("PUT", "POST"):
        harness.cloud.fault(Fault(kind="status", status=409, body="json", method=method, count=None))


def wrong_types(harness: Harness) -> None:
    """Each known field of the detail and the list is of a kind that it must not be."""
    fields: dict[str, Any] = {row.detail: [{"a": []}] for row in FIELDS.values() if row.detail}
    harness.cloud.fault(Fault(kind="wrong_types", path="chargers/status/*", count=None, fields=fields))


def status_reads(status: int, whose: str) -> Row:
    """The cloud refuses a PUT without a body: the bridge does without, and nothing else suffers."""

    def start(harness: Harness) -> None:
        harness.cloud.configure(read_by_put=status)
        harness.start()
        harness.heals()

    return Row(
        name=f"cloud: {status} on status reads by PUT",
        begins=start,
        reason="ok",
        cloud="online",
        says=f"no extra status reads of {whose}",
        answers=OK,
        options=Options(fresh=True, starts=False, settings=(("WALLBOX__STATUS_WRITES_PER_MINUTE", "3"),)),
    )


def redirect(harness: Harness) -> None:
    """To another host, which must never see the token, or anything."""
    server = StubCloud()
    harness.server = harness.stack.enter_context(server)
    url = server.url.replace("127.0.0.1", "localhost")
    harness.cloud.fault(Fault(kind="redirect", count=None, location=f"{url}/take"))


def not_followed(harness: Harness) -> None:
    assert not harness.server.seen
    harness.cloud.clear_faults()


CLOUD = [
    Row(name="cloud: refused", begins=stop_cloud, ends=start_cloud, reason="unreachable", cloud="offline"),
    cloudy("cloud: reset before the effect", "unreachable", kind="reset"),
    cloudy("cloud: reset after the effect", "unreachable", kind="reset", effect=True),
    cloudy("cloud: hangs", "timeout", FAILED, kind="hang"),
    cloudy("cloud: hangs after the effect", "timeout", FAILED, kind="hang", effect=True),
    cloudy("cloud: drips", "timeout", kind="drip", seconds=0.2),
    cloudy("cloud: slow", None, OK, kind="delay", seconds=0.4),
    cloudy("cloud: body cut", "unreachable", kind="cut"),
    corrupted("truncated", "bad_answer"),
    corrupted("html", "bad_answer"),
    corrupted("content_type", None),
    cloudy("cloud: 500 in HTML", "http_5xx", FAILED, kind="status", status=500),
    cloudy("cloud: 502 without a word", "http_5xx", FAILED, kind="status", status=502, body="empty"),
    cloudy("cloud: 503 after the effect", "http_5xx", FAILED, kind="status", status=503, body="json", effect=True),
    cloudy("cloud: 404", "bad_answer", FAILED, kind="status", status=404, body="json"),
    cloudy("cloud: 400", "bad_answer", FAILED, kind="status", status=400, body="json"),
    Row(name="cloud: tokens and refresh tokens revoked", begins=revoke, reason="ok", cloud="online", answers=OK),
    Row(
        name="cloud: 401 storm",
        begins=lambda harness: harness.cloud.fault(
            Fault(kind="status", status=401, body="json", path="*chargers/*", count=None)
        ),
        ends=lambda harness: harness.cloud.clear_faults(),
        reason="auth_failed",
        cloud="offline",
        heals=False,
        options=Options(fresh=True),
    ),
    limited("403 on every read", "403"),
    limited("429", "429"),
    limited("429 with seconds", "429 seconds"),
    limited("429 with a date", "429 date"),
    Row(
        name="cloud: 403 on one charger",
        begins=forbid_one,
        ends=lambda harness: harness.cloud.clear_faults(),
        reason="ok",
        cloud="online",
        says="set aside.*http_status=403",
        answers=OK,
        options=Options(fresh=True),
    ),
    Row(
        name="cloud: 403 for want of rights",
        begins=lambda harness: harness.cloud.configure(may_write=False),
        ends=lambda harness: harness.cloud.configure(may_write=True),
        reason="ok",
        cloud="online",
        answers=FAILED,
    ),
    status_reads(403, "charger"),
    status_reads(405, "all chargers"),
    status_reads(429, "all chargers"),
    Row(
        name="cloud: 409 on commands",
        begins=conflict,
        ends=lambda harness: harness.cloud.clear_faults(),
        reason="ok",
        cloud="online",
        answers=FAILED,
    ),
    Row(
        name="cloud: wrong types at every field",
        begins=wrong_types,
        ends=lambda harness: harness.cloud.clear_faults(),
        reason="ok",
        cloud="online",
        says="kept the last value.*field=charging_power",
        answers=OK,
    ),
    corrupted("null", "bad_answer"),
    corrupted("list", "bad_answer"),
    corrupted("huge", "bad_answer"),
    corrupted("deep", "bad_answer"),
    corrupted("nan", "bad_answer"),
    corrupted("duplicate_keys", None),
    corrupted("invalid_utf8", "bad_answer"),
    Row(
        name="cloud: redirect to another host",
        begins=redirect,
        ends=not_followed,
        reason="bad_answer",
        cloud="offline",
        answers=FAILED,
    ),
]


# The way to the cloud: names, and who is at the other end


def tls(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{name}.pem", f"{name}-key.pem")
    return context


def certificate(directory: Path, name: str) -> None:
    """Make a certificate that nobody has heard of."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    command += ["-keyout", str(directory / f"{name}-key.pem"), "-out", str(directory / f"{name}.pem")]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words


def by_name(harness: Harness) -> None:
    """The cloud has a name, which the machine cannot look up."""
    harness.meddle(names="unknown")
    start_at(harness, f"http://cloud.test:{harness.cloud.port}")


def start_at(harness: Harness, url: str, **environment: str) -> None:
    harness.settings |= {"WALLBOX__API_URL": url, "WALLBOX__USER_API_URL": url}
    harness.start(**environment)


def strange_cloud(harness: Harness) -> None:
    """Somebody else answers at the cloud's address, with a certificate that is not trusted."""
    for name in ("good", "bad"):
        certificate(harness.directory, name)
    proxy = harness.stack.enter_context(Proxy(harness.cloud.port, context=tls(str(harness.directory / "bad"))))
    harness.proxy = proxy
    start_at(harness, f"https://127.0.0.1:{proxy.port}", REQUESTS_CA_BUNDLE=str(harness.directory / "good.pem"))


def right_certificate(harness: Harness) -> None:
    harness.proxy.context = tls(str(harness.directory / "good"))


START = Options(fresh=True, starts=False)

WAY = [
    Row(
        name="way: the cloud's name is not known",
        begins=by_name,
        ends=lambda harness: harness.meddle(),
        reason="unreachable",
        cloud="offline",
        asks=False,
        options=dataclasses.replace(START, meddled=True),
    ),
    Row(
        name="way: the cloud has a wrong certificate",
        begins=strange_cloud,
        ends=right_certificate,
        reason="unreachable",
        cloud="offline",
        says="the certificate is not trusted",
        asks=False,
        options=START,
    ),
]


# The broker


def leave_broker(harness: Harness) -> None:
    harness.broker.stop()
    harness.says("not connected to the broker")


def back_empty(harness: Harness) -> None:
    """It comes back and has forgotten all: everything has to be announced anew."""
    harness.broker.start()
    with Watcher(harness.broker.port) as newcomer:
        for topic in ("bridge/state", "bridge/info", f"{harness.charger}/status", f"{harness.charger}/availability"):
            newcomer.wait(f"wallbox/{topic}")
        newcomer.wait(f"homeassistant/device/wallbox2mqtt_{harness.charger}/config")


def half_open(harness: Harness) -> None:
    harness.broker.freeze(frozen=True)
    harness.says("not connected to the broker|Keep alive")


def thaw(harness: Harness) -> None:
    harness.broker.freeze(frozen=False)


def start_without_broker(harness: Harness) -> None:
    harness.broker.stop()
    harness.start()
    harness.says("not connected to the broker.*reason='unreachable: Connection refused'")


def twin(harness: Harness) -> None:
    """Somebody uses our client id, and comes back each time that we push them out."""
    harness.twin = Watcher(harness.broker.port, client_id="wallbox2mqtt")
    harness.twin.__enter__()
    harness.says("another client uses the same client id", 60)


def twin_leaves(harness: Harness) -> None:
    harness.twin.__exit__()


def start_refused(harness: Harness) -> None:
    """The broker does not know our password; later it does."""
    harness.settings |= {"MQTT__USERNAME": "bridge", "MQTT__PASSWORD": BROKER_PASSWORD}
    harness.start()


def learn_password(harness: Harness) -> None:
    passwords(harness.directory / "passwords", "watcher", "bridge")
    harness.broker.reload()


def forbid_all(harness: Harness) -> None:
    """The bridge may listen, but what it says is not taken."""
    rights(harness, "topic read #")
    harness.settings |= {"MQTT__USERNAME": "bridge", "MQTT__PASSWORD": BROKER_PASSWORD}
    harness.start()
    harness.says("the broker refuses what is published.*Not authorized")


def rights(harness: Harness, bridge: str) -> None:
    text = f"user watcher\ntopic readwrite #\nuser bridge\n{bridge}\n"
    (harness.directory / "acl").write_text(text, encoding="utf-8")
    passwords(harness.directory / "passwords", "watcher", "bridge")
    harness.broker.reload()


def allow_all(harness: Harness) -> None:
    rights(harness, "topic readwrite #")


def strange_broker(harness: Harness) -> None:
    """Somebody else answers at the broker's address, with a certificate of another CA."""
    for name in ("good", "bad"):
        certificate(harness.directory, name)
    harness.proxy = harness.stack.enter_context(Proxy(harness.broker.port, context=tls(str(harness.directory / "bad"))))
    harness.settings |= {
        "MQTT__PORT": str(harness.proxy.port),
        "MQTT__TLS__ENABLED": "true",
        "MQTT__TLS__CA_FILE": str(harness.directory / "good.pem"),
    }
    harness.start()


def only_old(harness: Harness) -> None:
    """The broker knows nothing of MQTT 5: it answers as 3.1.1 says, and ends the connection."""

    def answer(first: bytes) -> bytes | None:
        return b"\x20\x02\x00\x01" if first[8:9] == b"\x05" else None

    harness.proxy = harness.stack.enter_context(Proxy(harness.broker.port, answer=answer))
    harness.settings["MQTT__PORT"] = str(harness.proxy.port)
    harness.start()


def knows_new(harness: Harness) -> None:
    harness.proxy.answer = None


def cut_way(harness: Harness) -> None:
    """The connections through the proxy break, with acknowledgements on their way."""
    for _ in range(5):
        cut(harness)
        harness.heals()


def cut(harness: Harness) -> None:
    """Break the connections and wait for the will: what was under way before it must not be taken for healing."""
    state = harness.topic("bridge/state")
    told = len(harness.watcher.of(state))
    harness.proxy.cut()
    harness.watcher.wait_for(lambda heard: sum(one.topic == state for one in heard) > told, "the will was published")


def through_proxy(harness: Harness) -> None:
    harness.proxy = harness.stack.enter_context(Proxy(harness.broker.port))
    harness.settings["MQTT__PORT"] = str(harness.proxy.port)
    harness.start()
    harness.heals()


GUARDED = Options(
    fresh=True,
    starts=False,
    broker=("allow_anonymous false", "password_file {dir}/passwords", "acl_file {dir}/acl"),
)
OWN = Options(fresh=True, settings=(("MQTT__KEEPALIVE", "2"),))

BROKER = [
    Row(name="broker: absent at the start", begins=start_without_broker, ends=back_empty, asks=False, options=START),
    Row(name="broker: goes and comes back wiped", begins=leave_broker, ends=back_empty, asks=False, options=OWN),
    Row(name="broker: half-open", begins=half_open, ends=thaw, asks=False, options=OWN),
    Row(
        name="broker: refuses the password",
        begins=start_refused,
        ends=learn_password,
        says="refused: (Not authorized|Bad user name or password)",
        asks=False,
        options=GUARDED,
    ),
    Row(name="broker: its ACL forbids what is said", begins=forbid_all, ends=allow_all, asks=False, options=GUARDED),
    Row(name="broker: a twin has our id", begins=twin, ends=twin_leaves, asks=False, options=Options(fresh=True)),
    Row(
        name="broker: a twin has our id, 3.1.1",
        begins=twin,
        ends=twin_leaves,
        asks=False,
        options=Options(fresh=True, settings=(("MQTT__PROTOCOL", "3.1.1"),)),
    ),
    Row(
        name="broker: wrong CA",
        begins=strange_broker,
        ends=right_certificate,
        says="the broker's certificate is not trusted",
        asks=False,
        options=START,
    ),
    Row(
        name="broker: 3.1.1 only",
        begins=only_old,
        ends=knows_new,
        says="not connected to the broker.*(protocol|3.1.1)",
        asks=False,
        options=START,
    ),
    Row(
        name="broker: tiny maximum packet size",
        begins=nothing,
        says="larger than the broker takes.*homeassistant",
        answers=OK,
        options=Options(fresh=True, broker=("allow_anonymous true", "max_packet_size 190")),
    ),
    Row(
        name="broker: takes one message at a time",
        begins=nothing,
        answers=OK,
        options=Options(fresh=True, broker=("allow_anonymous true", "max_inflight_messages 1")),
    ),
    Row(
        name="broker: connections break again and again", begins=through_proxy, ends=cut_way, asks=False, options=START
    ),
]

ROWS = [*CLOUD, *WAY, *BROKER]


@pytest.fixture(scope="module")
def harnesses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Options], Harness]]:
    """Return the shared harness, or one of its own to who needs that; all are torn down at the end."""
    shared: list[Harness] = []

    def get(options: Options) -> Harness:
        if options.fresh:
            return Harness(tmp_path_factory.mktemp("own"), options)
        if not shared:
            shared.append(Harness(tmp_path_factory.mktemp("shared"), options).__enter__())
        return shared[0]

    yield get
    for harness in shared:
        harness.__exit__()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_fault(row: Row, harnesses: Callable[[Options], Harness]) -> None:
    harness = harnesses(row.options)
    if not row.options.fresh:
        hold(row, harness)
        return
    with harness:
        hold(row, harness)


def hold(row: Row, harness: Harness) -> None:
    if row.options.starts:
        harness.rest()
        before = harness.pid
    since, told = len(harness.watcher.heard), len(harness.text())
    row.begins(harness)
    assert harness.lives(), harness.text()[-3000:]
    asked = harness.ask() if row.asks else []
    wanted = {"cloud_reason": row.reason, "cloud": row.cloud}
    told_in = {harness.topic(f"bridge/{name}"): word for name, word in wanted.items() if word is not None}
    harness.watcher.wait_for(lambda _: told_in.items() <= harness.watcher.last().items(), f"told: {told_in}")
    if row.says is not None:
        eventually(lambda: re.search(row.says or "", harness.text()[told:]), f"the log says {row.says!r}")
    if row.heals:
        # before the end: what is answered by then was not helped by it
        harness.answered(asked, since, row.answers, 25.0)
    row.ends(harness)
    if row.heals:
        harness.heals()
    harness.answered(asked, since, row.answers | ANY if not row.heals else row.answers)
    assert harness.lives(), harness.text()[-3000:]
    harness.keeps_secrets()
    harness.tells_no_trace()
    if row.options.starts:
        assert harness.pid == before
        harness.has_not_grown()


@pytest.mark.parametrize("secret", [PASSWORD, BROKER_PASSWORD, f"{EMAIL}:{PASSWORD}"])
def test_the_search_finds_what_it_searches(secret: str) -> None:
    """As it is, and as the header of a sign-in has it."""
    assert not SECRET.search(f"Basic {EMAIL}")
    found = f"password={secret!r}" if ":" not in secret else f"Basic {b64encode(secret.encode()).decode()}"
    assert SECRET.search(found)


def test_results_wait_for_the_broker(tmp_path: Path) -> None:
    """It goes while commands are at the cloud: their answers are kept, and each comes once."""
    with Harness(tmp_path, dataclasses.replace(START, settings=(("WALLBOX__TIMEOUT", str(LIMIT_S)),))) as harness:
        through_proxy(harness)
        since = len(harness.watcher.heard)
        for method in ("PUT", "POST"):  # late enough that a busy machine cuts the connection before
            harness.cloud.fault(Fault(kind="delay", seconds=3, method=method, count=None))
        asked = harness.ask()
        assert harness.cloud.wait_for(lambda seen: any(one.method != "GET" for one in seen), LIMIT_S)
        harness.proxy.answer = lambda _: b""
        harness.proxy.cut()
        harness.says("not connected to the broker")
        assert harness.cloud.wait_for(lambda seen: sum(one.status == 200 for one in writes_of(seen)) >= 2, LIMIT_S)
        assert not [one for one in asked if harness.results(one, since)]
        harness.cloud.clear_faults()
        harness.proxy.answer = None
        harness.heals()
        harness.answered(asked, since, OK)
