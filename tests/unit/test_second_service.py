"""An account belongs to one service of a machine: what the installer and Debian's setup refuse."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mosquitto import LIMIT_S

ROOT = Path(__file__).parents[2]
UNITS = Path("systemd/system/multi-user.target.wants")


def refusal(etc: Path, config: Path, *email: str) -> str:
    """What is said when a service with this configuration is to be started; empty where it may."""
    command = [str(ROOT / "systemd/refuse-second-service"), sys.executable, str(config), *email]
    done = subprocess.run(  # noqa: S603 - our own script
        command,
        env={"ETC": str(etc), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert (done.returncode == 1) == bool(done.stderr), done.stderr
    return done.stderr


def service(etc: Path, name: str, text: str, *, is_enabled: bool = True) -> Path:
    """Put a configuration there, and enable its service."""
    config = etc / "wallbox2mqtt" / name / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(text, encoding="utf-8")
    (etc / UNITS).mkdir(parents=True, exist_ok=True)
    if is_enabled:
        (etc / UNITS / (f"wallbox2mqtt@{name}.service" if name else "wallbox2mqtt.service")).symlink_to("/dev/null")
    return config


def account(email: str) -> str:
    return f"wallbox:\n  email: {email}\n"


@pytest.mark.parametrize("name", ["", "garage"])
@pytest.mark.parametrize("email", ["me@example.org", "Me@Example.org"])
def test_a_second_service_of_an_account_is_refused(tmp_path: Path, name: str, email: str) -> None:
    service(tmp_path, name, account("me@example.org"))
    second = service(tmp_path, "attic", account(email), is_enabled=False)
    unit = f"wallbox2mqtt@{name}.service" if name else "wallbox2mqtt.service"
    assert refusal(tmp_path, second).startswith(f"{unit} serves this account already")
    assert refusal(tmp_path, tmp_path / "not-written-yet", email)


@pytest.mark.parametrize(
    ("other", "is_enabled"),
    [
        pytest.param(account("you@example.org"), True, id="another-account"),
        pytest.param(account("me@example.org"), False, id="not-enabled"),
        pytest.param("wallbox: [", True, id="damaged"),
        pytest.param("mqtt:\n  host: here\n", True, id="account-in-the-environment"),
    ],
)
def test_others_may_be_there(tmp_path: Path, other: str, *, is_enabled: bool) -> None:
    service(tmp_path, "garage", other, is_enabled=is_enabled)
    assert not refusal(tmp_path, service(tmp_path, "attic", account("me@example.org")))


def test_nothing_is_known_of_the_account_yet(tmp_path: Path) -> None:
    service(tmp_path, "", account("me@example.org"))
    assert not refusal(tmp_path, tmp_path / "wallbox2mqtt/attic/config.yaml", "")


@pytest.mark.parametrize("script", ["scripts/install-systemd", "debian/wallbox2mqtt-setup"])
def test_each_way_to_install_asks_before_it_starts(script: str) -> None:
    text = (ROOT / script).read_text(encoding="utf-8")
    assert 0 < text.find("refuse-second-service") < text.find("systemctl enable")
