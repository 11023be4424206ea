"""``topics``: the tables of topics and commands, worked out from the catalogue."""

import argparse
from collections.abc import Iterable, Sequence

from wallbox2mqtt.catalogue import FIELDS, Field, parse, request_of
from wallbox2mqtt.errors import EXIT_OK, InvalidPayloadError
from wallbox2mqtt.topics import payload, to_json

_SHOWN_ID = "{id}"


def run(_: argparse.Namespace) -> int:
    """Print the tables; return the exit code."""
    print(topic_table(), command_table(), sep="\n\n")
    return EXIT_OK


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def topic_table(*, rare: bool = True) -> str:
    """Return the table of fields in Markdown; without ``rare``, only those that people look at every day."""
    rows = [
        (f"`{row.shown_key}`", row.meaning, _unit(row), f"`{payload(row.example)}`", _sources(row))
        for row in FIELDS.values()
        if row.has_state and (rare or row.enabled) and _is_shown(row)
    ]
    return _table(("topic below `wallbox/<id>/`", "meaning", "unit", "example", "from"), rows)


def _is_shown(row: Field) -> bool:
    """Return whether the tables have a row: all schedules have the same."""
    return row.slot in {None, 0}


def _unit(row: Field) -> str:
    # the charger's own currency, which only discovery can name
    return (row.quantity.unit or "").format(currency="currency")


def _sources(row: Field) -> str:
    homes = [("detail", row.detail), ("list", row.sweep), ("basic", row.basic)]
    if row.slot is not None or row.key == "schedules":
        return "`chargers/{id}/schedules`"
    if row.recorded:
        return "worked out from the schedules" if row.key.startswith("schedule/") else "summed up from the sessions"
    if row.told:
        return "all that is known of the charger"
    named = [f"{name} `{path}`" for name, path in homes if path]
    return ", ".join(named) if named else "worked out from " + ", ".join(f"`{source}`" for source in row.sources)


def command_table() -> str:
    """Return the table of commands in Markdown."""
    rows = [
        (f"`{row.shown_key}/set`", row.meaning, row.command.payload.accepts({}), _request(row))
        for row in FIELDS.values()
        if row.command is not None and _is_shown(row)
    ]
    return _table(("topic below `wallbox/<id>/`", "what it is", "accepts", "request at the cloud"), rows)


def _request(row: Field) -> str:
    """Return a request as it goes out for the row's example, so that the table shows what is sent."""
    if row.command is None or row.command.request is None:
        return "a read of the charger"
    view = {known.key: known.example for known in FIELDS.values()} | {"software/updateAvailable": True}
    for text in (payload(row.example), "on", "install"):
        try:
            sending = request_of(parse(row, text, view, frozenset()), view)
        except InvalidPayloadError:
            continue
        if sending is not None:
            request, body = sending
            return f"`{request.method} {request.path.format(id=_SHOWN_ID)}` `{to_json(body)}`"
    msg = f"row {row.key!r}: none of the examples is accepted"
    raise ValueError(msg)
