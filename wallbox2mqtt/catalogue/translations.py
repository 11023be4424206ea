"""Names and words in other languages: one table beside the rows, in which the English text is the key."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from wallbox2mqtt.catalogue.slots import MOST_SLOTS

_TABLE = files("wallbox2mqtt.catalogue") / "translations.csv"


@cache
def translations(language: str) -> Mapping[str, str]:
    """Return the texts of a language by the English ones."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    texts: dict[str, str] = {}
    for line in csv.DictReader(lines):
        # a name with the number of a schedule stands there once
        numbers = range(MOST_SLOTS) if "{n}" in line["en"] else range(1)
        texts |= {line["en"].replace("{n}", str(n)): line[language].replace("{n}", str(n)) for n in numbers}
    return texts
