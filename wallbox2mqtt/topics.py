"""Names of topics and forms of payloads: the only module that knows them.

Topics come from ids and API keys, never from names that people give.
"""

import json
import re
from dataclasses import dataclass

from wallbox2mqtt.catalogue import FIELDS, Json
from wallbox2mqtt.catalogue.quantities import LARGEST_ID, is_charger_id

ONLINE, OFFLINE = "online", "offline"
AVAILABILITY = "availability"
"""The topic below a charger that says whether it is in touch with the cloud."""
LAST_PROBLEM = "last_problem"
SESSION_EVENT = "event/session"
"""The topic below a charger that tells what happens to its sessions."""

UNKNOWN = "None"
"""The payload of an unknown value: an empty retained payload would delete the topic."""

LONGEST_REPLY = 1024
"""Bytes of a response topic, and of its correlation data: both are kept for each command that waits."""

DEEPEST_COMMAND = max(key.count("/") for key in FIELDS) + 1
"""Levels below the charger's topic to which commands are listened for: those of the rows, read-only ones too."""
LONGEST_COMMAND = 200
"""Bytes of a command's topic below the base topic."""

_NON_CHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of writing: a name looks like another one."""
_UNSAFE = re.compile(rf"[+#/\x00-\x1f\x7f-\x9f{_NON_CHARACTERS}]")
"""Besides MQTT's own: mosquitto ends the connection of who sends a control or a non-character in a topic."""
_ID_DIGITS = len(str(LARGEST_ID))
_LEAF_RESERVED = frozenset({"set", "result"})
_OWN_TOPICS = {"availability", "basic", "event", "session", "history", "schedule", "schedules", "control", "why"}
_OWN_TOPICS |= {"evcc", "last_session", "last_problem", "energy_total", "energy_discharged_total", "energy_green_total"}
"""What the bridge itself publishes below a charger, besides the fields that are derived or only commands."""
_TOP_RESERVED = _OWN_TOPICS | {row.key for row in FIELDS.values() if row.detail is None and row.basic is None}


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""Made once: ``json.dumps`` makes one each time, and a flood of commands has thousands of results."""


def is_topic(text: str) -> bool:
    """Return whether a message may have this topic at every broker: an answer to what came on another ends us."""
    return _UNSAFE.search(text.replace("/", "")) is None


def is_command_size(rest: str) -> bool:
    """Return whether a ``…/set`` topic, without the base topic, is no longer and no deeper than any command's."""
    return len(rest.encode()) <= LONGEST_COMMAND and rest.count("/") <= DEEPEST_COMMAND + 1


def safe_part(name: str, *, top: bool) -> str:
    """Make an API key safe as one level of a topic; ``top``: it stands directly below the charger.

    A key that would collide with a topic of the bridge's own gets a trailing underscore.
    """
    part = BIDI.sub("_", _UNSAFE.sub("_", name.encode(errors="replace").decode()))
    if part.startswith("$"):
        part = "_" + part[1:]
    if part in _LEAF_RESERVED or (top and part in _TOP_RESERVED):
        part += "_"
    return part or "_"


def payload(value: Json) -> str:
    """Return the payload of a value: JSON numbers, true and false, text as it is, ``None`` for the unknown."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return to_json(value)


def to_json(value: Json) -> str:
    """Return compact JSON; characters that UTF-8 cannot say stay escaped."""
    text = _COMPACT.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text


@dataclass(frozen=True, slots=True)
class CommandTopic:
    """A ``…/set`` topic taken apart: the charger's level and the field's key, as they were written."""

    charger: str
    key: str

    @property
    def charger_id(self) -> int | None:
        """The charger's number; None where the level is no number as the bridge writes them."""
        digits = self.charger
        plain = digits.isascii() and digits.isdigit() and len(digits) <= _ID_DIGITS and not digits.startswith("0")
        return number if plain and is_charger_id(number := int(digits)) else None


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below a base topic. ``discovery``: Home Assistant's prefix, below which no answer may go."""

    base: str
    discovery: str = "homeassistant"

    def bridge(self, name: str) -> str:
        """Return a topic of the bridge itself: state, cloud, cloud_reason, last_poll, info, health …."""
        return f"{self.base}/bridge/{name}"

    @property
    def state(self) -> str:
        """The topic that says whether the bridge runs; also the will's."""
        return self.bridge("state")

    @property
    def handover(self) -> str:
        """The topic of what the active bridge leaves to a successor."""
        return self.bridge("handover")

    def availability(self, charger_id: int) -> str:
        """Return the topic that says whether a charger is in touch with the cloud."""
        return self.field(charger_id, AVAILABILITY)

    def field(self, charger_id: int, key: str) -> str:
        """Return the topic of a field's value."""
        return f"{self.base}/{charger_id}/{key}"

    def command(self, charger_id: int, key: str) -> str:
        """Return the topic that takes a field's commands."""
        return f"{self.base}/{charger_id}/{key}/set"

    def result(self, charger_id: int, key: str) -> str:
        """Return the topic that answers a field's commands."""
        return f"{self.base}/{charger_id}/{key}/result"

    def command_filters(self) -> list[str]:
        """Return the filters of all command topics. They do not overlap: a broker would deliver twice.

        One ``#`` would bring back every state that the bridge publishes.
        """
        return [f"{self.base}/+{'/+' * depth}/set" for depth in range(1, DEEPEST_COMMAND + 1)]

    def may_reply_to(self, topic: str) -> bool:
        """Return whether an answer may go to a response topic that somebody asks for.

        It must not make the bridge say for others what only the bridge may say, nor let it command itself.
        """
        level = topic.removeprefix(f"{self.base}/").partition("/")[0] if topic.startswith(f"{self.base}/") else ""
        return not (
            not topic
            or f"{topic}/".startswith(("$", f"{self.discovery}/"))
            or not is_topic(topic)
            or len(topic.encode(errors="replace")) > LONGEST_REPLY
            or level == "bridge"
            or level.isdecimal()
            or self.parse_command(topic) is not None
        )

    def parse_command(self, topic: str) -> CommandTopic | None:
        """Return the parts of a command topic; None for any other topic."""
        prefix = f"{self.base}/"
        if not topic.startswith(prefix) or not topic.endswith("/set"):
            return None
        charger, _, key = topic.removeprefix(prefix).removesuffix("/set").partition("/")
        return CommandTopic(charger, key)
