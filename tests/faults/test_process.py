"""The fault matrix, second part: the bridge's own process. Its ends, its state, its clocks, its threads."""

import json
import os
import random
import re
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.harness import Harness, Make, Options
from tests.faults.test_matrix import ANY, through_proxy
from tests.mosquitto import LIMIT_S, eventually, free_port
from wallbox2mqtt.simulator import Fault
from wallbox2mqtt.watchdog import SILENCE_S

pytestmark = pytest.mark.broker

Act = Callable[[Harness], None]
KILLS = 12
FEW, MANY = 8, 60_000
ACTIONS = 9, 1  # resume_schedule and resume, which the simulator refuses: that is final too
STOP_S = 5.0
"""The contract's limit."""
STUCK_S = 30.0
IDLE = Options(fresh=True, starts=False)
MEDDLED = replace(IDLE, meddled=True)
SLOW = replace(MEDDLED, settings=(("WALLBOX__POLL_INTERVAL", "0.3"),))
"""For minutes in which nothing but a thread's silence counts."""


# SIGTERM, in each state


def no_broker(harness: Harness) -> None:
    harness.broker.stop()
    harness.start()
    harness.says("not connected to the broker")


def silent_broker(harness: Harness) -> None:
    """It takes connections and says nothing."""
    harness.broker.freeze(frozen=True)
    harness.start()
    harness.says("started broker")


def frozen_broker(harness: Harness) -> None:
    """It stops to answer while all is well: nobody takes the last word."""
    harness.start()
    harness.heals()
    harness.broker.freeze(frozen=True)


def no_cloud(harness: Harness) -> None:
    harness.cloud.stop()
    harness.start()
    harness.says("read failed")


def hanging_cloud(harness: Harness) -> None:
    """In the middle of a sign-in."""
    harness.settings["WALLBOX__TIMEOUT"] = "60"
    harness.cloud.fault(Fault(kind="hang", count=None))
    harness.start()
    assert harness.cloud.wait_for(lambda seen: len(seen) > 0, LIMIT_S)


def hanging_command(harness: Harness) -> None:
    """With one command at the cloud and others that wait."""
    harness.settings["WALLBOX__TIMEOUT"] = "60"
    harness.start()
    harness.heals()
    for method in ("PUT", "POST"):
        harness.cloud.fault(Fault(kind="hang", count=None, method=method))
    harness.ask()
    # commands of one client keep their order: with this answer the bridge has the others
    harness.watcher.publish(f"wallbox/{harness.charger}/nonsense/set", "1")
    harness.watcher.wait(f"wallbox/{harness.charger}/nonsense/result")
    assert harness.cloud.wait_for(lambda seen: any(one.method != "GET" for one in seen), LIMIT_S)


def refused_cloud(harness: Harness) -> None:
    """While it backs off."""
    harness.cloud.configure(reads_per_minute=0, refusal="429 seconds")
    harness.start()
    harness.watcher.wait("wallbox/bridge/cloud_reason", "rate_limited")


def well(harness: Harness) -> None:
    harness.start()
    harness.heals()


STATES = [no_broker, silent_broker, frozen_broker, no_cloud, hanging_cloud, hanging_command, refused_cloud, well]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_sigterm(state: Act, open_harness: Make) -> None:
    harness = open_harness(IDLE)
    state(harness)
    with_broker = state not in {no_broker, silent_broker, frozen_broker}
    if with_broker:
        harness.watcher.wait("wallbox/bridge/state", "online")
    assert harness.lives()
    assert harness.process is not None
    harness.process.send_signal(signal.SIGTERM)
    assert harness.ends(STOP_S) == 0
    harness.broker.freeze(frozen=False)
    if with_broker:
        harness.watcher.wait("wallbox/bridge/state", "offline")
    if state is hanging_command:
        answers = [json.loads(heard.payload) for heard in harness.watcher.heard if heard.topic.endswith("/result")]
        assert answers.pop(0)["status"] == "rejected"
        assert len(answers) == 2
        assert all(answer["status"] == "failed" and "stopping" in answer["reason"] for answer in answers)
    harness.keeps_secrets()
    harness.tells_no_trace()


# kill -9


def begin_life(harness: Harness, life: int, per_minute: int) -> None:
    """Start, and ask each charger for an action, another one than in the life before."""
    harness.settings |= {"WALLBOX__READS_PER_MINUTE": str(per_minute), "WALLBOX__WRITES_PER_MINUTE": str(per_minute)}
    harness.watcher.forget()
    harness.start()
    harness.watcher.wait("wallbox/bridge/state", "online")
    for charger in harness.cloud.chargers:
        harness.watcher.publish(f"wallbox/{charger}/action/set", str(ACTIONS[life % 2]))


def actions_of(harness: Harness, marks: list[int]) -> list[Counter[str]]:
    """How often each charger got the action of each life, until the same one was asked for again."""
    ends = [*marks[2:], None, None]
    lives = [harness.cloud.requests[begin:end] for begin, end in zip(marks, ends, strict=True)]
    return [
        Counter(one.path for one in seen if one.body == {"action": ACTIONS[life % 2]})
        for life, seen in enumerate(lives)
    ]


@pytest.mark.slow
def test_kill_at_random_moments(open_harness: Make) -> None:
    """State files stay whole, nothing grows there, no remote action comes twice, the budget holds across starts.

    In the first lives the budget is small; in the others it would let any action through twice.
    """
    harness = open_harness(IDLE)
    chance = random.Random(5)  # noqa: S311 - the same moments each time
    state = harness.directory / "state"
    marks: list[int] = []
    for life in range(KILLS):
        marks.append(len(harness.cloud.requests))
        begin_life(harness, life, FEW if life < KILLS // 2 else MANY)
        eventually(lambda: list(state.glob("*-tokens.json")), "the token is kept")
        time.sleep(chance.uniform(0.0, 1.0))  # the moment is the point
        harness.kill()
        for file in state.glob("*.json"):
            assert isinstance(json.loads(file.read_bytes()), dict), file
    for is_read in (True, False):
        times = [
            seen.at
            for seen in harness.cloud.requests[: marks[KILLS // 2]]
            if (seen.method == "GET") == is_read and not seen.path.startswith("users/")
        ]
        assert max((sum(begin <= at <= begin + 60 for at in times) for begin in times), default=0) <= FEW
    litter = next(state.glob("*-reads.json")).with_suffix(".1.tmp")
    litter.write_text("{", encoding="utf-8")
    os.utime(litter, (0, 0))
    marks.append(len(harness.cloud.requests))
    begin_life(harness, KILLS, MANY)
    for charger in harness.cloud.chargers:
        harness.watcher.wait(f"wallbox/{charger}/action/result")
    harness.heals()
    actions = actions_of(harness, marks)
    assert all(max(times.values(), default=0) <= 1 for times in actions), actions
    assert len(actions[-1]) == 2, "the last life was long enough for both"
    assert "damaged" not in harness.text()
    assert sum(1 for seen in harness.cloud.requests if seen.path == "users/signin") == 1, "the token was kept"
    assert not litter.exists(), "what a kill left behind is tidied up"


def test_events_without_a_broker_outlive_a_kill(open_harness: Make) -> None:
    harness = open_harness(IDLE)
    through_proxy(harness)
    topic, charger = f"wallbox/{harness.charger}/event/session", harness.cloud.charger(harness.charger)

    def told() -> list[str]:
        return [json.loads(text)["event_type"] for text in harness.watcher.of(topic)]

    for word in ("unlock", "unplug"):
        charger.do(word)
    harness.heals()
    before = told()
    harness.proxy.answer = lambda _: b""
    harness.proxy.cut()
    harness.says("not connected to the broker")
    charger.do("plug", 20)
    harness.says("event=charging")
    harness.kill()
    assert told() == before
    harness.proxy.answer = None
    for _ in range(2):
        harness.start()
        harness.heals()
        eventually(lambda: told() == [*before, "started", "charging"], "each is told, and once")
        harness.kill()


# state_dir


def test_state_dir_that_cannot_be(open_harness: Make) -> None:
    """Below a regular file there is no directory, for root neither."""
    harness = open_harness(IDLE)
    file = harness.directory / "file"
    file.touch()
    harness.settings["STATE_DIR"] = str(file / "state")
    harness.start()
    harness.heals()
    since = len(harness.watcher.heard)
    harness.answered(harness.ask(), since, ANY)
    harness.says("cannot keep state")
    assert harness.text().count("cannot keep state") < 10, "said once for each file"


def test_disk_full_for_a_while(open_harness: Make) -> None:
    """Where nothing can be written, as on a full disk, the bridge works on, and keeps its state when it can again."""
    harness = open_harness(IDLE)
    # to a regular file behind stderr nothing could be written either
    harness.start(around=("sh", "-c", '(ulimit -S -f 0; exec "$@" 2>&1) | cat', "sh"))
    harness.heals()
    harness.says("cannot keep state")
    state = harness.directory / "state"
    assert not list(state.glob("*.json"))
    shell = harness.process.pid if harness.process is not None else 0
    children = Path(f"/proc/{shell}/task/{shell}/children").read_text(encoding="ascii").split()
    bridge = next(int(child) for child in children if "python" in Path(f"/proc/{child}/comm").read_text("ascii"))
    resource.prlimit(bridge, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    eventually(lambda: list(state.glob("*-reads.json")), "the state is kept again")
    harness.heals()
    os.kill(bridge, signal.SIGTERM)
    harness.ends(STOP_S)


# Clocks


def jump(harness: Harness, seconds: float) -> None:
    harness.meddle(shift=seconds)


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
def test_clocks(start: float, then: float | None, open_harness: Make) -> None:
    harness = open_harness(MEDDLED)
    harness.meddle(shift=start)
    harness.start(TZ="Europe/Madrid")
    harness.heals()
    if then is not None:
        harness.meddle(shift=then)
        harness.says("the wall clock jumped")
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        assert harness.heals() < 20, "polling goes on"
    since = len(harness.watcher.heard)
    harness.answered(harness.ask(), since, ANY)
    assert harness.lives()


# Threads

PAHO = "paho-mqtt-client-wallbox2mqtt"
THREADS = ["reader", "writer", PAHO, "MainThread"]


def disturb(harness: Harness, **what: str) -> None:
    """Let it befall the thread, and give each of them something to do."""
    harness.meddle(**what)
    harness.watcher.publish(f"wallbox/{harness.charger}/max_charging_current/set", "9")


@pytest.mark.parametrize("thread", THREADS)
def test_a_thread_that_dies(thread: str, open_harness: Make) -> None:
    harness = open_harness(MEDDLED)
    harness.start()
    harness.heals()
    disturb(harness, kill=thread)
    assert harness.ends(SILENCE_S) == 1, "sooner than a stuck one"
    harness.watcher.wait("wallbox/bridge/state", "offline")


@pytest.mark.slow
def test_only_a_stuck_thread_ends_the_bridge(tmp_path: Path) -> None:
    """All bridges at once, as each takes its half minute: with a stuck thread, a slow resolver, and a pause."""
    with ExitStack() as stack:
        names = [*THREADS, "slow names", "paused"]
        harnesses = {name: stack.enter_context(Harness(tmp_path / name, SLOW)) for name in names}
        for harness in harnesses.values():
            harness.start()
        for harness in harnesses.values():
            harness.heals()
        for thread in THREADS:
            disturb(harnesses[thread], stick=thread)
        slow, paused = harnesses["slow names"], harnesses["paused"]
        slow.kill()
        slow.meddle(names="slow")
        url = f"http://cloud.test:{slow.cloud.port}"
        slow.settings |= {"WALLBOX__API_URL": url, "WALLBOX__USER_API_URL": url}
        slow.start()
        # as of a machine that sleeps, and wakes up: nobody was silent
        os.kill(paused.pid, signal.SIGSTOP)
        wakes = time.monotonic() + SILENCE_S + 5
        for thread in THREADS:
            harness = harnesses[thread]
            assert harness.ends(STUCK_S + 1) == 1, thread
            harness.watcher.wait("wallbox/bridge/state", "offline")
            assert "stuck" in harness.text()
        slow.says("read failed.*no connection to cloud.test", 50)
        assert slow.lives()
        eventually(lambda: time.monotonic() > wakes, "a pause", SILENCE_S + 10)
        os.kill(paused.pid, signal.SIGCONT)
        paused.heals()
        assert paused.lives()


def test_a_port_where_nobody_is(open_harness: Make) -> None:
    """Wrong in the configuration for days: no thread dies of it, and little is said."""
    harness = open_harness(IDLE)
    harness.settings |= {"MQTT__PORT": str(free_port()), "MQTT__HOST": "nowhere..invalid"}
    harness.start()
    harness.says("not connected to the broker.*unreachable")
    ends = time.monotonic() + 4
    eventually(lambda: time.monotonic() > ends, "a while")
    assert harness.lives()
    assert len(re.findall(r"warning [\w.]+: not connected to the broker", harness.text())) == 1
