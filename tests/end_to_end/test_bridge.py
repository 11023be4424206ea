"""From the cloud to the broker and back, with the program as its users run it."""

import json
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import OpenCloud, Run
from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually, free_port
from tests.parts import most_in_a_minute, reads_of, writes_of
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.simulator import ChargerSpec, Fault, Seen, capture, fleet

pytestmark = pytest.mark.broker

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "requests.json").read_text(encoding="utf-8"))["requests"]
ONE = 900001
STATE = "wallbox/bridge/state"

DERIVED = {
    "status": "Locked - Car connected",
    "car_connected": "true",
    "charging": "false",
    "charging_enabled": "false",
    "eco_smart": "off",
    "last_sync": "2023-08-18T06:50:26+00:00",
    "firmware": '{"installed_version":"5.17.59","latest_version":"5.17.59","in_progress":false}',
}
"""Of the API document's status."""

WORKED_OUT = (
    "schedules", "schedule/0/start", "schedule/next", "schedule/ends", "energy_total", "session/energy",
    "last_session/energy", "history/this_month/energy", "why", "why/code", "control", "evcc/status", "last_problem",
    "event/session",
)  # fmt: skip


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    return version


def text(value: Json) -> str:
    """The payload that the contract asks for."""
    if value is None or value == "":
        return "None"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def leaves(node: Mapping[str, Json], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in node.items():
        if isinstance(value, dict) and value:
            found |= leaves(value, f"{prefix}{name}/")
        else:
            found[prefix + name] = text(value)
    return found


def topics_of(document: Mapping[str, Json]) -> dict[str, str]:
    """Every value of a status document by the contract's rules, written down apart from the program."""
    config = document["config_data"]
    assert isinstance(config, dict)
    top = {name: value for name, value in document.items() if name != "config_data"}
    return leaves({**config, **top})


def answered(seen: tuple[Seen, ...], path: str, status: int = 200, count: int = 1) -> bool:
    return len([one for one in seen if one.path.startswith(path) and one.status == status]) >= count


@pytest.mark.parametrize("sign_in", ["modern", "legacy", "auto"])
def test_every_value_of_the_api_document(
    broker: Broker, cloud: OpenCloud, run: Run, protocol: str, sign_in: str
) -> None:
    simulator = cloud([ChargerSpec(id=ONE)], modern_sign_in=404 if sign_in == "auto" else 200)
    document = capture("pulsar-plus")
    simulator.charger(ONE).serve("detail", {**document, "invented": {"tomorrow": [1, {"a": None}]}})
    with Watcher(broker.port) as watcher:
        program = run(simulator.url, broker.port, mqtt={"protocol": protocol}, wallbox={"sign_in": sign_in})
        for key in ("basic/wifiSignal", "basic/resume/totalEnergy", "invented/tomorrow"):
            watcher.wait(f"wallbox/{ONE}/{key}")
        watcher.wait("wallbox/bridge/reads_last_hour")
        shown = watcher.last()
        expected = topics_of(document) | DERIVED
        assert {key: shown.get(f"wallbox/{ONE}/{key}") for key in expected} == expected
        assert shown[f"wallbox/{ONE}/invented/tomorrow"] == '[1,{"a":null}]'
        assert shown[f"wallbox/{ONE}/availability"] == "offline"  # its last sync is years ago
        assert shown[f"wallbox/{ONE}/basic/resume/totalEnergy"] == "83610"
        assert not [topic for topic in shown if "/users" in topic]
        assert (shown[STATE], shown["wallbox/bridge/cloud"], shown["wallbox/bridge/cloud_reason"]) == (
            "online",
            "online",
            "ok",
        )
        info = json.loads(shown["wallbox/bridge/info"])
        assert info.keys() >= {"version", "started", "chargers", "reads_per_minute", "writes_per_minute", "interval_s"}
        assert (info["chargers"], info["protocol"], info["interval_s"]) == ([ONE], protocol, 0.2)
        assert program.stop() == 0
        watcher.wait(STATE, "offline")
    with Watcher(broker.port) as later:
        wanted = {STATE, *(f"wallbox/{ONE}/{key}" for key in expected)}
        later.wait_for(lambda heard: {one.topic for one in heard if one.retained} >= wanted, "all is retained")


def test_what_is_worked_out_comes_by_itself(broker: Broker, cloud: OpenCloud, run: Run) -> None:
    (spec,) = fleet(1, lively=True)
    simulator = cloud([spec])
    with Watcher(broker.port) as watcher:
        program = run(simulator.url, broker.port)
        for key in WORKED_OUT:
            watcher.wait(f"wallbox/{spec.id}/{key}")
        assert program.stop() == 0


def test_a_start_tells_that_it_waits_for_the_budget(broker: Broker, cloud: OpenCloud, run: Run) -> None:
    simulator = cloud()
    with Watcher(broker.port) as watcher:
        program = run(simulator.url, broker.port, wallbox={"reads_per_minute": 1})
        watcher.wait("wallbox/bridge/cloud_reason", "ok")
        assert program.stop() == 0
        assert "the first read waits" not in program.log
        program.start()
        eventually(lambda: "the first read waits" in program.log, "it says why nothing happens")


def test_a_command_of_before_the_list_waits_for_no_detail(broker: Broker, cloud: OpenCloud, run: Run) -> None:
    simulator = cloud([ChargerSpec(id=ONE)])
    simulator.fault(Fault(kind="delay", path="v3/chargers/groups", seconds=2))
    with Watcher(broker.port) as watcher:
        run(simulator.url, broker.port, wallbox={"reads_per_minute": 1})
        watcher.wait(STATE, "online")
        watcher.publish(f"wallbox/{ONE}/locked/set", "0")
        assert json.loads(watcher.wait(f"wallbox/{ONE}/locked/result").payload)["status"] == "ok"
        assert not [one for one in simulator.requests if one.path.startswith("chargers/status")]


def golden_specs(which: int) -> list[tuple[ChargerSpec, dict[str, Any], str]]:
    """A charger for each line of the table of requests, in the state that the line asks for, and one of its payloads.

    What each of the others means, ``tests/unit/test_catalogue.py`` tells.
    """
    before: dict[str, Json] = {
        "config_data.max_charging_current": 10,
        "config_data.energy_price": 0.11,
        "config_data.currency.id": 7,
        "config_data.software.updateAvailable": True,
        "config_data.auto_lock": 0,
    }
    cases = [(line, line["payloads"][which]) for line in GOLDEN]
    specs = []
    for number, (line, payload) in enumerate(cases, start=1):
        state = {
            key if key == "max_available_power" else f"config_data.{key.replace('/', '.')}": value
            for key, value in line.get("state", {}).items()
        }
        locked = {"config_data.locked": 1 - line["value"]} if line["topic"] == "locked" else {}
        spec = ChargerSpec(id=number, changes={**before, **locked, **state})
        if line["topic"] == "charging_enabled":
            # «off» where nothing charges is not sent
            spec = replace(spec, begin=(("unlock", None), ("plug", 30)))
        if "schedules" in line:
            changes = {**spec.changes, "config_data.timezone": line["timezone"]}
            spec = replace(spec, changes=changes, begin=(("schedules", line["schedules"]),))
        specs.append((spec, line, payload))
    return specs


@pytest.mark.slow
def test_every_command_by_its_golden_request(broker: Broker, cloud: OpenCloud, run: Run, protocol: str) -> None:
    cases = golden_specs(0 if protocol == "5" else -1)
    simulator = cloud([spec for spec, _, _ in cases])
    for spec, line, _ in cases:
        if line["topic"] == "charging_enabled":  # where no car is, there is nothing to end
            simulator.charger(spec.id).do("unlock")
            simulator.charger(spec.id).do("plug", 20)
    with Watcher(broker.port, "wallbox/+/+/#") as watcher:
        run(
            simulator.url,
            broker.port,
            mqtt={"protocol": protocol},
            wallbox={"reads_per_minute": 60_000, "poll_interval": 0.01},
            commands={"allow_factory_reset": True},
            home_assistant={"discovery": "off"},
        )
        watcher.wait("wallbox/bridge/cloud", "online")
        for spec, line, payload in cases:
            watcher.publish(f"wallbox/{spec.id}/{line['topic']}/set", payload)
        for spec, line, payload in cases:
            result = json.loads(watcher.wait(f"wallbox/{spec.id}/{line['topic']}/result", limit_s=30).payload)
            sent = [one for one in writes_of(simulator.requests) if one.charger == spec.id]
            told = [(one.method, one.path, json.dumps(one.body, sort_keys=True)) for one in sent]
            body = json.dumps(line["body"], sort_keys=True).replace('"{id}"', str(spec.id))
            assert told == [(line["method"], line["path"].format(id=spec.id), body)], (line["topic"], payload)
            assert json.dumps(result["value"], sort_keys=True) == json.dumps(line["value"], sort_keys=True)
            assert result["http_status"] == sent[0].status
            assert result["status"] == ("ok" if sent[0].status == 200 else "failed")
            assert len(watcher.of(f"wallbox/{spec.id}/{line['topic']}/result")) == 1


def test_what_is_no_command_reaches_no_cloud(broker: Broker, cloud: OpenCloud, run: Run, protocol: str) -> None:
    payloads: list[tuple[str, str | bytes]] = [
        ("locked", "abc"),
        ("locked", b"\xff"),
        ("locked", "1" * 2000),
        ("max_charging_current", "33"),
        ("max_charging_current", "16.0"),
        ("max_charging_current", "NaN"),
        ("config", '{"energy_price": true}'),
        ("config", '{"home_sharing": 1, "home_sharing": 0}'),
        ("action", "4"),
        ("action", "update"),
        ("status", "Ready"),
        ("nonsense", "1"),
    ]
    simulator = cloud([ChargerSpec(id=ONE)])
    with Watcher(broker.port) as watcher:
        watcher.publish(f"wallbox/{ONE}/locked/set", "0", retain=True)
        run(simulator.url, broker.port, mqtt={"protocol": protocol})
        if protocol == "3.1.1":  # with MQTT 5 it is not asked for
            retained = json.loads(watcher.wait(f"wallbox/{ONE}/locked/result").payload)
            assert (retained["status"], "retained" in retained["reason"]) == ("rejected", True)
        watcher.wait(f"wallbox/{ONE}/locked", "1")
        watcher.wait(f"wallbox/{ONE}/ecosmart/percentage")  # of the detail: what a check may need is known
        watcher.forget()
        for key, payload in payloads:
            watcher.publish(f"wallbox/{ONE}/{key}/set", payload)
        watcher.publish("wallbox/999/locked/set", "1")
        watcher.publish(f"wallbox/{ONE}/refresh/set", "")
        watcher.wait(f"wallbox/{ONE}/refresh/result")
        told = [json.loads(one.payload) for one in watcher.heard if one.topic.endswith("/result")]
        assert [one["status"] for one in told] == ["rejected"] * len(payloads) + ["ok"]
        assert not [one for one in watcher.heard if one.topic.startswith("wallbox/999/") and one.topic[-4:] != "/set"]
        assert writes_of(simulator.requests) == []


def test_the_answer_goes_where_an_mqtt_5_client_wants_it(broker: Broker, cloud: OpenCloud, run: Run) -> None:
    simulator = cloud([ChargerSpec(id=ONE)])
    with Watcher(broker.port) as watcher:
        run(simulator.url, broker.port)
        watcher.wait(f"wallbox/{ONE}/locked", "1")
        watcher.publish(f"wallbox/{ONE}/locked/set", "0", reply="me/here", correlation=b"\x07")
        answer = watcher.wait("me/here")
        assert answer.correlation == b"\x07"
        assert answer.payload == watcher.wait(f"wallbox/{ONE}/locked/result").payload
        watcher.wait(f"wallbox/{ONE}/locked", "0")


class TestTokens:
    @pytest.mark.parametrize("sign_in", ["modern", "legacy"])
    def test_of_ten_seconds(self, broker: Broker, cloud: OpenCloud, run: Run, sign_in: str) -> None:
        simulator = cloud([ChargerSpec(id=ONE)], token_life_s=10)
        with Watcher(broker.port) as watcher:
            run(simulator.url, broker.port, wallbox={"sign_in": sign_in})
            watcher.wait(f"wallbox/{ONE}/locked", "1")
            path = "auth/token" if sign_in == "legacy" else "users/refresh-token"
            count = 2 if sign_in == "legacy" else 1
            assert simulator.wait_for(lambda seen: answered(seen, path, count=count), LIMIT_S)
            watcher.publish(f"wallbox/{ONE}/locked/set", "0")
            watcher.wait(f"wallbox/{ONE}/locked", "0")
            assert {one.status for one in simulator.requests if one.status is not None} == {200}
            assert "offline" not in watcher.of("wallbox/bridge/cloud")

    @pytest.mark.parametrize("refresh", [True, False], ids=["refreshed", "signed in"])
    def test_revoked_in_the_middle(self, broker: Broker, cloud: OpenCloud, run: Run, *, refresh: bool) -> None:
        simulator = cloud([ChargerSpec(id=ONE)])
        with Watcher(broker.port) as watcher:
            run(simulator.url, broker.port)
            watcher.wait(f"wallbox/{ONE}/locked", "1")
            if not refresh:
                simulator.revoke_refresh_tokens()
            simulator.revoke_tokens()
            simulator.forget_requests()
            assert simulator.wait_for(lambda seen: answered(seen, f"chargers/status/{ONE}", count=3), LIMIT_S)
            watcher.publish(f"wallbox/{ONE}/locked/set", "0")
            assert json.loads(watcher.wait(f"wallbox/{ONE}/locked/result").payload)["status"] == "ok"
            assert len([one for one in simulator.requests if one.status == 401]) <= 3
            assert "offline" not in watcher.of("wallbox/bridge/cloud")

    @pytest.mark.parametrize("sign_in", ["modern", "legacy"])
    def test_a_wrong_password_is_78(self, broker: Broker, cloud: OpenCloud, run: Run, sign_in: str) -> None:
        simulator = cloud()
        with Watcher(broker.port) as watcher:
            program = run(simulator.url, broker.port, wallbox={"password": "wrong password", "sign_in": sign_in})
            assert program.wait(LIMIT_S) == 78
            eventually(lambda: watcher.last().get(STATE, "offline") == "offline", "it is not online")
        assert len(simulator.requests) <= 2
        assert "check e-mail and password" in program.log

    @pytest.mark.parametrize("sign_in", ["modern", "legacy"])
    def test_umlauts_and_colons(self, broker: Broker, cloud: OpenCloud, run: Run, sign_in: str) -> None:
        simulator = cloud(password="pä:ß:ключ")  # noqa: S106
        with Watcher(broker.port) as watcher:
            run(simulator.url, broker.port, wallbox={"password": "pä:ß:ключ", "sign_in": sign_in})
            watcher.wait("wallbox/bridge/cloud", "online")


class TestBroker:
    def test_absent_at_start(self, absent: Broker, cloud: OpenCloud, run: Run, protocol: str) -> None:
        simulator = cloud([ChargerSpec(id=ONE)])
        program = run(simulator.url, absent.port, mqtt={"protocol": protocol})
        assert simulator.wait_for(lambda seen: answered(seen, "v2/charger"), LIMIT_S)
        absent.start()
        with Watcher(absent.port) as watcher:
            watcher.wait(STATE, "online")
            watcher.wait(f"wallbox/{ONE}/status", "Locked - Car connected")
        assert program.stop() == 0

    def test_restarted_without_its_memory(self, broker: Broker, cloud: OpenCloud, run: Run, protocol: str) -> None:
        simulator = cloud([ChargerSpec(id=ONE)])
        simulator.charger(ONE).serve("detail", capture("pulsar-plus"))
        run(simulator.url, broker.port, mqtt={"protocol": protocol})
        with Watcher(broker.port, f"wallbox/{ONE}/#") as watcher:
            watcher.wait(f"wallbox/{ONE}/basic/wifiSignal")
            watcher.wait(f"wallbox/{ONE}/status")
            before = watcher.last()
        broker.stop()
        broker.start()
        with Watcher(broker.port, "wallbox/#") as watcher:
            watcher.wait(STATE, "online")
            watcher.wait_for(lambda heard: {one.topic for one in heard} >= before.keys(), "all topics again")
            after = watcher.last()
            assert {topic: after[topic] for topic in before} == before
            watcher.publish(f"wallbox/{ONE}/locked/set", "0")
            watcher.wait(f"wallbox/{ONE}/locked/result")

    def test_offline_is_contradicted(self, broker: Broker, cloud: OpenCloud, run: Run) -> None:
        with Watcher(broker.port) as watcher:
            run(cloud().url, broker.port)
            watcher.wait(STATE, "online")
            watcher.publish(STATE, "offline", retain=True)
            watcher.wait(STATE, "offline")
            watcher.wait_for(
                lambda heard: [one.payload for one in heard if one.topic == STATE][-1] == "online", "again"
            )

    def test_killed_it_is_offline_and_comes_back(
        self, broker: Broker, cloud: OpenCloud, run: Run, protocol: str
    ) -> None:
        with Watcher(broker.port) as watcher:
            program = run(cloud().url, broker.port, mqtt={"protocol": protocol})
            watcher.wait(STATE, "online")
            program.kill()
            watcher.wait(STATE, "offline")
            watcher.forget()
            program.start()
            watcher.wait(STATE, "online")
            assert watcher.of(STATE)[-1] == "online"

    def test_results_of_commands_that_were_answered_meanwhile(self, broker: Broker, cloud: OpenCloud, run: Run) -> None:
        simulator = cloud([ChargerSpec(id=ONE)])
        run(simulator.url, broker.port, wallbox={"timeout": LIMIT_S})
        with Watcher(broker.port) as watcher:
            watcher.wait(f"wallbox/{ONE}/locked", "1")
            # late enough that a busy machine ends the broker before
            simulator.fault(Fault(kind="delay", path="v2/charger/*", method="PUT", seconds=4))
            watcher.publish(f"wallbox/{ONE}/locked/set", "0")
            assert simulator.wait_for(lambda seen: any(one.method == "PUT" for one in seen), LIMIT_S)
        broker.stop()
        assert simulator.wait_for(lambda seen: any(one.method == "PUT" and one.status for one in seen), LIMIT_S)
        broker.start()
        with Watcher(broker.port) as watcher:
            assert json.loads(watcher.wait(f"wallbox/{ONE}/locked/result").payload)["status"] == "ok"


class TestCloud:
    def test_absent_at_start(self, broker: Broker, cloud: OpenCloud, run: Run, nowhere: str) -> None:
        port = int(nowhere.rpartition(":")[2])
        with Watcher(broker.port) as watcher:
            program = run(nowhere, broker.port)
            watcher.wait("wallbox/bridge/cloud", "offline")
            watcher.wait("wallbox/bridge/cloud_reason", "unreachable")
            assert watcher.of(STATE)[-1] == "online"
            cloud([ChargerSpec(id=ONE)], started=False).start(port)
            watcher.wait("wallbox/bridge/cloud", "online")
            watcher.wait(f"wallbox/{ONE}/status")
            assert program.stop() == 0

    def test_gone_and_back(self, broker: Broker, cloud: OpenCloud, run: Run) -> None:
        simulator, port = cloud([ChargerSpec(id=ONE)], started=False), free_port()
        simulator.start(port)
        with Watcher(broker.port) as watcher:
            run(simulator.url, broker.port)
            watcher.wait("wallbox/bridge/cloud", "online")
            simulator.stop()
            watcher.wait("wallbox/bridge/cloud", "offline")
            watcher.forget()
            simulator.start(port)
            watcher.wait("wallbox/bridge/cloud", "online")
            watcher.wait("wallbox/bridge/cloud_reason", "ok")


class TestStop:
    """SIGTERM whatever is going on: 0 within 5 s, and ``offline`` is retained where there is a broker."""

    def offline(self, broker: Broker) -> None:
        with Watcher(broker.port) as watcher:
            watcher.wait(STATE, "offline")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
    def test_while_all_is_well(
        self, broker: Broker, cloud: OpenCloud, run: Run, protocol: str, number: signal.Signals
    ) -> None:
        program = run(cloud().url, broker.port, mqtt={"protocol": protocol})
        with Watcher(broker.port) as watcher:
            watcher.wait("wallbox/bridge/cloud", "online")
        assert program.stop(number) == 0
        self.offline(broker)

    def test_without_a_broker(self, absent: Broker, cloud: OpenCloud, run: Run) -> None:
        simulator = cloud()
        program = run(simulator.url, absent.port)
        assert simulator.wait_for(lambda seen: answered(seen, "v3/chargers/groups"), LIMIT_S)
        assert program.stop() == 0

    def test_while_the_broker_is_away(self, broker: Broker, cloud: OpenCloud, run: Run) -> None:
        program = run(cloud().url, broker.port)
        with Watcher(broker.port) as watcher:
            watcher.wait("wallbox/bridge/cloud", "online")
        broker.stop()
        eventually(lambda: "not connected to the broker" in program.log, "the program notices")
        assert program.stop() == 0

    def test_while_the_broker_hangs(self, broker: Broker, cloud: OpenCloud, run: Run) -> None:
        program = run(cloud().url, broker.port)
        with Watcher(broker.port) as watcher:
            watcher.wait("wallbox/bridge/cloud", "online")
        broker.freeze(frozen=True)
        assert program.stop() == 0
        broker.freeze(frozen=False)
        self.offline(broker)

    def test_without_a_cloud(self, broker: Broker, run: Run, nowhere: str) -> None:
        program = run(nowhere, broker.port)
        with Watcher(broker.port) as watcher:
            watcher.wait("wallbox/bridge/cloud_reason", "unreachable")
        assert program.stop() == 0
        self.offline(broker)

    @pytest.mark.parametrize("path", ["users/*", "chargers/status/*", "v2/charger/*"])
    def test_while_the_cloud_hangs(self, broker: Broker, cloud: OpenCloud, run: Run, path: str) -> None:
        simulator = cloud([ChargerSpec(id=ONE)])
        simulator.fault(Fault(kind="hang", path=path, count=None))
        program = run(simulator.url, broker.port, wallbox={"timeout": 60})
        assert simulator.wait_for(lambda seen: any(one.path.startswith(path[:-1]) for one in seen), LIMIT_S)
        with Watcher(broker.port) as watcher:
            watcher.wait(STATE, "online")
        assert program.stop() == 0
        self.offline(broker)

    @pytest.mark.slow
    def test_waiting_commands_are_told(self, broker: Broker, cloud: OpenCloud, run: Run) -> None:
        simulator = cloud([ChargerSpec(id=ONE)])
        with Watcher(broker.port) as watcher:
            program = run(simulator.url, broker.port, wallbox={"writes_per_minute": 1, "timeout": 60})
            watcher.wait(f"wallbox/{ONE}/locked", "1")
            simulator.fault(Fault(kind="hang", path="v2/charger/*", method="PUT", effect=True))
            watcher.publish(f"wallbox/{ONE}/locked/set", "0")
            assert simulator.wait_for(lambda seen: any(one.method == "PUT" for one in seen), LIMIT_S)
            watcher.publish(f"wallbox/{ONE}/max_charging_current/set", "16")
            watcher.publish(f"wallbox/{ONE}/name/set", "A")
            watcher.publish(f"wallbox/{ONE}/nonsense/set", "1")
            watcher.wait(f"wallbox/{ONE}/nonsense/result")
            assert program.stop() == 0
            watcher.wait(STATE, "offline")
            told = {
                one.topic.split("/")[2]: json.loads(one.payload)
                for one in watcher.heard
                if one.topic.endswith("/result")
            }
            assert {key: (one["status"], one["reason"]) for key, one in told.items() if key != "nonsense"} == {
                "locked": ("failed", "stopping: it was under way, its effect is unknown"),
                "max_charging_current": ("failed", "stopping"),
                "name": ("failed", "stopping"),
            }
            assert [one.topic for one in watcher.heard][-1] == STATE


class TestBudget:
    @pytest.mark.slow
    def test_never_more_than_configured_whatever_happens(self, broker: Broker, cloud: OpenCloud, run: Run) -> None:
        """A crash loop, orderly restarts and a burst of commands."""
        simulator = cloud(
            [ChargerSpec(id=ONE + number) for number in range(3)], reads_per_minute=4, writes_per_minute=3
        )
        program = run(
            simulator.url,
            broker.port,
            started=False,
            wallbox={"reads_per_minute": 4, "writes_per_minute": 3, "poll_interval": 0.01},
        )
        with Watcher(broker.port) as watcher:
            for round_number in range(6):
                watcher.forget()
                program.start()
                watcher.wait(STATE, "online")
                for number in range(20):
                    watcher.publish(f"wallbox/{ONE}/max_charging_current/set", str(6 + number))
                    watcher.publish(f"wallbox/{ONE + 1}/locked/set", str(number % 2))
                watcher.publish("wallbox/bridge/refresh/set", "")
                if round_number < 2:
                    assert simulator.wait_for(lambda seen: len(reads_of(seen)) >= 4, LIMIT_S)
                if round_number % 2:
                    program.kill()
                else:
                    assert program.stop() == 0
        # on a busy machine the rounds take more than a minute: what counts is any minute of them
        assert most_in_a_minute(reads_of(simulator.requests)) == 4
        assert most_in_a_minute(writes_of(simulator.requests)) <= 3
        assert not any(one.limited for one in simulator.requests)
        signed_in = [one for one in simulator.requests if one.path.startswith(("users/", "auth/"))]
        assert len(signed_in) == 1

    def test_with_the_sign_in_that_counts(self, broker: Broker, cloud: OpenCloud, run: Run) -> None:
        simulator = cloud([ChargerSpec(id=ONE)], writes_per_minute=2, modern_sign_in=404)
        program = run(simulator.url, broker.port, wallbox={"writes_per_minute": 2, "sign_in": "legacy"})
        with Watcher(broker.port) as watcher:
            watcher.wait(f"wallbox/{ONE}/locked", "1")
            for number in range(10):
                watcher.publish(f"wallbox/{ONE}/locked/set", str(number % 2))
            simulator.revoke_tokens()
            watcher.publish("wallbox/bridge/refresh/set", "")
            eventually(lambda: len(writes_of(simulator.requests)) >= 2, "the writes are spent")
            program.kill()
            watcher.forget()
            program.start()
            watcher.wait(STATE, "online")
        assert len(writes_of(simulator.requests)) == 2
        assert not any(one.limited for one in simulator.requests)
