"""The program put together, in this process, with a mosquitto and the simulated cloud; time runs fast."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock, FastClock
from tests.faults.proxy import Proxy
from tests.mosquitto import LIMIT_S, Broker, DenyingBroker, Watcher, eventually
from tests.parts import reads_of, writes_of
from tests.stub_broker import StubBroker, Temper
from tests.unit.test_schedules import NIGHT
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import CommandsConfig, Config, HomeAssistantConfig, MqttConfig, Secret, WallboxConfig
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.errors import EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from wallbox2mqtt.mqtt import Message
from wallbox2mqtt.mqtt.inbox import MOST_MESSAGES
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Fault, Seen, Settings, Simulator

pytestmark = pytest.mark.broker

ONE = 900001
SPEED = 20.0
NO_EXTRA: dict[str, Any] = {"status_writes_per_minute": 0}
"""Only what a test asks for reaches the cloud as a write."""
GENEROUS = Settings(reads_per_minute=None, writes_per_minute=None)


class Harness:
    """A cloud and an App on a thread of its own."""

    def __init__(self, clock: Clock, directory: Path, port: int, settings: Settings, **options: Any) -> None:  # noqa: ANN401
        mqtt = {"host": "127.0.0.1", "port": port, **options.pop("mqtt", {})}
        commands = CommandsConfig(**options.pop("commands", {}))
        home_assistant = HomeAssistantConfig(**options.pop("home_assistant", {}))
        specs = [ChargerSpec(id=ONE + number) for number in range(options.pop("chargers", 1))]
        options |= {"chargers": options.pop("only")} if "only" in options else {}
        self.cloud = Simulator(chargers=specs, clock=clock, settings=settings)
        self.cloud.start()
        account = {"email": EMAIL, "password": Secret(options.pop("password", PASSWORD)), "reads_per_minute": 60}
        wallbox = WallboxConfig(
            **{
                **account,
                "api_url": self.cloud.url,
                "user_api_url": self.cloud.url,
                "poll_interval": 5,
                **NO_EXTRA,
                **options,
            }
        )
        config = Config(wallbox=wallbox, mqtt=MqttConfig(**mqtt), commands=commands, home_assistant=home_assistant)
        self.app = App(config, directory / "state", clock)
        self.codes: list[int] = []
        self._thread = threading.Thread(target=lambda: self.codes.append(self.app.run()), name="harness", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self, limit_s: float) -> int:
        """The exit code, within the limit."""
        self._thread.join(limit_s)
        assert self.codes, f"the program did not end within {limit_s:g} s"
        return self.codes[0]

    def stop(self) -> int:
        self.app.stop()
        return self.wait(LIMIT_S)  # how soon it is on a quiet machine, the tests of the process tell

    def end(self) -> None:
        if self._thread.is_alive():
            self.stop()
        self.cloud.stop()


Make = Callable[..., Harness]


@pytest.fixture
def make(broker: Broker, tmp_path: Path) -> Iterator[Make]:
    """Make a harness."""
    harnesses: list[Harness] = []

    def make_harness(clock: Clock | None = None, settings: Settings = GENEROUS, **options: Any) -> Harness:  # noqa: ANN401
        harness = Harness(clock or FastClock(SPEED), tmp_path, broker.port, settings, **options)
        harnesses.append(harness)
        harness.start()
        return harness

    yield make_harness
    for harness in harnesses:
        harness.end()


def test_schedules_are_read_and_changed(make: Make, watcher: Watcher) -> None:
    make()
    watcher.wait(f"wallbox/{ONE}/schedules", "[]")
    watcher.publish(f"wallbox/{ONE}/schedules/set", json.dumps([NIGHT]))
    watcher.wait(f"wallbox/{ONE}/schedule/0/current", "16")
    watcher.wait(f"wallbox/{ONE}/schedule/next")


class TestEnd:
    def test_asked_to(self, make: Make, watcher: Watcher) -> None:
        harness = make()
        watcher.wait("wallbox/bridge/cloud", "online")
        assert harness.stop() == EXIT_OK
        watcher.wait("wallbox/bridge/state", "offline")
        assert watcher.heard[-1].topic == "wallbox/bridge/state"

    def test_a_successor_finds_what_was_asked(self, make: Make, watcher: Watcher) -> None:
        harness = make()
        watcher.wait(f"wallbox/{ONE}/locked")
        assert harness.stop() == EXIT_OK
        watcher.wait("wallbox/bridge/state", "offline")
        left = json.loads(watcher.last()["wallbox/bridge/handover"])
        assert left["owner"] is True
        assert left["chargers"] == [ONE]
        assert left["reads"]["ages"]

    def test_credentials_that_never_worked(self, make: Make, watcher: Watcher) -> None:
        assert make(password="wrong").wait(LIMIT_S) == EXIT_CONFIG  # noqa: S106
        eventually(lambda: watcher.last().get("wallbox/bridge/state", "offline") == "offline", "it is not online")

    def test_the_exit_waits_if_a_refusal_cannot_be_kept(
        self, make: Make, tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Docker starts it again whatever the exit code is: ten starts would be ten sign-ins."""
        (tmp_path / "state").touch()
        harness = make(clock, password="wrong")  # noqa: S106
        eventually(lambda: "ending in_s=60" in caplog.text, "the refusal is told")
        clock.advance(54)
        looks = harness.app._scheduler._done_at.copy()  # noqa: SLF001 - nobody else could tell
        eventually(lambda: harness.app._scheduler._done_at != looks, "main has looked at it again")  # noqa: SLF001
        assert not harness.codes, "it waits"
        clock.advance(2)
        assert harness.wait(LIMIT_S) == EXIT_CONFIG
        assert len([one for one in harness.cloud.requests if one.path == "users/signin"]) == 1

    def test_credentials_that_worked_before(self, make: Make, watcher: Watcher) -> None:
        harness = make()
        watcher.wait("wallbox/bridge/cloud", "online")
        assert harness.stop() == EXIT_OK
        harness.cloud.revoke_tokens()
        harness.cloud.revoke_refresh_tokens()
        again = make(password="changed", api_url=harness.cloud.url, user_api_url=harness.cloud.url)  # noqa: S106
        watcher.wait("wallbox/bridge/cloud_reason", "auth_failed")
        watcher.wait("wallbox/bridge/cloud", "offline")
        assert again.stop() == EXIT_OK

    def test_in_a_flood(self, make: Make, watcher: Watcher) -> None:
        """Messages without end, more than anybody can handle: neither those that wait nor those that come hold it."""
        clock = FastClock(SPEED)
        harness = make(clock, writes_per_minute=1)
        watcher.wait(f"wallbox/{ONE}/locked", "1")
        topic, ended = f"wallbox/{ONE}/max_charging_current/set", threading.Event()

        def flood() -> None:
            number = 0
            while not ended.wait(0.001):
                for _ in range(500):
                    number += 1
                    payload = str(6 + number % 20).encode()
                    message = Message(topic, payload, retained=False, arrived=clock.monotonic())
                    harness.app._inbox.put(message)  # noqa: SLF001

        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            eventually(lambda: len(harness.app._inbox) > MOST_MESSAGES // 2, "more than main can handle")  # noqa: SLF001
            assert harness.stop() == EXIT_OK
        finally:
            ended.set()
            flooding.join()
        watcher.wait("wallbox/bridge/state", "offline")

    @pytest.mark.parametrize("name", ["reader", "writer", "broker's"])
    def test_a_thread_that_ends(self, make: Make, watcher: Watcher, name: str) -> None:
        harness = make()
        watcher.wait("wallbox/bridge/cloud", "online")
        if name == "broker's":
            harness.app.parts.mqtt._client.loop_stop()  # noqa: SLF001 - as a fault in paho would
        else:
            next(worker for worker in harness.app.parts.workers if worker.name == name).stop()
        assert harness.wait(LIMIT_S) == EXIT_FAILED
        if name != "broker's":  # without paho's thread only the will can say it, when the process has ended
            watcher.wait("wallbox/bridge/state", "offline")


class JumpyClock(FastClock):
    """Its wall clock jumps by some seconds every two seconds."""

    def wall(self) -> float:
        return super().wall() + 3.0 * (int(self.monotonic() / 2) % 7)


class TestTimes:
    @staticmethod
    def pace_of(seen: Sequence[Seen]) -> float:
        """Return the seconds between two reads, on average.

        The first may be one that did not have to wait, and a busy machine may hold up any: a second is 50 ms.
        """
        return (seen[-1].at - seen[1].at) / (len(seen) - 2)

    @pytest.mark.parametrize("jump_s", [-3600, 3600], ids=["back", "forward"])
    def test_a_wall_clock_that_jumps(self, make: Make, watcher: Watcher, clock: FakeClock, jump_s: float) -> None:
        """The timetable goes by the system's clock, which a test cannot set: its times are moved instead."""
        harness = make(clock)
        watcher.wait("wallbox/bridge/cloud", "online")
        scheduler = harness.app._scheduler._scheduler  # noqa: SLF001
        old = list(scheduler.jobs)
        for job in old:
            assert job.next_run is not None
            job.next_run -= timedelta(seconds=jump_s)
        clock.jump(jump_s)
        eventually(lambda: not set(old) & set(scheduler.jobs), "the timetable begins anew")
        soon = datetime.now() + timedelta(seconds=70)  # noqa: DTZ005 - as schedule has it
        assert all(job.next_run is not None and job.next_run < soon for job in scheduler.jobs)

    def test_goes_on_reading(self, make: Make, watcher: Watcher) -> None:
        harness = make()
        watcher.wait("wallbox/bridge/cloud", "online")
        harness.cloud.forget_requests()
        assert harness.cloud.wait_for(lambda seen: len(seen) >= 20, LIMIT_S)
        assert self.pace_of(harness.cloud.requests) >= 4.4

    def test_jumps_of_the_wall_clock_do_not_change_the_pace(self, make: Make, watcher: Watcher) -> None:
        harness = make(JumpyClock(SPEED))
        watcher.wait("wallbox/bridge/cloud", "online")
        harness.cloud.forget_requests()
        assert harness.cloud.wait_for(lambda seen: len(reads_of(seen)) >= 20, LIMIT_S)
        assert 4.4 <= self.pace_of(reads_of(harness.cloud.requests)) < 20

    def test_a_refused_pace_is_told(self, make: Make, watcher: Watcher) -> None:
        harness = make(settings=Settings(reads_per_minute=3, writes_per_minute=None))

        def slower() -> bool:
            infos = [json.loads(text) for text in watcher.of("wallbox/bridge/info")]
            return [info["interval_s"] for info in infos if info["interval_s"] > 5] != []

        eventually(slower, "info tells the slower pace")
        assert watcher.of("wallbox/bridge/cloud_reason").count("rate_limited") >= 1
        assert "offline" not in watcher.of("wallbox/bridge/cloud")
        assert harness.stop() == EXIT_OK

    def test_health(self, make: Make, watcher: Watcher) -> None:
        make()
        health = json.loads(watcher.wait("wallbox/bridge/health").payload)
        assert health.keys() >= {
            "uptime_s",
            "reads",
            "writes",
            "sign_ins",
            "refused",
            "backoff_s",
            "commands_waiting",
            "reconnects",
            "rss_mib",
        }
        assert health["reads"] >= 5
        assert health["sign_ins"] == 1
        assert 59 <= health["uptime_s"] <= 59 + LIMIT_S * SPEED

    def test_counts(self, make: Make, watcher: Watcher) -> None:
        harness = make()
        watcher.wait(f"wallbox/{ONE}/locked", "1")
        watcher.publish(f"wallbox/{ONE}/locked/set", "0")
        watcher.wait("wallbox/bridge/writes_last_hour", "1")
        eventually(lambda: int(watcher.last().get("wallbox/bridge/reads_last_hour", "0")) >= 3, "the reads are counted")
        assert harness.stop() == EXIT_OK


def settle(watcher: Watcher) -> None:
    """Wait until all that main had to say is out, the announcement after the connect too."""
    state = "wallbox/bridge/state"
    watcher.publish(state, "offline")
    watcher.wait_for(
        lambda heard: [one.payload for one in heard if one.topic == state][-2:] == ["offline", "online"], "contradicted"
    )


class TestAnnouncing:
    @pytest.mark.parametrize(
        ("home_assistant", "birth"),
        [
            pytest.param({}, ("homeassistant/status", "online"), id="default"),
            pytest.param({"prefix": "home/ha"}, ("home/ha/status", "online"), id="prefix"),
            pytest.param(
                {"birth_topic": "ha/state", "birth_payload": "up"}, ("ha/state", "up"), id="another-topic-and-payload"
            ),
        ],
    )
    def test_all_anew_when_home_assistant_starts(
        self, make: Make, watcher: Watcher, home_assistant: dict[str, str], birth: tuple[str, str]
    ) -> None:
        make(poll_interval=3600, home_assistant=home_assistant)
        watcher.wait(f"wallbox/{ONE}/status")
        watcher.wait(f"wallbox/{ONE}/ecosmart/percentage")
        settle(watcher)
        before = {topic: text for topic, text in watcher.last().items() if topic.startswith(f"wallbox/{ONE}/")}
        watcher.forget()
        for _ in range(3):
            watcher.publish(*birth)
        watcher.wait_for(lambda heard: {one.topic for one in heard} >= before.keys(), "everything again")
        watcher.wait("wallbox/bridge/cloud", "online")
        watcher.publish(birth[0], "offline")
        watcher.wait("wallbox/bridge/health")
        assert {topic: len(watcher.of(topic)) for topic in before} == dict.fromkeys(before, 1)

    def test_not_for_a_retained_birth(self, make: Make, watcher: Watcher) -> None:
        watcher.publish("homeassistant/status", "online", retain=True)
        watcher.wait("homeassistant/status")
        make(poll_interval=3600)
        watcher.wait(f"wallbox/{ONE}/ecosmart/percentage")
        settle(watcher)
        watcher.forget()
        watcher.wait("wallbox/bridge/health")
        assert watcher.of(f"wallbox/{ONE}/status") == []

    @pytest.mark.slow
    def test_a_birth_survives_a_new_timetable(self, make: Make, watcher: Watcher, clock: FakeClock) -> None:
        make(clock)
        watcher.wait("wallbox/bridge/cloud", "online")
        watcher.wait(f"wallbox/{ONE}/ecosmart/percentage")
        settle(watcher)
        watcher.forget()
        watcher.publish("homeassistant/status", "online")
        watcher.wait("homeassistant/status", "online")
        clock.jump(-3600)
        watcher.wait(f"wallbox/{ONE}/status", limit_s=LIMIT_S)

    @pytest.mark.slow
    def test_over_a_slow_link_main_goes_on_meanwhile(self, broker: Broker, make: Make, watcher: Watcher) -> None:
        """1,300 topics, of which some 200 a second get through: what is commanded meanwhile must not wait for them."""
        chargers = range(ONE, ONE + 12)
        with Proxy(broker.port) as proxy:
            harness = make(mqtt={"port": proxy.port}, chargers=len(chargers), poll_interval=20, reads_per_minute=600)
            watcher.publish("wallbox/bridge/refresh/set", "1")
            eventually(lambda: all(map(harness.app.parts.bridge.states.has_detail, chargers)), "all is known")
            watcher.wait(f"wallbox/{ONE}/locked", "1")
            settle(watcher)
            proxy.delay_s = 0.05
            watcher.forget()
            watcher.publish("homeassistant/status", "online")
            watcher.wait(f"wallbox/{ONE}/status")
            watcher.publish(f"wallbox/{ONE}/locked/set", "0")
            assert harness.cloud.wait_for(lambda seen: any(one.method == "PUT" for one in seen), LIMIT_S)
            assert len(watcher.heard) < 1000
            watcher.wait(f"wallbox/{ONE}/locked/result")
            assert len(watcher.heard) < 1200
            everything = {f"wallbox/{charger}/{name}" for charger in chargers for name in ("status", "locked")}
            watcher.wait_for(lambda _: everything <= watcher.last().keys(), "all again")
            watcher.wait(f"wallbox/{ONE}/locked", "0")
            watcher.forget()
            watcher.publish("homeassistant/status", "online")
            watcher.wait(f"wallbox/{ONE}/status")
            assert harness.stop() == EXIT_OK

    def test_offline_is_contradicted(self, make: Make, watcher: Watcher) -> None:
        make()
        watcher.wait("wallbox/bridge/state", "online")
        watcher.forget()
        watcher.publish("wallbox/bridge/state", "offline", retain=True)
        watcher.wait("wallbox/bridge/state", "online")


def test_a_denied_subscription_is_told_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    with DenyingBroker() as broker:
        harness = make(mqtt={"port": broker.port, "base_topic": "no"})
        eventually(lambda: "refuses subscriptions" in caplog.text, "told")
        before = broker.subscribed
        broker.drop()
        eventually(lambda: broker.subscribed > before, "subscribed again")
        harness.stop()
        told = [one.getMessage() for one in caplog.records if "refuses subscriptions" in one.getMessage()]
    assert [line for line in told if "no/+/+/set" in line] == told
    assert len(told) == 1


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize(
    "temper", [Temper(replay_s=None), Temper(flags=False, obeys=False)], ids=["early", "unflagged"]
)
def test_stored_messages_are_no_commands_after_a_reconnect(make: Make, temper: Temper, *, accepted: bool) -> None:
    """It may come before the subscription is confirmed, and from some brokers without the retain flag."""
    temper.obeys = False
    with StubBroker(temper) as broker:
        harness = make(mqtt={"port": broker.port}, commands={"accept_retained": accepted})
        app = harness.app
        eventually(lambda: app.parts.bridge.states.has_detail(ONE), "all is well")
        broker.stored[f"wallbox/{ONE}/locked/set"] = b"0"
        broker.drop()
        eventually(lambda: app.parts.bridge.shared.results.answered >= 1, "the stored command has its result")
        harness.stop()
    assert writes_of(harness.cloud.requests) == []


def test_a_charger_gone_while_the_broker_is_away_leaves_nothing(broker: Broker, make: Make, watcher: Watcher) -> None:
    with Proxy(broker.port) as proxy:
        harness = make(mqtt={"port": proxy.port}, poll_interval=3600)
        topics = {
            f"wallbox/{ONE}/{name}" for name in ("availability", "locked", "ecosmart/percentage", "why", "why/code")
        }
        watcher.wait_for(lambda _: topics <= watcher.last().keys(), "all is shown")
        settle(watcher)
        proxy.silent = True
        proxy.cut()
        eventually(lambda: not harness.app.parts.mqtt.online, "the broker is away")
        harness.app._inbox.put(partial(harness.app._listed, [ONE]))  # noqa: SLF001 - as after a day of listings without it
        eventually(lambda: not harness.app.parts.bridge.states.view(ONE), "forgotten")
        proxy.silent = False
        proxy.cut()
        eventually(lambda: harness.app.parts.mqtt.online, "the broker is back")
        for topic in topics:
            watcher.wait(topic, "")


def test_a_charger_left_out_of_the_configuration_has_no_topics(make: Make, watcher: Watcher) -> None:
    other = ONE + 1
    topics = {
        f"wallbox/{other}/{name}" for name in ("availability", "locked", "ecosmart/percentage", "why", "why/code")
    }
    topics |= {f"homeassistant/device/wallbox2mqtt_{other}/config"}
    house = make(chargers=2)
    watcher.wait_for(lambda _: topics <= watcher.last().keys(), "all is shown")
    settle(watcher)
    house.stop()
    make(only=(ONE,), api_url=house.cloud.url, user_api_url=house.cloud.url)
    for topic in topics:
        watcher.wait(topic, "")
    watcher.wait(f"wallbox/{ONE}/availability", "online")


class HeldClock(FastClock):
    """Lets the cloud's answer reach the writer just when main, at the end, has taken out who waits."""

    def __init__(self) -> None:
        super().__init__(SPEED)
        self.asked: Callable[[], bool] = lambda: False
        self.taken_out: Callable[[], bool] = lambda: False
        self.done: Callable[[], bool] = lambda: True
        self.held, self.answered = threading.Event(), threading.Event()

    def monotonic(self) -> float:
        name = threading.current_thread().name
        if name == "writer" and not self.held.is_set() and self.asked():
            self.held.set()
            self.answered.wait(LIMIT_S)
        if name == "harness" and not self.answered.is_set() and self.taken_out():
            self.answered.set()
            eventually(self.done, "the writer has done with it")
        return super().monotonic()


def test_a_command_put_back_during_the_end_is_answered(make: Make, watcher: Watcher) -> None:
    clock = HeldClock()
    harness = make(clock)
    shared = harness.app.parts.bridge.shared
    watcher.wait(f"wallbox/{ONE}/locked", "1")
    harness.cloud.fault(Fault(kind="status", status=429, method="PUT"))
    clock.asked = lambda: any(seen.method == "PUT" for seen in harness.cloud.requests)
    watcher.publish(f"wallbox/{ONE}/locked/set", "0")
    assert clock.held.wait(LIMIT_S)
    watcher.publish(f"wallbox/{ONE}/max_charging_current/set", "10")
    eventually(lambda: len(shared.queue) == 1, "another one waits")
    clock.done = lambda: shared.queue.in_flight is None
    clock.taken_out = lambda: len(shared.queue) == 0
    assert harness.stop() == EXIT_OK
    watcher.wait("wallbox/bridge/state", "offline")
    for key in ("locked", "max_charging_current"):
        (result,) = watcher.of(f"wallbox/{ONE}/{key}/result")
        assert json.loads(result)["status"] == "failed"
        assert json.loads(result)["reason"].startswith("stopping")


def test_commands_that_have_arrived_are_answered_at_the_end(make: Make, watcher: Watcher) -> None:
    harness = make(writes_per_minute=1)
    watcher.wait(f"wallbox/{ONE}/locked", "1")
    for number in range(200):
        watcher.publish(f"wallbox/{ONE}/max_charging_current/set", str(6 + number % 20))
    watcher.publish("end", "1")
    watcher.wait("end")
    harness.stop()
    watcher.wait("wallbox/bridge/state", "offline")
    # those that the broker had not yet handed over are not the bridge's; of the others none may be missing
    answered = Counter(json.loads(text)["value"] for text in watcher.of(f"wallbox/{ONE}/max_charging_current/result"))
    assert answered
    assert answered == Counter(6 + number % 20 for number in range(answered.total()))


class TestSessions:
    def test_a_session_is_told_and_summed_up_over_a_restart(self, make: Make, watcher: Watcher) -> None:
        def shown(key: str) -> str:
            return watcher.last().get(f"wallbox/{ONE}/{key}", "")

        def happened() -> list[str]:
            return [json.loads(text)["event_type"] for text in watcher.of(f"wallbox/{ONE}/event/session")]

        clock = FastClock(SPEED)
        harness = make(clock)
        charger = harness.cloud.charger(ONE)
        for word in ("unplug", "unlock"):
            charger.do(word)
        watcher.wait(f"wallbox/{ONE}/energy_total", "0.0")
        charger.do("plug", 20)
        eventually(lambda: float(shown("energy_total")) > 0, "energy is counted")
        eventually(lambda: shown("session/state") == "charging", "it is a session that charges")
        assert harness.stop() == EXIT_OK
        before = float(shown("energy_total"))
        again = make(clock, api_url=harness.cloud.url, user_api_url=harness.cloud.url)
        eventually(lambda: float(shown("energy_total")) > before, "it is counted on")
        charger.do("unplug")
        eventually(lambda: shown("session/state") == "None", "the session is over")
        kwh = str(charger.detail()["added_energy"])
        eventually(lambda: shown("energy_total") == kwh, "all is counted")
        eventually(lambda: shown("last_session/energy") == kwh, "it is the last session")
        eventually(lambda: happened() == ["started", "charging", "finished", "unplugged"], "each event once")
        assert again.stop() == EXIT_OK
