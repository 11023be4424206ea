"""When devices are announced to Home Assistant, and what becomes of those that change, go, or move.

What was announced is kept, per account and base topic: leaving something out removes nothing, so whoever
announced it has to take it back. The main thread calls all of this.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import HomeAssistantConfig
from wallbox2mqtt.homeassistant import (
    MIGRATE,
    Announcement,
    ChargerDevice,
    basic_keys,
    bridge,
    bridge_name,
    bridge_node,
    charger_node,
    label_of,
    slug,
    topics_of,
)
from wallbox2mqtt.homeassistant.inventory import Inventory
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics

_LOG = logging.getLogger(__name__)

MIGRATION_S = 1.5
"""Home Assistant's time to let go of a device before its new form is announced."""
_FILE = "discovery"


@dataclass(frozen=True, slots=True)
class _Announced:
    """How a device stands at the broker. ``components``: their platforms by id; ``model``: empty is unknown."""

    prefix: str
    form: str
    components: Mapping[str, str]
    model: str

    def topics(self, node: str) -> list[str]:
        return topics_of(self.prefix, self.form, node, self.components)


@dataclass(slots=True)
class _Migration:
    """A device between its two forms: ``new`` follows at ``due``, monotonic seconds."""

    due: float
    new: Announcement


class Announcer:
    """Announces the bridge and each charger: from the list at once, completed by its first detail."""

    def __init__(  # noqa: PLR0913 - what is known, where it is kept, and where it goes
        self,
        config: HomeAssistantConfig,
        *,
        topics: Topics,
        mqtt: MqttConnection,
        states: ChargerStates,
        registry: Registry,
        store: Storage,
        clock: Clock,
        allowed: frozenset[str],
    ) -> None:
        """Restore what was announced before; ``allowed``: the permissions that the configuration gives."""
        self._form, self._prefix, self._topics = config.discovery, config.prefix, topics
        self._language = config.language
        self._mqtt, self._states, self._registry = mqtt, states, registry
        self._storage, self._clock, self._allowed = store, clock, allowed
        self._announced = _announced(store.read(_FILE).get(topics.base))
        self._sent: dict[str, int] = {}
        self._revisions: dict[int, int] = {}
        self._inventories: dict[int, Inventory] = {}
        self._from_list: set[int] = set()
        self._migrations: dict[str, _Migration] = {}

    def announce(self) -> None:
        """Announce everything anew: after each connect, and when Home Assistant has started."""
        self._sent.clear()
        self._revisions.clear()
        self._migrations.clear()
        if not self._mqtt.online:
            return
        if self._form == "off":
            for node in list(self._announced):
                self._clear(node)
            return
        self._offer(bridge(self._topics, self._language))
        self.look()

    def detail_read(self, charger_id: int) -> None:
        """Record that a detail was read, and announce what has changed with it."""
        if (snapshot := self._states.snapshot(charger_id)) is not None:
            self._from_list.discard(charger_id)
            inventory = self._inventories.setdefault(charger_id, Inventory())
            if inventory.record(snapshot.values, self._clock.monotonic()):
                self._revisions.pop(charger_id, None)
        self.look()

    def look(self) -> None:
        """Announce what has changed since; called each second, and when the list was read."""
        if self._form == "off" or not self._mqtt.online:
            return
        self._go_on()
        chargers = self._registry.chargers
        if self._registry.was_listed:
            ours = {bridge_node(self._topics.base), *map(charger_node, chargers)}
            for node in self._announced.keys() - ours:
                self._clear(node)
            for charger_id in self._inventories.keys() - set(chargers):
                del self._inventories[charger_id]
        revisions = {charger_id: self._states.revision(charger_id) for charger_id in chargers}
        changed = [charger_id for charger_id in chargers if revisions[charger_id] != self._revisions.get(charger_id, 0)]
        if not changed:
            return
        names = {charger_id: label_of(self._name(charger_id)) for charger_id in chargers}
        often = Counter([*names.values(), slug(bridge_name(self._topics.base))])
        for charger_id in changed:
            self._revisions[charger_id] = revisions[charger_id]
            self._look_at(charger_id, _label(charger_id, names[charger_id], often))

    def _name(self, charger_id: int) -> str:
        return str(self._states.value(charger_id, "name") or f"Wallbox {charger_id}")

    def _look_at(self, charger_id: int, label: str | None) -> None:
        snapshot = self._states.snapshot(charger_id)
        if snapshot is None:
            self._look_at_list(charger_id, label)
            return
        before = self._announced.get(charger_node(charger_id))
        inventory = self._inventories.get(charger_id)
        unread = before is not None and not snapshot.has_basic
        charger = ChargerDevice(
            self._topics,
            charger_id,
            inventory.fill(snapshot.values) if inventory is not None else snapshot.values,
            expected=basic_keys(before.components) if before is not None and unread else frozenset(),
            model=before.model if before is not None else "",
            allowed=self._allowed,
            label=label,
            language=self._language,
        )
        if charger.is_whole:
            self._offer(charger.announcement())

    def _look_at_list(self, charger_id: int, label: str | None) -> None:
        """Announce a charger that is new with what the list has of it, and what every charger has."""
        if charger_node(charger_id) in self._announced and charger_id not in self._from_list:
            return  # it stands at the broker with more than the list has
        self._from_list.add(charger_id)
        values = self._states.view(charger_id)
        charger = ChargerDevice(
            self._topics, charger_id, values, label=label, allowed=self._allowed, language=self._language
        )
        self._offer(charger.announcement())

    def _offer(self, new: Announcement) -> None:
        """Announce a device, in the way that what stands at the broker asks for."""
        node = new.node
        if node in self._migrations:
            self._migrations[node].new = new
            return
        before = self._announced.get(node)
        if before is not None and before.prefix != self._prefix:
            self._clear(node)
            before = None
        form = before.form if before is not None else self._form
        gone = {} if before is None else _without(before.components, new.platforms)
        if form == self._form or gone:
            self._publish(new, form, gone)
        if form != self._form:
            _LOG.info("discovery changes its form device=%s from=%s to=%s", node, form, self._form)
            for topic in self._announced[node].topics(node):
                self._mqtt.publish(topic, MIGRATE)
            self._migrations[node] = _Migration(self._clock.monotonic() + MIGRATION_S, new)

    def _publish(self, new: Announcement, form: str, gone: Mapping[str, str]) -> None:
        # first what may stand there, then what does: a crash in between must not leave anything behind
        self._remember(new.node, _Announced(self._prefix, form, {**gone, **new.platforms}, new.model))
        for topic, text in new.messages(self._prefix, form, gone).items():
            # a device is 30 kB: what was sent is remembered by its hash
            if self._sent.get(topic) != hash(text):
                self._sent[topic] = hash(text)
                self._mqtt.publish(topic, text)
        self._remember(new.node, _Announced(self._prefix, form, new.platforms, new.model))

    def _go_on(self) -> None:
        """Announce the new form of what Home Assistant has had time to let go of, and clear the old one."""
        now = self._clock.monotonic()
        for node in [node for node, migration in self._migrations.items() if now >= migration.due]:
            migration, before = self._migrations.pop(node), self._announced[node]
            for topic, text in migration.new.messages(self._prefix, self._form, {}).items():
                self._sent[topic] = hash(text)
                self._mqtt.publish(topic, text)
            for topic in before.topics(node):
                self._mqtt.publish(topic, "")
            new = migration.new
            self._remember(node, _Announced(self._prefix, self._form, new.platforms, new.model))

    def _clear(self, node: str) -> None:
        """Take a device back."""
        for topic in self._announced[node].topics(node):
            self._sent.pop(topic, None)
            self._mqtt.publish(topic, "")
        self._migrations.pop(node, None)
        self._remember(node, None)

    def _remember(self, node: str, announced: _Announced | None) -> None:
        if self._announced.get(node) == announced:
            return
        if announced is None:
            del self._announced[node]
        else:
            self._announced[node] = self._sharing(announced)
        # another base topic of this account, before or beside this one, has an entry of its own
        self._storage.write(_FILE, {**self._storage.read(_FILE), self._topics.base: _kept(self._announced)})

    def _sharing(self, new: _Announced) -> _Announced:
        """Let a device share its components with another of the same kind: a fleet has hundreds of few kinds."""
        same = (one.components for one in self._announced.values() if one.components == new.components)
        return replace(new, components=next(same, new.components))


def _label(charger_id: int, name: str, often: Mapping[str, int]) -> str | None:
    """Return what the ids of entities begin with, where Home Assistant would make none, or the same for two devices.

    ``name``: of the charger, in the letters of ids; ``often``: how many devices have which.
    """
    if not name:
        return charger_node(charger_id)
    return f"{name}_{charger_id}" if often[name] > 1 else None


def _without(components: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    return {name: platform for name, platform in components.items() if name not in present}


def _kept(announced: Mapping[str, _Announced]) -> dict[str, Json]:
    """Return what is kept: the components of each kind of device once, and the devices with their kind's number."""
    numbers: dict[int, int] = {}
    kinds: list[Json] = []
    devices: dict[str, Json] = {}
    for node, one in announced.items():
        if id(one.components) not in numbers:
            numbers[id(one.components)] = len(kinds)
            kinds.append(dict(one.components))
        number = numbers[id(one.components)]
        devices[node] = {"prefix": one.prefix, "form": one.form, "kind": number, "model": one.model}
    return {"kinds": kinds, "devices": devices}


def _announced(kept: Json) -> dict[str, _Announced]:
    """Read what was kept; what is not of its form is left out."""
    match kept:
        case {"kinds": list(found), "devices": dict(devices)}:
            kinds = [_platforms(components) for components in found]
        case _:
            return {}
    announced: dict[str, _Announced] = {}
    for node, entry in devices.items():
        match entry:
            case {
                "prefix": str(prefix),
                "form": "device" | "entity" as form,
                "kind": int(number),
                "model": str(model),
            } if 0 <= number < len(kinds):
                announced[node] = _Announced(prefix, form, kinds[number], model)
    return announced


def _platforms(components: Json) -> dict[str, str]:
    items = components.items() if isinstance(components, dict) else ()
    return {name: platform for name, platform in items if isinstance(platform, str)}
