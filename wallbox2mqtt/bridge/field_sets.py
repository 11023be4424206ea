"""Sets of fields that the state treats alike, worked out from the rows."""

from wallbox2mqtt.catalogue import CONFIG, FIELDS

DERIVED_OF: dict[str, list[str]] = {}
for _row in FIELDS.values():
    for _source in _row.sources:
        DERIVED_OF.setdefault(_source, []).append(_row.key)
"""The derived fields by each field from which they are worked out."""

MULTI_SOURCE = frozenset(
    row.key
    for row in FIELDS.values()
    if row.sweep
    or row.v2
    or row.derive is not None
    or row.recorded
    or (row.detail or "").startswith(CONFIG)
    or row.slot is not None
)
"""Fields that more than one document shows: only of them is remembered each by itself when they were read."""

COMPARED = frozenset(row.key for row in FIELDS.values() if row.sweep or row.v2)
"""Fields in which two documents that are read may disagree for long."""

STATES = tuple(row.key for row in FIELDS.values() if row.has_state)
"""Fields that have a topic of their own."""

HELD = frozenset(
    {row.key for row in FIELDS.values() if row.command is not None and row.has_state and row.command.shows}
    | {row.key for row in FIELDS.values() if row.config is not None}
)
"""Fields that a command can set: only of them is remembered what was shown before."""

MEASUREMENTS = frozenset(row.key for row in FIELDS.values() if row.quantity.state_class is not None)
"""That one of them has another value makes no charger another one to those who announce it."""

TOTALS = frozenset(row.key for row in FIELDS.values() if row.quantity.state_class == "total_increasing")
"""Sums that only grow until they begin anew."""
