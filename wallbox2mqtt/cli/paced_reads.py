"""How a command asks the cloud: when the budget allows it, in turn with a bridge that runs."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud import Account, CloudResponse
from wallbox2mqtt.config import Config, find, load, state_dir
from wallbox2mqtt.errors import BudgetSpentError
from wallbox2mqtt.log import HIDDEN, setup
from wallbox2mqtt.storage import Storage

_LOOK_S = 1.0
"""Python hears a signal that comes just as a wait begins only at its end: Ctrl-C is not to take a minute."""


def configured(file: Path | None) -> tuple[Config, Path]:
    """Return the configuration, none of whose secrets the log will show, and the directory of the bridge's state.

    Raises:
        ConfigError: it is wrong.

    """
    config = load(find(file, os.environ), os.environ)
    setup("warning", os.environ)
    HIDDEN.keep(config.wallbox.email, config.wallbox.password.reveal())
    return config, state_dir(config, os.environ)


@contextmanager
def only_command(storage: Storage, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other command asks of the account, and keep others from it: all commands have one file of requests.

    ``say`` is told when this has to wait.
    """
    if not storage.lock("-commands"):
        say("another command asks of this account, waiting until it has ended")
        storage.lock("-commands", wait=True)
    try:
        yield
    finally:
        storage.unlock()


def pause(clock: Clock, seconds: float) -> None:
    """Wait so long."""
    condition, ends = threading.Condition(), clock.monotonic() + seconds
    with condition:
        while (left := ends - clock.monotonic()) > 0:
            clock.wait(condition, min(left, _LOOK_S))


class PacedReads:
    """The reads of one command, one after the other."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account, self._clock = account, clock

    @property
    def interval_s(self) -> float:
        """Seconds between two reads."""
        return self._account.reads.interval_s * (2 if self._account.reads.has_company else 1)

    def read(self, read: Callable[[], CloudResponse]) -> CloudResponse:
        """Wait until it may be read, and read it.

        Raises:
            CloudError: as the client does.

        """
        while True:
            self.wait(max(self._account.reads.ready_in_s(), self._account.tokens.wait_s()))
            try:
                return read()
            except BudgetSpentError as error:
                self.wait(error.ready_in_s)

    def wait(self, seconds: float) -> None:
        """Wait so long."""
        pause(self._clock, seconds)
