"""``check`` against the simulated cloud and a real broker: what it says, what it leaves alone, its exit codes."""

import json
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import COMMAND, environment, run, with_account
from tests.mosquitto import LIMIT_S, Broker, Watcher, free_port
from tests.parts import reads_of
from wallbox2mqtt.cli.check_cloud import AccountCheck
from wallbox2mqtt.cli.report import has_fault
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import load, state_dir
from wallbox2mqtt.simulator import EMAIL, ChargerSpec, Fault, Settings, Simulator

ONE, TWO = 101, 102
PASSWORD = "s3cr3t-of-check"  # noqa: S105 - it stands nowhere else, so that finding it means that it was told
HEADER = b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode().rstrip("=")

pytestmark = pytest.mark.broker


@pytest.fixture
def cloud() -> Iterator[Simulator]:
    chargers = [ChargerSpec(id=ONE, changes={"name": "Garage\n\x1b[2J"}), ChargerSpec(id=TWO)]
    with Simulator(chargers=chargers, password=PASSWORD, settings=Settings(reads_per_minute=None)) as cloud:
        yield cloud


@pytest.fixture
def environ(cloud: Simulator, broker: Broker, tmp_path: Path) -> dict[str, str]:
    return with_account(environment(cloud, tmp_path), broker.port, WALLBOX2MQTT_WALLBOX__PASSWORD=PASSWORD)


def checked(environ: dict[str, str]) -> tuple[int, list[dict[str, Any]]]:
    done = run(environ, "check", "--json")
    assert not [secret for secret in (PASSWORD, HEADER) if secret in done.out + done.err]
    findings: list[dict[str, Any]] = json.loads(done.out)["findings"]
    return done.code, findings


def of(findings: list[dict[str, Any]], what: str) -> list[tuple[str, str]]:
    return [(one["verdict"], one["text"]) for one in findings if one["what"] == what]


def faults(findings: list[dict[str, Any]]) -> list[str]:
    wrong = [one for one in findings if one["verdict"] == "fault"]
    assert all(one["next"] for one in wrong)
    return [one["what"] for one in wrong]


class TestAllIsWell:
    def test_in_json(self, environ: dict[str, str], cloud: Simulator) -> None:
        code, findings = checked(environ)
        assert (code, faults(findings)) == (0, [])
        (sign_in,) = of(findings, "sign-in")
        assert "modern sign-in, the token lives for 15 min" in sign_in[1]
        assert [text.split()[0] for _, text in of(findings, "chargers")] == [str(ONE), str(TWO)]
        assert all(word in of(findings, "chargers")[1][1] for word in ("PulsarPlus", "firmware 5.17.59", "online"))
        assert [verdict for verdict, _ in of(findings, "rights")] == ["ok"] * 3
        assert [one.path for one in reads_of(cloud.requests)] == ["v3/chargers/groups"]

    def test_for_people(self, environ: dict[str, str]) -> None:
        done = run(environ, "check")
        assert done.code == 0
        assert {line.split()[0] for line in done.out.splitlines()} <= {"ok", "warning", "->"}
        assert "\x1b" not in done.out, "a charger's name must not move the cursor"

    def test_leaves_nothing_at_the_broker(self, environ: dict[str, str], broker: Broker) -> None:
        with Watcher(broker.port, "#") as watcher:
            assert run(environ, "check").code == 0
            watcher.publish("end", "")
            watcher.wait("end")
            topics = {one.topic for one in watcher.heard}
            assert topics >= {"wallbox/bridge/check", "wallbox/0/check"}
            assert not [topic for topic in topics if topic.endswith("/config")], "Home Assistant warns of those"
        with Watcher(broker.port, "#") as later:
            later.publish("end", "")
            later.wait("end")
            assert [one.topic for one in later.heard] == ["end"]

    def test_birth_seen(self, environ: dict[str, str], broker: Broker) -> None:
        with Watcher(broker.port, "homeassistant/#") as home_assistant:
            home_assistant.publish("homeassistant/status", "online", retain=True)
            home_assistant.wait("homeassistant/status")
            _, findings = checked(environ)
        assert of(findings, "home assistant")[0][0] == "ok"

    @pytest.mark.parametrize(
        ("price", "verdict", "told"),
        [("0.25", "ok", "0.25 a kWh at market/now"), ("soon", "fault", "no number")],
        ids=["a number", "a word"],
    )
    def test_the_price_of_energy(
        self, environ: dict[str, str], watcher: Watcher, price: str, verdict: str, told: str
    ) -> None:
        watcher.publish("market/now", price, retain=True)
        watcher.wait("market/now", price)
        _, findings = checked({**environ, "WALLBOX2MQTT_TARIFF__TOPIC": "market/now"})
        (found,) = of(findings, "price of energy")
        assert found[0] == verdict
        assert told in found[1]

    @pytest.mark.parametrize("protocol", ["3.1.1", "5"])
    def test_both_protocols(self, environ: dict[str, str], protocol: str) -> None:
        _, findings = checked({**environ, "WALLBOX2MQTT_MQTT__PROTOCOL": protocol})
        assert not faults(findings)

    def test_the_budget_is_the_bridge_s(self, environ: dict[str, str], cloud: Simulator) -> None:
        sparing = {**environ, "WALLBOX2MQTT_WALLBOX__READS_PER_MINUTE": "0.4"}
        assert checked(sparing)[0] == 0
        code, findings = checked(sparing)
        assert code == 0
        assert of(findings, "chargers")[0][0] == "warning"
        assert len(reads_of(cloud.requests)) == 1


class TestFaults:
    def test_of_the_configuration(self, environ: dict[str, str]) -> None:
        code, findings = checked({**environ, "WALLBOX2MQTT_MQTT__PROT": "1", "WALLBOX2MQTT_MQTT__KEEPALIVE": "x"})
        assert code == 78
        assert faults(findings) == ["configuration"] * 2

    def test_of_a_certificate(self, environ: dict[str, str]) -> None:
        tls = {"WALLBOX2MQTT_MQTT__TLS__ENABLED": "true", "WALLBOX2MQTT_MQTT__TLS__CA_FILE": "/nowhere"}
        code, findings = checked({**environ, **tls})
        assert (code, faults(findings)) == (78, ["configuration"])

    def test_of_the_password_and_no_second_try(self, environ: dict[str, str], cloud: Simulator) -> None:
        wrong = {**environ, "WALLBOX2MQTT_WALLBOX__PASSWORD": "wrong-one"}
        for _ in range(3):
            code, findings = checked(wrong)
            assert (code, faults(findings)) == (69, ["sign-in"])
        assert len(cloud.requests) == 1

    @pytest.mark.parametrize("fault", ["status", "html", "reset"])
    def test_of_the_cloud(self, environ: dict[str, str], cloud: Simulator, fault: Any) -> None:  # noqa: ANN401
        cloud.fault(Fault(kind=fault, path="v3/*", count=None))
        code, findings = checked(environ)
        assert (code, faults(findings)) == (69, ["chargers"])

    def test_of_a_charger_that_is_not_there(self, environ: dict[str, str]) -> None:
        code, findings = checked({**environ, "WALLBOX2MQTT_WALLBOX__CHARGERS": f"[{ONE}, 999]"})
        assert (code, faults(findings)) == (69, ["chargers"])

    def test_of_a_broker_that_is_away(self, environ: dict[str, str]) -> None:
        code, findings = checked({**environ, "WALLBOX2MQTT_MQTT__PORT": str(free_port())})
        assert (code, faults(findings)) == (69, ["broker"])
        assert len(of(findings, "chargers")) == 2, "the rest is tried all the same"

    def test_of_rights(self, environ: dict[str, str], tmp_path: Path) -> None:
        rights = tmp_path / "acl"
        rights.write_text("topic readwrite wallbox/bridge/#\ntopic read homeassistant/#\n", encoding="utf-8")
        rights.chmod(0o600)
        strict = Broker(tmp_path, "allow_anonymous true", f"acl_file {rights}").start()
        try:
            code, findings = checked({**environ, "WALLBOX2MQTT_MQTT__PORT": str(strict.port)})
        finally:
            strict.stop()
        assert code == 69
        assert [verdict for verdict, _ in of(findings, "rights")] == ["ok", "fault", "fault"]

    def test_of_a_name_and_password_at_the_broker(self, environ: dict[str, str], tmp_path: Path) -> None:
        strict = Broker(tmp_path, "allow_anonymous false").start()
        try:
            code, findings = checked({**environ, "WALLBOX2MQTT_MQTT__PORT": str(strict.port)})
        finally:
            strict.stop()
        assert code == 69
        (broker,) = [one for one in findings if one["what"] == "broker"]
        assert "mqtt.username and mqtt.password" in broker["next"]


def test_right_after_init_it_tells_the_chargers_that_init_listed(
    environ: dict[str, str], broker: Broker, cloud: Simulator, tmp_path: Path
) -> None:
    """The bridge has to wait: ``init`` has spent the read of this minute."""
    environ = {**environ, "WALLBOX2MQTT_WALLBOX__READS_PER_MINUTE": "1"}
    config = load(None, environ)
    account = AccountCheck(config.wallbox, state_dir(config, environ), SystemClock(), lambda _: None)
    assert not has_fault(account.try_out())
    with Watcher(broker.port, "wallbox/#") as watcher, (tmp_path / "log").open("wb") as log:
        bridge = subprocess.Popen([*COMMAND, "run"], env=environ, stderr=log)  # noqa: S603 - our own command
        try:
            watcher.wait("wallbox/bridge/state", "online")
            asked = len(cloud.requests)
            _, findings = checked(environ)
            told = of(findings, "chargers")
            assert [(verdict, text.split()[:4]) for verdict, text in told] == [
                ("ok", [f"{number},", "as", "listed", "before;"]) for number in (ONE, TWO)
            ]
            assert len(cloud.requests) == asked
        finally:
            bridge.terminate()
            assert bridge.wait(LIMIT_S) == 0


def test_beside_a_running_bridge_it_disturbs_nothing(
    environ: dict[str, str], broker: Broker, cloud: Simulator, tmp_path: Path
) -> None:
    with Watcher(broker.port, "wallbox/#") as watcher, (tmp_path / "log").open("wb") as log:
        bridge = subprocess.Popen([*COMMAND, "run"], env=environ, stderr=log)  # noqa: S603 - our own command
        try:
            watcher.wait(f"wallbox/{TWO}/availability")
            watcher.wait_for(lambda heard: any(one.topic.endswith("basic/chargerType") for one in heard), "the model")
            asked = len(cloud.requests)
            code, findings = checked(environ)
            assert code == 0
            assert of(findings, "bridge")[0][0] == "ok"
            assert any("as the running bridge shows it" in text for _, text in of(findings, "chargers"))
            assert len(cloud.requests) == asked
            assert bridge.poll() is None
        finally:
            bridge.terminate()
            assert bridge.wait(LIMIT_S) == 0
    told = (tmp_path / "log").read_text(encoding="utf-8")
    assert "warning" not in told
    assert "connected again" not in told
