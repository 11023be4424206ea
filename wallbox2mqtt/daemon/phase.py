"""When in its interval a process reads: many that were started together must not ask the cloud in step.

The first read comes at once. Each of the next ones comes a little later than the interval says, until the phase is
that of the account: between nothing and a whole interval, by its hash.
"""

import hashlib

STEPS = 10
"""So many intervals are stretched, each by a tenth at most."""


class ReadPhase:
    """Stretches the first intervals. Main calls it."""

    def __init__(self, account: str) -> None:
        digest = hashlib.sha256(account.encode()).digest()
        self._share = int.from_bytes(digest[:4]) / 2**32
        self._left = STEPS

    def stretched(self, interval_s: float) -> float:
        """Return the seconds from the last tick to the next one."""
        return interval_s * (1 + self._share / STEPS) if self._left else interval_s

    def record_tick(self) -> None:
        """Record that an interval has passed."""
        self._left = max(0, self._left - 1)
