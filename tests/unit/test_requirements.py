"""The files that are installed from by hash agree with pyproject.toml and with each other."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DIRECT: dict[str, list[str]] = {
    "run": PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["metrics"],
    "build": PROJECT["build-system"]["requires"],
}
FILES = pytest.mark.parametrize("name", DIRECT)


def pins(name: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package in a file of requirements."""
    text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {
        package: (version, len([word for word in rest if re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word)]))
        for (package, version), rest in ((words[0].split("=="), words[1:]) for words in lines)
    }


def needs_of(package: str) -> list[Requirement]:
    """What an installed package needs here without its extras; nothing of one that is not installed."""
    try:
        needs = [Requirement(text) for text in requires(package) or ()]
    except PackageNotFoundError:
        return []
    return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


@FILES
def test_each_version_is_allowed(name: str) -> None:
    pinned = pins(name)
    for need in map(Requirement, DIRECT[name]):
        version, _ = pinned[canonicalize_name(need.name)]
        assert need.specifier.contains(version), f"{need} is {version}: run scripts/lock"


@FILES
def test_each_package_has_hashes(name: str) -> None:
    assert all(hashes for _, hashes in pins(name).values())


@FILES
def test_what_the_packages_need_is_there(name: str) -> None:
    pinned = pins(name)
    needed = {canonicalize_name(need.name) for package in pinned for need in needs_of(package)}
    assert needed <= pinned.keys(), "run scripts/lock"
