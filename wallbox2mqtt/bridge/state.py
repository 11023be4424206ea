"""The state: all that is known of the chargers, and what of it is published. One object with one lock."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial

from wallbox2mqtt.bridge.charger import KnownCharger
from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.field_sets import STATES
from wallbox2mqtt.bridge.kept_keys import KeptKeys
from wallbox2mqtt.bridge.snapshot import Shown, Snapshot
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.documents import Reading
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import AVAILABILITY, LAST_PROBLEM, OFFLINE, Topics

Publish = Callable[[str, str], None]


class ChargerStates:
    """What is known, and what of it is published. Every method may be called from any thread."""

    def __init__(self, topics: Topics, publish: Publish, settle_s: float, store: Storage | None = None) -> None:
        """Start with nothing but the keys that the last run has published.

        ``publish`` takes a topic and a payload, and must not block. ``settle_s``: how long after a command the cloud
        may still show the old value. ``store``: None: nothing is kept.
        """
        self._kept = KeptKeys(store)
        self._topics, self._publish, self._settle_s = topics, publish, settle_s
        self._lock = threading.RLock()
        self._chargers: dict[int, KnownCharger] = {}
        self._clamped: list[tuple[QueuedCommand, str, Json]] = []
        self._changes = Counter[int]()

    def view(self, charger_id: int) -> Mapping[str, Json]:
        """Return a copy of a charger's fields as they are shown."""
        with self._lock:
            return dict(self._of(charger_id).values)

    def value(self, charger_id: int, key: str) -> Json:
        """Return one field as it is shown."""
        with self._lock:
            return self._of(charger_id).values.get(key)

    def is_charging(self, charger_id: int) -> bool:
        """Return whether a charger is shown as charging."""
        return self.value(charger_id, "charging") is True

    def read_at(self, charger_id: int) -> float | None:
        """Return when the newest reading of a charger began, monotonic; None before the first."""
        with self._lock:
            return self._of(charger_id).newest

    def has_detail(self, charger_id: int) -> bool:
        """Return whether a detail of this charger has been read."""
        with self._lock:
            return self._of(charger_id).has_detail

    def snapshot(self, charger_id: int) -> Snapshot | None:
        """Return what a charger has at present; None before its first detail."""
        with self._lock:
            return self._of(charger_id).snapshot()

    def shown(self, charger_id: int, keys: Iterable[str]) -> Shown | None:
        """Return how a charger is shown, of these fields; None of one that is not known."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            return None if charger is None else charger.shown(keys)

    def stamp(self, charger_id: int) -> tuple[int, float | None]:
        """Return what changes whenever something of a charger is published or read."""
        with self._lock:
            return self._changes[charger_id], self._of(charger_id).newest

    def revision(self, charger_id: int) -> int:
        """Return the number that changes when more of a charger may have than measurements; 0: unknown charger."""
        with self._lock:
            return self._of(charger_id).revision

    def announcing(self) -> Iterator[int]:
        """Publish everything anew, one charger at each turn with what is shown of it by then; return which."""
        with self._lock:
            charger_ids = list(self._chargers)
        for charger_id in charger_ids:
            with self._lock:
                if (charger := self._chargers.get(charger_id)) is not None:
                    charger.announce()
            yield charger_id

    def republish(self, charger_id: int, keys: Iterable[str]) -> None:
        """Publish these fields again though they did not change, so that a dashboard's control springs back."""
        with self._lock:
            self._of(charger_id).republish(keys)

    def show(self, charger_id: int, key: str, value: Json) -> None:
        """Show something of a known charger that the bridge itself says, not the cloud."""
        with self._lock:
            charger = self._chargers.get(charger_id)
            if charger is not None and (key not in charger.values or charger.values[key] != value):
                charger.revision += int(key not in charger.values)
                charger.put(key, value)
                charger.republish([key])

    def tell(self, charger_id: int, key: str, value: Json) -> None:
        """Show something that the bridge itself says, also of a charger of which nothing was read yet."""
        with self._lock:
            self._charger(charger_id)
            self.show(charger_id, key, value)

    def is_out_of_touch(self, charger_id: int) -> bool:
        """Return whether a charger is known to have lost the cloud."""
        with self._lock:
            return self._of(charger_id).availability == OFFLINE

    def awaits(self, charger_id: int, keys: AbstractSet[str]) -> bool:
        """Return whether the cloud has yet to show what a command made of one of these fields."""
        with self._lock:
            return not self._of(charger_id).holds.keys().isdisjoint(keys)

    def introduce(self, charger_id: int) -> None:
        """Show of a charger that was read that there is no problem, unless there is one already."""
        with self._lock:
            if LAST_PROBLEM not in self._of(charger_id).values:
                self.show(charger_id, LAST_PROBLEM, None)

    def left_out(self, chargers: Iterable[int]) -> list[int]:
        """Return the chargers of earlier runs that are none of these."""
        with self._lock:
            return sorted(set(self._kept.chargers) - set(chargers))

    def forget(self, charger_id: int) -> list[str]:
        """Drop a charger that is gone; return the topics that it had, or may have had in an earlier run."""
        with self._lock:
            shown = self._of(charger_id).values
            self._chargers.pop(charger_id, None)
            keys = dict.fromkeys([AVAILABILITY, LAST_PROBLEM, *STATES, *shown, *self._kept.all_of(charger_id)])
            self._kept.forget(charger_id)
            return [self._topics.field(charger_id, key) for key in keys]

    def take_reading(
        self, charger_id: int, reading: Reading, begun: float, server_time: float | None = None
    ) -> list[QueuedCommand]:
        """Take a document that a read brought; return the commands that turn out to have had no effect.

        ``begun``: when the request began, monotonic. ``server_time``: the answer's Date, seconds since 1970; with a
        detail it tells a charger out of touch.
        """
        with self._lock:
            return self._charger(charger_id).take_reading(reading, begun, server_time)

    def accept(
        self,
        charger_id: int,
        wished: Mapping[str, Json],
        answer: Reading,
        begun: float,
        now: float,
        commands: Mapping[str, QueuedCommand],
    ) -> list[QueuedCommand]:
        """Take an accepted write: show its values, hold them, and take the response as a reading of what it shows.

        ``begun``: when the request began, monotonic. ``commands``: by field, the one that fails when the cloud turns
        out not to show it. Return earlier commands that turn out to have had no effect.
        """
        with self._lock:
            return self._charger(charger_id).accept(wished, answer, begun, now, commands)

    def mark_absent(self, charger_id: int, *, absent: bool) -> None:
        """Record whether a charger is gone from the account: its last values stay, it counts as offline."""
        with self._lock:
            charger = self._charger(charger_id) if absent else self._of(charger_id)
            if charger.absent != absent:
                charger.absent = absent
                charger.update_availability()

    def mark_uncertain(self, charger_id: int, keys: Iterable[str], now: float) -> None:
        """Record that a write of these fields got no answer: whether they still are as shown is not known."""
        with self._lock:
            self._of(charger_id).uncertain_since |= dict.fromkeys(keys, now)

    def is_certain(self, charger_id: int, keys: Iterable[str]) -> bool:
        """Return whether none of these fields was written without an answer since they were read."""
        with self._lock:
            return self._of(charger_id).uncertain_since.keys().isdisjoint(keys)

    def release(self, charger_id: int, keys: Iterable[str]) -> None:
        """Hold these fields no longer: another command changed them in a way that the next reading will tell."""
        with self._lock:
            for key in keys:
                self._of(charger_id).holds.pop(key, None)

    def take_clamped(self) -> list[tuple[QueuedCommand, str, Json]]:
        """Return the commands of which settled readings show that the charger made less, by field, with the value."""
        with self._lock:
            clamped = self._clamped.copy()
            self._clamped.clear()
            return clamped

    def _of(self, charger_id: int) -> KnownCharger:
        """Return a charger; an empty one, which nobody keeps, where nothing is known of it."""
        return self._chargers.get(charger_id) or KnownCharger(
            charger_id, partial(self._publish_field, charger_id), self._kept, self._settle_s, self._clamped
        )

    def _charger(self, charger_id: int) -> KnownCharger:
        """Return a charger of which something is known from now on."""
        return self._chargers.setdefault(charger_id, self._of(charger_id))

    def _publish_field(self, charger_id: int, key: str, text: str) -> None:
        self._changes[charger_id] += 1
        self._publish(self._topics.field(charger_id, key), text)
