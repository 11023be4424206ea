"""What is released: one version, the files that belong into the wheel, help that helps."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.command import environment, run
from wallbox2mqtt import __version__
from wallbox2mqtt.cli.help import EPILOGS

ROOT = Path(__file__).parents[2]
COMMANDS = ("run", "health", "check", "init", "demo", "simulator", "dump", "sessions", "topics", "schema")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def test_the_version_stands_once(project: dict[str, Any], tmp_path: Path) -> None:
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "wallbox2mqtt/__init__.py"
    assert run(environment(None, tmp_path), "--version").out == f"wallbox2mqtt {__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_the_wheel_has_what_users_need(project: dict[str, Any]) -> None:
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["wallbox2mqtt"]
    for name in wheel["force-include"]:
        assert (ROOT / name).is_file()
    assert {"config.example.yaml", "config.schema.json"} == set(wheel["force-include"])
    assert (ROOT / "wallbox2mqtt/py.typed").is_file()


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_of_a_command(self, command: str, tmp_path: Path) -> None:
        done = run(environment(None, tmp_path, COLUMNS="110"), command, "--help")
        assert (done.code, done.err) == (0, "")
        assert EPILOGS[command].splitlines()[-1] in done.out
        assert max(len(line) for line in done.out.splitlines()) <= 110

    def test_of_the_program_names_every_command(self, tmp_path: Path) -> None:
        done = run(environment(None, tmp_path), "--help")
        assert all(re.search(rf"^    {command}\b", done.out, re.MULTILINE) for command in COMMANDS)
        assert "78" in done.out

    @pytest.mark.parametrize("command", [*COMMANDS, ""])
    def test_fits_a_terminal(self, command: str) -> None:
        assert max(len(line) for line in EPILOGS[command].splitlines()) <= 106

    def test_of_what_is_unknown(self, tmp_path: Path) -> None:
        done = run(environment(None, tmp_path), "runn")
        assert done.code == 1
        assert "run" in done.err


def test_texts_are_of_commands_that_are() -> None:
    assert EPILOGS.keys() == {*COMMANDS, ""}
