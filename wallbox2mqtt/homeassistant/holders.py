"""Who has announced a node, as the messages show that the broker keeps on its topics.

Two bridges on one broker may see the same charger. Neither overwrites or clears what the other has announced.
"""

import enum
import math
import re
from collections.abc import Iterable, Sequence

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.homeassistant.messages import MIGRATE, ORIGIN, bridge_node
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.topics import Topics, to_json

_WAIT_S, _LONGEST_S = 1.0, 10.0
"""What a broker keeps comes at once, that of a fleet one after the other; for who keeps nothing waiting has an end."""
_VIA = re.compile(r'"via_device"\s*:\s*"([^"]*)"')
_ORIGIN = re.compile(rf'"origin"\s*:\s*{{[^}}]*"name"\s*:\s*"{ORIGIN["name"]}"')
_STATE = re.compile(r'"(?:[^"\\]|\\.)*/bridge/state"')


class Holder(enum.Enum):
    """Who has announced a node."""

    NOBODY = "nobody"
    OURSELVES = "ourselves"
    ANOTHER = "another"


class Holders:
    """Looks up who holds a node, once in each connection. The main thread calls all of this."""

    def __init__(self, mqtt: MqttConnection, prefixes: Sequence[str], topics: Topics, clock: Clock) -> None:
        """Start without knowing anything; ``prefixes``: of discovery, the present one and earlier ones."""
        self._mqtt, self._prefixes, self._clock = mqtt, prefixes, clock
        self._scale = 1 / clock.real_s(1)  # the broker is no faster where the program's time is
        self._heard = -math.inf
        self._state, self._bridge = to_json(topics.state), bridge_node(topics.base)
        self._asked: dict[str, float] = {}
        self._listening: set[str] = set()
        self._found: dict[tuple[str, str], Holder] = {}

    def forget(self) -> None:
        """Forget everything: the connection is a new one, and perhaps the broker."""
        self._asked.clear()
        self._listening.clear()
        self._found.clear()
        self._heard = -math.inf

    def ask(self, nodes: Iterable[str]) -> None:
        """Ask the broker for what it keeps on the topics of these nodes, where that was not done before."""
        new = [node for node in dict.fromkeys(nodes) if node not in self._asked]
        if new:
            self._asked |= dict.fromkeys(new, self._clock.monotonic())
            self._listening.update(new)
            self._mqtt.listen(self._filters(new))

    def of(self, node: str, prefix: str | None = None) -> Holder | None:
        """Return who holds a node, with the prefix that counts or with another; None: it is not known yet."""
        self.ask([node])
        place = (self._prefixes[0] if prefix is None else prefix, node)
        # with several prefixes what is found first is not all that there may be
        if (place not in self._found or len(self._prefixes) > 1) and not self._is_answered(node):
            return None
        return self._found.get(place, Holder.NOBODY)

    def leave(self) -> None:
        """Unsubscribe from what has been answered: what is published later is not looked at."""
        done = {node for node in self._listening if self._is_answered(node)}
        if done:
            self._listening -= done
            self._mqtt.leave(self._filters(sorted(done)))

    def _is_answered(self, node: str) -> bool:
        """Return whether the broker has told what it keeps: nothing has come for a while, or too much for too long."""
        now, asked = self._clock.monotonic(), self._asked[node]
        return now - max(asked, self._heard) >= _WAIT_S * self._scale or now - asked >= _LONGEST_S * self._scale

    def _filters(self, nodes: Iterable[str]) -> list[str]:
        levels = [level for node in nodes for level in (f"device/{node}", f"+/{node}/+")]
        return [f"{prefix}/{level}/config" for prefix in self._prefixes for level in levels]

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take a message on a topic of discovery; its beginning is enough."""
        if retained:
            self._heard = self._clock.monotonic()
        text = payload.decode(errors="replace")
        for prefix in self._prefixes:
            if not topic.startswith(f"{prefix}/") or text in {"", MIGRATE}:
                continue
            _, _, rest = topic.removeprefix(f"{prefix}/").partition("/")  # behind the platform
            if (node := rest.partition("/")[0]) in self._listening:
                self._found[prefix, node] = Holder.OURSELVES if self._is_ours(text) else Holder.ANOTHER

    def _is_ours(self, text: str) -> bool:
        """Return whether an announcement is this bridge's: it names the bridge's state, else its device."""
        if states := _STATE.findall(text):
            return self._state in states
        via = _VIA.search(text)
        return via is not None and via[1] == self._bridge and _ORIGIN.search(text) is not None
