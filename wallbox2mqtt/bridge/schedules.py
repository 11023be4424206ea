"""What time does to schedules: the next one begins, the running one ends, and local time changes. Main calls it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.schedule_reads import ScheduleReads
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.slots import UTC_OFFSET, slots_in, upcoming
from wallbox2mqtt.catalogue.zones import offset_min
from wallbox2mqtt.clock import Clock, iso_utc
from wallbox2mqtt.cloud.documents import Origin, Reading

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What was worked out from which schedules, and until when that holds, in seconds since 1970."""

    schedules: Json
    offset: int
    until: float


class Schedules:
    """Follows the schedules of all chargers. One thread calls ``look``."""

    def __init__(self, states: ChargerStates, registry: Registry, reads: ScheduleReads, clock: Clock) -> None:
        self._states, self._registry, self._reads, self._clock = states, registry, reads, clock
        self._shown: dict[int, _Shown] = {}

    def look(self) -> None:
        """Look at each charger; called each second."""
        chargers = self._registry.chargers
        self._reads.keep_only(set(chargers))
        for charger_id in chargers:
            if self._states.has_detail(charger_id):
                self._reads.follow(charger_id, self._states.value(charger_id, "status_id"))
                self._look_at(charger_id)

    def _look_at(self, charger_id: int) -> None:
        before = self._states.value(charger_id, UTC_OFFSET)
        if not isinstance(before, int):
            return  # they were not read yet
        now = self._clock.wall()
        offset = offset_min({"timezone": self._states.value(charger_id, "timezone")}, now)
        if offset != before:
            self._move(charger_id, before, offset)
        schedules, shown = self._states.value(charger_id, "schedules"), self._shown.get(charger_id)
        if shown is None or (shown.schedules, shown.offset) != (schedules, offset) or now >= shown.until:
            self._shown[charger_id] = _Shown(schedules, offset, self._show(charger_id, offset, now))

    def _move(self, charger_id: int, before: int, offset: int) -> None:
        """Show the schedules by another local time: the cloud keeps them in UTC, and nobody has changed them there."""
        slots = slots_in(self._states.view(charger_id))
        values: dict[str, Json] = {UTC_OFFSET: offset}
        for slot in slots:
            values |= slot.shifted(offset - before).fields
        self._states.take_reading(charger_id, Reading(values, origin=Origin.SCHEDULES), self._clock.monotonic())
        if slots:
            what = "the charger's local time changed, its schedules are at the same time in UTC and shown at another"
            _LOG.warning("%s charger=%d by_min=%+d", what, charger_id, offset - before)

    def _show(self, charger_id: int, offset: int, now: float) -> float:
        """Show when the next one begins and ends; return until when that holds."""
        slots = [slot.shifted(-offset) for slot in slots_in(self._states.view(charger_id))]
        begins, ends = upcoming(slots, now)
        fields: Mapping[str, float | None] = {"schedule/next": begins, "schedule/ends": ends}
        for key, when in fields.items():
            self._states.show(charger_id, key, None if when is None else iso_utc(when))
        return min(when for when in (begins, ends, now + 86_400.0) if when is not None)
