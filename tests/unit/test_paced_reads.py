"""How a command waits for the budget."""

import threading

from tests.fakes import FakeClock
from wallbox2mqtt.cli.paced_reads import pause


class PassingClock(FakeClock):
    """Each wait takes as long as it may."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, condition: threading.Condition, timeout: float | None) -> bool:
        del condition
        self.waits.append(timeout)
        self._monotonic += timeout or 0.0
        return False


def test_ctrl_c_is_looked_for_each_second() -> None:
    clock = PassingClock()
    pause(clock, 60.5)
    assert clock.waits == [1.0] * 60 + [0.5]
