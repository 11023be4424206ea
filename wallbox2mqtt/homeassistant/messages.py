"""The messages of discovery: topics, ids, and the two forms in which a device can be announced."""

import re
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from wallbox2mqtt import __version__
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.topics import to_json

MIGRATE = to_json({"migrate_discovery": True})
"""On a topic of the old form: the new form, which is announced next, takes the entities over."""


DEFAULT_BASE = "wallbox"
"""The base topic that ids do not name."""
LONGEST_TEXT = 100
"""Characters of what a document says of a device: its name, its model, its firmware."""
LONGEST_LABEL = 64
"""Characters of what ids of entities begin with: as many as a name has that a command gives."""

Component = dict[str, Json]
Components = dict[str, Component]

ORIGIN: Component = {"name": "wallbox2mqtt", "sw_version": __version__}


@dataclass(frozen=True, slots=True)
class Announcement:
    """A device. ``node``: its level in the topics; ``shared``: what its entities have in common."""

    node: str
    shared: Component
    components: Components

    @property
    def platforms(self) -> dict[str, str]:
        """The platform of each component, which is what it takes to remove it."""
        return {name: str(component["platform"]) for name, component in self.components.items()}

    @property
    def model(self) -> str:
        """The device's model; empty where it is not known."""
        device = self.shared["device"]
        return str(device.get("model", "")) if isinstance(device, dict) else ""

    def messages(self, prefix: str, form: str, gone: Mapping[str, str]) -> dict[str, str]:
        """Return payloads by topic.

        Args:
            prefix: Home Assistant's discovery prefix.
            form: ``device`` or ``entity``.
            gone: platforms of the components that were announced before and are to be removed.

        """
        if form == "device":
            tombstones: Components = {name: {"platform": platform} for name, platform in gone.items()}
            components: dict[str, Json] = {**self.components, **tombstones}
            return {device_topic(prefix, self.node): to_json({**self.shared, "components": components})}
        messages = dict.fromkeys(topics_of(prefix, form, self.node, gone), "")
        for name, component in self.components.items():
            own = {key: value for key, value in component.items() if key != "platform"}
            topic = entity_topic(prefix, self.node, name, str(component["platform"]))
            messages[topic] = to_json({**self.shared, **own})
        return messages


def device_topic(prefix: str, node: str) -> str:
    """Return the topic that announces a whole device."""
    return f"{prefix}/device/{node}/config"


def entity_topic(prefix: str, node: str, name: str, platform: str) -> str:
    """Return the topic that announces one entity. Its last level is the component's id: migration needs it so."""
    return f"{prefix}/{platform}/{node}/{name}/config"


def topics_of(prefix: str, form: str, node: str, platforms: Mapping[str, str]) -> list[str]:
    """Return the topics on which a device with these components stands."""
    if form == "device":
        return [device_topic(prefix, node)]
    return [entity_topic(prefix, node, name, platform) for name, platform in platforms.items()]


_GREEK = "a b g d e z e th i k l m n x o p r s s t u ph kh ps o"
_CYRILLIC = (
    "a b v g d e zh z i i k l m n o p r s t u f kh ts ch sh shch  y  e iu ia"
    " ie io dj gj ie dz i yi j lj nj tsh kj i u dzh"
)
_OTHERS = "ßæðøþđħłŋœŧ", "ss ae d o th d h l ng oe t"
_LATIN: dict[int, str] = {
    **dict(enumerate(_GREEK.split(), 0x3B1)),
    **dict(enumerate(_CYRILLIC.split(" "), 0x430)),
    **dict(zip(map(ord, _OTHERS[0]), _OTHERS[1].split(), strict=True)),
    ord("\N{LATIN SMALL LETTER DOTLESS I}"): "i",
}
"""Greek, Cyrillic and Latin letters that are none with an accent, as Home Assistant (python-slugify) writes them."""


def slug(text: str) -> str:
    """Return a text in the letters of ids, as Home Assistant makes them; empty where no letter has a Latin form."""
    plain = unicodedata.normalize("NFKD", text).lower().translate(_LATIN)
    kept = "".join(
        sign if sign.isascii() else "" if sign.isalpha() or unicodedata.combining(sign) else " " for sign in plain
    )
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[0-9]),(?=[0-9])", "", kept)).strip("_")


def label_of(name: str) -> str:
    """Return what a charger's name is in the ids of its entities, empty where nothing is left of it.

    Each of some ninety entities has it: a name without a limit would make a message that no broker takes.
    """
    return slug(name[:LONGEST_TEXT])[:LONGEST_LABEL].strip("_")


def object_id(key: str) -> str:
    """Return a field's key in the letters of ids: ``basic/wifiSignal`` is ``basic_wifi_signal``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key.replace("/", "_")).lower()


def charger_node(charger_id: int, base: str = DEFAULT_BASE, *, named: bool = False) -> str:
    """Return the node of a charger; it names the base topic where that is not the default, or where ``named``."""
    if base == DEFAULT_BASE and not named:
        return f"wallbox2mqtt_{charger_id}"
    return f"wallbox2mqtt_{slug(base) or checksum(base)}_{charger_id}"


def bridge_node(base: str) -> str:
    """Return the node of the bridge with this base topic."""
    return f"wallbox2mqtt_bridge_{slug(base) or DEFAULT_BASE}"


def checksum(base: str) -> str:
    """Return what tells base topics apart of which the same letters are left."""
    return f"{zlib.crc32(base.encode()):08x}"


def common(platform: str, node: str, unique: str, name: str, label: str | None = None) -> Component:
    """Return what every entity has.

    ``label``: what its id in Home Assistant begins with, where Home Assistant's own would not do. A given id overrides
    the user's own, when a component returns and when ids are recreated.
    """
    default = None if label is None else f"{platform}.{label}_{slug(name)}"
    return {"platform": platform, "unique_id": f"{node}_{unique}"} | only_set(default_entity_id=default, name=name)


def only_set(**facts: Json) -> Component:
    """Return the facts that are known."""
    return {key: value for key, value in facts.items() if value is not None}
