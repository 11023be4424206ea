"""A cloud at the level of bytes: it answers each request with what a test tells it, or does worse."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wallbox2mqtt.catalogue import Json

TLS = Path(__file__).parent / "fixtures" / "tls"
CERTIFICATE = TLS / "cert.pem"
_LONGEST_S = 20.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived. ``connection``: the number of the connection, from 1."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


Act = Callable[[socket.socket, threading.Event], bool]
"""What is done with a connection after a request; False: the connection has ended."""


def reply(status: int = 200, body: "bytes | Json" = b"{}", **headers: str) -> Act:
    """A proper answer; names of headers with _ for -."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Length": str(len(content)), **{name.replace("_", "-"): text for name, text in headers.items()}}
    head = f"HTTP/1.1 {status} Status\r\n" + "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return send(head.encode() + b"\r\n" + content)


def send(raw: bytes, *, then_close: bool = False) -> Act:
    """These bytes."""

    def act(sock: socket.socket, _: threading.Event) -> bool:
        sock.sendall(raw)
        return not then_close

    return act


def one_by_one(*acts: Act) -> Act:
    """These acts, each a moment after the one before: what comes first is read before the rest is there."""

    def act(sock: socket.socket, stop: threading.Event) -> bool:
        return all(one(sock, stop) and not stop.wait(0.1) for one in acts)

    return act


FLOOD_S = 0.005
"""Between two parts of a flood: as fast as it can, it would only take the processor from others."""


def flood(head: bytes, part: bytes, most: int) -> Act:
    """A head, and then a part over and over, until so many bytes are sent or the other side has had enough."""

    def act(sock: socket.socket, stop: threading.Event) -> bool:
        sock.sendall(head)
        for _ in range(most // len(part)):
            sock.sendall(part)
            if stop.wait(FLOOD_S):
                break
        return False

    return act


def drip(raw: bytes, every_s: float = 0.05) -> Act:
    """These bytes, one by one; over and over, so that it never ends by itself."""

    def act(sock: socket.socket, stop: threading.Event) -> bool:
        for byte in raw:
            sock.sendall(bytes([byte]))
            if stop.wait(every_s):
                break
        return False

    return act


def hang(sock: socket.socket, _: threading.Event) -> bool:
    """Nothing, until the other side goes."""
    with contextlib.suppress(OSError):
        sock.settimeout(_LONGEST_S)
        sock.recv(1)
    return False


def then_hang(raw: bytes) -> Act:
    """These bytes, and then nothing."""
    return lambda sock, stop: send(raw)(sock, stop) and hang(sock, stop)


def reset(sock: socket.socket, _: threading.Event) -> bool:
    """End the connection the hard way."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


class StubCloud:
    """The server. ``script``: what to do with the requests to come, in turn; ``otherwise`` with all further ones."""

    def __init__(self, *script: Act, otherwise: Act | None = None, tls: bool | ssl.SSLContext = False) -> None:
        self.script = list(script)
        self.otherwise = reply() if otherwise is None else otherwise
        self.seen: list[Seen] = []
        self.connections = 0
        self._context: ssl.SSLContext | None = None
        if isinstance(tls, ssl.SSLContext):
            self._context = tls
        elif tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(CERTIFICATE, TLS / "key.pem")
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _thread(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            number = self.connections
            self._thread(lambda sock=sock, number=number: self._serve(sock, number))  # type: ignore[misc]

    def _serve(self, plain: socket.socket, number: int) -> None:
        plain.settimeout(_LONGEST_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock = plain
        try:
            if self._context is not None:
                sock = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            with self._lock:
                self._open.add(sock)
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            self._answer(sock, number)
        except (OSError, ValueError):
            pass
        finally:
            sock.close()
            with self._lock:
                self._open.discard(sock)

    def _answer(self, sock: socket.socket, number: int) -> None:
        with sock.makefile("rb") as file:
            while (seen := self._request(file.readline, file.read, number)) is not None:
                with self._lock:
                    self.seen.append(seen)
                    act = self.script.pop(0) if self.script else self.otherwise
                if not act(sock, self._stop):
                    return

    @staticmethod
    def _request(line: Callable[[], bytes], read: Callable[[int], bytes], number: int) -> Seen | None:
        words = line().decode("latin-1").split()
        if len(words) != 3:
            return None
        headers = {}
        while (text := line().decode("latin-1").strip()) != "":
            name, _, value = text.partition(":")
            headers[name.strip().lower()] = value.strip()
        return Seen(words[0], words[1], headers, read(int(headers.get("content-length", 0))), number)
