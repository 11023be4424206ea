"""The tree at the top of the module is the tree of the classes."""

import inspect
import re
from collections.abc import Iterator

import pytest

from wallbox2mqtt import errors


def drawn() -> Iterator[tuple[str, int]]:
    """The classes of the drawing, each with its depth."""
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines()[1:]:
        if match := re.match(r"([ │├└─]*)(\w+Error)\b", line):
            yield match[2], len(match[1]) // 4


def actual(error: type[Exception], depth: int = 0) -> Iterator[tuple[str, int]]:
    yield error.__name__, depth
    for child in error.__subclasses__():
        yield from actual(child, depth + 1)


def test_the_drawing_is_the_tree() -> None:
    base = min(depth for _, depth in drawn())
    assert [(name, depth - base) for name, depth in drawn()] == list(actual(errors.Wallbox2MqttError))


def reasons(error: type[errors.CloudError]) -> set[str]:
    return {error.reason}.union(*(reasons(kind) for kind in error.__subclasses__()))


def test_the_reasons_are_those_of_the_errors() -> None:
    assert set(errors.CLOUD_REASONS) == {"ok", "no_chargers", *reasons(errors.CloudError)}


@pytest.mark.parametrize("name", [name for name, _ in drawn()][1:])
def test_each_says_when_it_is_raised(name: str) -> None:
    assert (getattr(errors, name).__doc__ or "").startswith("Raised ")
