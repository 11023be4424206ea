"""Reading a charger's schedules: from the cloud's slots in UTC to fields in the charger's local time."""

import logging

from wallbox2mqtt.catalogue import FIELDS, Json
from wallbox2mqtt.catalogue.quantities import ImpossibleValueError
from wallbox2mqtt.catalogue.slots import DAYS, MOST_SLOTS, PARTS, UTC_OFFSET, Slot, key_of, minutes_of
from wallbox2mqtt.cloud.documents import Origin, Reading
from wallbox2mqtt.errors import BadAnswerError

_LOG = logging.getLogger(__name__)


def read_schedules(document: Json, offset_min: int) -> Reading:
    """Read ``chargers/{id}/schedules``; an invalid slot is left out, and named.

    A slot without an id has the number of its position.

    Args:
        document: the answer.
        offset_min: minutes by which the charger's local time is ahead of UTC.

    Raises:
        BadAnswerError: it has no list of schedules.

    """
    slots = document.get("schedules") if isinstance(document, dict) else None
    if not isinstance(slots, list):
        msg = "the answer has no list of schedules"
        raise BadAnswerError(msg)
    values: dict[str, Json] = {UTC_OFFSET: offset_min}
    wrong: dict[str, str] = {}
    for position, wire in enumerate(slots):
        number = wire.get("id", position) if isinstance(wire, dict) else position
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < MOST_SLOTS:
            _LOG.warning("left out a schedule id=%.20r problem='its id is none from 0 to %d'", number, MOST_SLOTS - 1)
            continue
        try:
            values |= _slot(number, wire).shifted(offset_min).fields
        except ValueError as error:
            wrong |= {key_of(number, part): str(error) for part in PARTS}
    return Reading(values, wrong, origin=Origin.SCHEDULES)


def _slot(number: int, wire: Json) -> Slot:
    """Return a slot as the cloud has it.

    Raises:
        ValueError: it is invalid.

    """
    found = wire if isinstance(wire, dict) else {}
    match found:
        case {"enable": bool() | 0 | 1 as enabled, "start": str(start), "stop": str(stop), "days": dict(days)}:
            named = frozenset(day for day, name in enumerate(DAYS) if days.get(name) == 1)
            times = minutes_of(start), minutes_of(stop)
            current, energy = found.get("max_current"), found.get("max_energy")
            return Slot(number, enabled == 1, *times, named, *_numbers(number, current, energy))
    msg = f"found {str(wire)[:80]}, expected enable, start, stop and days"
    raise ValueError(msg)


def _numbers(number: int, current: Json, energy: Json) -> tuple[Json, Json]:
    try:
        read = [FIELDS[key_of(number, "current")].quantity.read(current)]
        read.append(FIELDS[key_of(number, "energy")].quantity.read(energy))
    except (TypeError, ImpossibleValueError) as error:
        msg = f"max_current or max_energy: {error}"
        raise ValueError(msg) from None
    return read[0], read[1]
