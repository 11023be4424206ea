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


class AccountName:
    """The account's name on this machine."""

    def __init__(self, account: str) -> None:
        """Work out the name, which does not tell the account."""
        self._name = f"\0wallbox2mqtt-{hashlib.sha256(account.encode()).hexdigest()[:12]}"
        self._socket: socket.socket | None = None

    def take(self) -> bool:
        """Take the name until the process ends; return whether nobody else has it. Where there are no names: True."""
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.bind(self._name)
        except OSError as error:
            return error.errno != EADDRINUSE
        return True

    def release(self) -> None:
        """Release the name to the next process."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def warn_of_another(account: str) -> AccountName:
    """Take the account's name and say where another process has it; return the name, to keep it."""
    name = AccountName(account)
    if not name.take():
        _LOG.warning("%s", TWICE)
    return name
