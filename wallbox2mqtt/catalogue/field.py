"""The row: all that is known of one field. A wrong row cannot be built."""

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
    """What a ``…/set`` topic accepts, and the request that it makes.

    ``request`` None: a read of the charger. ``body`` None: put together from the ``config`` of each field set;
    with ``as_given`` only of the keys that the command names. ``make_body``: the function that makes it where no
    template can. ``spread``: tells the fields that a value sets, where it is no object of settings.
    ``longest``: bytes of a payload.
    ``effects``: what a word sets, where that is other fields than its own. ``claims``: the field for which a
    word competes, where that is another than its own. ``permissions``: what the configuration must allow for a
    word: ``commands.allow_…``. ``needless``: the statuses in which a value has nothing
    to do. ``urgent``: passes the others.
    ``blocked_by_ocpp``: without effect while an OCPP back end runs the charger.
    ``shows``: after acceptance the fields that it sets are shown as wished, until the cloud shows them.
    """

    language: PayloadFormat
    request: RequestTemplate | None
    body: Template = None
    effects: tuple[tuple[Json, tuple[tuple[str, Json], ...]], ...] = ()
    claims: tuple[tuple[Json, str], ...] = ()
    guard: Guard | None = None
    permissions: tuple[tuple[Json, str], ...] = ()
    needless: tuple[tuple[Json, frozenset[int]], ...] = ()
    urgent: bool = False
    blocked_by_ocpp: bool = False
    shows: bool = True
    as_given: bool = False
    make_body: Body | None = None
    spread: Spread | None = None
    longest: int = MAX_PAYLOAD_BYTES

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
    """One row. ``key`` is the topic below the charger's, and follows from the path in the detail or in basic.

    Paths are dotted: ``detail`` from the top of the status document, ``sweep`` from a charger of the list,
    ``basic`` and ``v2`` from ``data.chargerData`` (of the basic document, of the answer of a PUT).
    ``convert``: named function from the cloud's value to the field's. ``negative_at``: the field and its value with
    which the number is negative, whatever sign the cloud gives it. ``sources`` and ``derive``: keys of the
    fields from which a derived one is worked out, and the function. ``recorded``: the bridge works it out over time, of
    what the readings of a session show. ``slot``: the number of the schedule that it is a part of.
    ``words``: all that a text can be.
    ``config``: the part of a POST config's body that sets the field, ``config_key`` its name there.
    The rest is for people: ``name``, ``meaning``, ``icon``, ``category`` (None: everyday), ``enabled`` in Home
    Assistant from the start, ``hidden``: announced to nobody, ``example``, ``buttons``.
    ``private``: tells who, where or which one, so it is replaced in a copy for a bug report.
    ``on_off``: the numbers that mean yes and no. ``feature``: what the account's plan must have. ``unused``: the
    value of a charger that does not use it. ``quasar``: other chargers do not know it. What a charger does not use or
    know is disabled in Home Assistant at first. ``essential``: a list that shows it of no charger is not worth reading.
    """

    name: str
    quantity: Quantity
    meaning: str
    example: Json
    key: str = ""
    detail: str | None = None
    sweep: str | None = None
    basic: str | None = None
    v2: str | None = None
    convert: Callable[[Json], Json] | None = None
    negative_at: tuple[str, Json] | None = None
    sources: tuple[str, ...] = ()
    derive: Callable[..., Json] | None = None
    recorded: bool = False
    told: bool = False
    slot: int | None = None
    words: tuple[str, ...] = ()
    config_key: str | None = None
    config: Mapping[str, Template] | None = None
    command: Command | None = None
    category: str | None = None
    enabled: bool = True
    hidden: bool = False
    private: bool = False
    icon: str | None = None
    buttons: tuple[Button, ...] = ()
    on_off: tuple[Json, Json] | None = None
    feature: str | None = None
    unused: Json = None
    quasar: bool = False
    essential: bool = False

    def __post_init__(self) -> None:
        """Work out the key, and refuse a row that contradicts itself."""
        if not self.key:
            object.__setattr__(self, "key", self._key())
        if problem := self._problem():
            msg = f"row {self.key!r}: {problem}"
            raise ValueError(msg)

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
