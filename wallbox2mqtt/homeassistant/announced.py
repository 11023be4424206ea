"""What the broker keeps of our announcements: kept per account and base topic, so that it can be taken back.

Leaving something out of an announcement removes nothing from Home Assistant.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.homeassistant.messages import topics_of
from wallbox2mqtt.storage import Storage

_FILE = "discovery"
_FORMS = ("device", "entity")
BRIDGE = "bridge"
"""The name of the bridge's own device; a charger's is its number."""


@dataclass(frozen=True, slots=True)
class Announced:
    """How the broker has a device.

    ``components``: their platforms by id; ``model``: empty is unknown; ``moving``: the other form may stand, too;
    ``language``: of its names and options.
    """

    prefix: str
    form: str
    components: Mapping[str, str]
    model: str
    moving: bool = False
    language: str = "en"

    def topics(self, node: str, form: str | None = None) -> list[str]:
        """Return the topics on which it may stand, of all forms or of one."""
        forms = [form] if form is not None else _FORMS if self.moving else [self.form]
        return [topic for one in forms for topic in topics_of(self.prefix, one, node, self.components)]


class AnnouncedDevices:
    """The devices by node, and which node each has: for good, because Home Assistant cannot rename a unique id."""

    def __init__(self, storage: Storage, base: str) -> None:
        """Restore what this account's bridge with this base topic has announced."""
        self._storage, self._base = storage, base
        kept = storage.read(_FILE).get(base)
        self._devices = _devices(kept)
        self._nodes = _nodes(kept, self._devices)
        self._has_changed = False

    def __iter__(self) -> Iterator[str]:
        """Return the nodes under which something stands at the broker."""
        return iter(list(self._devices))

    def get(self, node: str) -> Announced | None:
        """Return how a device stands there; None: it does not."""
        return self._devices.get(node)

    def put(self, node: str, announced: Announced | None) -> None:
        """Record how a device stands there, or that it does not; ``write`` keeps it."""
        if self._devices.get(node) == announced:
            return
        if announced is None:
            del self._devices[node]
        else:
            self._devices[node] = self._sharing(announced)
        self._has_changed = True

    def node_of(self, name: str) -> str | None:
        """Return the node that a device has had, perhaps long ago."""
        return self._nodes.get(name)

    def keep_node(self, name: str, node: str) -> None:
        """Record the node of a device; ``write`` keeps it."""
        if self._nodes.get(name) != node:
            self._nodes[name] = node
            self._has_changed = True

    def write(self) -> None:
        """Keep what has changed: for all devices of a look at once, since the file has the whole fleet."""
        if not self._has_changed:
            return
        self._has_changed = False
        # another base topic of this account, before or beside this one, has an entry of its own
        self._storage.write(_FILE, {**self._storage.read(_FILE), self._base: _kept(self._devices, self._nodes)})

    def _sharing(self, new: Announced) -> Announced:
        """Let a device share its components with another of the same kind: a fleet has hundreds of few kinds."""
        same = (one.components for one in self._devices.values() if one.components == new.components)
        return replace(new, components=next(same, new.components))


def _kept(devices: Mapping[str, Announced], nodes: Mapping[str, str]) -> dict[str, Json]:
    """Return what is kept: the components of each kind of device once, and each device with the number of its kind."""
    numbers: dict[int, int] = {}
    kinds: list[Json] = []
    kept: dict[str, dict[str, Json]] = {}
    for node, one in devices.items():
        if id(one.components) not in numbers:
            numbers[id(one.components)] = len(kinds)
            kinds.append(dict(one.components))
        number = numbers[id(one.components)]
        kept[node] = {"prefix": one.prefix, "form": one.form, "kind": number, "model": one.model}
        kept[node] |= {"moving": one.moving, "language": one.language}
    return {"kinds": kinds, "devices": dict(kept), "nodes": dict(nodes)}


def _devices(kept: Json) -> dict[str, Announced]:
    """Read the devices that were kept; what is not of their form is left out."""
    match kept:
        case {"kinds": list(found), "devices": dict(entries)}:
            kinds = [_texts(components) for components in found]
        case _:
            return {}
    devices: dict[str, Announced] = {}
    for node, entry in entries.items():
        more = entry if isinstance(entry, dict) else {}
        moving, language = more.get("moving") is True, str(more.get("language", "en"))
        match entry:
            case {
                "prefix": str(prefix),
                "form": "device" | "entity" as form,
                "kind": int(number),
                "model": str(model),
            } if 0 <= number < len(kinds):
                devices[node] = Announced(prefix, form, kinds[number], model, moving, language)
    return devices


def _nodes(kept: Json, devices: Mapping[str, Announced]) -> dict[str, str]:
    """Read which node each device has; earlier versions kept only the nodes, which named the devices."""
    nodes: dict[str, str] = {}
    for node in devices:
        if found := re.fullmatch(r"wallbox2mqtt_([0-9]+)", node):
            nodes[found[1]] = node
        elif node.startswith("wallbox2mqtt_bridge_"):
            nodes[BRIDGE] = node
    return nodes | _texts(kept.get("nodes") if isinstance(kept, dict) else None)


def _texts(kept: Json) -> dict[str, str]:
    items = kept.items() if isinstance(kept, dict) else ()
    return {name: text for name, text in items if isinstance(text, str)}
