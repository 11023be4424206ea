"""Values become what is kept in ``state_dir``, and values again."""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from wallbox2mqtt.catalogue import Json

_T = TypeVar("_T")


def saved(value: object) -> Json:
    """Return a value as JSON has it. ``dataclasses.asdict`` takes 30 times as long, each second in a large fleet."""
    found: Json = msgspec.to_builtins(value)
    return found


def restored(kind: type[_T], kept: Json) -> _T:
    """Return what ``saved`` made of a value of this kind.

    Raises:
        ValueError: it has another form.

    """
    try:
        return msgspec.convert(kept, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def restored_list(kind: type[_T], kept: Json) -> Iterator[_T]:
    """Return those of a list that are of this kind; what has another form is left out."""
    for one in kept if isinstance(kept, list) else ():
        try:
            yield restored(kind, one)
        except ValueError:
            continue
