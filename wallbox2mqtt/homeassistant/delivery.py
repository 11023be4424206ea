"""How announcements get to the broker: in the form that stands there, then in the one that is wanted, or taken back.

The main thread calls all of this.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import HomeAssistantConfig
from wallbox2mqtt.homeassistant.announced import Announced, AnnouncedDevices
from wallbox2mqtt.homeassistant.holders import Holder, Holders
from wallbox2mqtt.homeassistant.messages import MIGRATE, Announcement
from wallbox2mqtt.homeassistant.ranges import Ranges
from wallbox2mqtt.mqtt import MqttConnection

_LOG = logging.getLogger(__name__)

MIGRATION_S = 1.5
"""Home Assistant's time to let go of a device before its new form is announced."""
_REPEAT_S = 2.0
"""Home Assistant's time to take in a new range."""


@dataclass(slots=True)
class _Migration:
    """A device between two announcements: ``new`` follows at ``due``, monotonic seconds.

    ``old_form``: what is cleared then; None: nothing, it stays in its form.
    """

    due: float
    old_form: str | None
    new: Announcement


class Delivery:
    """Publishes what is announced, one message for each device or entity, and moves devices from one to the other."""

    def __init__(
        self,
        config: HomeAssistantConfig,
        devices: AnnouncedDevices,
        holders: Holders,
        ranges: Ranges,
        mqtt: MqttConnection,
        clock: Clock,
    ) -> None:
        """Go on from what stands at the broker."""
        self._form, self._prefix, self._language = config.discovery, config.prefix, config.language
        self._devices, self._holders, self._ranges = devices, holders, ranges
        self._mqtt, self._clock = mqtt, clock
        self._sent: dict[str, int] = {}
        self._migrations: dict[str, _Migration] = {}
        self._repeats: dict[str, float] = {}
        self._waiting: list[tuple[str, str]] = []
        self._offered: list[tuple[Announcement, Announced]] = []

    def forget(self) -> None:
        """Publish everything anew that is offered from now on."""
        self._sent.clear()
        self._migrations.clear()

    def offer(self, new: Announcement, *, complete: bool = True) -> None:
        """Announce a device with the next ``send``, in the way that what stands at the broker asks for.

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
            self.clear(node)
            before = None
        form = self._form if before is None else before.form
        if before is not None and before.moving and form == self._form:
            form = "entity" if form == "device" else "device"  # a migration away from here was not brought to its end
        stood, platforms = {} if before is None else before.components, new.platforms
        others = {name: platform for name, platform in stood.items() if name not in platforms}
        if form == self._form and complete and before is not None and before.language != self._language:
            self._unload_options(new, before, others)
            return
        if form == self._form or (others and complete):
            self._publish(new, form, others, complete=complete)
        if form != self._form and before is not None:
            _LOG.info("discovery changes its form device=%s from=%s to=%s", node, form, self._form)
            self._waiting += [(topic, MIGRATE) for topic in before.topics(node, form)]
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
        all_of_it = {**others, **new.platforms}
        stands = Announced(self._prefix, form, all_of_it, new.model, moving, self._language)
        self._devices.put(new.node, stands)
        for topic, text in new.messages(self._prefix, form, others if complete else {}).items():
            # a device is 30 kB: what was sent is remembered by its hash
            if self._sent.get(topic) != hash(text):
                self._sent[topic] = hash(text)
                self._waiting.append((topic, text))
        self._offered.append((new, replace(stands, components=new.platforms, moving=False) if complete else stands))

    def send(self) -> None:
        """Publish what was offered."""
        # first what may stand there, then what does: a crash in between must not leave anything behind
        self._devices.write()
        waiting, self._waiting = self._waiting, []
        for topic, text in waiting:
            self._mqtt.publish(topic, text)
        offered, self._offered = self._offered, []
        for new, stands in offered:
            self._devices.put(new.node, stands)
            # a state that an earlier range did not allow was refused, or comes too early for the new one
            due = self._clock.monotonic() + _REPEAT_S
            self._repeats |= dict.fromkeys(self._ranges.announced(new.components), due)

    def go_on(self) -> None:
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
                self._waiting += [(topic, "") for topic in before.topics(node, migration.old_form)]
            self._publish(new, self._form, {}, moving=migration.old_form is not None)
        self.send()

    def clear(self, node: str) -> None:
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

    def due_repeats(self) -> list[str]:
        """Return the topics whose state can be told again: Home Assistant has taken in their new range."""
        now = self._clock.monotonic()
        due = [topic for topic, at in self._repeats.items() if now >= at]
        for topic in due:
            del self._repeats[topic]
        return due
