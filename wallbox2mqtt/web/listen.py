"""The socket that listens, on one address of this machine or on all."""

import contextlib
import errno
import socket
import sys
from collections.abc import Collection
from typing import Any

_BACKLOG = 128


def listen(address: tuple[str, int], clients: Collection[str] = ()) -> socket.socket:
    """Return a socket that listens. An empty host: all addresses of this machine, those of IPv6 too where it has some.

    Args:
        address: host and port.
        clients: addresses that may connect; none: all may.

    Raises:
        OSError: the address is in use, not of this machine, or not ours to use.

    """
    host, port = address
    if not host and socket.has_dualstack_ipv6():
        with contextlib.suppress(_NoAddressError):
            return _guarded(_listening(socket.AF_INET6, ("::", port), is_dual=True), clients)
    found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)  # noqa: S104 - as configured
    family, _, _, _, where = found[0]
    return _guarded(_listening(family, where, is_dual=False), clients)


class _Guarded(socket.socket):
    """Accepts connections of some addresses only, and ends all others."""

    clients: frozenset[str] = frozenset()

    def accept(self) -> tuple[socket.socket, Any]:
        while True:
            sock, where = super().accept()
            if str(where[0]).removeprefix("::ffff:") in self.clients:
                return sock, where
            sock.close()


def _guarded(sock: socket.socket, clients: Collection[str]) -> socket.socket:
    if not clients:
        return sock
    guarded = _Guarded(fileno=sock.detach())
    guarded.settimeout(0)
    guarded.clients = frozenset(clients)
    return guarded


class _NoAddressError(OSError):
    """Raised when this machine has no such address."""


def _listening(family: int, where: tuple[str | int, ...] | tuple[int, bytes], *, is_dual: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            # the port of a bridge that has just ended may be used again at once
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not is_dual))
        sock.bind(where)
        sock.listen(_BACKLOG)
        sock.settimeout(0)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise _NoAddressError(error.errno, error.strerror) from None
        raise
    return sock
