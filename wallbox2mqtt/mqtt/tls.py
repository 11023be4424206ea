"""Encryption on the way to the broker."""

import ssl

from wallbox2mqtt.config import TlsConfig
from wallbox2mqtt.errors import ConfigError


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
