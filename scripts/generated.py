"""What is generated: the tables of docs/reference.md, and config.schema.json."""

import json
from pathlib import Path

from wallbox2mqtt.cli import topics
from wallbox2mqtt.config import schema

ROOT = Path(__file__).parents[1]


def files() -> dict[Path, str]:
    """Return the files as they have to be."""
    reference = ROOT / "docs" / "reference.md"
    text = marked(reference.read_text(encoding="utf-8"), "topics", topics.topic_table(rare=False))
    return {
        reference: marked(text, "commands", topics.command_table()),
        ROOT / "config.schema.json": json.dumps(schema(), indent=2) + "\n",
    }


def marked(text: str, mark: str, table: str) -> str:
    """Return a document with the part between two marks replaced by a table.

    Raises:
        ValueError: the marks are not there.

    """
    begin, end = f"<!-- {mark}: made by scripts/docs -->", f"<!-- end of {mark} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        msg = f"the marks of {mark!r} are not there"
        raise ValueError(msg)
    return f"{before}{begin}\n{table}\n{end}{after}"


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
