"""A field that a command has set: which readings are shown until the cloud shows the command's value, or fails to.

Times are monotonic seconds.
"""

import enum
from dataclasses import dataclass

from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import is_number
from wallbox2mqtt.topics import payload


def same(one: Json, other: Json) -> bool:
    """Return whether two values are one to those who read the topic."""
    # nearly all of a document is as it was, and payloads take longer to make
    if type(one) is type(other) and isinstance(one, str | int) and one == other:
        return True
    return payload(one) == payload(other)


class HoldVerdict(enum.Enum):
    """What becomes of a value that is read of a field that a command has set."""

    SHOW = "show"
    KEEP = "keep what is shown"
    FAILED = "show it, the command had no effect"


@dataclass(slots=True)
class Hold:
    """A field that a command set and the cloud has not shown yet.

    ``old``: values that the cloud may still show, and until when they were true. ``command``: the one to answer if
    it turns out to have had no effect. ``over``: no later reading is held back.
    """

    intent: Json
    since: float
    old: list[tuple[Json, float]]
    command: QueuedCommand | None
    over: bool = False

    def judge(self, value: Json, begun: float, settle_s: float, *, confirms: bool) -> HoldVerdict:
        """Decide on a value; one that ``confirms`` comes from a read, not from the answer to another write."""
        settled = begun - self.since >= settle_s
        was_old, is_old = any(same(value, old) for old, _ in self.old), self.is_old(value, begun, settle_s)
        if same(value, self.intent):
            # an intent that was shown shortly before (32, 13, 32) may be that old value: it confirms nothing yet
            self.over = confirms and (settled or not is_old)
            return HoldVerdict.SHOW if confirms else HoldVerdict.KEEP
        if is_old and not settled:
            return HoldVerdict.KEEP
        # an old value that is shown because its own time is over may still turn out to be the end of this command
        self.over = settled or not was_old
        return HoldVerdict.FAILED if settled and was_old else HoldVerdict.SHOW

    def is_third(self, value: Json) -> bool:
        """Return whether a value is neither the commanded one nor one from before the command."""
        return not same(value, self.intent) and not any(same(value, old) for old, _ in self.old)

    def is_old(self, value: Json, begun: float, settle_s: float) -> bool:
        """Return whether a reading may show this value only because the cloud lags behind."""
        return any(same(value, old) and begun - until <= settle_s for old, until in self.old)


def is_less(one: Json, other: Json) -> bool:
    """Return whether both are numbers and the one is nearer to 0."""
    return is_number(one) and is_number(other) and abs(one) < abs(other)
