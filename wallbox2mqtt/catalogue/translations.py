"""Names and words in other languages: one table beside the rows, in which the English text is the key."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_TABLE = files("wallbox2mqtt.catalogue") / "translations.csv"


@cache
def translations(language: str) -> Mapping[str, str]:
    """Return the texts of a language by the English ones."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    return {line["en"]: line[language] for line in csv.DictReader(lines)}
