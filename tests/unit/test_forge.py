"""What only the forge runs: workflows call what can be run by hand, and forms ask for what helps."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from wallbox2mqtt.simulator import MODELS

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


PLACES = ("*", ".github/**/*", "charts/**/*", "debian/*", "docs/**/*", "examples/**/*", "homeassistant-app/**/*")
ADDRESS = re.compile(
    r"github\.com/[\w-]+/wallbox2mqtt|ghcr\.io/[\w-]+/(?:wallbox2mqtt|home-assistant-app)|[\w-]+\.github\.io/[\w-]+"
)


def steps(path: Path) -> list[dict[str, Any]]:
    jobs: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_what_can_be_run_by_hand(path: Path) -> None:
    called = re.findall(r"(?:^|\s)(scripts/[\w-]+|\.ci/run)", "\n".join(step.get("run", "") for step in steps(path)))
    assert called
    for name in called:
        assert (ROOT / name).stat().st_mode & 0o111, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_version(path: Path) -> None:
    uses = [step["uses"] for step in steps(path) if "uses" in step]
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", action)


def test_each_address_is_that_of_the_project() -> None:
    homepage = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Homepage"]
    owner, name = homepage.removeprefix("https://github.com/").split("/")
    repository, site = f"github.com/{owner}/{name}", f"{owner}.github.io/{name}"
    images = {f"ghcr.io/{owner}/{name}", f"ghcr.io/{owner}/home-assistant-app"}
    files = {path for place in PLACES for path in ROOT.glob(place) if path.is_file()}
    found = {address for path in files for address in ADDRESS.findall(path.read_bytes().decode(errors="replace"))}
    assert found == {repository, site, *images}


def test_every_python_that_is_promised_is_tried() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    promised = [match[1] for one in classifiers if (match := re.search(r"Python :: (3\.\d+)$", one))]
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == promised


def test_the_form_of_a_bug_asks_for_what_helps() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8"))
    labels = " ".join(part["attributes"]["label"] for part in form["body"])
    for command in ("check --json", "dump --output", "--version"):
        assert f"wallbox2mqtt {command}" in labels


def test_hooks_before_a_commit_are_the_projects_own() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repo["repo"] == "local"
    check = (ROOT / "scripts/check").read_text(encoding="utf-8")
    for hook in repo["hooks"]:
        assert hook["entry"].removeprefix(".venv/bin/").split()[0] in check


@pytest.mark.parametrize("model", sorted(MODELS))
def test_the_simulators_models_have_their_evidence(model: str) -> None:
    assert f"`{model}`" in (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def test_no_entry_of_the_changelog_is_there_twice() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    starts = [" ".join(entry.split())[:30] for entry in re.split(r"^- ", text, flags=re.MULTILINE)[1:]]
    assert len(starts) > 50
    assert sorted(set(starts)) == sorted(starts)
    assert max(len(line) for line in text.splitlines()) <= 120
