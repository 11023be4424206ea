"""How many reads a minute the account allows: as configured, or found out where the configuration says ``auto``.

The vendor announced three, some accounts are held to one. ``auto`` begins at one, tries two and then three after six
hours each without a refusal, and goes back for a day or longer when it is refused. Kept in ``state_dir``.
"""

import logging
import math
import threading
from typing import Literal

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.budget import Budget
from wallbox2mqtt.storage import Storage, age_s, number

_LOG = logging.getLogger(__name__)

MOST = 3
"""Reads a minute that the vendor announced; never more are tried."""
PROBATION_S = 6 * 3600.0
DAY_S = 86_400.0
_LONGEST_HOLD = 7
_LONG_ACCEPTED_S = DAY_S
"""A refusal at a pace that was accepted for so long comes from another client of the account."""
_SAVE_EACH_S = 3600.0
ANOTHER_CLIENT = "reads are refused at a pace that was accepted for days: another client uses this account"
_FILE = "rate"


class ReadRate:
    """Sets the budget of reads. The reader records what becomes of its reads; any thread may ask."""

    def __init__(
        self, per_minute: float | Literal["auto"], wish_s: float, budget: Budget, clock: Clock, store: Storage
    ) -> None:
        """Restore what was found out; otherwise start at one read a minute.

        ``wish_s``: the configured interval between reads; a rate that it does not use is not tried.
        """
        self._wish_s, self._budget, self._clock, self._storage = wish_s, budget, clock, store
        self._lock = threading.Lock()
        self._pace = self._proven = 1
        # fixed, or what is told would change by a second now and then
        self._offset = clock.wall() - clock.monotonic()
        self._holds = 0
        self._quiet_since = self._hold_until = self._saved = clock.monotonic()
        self._last_refusal: float | None = None
        self.is_shared = False
        self.configure(per_minute)

    def configure(self, per_minute: float | Literal["auto"]) -> None:
        """Keep to this pace from now on, or begin to find it out where the last time ended."""
        with self._lock:
            self.is_auto = per_minute == "auto"
            # the highest pace whose interval poll_interval does not make longer than that of the pace below
            self._most = min(MOST, math.ceil(60 / self._wish_s)) if self.is_auto else 1
            if per_minute == "auto":
                self._restore(self._storage.read(_FILE))
                per_minute = self._pace
            self._budget.set_per_minute(per_minute)

    @property
    def cap(self) -> int | None:
        """The most reads a minute that poll_interval leaves to ``auto``; None where it leaves all."""
        return self._most if self.is_auto and self._most < MOST else None

    @property
    def next_try(self) -> float | None:
        """When a higher pace is tried, seconds since 1970; None where none will be."""
        with self._lock:
            if not self.is_auto or self._pace >= self._most:
                return None
            return self._offset + self._next_try()

    def _next_try(self) -> float:
        return max(self._quiet_since + PROBATION_S, self._hold_until)

    @property
    def last_refusal(self) -> float | None:
        """When reads were last refused as too many, seconds since 1970; None: never."""
        with self._lock:
            return self._last_refusal

    @property
    def is_on_trial(self) -> bool:
        """Whether the present pace has not been accepted for six hours yet, so that a refusal is its fault."""
        with self._lock:
            return self.is_auto and self._pace > self._proven

    def record_success(self) -> None:
        """Record an accepted read; after six hours of them the next pace is tried."""
        if not self.is_auto:
            return
        with self._lock:
            now = self._clock.monotonic()
            if now - self._quiet_since >= PROBATION_S and self._pace > self._proven:
                self._proven, self._holds = self._pace, 0
            if now - self._quiet_since >= _LONG_ACCEPTED_S:
                self.is_shared = False
            if self._pace < self._most and now >= self._next_try():
                self._set(self._pace + 1)
            elif now - self._saved >= _SAVE_EACH_S:
                self._keep()

    def record_refusal(self) -> bool:
        """Record that reads were refused as too many; return whether that made the pace slower."""
        with self._lock:
            now = self._clock.monotonic()
            self._last_refusal = self._clock.wall()
            if not self.is_auto:
                return False
            refused, lasted = self._pace, now - self._quiet_since
            self.is_shared = self.is_shared or (refused <= self._proven and lasted >= _LONG_ACCEPTED_S)
            self._holds = min(self._holds + 1, _LONGEST_HOLD) if refused > 1 else max(self._holds, 1)
            self._hold_until = max(self._hold_until, now + self._holds * DAY_S)
            self._quiet_since = now
            self._proven = min(self._proven, max(1, refused - 1))
            self._set(max(1, refused - 1))
            if self.is_shared:
                _LOG.warning("%s reads_per_minute=%d", ANOTHER_CLIENT, refused)
            return self._pace < refused

    def close(self) -> None:
        """Keep what was found out: the program ends in order."""
        with self._lock:
            if self.is_auto:
                self._keep()

    def _set(self, pace: int) -> None:
        if pace != self._pace:
            self._quiet_since = self._clock.monotonic()
            _LOG.info("reads a minute from=%d to=%d", self._pace, pace)
        self._pace = pace
        self._budget.set_per_minute(pace)
        self._keep()

    def found(self) -> dict[str, Json]:
        """Return what was found out, as another one can ``adopt`` it."""
        with self._lock:
            return self._found()

    def adopt(self, found: dict[str, Json]) -> None:
        """Go on from what another one has found out, where this one is to find it out, too."""
        with self._lock:
            if not self.is_auto:
                return
            self._restore(found)
            self._budget.set_per_minute(self._pace)
            self._keep()

    def _found(self) -> dict[str, Json]:
        now = self._clock.monotonic()
        return {
            "pace": self._pace,
            "proven": self._proven,
            "holds": self._holds,
            "quiet_s": round(now - self._quiet_since),
            "hold_s": round(max(0.0, self._hold_until - now)),
            "last_refusal": self._last_refusal,
            "is_shared": self.is_shared,
        }

    def _keep(self) -> None:
        self._saved = self._clock.monotonic()
        self._storage.write(_FILE, {"saved": self._clock.wall(), **self._found()})

    def _restore(self, kept: dict[str, Json]) -> None:
        now = self._clock.monotonic()
        self._pace = int(min(max(number(kept, "pace", 1), 1), self._most))
        self._proven = int(min(max(number(kept, "proven", 1), 1), self._most))
        self._holds = int(min(max(number(kept, "holds"), 0), _LONGEST_HOLD))
        # the time without the bridge is no time without a refusal, but a hold runs on
        self._quiet_since = now - min(max(number(kept, "quiet_s"), 0), 30 * DAY_S)
        hold_s = min(max(number(kept, "hold_s"), 0), _LONGEST_HOLD * DAY_S)
        self._hold_until = now + hold_s - age_s(kept, self._clock.wall())
        self._last_refusal = number(kept, "last_refusal") or None
        self.is_shared = kept.get("is_shared") is True
