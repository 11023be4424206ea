"""Extra status reads: by the API document's PUT without a body, from writes that no command needs.

The cloud counts such a PUT as a write. Where one is refused, they are off for a day, restarts included. See
``docs/adr/0067``.
"""

import logging
import math

from wallbox2mqtt.bridge.readings import show
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud import CloudClient
from wallbox2mqtt.cloud.budget import MINUTE_S
from wallbox2mqtt.cloud.documents import Origin, read_answer
from wallbox2mqtt.errors import (
    BadAnswerError,
    BudgetSpentError,
    CloudError,
    ForbiddenError,
    RateLimitedError,
    RequestRefusedError,
)
from wallbox2mqtt.storage import Storage, age_s, number

_LOG = logging.getLogger(__name__)

FREE_FOR_COMMANDS = 3
"""So many writes of any minute stay free for commands."""
_OFF_S = 86_400.0
_FILE = "status_reads"
_ACCOUNT = 0
"""The key of what holds for all chargers, which have numbers from 1."""


class StatusReads:
    """Sends extra status reads, each halfway between two reads. The reader's thread; others may look."""

    def __init__(self, per_minute: int, shared: Shared, cloud: CloudClient, store: Storage) -> None:
        """Restore what was refused within the last day; ``per_minute``: as configured, 0 to 3."""
        self._shared, self._clock, self._cloud, self._storage = shared, shared.clock, cloud, store
        self.set_per_minute(per_minute)
        self._last = -math.inf
        self._last_of: dict[int, float] = {}
        kept = store.read(_FILE)
        self._off_until = self._restored(kept.get("off"), age_s(kept, self._clock.wall()))
        # fixed, or what is told would change by a second now and then
        self._offset = self._clock.wall() - self._clock.monotonic()

    def set_per_minute(self, per_minute: int) -> None:
        """Send at most so many per minute from now on, as far as the budget of writes allows."""
        writes = self._shared.writes
        possible = max(0, writes.limit - FREE_FOR_COMMANDS) if writes.window_s <= MINUTE_S else 0
        self._most = min(per_minute, possible)

    def _restored(self, off: Json, age: float) -> dict[int, float]:
        items = off if isinstance(off, dict) else {}
        now = self._clock.monotonic()
        return {
            int(key): now + min(max(number(items, key), 0), _OFF_S) - age
            for key in items
            if key.isdecimal() and len(key) < 20  # noqa: PLR2004 - no id is longer
        }

    @property
    def per_minute(self) -> int:
        """How many a minute there are at present: none after a refusal."""
        return self._most if self._may(_ACCOUNT) else 0

    @property
    def again_at(self) -> float | None:
        """When they are tried again after a refusal, seconds since 1970; None where they are not off for one."""
        return None if self._may(_ACCOUNT) else self._offset + self._off_until[_ACCOUNT]

    def _may(self, key: int) -> bool:
        return self._clock.monotonic() >= self._off_until.get(key, -math.inf)

    def step(self, read_begun: float, interval_s: float) -> float:
        """Send one if it is due; return the seconds until the next may be, infinity where nobody knows."""
        tokens, each = self._shared.tokens, self.per_minute  # main may set another one meanwhile
        if not each or len(self._shared.queue) or tokens.wait_s() > 0 or tokens.spends_a_write():
            return math.inf
        if (wait := self._wait_s(read_begun, interval_s, MINUTE_S / each)) > 0:
            return wait
        if (charger_id := self._most_wanted()) is None:
            return math.inf
        self._read(charger_id)
        return 0.0

    def _wait_s(self, read_begun: float, interval_s: float, each_s: float) -> float:
        between = max(1, round(interval_s / each_s))
        due = max(max(read_begun, self._last) + interval_s / (between + 1), self._last + each_s)
        return max(due - self._clock.monotonic(), self._shared.writes.ready_in_s(FREE_FOR_COMMANDS))

    def _most_wanted(self) -> int | None:
        """Return the only charger, else of those with a car, charging or just commanded the most overdue one."""
        chargers = self._shared.registry.readable
        allowed = [charger for charger in chargers if self._may(charger)]
        if len(chargers) == 1:
            return allowed[0] if allowed else None
        scores = {charger: self._overdue(charger) for charger in allowed}
        best = max(scores, key=lambda charger: scores[charger], default=None)
        return best if best is not None and scores[best] > 0 else None

    def _overdue(self, charger_id: int) -> float:
        has_car = self._shared.states.value(charger_id, "car_connected") is True
        weight = self._shared.planner.weight(charger_id)
        if weight <= 1.0 and not has_car:
            return 0.0
        return min(self._clock.monotonic() - self._last_of.get(charger_id, -math.inf), 1e9) * weight

    def _read(self, charger_id: int) -> None:
        self._last = self._last_of[charger_id] = self._clock.monotonic()
        try:
            answer = self._cloud.status(charger_id)
            reading = read_answer(answer.body, Origin.PUT_CHARGER.value)
            if not reading.values:
                msg = "the answer to a status read shows nothing"
                raise BadAnswerError(msg, answer.http_status)
        except BudgetSpentError:
            return
        except CloudError as error:
            self._record_failure(charger_id, error)
            return
        self._shared.planner.record_basic(charger_id)
        show(self._shared, charger_id, reading, answer)

    def _record_failure(self, charger_id: int, error: CloudError) -> None:
        """Turn them off for a day after a refusal: for this charger after 403, for all after two such or any other."""
        match error:
            case ForbiddenError() | BadAnswerError():
                others = [one for one in self._off_until if one not in {_ACCOUNT, charger_id} and not self._may(one)]
                which = [charger_id, _ACCOUNT] if others else [charger_id]
            case RateLimitedError() | RequestRefusedError():
                which = [_ACCOUNT]
            case _:
                _LOG.debug("a status read failed charger=%d error=%r", charger_id, str(error))
                return
        now = self._clock.monotonic()
        self._off_until |= dict.fromkeys(which, now + _OFF_S)
        off: dict[str, Json] = {str(one): until - now for one, until in self._off_until.items() if until > now}
        self._storage.write(_FILE, {"saved": self._clock.wall(), "off": off})
        whose = "of all chargers" if _ACCOUNT in which else f"of charger {charger_id}"
        _LOG.warning("no extra status reads %s for a day, one was refused error=%r", whose, str(error))
