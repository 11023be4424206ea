"""What systemd is told: ready, how things stand, still alive, stopping. A datagram each; no library is needed."""

import logging
import os
import socket
from collections.abc import Mapping

_LOG = logging.getLogger(__name__)


class Notifier:
    """Speaks to systemd, where the environment names its socket; else says nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Restore the socket's name."""
        name = environ.get("NOTIFY_SOCKET", "")
        # a leading @ stands for the zero byte of an abstract socket
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._failed = False

    def tell(self, **states: str) -> None:
        """Send states, such as ``READY="1"``. Main must not wait for systemd, nor end because of it."""
        if not self._address:
            return
        message = "\n".join(f"{name}={' '.join(text.split())}" for name, text in states.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(0)
                sock.connect(self._address)
                sock.send(message.encode())
        except OSError as error:
            if not self._failed:
                _LOG.warning("systemd cannot be told error=%s", error.strerror)
            self._failed = True
        else:
            self._failed = False
