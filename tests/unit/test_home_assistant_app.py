"""The options of Home Assistant's app become the configuration; what is wrong is told by the option's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from wallbox2mqtt.cli.home_assistant_app import OPTIONS, Place, load
from wallbox2mqtt.config.keys import KEYS
from wallbox2mqtt.errors import ConfigError

ACCOUNT = {"email": "a@example.org", "password": "pa: #ss", "mqtt_host": "broker.lan"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """No Supervisor is asked where the options name a broker."""
    return Place(tmp_path, tmp_path / "wallbox2mqtt.yaml", ("127.0.0.1", 1), 0.1)


def write(place: Place, options: object) -> None:
    (place.data / "options.json").write_text(json.dumps(options), encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "key", "expected"),
    [
        ({}, "wallbox.email", "a@example.org"),
        ({}, "mqtt.host", "broker.lan"),
        ({}, "mqtt.port", 1883),
        ({}, "wallbox.reads_per_minute", "auto"),
        ({"chargers": [12345, 678]}, "wallbox.chargers", (12345, 678)),
        ({"chargers": []}, "wallbox.chargers", ()),
        ({"reads_per_minute": "2"}, "wallbox.reads_per_minute", 2),
        ({"mqtt_port": 8883, "mqtt_tls": True}, "mqtt.tls.enabled", True),
        ({"mqtt_username": "u", "mqtt_password": "123"}, "mqtt.username", "u"),
        ({"base_topic": "garage"}, "mqtt.base_topic", "garage"),
        ({"language": "de"}, "home_assistant.language", "de"),
        ({"unlock_before_resume": True}, "commands.unlock_before_resume", True),
        ({"allow_factory_reset": False}, "commands.allow_factory_reset", False),
        ({"log_level": "debug"}, "log.level", "debug"),
        ({"language": None, "base_topic": ""}, "mqtt.base_topic", "wallbox"),
        ({"no longer known": 1}, "log.level", "info"),
    ],
)
def test_options_are_the_configuration(place: Place, options: dict[str, Any], key: str, expected: object) -> None:
    write(place, ACCOUNT | options)
    assert KEYS[key].value_in(load(None, {}, place)) == expected


def test_every_option_sets_a_key() -> None:
    assert set(OPTIONS.values()) <= set(KEYS)
    assert len(set(OPTIONS.values())) == len(OPTIONS)


def test_secrets_are_whole_and_hidden(place: Place) -> None:
    write(place, ACCOUNT | {"mqtt_username": "u", "mqtt_password": "0123"})
    config = load(None, {}, place)
    assert config.wallbox.password.reveal() == "pa: #ss"
    assert config.mqtt.password is not None
    assert config.mqtt.password.reveal() == "0123"
    assert "pa: #ss" not in repr(config)
    assert "0123" not in repr(config)


def test_state_is_kept_with_the_app(place: Place) -> None:
    write(place, ACCOUNT)
    assert load(None, {"WALLBOX2MQTT_STATE_DIR": "/var/lib/wallbox2mqtt"}, place).state_dir == place.data


def test_the_status_page_is_for_the_supervisor_only(place: Place) -> None:
    write(place, ACCOUNT)
    place.extra.write_text("web: {listen: ':80', clients: []}\n", encoding="utf-8")
    web = load(None, {}, place).web
    assert (web.address, web.clients) == (("0.0.0.0", 8099), ("172.30.32.2",))  # noqa: S104 - in the container


def test_a_file_sets_what_is_no_option(place: Place) -> None:
    write(place, ACCOUNT | {"log_level": "debug"})
    place.extra.write_text("commands: {settle_s: 60}\nlog: {level: error, mqtt: true}\n", encoding="utf-8")
    config = load(None, {}, place)
    assert (config.commands.settle_s, config.log.mqtt, config.log.level) == (60, True, "debug")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"email": ""}, "option email: found nothing"),
        ({"password": None}, "option password: found nothing"),
        ({"chargers": ["x"]}, "option chargers: found text ('x') in the list"),
        ({"chargers": [0]}, "option chargers: found"),
        ({"reads_per_minute": "many"}, "option reads_per_minute: found text ('many')"),
        ({"mqtt_port": 70000}, "option mqtt_port: found a number (70000)"),
        ({"mqtt_tls": "perhaps"}, "option mqtt_tls: found text ('perhaps'); accepted is true or false"),
        ({"mqtt_password": "hush"}, "option mqtt_username: found nothing, but mqtt_password is given"),
        ({"mqtt_host": None, "mqtt_port": 1883}, "option mqtt_port: found without mqtt_host"),
        ({"base_topic": "a/#"}, "option base_topic: found"),
        ({"language": "xx"}, "option language: found text ('xx'); accepted is one of"),
        ({"log_level": {"a": 1}}, "option log_level: found a section"),
    ],
)
def test_a_wrong_option_is_named(place: Place, options: dict[str, Any], said: str) -> None:
    write(place, ACCOUNT | options)
    with pytest.raises(ConfigError) as caught:
        load(None, {}, place)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "pa: #ss" not in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(place: Place) -> None:
    write(place, ACCOUNT | {"mqtt_port": 0, "language": "xx"})
    with pytest.raises(ConfigError) as caught:
        load(None, {}, place)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("text", [None, "", "{", "[]", "\x00"])
def test_options_that_cannot_be_read(place: Place, text: str | None) -> None:
    if text is not None:
        (place.data / "options.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"options\.json"):
        load(None, {}, place)
