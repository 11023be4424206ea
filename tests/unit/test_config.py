"""The configuration: what is accepted, where it comes from, and what is said of the rest."""

import contextlib
import copy
import json
import logging
import pickle
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wallbox2mqtt.config import Config, MqttConfig, Secret, WallboxConfig, find, load, schema, service_links, state_dir
from wallbox2mqtt.config.keys import KEYS
from wallbox2mqtt.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
EMAIL, PASSWORD = "WALLBOX2MQTT_WALLBOX__EMAIL", "WALLBOX2MQTT_WALLBOX__PASSWORD"
LEAST = {EMAIL: "me@example.org", PASSWORD: "hunter2"}


def lookup(config: object, path: str) -> object:
    """The value at a path such as ``mqtt.tls.enabled``."""
    for name in path.split("."):
        config = getattr(config, name)
    return config


def load_text(directory: Path, text: str, environ: Mapping[str, str] = LEAST) -> Config:
    file = directory / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ)


def complaint(directory: Path, text: str, environ: Mapping[str, str] = LEAST) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(directory, text, environ)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value)), "a secret is in the traceback"
    assert caught.value.__context__ is None or "hunter2" not in repr(caught.value.__context__)
    return str(caught.value)


# --- the example, the defaults, the schema


def test_example_has_every_key_with_its_default() -> None:
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))

    def paths(section: Mapping[str, Any], prefix: str = "") -> list[str]:
        found: list[str] = []
        for name, value in section.items():
            found += paths(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
        return found

    assert paths(document) == list(KEYS)
    defaults = Config(wallbox=WallboxConfig(email="you@example.org", password=Secret("secret")))
    assert load(EXAMPLE, {}) == defaults


def test_environment_alone_is_enough() -> None:
    assert load(None, LEAST) == Config(wallbox=WallboxConfig(email="me@example.org", password=Secret("hunter2")))


def test_schema_has_every_key_with_its_meaning() -> None:
    document = json.loads(json.dumps(schema()))
    assert document["$schema"].endswith("2020-12/schema")
    for path in KEYS:
        section = document["$defs"]["Config"]
        *sections, name = path.split(".")
        for part in sections:
            section = document["$defs"][section["properties"][part]["$ref"].rpartition("/")[2]]
        assert section["properties"][name]["description"].endswith("."), path
        assert section["additionalProperties"] is False
    assert document["$defs"]["MqttConfig"]["properties"]["protocol"]["enum"] == ["3.1.1", "5", 5]


# --- what is accepted


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        pytest.param("mqtt: {port: 65535}", "mqtt.port", 65_535, id="highest-port"),
        pytest.param("mqtt: {protocol: 5}", "mqtt.protocol", "5", id="protocol-as-number"),
        pytest.param('mqtt: {protocol: "5"}', "mqtt.protocol", "5", id="protocol-as-text"),
        pytest.param("mqtt: {protocol: 3.1.1}", "mqtt.protocol", "3.1.1", id="protocol-3.1.1"),
        pytest.param("home_assistant: {discovery: off}", "home_assistant.discovery", "off", id="bare-off"),
        pytest.param('home_assistant: {discovery: "off"}', "home_assistant.discovery", "off", id="quoted-off"),
        pytest.param("wallbox: {reads_per_minute: 0.5}", "wallbox.reads_per_minute", 0.5, id="fraction"),
        pytest.param("wallbox: {reads_per_minute: 1}", "wallbox.reads_per_minute", 1, id="whole-where-fraction"),
        pytest.param("wallbox: {chargers: [7, 5, 7]}", "wallbox.chargers", (7, 5), id="charger-twice"),
        pytest.param(
            "wallbox: {api_url: 'http://[::1]:80/x/'}", "wallbox.api_url", "http://[::1]:80/x", id="url-slash"
        ),
        pytest.param("mqtt: {host: fd00::1}", "mqtt.host", "fd00::1", id="ipv6"),
        pytest.param("mqtt: {host: '[::1]:1884'}", "mqtt.brokers", (("::1", 1884),), id="ipv6-port"),
        pytest.param("mqtt: {host: [a, 'b:1884']}", "mqtt.brokers", (("a", 1883), ("b", 1884)), id="brokers"),
        pytest.param("mqtt: {host: 'a, b:1884', port: 1}", "mqtt.brokers", (("a", 1), ("b", 1884)), id="as-text"),
        pytest.param("web: {listen: '127.0.0.1:8080'}", "web.address", ("127.0.0.1", 8080), id="listen-ipv4"),
        pytest.param("web: {listen: '[::1]:8080'}", "web.address", ("::1", 8080), id="listen-ipv6"),
        pytest.param("web: {listen: '192.168.1.9:8080'}", "web.address", ("192.168.1.9", 8080), id="listen-lan"),
        pytest.param("web: {listen: ':8080'}", "web.address", ("", 8080), id="listen-all"),
        pytest.param("web: {listen: localhost:1}", "web.address", ("localhost", 1), id="listen-name"),
        pytest.param("web: {listen: null}", "web.address", None, id="listen-not"),
        pytest.param(
            "web: {clients: [10.0.0.9, '2001:DB8::1']}", "web.clients", ("10.0.0.9", "2001:db8::1"), id="clients"
        ),
        pytest.param("mqtt: {base_topic: home/garage}", "mqtt.base_topic", "home/garage", id="two-levels"),
        pytest.param("home_assistant: {prefix: a/b}", "home_assistant.births", "a/b/status", id="prefix-of-two-levels"),
        pytest.param("mqtt: {username: 2026-01-02}", "mqtt.username", "2026-01-02", id="a-date-is-text"),
        pytest.param("mqtt: {username: 2026-99-99}", "mqtt.username", "2026-99-99", id="no-date-is-text"),
        pytest.param("mqtt: {tls: {enabled: yes}}", "mqtt.tls.enabled", True, id="yes"),
        pytest.param("mqtt: {tls: {ca_file: /ca.pem}}", "mqtt.tls.ca_file", Path("/ca.pem"), id="path"),
        pytest.param("state_dir: ~", "state_dir", None, id="null"),
        pytest.param("state_dir: 5", "state_dir", Path("5"), id="number-as-path"),
        pytest.param("mqtt: {username: 12}", "mqtt.username", "12", id="number-as-text"),
        pytest.param("mqtt: {username: 012}", "mqtt.username", "012", id="text-as-it-was-written"),
        pytest.param("mqtt: {username: no}", "mqtt.username", "no", id="no-is-text"),
        pytest.param("mqtt: {username: 12:34}", "mqtt.username", "12:34", id="time-as-text"),
        pytest.param("home_assistant: {discovery: no}", "home_assistant.discovery", "off", id="no-is-off"),
        pytest.param("log: {mqtt: On}", "log.mqtt", True, id="on"),
        pytest.param("mqtt:\nlog:\n", "mqtt.port", 1883, id="section-of-comments"),
        pytest.param("# nothing\n", "mqtt.port", 1883, id="file-of-comments"),
        pytest.param("\ufefflog: {level: debug}", "log.level", "debug", id="byte-order-mark"),
        pytest.param("mqtt: &a {port: 1}\nlog: {level: error}", "mqtt.port", 1, id="anchor"),
    ],
)
def test_accepted(tmp_path: Path, text: str, path: str, value: object) -> None:
    found = lookup(load_text(tmp_path, text), path)
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


# --- what is refused: the message names the key, what was found and what is accepted


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("mqtt: {port: 0}", ["mqtt.port: ", "number (0)", "a whole number from 1 to 65535"], id="port-low"),
        pytest.param("mqtt: {port: 65536}", ["mqtt.port: ", "65536", "from 1 to 65535"], id="port-high"),
        pytest.param("mqtt: {port: '1883'}", ["mqtt.port: ", "text ('1883')"], id="port-as-text"),
        pytest.param("mqtt: {port: 18.83}", ["mqtt.port: ", "number (18.83)"], id="port-fraction"),
        pytest.param("mqtt: {port: true}", ["mqtt.port: ", "truth value (true)"], id="port-bool"),
        pytest.param("mqtt: {port: null}", ["mqtt.port: found nothing"], id="port-null"),
        pytest.param("mqtt: {port: [1]}", ["mqtt.port: found a list;"], id="port-list"),
        pytest.param("mqtt: {keepalive: 0}", ["mqtt.keepalive: ", "from 1 to 65535"], id="keepalive"),
        pytest.param("web: {clients: [broker.lan]}", ["web.clients: ", "'broker.lan'", "an IP address"], id="clients"),
        pytest.param("mqtt: {transport: udp}", ["mqtt.transport: ", "'udp'", "one of tcp, websockets"], id="transport"),
        pytest.param("mqtt: {protocol: 4}", ["mqtt.protocol: ", "number (4)", "one of 3.1.1, 5"], id="protocol"),
        pytest.param("mqtt: {tls: {enabled: 1}}", ["mqtt.tls.enabled: ", "true or false"], id="flag"),
        pytest.param("mqtt: {tls: yes}", ["mqtt.tls: found no section", "cert_file"], id="no-section"),
        pytest.param("mqtt: {tls: {cert_file: c.pem}}", ["mqtt.tls.key_file: ", "both or neither"], id="cert-alone"),
        pytest.param("mqtt: {tls: {key_file: k.pem}}", ["mqtt.tls.cert_file: ", "both or neither"], id="key-alone"),
        pytest.param("mqtt: {host: mqtt://broker}", ["mqtt.host: ", "without scheme and port"], id="host-scheme"),
        pytest.param("mqtt: {host: []}", ["mqtt.host: ", "or a list of them"], id="no-host"),
        pytest.param("mqtt: {host: [a, 'b:99999']}", ["mqtt.host: ", "or a list of them"], id="no-port"),
        pytest.param("mqtt: {host: broker:1883}", ["mqtt.host: ", "without scheme and port"], id="host-port"),
        *(
            pytest.param(f"web: {{listen: '{text}'}}", ["web.listen: ", "such as 127.0.0.1:8080"], id=f"listen-{text}")
            for text in (
                *("8080", "127.0.0.1", ":", ":0", ":65536", "::1:8080", "[::1]", "[::1:8080", "[1.2.3.4]:8080"),
                *(
                    "300.1.1.1:8080",
                    "1.2.3:8080",
                    "*:8080",
                    "http://127.0.0.1:8080",
                    "localhost:http",
                    ":8080/page",
                    "",
                ),
            )
        ),
        pytest.param("mqtt: {base_topic: a/+/b}", ["mqtt.base_topic: ", "topic levels"], id="base-plus"),
        pytest.param("mqtt: {base_topic: 'a#'}", ["mqtt.base_topic: "], id="base-hash"),
        pytest.param("mqtt: {base_topic: /a}", ["mqtt.base_topic: "], id="base-leading-slash"),
        pytest.param("mqtt: {base_topic: a/}", ["mqtt.base_topic: "], id="base-trailing-slash"),
        pytest.param("mqtt: {base_topic: a//b}", ["mqtt.base_topic: "], id="base-empty-level"),
        pytest.param("mqtt: {base_topic: $SYS}", ["mqtt.base_topic: "], id="base-dollar"),
        pytest.param('mqtt: {base_topic: "a\\0"}', ["mqtt.base_topic: "], id="base-nul"),
        pytest.param('mqtt: {base_topic: "a\\n"}', ["mqtt.base_topic: "], id="base-newline"),
        pytest.param("mqtt: {base_topic: ''}", ["mqtt.base_topic: found text ('')"], id="base-empty"),
        pytest.param("home_assistant: {prefix: a/+}", ["home_assistant.prefix: ", "topic levels"], id="prefix"),
        pytest.param("mqtt: {client_id: ''}", ["mqtt.client_id: ", "text that is not empty"], id="client-id-empty"),
        pytest.param(f"mqtt: {{client_id: {'ä' * 32_768}}}", ["mqtt.client_id: ", "ä…'"], id="client-id-long"),
        pytest.param("mqtt: {websocket_path: mqtt}", ["mqtt.websocket_path: ", "begins with /"], id="websocket-path"),
        pytest.param("wallbox: {poll_interval: 0}", ["wallbox.poll_interval: ", "a number above 0"], id="interval"),
        pytest.param("wallbox: {timeout: .inf}", ["wallbox.timeout: ", "('.inf')"], id="infinite"),
        pytest.param("wallbox: {timeout: .nan}", ["wallbox.timeout: ", "('.nan')"], id="nan"),
        pytest.param("commands: {settle_s: -1}", ["commands.settle_s: ", "a number from 0"], id="settle"),
        pytest.param("tariff: {solar_price: x}", ["tariff.solar_price: ", "accepted is a number"], id="any-number"),
        pytest.param("wallbox: {chargers: 7}", ["wallbox.chargers: ", "a list in []"], id="chargers-no-list"),
        pytest.param("wallbox: {chargers: [7, x]}", ["wallbox.chargers: found text ('x') in the list"], id="charger"),
        pytest.param("wallbox: {chargers: [0]}", ["wallbox.chargers: ", "from 1"], id="charger-zero"),
        pytest.param("wallbox: {api_url: ftp://x}", ["wallbox.api_url: ", "http://"], id="url-scheme"),
        pytest.param("wallbox: {api_url: 'http://:80'}", ["wallbox.api_url: "], id="url-host"),
        pytest.param("wallbox: {api_url: 'http://x:99999'}", ["wallbox.api_url: "], id="url-port"),
        pytest.param("wallbox: {api_url: 'http://me:hunter2@x'}", ["'http://***@x'"], id="url-user"),
        pytest.param("log: {level: verbose}", ["log.level: ", "one of debug, error, info, warning"], id="level"),
        pytest.param('state_dir: "/a\\n"', ["state_dir: "], id="path-newline"),
        pytest.param("state_dir: ~nobody-of-this-name/x", ["state_dir: ", "~nobody"], id="path-no-home"),
        pytest.param("? [a]\n: 1", ["line 1, column 3: found unhashable key"], id="list-as-key"),
        pytest.param("mqtt: {prot: 1}", ["mqtt.prot: unknown key, did you mean port", "host, port,"], id="unknown"),
        pytest.param("mqqt: {}", ["mqqt: unknown key, did you mean mqtt", "wallbox, mqtt,"], id="unknown-section"),
        pytest.param("mqtt.port: 1", ["mqtt.port: unknown key"], id="path-as-key"),
        pytest.param("5: 1", ["5: unknown key"], id="number-as-key"),
        pytest.param("mqtt:\n  port: 1\n  port: 2", ["line 3, column 3", "port stands already in line 2"], id="twice"),
        pytest.param("{log: {}, log: {}}", ["line 1, column 11", "log stands already in line 1"], id="twice-flow"),
        pytest.param("wallbox: hunter2", ["wallbox: found no section", "email"], id="scalar-for-section"),
        pytest.param("hunter2", ["found no sections", "wallbox, mqtt"], id="scalar-for-all"),
        pytest.param("--- {}\n--- {}", ["line 2, column 1"], id="two-documents"),
        pytest.param("wallbox:\n  password: hunter2: x", ["line 2, column 20", "needs quotes"], id="colon"),
        pytest.param("wallbox: {password: *hunter2}", ["line 1, column 21: found undefined alias"], id="alias"),
        pytest.param("wallbox: {password: !hunter2 x}", ["line 1, column 21: "], id="tag"),
        pytest.param("log: [1", ["line 1, column 8: expected ',' or ']', but got '<stream end>'"], id="unclosed"),
        pytest.param("wallbox:\n  password: \x01hunter2", ["line 2: a character that YAML does not"], id="character"),
        pytest.param("mqtt: {port: 0x_}", ["mqtt.port: found text ('0x_')"], id="no-number"),
        pytest.param("mqtt: {port: 0o17}", ["mqtt.port: found text ('0o17')"], id="octal"),
        pytest.param("mqtt: {port: 1_883}", ["mqtt.port: found text ('1_883')"], id="underscore"),
        pytest.param("mqtt: {port: '1883'}", ["leave the quotes out"], id="quoted-number"),
        pytest.param("mqtt: {keepalive: 030}", ["mqtt.keepalive: found a number (030), leave the"], id="leading-zero"),
        pytest.param(
            "wallbox: {chargers: [012345]}", ["found a number (012345), leave the leading zeros"], id="id-zero"
        ),
        pytest.param("wallbox: {chargers: [12:34]}", ["found text ('12:34') in the list"], id="no-base-60"),
        pytest.param("mqtt:\n\thost: x", ["line 2, column 1", "not with tabs"], id="tab"),
        pytest.param("mqtt:\n  host:\u00a0x\n", ["mqtt: found no section", "no-break space"], id="no-break-space"),
        pytest.param("mqtt:\n\u00a0 host: x\n", ["unknown key", "its name has a no-break space"], id="no-break-key"),
        pytest.param("mqtt: [\n\u00a0", ["line 2 has a no-break space"], id="no-break-and-no-yaml"),
        pytest.param("wallbox: {password: !secret hunter2}", ["password_file names"], id="secret-of-home-assistant"),
        pytest.param("mqtt: {port: !!bool hunter2}", ["line 1, column 14: "], id="no-bool"),
        pytest.param("log: {level: !!python/name:os.system x}", ["line 1, column 14: "], id="object"),
    ],
)
def test_refused(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = complaint(tmp_path, text)
    assert message.startswith(f"{tmp_path / 'config.yaml'}: ") or "both or neither" in message
    for part in parts:
        assert part in message
    assert "None" not in message
    assert len(message) < 400, "a value is not shortened"


def test_all_wrong_keys_are_told_at_once(tmp_path: Path) -> None:
    text = "mqtt: {port: x}\nlog: {levle: info}"
    message = complaint(tmp_path, text, {**LEAST, "WALLBOX2MQTT_LOG__MQTT": "maybe"})
    assert len(message.splitlines()) == 3
    for key in ("mqtt.port", "log.levle", "WALLBOX2MQTT_LOG__MQTT"):
        assert f"{key}: " in message


def test_what_is_missing_is_told_beside_what_is_wrong(tmp_path: Path) -> None:
    text = """
wallbox: {password_file: /nowhere}
mqtt: {port: x, password: y, tls: {cert_file: /a}}
home_assistant: {prefix: "#"}
"""
    message = complaint(tmp_path, text, {})
    keys = ("wallbox.email", "wallbox.password_file", "mqtt.port", "mqtt.username", "mqtt.tls.key_file")
    assert len(message.splitlines()) == len(keys) + 1
    for key in (*keys, "home_assistant.prefix"):
        assert message.count(f"{key}: ") == 1


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes("wallbox: {password: hunter2ä}".encode("latin-1"))
    with pytest.raises(ConfigError, match="byte 27 is not UTF-8") as caught:
        load(file, LEAST)
    assert caught.value.__context__ is None


def test_a_directory_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path, LEAST)


def test_what_is_missing_is_told_with_the_least_needed() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"WALLBOX2MQTT_MQTT__HOST": "broker"})
    message = str(caught.value)
    for part in (EMAIL, PASSWORD, "wallbox.password_file", "/etc/wallbox2mqtt/config.yaml", "the least that is needed"):
        assert part in message


# --- the environment


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        pytest.param("MQTT__HOST", "broker", "broker", id="text"),
        pytest.param("MQTT__HOST", '[a, "b:1884"]', "a,b:1884", id="brokers"),
        pytest.param("MQTT__HOST", "[::1]:1884", "[::1]:1884", id="ipv6-port"),
        pytest.param("MQTT__PORT", "8883", 8883, id="number"),
        pytest.param("MQTT__TLS__ENABLED", "true", True, id="third-level"),
        pytest.param("MQTT__PROTOCOL", "5", "5", id="protocol"),
        pytest.param("MQTT__USERNAME", "12345", "12345", id="digits-are-text"),
        pytest.param("MQTT__USERNAME", "null", None, id="null"),
        pytest.param("MQTT__USERNAME", "~", None, id="tilde"),
        pytest.param("MQTT__USERNAME", "", None, id="empty"),
        pytest.param("MQTT__USERNAME", '"null"', "null", id="quoted-null"),
        pytest.param("MQTT__USERNAME", "'it''s'", "it's", id="quoted"),
        pytest.param("MQTT__USERNAME", "'it's'", "'it's'", id="no-yaml-quotes"),
        pytest.param("MQTT__USERNAME", "'a': 'b'", "'a': 'b'", id="quotes-around-two"),
        pytest.param("MQTT__USERNAME", "'", "'", id="one-quote"),
        pytest.param("HOME_ASSISTANT__DISCOVERY", "off", "off", id="off"),
        pytest.param("WALLBOX__CHARGERS", "[1, 2]", (1, 2), id="list"),
        pytest.param("WALLBOX__CHARGERS", "12345,67890", (12345, 67890), id="list-without-brackets"),
        pytest.param("WALLBOX__CHARGERS", "12345", (12345,), id="list-of-one"),
        pytest.param("WALLBOX__PASSWORD", "hunter2\n", Secret("hunter2"), id="line-end"),
        pytest.param("WALLBOX__PASSWORD", "hunter2\r\n", Secret("hunter2"), id="line-end-of-windows"),
        pytest.param("WALLBOX__PASSWORD", "hunter2\n\n", Secret("hunter2\n"), id="only-one-line-end"),
        pytest.param("WALLBOX__EMAIL", "me@example.org\n", "me@example.org", id="line-end-of-the-address"),
        pytest.param("STATE_DIR", "/var/lib/w", Path("/var/lib/w"), id="top-level"),
        pytest.param("WALLBOX__PASSWORD", "pä:ss #1", Secret("pä:ss #1"), id="special-characters"),
        pytest.param("WALLBOX__PASSWORD", "null", Secret("null"), id="required-null-is-text"),
        pytest.param("WALLBOX__PASSWORD", "{[*&!%@`", Secret("{[*&!%@`"), id="indicators"),
    ],
)
def test_variable(name: str, text: str, value: object) -> None:
    key = next(path for path in KEYS if KEYS[path].variable == f"WALLBOX2MQTT_{name}")
    assert lookup(load(None, {**LEAST, f"WALLBOX2MQTT_{name}": text}), key) == value


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = load_text(tmp_path, "mqtt: {host: a, port: 1}", {**LEAST, "WALLBOX2MQTT_MQTT__HOST": "b"})
    assert (config.mqtt.host, config.mqtt.port) == ("b", 1)


def test_the_environment_replaces_a_wrong_key_of_the_file(tmp_path: Path) -> None:
    assert load_text(tmp_path, "mqtt: {port: x}", {**LEAST, "WALLBOX2MQTT_MQTT__PORT": "1"}).mqtt.port == 1


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        pytest.param("MQTT__PORT", "x", "found text ('x'); accepted is a whole number", id="wrong"),
        pytest.param("MQTT__PORT", "[1", "found text ('[1')", id="no-yaml"),
        pytest.param("MQTT__PORT", '"1883"', "leave the quotes out (in a list of Compose", id="quotes-of-a-list"),
        pytest.param("WALLBOX__CHARGERS", "012345", "leave the leading zeros out", id="leading-zero"),
        pytest.param("MQTT_PORT", "1883", "did you mean WALLBOX2MQTT_MQTT__PORT", id="port-one-underscore"),
        pytest.param("MQTT__PORT", "", "found nothing", id="empty"),
        pytest.param("MQTT_HOST", "x", "did you mean WALLBOX2MQTT_MQTT__HOST", id="one-underscore"),
        pytest.param("MQTT__TLS", "{enabled: true}", "unknown variable", id="section"),
        pytest.param("CONFIGS", "x", "unknown variable", id="unknown"),
        pytest.param("WALLBOX__PASSWORD", "hunter2\udce4", "found text (***)", id="not-utf-8"),
        pytest.param("MQTT__CLIENT_ID", "\udce4", "found text", id="text-not-utf-8"),
    ],
)
def test_wrong_variable(tmp_path: Path, name: str, text: str, part: str) -> None:
    message = complaint(tmp_path, "", {**LEAST, f"WALLBOX2MQTT_{name}": text})
    assert message.startswith(f"WALLBOX2MQTT_{name}: ")
    assert part in message


SERVICE_LINKS = {
    "WALLBOX2MQTT_SERVICE_HOST": "10.0.0.7",
    "WALLBOX2MQTT_SERVICE_PORT": "8080",
    "WALLBOX2MQTT_SERVICE_PORT_HTTP": "8080",
    "WALLBOX2MQTT_PORT": "tcp://10.0.0.7:8080",
    "WALLBOX2MQTT_PORT_8080_TCP": "tcp://10.0.0.7:8080",
    "WALLBOX2MQTT_PORT_8080_TCP_ADDR": "10.0.0.7",
    "WALLBOX2MQTT_GARAGE_SERVICE_HOST": "10.0.0.8",
    "WALLBOX2MQTT_GARAGE_PORT": "tcp://10.0.0.8:8080",
}


def test_variables_of_a_service_are_no_configuration() -> None:
    assert load(None, LEAST | SERVICE_LINKS) == load(None, LEAST)
    assert service_links(LEAST | SERVICE_LINKS) == list(SERVICE_LINKS)


def test_other_variables_do_not_matter() -> None:
    assert load(None, {**LEAST, "WALLBOX2MQTT_CONFIG": "/nowhere", "MQTT__PORT": "x"}) == load(None, LEAST)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_unquoted_password_survives_the_environment(password: str) -> None:
    if password[0] not in "'\"":
        assert load(None, {**LEAST, PASSWORD: password}).wallbox.password.reveal() == password


@given(st.text())
def test_any_text_loads_or_is_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        load(None, {**LEAST, "WALLBOX2MQTT_WALLBOX__CHARGERS": text, "WALLBOX2MQTT_MQTT__HOST": text})


# --- secrets


@pytest.mark.parametrize(
    ("content", "password"),
    [
        pytest.param(b"hunter2", "hunter2", id="bare"),
        pytest.param(b"hunter2\n", "hunter2", id="newline"),
        pytest.param(b"hunter2\r\n", "hunter2", id="crlf"),
        pytest.param(b"hunter2\n\n", "hunter2\n", id="only-one-newline"),
        pytest.param(b"hunter2\r", "hunter2\r", id="cr-is-no-newline"),
        pytest.param(b" 12345 ", " 12345 ", id="blanks"),
        pytest.param("pä:ss #1".encode(), "pä:ss #1", id="utf-8"),
    ],
)
@pytest.mark.parametrize("section", ["wallbox", "mqtt"])
def test_password_file(tmp_path: Path, section: str, content: bytes, password: str) -> None:
    (tmp_path / "password").write_bytes(content)
    environ = {EMAIL: "me@example.org", "WALLBOX2MQTT_MQTT__USERNAME": "me"}
    if section == "mqtt":
        environ[PASSWORD] = "other"
    config = load_text(tmp_path, f"{section}: {{password: null, password_file: {tmp_path}/password}}", environ)
    assert lookup(config, f"{section}.password") == Secret(password)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(None, "No such file or directory", id="absent"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"\r\n", "empty", id="newline-only"),
        pytest.param("hunter2ä".encode("latin-1"), "not UTF-8", id="latin-1"),
    ],
)
def test_unusable_password_file(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    message = complaint(tmp_path, f"wallbox: {{password_file: {file}}}", {EMAIL: "me@example.org"})
    assert f"wallbox.password_file: {file}: {reason}" in message


@pytest.mark.parametrize("variable", [PASSWORD, f"{PASSWORD}_FILE"])
def test_password_and_password_file(tmp_path: Path, variable: str) -> None:
    key = "password_file" if variable == PASSWORD else "password"
    message = complaint(tmp_path, f"wallbox: {{{key}: hunter2}}", {EMAIL: "me@example.org", variable: "hunter2"})
    assert variable in message
    assert f"wallbox.{key}" in message
    assert "accepted is one of the two" in message


@pytest.mark.parametrize("directory", ["CREDENTIALS_DIRECTORY", "RELOAD_DIRECTORY"])
@pytest.mark.parametrize("name", ["WALLBOX2MQTT_WALLBOX__PASSWORD_FILE", "WALLBOX2MQTT_MQTT__PASSWORD_FILE"])
def test_an_empty_credential_is_no_password_file(tmp_path: Path, name: str, directory: str) -> None:
    credential = tmp_path / "password"
    credential.touch()
    environ = {**LEAST, name: str(credential)}
    with pytest.raises(ConfigError, match="PASSWORD"):
        load(None, environ)
    config = load(None, {**environ, directory: str(tmp_path)})
    assert (config.wallbox.password, config.mqtt.password) == (Secret("hunter2"), None)
    credential.write_text("s3cret")
    with pytest.raises(ConfigError, match=r"PASSWORD|username"):
        load(None, {**environ, directory: str(tmp_path)})


def test_a_password_needs_a_user_name(tmp_path: Path) -> None:
    assert "mqtt.username: found nothing, but mqtt.password" in complaint(tmp_path, "mqtt: {password: hunter2}")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param("[hunter2]", "wallbox.password: found a list;", id="list"),
        pytest.param("{hunter2: x}", "wallbox.password: found a section;", id="section"),
        pytest.param("''", "wallbox.password: found text (***)", id="empty"),
    ],
)
def test_a_wrong_password_is_not_shown(tmp_path: Path, text: str, part: str) -> None:
    message = complaint(tmp_path, f"wallbox: {{password: {text}}}", {EMAIL: "me@example.org"})
    assert part in message
    assert "12345" not in message


def test_a_secret_shows_itself_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("hunter2")
    config = load(None, {**LEAST, "WALLBOX2MQTT_MQTT__USERNAME": "me", "WALLBOX2MQTT_MQTT__PASSWORD": "hunter2"})
    logging.getLogger(__name__).warning("%s %r", secret, config)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", f"{config}", caplog.text]
    assert all("hunter2" not in text and "***" in text for text in shown)
    assert secret.reveal() == "hunter2"
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_a_secret_does_not_leave_by_accident() -> None:
    for leave in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            leave(Secret("hunter2"))


# --- files and directories


def test_find_prefers_command_line_then_variable_then_places(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml", "d.yaml")]
    for file in files:
        file.touch()
    explicit, named, *places = files
    environ = {"WALLBOX2MQTT_CONFIG": str(named)}
    assert find(explicit, environ, places) == explicit
    assert find(None, environ, places) == named
    assert find(None, {"WALLBOX2MQTT_CONFIG": ""}, places) == places[0]
    assert find(None, {}, [tmp_path / "absent", places[1]]) == places[1]
    assert find(None, {}, [tmp_path / "absent"]) is None


def test_find_looks_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    with contextlib.chdir(tmp_path):
        assert find(None, {}) == Path("config.yaml")


@pytest.mark.parametrize(
    ("explicit", "environ", "source"),
    [
        pytest.param(Path("absent.yaml"), {}, "--config", id="command-line"),
        pytest.param(None, {"WALLBOX2MQTT_CONFIG": "absent.yaml"}, "WALLBOX2MQTT_CONFIG", id="variable"),
    ],
)
def test_a_named_file_has_to_be_there(explicit: Path | None, environ: dict[str, str], source: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{source}: absent\.yaml: No such file"):
        find(explicit, environ)


@pytest.mark.parametrize(
    ("configured", "environ", "expected"),
    [
        pytest.param("/a", {"STATE_DIRECTORY": "/b"}, "/a", id="configured"),
        pytest.param(None, {"STATE_DIRECTORY": "/b:/c", "HOME": "/d"}, "/b", id="systemd"),
        pytest.param(None, {"HOME": "/d"}, "/d/.local/state/wallbox2mqtt", id="home"),
    ],
)
def test_state_dir(configured: str | None, environ: dict[str, str], expected: str) -> None:
    config = load(None, LEAST | ({"WALLBOX2MQTT_STATE_DIR": configured} if configured else {}))
    assert state_dir(config, environ) == Path(expected)


def test_no_state_dir() -> None:
    with pytest.raises(ConfigError, match=r"^state_dir: found nothing"):
        state_dir(load(None, LEAST), {})


def test_structs_are_frozen_and_refuse_unknown_keys() -> None:
    config = MqttConfig()
    with pytest.raises(AttributeError):
        config.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        MqttConfig(prot=1)  # type: ignore[call-arg]
