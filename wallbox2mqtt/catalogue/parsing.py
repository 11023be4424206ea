"""From a payload to an intent, from an intent to a request's body, and back (the simulator's side)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wallbox2mqtt.catalogue.field import Command, Field
from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.catalogue.rows import CONFIG_FIELDS, FIELDS
from wallbox2mqtt.catalogue.statuses import SHOWS_NO_PAUSE
from wallbox2mqtt.catalogue.templates import RequestTemplate, UnfilledError, fill
from wallbox2mqtt.catalogue.values import FirstValues, NotReadYetError, Values
from wallbox2mqtt.errors import InvalidPayloadError


@dataclass(frozen=True, slots=True)
class Intent:
    """A parsed command. ``value``: what its result shows. ``sets``: fields and the values that it sets.

    ``claims``: the fields for which it competes with other waiting commands.
    """

    field: Field
    command: Command
    value: Json
    sets: Mapping[str, Json]
    claims: frozenset[str]

    @property
    def touches(self) -> frozenset[str]:
        """All fields that it sets or competes for."""
        return self.claims | self.sets.keys()

    @property
    def request(self) -> RequestTemplate | None:
        """The request that it makes; None: it asks for a reading."""
        return self.command.request

    @property
    def judged_by(self) -> frozenset[str]:
        """The fields that tell whether it needs to be sent."""
        return self.touches | ({"status_id"} if self.command.needless else frozenset())

    @property
    def pauses(self) -> bool:
        """Whether it is to end charging."""
        return "charging_enabled" in self.claims and self.value in {"pause", False}

    @property
    def resumes(self) -> bool:
        """Whether it is to begin charging."""
        return "charging_enabled" in self.claims and self.value in {"resume", True}

    def is_needless(self, view: Values) -> bool:
        """Return whether the charger's status leaves it nothing to do."""
        status_id = view.get("status_id")
        return any(self.value is value and status_id in statuses for value, statuses in self.command.needless)

    def is_invisible(self, view: Values) -> bool:
        """Return whether the charger's status will not change with it, so that no reading can confirm it."""
        return (self.pauses or self.resumes) and view.get("status_id") in SHOWS_NO_PAUSE

    def check(self, view: Values) -> None:
        """Look once more whether the charger's state allows it.

        Raises:
            InvalidPayloadError: it does not, or is not known any more.

        """
        if self.command.guard is not None:
            try:
                self.command.guard(self.value, view)
            except NotReadYetError as missing:
                msg = f"{missing} is not known any more"
                raise InvalidPayloadError(msg) from None

    def without(self, taken: frozenset[str]) -> "Intent | None":
        """Return what is left of the intent when newer commands take these fields: None when nothing is."""
        left = self.claims - taken
        if left == self.claims:
            return self
        if not left:
            return None
        return replace(self, sets={key: v for key, v in self.sets.items() if key in left}, claims=left)

    def is_fulfilled(self, view: Values) -> bool:
        """Return whether every field for which it competes has its value already, so that nothing need be sent."""
        if self.request is None:
            return False
        if self.is_needless(view):
            return True
        return not self.command.always_sent and all(key in view and view[key] == self.sets[key] for key in self.claims)


def parse(field: Field, text: str, view: Values, allowed: frozenset[str]) -> Intent:
    """Understand a payload for a field of a charger.

    Args:
        field: the row of the topic.
        text: the payload without the white space around it.
        view: the charger's fields as last known.
        allowed: the permissions that the configuration gives.

    Raises:
        InvalidPayloadError: the field takes no commands, or not this one, or not in this state.
        NotReadYetError: the charger's first detail has to tell, or its schedules.

    """
    command = field.command
    if command is None:
        msg = f"{field.key} is read-only"
        raise InvalidPayloadError(msg)
    value = command.payload.parse(text, view)
    permission = dict(command.permissions).get(value) if command.permissions else None
    if permission is not None and permission not in allowed:
        msg = f"{value} is not allowed; commands.allow_{permission}: true would allow it"
        raise InvalidPayloadError(msg)
    if command.guard is not None:
        command.guard(value, view)
    if command.spread is not None:
        sets = dict(command.spread(value))
        claims = frozenset(sets)
    elif isinstance(value, dict):
        sets = {CONFIG_FIELDS[name].key: part for name, part in value.items()}
        claims = frozenset(sets)
    else:
        sets = dict(dict(command.effects).get(value, ())) | {field.key: value}
        claims = frozenset({dict(command.claims).get(value, field.key)})
    intent = Intent(field, command, value, sets, claims)
    try:
        request_of(intent, view)
    except UnfilledError as error:
        raise InvalidPayloadError(str(error)) from None
    return intent


def request_of(intent: Intent, view: Values) -> tuple[RequestTemplate, Json] | None:
    """Return the request of an intent with its body filled, or None for an intent that only asks for a read.

    Raises:
        UnfilledError: the body needs a value that is not known.

    """
    command = intent.command
    if command.request is None:
        return None
    values = view.updated(intent.sets) if isinstance(view, FirstValues) else {**view, **intent.sets}
    if command.make_body is not None:
        return command.request, command.make_body(intent.sets, values)
    template = command.body
    if template is None:
        template = {name: part for key in intent.sets for name, part in (FIELDS[key].config or {}).items()}
    body = fill(template, values)
    if command.as_given and isinstance(body, dict):
        body = {name: value for name, value in body.items() if CONFIG_FIELDS[name].key in intent.sets}
    return command.request, body
