"""What is announced in the language of people: names, and the labels of options; ids and topics stay as they are."""

from collections.abc import Mapping

from wallbox2mqtt.catalogue.translations import translations
from wallbox2mqtt.homeassistant.messages import Component, Components
from wallbox2mqtt.topics import to_json


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
