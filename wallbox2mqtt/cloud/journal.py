"""Where a budget keeps the times of its requests, which change each minute and must not be lost unnoticed.

In the runtime directory where there is one: a reboot or a crash takes it away, and ``state_dir``, which keeps its path,
shows that something is missing. Without one in ``state_dir``, written through to the disk.
"""

from pathlib import Path

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.storage import StateError, Storage

_RUNTIME = "runtime"
"""The key of the directory in which a file is really kept."""


def place_of(name: str, storage: Storage) -> Storage:
    """Return where a journal is really kept.

    Raises:
        StateError: what ``state_dir`` says of it cannot be used.

    """
    path = (storage.load(name) or {}).get(_RUNTIME)
    return storage.elsewhere(Path(path)) if isinstance(path, str) else storage


class Journal:
    """One file. ``load`` it once, before the first ``write``."""

    def __init__(self, name: str, storage: Storage, *, is_expected: bool = True) -> None:
        """Name the file; ``is_expected``: it is there where anything of the account is."""
        self._name, self._storage, self._is_expected = name, storage, is_expected
        self._active = storage
        self.is_new = storage.is_new

    def load(self) -> dict[str, Json] | None:
        """Return what was written last; None where this account is new, or the file is not expected.

        Raises:
            StateError: that is lost, or cannot be used.

        """
        place = place_of(self._name, self._storage)
        if (kept := place.load(self._name)) is not None:
            self._active = place
        elif place is not self._storage:  # of a process that runs, or of one that did not end in order
            msg = "they were in memory, and the program or the machine did not end in order"
            raise StateError(msg)
        elif self._is_expected and not self._storage.is_new:
            msg = "the file is missing, although the account is known"
            raise StateError(msg)
        return kept

    def open(self, content: dict[str, Json]) -> bool:
        """Write the first content, from now on into the runtime directory where there is one; return whether it is.

        Power may fail after each step: what ``state_dir`` says is never older than what it points to.
        """
        runtime = self._storage.runtime
        if runtime is not None:
            self._active = self._storage.elsewhere(runtime)
        if self._active is not self._storage:
            path: dict[str, Json] = {_RUNTIME: str(self._active.directory)}
            if self._active.write(self._name, content) and self._storage.write(self._name, path, durable=True):
                return True
            self._active = self._storage
        return self.write(content, durable=True)

    def write(self, content: dict[str, Json], *, durable: bool) -> bool:
        """Write this; return whether it is kept. What is old is removed where it is not: a missing file is noticed."""
        kept = self._active.write(self._name, content, durable=durable and self._active is self._storage)
        if not kept:
            self._active.discard(self._name)
        return kept

    def close(self, content: dict[str, Json]) -> None:
        """Write the last content to ``state_dir``: the program ends in order."""
        if self._storage.write(self._name, content, durable=True) and self._active is not self._storage:
            self._active.discard(self._name)
