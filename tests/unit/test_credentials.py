"""systemd's copies of the files, and the newer ones of a reload."""

from pathlib import Path

import pytest

from wallbox2mqtt.config.credentials import as_operators_know_it, reloaded

PASSWORD_FILE = "WALLBOX2MQTT_WALLBOX__PASSWORD_FILE"  # noqa: S105 - a name


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    for name in ("start", "reload"):
        (tmp_path / name).mkdir()
    return {
        "CREDENTIALS_DIRECTORY": str(tmp_path / "start"),
        "RELOAD_DIRECTORY": str(tmp_path / "reload"),
        "CONFIGURATION_DIRECTORY": "/etc/wallbox2mqtt",
    }


def test_messages_name_what_operators_know(environ: dict[str, str]) -> None:
    start, reload = environ["CREDENTIALS_DIRECTORY"], environ["RELOAD_DIRECTORY"]
    text = f"{start}/config.yaml: mqtt.port: found text\n{reload}/wallbox-password: empty\n{start}/mqtt-key: no key"
    assert as_operators_know_it(text, environ).splitlines() == [
        "/etc/wallbox2mqtt/config.yaml: mqtt.port: found text",
        "/etc/wallbox2mqtt/wallbox-password: empty",
        f"{start}/mqtt-key: no key",
    ]


@pytest.mark.parametrize("name", ["CREDENTIALS_DIRECTORY", "CONFIGURATION_DIRECTORY"])
def test_without_systemd_nothing_is_replaced(environ: dict[str, str], name: str) -> None:
    text = f"{environ['CREDENTIALS_DIRECTORY']}/config.yaml: x"
    assert as_operators_know_it(text, environ | {name: ""}) == text


def test_the_copies_of_a_reload_win_where_they_are(environ: dict[str, str]) -> None:
    start, reload = Path(environ["CREDENTIALS_DIRECTORY"]), Path(environ["RELOAD_DIRECTORY"])
    for name in ("config.yaml", "wallbox-password"):
        (reload / name).touch()
    given = {PASSWORD_FILE: f"{start}/wallbox-password", "WALLBOX2MQTT_MQTT__TLS__KEY_FILE": f"{start}/mqtt-key"}
    others = {"WALLBOX2MQTT_MQTT__HOST": "broker", "OTHER": f"{start}/wallbox-password"}
    file, found = reloaded(start / "config.yaml", environ | given | others)
    assert file == reload / "config.yaml"
    assert found == environ | given | others | {PASSWORD_FILE: f"{reload}/wallbox-password"}


def test_without_a_reload_directory_all_stays(environ: dict[str, str]) -> None:
    given = {"CREDENTIALS_DIRECTORY": environ["CREDENTIALS_DIRECTORY"], PASSWORD_FILE: "/run/secrets/x"}
    assert reloaded(None, given) == (None, given)
    assert reloaded(Path("/etc/x.yaml"), given) == (Path("/etc/x.yaml"), given)
