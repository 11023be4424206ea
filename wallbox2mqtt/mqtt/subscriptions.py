"""What the broker is to deliver: asked for on each connection, and again where it is refused. On paho's thread."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wallbox2mqtt.mqtt.limits import QOS

FIRST_WAIT_S, LONGEST_WAIT_S = 10.0, 300.0
SOON_S = 2.0
"""The first wait where the filter was granted before: a cluster that has lost a node refuses it for some seconds."""
_RECOVERY_WAIT_S = 64.0
ENDED = "the broker ended the connection"


class Subscriptions:
    """Asks for filters; those that the broker refuses are asked for again, after 2 or 10 s, doubling to 5 minutes.

    One that was granted before is asked for at QoS 0 first, at once: NATS keeps a consumer in several nodes for each
    subscription of QoS 1, and refuses one in three of them as long as a node is missing.
    """

    def __init__(
        self, subscribe: Callable[[Sequence[str], int], int | None], now: Callable[[], float] = time.monotonic
    ) -> None:
        """Start without a connection; ``subscribe`` sends a packet with filters and a QoS, and returns its number."""
        self._subscribe, self._now = subscribe, now
        self.qos = QOS
        """At which the next filter is asked for."""
        self._asked: dict[int, tuple[Sequence[str], int]] = {}
        self._groups: deque[Sequence[str]] = deque()
        self._is_first_round = self._in_turn = False
        self._denied: dict[str, str] = {}
        self._granted: set[str] = set()
        self._wait_s, self._due = FIRST_WAIT_S, 0.0

    @property
    def denied(self) -> Mapping[str, str]:
        """The filters that are refused, with the broker's words."""
        return dict(self._denied)

    @property
    def is_recovering(self) -> bool:
        """Whether filters are refused that may be granted soon; after about a minute no longer. For any thread."""
        return bool(self._denied) and self._wait_s <= _RECOVERY_WAIT_S

    def has_granted(self, name: str | None) -> bool:
        """Return whether the broker has granted a filter before, on this connection or another one."""
        return name in self._granted

    @property
    def unanswered(self) -> str | None:
        """A filter of the first round that waits for its answer; the first of those that were asked for at once."""
        if not self._is_first_round or not self._asked:
            return None
        return next(iter(self._asked.values()))[0][0]

    def begin(self, groups: Sequence[Sequence[str]], *, in_turn: bool, flaps: bool = False) -> None:
        """Ask for everything.

        Args:
            groups: the filters of each packet.
            in_turn: the next group only when the last one was answered.
            flaps: the last connection did not last, so this one goes on at its QoS.

        """
        self.qos = self.qos if flaps else QOS
        ended = {name for name, reason in self._denied.items() if reason == ENDED and self._now() < self._due}
        self._denied = dict.fromkeys(sorted(ended), ENDED)
        wanted = [[name for name in group if name not in ended] for group in groups]
        self._groups, self._asked = deque(group for group in wanted if group), {}
        self._is_first_round, self._in_turn = True, in_turn
        self._go_on()

    def _go_on(self) -> None:
        while self._groups and not (self._in_turn and self._asked):
            self.ask(self._groups.popleft())

    def ask(self, names: Sequence[str], qos: int | None = None) -> int | None:
        """Ask for some filters at once; return the packet's number."""
        qos = self.qos if qos is None else qos
        if (mid := self._subscribe(names, qos)) is not None:
            self._asked[mid] = names, qos
        return mid

    def answered(self, mid: int, reasons: Sequence[Any]) -> bool:
        """Record the broker's answer; return whether it was the last one of the first round."""
        names, qos = self._asked.pop(mid, ((), 0))
        at_qos_0 = []
        for name, reason in zip(names, reasons, strict=False):
            if not reason.is_failure:
                self._denied.pop(name, None)
                self._granted.add(name)
            elif qos and name in self._granted and name not in self._denied:
                at_qos_0.append(name)
            else:
                if name in self._granted and not self._denied:
                    self._wait_s, self._due = SOON_S, self._now()
                if not qos:
                    self.qos = QOS  # that was not the reason
                self._deny(name, f"{reason} (0x{reason.value:02X})")
        if at_qos_0:
            self.qos = 0
            self.ask(at_qos_0)
        if not self._denied:
            self._wait_s = FIRST_WAIT_S
        self._go_on()
        if self._asked or not self._is_first_round:
            return False
        self._is_first_round = False
        return True

    def ended_by(self, name: str) -> None:
        """Record that the broker ends the connection when it is asked for this filter."""
        self._deny(name, ENDED)

    def _deny(self, name: str, reason: str) -> None:
        if self._now() >= self._due:
            self._due = self._now() + self._wait_s
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        self._denied[name] = reason

    def turn(self) -> None:
        """Ask again for what was refused, when it is time."""
        if self._denied and not self._asked and not self._is_first_round and self._now() >= self._due:
            self._due = self._now() + self._wait_s
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
            for name in list(self._denied):
                self.ask([name])
