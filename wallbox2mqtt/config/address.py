"""Where the bridge listens: an address of this machine and a port, as ``web.listen`` has them."""

from ipaddress import IPv4Address, IPv6Address, ip_address

_LARGEST_PORT = 65_535

LISTEN = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(%[^\s\]]+)?\])?:\d{1,5}$"
"""``127.0.0.1:8080``, ``[::1]:8080``, ``localhost:8080``, ``:8080`` for all addresses."""


def listen_address(text: str) -> tuple[str, int]:
    """Return host (empty: all addresses) and port of a text of the form ``LISTEN``.

    Raises:
        ValueError: it is no address, or there is no such port.

    """
    host, _, digits = text.rpartition(":")
    port = int(digits)
    if not 0 < port <= _LARGEST_PORT:
        raise ValueError
    if host.startswith("["):
        return str(IPv6Address(host[1:-1])), port
    if host and not host.strip("0123456789."):
        return str(IPv4Address(host)), port
    return host, port


def checked_listen(text: str) -> str:
    """Return the text if it is an address and a port.

    Raises:
        ValueError: it is not.

    """
    listen_address(text)
    return text


def checked_addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return IP addresses as a socket tells them.

    Raises:
        ValueError: one is none.

    """
    return tuple(str(ip_address(text)) for text in texts)
