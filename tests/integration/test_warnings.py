"""What is unsafe is said at each start, and what is safe is not."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.mosquitto import LIMIT_S
from wallbox2mqtt.config import Config, MqttConfig, Secret, TlsConfig, WallboxConfig
from wallbox2mqtt.config.warnings import precautions

HERE = Path(__file__).parents[1]
PASSWORD = Secret("p")
IN_FILE: dict[str, str] = {}
"""Nothing in the environment: passwords stand in the file."""


def told(
    *, mqtt: dict[str, Any] | None = None, wallbox: dict[str, Any] | None = None, file: Path | None = None,
    state_dir: Path = Path("/nonexistent"), environ: dict[str, str] | None = None,
    standby: bool = False,
) -> list[str]:  # fmt: skip
    config = Config(
        wallbox=WallboxConfig(**{"email": "a@example.org", "password": PASSWORD, **(wallbox or {})}),
        mqtt=MqttConfig(**(mqtt or {})),
        standby=standby,
    )
    return precautions(config, file, state_dir, IN_FILE if environ is None else environ)


CONNECTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "the defaults": ({}, {}, ""),
    "no password": ({"host": "broker.lan"}, {}, ""),
    "password": ({"host": "broker.lan", "username": "u", "password": PASSWORD}, {}, "mqtt.tls.enabled"),
    "password to an address": ({"host": "192.168.1.2", "username": "u", "password": PASSWORD}, {}, "mqtt.tls.enabled"),
    "password to an IPv6 address": ({"host": "fd00::1", "username": "u", "password": PASSWORD}, {}, "mqtt.tls.enabled"),
    "password over websockets": (
        {"host": "broker.lan", "username": "u", "password": PASSWORD, "transport": "websockets"},
        {},
        "mqtt.tls.enabled",
    ),
    "password to a name like localhost": (
        {"host": "localhost.example.org", "username": "u", "password": PASSWORD}, {}, "mqtt.tls.enabled",
    ),
    "password to this machine": ({"host": "localhost", "username": "u", "password": PASSWORD}, {}, ""),
    "password to 127/8": ({"host": "127.8.9.1", "username": "u", "password": PASSWORD}, {}, ""),
    "password to ::1": ({"host": "::1", "username": "u", "password": PASSWORD}, {}, ""),
    "password over TLS": (
        {"host": "broker.lan", "username": "u", "password": PASSWORD, "tls": TlsConfig(enabled=True)}, {}, "",
    ),
    "not verified": ({"tls": TlsConfig(enabled=True, verify=False)}, {}, "mqtt.tls.verify"),
    "not verified and not used": ({"tls": TlsConfig(verify=False)}, {}, ""),
    "http": ({}, {"api_url": "http://api.example.org"}, "wallbox.api_url"),
    "http to the sign-in": ({}, {"user_api_url": "http://api.example.org/x"}, "wallbox.user_api_url"),
    "http to this machine": ({}, {"api_url": "http://127.0.0.1:8080", "user_api_url": "http://[::1]:8080"}, ""),
}  # fmt: skip


@pytest.mark.parametrize(("mqtt", "wallbox", "key"), CONNECTIONS.values(), ids=CONNECTIONS)
def test_connections(mqtt: dict[str, Any], wallbox: dict[str, Any], key: str) -> None:
    warnings = told(mqtt=mqtt, wallbox=wallbox)
    assert [warning.split(" ")[0] for warning in warnings] == ([key] if key else [])


@pytest.mark.parametrize(("client_id", "is_told"), [("wallbox2mqtt", True), ("wallbox2mqtt-attic", False)])
def test_two_of_one_client_id(client_id: str, *, is_told: bool) -> None:
    warnings = told(mqtt={"client_id": client_id}, standby=True)
    assert [("mqtt.client_id" in warning) for warning in warnings] == ([True] if is_told else [])


MODES = [(0o600, False), (0o400, False), (0o640, False), (0o660, False), (0o644, True), (0o604, True), (0o602, True)]


@pytest.mark.parametrize(("mode", "unsafe"), MODES, ids=lambda value: f"{value:o}" if value > 1 else "")
@pytest.mark.parametrize("name", ["file", "wallbox.password_file", "mqtt.password_file", "mqtt.tls.key_file"])
def test_files(tmp_path: Path, name: str, mode: int, *, unsafe: bool) -> None:
    path = tmp_path / "secret"
    path.write_text("x", encoding="utf-8")
    path.chmod(mode)
    match name:
        case "file":
            warnings = told(file=path)
        case "wallbox.password_file":
            warnings = told(wallbox={"password_file": path})
        case "mqtt.password_file":
            warnings = told(mqtt={"username": "u", "password": PASSWORD, "password_file": path})
        case _:
            warnings = told(mqtt={"tls": TlsConfig(enabled=True, cert_file=path, key_file=path)})
    assert len(warnings) == int(unsafe)
    for warning in warnings:
        assert f"chmod o= {path}" in warning
        assert warning.startswith("the configuration file" if name == "file" else name)


@pytest.mark.parametrize(
    ("wallbox", "mqtt", "environ", "unsafe"),
    [
        ({"password_file": Path("/nonexistent")}, {}, {}, False),
        ({}, {}, {"WALLBOX2MQTT_WALLBOX__PASSWORD": "p"}, False),
        ({}, {"username": "u", "password": PASSWORD}, {"WALLBOX2MQTT_WALLBOX__PASSWORD": "p"}, True),
        ({}, {"username": "u", "password": PASSWORD}, {"WALLBOX2MQTT_MQTT__PASSWORD": "p"}, True),
    ],
    ids=["in another file", "in the environment", "one of two", "the other of two"],
)
def test_a_file_without_a_password_may_be_read_by_all(
    tmp_path: Path, wallbox: dict[str, Any], mqtt: dict[str, Any], environ: dict[str, str], *, unsafe: bool
) -> None:
    path = tmp_path / "config.yaml"
    path.touch(0o644)
    assert len(told(wallbox=wallbox, mqtt=mqtt, environ=environ, file=path)) == int(unsafe)


def test_secrets_of_a_container() -> None:
    assert told(wallbox={"password_file": Path("/run/secrets/wallbox")}) == []


def test_variables_of_a_service() -> None:
    (warning,) = told(environ={"WALLBOX2MQTT_SERVICE_HOST": "10.0.0.7", "WALLBOX2MQTT_PORT": "tcp://10.0.0.7:80"})
    assert "WALLBOX2MQTT_SERVICE_HOST, WALLBOX2MQTT_PORT" in warning
    assert "enableServiceLinks" in warning


@pytest.mark.parametrize(("mode", "unsafe"), [(0o700, False), (0o750, False), (0o755, True), (0o777, True)])
def test_the_state_directory(tmp_path: Path, mode: int, *, unsafe: bool) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    directory.chmod(mode)
    warnings = told(state_dir=directory)
    assert len(warnings) == int(unsafe)
    assert all(warning.startswith("state_dir ") for warning in warnings)


def test_they_are_logged_at_every_start(tmp_path: Path) -> None:
    """By the program itself, also where only errors of the configuration are to be expected."""
    file = tmp_path / "config.yaml"
    file.write_text(
        "wallbox: {email: a@example.org, password: secret-one}\n"
        "mqtt: {host: 127.0.0.1, port: 9, tls: {enabled: true, verify: false, ca_file: /nonexistent}}\n",
        encoding="utf-8",
    )
    file.chmod(0o644)
    environ = {name: text for name, text in os.environ.items() if not name.startswith("WALLBOX2MQTT_")}
    command = [sys.executable, "-m", "wallbox2mqtt", "run", "--config", str(file)]
    for _ in range(2):
        done = subprocess.run(  # noqa: S603 - our own program
            command, env={**environ, "STATE_DIRECTORY": str(tmp_path / "s")}, cwd=HERE.parent, capture_output=True,
            text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 78
        assert "mqtt.tls.verify is false" in done.stderr
        assert f"chmod o= {file}" in done.stderr
        assert "secret-one" not in done.stderr
