"""A text that must not be shown."""

from typing import Never


class Secret:
    """A text that is not shown by accident: only ``reveal`` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        """Three stars, also for ``str()``."""
        return "***"

    def __format__(self, spec: str) -> str:
        """Three stars, whatever width or precision is asked for."""
        return "***"

    def __eq__(self, other: object) -> bool:
        """Equal to a secret of the same text, and never to the text."""
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        """Follows ``__eq__``."""
        return hash((Secret, self._value))

    def __reduce__(self) -> Never:
        """Refuse to be pickled: the text would leave the process in clear."""
        message = "a Secret cannot be pickled"
        raise TypeError(message)
