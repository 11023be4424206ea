"""Reading the cloud's documents: from any JSON to fields by key, by the catalogue's rows.

A document of the wrong shape raises; a known field of the wrong kind is left out and named; a field that
nobody knows is taken as it is, unless it is larger than any field can be.
"""

import enum
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wallbox2mqtt.catalogue import CONFIG, FIELDS, Field, Json
from wallbox2mqtt.catalogue.quantities import ImpossibleValueError, is_charger_id
from wallbox2mqtt.errors import BadAnswerError
from wallbox2mqtt.topics import BIDI, safe_part, to_json

_LOG = logging.getLogger(__name__)

_CONFIG_DATA = CONFIG.rstrip(".")
MAX_CHARGERS = 5000
"""More in a list are left out: a cloud gone mad could name 200,000 in one answer, and each of them costs memory."""
_DEEPEST = 20
"""Deeper levels become JSON text; the vendor's documents have four."""
LONGEST_KEY = 200
"""Characters, with all levels. Longer ones are left out before anything keeps them: a row of the catalogue has 30."""
LONGEST_TEXT = 64 * 1024
"""Characters of a value, a list as its JSON. A longer one is left out: nobody reads it, and it would be kept."""
LONGEST_KNOWN_TEXT = 255
"""Characters of a name, a version and the like; what is longer is cut: Home Assistant takes no longer state."""


class Origin(enum.Enum):
    """Which document a reading is of; the last two answer writes."""

    DETAIL = "detail"
    BASIC = "basic"
    SWEEP = "sweep"
    SCHEDULES = "schedules"
    PUT_CHARGER = "v2"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a document says of one charger.

    ``values``: by key; lists and empty objects as JSON text. ``wrong``: known fields of the wrong kind, with
    what was found. ``impossible``: the same of those whose value cannot be; it is None in ``values``.
    """

    values: dict[str, Json]
    wrong: dict[str, str] = field(default_factory=dict)
    impossible: dict[str, str] = field(default_factory=dict)
    origin: Origin = Origin.SWEEP

    @property
    def complete(self) -> bool:
        """Whether a key that such a document once had and that is missing now is unknown."""
        return self.origin in {Origin.DETAIL, Origin.BASIC, Origin.SCHEDULES}


@dataclass(frozen=True, slots=True)
class Listed:
    """One charger of the list of chargers."""

    charger_id: int
    name: str
    model: str
    reading: Reading


_SWEEP = {row.sweep: row for row in FIELDS.values() if row.sweep}
_V2 = {row.v2: row for row in FIELDS.values() if row.v2}
_CONFIG = {
    row.detail.removeprefix(CONFIG): row
    for row in FIELDS.values()
    if row.detail is not None and row.detail.startswith(CONFIG)
}
_NEGATIVE_AT = {row.key: row.negative_at for row in FIELDS.values() if row.negative_at is not None}
_PARENTS = {key.rpartition("/")[0] for key in FIELDS if "/" in key}
_PARENTS |= {parent.rpartition("/")[0] for parent in _PARENTS if "/" in parent}


_told: set[str] = set()


def _leave_out(key: str, why: str) -> None:
    """Say of a field that nobody knows that it is left out: once a run, because the next answer may have others."""
    if why not in _told:
        _told.add(why)
        _LOG.warning("left out an unknown field, and will not tell of others field=%r problem=%r", key[:60], why)


def _clean(value: Json) -> Json:
    """Return what every reader can take: no halves of characters, no controls of direction, no number without end."""
    match value:
        case str():
            return value if value.isascii() else BIDI.sub("", value).encode(errors="replace").decode()
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {str(_clean(name)): _clean(item) for name, item in value.items()}
        case float() if not math.isfinite(value):
            return None
    return value


def _clean_text(value: Json) -> Json:
    """Return the text of a known field, cut to what it can have."""
    text = _clean(value)
    if isinstance(text, str) and len(text) > LONGEST_KNOWN_TEXT:
        return text[: LONGEST_KNOWN_TEXT - 1] + "…"
    return text


def _take(reading: Reading, row: Field, value: Json) -> None:
    """Take a known field."""
    try:
        read = row.quantity.read(_clean_text(value) if isinstance(value, str) else value)
        if row.convert is not None:
            read = row.convert(read)
    except TypeError as error:
        reading.wrong[row.key] = str(error)
    except ImpossibleValueError as error:
        reading.impossible[row.key] = str(error)
        reading.values[row.key] = None
    else:
        _put(reading, row.key, read)


def _put(reading: Reading, key: str, value: Json) -> None:
    problem = f"longer than {LONGEST_TEXT} characters"
    try:
        clean = _clean(value)
        text = to_json(clean) if isinstance(clean, list | dict) else clean
        if not isinstance(text, str) or len(text) <= LONGEST_TEXT:
            reading.values[key] = text
            return
    except RecursionError:
        # what could just be read from JSON is too deep to be written as JSON
        problem = "nested too deeply"
    # only rows are named: otherwise every key that was ever made up would be remembered
    if key in FIELDS:
        reading.wrong[key] = problem
    else:
        _leave_out(key, problem)


def _walk(reading: Reading, node: Mapping[str, Json], prefix: str, *, depth: int = 0) -> None:
    """Take every value of an object, known or not."""
    for name, value in node.items():
        if len(prefix) + len(name) > LONGEST_KEY:
            _leave_out(prefix + name[:LONGEST_KEY], f"a name of more than {LONGEST_KEY} characters")
            continue
        key = prefix + safe_part(name, top=not prefix)
        # «locked+» or the like is not the known field whose topic it gets
        row = FIELDS.get(key) if key == prefix + name else None
        if row is not None:
            _take(reading, row, value)
        elif key in _PARENTS and not isinstance(value, dict):
            if value is not None:  # null makes the members of a known object unknown, all else is wrong
                problem = f"{key} is no object but {type(value).__name__}"
                reading.wrong.update({leaf: problem for leaf in FIELDS if leaf.startswith(f"{key}/")})
        elif isinstance(value, dict) and value and depth < _DEEPEST:
            _walk(reading, value, f"{key}/", depth=depth + 1)
        elif key not in reading.values:
            _put(reading, key, value)


def _signed(reading: Reading) -> Reading:
    """Make negative what flows the other way: the documents have magnitudes."""
    values = reading.values
    for key, (other, at) in _NEGATIVE_AT.items():
        number = values.get(key)
        if isinstance(number, int | float) and number > 0 and values.get(other) == at:
            values[key] = -number
    return reading


def read_detail(document: Json) -> Reading:
    """Read ``chargers/status/{id}``: every value, ``config_data`` lifted; a name in both places counts at the top.

    Raises:
        BadAnswerError: it is no object, its ``config_data`` is none, or it is another document altogether.

    """
    if not isinstance(document, dict):
        msg = f"the status is no object but {type(document).__name__}"
        raise BadAnswerError(msg)
    config = document.get(_CONFIG_DATA)
    if config is not None and not isinstance(config, dict):
        msg = f"config_data is no object but {type(config).__name__}"
        raise BadAnswerError(msg)
    top = {name: value for name, value in document.items() if name != _CONFIG_DATA}
    if top and config is None and not any(safe_part(name, top=True) in FIELDS for name in top):
        # each of them in a log: a name may have a megabyte
        msg = f"the answer is no status: {[name[:40] for name in sorted(top)[:5]]}"
        raise BadAnswerError(msg)
    reading = Reading({}, origin=Origin.DETAIL)
    _walk(reading, top, "")
    _walk(reading, {name: value for name, value in (config or {}).items() if name not in top}, "")
    return _signed(reading)


def _charger_data(document: Json) -> dict[str, Json] | None:
    data = document.get("data") if isinstance(document, dict) else None
    charger = data.get("chargerData") if isinstance(data, dict) else None
    return charger if isinstance(charger, dict) else None


def read_basic(document: Json) -> Reading:
    """Read ``v2/charger/{id}``: the values of ``chargerData`` below ``basic/``; its users are people.

    Raises:
        BadAnswerError: there is no ``chargerData``.

    """
    charger = _charger_data(document)
    if charger is None:
        msg = "the basic document has no data.chargerData"
        raise BadAnswerError(msg)
    reading = Reading({}, origin=Origin.BASIC)
    _walk(reading, charger, "basic/")
    return reading


def read_sweep(document: Json) -> list[Listed]:
    """Read ``v3/chargers/groups``: the chargers of all groups, each once, with the values that rows name.

    Raises:
        BadAnswerError: there is no list of groups.

    """
    result = document.get("result") if isinstance(document, dict) else None
    groups = result.get("groups") if isinstance(result, dict) else None
    if not isinstance(groups, list):
        msg = "the list of chargers has no result.groups"
        raise BadAnswerError(msg)
    listed: dict[int, Listed] = {}
    for charger in _chargers(groups):
        charger_id = charger.get("id")
        if is_charger_id(charger_id) and charger_id not in listed and len(listed) < MAX_CHARGERS:
            listed[charger_id] = _listed(charger_id, charger)
    return list(listed.values())


def _chargers(groups: list[Json]) -> Iterator[dict[str, Json]]:
    for group in groups:
        chargers = group.get("chargers") if isinstance(group, dict) else None
        for charger in chargers if isinstance(chargers, list) else []:
            if isinstance(charger, dict):
                yield charger


def _listed(charger_id: int, charger: dict[str, Json]) -> Listed:
    name, model = _clean_text(charger.get("name")), _clean_text(charger.get("chargerType"))
    return Listed(
        charger_id,
        name if isinstance(name, str) else "",
        model if isinstance(model, str) else "",
        _part(charger, _SWEEP, Origin.SWEEP),
    )


def _part(node: Mapping[str, Json], rows: Mapping[str, Field], origin: Origin) -> Reading:
    """Read only what has a row, at the row's path. Null is no news: the list has it where the detail has a value."""
    reading = Reading({}, origin=origin)
    for path, row in rows.items():
        value: Json = dict(node)
        for name in path.split("."):
            if not isinstance(value, dict) or name not in value:
                break
            value = value[name]
        else:
            if value is not None:
                _take(reading, row, value)
    return _signed(reading)


def read_answer(document: Json, form: str | None) -> Reading:
    """Read what a write's answer shows; ``form`` as the request's row names it. Anything else shows nothing."""
    if form == Origin.PUT_CHARGER.value and (charger := _charger_data(document)) is not None:
        reading = _part(charger, _V2, Origin.PUT_CHARGER)
        _walk(reading, charger, "basic/")
        return reading
    if form == Origin.CONFIG.value and isinstance(document, dict):
        # an answer under «data», as one public script has it, and the plain one that all others have
        inner = document.get("data")
        return _part(inner if isinstance(inner, dict) else document, _CONFIG, Origin.CONFIG)
    return Reading({})
