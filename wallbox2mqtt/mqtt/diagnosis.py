"""What answers at a port that does not speak MQTT as we do: tried once, without credentials."""

import contextlib
import socket
import ssl

_WAIT_S = 3.0
_HELLO = b"GET / HTTP/1.1\r\nHost: broker\r\nConnection: close\r\n\r\n"
_CONNECT_3_1_1 = b"\x10\x15\x00\x04MQTT\x04\x02\x00\x0a\x00\x09wb2m-test"
_CONNACK = 0x20

CANDIDATES = (
    "something accepts the connection and does not answer; if it is the broker: TLS may be wanted (mqtt.tls.enabled), "
    "websockets (mqtt.transport), or MQTT 3.1.1 (mqtt.protocol)"
)


def diagnose(address: str, port: int) -> str:
    """Return what to change, in words. Takes nine seconds at most."""
    if _speaks_tls(address, port):
        return "the port speaks TLS: set mqtt.tls.enabled: true"
    if _answer(address, port, _HELLO).startswith(b"HTTP/"):
        return "the port speaks HTTP: for a broker's websockets set mqtt.transport: websockets; else it is another port"
    if _answer(address, port, _CONNECT_3_1_1)[:1] == bytes([_CONNACK]):
        return "the broker answers MQTT 3.1.1 and not 5: set mqtt.protocol: 3.1.1"
    return CANDIDATES


def _speaks_tls(address: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is said over it
    try:
        with (
            socket.create_connection((address, port), _WAIT_S) as plain,
            context.wrap_socket(plain, server_hostname=None),
        ):
            return True
    except ssl.SSLError as error:
        # one that wants a certificate of ours has spoken TLS as well
        return "ALERT" in (error.reason or "")
    except (OSError, ValueError):
        return False


def _answer(address: str, port: int, hello: bytes) -> bytes:
    with contextlib.suppress(OSError), socket.create_connection((address, port), _WAIT_S) as plain:
        plain.sendall(hello)
        return plain.recv(16)
    return b""
