"""The files of Home Assistant's app, held to what the Supervisor and its linter accept, told a second time and by hand.

Sources: home-assistant/supervisor ``supervisor/apps/validate.py`` and ``options.py``, home-assistant/developers
``docs/apps``, frenck/action-addon-linter ``src/config.schema.json`` and ``src/lint.py``; read in October 2026.
"""

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from wallbox2mqtt import __version__
from wallbox2mqtt.cli.home_assistant_app import OPTIONS
from wallbox2mqtt.config.keys import KEYS

ROOT = Path(__file__).parents[2]
APP = ROOT / "homeassistant-app"
LANGUAGES = ("de", "en", "es")

_ELEMENT = re.compile(
    r"(?:bool|email|url|port|device(?:\(subsystem=[a-z]+\))?|(?:str|password)(?:\(\d*,\d*\))?|int(?:\(-?\d*,-?\d*\))?"
    r"|float(?:\([-.\d]*,[-.\d]*\))?|match\(.*\)|list\(.+\))\??"
)
_PLACES = {
    "addon_config", "app_config", "all_addon_configs", "all_app_configs", "homeassistant_config", "ssl", "addons",
    "local_apps", "backup", "share", "media", "data",
}  # fmt: skip
_FOLDER: dict[str, Callable[[Any], bool]] = {
    "type": lambda it: it in _PLACES,
    "read_only": lambda it: isinstance(it, bool),
    "path": bool,
}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_element(value: object) -> bool:
    match value:
        case str():
            return bool(_ELEMENT.fullmatch(value))
        case [str() as one]:
            return _is_element(one)
        case dict():
            return all(map(_is_element, value.values()))
    return False


def _is_folder(value: object) -> bool:
    return isinstance(value, dict) and "type" in value and all(_FOLDER[key](it) for key, it in value.items())


def _matches(pattern: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


# key: what is accepted. Keys that give rights (privileged, host_network, full_access and their like) are left out: the
# app needs none. What the linter calls a default must not stand there at all, nor what it calls obsolete (watchdog: the
# Supervisor asks the image's HEALTHCHECK).
ACCEPTED: dict[str, Callable[[Any], bool]] = {
    "name": _is_text,
    "version": _matches(r"\d+\.\d+\.\d+\S*"),
    "slug": _matches(r"[-_.A-Za-z0-9]+"),
    "description": _is_text,
    "url": _matches(r"https://\S+"),
    "image": _matches(r"(?:[a-zA-Z\-.:\d{}]+/)*?[\-\w{}]+/[\-\w{}]+"),
    "arch": lambda it: isinstance(it, list) and bool(it) and set(it) <= {"aarch64", "amd64"},
    "init": lambda it: it is False,
    "tmpfs": lambda it: it is True,
    "ingress": lambda it: it is True,
    "timeout": lambda it: isinstance(it, int) and 10 < it <= 300,
    "services": lambda it: all(map(_matches(r"(?:mqtt|mysql):(?:provide|want|need)"), it)),
    "map": lambda it: all(map(_is_folder, it)),
    "panel_icon": _matches(r"mdi:[a-z-]+"),
    "panel_title": _is_text,
    "options": lambda it: isinstance(it, dict),
    "schema": lambda it: isinstance(it, dict) and all(map(_is_element, it.values())),
}


def config() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((APP / "config.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("key", sorted(config()))
def test_the_supervisor_accepts_the_key(key: str) -> None:
    assert ACCEPTED[key](config()[key])


def test_what_has_to_be_there_is() -> None:
    assert {"name", "version", "slug", "description", "arch"} <= set(config())
    repository = yaml.safe_load((ROOT / "repository.yaml").read_text(encoding="utf-8"))
    assert repository["name"]
    assert set(repository) <= {"name", "url", "maintainer"}
    assert [path for path in ROOT.rglob("repository.*") if ".venv" not in path.parts] == [ROOT / "repository.yaml"]
    for name in ("Dockerfile", "README.md", "DOCS.md", "CHANGELOG.md", "apparmor.txt", "icon.png", "logo.png"):
        assert (APP / name).stat().st_size, name


def test_no_other_file_is_taken_for_an_app() -> None:
    """The Supervisor reads every ``config.*`` of a repository, hidden folders apart (``supervisor/store/data.py``).

    One without a name is none to it, and costs a line in its log.
    """
    found = [path for path in ROOT.glob("**/config.*") if path.suffix in {".json", ".yaml", ".yml"}]
    seen = [path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]
    named = [path for path in seen if "name" in yaml.safe_load(path.read_text(encoding="utf-8"))]
    assert named == [APP / "config.yaml"]


def test_it_has_the_version_of_the_program() -> None:
    assert config()["version"] == __version__


def test_options_are_those_of_the_program() -> None:
    schema = config()["schema"]
    assert set(schema) == set(OPTIONS)
    needed = {name for name, kind in schema.items() if isinstance(kind, str) and not kind.endswith("?")}
    assert needed == set(config()["options"]) == {"email", "password"}


@pytest.mark.parametrize("name", ["language", "log_level"])
def test_words_are_those_of_the_key(name: str) -> None:
    words = config()["schema"][name].removeprefix("list(").removesuffix(")?").split("|")
    assert set(words) == set(KEYS[OPTIONS[name]].accepts.removeprefix("one of ").split(", "))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_option_is_explained(language: str) -> None:
    found = yaml.safe_load((APP / "translations" / f"{language}.yaml").read_text(encoding="utf-8"))
    assert set(found) == {"configuration"}
    assert list(found["configuration"]) == list(config()["schema"])
    for texts in found["configuration"].values():
        assert set(texts) == {"name", "description"}
        assert all(
            isinstance(text, str) and text.endswith(".") is (key == "description") for key, text in texts.items()
        )


def test_no_translation_is_of_an_unknown_language() -> None:
    assert sorted(path.stem for path in (APP / "translations").iterdir()) == list(LANGUAGES)


@pytest.mark.parametrize(("name", "size"), [("icon", (128, 128)), ("logo", (250, 100))])
def test_pictures_have_the_size(name: str, size: tuple[int, int]) -> None:
    head = (APP / f"{name}.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", head[16:]) == size


def test_the_profile_has_the_name_of_the_app() -> None:
    """The Supervisor refuses a file with another number of profiles than one."""
    text = (APP / "apparmor.txt").read_text(encoding="utf-8")
    assert re.findall(r"^profile ([^ ]+).*$", text, re.MULTILINE) == [config()["slug"]]
    assert text.count("{") - text.count("{PROC}") == text.count("}") - text.count("{PROC}") == 1
    assert set(re.findall(r"#include <(.*)>", text)) == {"tunables/global", "abstractions/base"}


def test_the_image_is_ours_and_starts_what_the_app_is() -> None:
    text = (APP / "Dockerfile").read_text(encoding="utf-8")
    assert 'CMD ["run", "--home-assistant-app"]' in text
    assert '"health", "--live"]' in text, (
        "the Supervisor starts anew what is unhealthy: a cloud that is down is no reason"
    )
    assert "WALLBOX2MQTT_STATE_DIR=/data" in text
