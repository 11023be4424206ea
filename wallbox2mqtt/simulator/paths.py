"""Values in documents by dotted path; documents are never changed, only replaced."""

import math
from collections.abc import Mapping
from typing import TypeAlias, TypeGuard

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""Anything that a JSON parser returns."""

Document = Mapping[str, Json]
"""A JSON object. Nobody changes one in place, so that a state of the past stays what it was."""


def get(document: Document, path: str) -> Json:
    """Return the value at a path, None where there is none."""
    value: Json | Document = document
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value  # type: ignore[return-value]  # a Mapping only while it is the whole document


def has(document: Document, path: str) -> bool:
    """Return whether there is something at a path, null included."""
    head, _, last = path.rpartition(".")
    home = get(document, head) if head else document
    return isinstance(home, dict) and last in home


def put(document: Document, path: str, value: Json) -> Document:
    """Return the document with another value at a path; objects on the way are made where they are missing."""
    first, _, rest = path.partition(".")
    if not rest:
        return {**document, first: value}
    inner = document.get(first)
    return {**document, first: dict(put(inner if isinstance(inner, dict) else {}, rest, value))}


def update(document: Document, values: Mapping[str, Json]) -> Document:
    """Return the document with other values at these paths."""
    for path, value in values.items():
        document = put(document, path, value)
    return document


def update_known(document: Document, values: Mapping[str, Json]) -> Document:
    """Return the document with other values at those of these paths that it has."""
    return update(document, {path: value for path, value in values.items() if has(document, path)})


def drop(document: Document, path: str) -> Document:
    """Return the document without a path."""
    first, _, rest = path.partition(".")
    if not rest:
        return {key: value for key, value in document.items() if key != first}
    inner = document.get(first)
    return {**document, first: dict(drop(inner, rest))} if isinstance(inner, dict) else document


def number(document: Document, path: str, default: float = 0.0) -> float:
    """Return the number at a path, the default where there is none."""
    value = get(document, path)
    return value if is_number(value) else default


def is_number(value: Json) -> TypeGuard[int | float]:
    """Return whether a value is a number that JSON can have."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
