"""The manual pages: ``wallbox2mqtt.1`` made of what ``--help`` says, ``config.yaml.5`` of what the keys say."""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wallbox2mqtt import __version__
from wallbox2mqtt.cli import help as help_texts
from wallbox2mqtt.cli.parsers import parsers
from wallbox2mqtt.config import schema
from wallbox2mqtt.config.keys import KEYS

_ITEM = re.compile(r" {2}(?P<term>\S.*?)(?: {2,}(?P<text>.*))?")
_CODE = "examples:"
_EXAMPLE = """wallbox:
  email: you@example.org
  password_file: /etc/wallbox2mqtt/wallbox-password
mqtt:
  host: localhost"""


def program(commands: Mapping[str, argparse.ArgumentParser]) -> str:
    """Return the page of the program, with a section for each command."""
    lines = [
        *_head("wallbox2mqtt", 1, "Wallbox chargers on MQTT", ".B wallbox2mqtt\n.I COMMAND\n[\\fIOPTION\\fR ...]"),
        ".SH DESCRIPTION",
        *_blocks(help_texts.OVERVIEW),
        ".SH COMMANDS",
    ]
    for name, parser in commands.items():
        lines += [f".SS {name}", *_blocks(_body(parser))]
    lines += [".SH FILES AND EXIT CODES", *_blocks(f"{help_texts.FILES}\n\n{help_texts.EXIT_CODES}")]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR config.yaml (5)", ""])


def configuration() -> str:
    """Return the page of the configuration, with each key."""
    lines = [
        *_head("config.yaml", 5, "configuration of wallbox2mqtt", ".B /etc/wallbox2mqtt/config.yaml"),
        ".SH DESCRIPTION",
        *_blocks(
            "YAML, with a section for each word before the dot of a key. A variable overrides a key. "
            "Only wallbox.email and a password are needed."
        ),
        ".SH KEYS",
    ]
    for path, key in KEYS.items():
        lines += [".TP", f".B {_escaped(path)}", *_about(path), f"Accepted: {_escaped(key.accepts)}."]
        lines.append(f"Variable: {_escaped(key.variable)}.")
    return "\n".join([*lines, ".SH EXAMPLE", *_verbatim(_EXAMPLE), ".SH SEE ALSO", ".BR wallbox2mqtt (1)", ""])


def _head(name: str, section: int, purpose: str, synopsis: str) -> list[str]:
    title = f'.TH {name.upper()} {section} "" "wallbox2mqtt {__version__}" "wallbox2mqtt"'
    return [title, ".SH NAME", f"{_escaped(name)} \\- {purpose}", ".SH SYNOPSIS", synopsis]


def _body(parser: argparse.ArgumentParser) -> str:
    """Return what a command's help says, without the lines that break it at the width of a terminal."""
    parser.formatter_class = _Wide
    return parser.format_help().removeprefix("usage: ")


class _Wide(argparse.RawDescriptionHelpFormatter):
    """Help of which each entry is one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=1000, max_help_position=60)


def _blocks(text: str) -> Iterator[str]:
    """Return the lines of a page for paragraphs, and for lists below a heading such as ``options:``."""
    for block in text.strip().split("\n\n"):
        heading, *items = block.splitlines()
        if heading.endswith(":") and items and all(item.startswith("  ") for item in items):
            yield from (".PP", f".I {_escaped(heading)}")
            yield from _verbatim("\n".join(items)) if heading == _CODE else _items(items)
        else:
            yield from (".PP", *map(_escaped, block.splitlines()))


def _items(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if match := _ITEM.fullmatch(line):
            yield from (".TP", f".B {_escaped(match['term'])}")
            if match["text"]:
                yield _escaped(match["text"])
        else:
            yield _escaped(line.strip())


def _verbatim(text: str) -> list[str]:
    return [".PP", ".nf", *map(_escaped, text.splitlines()), ".fi"]


def _about(path: str) -> Iterator[str]:
    """Return what the schema says of a key: its meaning and what it is by default."""
    document = schema()
    node: dict[str, Any] = document
    for name in path.split("."):
        reference = node.get("$ref", "").rpartition("/")[2]
        node = (document["$defs"][reference] if reference else node)["properties"][name]
    yield _escaped(node["description"])
    if node.get("default") is not None:
        default = json.dumps(node["default"]).strip('"')
        yield _escaped(f"Default: {default}.")


def _escaped(text: str) -> str:
    """Return a text as roff shows it: hyphens that can be copied, and no line that is a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in {".", "'"} else text


if __name__ == "__main__":
    Path(sys.argv[1], "wallbox2mqtt.1").write_text(program(parsers()[1]), encoding="utf-8")
    Path(sys.argv[1], "config.yaml.5").write_text(configuration(), encoding="utf-8")
