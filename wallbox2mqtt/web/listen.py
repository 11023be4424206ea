"""The socket that listens, on one address of this machine or on all."""

import contextlib
import errno
import socket

_BACKLOG = 128


def listen(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens. An empty host: all addresses of this machine, those of IPv6 too where it has some.

    Raises:
        OSError: the address is in use, not of this machine, or not ours to use.

    """
    host, port = address
    if not host and socket.has_dualstack_ipv6():
        with contextlib.suppress(_NoAddressError):
            return _listening(socket.AF_INET6, ("::", port), is_dual=True)
    found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)  # noqa: S104 - as configured
    family, _, _, _, where = found[0]
    return _listening(family, where, is_dual=False)


class _NoAddressError(OSError):
    """Raised when this machine has no such address."""


def _listening(family: int, where: tuple[str | int, ...] | tuple[int, bytes], *, is_dual: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
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
