"""What is checked on each connection before anything is published: whether another bridge is active by now."""

import time
from collections.abc import Callable
from typing import Protocol

from wallbox2mqtt.mqtt.limits import QOS

_STORED_S = 1.0
"""A broker that keeps a message on the topic has sent it this soon after the subscription."""


class PreludeListener(Protocol):
    """What decides. On paho's thread."""

    def hear(self, payload: bytes) -> bool:
        """Take what another client, or this one, has published on the topic; return whether to take what comes next."""

    def begin(self) -> str | None:
        """Return what to publish on the topic before all else, now that all that is stored was heard; None: end."""


class Prelude:
    """Listens to one topic, and lets the connection begin when it is known what the broker keeps there."""

    def __init__(self, topic: str, listener: PreludeListener, now: Callable[[], float] = time.monotonic) -> None:
        """Prepare for the first connection; ``now``: seconds that never jump."""
        self.topic, self._listener, self._now = topic, listener, now
        self.qos = QOS
        self._mid: int | None = None
        self._has_heard = self._is_over = False
        self._answered_at: float | None = None
        self._words: bytes | None = None
        self.is_lost = False
        """Whether another client does this one's work, so that nothing that comes is for this one."""

    def begin(self, mid: int | None, qos: int = QOS) -> None:
        """Start anew with a connection; ``mid``: of the packet that subscribes to the topic, at ``qos``."""
        self.qos, self._mid, self._answered_at, self._words = qos, mid, None, None
        self._has_heard = self._is_over = False

    @property
    def unanswered(self) -> str | None:
        """The topic, while the broker owes the answer to the subscription."""
        return self.topic if self._mid is not None else None

    def answered(self, mid: int) -> bool:
        """Record the broker's answer to a subscription; return whether it was this one's."""
        if mid != self._mid:
            return False
        self._mid, self._answered_at = None, self._now()
        return True

    def heard(self, payload: bytes) -> bool:
        """Hand on what came on the topic; return whether what came before it on this connection is somebody else's.

        The broker delivers in one order to all: what comes before the first words come back was not for this one.
        """
        self._has_heard = True
        self.is_lost = not self._listener.hear(payload) or self.is_lost
        is_first = self._words is not None and (payload == self._words or self.is_lost)
        if is_first:
            self._words = None
        return is_first

    def first_words(self) -> str | None:
        """Return, once a connection, what to publish on the topic before the rest of it begins; None: not now."""
        if self._is_over or self._answered_at is None:
            return None
        if not self._has_heard and self._now() - self._answered_at < _STORED_S:
            return None
        self._is_over = True
        words = self._listener.begin()
        self._words = None if words is None else words.encode()
        return words
