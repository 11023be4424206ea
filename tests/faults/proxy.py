"""A TCP proxy between the bridge and whatever it talks to: for what happens on the way."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Self

_LONGEST_S = 60.0

Answer = Callable[[bytes], bytes | None]


class Proxy:
    """Passes bytes on to a port. ``context``: it speaks TLS to who comes. ``answer``: to the first bytes, by itself.

    ``silent``: it takes connections and passes nothing on. ``delay_s``: it lets all that is there wait so long.
    """

    def __init__(self, to: int, *, context: ssl.SSLContext | None = None, answer: Answer | None = None) -> None:
        self._to = to
        self.context, self.answer, self.silent, self.delay_s = context, answer, False, 0.0
        self._server = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._near: set[socket.socket] = set()
        self._closed = False

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    @property
    def passes(self) -> bool:
        """Whether somebody is connected, and the other side has their first words."""
        with self._lock:
            return bool(self._open)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """End all connections."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def inject(self, raw: bytes) -> None:
        """Say this to whoever is connected, in the name of the other side."""
        with self._lock:
            for sock in self._near:
                sock.sendall(raw)

    def _accept(self) -> None:
        while not self._closed:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            plain.settimeout(_LONGEST_S)
            near = self.context.wrap_socket(plain, server_side=True) if self.context else plain
            first = near.recv(65536)
            if self.answer is not None and (told := self.answer(first)) is not None:
                near.sendall(told)
                near.close()
                return
            with socket.create_connection(("127.0.0.1", self._to)) as far:
                far.sendall(first)
                with self._lock:
                    self._open |= {near, far}
                    self._near.add(near)
                back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
                back.start()
                self._pass(near, far)
                back.join(_LONGEST_S)
                with self._lock:
                    self._open -= {near, far}
                    self._near.discard(near)
            near.close()
        except OSError:
            plain.close()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if self.delay_s:
                    time.sleep(self.delay_s)
                if not self.silent:
                    sink.sendall(chunk)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
