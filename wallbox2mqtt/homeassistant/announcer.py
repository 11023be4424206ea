"""When devices are announced to Home Assistant, and what becomes of those that change, go, or move.

The main thread calls all of this.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import HomeAssistantConfig
from wallbox2mqtt.homeassistant import (
    MIGRATE,
    Announcement,
    ChargerDevice,
    bridge,
    bridge_name,
    expected_keys,
    label_of,
    slug,
)
from wallbox2mqtt.homeassistant.announced import Announced, AnnouncedDevices
from wallbox2mqtt.homeassistant.holders import Holder, Holders
from wallbox2mqtt.homeassistant.inventory import Inventory
from wallbox2mqtt.homeassistant.nodes import Nodes
from wallbox2mqtt.homeassistant.ranges import Ranges
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics

_LOG = logging.getLogger(__name__)

MIGRATION_S = 1.5
"""Home Assistant's time to let go of a device before its new form is announced."""
_REPEAT_S = 2.0
"""Home Assistant's time to take in a new range."""
_LONGEST_LOOK_S = 2.0
"""So long are chargers announced in one go: a file is written before each, and commands wait meanwhile."""


@dataclass(slots=True)
class _Migration:
    """A device between two announcements: ``new`` follows at ``due``, monotonic seconds.

    ``old_form``: what is cleared then; None: nothing, it stays in its form.
    """

    due: float
    old_form: str | None
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
        ranges: Ranges,
    ) -> None:
        """Restore what was announced before; ``allowed``: the permissions that the configuration gives."""
        self._form, self._prefix, self._topics = config.discovery, config.prefix, topics
        self._language, self._has_times = config.language, config.times_as == "time"
        self._mqtt, self._states, self._registry = mqtt, states, registry
        self._clock, self._allowed = clock, allowed
        self._devices = AnnouncedDevices(store, topics.base)
        before = {one.prefix for node in self._devices if (one := self._devices.get(node)) is not None}
        prefixes = [config.prefix, *sorted(before - {config.prefix})]
        self._holders = Holders(mqtt, prefixes, topics, clock)
        self._nodes = Nodes(self._devices, self._holders, topics.base)
        self._sent: dict[str, int] = {}
        self._bridge_is_due = True
        self._revisions: dict[int, int] = {}
        self._inventories: dict[int, Inventory] = {}
        self._from_list: set[int] = set()
        self._migrations: dict[str, _Migration] = {}
        self._ranges = ranges
        self._repeats: dict[str, float] = {}

    def connected(self) -> None:
        """Announce everything anew at a broker of which it is not known what it keeps."""
        self._holders.forget()
        self._holders.ask(self._devices)
        self.announce()

    def announce(self) -> None:
        """Announce everything anew: after each connect, and when Home Assistant has started."""
        self._sent.clear()
        self._revisions.clear()
        self._migrations.clear()
        self._bridge_is_due = True
        self.look()

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take what the broker keeps on a topic of discovery."""
        self._holders.take(topic, payload, retained=retained)

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
        if not self._mqtt.online:
            return
        self._announce_changes()
        self._ranges.release()
        now = self._clock.monotonic()
        for topic in [topic for topic, due in self._repeats.items() if now >= due]:
            del self._repeats[topic]
            charger, _, key = topic.removeprefix(f"{self._topics.base}/").partition("/")
            self._states.republish(int(charger), [key])

    def _announce_changes(self) -> None:
        self._holders.leave()
        if self._form == "off":
            for node in self._devices:
                self._clear(node)
            return
        self._go_on()
        bridge_at = self._nodes.of_bridge()
        if bridge_at is None:
            return  # the chargers' devices name it
        if self._bridge_is_due:
            self._bridge_is_due = False
            self._offer(bridge(self._topics, self._language, bridge_at))
        chargers = self._registry.chargers
        if self._registry.was_listed:
            self._forget_others(chargers)
        self._look_at_all(chargers, bridge_at)

    def _forget_others(self, chargers: Sequence[int]) -> None:
        ours = self._nodes.kept(chargers)
        for node in self._devices:
            if node not in ours:
                self._clear(node)
        for charger_id in self._inventories.keys() - set(chargers):
            del self._inventories[charger_id]

    def _look_at_all(self, chargers: Sequence[int], bridge_at: str) -> None:
        revisions = {charger_id: self._states.revision(charger_id) for charger_id in chargers}
        changed = [charger_id for charger_id in chargers if revisions[charger_id] != self._revisions.get(charger_id, 0)]
        if not changed:
            return
        self._nodes.ask(changed)
        names = {charger_id: label_of(self._name(charger_id)) for charger_id in chargers}
        often = Counter([*names.values(), slug(bridge_name(self._topics.base))])
        begun = self._clock.monotonic()
        for charger_id in changed:
            if self._clock.monotonic() - begun > _LONGEST_LOOK_S:
                return  # the others with the next look
            if (node := self._nodes.of_charger(charger_id)) is not None:
                self._revisions[charger_id] = revisions[charger_id]
                label = _label(charger_id, node, names[charger_id], often)
                self._look_at(self._device(charger_id, node, bridge_at, label))

    def _name(self, charger_id: int) -> str:
        return str(self._states.value(charger_id, "name") or f"Wallbox {charger_id}")

    def _device(self, charger_id: int, node: str, bridge_at: str, label: str | None) -> ChargerDevice:
        return ChargerDevice(
            self._topics,
            charger_id,
            self._states.view(charger_id),
            node=node,
            bridge=bridge_at,
            allowed=self._allowed,
            label=label,
            language=self._language,
            has_times=self._has_times,
        )

    def _look_at(self, device: ChargerDevice) -> None:
        """Announce a charger with what its documents have; before its first detail with what the list has of it."""
        charger_id, node = device.id, device.node or ""
        snapshot, before = self._states.snapshot(charger_id), self._devices.get(node)
        if snapshot is None:
            # what it has now may be less: neither a message that stands nor a move to another form goes by the list
            kept = before is not None and (
                before.form != self._form
                or before.moving
                or before.language != self._language
                or self._holders.of(node) is Holder.OURSELVES
            )
            if not kept or charger_id in self._from_list:
                self._from_list.add(charger_id)
                self._offer(device.announcement(), complete=False)
            return
        inventory = self._inventories.get(charger_id)
        device = replace(
            device,
            view=inventory.fill(snapshot.values) if inventory is not None else snapshot.values,
            expected=expected_keys(
                before.components if before is not None else (),
                basic=not snapshot.has_basic,
                schedules=not snapshot.has_schedules,
            ),
            model=before.model if before is not None else "",
        )
        if device.is_whole:
            self._offer(device.announcement())

    def _offer(self, new: Announcement, *, complete: bool = True) -> None:
        """Announce a device, in the way that what stands at the broker asks for.

        Args:
            new: the device.
            complete: whether it lacks what it is not to have any more; else that is not known yet.

        """
        node = new.node
        if node in self._migrations:
            self._migrations[node].new = new
            return
        before = self._devices.get(node)
        if before is not None and before.prefix != self._prefix:
            self._clear(node)
            before = None
        form = self._form if before is None else before.form
        if before is not None and before.moving and form == self._form:
            form = "entity" if form == "device" else "device"  # a migration away from here was not brought to its end
        others = {} if before is None else _without(before.components, new.platforms)
        if form == self._form and complete and before is not None and before.language != self._language:
            self._unload_options(new, before, others)
            return
        if form == self._form or (others and complete):
            self._publish(new, form, others, complete=complete)
        if form != self._form and before is not None:
            _LOG.info("discovery changes its form device=%s from=%s to=%s", node, form, self._form)
            for topic in before.topics(node, form):
                self._mqtt.publish(topic, MIGRATE)
            self._migrations[node] = _Migration(self._clock.monotonic() + MIGRATION_S, form, new)

    def _unload_options(self, new: Announcement, before: Announced, others: Mapping[str, str]) -> None:
        """Take back for a moment what has options: Home Assistant reports a state that is none of the new ones."""
        worded = {name for name, part in new.components.items() if "options" in part} & before.components.keys()
        rest = replace(new, components={name: part for name, part in new.components.items() if name not in worded})
        gone = {name: before.components[name] for name in worded}
        self._publish(rest, before.form, {**others, **gone})
        self._migrations[new.node] = _Migration(self._clock.monotonic() + MIGRATION_S, None, new)

    def _publish(
        self, new: Announcement, form: str, others: Mapping[str, str], *, complete: bool = True, moving: bool = False
    ) -> None:
        # first what may stand there, then what does: a crash in between must not leave anything behind
        all_of_it = {**others, **new.platforms}
        stands = Announced(self._prefix, form, all_of_it, new.model, moving, self._language)
        self._devices.put(new.node, stands)
        for topic, text in new.messages(self._prefix, form, others if complete else {}).items():
            # a device is 30 kB: what was sent is remembered by its hash
            if self._sent.get(topic) != hash(text):
                self._sent[topic] = hash(text)
                self._mqtt.publish(topic, text)
        if complete:
            self._devices.put(new.node, replace(stands, components=new.platforms, moving=False))
        self._note_ranges(new)

    def _note_ranges(self, new: Announcement) -> None:
        # a state that an earlier range did not allow was refused, or comes too early for the new one
        due = self._clock.monotonic() + _REPEAT_S
        self._repeats |= dict.fromkeys(self._ranges.announced(new.components), due)

    def _go_on(self) -> None:
        """Announce the new form of what Home Assistant has had time to let go of, and clear the old one."""
        now = self._clock.monotonic()
        for node in [node for node, migration in self._migrations.items() if now >= migration.due]:
            migration = self._migrations.pop(node)
            new = migration.new
            if (before := self._devices.get(node)) is None:
                continue
            if migration.old_form is not None:
                # from here on both may stand there
                moving = replace(before, components={**before.components, **new.platforms}, moving=True)
                self._devices.put(node, moving)
                # the old one first: Home Assistant, which has let go of it, warns of what comes there later
                for topic in before.topics(node, migration.old_form):
                    self._mqtt.publish(topic, "")
            self._publish(new, self._form, {}, moving=migration.old_form is not None)

    def _clear(self, node: str) -> None:
        """Take a device back, unless another bridge has announced it meanwhile."""
        if (before := self._devices.get(node)) is None:
            return
        holder = self._holders.of(node, before.prefix)
        if holder is None:
            return
        if holder is not Holder.ANOTHER:
            for topic in before.topics(node):
                self._sent.pop(topic, None)
                self._mqtt.publish(topic, "")
        self._migrations.pop(node, None)
        self._devices.put(node, None)


def _label(charger_id: int, node: str, name: str, often: Mapping[str, int]) -> str | None:
    """Return what the ids of entities begin with, where Home Assistant would make none, or the same for two devices.

    ``name``: of the charger, in the letters of ids; ``often``: how many devices have which.
    """
    if not name:
        return node
    return f"{name}_{charger_id}" if often[name] > 1 else None


def _without(components: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    return {name: platform for name, platform in components.items() if name not in present}
