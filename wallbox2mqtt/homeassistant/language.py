"""Translations of names and of the labels of options; ids and topics stay as they are.

The words are in a table beside the catalogue's rows, in which the English text is the key.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from wallbox2mqtt.catalogue.slots import MOST_SLOTS
from wallbox2mqtt.homeassistant.messages import Component, Components
from wallbox2mqtt.topics import to_json

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


def in_language(components: Components, language: str) -> Components:
    """Return components with names and labels in a language. What has no translation stays English."""
    if language == "en":
        return components
    texts = translations(language)
    return {name: _translated(component, texts) for name, component in components.items()}


def _translated(component: Component, texts: Mapping[str, str]) -> Component:
    translated = dict(component)
    if "name" in component:  # a trigger has none
        translated["name"] = texts.get(str(component["name"]), component["name"])
    options = component.get("options")
    if isinstance(options, list):
        labels = {str(option): texts.get(str(option), str(option)) for option in options}
        translated["options"] = list(labels.values())
        translated["value_template"] = _lookup(labels)
        if "command_topic" in component:
            translated["command_template"] = _lookup({label: option for option, label in labels.items()})
    return translated


def _lookup(words: Mapping[str, str]) -> str:
    """Return a template that replaces words; others, such as the one for an unknown value, pass."""
    return f"{{{{ {to_json(dict(words))}.get(value, value) }}}}"
