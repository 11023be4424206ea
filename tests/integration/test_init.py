"""``init``: asked at a terminal and without one; what it writes, and what it does not."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import environment, run, run_at_terminal
from tests.mosquitto import Broker, free_port
from wallbox2mqtt.config import load
from wallbox2mqtt.simulator import EMAIL, Simulator

pytestmark = pytest.mark.broker

PASSWORD = "c0rrect:Horse"  # noqa: S105 - of an account that is simulated


@pytest.fixture
def cloud() -> Iterator[Simulator]:
    with Simulator(password=PASSWORD) as cloud:
        yield cloud


@pytest.fixture
def environ(cloud: Simulator, tmp_path: Path) -> dict[str, str]:
    return environment(cloud, tmp_path)


@pytest.fixture
def flags(broker: Broker, tmp_path: Path) -> list[str]:
    where = ["--mqtt-host", "127.0.0.1", "--mqtt-port", str(broker.port)]
    return ["init", "--config", str(tmp_path / "config.yaml"), "--email", EMAIL, *where]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestWithoutTerminal:
    def test_password_from_the_environment(self, environ: dict[str, str], flags: list[str], tmp_path: Path) -> None:
        done = run({**environ, "WALLBOX2MQTT_WALLBOX__PASSWORD": PASSWORD}, *flags)
        assert done.code == 0, done
        config = load(tmp_path / "config.yaml", {})
        assert (config.wallbox.email, config.wallbox.password.reveal()) == (EMAIL, PASSWORD)
        assert config.mqtt.host == "127.0.0.1"
        assert mode(tmp_path / "config.yaml") == 0o600
        assert "chargers" in done.out
        assert PASSWORD not in done.out + done.err
        assert {path.name for path in tmp_path.iterdir()} <= {"config.yaml", "state", "mosquitto.conf", "mosquitto.log"}

    def test_password_from_a_file(self, environ: dict[str, str], flags: list[str], tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(f"{PASSWORD}\n", encoding="utf-8")
        file = {"WALLBOX2MQTT_WALLBOX__PASSWORD_FILE": str(tmp_path / "secret")}
        assert run({**environ, **file}, *flags).code == 0
        assert load(tmp_path / "config.yaml", {}).wallbox.password.reveal() == PASSWORD

    def test_passwords_from_stdin_into_files(self, environ: dict[str, str], flags: list[str], tmp_path: Path) -> None:
        more = ["--mqtt-username", "me", "--stdin", "--password-files"]
        assert run(environ, *flags, *more, stdin=f"{PASSWORD}\nat the: broker #1\n").code == 0
        assert PASSWORD not in (tmp_path / "config.yaml").read_text(encoding="utf-8")
        config = load(tmp_path / "config.yaml", {})
        assert config.wallbox.password.reveal() == PASSWORD
        assert config.mqtt.password is not None
        assert config.mqtt.password.reveal() == "at the: broker #1"
        assert {mode(tmp_path / name) for name in ("config.yaml", "wallbox-password", "mqtt-password")} == {0o600}

    @pytest.mark.parametrize(
        "password",
        ['pa"ss\\wörd', "'quoted'", "a: b #1", " blanks ", "null", "12345", "émoji🔌", "%d{x}", "\x7f\x85\ufffe"],
    )
    def test_any_password_survives(
        self, environ: dict[str, str], flags: list[str], tmp_path: Path, password: str
    ) -> None:
        done = run(environ, *flags, "--no-try", "--stdin", stdin=f"{password}\n")
        assert done.code == 0, done
        assert load(tmp_path / "config.yaml", {}).wallbox.password.reveal() == password

    @pytest.mark.parametrize("name", ["config.yaml", "wallbox-password"])
    def test_nothing_is_overwritten_unasked(
        self, environ: dict[str, str], flags: list[str], tmp_path: Path, name: str
    ) -> None:
        (tmp_path / name).write_text("mine", encoding="utf-8")
        given = {**environ, "WALLBOX2MQTT_WALLBOX__PASSWORD": PASSWORD}
        done = run(given, *flags, "--password-files")
        assert done.code == 78
        assert name in done.err
        assert (tmp_path / name).read_text(encoding="utf-8") == "mine"
        assert run(given, *flags, "--password-files", "--force").code == 0
        assert load(tmp_path / "config.yaml", {}).wallbox.email == EMAIL

    def test_all_that_was_tried_is_written(self, environ: dict[str, str], flags: list[str], tmp_path: Path) -> None:
        tried = {
            "WALLBOX2MQTT_WALLBOX__PASSWORD": PASSWORD,
            "WALLBOX2MQTT_WALLBOX__CHARGERS": "12345,67890",
            "WALLBOX2MQTT_MQTT__BASE_TOPIC": "garage",
            "WALLBOX2MQTT_MQTT__TLS__ENABLED": "true",
            "WALLBOX2MQTT_MQTT__TLS__CA_FILE": "/etc/ssl/ca.pem",
            "WALLBOX2MQTT_HOME_ASSISTANT__DISCOVERY": "off",
            "WALLBOX2MQTT_COMMANDS__SETTLE_S": "30",
        }
        done = run({**environ, **tried}, *flags, "--no-try")
        assert done.code == 0, done
        config = load(tmp_path / "config.yaml", {})
        assert config.wallbox.chargers == (12345, 67890)
        assert (config.mqtt.base_topic, config.mqtt.tls.enabled) == ("garage", True)
        assert config.mqtt.tls.ca_file == Path("/etc/ssl/ca.pem")
        assert (config.home_assistant.discovery, config.commands.settle_s) == ("off", 30)

    def test_what_is_missing_is_named(self, environ: dict[str, str], tmp_path: Path) -> None:
        done = run(environ, "init", "--config", str(tmp_path / "config.yaml"))
        assert done.code == 78
        assert "wallbox.email" in done.err
        assert "WALLBOX2MQTT_WALLBOX__PASSWORD" in done.err

    def test_refused_credentials_write_nothing(
        self, environ: dict[str, str], flags: list[str], tmp_path: Path, cloud: Simulator
    ) -> None:
        done = run({**environ, "WALLBOX2MQTT_WALLBOX__PASSWORD": "wrong-one"}, *flags)
        assert done.code == 78
        assert not (tmp_path / "config.yaml").exists()
        assert len(cloud.requests) == 1

    def test_a_kept_token_hides_no_wrong_password(
        self, environ: dict[str, str], flags: list[str], cloud: Simulator
    ) -> None:
        assert run({**environ, "WALLBOX2MQTT_WALLBOX__PASSWORD": PASSWORD}, *flags).code == 0
        cloud.forget_requests()
        done = run({**environ, "WALLBOX2MQTT_WALLBOX__PASSWORD": "wrong-one"}, *flags, "--force")
        assert done.code == 78
        assert "nothing was written" in done.out
        assert len(cloud.requests) == 1

    def test_an_absent_broker_writes_nothing(self, environ: dict[str, str], flags: list[str], tmp_path: Path) -> None:
        given = {**environ, "WALLBOX2MQTT_WALLBOX__PASSWORD": PASSWORD}
        assert run(given, *flags, "--mqtt-port", str(free_port())).code == 69
        assert not (tmp_path / "config.yaml").exists()

    def test_a_directory_that_is_not_there(self, environ: dict[str, str], flags: list[str], tmp_path: Path) -> None:
        given = {**environ, "WALLBOX2MQTT_WALLBOX__PASSWORD": PASSWORD}
        done = run(given, *flags, "--config", str(tmp_path / "absent" / "config.yaml"), "--no-try")
        assert done.code == 78
        assert "Traceback" not in done.err

    @pytest.mark.parametrize(
        ("variables", "more", "told"),
        [
            ({}, ["--mqtt-host", "mqtt://nas:1883"], "--mqtt-host: found text ('mqtt://nas:1883'); accepted is a host"),
            ({}, ["--email", "a b@c"], "--email: found text ('a b@c'); accepted is an e-mail address"),
            ({}, ["--email", "nomail"], "--email: found text ('nomail'); accepted is an e-mail address"),
            ({"MQTT__HOST": "nas/x"}, [], "WALLBOX2MQTT_MQTT__HOST: found text ('nas/x'); accepted is a host"),
            ({"MQTT__PORT": "abc"}, [], "WALLBOX2MQTT_MQTT__PORT: found text ('abc'); accepted is a whole number"),
            ({"MQTT__PORT": "70000"}, [], "WALLBOX2MQTT_MQTT__PORT: found a number (70000); accepted is a whole"),
            ({"LOG__LEVEL": "loud"}, [], "WALLBOX2MQTT_LOG__LEVEL: found text ('loud'); accepted is one of"),
        ],
    )
    def test_what_is_wrong_is_named_where_it_was_given(
        self, environ: dict[str, str], tmp_path: Path, variables: dict[str, str], more: list[str], told: str
    ) -> None:
        given = {f"WALLBOX2MQTT_{name}": text for name, text in variables.items()}
        file = tmp_path / "config.yaml"
        flags = [*([] if "--email" in more else ["--email", EMAIL]), *more, "--stdin", "--no-try"]
        done = run({**environ, **given}, "init", "--config", str(file), *flags, stdin=f"{PASSWORD}\n")
        assert done.code == 78
        assert done.err.startswith(f"wallbox2mqtt: {told}")
        assert len(done.err.splitlines()) == 1
        assert not file.exists()


class TestAtATerminal:
    @pytest.mark.parametrize(
        ("key", "code", "told"),
        [("\x03", 130, "ended by Ctrl-C"), ("\x04", 1, "a question was not answered")],
        ids=["Ctrl-C", "Ctrl-D"],
    )
    @pytest.mark.parametrize("question", ["E-mail address", "Password of", "Name or", "User name"])
    def test_both_keys_end_it(
        self, environ: dict[str, str], tmp_path: Path, key: str, code: int, told: str, question: str
    ) -> None:
        file = tmp_path / "config.yaml"
        answers = [("E-mail address", EMAIL), ("Password of", PASSWORD), ("Name or", ""), ("Its port", "")]
        before = answers[: [*(asked for asked, _ in answers), "User name"].index(question)]
        done = run_at_terminal(environ, "init", "--config", str(file), answers=[*before, (question, key)])
        assert done.code == code, done.out
        assert done.out.splitlines()[-1] == f"wallbox2mqtt: {told}"
        assert "Traceback" not in done.out
        assert not file.exists()

    def test_asks_again_for_what_is_not_accepted(self, environ: dict[str, str], tmp_path: Path) -> None:
        file = tmp_path / "config.yaml"
        done = run_at_terminal(
            environ, "init", "--no-try", "--config", str(file),
            answers=[
                ("E-mail address", ""), ("E-mail address", EMAIL),
                ("Password of the account", PASSWORD),
                ("Name or address", "mqtt://nas:1883"), ("Name or address", "nas.lan"),
                ("Its port", "abc"), ("Its port", "70000"), ("Its port", "1884"),
                ("User name", ""),
            ],
        )  # fmt: skip
        assert done.code == 0, done.out
        config = load(file, {})
        assert (config.wallbox.email, config.mqtt.host, config.mqtt.port) == (EMAIL, "nas.lan", 1884)
        assert [line.partition("; ")[2] for line in done.out.splitlines() if line.startswith("found")] == [
            "accepted is an e-mail address",
            "accepted is a host name or an address, without scheme and port, or a list of them",
            *["accepted is a whole number from 1 to 65535"] * 2,
        ]

    def test_a_password_of_the_broker_wants_a_user_name(self, environ: dict[str, str], tmp_path: Path) -> None:
        file = tmp_path / "config.yaml"
        done = run_at_terminal(
            {**environ, "WALLBOX2MQTT_MQTT__PASSWORD": "broker pass"},
            "init", "--no-try", "--email", EMAIL, "--mqtt-host", "nas", "--mqtt-port", "1883", "--config", str(file),
            answers=[("Password of the account", PASSWORD), ("User name", ""), ("User name", "bridge")],
        )  # fmt: skip
        assert done.code == 0, done.out
        assert load(file, {}).mqtt.username == "bridge"

    @pytest.mark.parametrize("at", ["place", "flag", "environment"])
    def test_what_cannot_be_is_told_before_anything_is_asked(
        self, environ: dict[str, str], tmp_path: Path, at: str
    ) -> None:
        file = tmp_path / ("absent" if at == "place" else "") / "config.yaml"
        more = ["--mqtt-host", "mqtt://nas"] if at == "flag" else []
        variables = {"WALLBOX2MQTT_MQTT__PROT": "1"} if at == "environment" else {}
        done = run_at_terminal({**environ, **variables}, "init", "--config", str(file), *more, answers=[])
        assert done.code == 78, done.out
        assert "E-mail" not in done.out
        assert len(done.out.splitlines()) == 1

    def test_asks_tries_and_writes(self, environ: dict[str, str], broker: Broker, tmp_path: Path) -> None:
        done = run_at_terminal(
            environ,
            "init",
            "--config",
            str(tmp_path / "config.yaml"),
            answers=[
                ("E-mail address", EMAIL),
                ("Password of the account", PASSWORD),
                ("Name or address", "127.0.0.1"),
                ("Its port", str(broker.port)),
                ("User name", ""),
            ],
        )
        assert done.code == 0, done.out
        assert PASSWORD not in done.out, "the password is not echoed"
        assert load(tmp_path / "config.yaml", {}).mqtt.port == broker.port

    def test_asks_again_for_what_was_refused(self, environ: dict[str, str], flags: list[str], tmp_path: Path) -> None:
        done = run_at_terminal(
            environ,
            *flags,
            answers=[
                ("Password of the account", "wrong-one"),
                ("User name", ""),
                ("all the same", "n"),
                ("E-mail address", EMAIL),
                ("Password of the account", PASSWORD),
            ],
        )
        assert done.code == 0, done.out
        assert load(tmp_path / "config.yaml", {}).wallbox.password.reveal() == PASSWORD

    @pytest.mark.slow
    def test_offers_tls_and_what_else_can_be_done(self, environ: dict[str, str], tmp_path: Path) -> None:
        file = tmp_path / "config.yaml"
        with socket.create_server(("127.0.0.1", 0)) as silent:  # as a port for TLS is to who speaks plainly
            port = silent.getsockname()[1]
            done = run_at_terminal(
                environ, "init", "--config", str(file), "--email", EMAIL, "--mqtt-host", "127.0.0.1",
                "--mqtt-port", str(port),
                answers=[
                    ("Password of the account", PASSWORD),
                    ("User name", ""),
                    ("Encrypt?", "y"),
                    ("or quit?", "r"),
                    ("or quit?", "w"),
                ],
            )  # fmt: skip
        assert done.code == 0, done.out
        assert load(file, {}).mqtt.tls.enabled

    def test_quits_without_writing(self, environ: dict[str, str], tmp_path: Path) -> None:
        file = tmp_path / "config.yaml"
        done = run_at_terminal(
            environ, "init", "--config", str(file), "--email", EMAIL, "--mqtt-host", "127.0.0.1",
            "--mqtt-port", str(free_port()),
            answers=[
                ("Password of the account", PASSWORD), ("User name", ""),
                ("or quit?", "c"), ("Name or", "127.0.0.1"), ("Its port", str(free_port())), ("User name", ""),
                ("or quit?", "q"),
            ],
        )  # fmt: skip
        assert done.code == 69, done.out
        assert "nothing was written" in done.out
        assert not file.exists()
