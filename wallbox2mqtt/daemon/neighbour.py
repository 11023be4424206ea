"""Whether another process on this machine serves the same account, from whatever directory and as whatever user.

A name in Linux' abstract sockets tells: the kernel gives it to one process at a time and takes it back at its end.
Containers have sockets of their own. See ``docs/adr/0076``.
"""

import hashlib
import logging
import socket
from errno import EADDRINUSE

_LOG = logging.getLogger(__name__)

TWICE = (
    "another process on this machine serves the same account, with a state_dir of its own: the two spend the account's "
    "budget twice, and the cloud may refuse both; one process serves all chargers of an account"
)


def warn_of_another(account: str) -> socket.socket:
    """Take the account's name until what is returned is closed, and say where another process has it."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        sock.bind(f"\0wallbox2mqtt-{hashlib.sha256(account.encode()).hexdigest()[:12]}")
    except OSError as error:  # where there are no such names nothing can be told
        if error.errno == EADDRINUSE:
            _LOG.warning("%s", TWICE)
    return sock
