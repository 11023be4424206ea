"""Encryption on the way to the broker, and how its failures are explained."""

import contextlib
import os
import socket
import ssl
import time
from pathlib import Path

from wallbox2mqtt.clock import iso_utc
from wallbox2mqtt.config import TlsConfig
from wallbox2mqtt.errors import ConfigError
from wallbox2mqtt.mqtt.endpoints import BrokerAddress

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name."""
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING")
_PLAIN = "no secure connection: the port does not speak TLS, which is mostly at 8883; or mqtt.tls.enabled: false"
_LOOK_S = 3.0


def tls_context(tls: TlsConfig) -> ssl.SSLContext:
    """Return a context that verifies, TLS 1.2 or newer.

    Raises:
        ConfigError: a file cannot be used.

    """
    try:
        context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        msg = f"mqtt.tls.ca_file: {tls.ca_file} cannot be used ({error.strerror or error})"
        raise ConfigError(msg) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # from Python 3.13 on the default: it refuses authorities as mosquitto's own manual makes them
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if tls.alpn is not None:
        context.set_alpn_protocols([name.strip() for name in tls.alpn.split(",")])
    if tls.cert_file is not None:
        try:
            context.load_cert_chain(str(tls.cert_file), str(tls.key_file) if tls.key_file else None)
        except (OSError, ssl.SSLError) as error:
            msg = f"mqtt.tls.cert_file, mqtt.tls.key_file: they cannot be used ({error.strerror or error})"
            raise ConfigError(msg) from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def words_of(error: OSError, endpoint: BrokerAddress | None, context: ssl.SSLContext | None = None) -> str:
    """Return why there is no connection, and what to do.

    Args:
        error: as it was raised.
        endpoint: where we wanted to connect.
        context: with which; the times of the certificate are looked up with it.

    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted: {_mistrust(error, endpoint, context)}"
    if isinstance(error, ssl.SSLError):
        if (error.reason or "") in _NOT_TLS:
            return _PLAIN
        return f"no secure connection: {error.reason or 'TLS failed'}"
    if context is not None and isinstance(error, ConnectionResetError):
        return _PLAIN  # a plain port ends who begins with TLS
    return f"unreachable: {error.strerror or str(error) or type(error).__name__}"


def _mistrust(
    error: ssl.SSLCertVerificationError, endpoint: BrokerAddress | None, context: ssl.SSLContext | None
) -> str:
    code = error.verify_code
    if code in {_OTHER_NAME, _OTHER_ADDRESS}:
        return f"{error.verify_message.rstrip('.')}; set mqtt.host to a name in the certificate"
    if code in {_NOT_YET, _EXPIRED}:
        times = _times(endpoint, context) if endpoint is not None and context is not None else ""
        return f"{error.verify_message}{times}; this machine's clock says {iso_utc(time.time())}"
    if code in _UNKNOWN_AUTHORITY:
        file = os.environ.get("SSL_CERT_FILE")
        missing = f" SSL_CERT_FILE names {file}, which is not there;" if file and not Path(file).exists() else ""
        return f"{error.verify_message};{missing} name its authority in mqtt.tls.ca_file"
    return error.verify_message


def _times(endpoint: BrokerAddress, context: ssl.SSLContext) -> str:
    """Return from when to when the certificate holds, read over a connection that checks all but that."""
    flags = context.verify_flags
    with contextlib.suppress(OSError, ValueError):
        context.verify_flags = ssl.VerifyFlags(flags | _NO_CHECK_TIME)
        try:
            with (
                socket.create_connection((endpoint.address, endpoint.port), _LOOK_S) as plain,
                context.wrap_socket(plain, server_hostname=endpoint.host) as secure,
            ):
                found = secure.getpeercert() or {}
                return f" (it holds from {found.get('notBefore')} to {found.get('notAfter')})"
        finally:
            context.verify_flags = flags
    return ""
