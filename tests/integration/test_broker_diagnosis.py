"""A broker that cannot be spoken to: one line, and the right one."""

import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.broker_connection import Connection
from tests.fakes import FakeClock
from tests.integration.test_tls import CA, FILES, GOOD, STRANGER, encrypted, mosquitto
from tests.mosquitto import LIMIT_S, Broker
from tests.stub_broker import StubBroker, Temper
from wallbox2mqtt.config import TlsConfig
from wallbox2mqtt.mqtt import Connected, Disconnected
from wallbox2mqtt.mqtt.diagnosis import CANDIDATES
from wallbox2mqtt.mqtt.endpoints import BrokerAddress
from wallbox2mqtt.mqtt.tls import tls_context, words_of

# paho leaves the socket of a failed handshake to the garbage collector
pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]

Why = Callable[..., str]


@pytest.fixture
def why(clock: FakeClock) -> Iterator[Why]:
    """Return why there is no connection."""
    made: list[Connection] = []

    def connect(port: int, **options: Any) -> str:  # noqa: ANN401 - any key of the configuration
        connection = Connection(clock, port=port, **{"keepalive": 30, **options})
        made.append(connection)
        connection.mqtt.start()
        event = connection.events.get(timeout=2 * LIMIT_S)
        assert isinstance(event, Disconnected)
        return event.reason

    yield connect
    for connection in made:
        connection.mqtt.stop(timeout_s=0.2)


def test_plain_to_a_port_of_tls(why: Why, tmp_path: Path) -> None:
    with mosquitto(tmp_path, encrypted()) as port:
        assert why(port) == "the port speaks TLS: set mqtt.tls.enabled: true"


def test_tls_to_a_plain_port(why: Why, broker: Broker) -> None:
    assert "the port does not speak TLS" in why(broker.port, tls=GOOD)


@contextmanager
def web() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_port_of_websockets(why: Why) -> None:
    with web() as port:
        assert "mqtt.transport: websockets" in why(port)


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["closes", "is silent"])
def test_an_old_broker(why: Why, behaviour: Literal["closes", "is silent"]) -> None:
    with StubBroker(Temper(only_3_1_1=behaviour)) as broker:
        assert why(broker.port) == "the broker answers MQTT 3.1.1 and not 5: set mqtt.protocol: 3.1.1"


@pytest.mark.slow
def test_nobody_knows_what_it_is(why: Why) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert why(server.getsockname()[1]) == CANDIDATES


@pytest.mark.parametrize(
    ("certificate", "tls", "words"),
    [
        ("elsewhere", GOOD, "set mqtt.host to a name in the certificate"),
        ("server", TlsConfig(enabled=True, ca_file=STRANGER), "name its authority in mqtt.tls.ca_file"),
    ],
    ids=["name", "authority"],
)
def test_a_certificate_that_is_not_trusted(
    why: Why, tmp_path: Path, certificate: str, tls: TlsConfig, words: str
) -> None:
    with mosquitto(tmp_path, encrypted(certificate)) as port:
        assert words in why(port, tls=tls)


@pytest.mark.parametrize(("code", "text"), [(10, "certificate has expired"), (9, "certificate is not yet valid")])
def test_times_of_a_certificate_and_the_clock(tmp_path: Path, code: int, text: str) -> None:
    error = ssl.SSLCertVerificationError(1, "no")
    error.verify_code, error.verify_message = code, text
    with mosquitto(tmp_path, encrypted()) as port:
        words = words_of(error, BrokerAddress("127.0.0.1", port, "127.0.0.1"), tls_context(GOOD))
    assert f"{text} (it holds from " in words
    assert "GMT to " in words
    assert "this machine's clock says 20" in words


def test_authorities_of_mosquittos_manual_are_accepted() -> None:
    assert not tls_context(TlsConfig(enabled=True, ca_file=CA)).verify_flags & ssl.VERIFY_X509_STRICT


def test_protocols_are_offered(clock: FakeClock) -> None:
    """Brokers that share port 443 choose by it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FILES / "server.pem", FILES / "server.key")
    context.set_alpn_protocols(["mqtt"])
    with StubBroker(tls=context) as broker:
        tls = TlsConfig(enabled=True, ca_file=CA, alpn="x-amzn-mqtt-ca, mqtt")
        connection = Connection(clock, port=broker.port, tls=tls)
        connection.mqtt.start()
        connection.next(Connected)
        connection.mqtt.stop(timeout_s=0.2)
        assert broker.chosen == ["mqtt"]
