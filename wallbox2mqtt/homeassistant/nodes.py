"""Which node each device has: a level of its topics, and the beginning of its unique ids."""

import logging
from collections.abc import Sequence

from wallbox2mqtt.homeassistant.announced import BRIDGE, AnnouncedDevices
from wallbox2mqtt.homeassistant.holders import Holder, Holders
from wallbox2mqtt.homeassistant.messages import bridge_node, charger_node, checksum

_LOG = logging.getLogger(__name__)


class Nodes:
    """Chooses nodes. What a device had it keeps for good, unless another bridge has announced something there."""

    def __init__(self, devices: AnnouncedDevices, holders: Holders, base: str) -> None:
        """Choose for the bridge with this base topic."""
        self._devices, self._holders, self._base = devices, holders, base
        self._told: set[str] = set()

    def ask(self, charger_ids: Sequence[int]) -> None:
        """Ask who holds the nodes that these chargers may have, all at once."""
        self._holders.ask(node for charger_id in charger_ids for node in self._of_charger(charger_id))

    def of_bridge(self) -> str | None:
        """Return the bridge's node; None: it is not known yet."""
        node = bridge_node(self._base)
        return self._choose(BRIDGE, [node, f"{node}_{checksum(self._base)}"])

    def of_charger(self, charger_id: int) -> str | None:
        """Return a charger's node; None: it is not known yet."""
        plain, own = self._of_charger(charger_id)
        choices = [plain] if plain == own else [own]
        if self._holders.of(plain) is Holder.OURSELVES:
            choices.insert(0, plain)  # announced by an earlier version, and what was kept of it is lost
        spare = f"{charger_node(charger_id, self._base, named=True)}_{checksum(self._base)}"
        return self._choose(str(charger_id), [*choices, charger_node(charger_id, self._base, named=True), spare])

    def kept(self, charger_ids: Sequence[int]) -> set[str | None]:
        """Return the nodes that the bridge and these chargers have had."""
        return {self._devices.node_of(name) for name in (BRIDGE, *map(str, charger_ids))}

    def _of_charger(self, charger_id: int) -> tuple[str, str]:
        return charger_node(charger_id), charger_node(charger_id, self._base)

    def _choose(self, name: str, choices: Sequence[str]) -> str | None:
        """Return the first node that no other bridge holds, the one that the device had before all others."""
        kept = self._devices.node_of(name)
        for node in dict.fromkeys(choices if kept is None else [kept, *choices]):
            holder = self._holders.of(node)
            if holder is None:
                return None
            if holder is not Holder.ANOTHER:
                self._devices.keep_node(name, node)
                return node
            self._tell(name, node)
        return None

    def _tell(self, name: str, node: str) -> None:
        if node not in self._told:
            self._told.add(node)
            _LOG.warning(
                "another bridge has announced this device, it gets ids of its own device=%s node=%s", name, node
            )
