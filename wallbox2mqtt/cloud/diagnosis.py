"""Why there is no connection, in words for the person who has to fix it: which host, and what is wrong.

The libraries' own texts are not shown: they may hold a header, or the proxy's password.
"""

import errno
import logging
import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from wallbox2mqtt.clock import Clock, iso_utc
from wallbox2mqtt.cloud.requests_alone import requests
from wallbox2mqtt.cloud.transport import CA_VARIABLES
from wallbox2mqtt.log import RepeatedFault

_LOG = logging.getLogger(__name__)

_EARLIEST = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
"""A clock that says less than this was never set."""
_WRONG_S = 86_400.0
"""A clock that is off by so much is wrong, whatever the time zone."""
_LOOK_S = 5.0
_EXPIRED, _NOT_YET, _NAMES = 10, 9, frozenset({62, 64})
"""OpenSSL's numbers of what is wrong with a certificate."""
_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name."""


def causes(error: object) -> Iterator[BaseException]:
    """Return an error and those that it was made of; the libraries pack them into one another."""
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
        error = next((one for one in inner if isinstance(one, BaseException)), None)


def clock_words(wall: float) -> str:
    """Say what this machine's clock says, and what to do where it was never set."""
    advice = ": set it (NTP)" if wall < _EARLIEST else ""
    return f"this machine's clock says {iso_utc(max(0.0, wall))}{advice}"


class ClockCheck:
    """Compares this machine's clock with the cloud's, by the ``Date`` of its responses. Any thread may call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fault = RepeatedFault(_LOG, "this machine's clock is wrong", "this machine's clock is right", clock)
        self.error: str | None = None
        """What is wrong with this machine's clock, in words."""

    def compare(self, server_time: float | None) -> None:
        """Record the cloud's time of a response that has just come, seconds since 1970."""
        wall = self._clock.wall()
        if server_time is None:
            return
        if abs(server_time - wall) <= _WRONG_S:
            self.error = None
            self._fault.ended()
        else:
            self.error = f"{clock_words(wall)}, the cloud says {iso_utc(server_time)}"
            self._fault.occurs("clock", f"error={self.error!r}")


def why_not_connected(error: Exception, url: str, wall: float) -> str:
    """Say why there is no connection to a URL's host; ``wall``: what this machine's clock says, since 1970."""
    found = list(causes(error))
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if (unusable := _unusable_authorities()) is not None:
        return unusable
    for one in found:
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"no secure connection: {_certificate(one, url, wall, is_direct=proxy is None)}"
    where = _place(url) if proxy is None else f"the proxy {_place(proxy)}, which the environment names"
    if isinstance(found[-1], ssl.SSLError) or any(isinstance(one, urllib3.exceptions.SSLError) for one in found):
        return f"no secure connection: TLS failed with {_place(url)}, which may not speak it"
    if (status := re.search(r"Tunnel connection failed: (\d{3})", str(error))) is not None:
        return f"no connection to {where}: it answered {status[1]} to the request for {_place(url)}"
    return f"no connection to {where}: {_network(found)}"


def _network(found: list[BaseException]) -> str:
    if any(isinstance(one, urllib3.exceptions.NameResolutionError | socket.gaierror) for one in found):
        return "its name is not known (DNS): check this machine's resolver, and how the name is written"
    number = next((one.errno for one in found if isinstance(one, OSError) and isinstance(one.errno, int)), None)
    match number:
        case errno.ECONNREFUSED:
            return "it refuses the connection: nothing listens there, or a firewall says no"
        case errno.ENETUNREACH | errno.EHOSTUNREACH | errno.ENETDOWN:
            return f"there is no way to it ({os.strerror(number)}): check this machine's network"
        case int():
            return os.strerror(number)
    return type(found[-1]).__name__


def _certificate(error: ssl.SSLCertVerificationError, url: str, wall: float, *, is_direct: bool) -> str:
    place = _place(url)
    if error.verify_code in {_EXPIRED, _NOT_YET}:
        state = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
        dates = _validity(url) if is_direct else None
        good = f", it is good from {iso_utc(dates[0])} to {iso_utc(dates[1])}" if dates is not None else ""
        return f"the certificate of {place} {state}{good}; {clock_words(wall)}"
    if error.verify_code in _NAMES:
        return f"the certificate is not that of {place}: something else answers in its place, or the address is wrong"
    return (
        f"the certificate is not trusted, of {place} ({error.verify_message}): "
        "where something on the way looks into TLS, name its authority in SSL_CERT_FILE"
    )


def _validity(url: str) -> tuple[float, float] | None:
    """Look at the certificate once more, whatever the time: the one that was refused is not shown to us."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    context = _context()
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    with (
        suppress(OSError, ValueError, KeyError),
        socket.create_connection((host, parts.port or 443), _LOOK_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as sock,
    ):
        found = sock.getpeercert() or {}
        return ssl.cert_time_to_seconds(str(found["notBefore"])), ssl.cert_time_to_seconds(str(found["notAfter"]))
    return None


def _place(url: str) -> str:
    """Return host and port of a URL, and nothing else of it."""
    parts = urlsplit(url)
    with suppress(ValueError):
        if parts.port is not None:
            return f"{parts.hostname}:{parts.port}"
    return str(parts.hostname)


def _unusable_authorities() -> str | None:
    """Say which variable names certificate authorities that cannot be used, if one does."""
    if (name := next(filter(os.environ.get, CA_VARIABLES), None)) is None:
        return None
    try:
        _context()
    except ssl.SSLError:
        return f"no secure connection: {name} is {os.environ[name]}, which holds no certificates"
    except OSError as error:
        return f"no secure connection: {name} is {os.environ[name]}, which cannot be read: {error.strerror}"
    return None


def _context() -> ssl.SSLContext:
    """Return one that trusts whom requests trusts."""
    path = next(filter(None, map(os.environ.get, CA_VARIABLES)), requests.utils.DEFAULT_CA_BUNDLE_PATH)
    if Path(path).is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
