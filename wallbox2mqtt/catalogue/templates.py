"""A command's request as data: a body with placeholders.

A placeholder names the field whose new value goes there; a field that the command does not set is filled as it is
when the request is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from wallbox2mqtt.catalogue.quantities import Json

Template: TypeAlias = "Json | Placeholder | Mapping[str, Template]"


class UnfilledError(Exception):
    """Raised when a placeholder stays empty: the command does not set the field, and its value is not known."""

    def __init__(self, field: str) -> None:
        """Name the field."""
        super().__init__(f"set {field} first")
        self.field = field


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A place in a body. ``wire``: pairs of (value as the field shows it, value in the body) where they differ.

    ``default``: what goes there when the value is not known. ``sign``: the name of a 0/1 field that gives
    a magnitude its sign, positive when 1, negative when 0.
    """

    field: str
    wire: tuple[tuple[Json, Json], ...] | None = None
    default: Json = None
    sign: str | None = None

    def fill(self, values: Mapping[str, Json]) -> Json:
        """Return the value for the body.

        Raises:
            UnfilledError: the value is not known, and there is no default.

        """
        value = values.get(self.field)
        if value is None:
            value = self.default
        if value is None:
            raise UnfilledError(self.field)
        if self.wire is not None:
            return dict(self.wire)[value]
        if self.sign is not None and isinstance(value, int | float):
            if not value:
                raise UnfilledError(self.field)
            return abs(value) if values.get(self.sign) == 1 else -abs(value)
        return value


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A write's method and path; ``{id}`` is the charger's number. ``repeatable``: twice does what once does."""

    method: str
    path: str
    repeatable: bool = True
    answer: str | None = None
    """Which of a row's paths finds its value in the answer: ``v2``, ``config``, or None: the answer shows nothing."""


PUT_CHARGER = RequestTemplate("PUT", "v2/charger/{id}", answer="v2")
POST_CONFIG = RequestTemplate("POST", "chargers/config/{id}", answer="config")
REMOTE_ACTION = RequestTemplate("POST", "v3/chargers/{id}/remote-action", repeatable=False)
PUT_ECO_SMART = RequestTemplate("PUT", "v4/chargers/{id}/eco-smart")
POST_SCHEDULES = RequestTemplate("POST", "chargers/{id}/schedules")
"""What it answers is not known; it replaces the slots that it names."""


def fill(template: Template, values: Mapping[str, Json]) -> Json:
    """Fill every placeholder of a body.

    Raises:
        UnfilledError: a value is not known.

    """
    if isinstance(template, Placeholder):
        return template.fill(values)
    if isinstance(template, Mapping):
        return {key: fill(part, values) for key, part in template.items()}
    return template
