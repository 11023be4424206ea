"""The row: all that is known of one field. A wrong row raises an error at import."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wallbox2mqtt.catalogue.payloads import MAX_PAYLOAD_BYTES, PayloadFormat
from wallbox2mqtt.catalogue.quantities import Json, Quantity
from wallbox2mqtt.catalogue.templates import RequestTemplate, Template
from wallbox2mqtt.catalogue.values import Values

CONFIG = "config_data."
"""Where the detail keeps the charger's settings; their topics leave this part out."""

_KEY = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*")

Guard = Callable[[Json, Values], None]
"""Raises InvalidPayloadError where a charger in this state must not get the command."""
Spread = Callable[[Json], Mapping[str, Json]]
"""Returns the fields that a value sets."""
Body = Callable[[Mapping[str, Json], Values], Json]
"""Returns the body of a request from the fields that are set, and all fields with these among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a ``…/set`` topic accepts, and the request that it makes."""

    payload: PayloadFormat
    request: RequestTemplate | None
    """None: a read of the charger."""
    body: Template = None
    """None: put together from the ``config`` of each field set."""
    effects: tuple[tuple[Json, tuple[tuple[str, Json], ...]], ...] = ()
    """What a word sets, where that is other fields than its own."""
    claims: tuple[tuple[Json, str], ...] = ()
    """The field for which a word competes, where that is another than its own."""
    guard: Guard | None = None
    permissions: tuple[tuple[Json, str], ...] = ()
    """What the configuration must allow for a word: ``commands.allow_…``."""
    needless: tuple[tuple[Json, frozenset[int]], ...] = ()
    """The statuses in which a value has nothing to do."""
    urgent: bool = False
    """Whether it passes the others."""
    blocked_by_ocpp: bool = False
    """Whether it has no effect while an OCPP back end runs the charger."""
    shows: bool = True
    """Whether the fields that it sets are shown with their new values after acceptance, until the cloud shows them."""
    as_given: bool = False
    """Whether the body has only the keys that the command names."""
    make_body: Body | None = None
    """Makes the body where no template can."""
    spread: Spread | None = None
    """Tells the fields that a value sets, where it is no object of settings."""
    longest: int = MAX_PAYLOAD_BYTES
    """Bytes of a payload."""

    @property
    def always_sent(self) -> bool:
        """Return whether it is sent even where the intent seems to be fulfilled: true of remote actions."""
        return self.request is not None and not self.request.repeatable


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A word of a command that is a button to people.

    ``permission``: without it in the configuration, no button. ``blocked_by_ocpp``: as of a command.
    """

    word: str
    name: str
    icon: str | None = None
    device_class: str | None = None
    category: str | None = None
    enabled: bool = True
    permission: str | None = None
    blocked_by_ocpp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row. Paths are dotted."""

    name: str
    """For people, in English; ``translations.csv`` has the other languages."""
    quantity: Quantity
    meaning: str
    example: Json
    key: str = ""
    """The topic below the charger's; it follows from the path in the detail or in basic."""
    detail: str | None = None
    """The place in the status document."""
    sweep: str | None = None
    """The place in a charger of the list."""
    basic: str | None = None
    """The place in ``data.chargerData`` of the basic document."""
    v2: str | None = None
    """The place in ``data.chargerData`` of the answer of a PUT."""
    convert: Callable[[Json], Json] | None = None
    """From the cloud's value to the field's."""
    negative_at: tuple[str, Json] | None = None
    """The field and its value with which the number is negative, whatever sign the cloud gives it."""
    sources: tuple[str, ...] = ()
    """Keys of the fields from which ``derive`` works this one out."""
    derive: Callable[..., Json] | None = None
    recorded: bool = False
    """Whether the bridge works it out over time, of what the readings of a session show."""
    told: bool = False
    """Whether the bridge works it out of all that it knows."""
    slot: int | None = None
    """The number of the schedule that it is a part of."""
    words: tuple[str, ...] = ()
    """All that a text can be."""
    config_key: str | None = None
    """Its name in the body of a POST config, of which ``config`` is the part that sets it."""
    config: Mapping[str, Template] | None = None
    command: Command | None = None
    category: str | None = None
    """None: everyday; else ``config`` or ``diagnostic``."""
    enabled: bool = True
    """Whether it is there in Home Assistant from the start."""
    hidden: bool = False
    """Whether it is announced to nobody."""
    private: bool = False
    """Whether it tells who, where or which one, so that it is replaced in a copy for a bug report."""
    icon: str | None = None
    buttons: tuple[Button, ...] = ()
    on_off: tuple[Json, Json] | None = None
    """The numbers that mean yes and no."""
    feature: str | None = None
    """What the account's plan must have."""
    unused: Json = None
    """The value of a charger that does not use it: then it is disabled in Home Assistant at first."""
    quasar: bool = False
    """Whether other chargers do not know it: then it is disabled for them at first."""
    essential: bool = False
    """Whether a list that shows it of no charger is not worth reading."""

    def __post_init__(self) -> None:
        """Work out the key, and refuse a row that contradicts itself."""
        if not self.key:
            object.__setattr__(self, "key", self._key())
        if problem := self._problem():
            msg = f"row {self.key!r}: {problem}"
            raise ValueError(msg)

    @property
    def shown_key(self) -> str:
        """The key for people: ``<n>`` stands for the number of a schedule."""
        return self.key if self.slot is None else self.key.replace(str(self.slot), "<n>")

    def _key(self) -> str:
        if self.detail is not None:
            return self.detail.removeprefix(CONFIG).replace(".", "/")
        return f"basic/{self.basic.replace('.', '/')}" if self.basic is not None else ""

    def _problem(self) -> str | None:
        homes = self._homes
        checks = {
            "the key is no topic": not _KEY.fullmatch(self.key),
            "it stands in two documents as if they were one": sum(homes) > 1,
            "it stands nowhere and is no command": not any(homes) and self.command is None,
            "it is derived from nothing": (self.derive is None) != (not self.sources),
            "an everyday field is enabled": self.category is None and not self.enabled,
            "its category is none": self.category not in {None, "config", "diagnostic"},
            "a hidden field of the detail is not for a bug report": self.hidden
            and bool(self.detail)
            and not self.private,
            "a setting can be set": self.category == "config" and self.command is None,
            "buttons are words of a command": bool(self.buttons) and self.command is None,
            "no list shows what is essential of one": self.essential and self.sweep is None,
            "it has no meaning or name": not self.meaning or not self.name,
            "a config key goes with a body": (self.config_key is None) != (self.config is None),
            "the example is not of its kind": not self._example_fits(),
        }
        return next((problem for problem, wrong in checks.items() if wrong), None)

    def _example_fits(self) -> bool:
        try:
            self.quantity.read(self.example)
        except (TypeError, ValueError):
            return False
        return not self.words or self.example in self.words

    @property
    def _homes(self) -> list[bool]:
        places = (self.detail, self.basic, self.derive, self.slot)
        return [*(place is not None for place in places), self.recorded, self.told]

    @property
    def has_state(self) -> bool:
        """Return whether the field has a value; a bare command has none."""
        return any(self._homes)
