"""The fault matrix, second part: the bridge's own process. Its ends, its state, its clocks, its threads."""

import json
import os
import random
import re
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.house import House, Needs
from tests.faults.test_matrix import ANY
from tests.mosquitto import LIMIT_S, eventually, free_port
from wallbox2mqtt.simulator import Fault
from wallbox2mqtt.watchdog import SILENCE_S

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]

Act = Callable[[House], None]
KILLS = 12
FEW, MANY = 8, 60_000
ACTIONS = 9, 1  # resume_schedule and resume, which the simulator refuses: that is final too
STUCK_S = 30.0
IDLE = Needs(fresh=True, starts=False)
MEDDLED = replace(IDLE, meddled=True)


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Callable[[Needs], House]]:
    houses: list[House] = []

    def make(needs: Needs) -> House:
        houses.append(House(tmp_path, needs))
        return houses[-1].__enter__()

    yield make
    for house in houses:
        house.__exit__()


Make = Callable[[Needs], House]


# SIGTERM, in each state


def no_broker(house: House) -> None:
    house.broker.stop()
    house.start()
    house.says("not connected to the broker")


def silent_broker(house: House) -> None:
    """It takes connections and says nothing."""
    house.broker.freeze(frozen=True)
    house.start()
    house.says("started broker")


def frozen_broker(house: House) -> None:
    """It stops to answer while all is well: nobody takes the last word."""
    house.start()
    house.heals()
    house.broker.freeze(frozen=True)


def no_cloud(house: House) -> None:
    house.cloud.stop()
    house.start()
    house.says("read failed")


def hanging_cloud(house: House) -> None:
    """In the middle of a sign-in."""
    house.settings["WALLBOX__TIMEOUT"] = "60"
    house.cloud.fault(Fault(kind="hang", count=None))
    house.start()
    assert house.cloud.wait_for(lambda seen: len(seen) > 0, LIMIT_S)


def hanging_command(house: House) -> None:
    """With one command at the cloud and others that wait."""
    house.settings["WALLBOX__TIMEOUT"] = "60"
    house.start()
    house.heals()
    for method in ("PUT", "POST"):
        house.cloud.fault(Fault(kind="hang", count=None, method=method))
    house.ask()
    assert house.cloud.wait_for(lambda seen: any(one.method != "GET" for one in seen), LIMIT_S)


def refused_cloud(house: House) -> None:
    """While it backs off."""
    house.cloud.configure(reads_per_minute=0, refusal="429 seconds")
    house.start()
    house.watcher.wait("wallbox/bridge/cloud_reason", "rate_limited")


def well(house: House) -> None:
    house.start()
    house.heals()


STATES = [no_broker, silent_broker, frozen_broker, no_cloud, hanging_cloud, hanging_command, refused_cloud, well]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_sigterm(state: Act, open_house: Make) -> None:
    house = open_house(IDLE)
    state(house)
    with_broker = state not in {no_broker, silent_broker, frozen_broker}
    if with_broker:
        house.watcher.wait("wallbox/bridge/state", "online")
    assert house.lives()
    begun = time.monotonic()
    assert house.process is not None
    house.process.send_signal(signal.SIGTERM)
    assert house.ends() == 0
    assert time.monotonic() - begun < 5
    house.broker.freeze(frozen=False)
    if with_broker:
        house.watcher.wait("wallbox/bridge/state", "offline")
    if state is hanging_command:
        answers = [json.loads(heard.payload) for heard in house.watcher.heard if heard.topic.endswith("/result")]
        assert len(answers) == 2
        assert all(answer["status"] == "failed" and "stopping" in answer["reason"] for answer in answers)
    house.keeps_secrets()
    house.tells_no_trace()


# kill -9


def begin_life(house: House, life: int, per_minute: int) -> None:
    """Start, and ask each charger for an action, another one than in the life before."""
    house.settings |= {"WALLBOX__READS_PER_MINUTE": str(per_minute), "WALLBOX__WRITES_PER_MINUTE": str(per_minute)}
    house.watcher.forget()
    house.start()
    house.watcher.wait("wallbox/bridge/state", "online")
    for charger in house.cloud.chargers:
        house.watcher.publish(f"wallbox/{charger}/action/set", str(ACTIONS[life % 2]))


def actions_of(house: House, marks: list[int]) -> list[Counter[str]]:
    """How often each charger got the action of each life, until the same one was asked for again."""
    ends = [*marks[2:], None, None]
    lives = [house.cloud.requests[begin:end] for begin, end in zip(marks, ends, strict=True)]
    return [
        Counter(one.path for one in seen if one.body == {"action": ACTIONS[life % 2]})
        for life, seen in enumerate(lives)
    ]


@pytest.mark.slow
def test_kill_at_random_moments(open_house: Make) -> None:
    """State files stay whole, nothing grows there, no remote action comes twice, the budget holds across starts.

    In the first lives the budget is small; in the others it would let any action through twice.
    """
    house = open_house(IDLE)
    chance = random.Random(5)  # noqa: S311 - the same moments each time
    state = house.directory / "state"
    marks: list[int] = []
    for life in range(KILLS):
        marks.append(len(house.cloud.requests))
        begin_life(house, life, FEW if life < KILLS // 2 else MANY)
        eventually(lambda: list(state.glob("*-tokens.json")), "the token is kept")
        time.sleep(chance.uniform(0.0, 1.0))  # the moment is the point
        house.kill()
        for file in state.glob("*.json"):
            assert isinstance(json.loads(file.read_bytes()), dict), file
    for is_read in (True, False):
        times = [
            seen.at
            for seen in house.cloud.requests[: marks[KILLS // 2]]
            if (seen.method == "GET") == is_read and not seen.path.startswith("users/")
        ]
        assert max((sum(begin <= at <= begin + 60 for at in times) for begin in times), default=0) <= FEW
    litter = next(state.glob("*-reads.json")).with_suffix(".1.tmp")
    litter.write_text("{", encoding="utf-8")
    os.utime(litter, (0, 0))
    marks.append(len(house.cloud.requests))
    begin_life(house, KILLS, MANY)
    for charger in house.cloud.chargers:
        house.watcher.wait(f"wallbox/{charger}/action/result")
    house.heals()
    actions = actions_of(house, marks)
    assert all(max(times.values(), default=0) <= 1 for times in actions), actions
    assert len(actions[-1]) == 2, "the last life was long enough for both"
    assert "damaged" not in house.text()
    assert sum(1 for seen in house.cloud.requests if seen.path == "users/signin") == 1, "the token was kept"
    assert not litter.exists(), "what a kill left behind is tidied up"


# state_dir


def test_state_dir_that_cannot_be(open_house: Make) -> None:
    """Below a regular file there is no directory, for root neither."""
    house = open_house(IDLE)
    file = house.directory / "file"
    file.touch()
    house.settings["STATE_DIR"] = str(file / "state")
    house.start()
    house.heals()
    since = len(house.watcher.heard)
    house.answered(house.ask(), since, ANY)
    house.says("cannot keep state")
    assert house.text().count("cannot keep state") < 10, "said once for each file"


def test_disk_full_for_a_while(open_house: Make) -> None:
    """Where nothing can be written, as on a full disk, the bridge works on, and keeps its state when it can again."""
    house = open_house(IDLE)
    # to a regular file behind stderr nothing could be written either
    house.start(around=("sh", "-c", '(ulimit -S -f 0; exec "$@" 2>&1) | cat', "sh"))
    house.heals()
    house.says("cannot keep state")
    state = house.directory / "state"
    assert not list(state.glob("*.json"))
    bridge = int(next(file.name.split(".")[-2] for file in state.glob("*.tmp")))
    resource.prlimit(bridge, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    eventually(lambda: list(state.glob("*-reads.json")), "the state is kept again")
    house.heals()
    os.kill(bridge, signal.SIGTERM)
    house.ends()


# Clocks


def jump(house: House, seconds: float) -> None:
    house.meddle(shift=seconds)


def at(when: datetime) -> float:
    return when.timestamp() - time.time()


SUMMER_ENDS = datetime(2026, 10, 25, 0, 59, 57, tzinfo=UTC)  # in Madrid the clock goes from 3 back to 2


@pytest.mark.parametrize(
    ("start", "then"),
    [
        pytest.param(0.0, -3600.0, id="an hour back"),
        pytest.param(0.0, 86400.0, id="a day forward"),
        pytest.param(at(datetime(1970, 1, 1, 0, 1, tzinfo=UTC)), 0.0, id="from 1970 to now"),
        pytest.param(at(datetime(1970, 1, 1, 0, 1, tzinfo=UTC)), None, id="1970 for good"),
        pytest.param(at(SUMMER_ENDS), None, id="the end of summer time"),
    ],
)
def test_clocks(start: float, then: float | None, open_house: Make) -> None:
    house = open_house(MEDDLED)
    house.meddle(shift=start)
    house.start(TZ="Europe/Madrid")
    house.heals()
    if then is not None:
        house.meddle(shift=then)
        house.says("the wall clock jumped")
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        assert house.heals() < 5, "polling goes on"
    since = len(house.watcher.heard)
    house.answered(house.ask(), since, ANY)
    assert house.lives()


# Threads

PAHO = "paho-mqtt-client-wallbox2mqtt"
THREADS = ["reader", "writer", PAHO, "MainThread"]


def disturb(house: House, **what: str) -> None:
    """Let it befall the thread, and give each of them something to do."""
    house.meddle(**what)
    house.watcher.publish(f"wallbox/{house.charger}/max_charging_current/set", "9")


@pytest.mark.parametrize("thread", THREADS)
def test_a_thread_that_dies(thread: str, open_house: Make) -> None:
    house = open_house(MEDDLED)
    house.start()
    house.heals()
    begun = time.monotonic()
    disturb(house, kill=thread)
    assert house.ends(STUCK_S) == 1
    assert time.monotonic() - begun < 10
    house.watcher.wait("wallbox/bridge/state", "offline")


@dataclass(frozen=True)
class Silent:
    """Bridges with a thread that is silent, for whatever reason. ``paused_at``: when one was, as a whole."""

    houses: dict[str, House]
    paused_at: float


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Silent]:
    """All of them at once: each takes its half minute."""
    houses = {thread: House(tmp_path_factory.mktemp("stuck"), MEDDLED) for thread in [*THREADS, "slow names", "well"]}
    try:
        for house in houses.values():
            house.__enter__()
            house.start()
        for house in houses.values():
            house.heals()
        for thread in THREADS:
            disturb(houses[thread], stick=thread)
        slow = houses["slow names"]
        slow.kill()
        slow.meddle(names="slow")
        url = f"http://cloud.test:{slow.cloud.port}"
        slow.settings |= {"WALLBOX__API_URL": url, "WALLBOX__USER_API_URL": url}
        slow.start()
        # a machine that is paused, and wakes up: nobody was silent
        houses["well"].process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]
        yield Silent(houses, time.monotonic())
    finally:
        for house in houses.values():
            house.__exit__()


together = pytest.mark.xdist_group("silent")
"""One process runs them, so that there is one set of bridges."""


@together
@pytest.mark.slow
@pytest.mark.parametrize("thread", THREADS)
def test_a_thread_that_is_stuck(thread: str, silent: Silent) -> None:
    house = silent.houses[thread]
    assert house.ends(STUCK_S + 1) == 1
    house.watcher.wait("wallbox/bridge/state", "offline")
    assert "stuck" in house.text()


@together
@pytest.mark.slow
def test_a_reader_that_looks_up_a_name_is_no_stuck_one(silent: Silent) -> None:
    house = silent.houses["slow names"]
    house.says("read failed.*no connection to the cloud", 50)
    assert house.lives()


@together
@pytest.mark.slow
def test_a_process_that_was_paused_is_no_stuck_one(silent: Silent) -> None:
    """For longer than any thread may be silent."""
    ends = silent.paused_at + SILENCE_S + 5
    eventually(lambda: time.monotonic() > ends, "a pause", SILENCE_S + 10)
    house = silent.houses["well"]
    house.process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
    house.heals()
    assert house.lives()


def test_a_port_where_nobody_is(open_house: Make) -> None:
    """Wrong in the configuration for days: no thread dies of it, and little is said."""
    house = open_house(IDLE)
    house.settings |= {"MQTT__PORT": str(free_port()), "MQTT__HOST": "nowhere..invalid"}
    house.start()
    house.says("not connected to the broker.*unreachable")
    ends = time.monotonic() + 4
    eventually(lambda: time.monotonic() > ends, "a while")
    assert house.lives()
    assert len(re.findall(r"warning [\w.]+: not connected to the broker", house.text())) == 1
