"""A registry, a quarantine and a planner, and a reader that does what they say."""

from collections.abc import Iterable

from tests.fakes import FakeClock
from wallbox2mqtt.bridge.planner import Planner
from wallbox2mqtt.bridge.quarantine import Quarantine
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.target import LIST, Document, Target
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.documents import Listed, Reading
from wallbox2mqtt.errors import CloudError
from wallbox2mqtt.storage import Storage

ESSENTIAL: dict[str, Json] = {"status_id": 161, "charging_power": 0, "added_energy": 0}
INTERVAL_S = 20.0
SETTLE_S = 45.0
DAY_S = 86400.0


def listing(*ids: int, **values: Json) -> list[Listed]:
    return [Listed(number, f"charger {number}", "PulsarPlus", Reading(values or dict(ESSENTIAL))) for number in ids]


def detail(charger_id: int) -> Target:
    return Target(Document.DETAIL, charger_id)


def basic(charger_id: int) -> Target:
    return Target(Document.BASIC, charger_id)


class ReadingHarness:
    """Reads what the planner says each interval; ``charging``: chargers that charge."""

    def __init__(self, clock: FakeClock, store: Storage, only: Iterable[int] = ()) -> None:
        self.clock, self.charging, self.lists = clock, set[int](), list[int]()
        self.registry = Registry(only, clock, store)
        self.quarantine = Quarantine(self.registry, clock)
        self.planner = Planner(
            self.registry, self.quarantine, clock, lambda charger: charger in self.charging, SETTLE_S
        )
        self.errors: dict[Target, CloudError] = {}
        self.shown: dict[str, Json] = dict(ESSENTIAL)

    def read(self, count: int = 1) -> list[Target]:
        """Read so many documents, all with success but those of ``errors``."""
        done = []
        for _ in range(count):
            target = self.planner.next()
            self.planner.record_read(target)
            if error := self.errors.get(target):
                self.quarantine.record_failure(target, error)
            else:
                if target == LIST:
                    self.planner.record_list(listing(*self.lists, **self.shown))
                self.quarantine.record_success(target)
            done.append(target)
            self.clock.advance(INTERVAL_S)
        return done
