"""A charger as other parts see it, and a few questions about its fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from wallbox2mqtt.bridge.field_sets import MULTI_SOURCE
from wallbox2mqtt.catalogue import FIELDS, Json

STALE_S = 15 * 60.0
"""A charger whose last sync is older than this, by the cloud's own clock, is out of touch."""

_LEAST_FALL = 0.1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A charger as its newest documents show it, without what they no longer have.

    ``lost``: fields that became unknown after the first detail, as they were last. ``has_basic``, ``has_schedules``:
    whether its basic document and its schedules have been read since the start.
    """

    values: Mapping[str, Json]
    lost: Mapping[str, Json]
    has_basic: bool
    has_schedules: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A charger as it is shown. Times are those at which a reading began.

    ``read_at``: of the fields that were read; what the bridge itself says has none. ``newest``: of the newest reading.
    """

    values: Mapping[str, Json]
    read_at: Mapping[str, float]
    availability: str | None
    newest: float | None


def timestamp_key(key: str) -> str:
    """Return the name that a reading's time is kept under: the field's, or that of the one document which has it."""
    return key if key in MULTI_SOURCE else "basic" if key.startswith("basic/") else ""


def is_own(key: str) -> bool:
    """Return whether the bridge itself says it, and no document."""
    return key not in FIELDS or FIELDS[key].recorded or FIELDS[key].told


def falls_a_little(before: Json, value: Json) -> bool:
    """Return whether a sum falls by less than a tenth: no new beginning, and Home Assistant takes it for an error."""
    if not isinstance(before, int | float) or not isinstance(value, int | float):
        return False
    return before * (1 - _LEAST_FALL) <= value < before


def is_stale(last_sync: Json, server_time: float | None) -> bool:
    """Return whether a last sync (ISO 8601) is too long ago for the server's time (since 1970); unknown is no."""
    if not isinstance(last_sync, str) or server_time is None:
        return False
    return server_time - datetime.fromisoformat(last_sync).timestamp() > STALE_S
