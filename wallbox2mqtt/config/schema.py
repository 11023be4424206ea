"""The JSON schema of the configuration file, for editors."""

from pathlib import Path
from typing import Any

import msgspec

from wallbox2mqtt.config.model import Config
from wallbox2mqtt.config.secret import Secret


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of the configuration file, ready for ``json.dumps``."""
    (reference,), sections = msgspec.json.schema_components(
        [Config], schema_hook=_schema_of_text, ref_template="#/$defs/{name}"
    )
    for section in sections.values():
        # Any key may come from the environment or a secret file instead, so the file itself owes none.
        section.pop("required", None)
    # The loader also takes the number that YAML makes of a bare 5.
    sections["MqttConfig"]["properties"]["protocol"]["enum"].append(5)
    host = sections["MqttConfig"]["properties"]["host"]
    one = {"type": host.pop("type"), "pattern": host.pop("pattern")}
    host["anyOf"] = [one, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wallbox2mqtt configuration",
        **reference,
        "$defs": sections,
    }


def _schema_of_text(kind: type) -> dict[str, Any]:
    """Return the schema of a type that msgspec does not know itself."""
    text = {"type": "string", "minLength": 1}
    return {Path: text, Secret: text | {"format": "password", "writeOnly": True}}[kind]
