"""How much may be on its way to the broker at once."""

import threading

_MAX_OPEN, _WAIT_S = 500, 0.5


class Flow:
    """Counts what the broker has not acknowledged yet."""

    def __init__(self) -> None:
        """Begin with nothing open."""
        self._condition = threading.Condition()
        self._open, self._stalled = 0, False

    def wait(self) -> None:
        """Wait while too many are open; after a wait in vain no more until the broker goes on."""
        with self._condition:
            if self._open >= _MAX_OPEN and not self._stalled:
                self._stalled = not self._condition.wait_for(lambda: self._open < _MAX_OPEN, _WAIT_S)

    def sent(self) -> None:
        """Count a message that goes out."""
        with self._condition:
            self._open += 1

    def acknowledged(self) -> None:
        """Count one that the broker has taken."""
        with self._condition:
            self._open, self._stalled = max(0, self._open - 1), False
            if self._open == _MAX_OPEN - 1:
                self._condition.notify_all()

    def restart(self) -> None:
        """Begin anew with a new connection."""
        with self._condition:
            self._open, self._stalled = 0, False
            self._condition.notify_all()
