"""The forms of texts and numbers that keys have: what each accepts, and what becomes of it."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

_MQTT_MAX_BYTES = _LARGEST_PORT = 65_535
_LISTEN = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(%[^\s\]]+)?\])?:\d{1,5}$"
"""``127.0.0.1:8080``, ``[::1]:8080``, ``localhost:8080``, ``:8080`` for all addresses."""


def listen_address(text: str) -> tuple[str, int]:
    """Return host (empty: all addresses) and port of a text such as ``web.listen`` has.

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


def _checked_listen(text: str) -> str:
    listen_address(text)
    return text


def _checked_addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(ip_address(text)) for text in texts)  # as a socket tells them


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.port == 0:  # .port itself raises ValueError above 65535
        raise ValueError
    return url.rstrip("/")


def _fits_mqtt(text: str) -> str:
    if len(text.encode()) > _MQTT_MAX_BYTES:
        raise ValueError
    return text


def _with_ports(text: str) -> str:
    if any(not 0 < port <= _LARGEST_PORT for _, port in (broker_of(one.strip(), 1) for one in text.split(","))):
        raise ValueError
    return text


def broker_of(text: str, port: int) -> tuple[str, int]:
    """Return host and port of ``a``, ``a:1884``, ``[::1]:1884`` or ``::1``."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest[1:] or port)
    host, colon, own = text.rpartition(":")
    return (host, int(own)) if colon and ":" not in host else (text, port)


def _without_repetitions(ids: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(ids))


# ``extra`` is ours: "accepts" puts into words what a pattern says, "then" is what becomes of a value that fits,
# with a ValueError for what a pattern cannot express. Bounds and choices are put into words by keys.py.
Positive = Annotated[float, Meta(gt=0)]
ChargerIds = Annotated[tuple[Annotated[int, Meta(ge=1, le=2**63 - 1)], ...], Meta(extra={"then": _without_repetitions})]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Email = Annotated[str, Meta(pattern=r"^[^:\s]+$", extra={"accepts": "an e-mail address"})]
MqttText = Annotated[str, Meta(min_length=1, extra={"then": _fits_mqtt})]
_NAME, _PORT, _ADDRESS = r"[^\s/@:,\[\]]+", r"(:\d{1,5})?", r"[^\s/@:,\[\]]*(:[^\s/@:,\[\]]*){2,}"
_BROKER = rf"({_NAME}{_PORT}|{_ADDRESS}|\[{_ADDRESS}\]{_PORT})"
Hosts = Annotated[
    str,
    Meta(
        pattern=rf"^({_NAME}|{_ADDRESS}|\[{_ADDRESS}\]{_PORT}|{_BROKER}(\s*,\s*{_BROKER})+)$",
        extra={
            "then": _with_ports,
            "joins": ",",
            "accepts": "a host name or an address, without scheme and port, or a list of them",
        },
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#@\\]+(/[^\s?#@\\]*)?$",
        extra={"then": _checked_url, "accepts": "an http:// or https:// address without user, query and fragment"},
    ),
]
BaseTopic = Annotated[
    str,
    Meta(
        pattern=r"^(?!\$)[^/+#]+(/[^/+#]+)*$",
        extra={
            "then": _fits_mqtt,
            "accepts": "topic levels with / between them, none empty, without + # and leading $",
        },
    ),
]
PriceTopic = Annotated[
    str,
    Meta(
        pattern=r"^(?!.*/set$)[^+#]+$",
        extra={"then": _fits_mqtt, "accepts": "a topic without + and #, and none of commands (…/set)"},
    ),
]
Alpn = Annotated[
    str,
    Meta(
        pattern=r"^[!-+\--~]{1,255}(\s*,\s*[!-+\--~]{1,255})*$",
        extra={"joins": ",", "accepts": "the name of a protocol, or a list of them"},
    ),
]
Listen = Annotated[
    str,
    Meta(
        pattern=_LISTEN,
        extra={
            "then": _checked_listen,
            "accepts": "an address and a port, such as 127.0.0.1:8080, [::1]:8080, or :8080 for all addresses",
        },
    ),
]
Addresses = Annotated[
    tuple[str, ...],
    Meta(extra={"then": _checked_addresses, "accepts": "a list in [], each item an IP address"}),
]
UrlPath = Annotated[str, Meta(pattern=r"^/\S*$", extra={"accepts": "a path that begins with /"})]
