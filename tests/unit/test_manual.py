"""The manual pages tell of every command and key, in roff that shows what was meant."""

import re

import pytest

from scripts import manual_pages
from wallbox2mqtt.cli.parsers import parsers
from wallbox2mqtt.config.keys import KEYS

COMMANDS = parsers()[1]
PROGRAM, CONFIGURATION = manual_pages.program(parsers()[1]), manual_pages.configuration()
REQUESTS = {"TH", "SH", "SS", "PP", "TP", "B", "I", "BR", "nf", "fi"}


def shown(page: str) -> str:
    """A page as it reads, without line breaks."""
    lines = [line for line in page.splitlines() if not line.startswith(".")]
    return " ".join(lines).replace("\\&", "").replace("\\-", "-").replace("\\e", "\\")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_told(name: str) -> None:
    section = PROGRAM.partition(f"\n.SS {name}\n")[2].partition("\n.S")[0]
    assert section.count(".TP") >= len(COMMANDS[name]._actions)  # noqa: SLF001 - argparse has no public list of them
    assert str(COMMANDS[name].description) in shown(section)


def test_each_key_is_told() -> None:
    for path, key in KEYS.items():
        section = CONFIGURATION.partition(f"\n.B {path}\n")[2].partition("\n.TP")[0]
        assert key.variable in section, path
        assert key.accepts in shown(section), path


@pytest.mark.parametrize("page", [PROGRAM, CONFIGURATION], ids=["program", "configuration"])
def test_no_text_is_a_request(page: str) -> None:
    for line in page.splitlines():
        assert not line.startswith("'")
        if line.startswith("."):
            assert line[1:].split()[0] in REQUESTS
        assert not re.search(r"(?<!\\)-", line), "a hyphen that cannot be copied"


def test_examples_keep_their_lines() -> None:
    assert "\n.nf\nwallbox:\n  email: you@example.org\n" in CONFIGURATION
    assert re.search(r"\n\.nf\n  wallbox2mqtt check\n", PROGRAM)
