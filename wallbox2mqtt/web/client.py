"""One client of the port. Nothing waits for it: if it does not send or receive in time, its connection ends."""

import contextlib
import enum
import socket
from collections import deque
from dataclasses import dataclass

from wallbox2mqtt.web.http import END_OF_HEAD, LARGEST_HEAD

_CHUNK = 64 * 1024
_SEND_BUFFER = 128 * 1024
"""Bytes that the system keeps for a client: by itself it would keep up to 4 MB for each that takes nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many clients there may be, and how long each may take; lengths of time are seconds.

    ``connections``: all together. ``viewers``: of them, who follow the events. ``request_s``: until the head of the
    request is there. ``stalled_s``: without taking a byte of what is sent. ``linger_s``: until the client hangs up.
    ``keep_alive_s``: between two signs of life to viewers.
    """

    connections: int = 400
    viewers: int = 200
    request_s: float = 10.0
    stalled_s: float = 20.0
    linger_s: float = 2.0
    keep_alive_s: float = 15.0


class ConnectionPhase(enum.Enum):
    """What a connection is about."""

    READING = "reading the request"
    WRITING = "writing the response"
    VIEWING = "following the events"
    LINGERING = "waiting for the client to hang up"


class Client:
    """One connection, which never blocks."""

    def __init__(self, sock: socket.socket, now: float) -> None:
        """Take a connection that was accepted. ``now``: monotonic, real seconds."""
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.sock = sock
        self.phase = ConnectionPhase.READING
        self.is_behind = False
        self.since = self.moved = now
        self._received = bytearray()
        self._waiting: deque[memoryview] = deque()

    @property
    def has_waiting(self) -> bool:
        """Whether there is something that it has not taken yet."""
        return bool(self._waiting)

    def enter(self, phase: ConnectionPhase, now: float) -> None:
        """Start the next phase; the request is known."""
        self.phase, self.since, self.moved = phase, now, now
        self._received.clear()

    def receive(self) -> bool:
        """Take what has come; return whether the client is still there."""
        try:
            chunk = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self.phase is ConnectionPhase.READING:
            self._received += chunk
        return bool(chunk)

    @property
    def head(self) -> bytes | None:
        """The head of the request; None until it is whole."""
        end = self._received.find(END_OF_HEAD)
        return None if end < 0 else bytes(self._received[:end])

    @property
    def is_too_large(self) -> bool:
        """Whether more has come than the head of a request may have."""
        return len(self._received) > LARGEST_HEAD

    def put(self, data: bytes, now: float) -> None:
        """Send this after what waits. It is not copied: a hundred clients share one document."""
        if not self._waiting:
            self.moved = now
        self._waiting.append(memoryview(data))

    def send(self, now: float) -> bool:
        """Send as much as the client takes now; return whether it is still there."""
        try:
            while self._waiting:
                sent = self.sock.send(self._waiting[0])
                self.moved = now
                if sent < len(self._waiting[0]):
                    self._waiting[0] = self._waiting[0][sent:]
                    return True
                self._waiting.popleft()
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def is_late(self, now: float, limits: Limits) -> bool:
        """Return whether it has had more time than it may have."""
        match self.phase:
            case ConnectionPhase.READING:
                return now - self.since > limits.request_s
            case ConnectionPhase.LINGERING:
                return now - self.since > limits.linger_s
            case _:
                return self.has_waiting and now - self.moved > limits.stalled_s

    def hang_up(self) -> None:
        """Say that no more is sent: what was, arrives before the connection ends."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
