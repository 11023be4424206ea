"""Which of two bridges is active, and that nothing is asked of the cloud that the broker does not know of."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.parts import Parts
from tests.unit.test_candidate import text
from wallbox2mqtt.bridge.handover import Claim
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.daemon.leadership import Inheritance, Leadership, Succession, Timing
from wallbox2mqtt.errors import BudgetSpentError
from wallbox2mqtt.simulator import ChargerSpec, Settings, Simulator

KEPT: dict[str, Json] = {
    "max_available_current": 16, "max_available_power": 11, "part_number": "PLP1", "state_of_charge": None,
}  # fmt: skip
LEFT = text(instance="before", term=4)
OURS = Claim(is_owner=False, term=5, instance="m")


class Broker:
    """What a connection does with handovers; ``acknowledges``: whether the broker answers."""

    def __init__(self) -> None:
        self.online = self.acknowledges = True
        self.told: list[dict[str, object]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def send_now(self, topic: str, payload: str) -> Callable[[float], bool] | None:
        assert topic == "w/bridge/handover"
        if not self.online:
            return None
        self.told.append(json.loads(payload))

        def wait(_: float) -> bool:
            self.meanwhile()
            return self.acknowledges

        return wait


class Case:
    """A bridge that takes over from another one."""

    def __init__(self, cloud: Simulator, clock: FakeClock, directory: Path, *, owner: bool = False) -> None:
        self.parts, self.broker = Parts(cloud, clock, directory), Broker()
        self.displaced: list[str] = []
        self.later: list[Callable[[], None]] = []
        timing = Timing(settle_s=0.0, apart_s=0.0)
        succession = Succession(OURS, None if owner else Inheritance(LEFT, lambda: 0.0), timing)
        self.leadership = Leadership(succession, self.displaced.append, self.later.append)
        self.parts.account.set_gate(self.leadership.held_s, self.leadership.admit)
        self.leadership.attach(self.broker, self.parts.whole, "w/bridge/handover")  # type: ignore[arg-type]

    def begins(self) -> None:
        self.leadership.hear(LEFT)
        assert self.leadership.begin() is not None
        self.leadership.connected()


@pytest.fixture
def cloud(clock: FakeClock) -> Iterator[Simulator]:
    with Simulator(chargers=[ChargerSpec(id=900001)], clock=clock, settings=Settings()) as cloud:
        yield cloud


@pytest.fixture
def case(cloud: Simulator, clock: FakeClock, tmp_path: Path) -> Case:
    return Case(cloud, clock, tmp_path)


@pytest.mark.parametrize(
    ("heard", "goes_on"),
    [
        pytest.param([], True, id="nothing-stands-there"),
        pytest.param([LEFT], True, id="what-the-predecessor-left"),
        pytest.param([b"damaged"], True, id="nothing-of-a-bridge"),
        pytest.param([text(instance="m", term=5)], True, id="its-own"),
        pytest.param([text(instance="before", term=4, token_age_s=9)], False, id="the-predecessor-is-back"),
        pytest.param([text(instance="a", term=1)], False, id="somebody-else-was-quicker"),
    ],
)
def test_begins(case: Case, heard: list[bytes], goes_on: bool) -> None:  # noqa: FBT001 - a column of the table
    for payload in heard:
        case.leadership.hear(payload)
    assert (case.leadership.begin() is not None) == goes_on
    assert bool(case.displaced) != goes_on


@pytest.mark.parametrize(
    ("changes", "stays"),
    [
        pytest.param({"instance": "a", "term": 6}, False, id="a-later-one"),
        pytest.param({"instance": "z", "term": 5}, False, id="at-once-and-greater"),
        pytest.param({"instance": "a", "term": 5}, True, id="at-once-and-less"),
        pytest.param({"instance": "before", "term": 4}, True, id="the-one-before"),
        pytest.param({"instance": "a", "term": 0, "owner": True}, False, id="one-that-never-stands-by"),
        pytest.param({"instance": "m", "term": 9}, True, id="its-own-name"),
    ],
)
def test_hears_of_another_one(case: Case, changes: dict[str, object], stays: bool) -> None:  # noqa: FBT001
    case.begins()
    assert case.leadership.hear(text(**{"token_age_s": 1, **changes})) == stays
    assert (case.leadership.displaced_by is None) == stays
    assert (case.leadership.begin() is not None) == stays


def test_what_a_weaker_one_has_asked_counts(case: Case, clock: FakeClock) -> None:
    case.begins()
    clock.advance(100.0)
    assert case.parts.writes.free == 5
    case.leadership.hear(text(instance="a", term=2, writes={"ages": [[0.0, 5]], "under_way": 0}))
    (adopt,) = case.later
    adopt()
    assert case.parts.writes.free == 0
    told = len(case.broker.told)
    case.leadership.look()
    assert len(case.broker.told) == told + 1


def test_what_is_left_cannot_be_read(cloud: Simulator, clock: FakeClock, tmp_path: Path) -> None:
    case = Case(cloud, clock, tmp_path, owner=True)
    succession = Succession(OURS, Inheritance(b"{", lambda: 0.0), Timing())
    leadership = Leadership(succession, case.displaced.append, case.later.append)
    leadership.attach(case.broker, case.parts.whole, "w/bridge/handover")  # type: ignore[arg-type]
    assert case.parts.reads.ready_in_s() == pytest.approx(60.0, abs=0.1)
    assert case.parts.writes.free == 0


@pytest.mark.parametrize(
    ("owner", "limits"),
    [pytest.param(True, KEPT, id="after-a-restart"), pytest.param(False, {}, id="after-another-one")],
)
def test_kept_limits_count(
    cloud: Simulator, clock: FakeClock, tmp_path: Path, *, owner: bool, limits: dict[str, object]
) -> None:
    before = Case(cloud, clock, tmp_path).parts.registry
    before.record_list([900001])
    before.record_limits(900001, KEPT)
    assert Case(cloud, clock, tmp_path, owner=owner).parts.registry.limits(900001) == limits


def test_each_request_is_told_first(case: Case) -> None:
    case.begins()
    case.parts.clock.advance(60.0)
    before = len(case.broker.told)
    case.parts.settle()
    assert len(case.parts.sent_reads) == 1
    under_way = [told["reads"]["under_way"] for told in case.broker.told[before:]]  # type: ignore[index]
    assert under_way.count(1) == 1, "once, for the broker has to acknowledge it"


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(lambda case: setattr(case.broker, "online", False), id="no-broker"),
        pytest.param(lambda case: setattr(case.broker, "acknowledges", False), id="a-mute-broker"),
        pytest.param(
            lambda case: setattr(case.broker, "meanwhile", lambda: case.leadership.hear(text(instance="z", term=9))),
            id="another-one-answers-first",
        ),
        pytest.param(lambda case: case.leadership.hear(text(instance="z", term=9)), id="another-one-is-active"),
    ],
)
def test_nothing_is_asked(case: Case, trouble: Callable[[Case], object]) -> None:
    case.begins()
    case.parts.clock.advance(60.0)
    trouble(case)
    for _ in range(5):
        case.parts.reader.step()
        case.parts.clock.advance(5.0)
    assert not case.parts.cloud.requests
    assert case.parts.reads.ready_in_s() > 0
    with pytest.raises(BudgetSpentError):
        case.leadership.admit()


def test_nothing_is_asked_before_the_first_word(case: Case) -> None:
    assert case.leadership.held_s() > 0


def test_one_that_never_stands_by_waits_for_nobody(cloud: Simulator, clock: FakeClock, tmp_path: Path) -> None:
    case = Case(cloud, clock, tmp_path, owner=True)
    case.broker.online = False
    case.parts.settle()
    assert case.parts.sent_reads
    case.broker.online = True
    case.leadership.look()
    assert case.broker.told
