"""What was kept in ``state_dir`` becomes values again."""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from wallbox2mqtt.catalogue import Json

_T = TypeVar("_T")


def restored(kind: type[_T], kept: Json) -> _T:
    """Return what ``asdict`` made of a value of this kind.

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
