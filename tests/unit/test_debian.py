"""The Debian package, as far as it can be read: what it is made of is there and agrees with the project."""

import os
import re
import subprocess
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.mosquitto import LIMIT_S
from wallbox2mqtt import __version__

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "debian"
BUILT = {"debian/wallbox2mqtt.1", "debian/config.yaml.5"}
PACKAGES = {"paho-mqtt": "python3-paho-mqtt", "PyYAML": "python3-yaml"}
"""Where Debian's name is not python3 and ours."""


def wanted() -> set[str]:
    """The dependencies of the project as Debian names them."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = set()
    for need in map(Requirement, project["project"]["dependencies"]):
        (least,) = (one.version for one in need.specifier if one.operator == ">=")
        found.add(f"{PACKAGES.get(need.name, f'python3-{need.name}')} (>= {least})")
    return found


def field(name: str) -> set[str]:
    """The items of a field of debian/control."""
    _, _, rest = (DEBIAN / "control").read_text(encoding="utf-8").partition(f"\n{name}:")
    first, *lines = rest.splitlines()
    return {item.strip() for item in ",".join([first, *takewhile(lambda line: line[:1] == " ", lines)]).split(",")} - {
        ""
    }


def test_the_version_is_the_projects() -> None:
    first = (DEBIAN / "changelog").read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(rf"wallbox2mqtt \({re.escape(__version__)}\) \w+; urgency=\w+", first)


@pytest.mark.parametrize("name", ["Depends", "Build-Depends-Indep"])
def test_dependencies_are_the_projects(name: str) -> None:
    assert {item for item in field(name) if item.startswith("python3-")} == wanted()


@pytest.mark.parametrize("name", ["docs", "examples", "install", "manpages"])
def test_what_is_installed_is_there(name: str) -> None:
    for line in (DEBIAN / f"wallbox2mqtt.{name}").read_text(encoding="utf-8").splitlines():
        pattern = line.split()[0]
        assert pattern in BUILT or list(ROOT.glob(pattern)), pattern


@pytest.mark.parametrize("name", ["postinst", "postrm", "prerm"])
def test_scripts_are_shell_and_let_debhelper_in(name: str) -> None:
    script = DEBIAN / f"wallbox2mqtt.{name}"
    done = subprocess.run(  # noqa: S603 - our own script
        ["/bin/sh", "-n", str(script)], capture_output=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    assert "\n#DEBHELPER#\n" in script.read_text(encoding="utf-8")


def test_only_what_was_enabled_is_started() -> None:
    assert "dh_installsystemd --no-enable --no-start --no-stop" in (DEBIAN / "rules").read_text(encoding="utf-8")
    lines = (DEBIAN / "wallbox2mqtt.postinst").read_text(encoding="utf-8").splitlines()
    (started,) = (line.strip() for line in lines if re.search(r"\b(re)?start\b", line))
    assert started.startswith('if [ -h "$link" ]; then deb-systemd-invoke restart "${link##*/}"')


@pytest.mark.parametrize("name", ["-x", "../etc", "a b", "größe"])
def test_setup_refuses_a_name_that_is_none(name: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own script
        ["/bin/sh", str(DEBIAN / "wallbox2mqtt-setup"), name],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 2
    assert "usage" in done.stderr
