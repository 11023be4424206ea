"""When devices are announced to Home Assistant, and with what.

The main thread calls all of this.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json, Values
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import HomeAssistantConfig
from wallbox2mqtt.homeassistant.announced import AnnouncedDevices
from wallbox2mqtt.homeassistant.bridge_device import bridge, bridge_name
from wallbox2mqtt.homeassistant.charger_device import ChargerDevice, charger_name
from wallbox2mqtt.homeassistant.delivery import Delivery
from wallbox2mqtt.homeassistant.entities import expected_keys
from wallbox2mqtt.homeassistant.holders import Holder, Holders
from wallbox2mqtt.homeassistant.messages import label_of, slug
from wallbox2mqtt.homeassistant.nodes import Nodes
from wallbox2mqtt.homeassistant.ranges import Ranges
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import Topics

_LONGEST_LOOK_S, _MOST_A_LOOK = 2.0, 25
"""So many chargers are announced in one look: commands wait meanwhile."""
_AT_ONCE = 5
"""So many of them after one write of the file that has all devices."""
_DETAILS = 3
"""A field that so many details in a row lacked is lost."""
_LEAST_S, _LEAST_BASIC_S = 3600.0, 3 * 3600.0
"""At least between the first and the last of these; the basic document is read once an hour."""


class Missing:
    """The fields that one charger lacks. One counts as it was last, until three details in a row lacked it."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}
        self._given_up: set[str] = set()

    def record(self, lost: Values, now: float) -> bool:
        """Record what a charger lacks after a detail; return whether something was given up.

        Args:
            lost: the fields that are unknown now, as they were last.
            now: monotonic seconds.

        """
        seen = {key: self._seen.get(key, (0, now)) for key in lost}
        self._seen = {key: (details + 1, since) for key, (details, since) in seen.items()}
        given_up = {key for key in lost if key in self._given_up or self._is_over(key, now)}
        before, self._given_up = self._given_up, given_up
        return not given_up <= before

    def _is_over(self, key: str, now: float) -> bool:
        details, since = self._seen[key]
        least_s = _LEAST_BASIC_S if key.startswith("basic/") else _LEAST_S
        return details >= _DETAILS and now - since >= least_s

    def fill(self, values: Values, lost: Values) -> dict[str, Json]:
        """Return fields with those that are missing and not given up."""
        return {**values, **{key: value for key, value in lost.items() if key not in self._given_up}}


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
        self._form, self._topics = config.discovery, topics
        self._language, self._has_times = config.language, config.times_as == "time"
        self._mqtt, self._states, self._registry = mqtt, states, registry
        self._clock, self._allowed = clock, allowed
        self._devices = AnnouncedDevices(store, topics.base)
        before = {one.prefix for node in self._devices if (one := self._devices.get(node)) is not None}
        prefixes = [config.prefix, *sorted(before - {config.prefix})]
        self._holders = Holders(mqtt, prefixes, topics, clock)
        self._nodes = Nodes(self._devices, self._holders, topics.base)
        self._delivery = Delivery(config, self._devices, self._holders, ranges, mqtt, clock)
        self._bridge_is_due = True
        self._revisions: dict[int, int] = {}
        self._missing: dict[int, Missing] = {}
        self._from_list: set[int] = set()
        self._ranges = ranges

    def connected(self) -> None:
        """Announce everything anew at a broker of which it is not known what it keeps."""
        self._holders.forget()
        self.announce()

    def announce(self) -> None:
        """Announce everything anew: after each connect, and when Home Assistant has started."""
        self._delivery.forget()
        self._revisions.clear()
        self._bridge_is_due = True
        self.look()

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take what the broker keeps on a topic of discovery."""
        self._holders.take(topic, payload, retained=retained)

    def detail_read(self, charger_id: int) -> None:
        """Record that a detail was read, and announce what has changed with it."""
        if (snapshot := self._states.snapshot(charger_id)) is not None:
            self._from_list.discard(charger_id)
            missing = self._missing.setdefault(charger_id, Missing())
            if missing.record(snapshot.lost, self._clock.monotonic()):
                self._revisions.pop(charger_id, None)
        self.look()

    def look(self) -> None:
        """Announce what has changed since; called each second, and when the list was read."""
        if not self._mqtt.online:
            return
        if self._mqtt.is_settled:
            self._announce_changes()
            self._devices.write()
            self._ranges.release()
        for topic in self._delivery.due_repeats():
            charger, _, key = topic.removeprefix(f"{self._topics.base}/").partition("/")
            self._states.republish(int(charger), [key])

    def _announce_changes(self) -> None:
        self._holders.ask(self._devices)
        self._holders.leave()
        if self._form == "off":
            for node in self._devices:
                self._delivery.clear(node)
            return
        self._delivery.go_on()
        bridge_at = self._nodes.of_bridge()
        if bridge_at is None:
            return  # the chargers' devices name it
        if self._bridge_is_due:
            self._bridge_is_due = False
            self._delivery.offer(bridge(self._topics, self._language, bridge_at))
            self._delivery.send()
        chargers = self._registry.chargers
        if self._registry.was_listed:
            self._forget_others(chargers)
        self._look_at_all(chargers, bridge_at)

    def _forget_others(self, chargers: Sequence[int]) -> None:
        ours = self._nodes.kept(chargers)
        for node in self._devices:
            if node not in ours:
                self._delivery.clear(node)
        for charger_id in self._missing.keys() - set(chargers):
            del self._missing[charger_id]

    def _look_at_all(self, chargers: Sequence[int], bridge_at: str) -> None:
        revisions = {charger_id: self._states.revision(charger_id) for charger_id in chargers}
        changed = [charger_id for charger_id in chargers if revisions[charger_id] != self._revisions.get(charger_id, 0)]
        if not changed:
            return
        self._nodes.ask(changed)
        given = {charger_id: self._states.value(charger_id, "name") for charger_id in chargers}
        labels = {charger_id: label_of(charger_name(charger_id, name)) for charger_id, name in given.items()}
        often = Counter([*labels.values(), slug(bridge_name(self._topics.base))])
        begun = self._clock.monotonic()
        for first in range(0, min(len(changed), _MOST_A_LOOK), _AT_ONCE):
            # each takes 30 kB until the broker has it: a whole fleet's would be most of the program's memory
            if not self._mqtt.keeps_up or self._clock.monotonic() - begun > _LONGEST_LOOK_S:
                return  # the others with the next look
            for charger_id in changed[first : first + _AT_ONCE]:
                if (node := self._nodes.of_charger(charger_id)) is not None:
                    self._revisions[charger_id] = revisions[charger_id]
                    label = _label(charger_id, node, labels[charger_id], often)
                    self._look_at(charger_id, node, bridge_at, label)
            self._delivery.send()

    def _look_at(self, charger_id: int, node: str, bridge_at: str, label: str | None) -> None:
        """Announce a charger with what its documents have; before its first detail with what the list has of it."""
        device = ChargerDevice(
            self._topics,
            charger_id,
            node,
            bridge_at,
            self._states.view(charger_id),
            allowed=self._allowed,
            label=label,
            language=self._language,
            has_times=self._has_times,
        )
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
                self._delivery.offer(device.announcement(), complete=False)
            return
        missing = self._missing.get(charger_id, Missing())
        device = replace(
            device,
            view=missing.fill(snapshot.values, snapshot.lost),
            expected=expected_keys(
                before.components if before is not None else (),
                basic=not snapshot.has_basic,
                schedules=not snapshot.has_schedules,
            ),
            model=before.model if before is not None else "",
        )
        if device.is_whole:
            self._delivery.offer(device.announcement())


def _label(charger_id: int, node: str, name: str, often: Mapping[str, int]) -> str | None:
    """Return what the ids of entities begin with, where Home Assistant would make none, or the same for two devices.

    ``name``: of the charger, in the letters of ids; ``often``: how many devices have which.
    """
    if not name:
        return node
    return f"{name}_{charger_id}" if often[name] > 1 else None
