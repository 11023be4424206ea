"""The first line of the audit trail: who signed in, how, and for which chargers. Each command has one of its own."""

import logging

from wallbox2mqtt import __version__
from wallbox2mqtt.bridge.shared import Shared

_LOG = logging.getLogger(__name__)

_MOST_TOLD = 20
"""So many chargers are told by their ids."""


class SignInReport:
    """Tells once, when the first reading shows that the cloud serves us."""

    def __init__(self, email: str, shared: Shared) -> None:
        self._email, self._shared = email, shared
        self._is_told = False

    def tell(self) -> None:
        """Write the line, the first time."""
        if self._is_told:
            return
        self._is_told = True
        tokens, chargers = self._shared.tokens, self._shared.registry.chargers
        ids = ",".join(map(str, chargers[:_MOST_TOLD])) + (",…" if len(chargers) > _MOST_TOLD else "")
        text = "signed in version=%s account=%s by=%r way=%s chargers=%s count=%d"
        _LOG.info(text, __version__, masked(self._email), tokens.by, tokens.way, ids or "none", len(chargers))


def masked(email: str) -> str:
    """Return what tells an account from the operator's others, and nobody else whose it is: ``y***@e***.org``."""
    name, _, host = email.partition("@")
    domain, dot, ending = host.rpartition(".")
    first = (domain or host)[:1]
    return f"{name[:1]}***@{first}***{dot}{ending if dot else ''}"
