"""Each folder imports only what stands below it, and each library has one home. Imports inside functions count too."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "wallbox2mqtt"

# Each may import what stands in a line above its own; those of one line never import one another.
LEVELS = [
    {"errors", "clock"},
    {"catalogue", "config", "log", "watchdog"},
    {"topics", "storage"},
    {"cloud", "mqtt"},
    {"bridge"},
    {"homeassistant", "history", "web"},
    {"daemon"},
    {"simulator"},
    {"cli"},
    {"__main__"},
]
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}

HOMES = {
    "yaml": {"config"},
    "msgspec": {"config", "history"},
    "requests": {"cloud"},
    "urllib3": {"cloud"},
    "paho": {"mqtt"},
    "prometheus_client": {"web"},
    "schedule": {"daemon"},
    "amqtt": {"simulator", "cli"},
    "rich": {"cli"},
}

TOPICS = {"bridge/cloud", "bridge/info", "bridge/health"}
"""What the page names that is no module."""
ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(source: str, package: list[str]) -> Iterator[str]:
    """The full names of all that a source imports; ``package`` is where its relative imports begin."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            yield from (".".join([*base, alias.name]) for alias in node.names)


def imports_of(folder: str) -> Iterator[tuple[Path, str]]:
    """Yield each module of a folder, or of that name, with the full names of what it imports."""
    for path in MODULES:
        if layer(path) == folder:
            package = ["wallbox2mqtt", *path.relative_to(PACKAGE).parts[:-1]]
            yield from ((path, name) for name in imports(path.read_text(encoding="utf-8"), package))


@pytest.mark.parametrize("own", sorted({layer(path) for path in MODULES}))
def test_modules_stay_in_their_layer(own: str) -> None:
    assert own in LEVEL_OF, f"{own} has no place in LEVELS"
    for path, name in imports_of(own):
        top, _, rest = name.partition(".")
        if top != "wallbox2mqtt":
            assert own in HOMES.get(top, {own}), f"{path} imports {top}, whose home is {HOMES[top]}"
            continue
        other = rest.split(".")[0]
        if other not in {own, "__version__"}:
            assert other in LEVEL_OF, f"{path}: {name} has no place in LEVELS"
            assert LEVEL_OF[other] < LEVEL_OF[own], f"{path} imports {other}, which does not stand below it"
            assert other != "simulator" or own == "cli", f"{path} imports the simulator"


def test_the_simulator_shares_no_table_with_the_program() -> None:
    ours = [name.split(".")[1] for _, name in imports_of("simulator") if name.startswith("wallbox2mqtt.")]
    assert set(ours) <= {"simulator", "errors", "clock", "log"}


def test_run_imports_nothing_that_is_off() -> None:
    code = "import sys, wallbox2mqtt.cli.run; print(*(name for name, module in sys.modules.items() if module))"
    names = subprocess.check_output([sys.executable, "-W", "error", "-c", code], text=True).split()  # noqa: S603 - our own
    off = (
        "wallbox2mqtt.daemon.standby",
        "wallbox2mqtt.web.",
        "wallbox2mqtt.cli.home_assistant_app",
        "charset_normalizer",
    )
    assert "wallbox2mqtt.daemon.app" in names
    assert [name for name in names if name.startswith(off)] == []


def test_one_module_imports_requests() -> None:
    importing = {path.name for path, name in imports_of("cloud") if name.split(".")[0] == "requests"}
    assert importing == {"requests_alone.py"}


def test_the_root_imports_nothing() -> None:
    assert not list(imports((PACKAGE / "__init__.py").read_text(encoding="utf-8"), ["wallbox2mqtt"]))


def test_what_the_architecture_names_is_there() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    folders = {path.name for path in PACKAGE.iterdir()}
    named = {name for name in re.findall(r"`(\w+/\w+)`", text) if name.partition("/")[0] in folders} - TOPICS
    assert len(named) > 40
    assert {name for name in named if not (PACKAGE / f"{name}.py").is_file()} == set()
    methods = {
        f"{node.name}.{member.name}"
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        for member in node.body
        if isinstance(member, ast.FunctionDef)
    }
    assert set(re.findall(r"`([A-Z]\w+\.\w+)`", text)) <= methods


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("import a.b, c", ["a.b", "c"], id="plain"),
        pytest.param("from . import d", ["wallbox2mqtt.simulator.d"], id="relative"),
        pytest.param("from .. import d", ["wallbox2mqtt.d"], id="relative-up"),
        pytest.param("from ..d import e", ["wallbox2mqtt.d.e"], id="relative-module"),
        pytest.param("def f():\n    import yaml", ["yaml"], id="lazy"),
    ],
)
def test_no_import_escapes(source: str, expected: list[str]) -> None:
    assert list(imports(source, ["wallbox2mqtt", "simulator"])) == expected
