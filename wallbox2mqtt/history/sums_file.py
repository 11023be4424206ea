"""Where sums and sessions are kept: with each reading, and all the same seldom on the disk, which may be an SD card.

Where there is a runtime directory, what a reading changed is kept in memory there, which outlives the process and not
the machine. On the disk it is kept when something happens (a session begins, pauses, ends), every hour, and at the
end; without a runtime directory also when a counter grew. See ``docs/adr/0077``.
"""

import math

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.storage import Storage, number

EACH_S = 3600.0
_NAME = "sessions"
_SERIAL = "serial"


class SumsFile:
    """The file and its newer copy in memory. One thread calls."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        """Find out where there is a runtime directory."""
        self._disk, self._clock = storage, clock
        self._memory = None if storage.runtime is None else storage.elsewhere(storage.runtime)
        self._serial, self._written = 0, -math.inf
        self._is_on_disk = True

    def read(self) -> dict[str, Json]:
        """Return what was kept last."""
        copies = [store.read(_NAME) for store in (self._disk, self._memory) if store is not None]
        newest = max(copies, key=lambda copy: number(copy, _SERIAL))
        self._serial = int(number(newest, _SERIAL))
        return newest

    def write(self, content: dict[str, Json], *, grew: bool, happened: bool) -> None:
        """Keep this.

        Args:
            content: all of it.
            grew: whether a counter did, or more than the times of the last reading is new.
            happened: whether more than a counter is new.

        """
        self._serial += 1
        in_memory = self._memory is not None and self._memory.write(_NAME, {**content, _SERIAL: self._serial})
        is_due = self._clock.monotonic() - self._written >= EACH_S
        self._is_on_disk = happened or is_due or (grew and not in_memory)
        if self._is_on_disk:
            self._write_through(content)

    def _write_through(self, content: dict[str, Json]) -> None:
        self._disk.write(_NAME, {**content, _SERIAL: self._serial}, durable=True)
        self._written = self._clock.monotonic()

    def close(self, content: dict[str, Json]) -> None:
        """Keep all of it on the disk, where only memory has it yet: the program ends in order."""
        if not self._is_on_disk:
            self._write_through(content)
        if self._memory is not None:
            self._memory.discard(_NAME)
