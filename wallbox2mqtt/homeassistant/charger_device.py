"""What is announced of a charger."""

import re
from dataclasses import dataclass

from wallbox2mqtt.catalogue import CONFIG, FIELDS, Button, Field, Json, Values, is_quasar
from wallbox2mqtt.homeassistant.entities import (
    COMMAND_EVENTS,
    ROWS,
    SESSION_EVENTS,
    SPECIFICS,
    component_id,
    connectivity,
    has_statistics,
    platform_of,
    session_trigger,
    statistics_of,
)
from wallbox2mqtt.homeassistant.language import in_language
from wallbox2mqtt.homeassistant.messages import (
    LONGEST_TEXT,
    ORIGIN,
    Announcement,
    Component,
    common,
    object_id,
    only_set,
)
from wallbox2mqtt.topics import SESSION_EVENT, Topics


def charger_name(charger_id: int, given: Json) -> str:
    """Return the name that its owner gave a charger, or one that tells it apart."""
    return str(given or f"Wallbox {charger_id}")


@dataclass(frozen=True, slots=True)
class ChargerDevice:
    """What it takes to announce a charger.

    ``view``: the fields that its newest documents have. ``expected``: keys of fields which it had before
    and which may come later after a start, ``model`` likewise. ``allowed``: the permissions of the
    configuration. ``label``: what ids of entities begin with, where Home Assistant's own would not do. ``node``,
    ``bridge``: its own node and its bridge's. ``has_times``: whether Home Assistant knows entities that are a time of
    day; else they are texts.
    """

    topics: Topics
    id: int
    node: str
    bridge: str
    view: Values
    expected: frozenset[str] = frozenset()
    model: str = ""
    allowed: frozenset[str] = frozenset()
    label: str | None = None
    language: str = "en"
    has_times: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether the settings are there; a document without them says nothing of what the charger has."""
        return any(row.detail is not None and row.detail.startswith(CONFIG) and row.key in self.view for row in ROWS)

    def announcement(self) -> Announcement:
        """Return what is announced of it."""
        rows = [row for row in ROWS if self._has(row)]
        components = [self._entity(row) for row in rows]
        statistics = [self._statistics(row) for row in rows if has_statistics(row)]
        buttons = [
            self._button(row, button)
            for row in FIELDS.values()
            for button in row.buttons
            if button.permission is None or button.permission in self.allowed
        ]
        parts = [*components, *statistics, self._contact(), *self._happenings(), *buttons]
        shared: Component = {
            "device": self._device(),
            "origin": ORIGIN,
            "qos": 1,
            "availability_mode": "all",
            "availability": self._in_touch,
        }
        return Announcement(self.node, shared, in_language(dict(parts), self.language))

    def _has(self, row: Field) -> bool:
        key = row.sources[0] if row.sources else row.key
        if row.told or key in self.expected:
            return True
        if row.feature is not None and f'"{row.feature}"' not in str(self.view.get("plan/features")):
            return False
        # 0 is a current that can be changed, null is none; a schedule that is gone has nothing but null
        is_optional = row.feature is not None or row.slot is not None
        return key in self.view and not (is_optional and self.view[key] is None)

    def _is_used(self, row: Field) -> bool:
        """Return whether the charger uses what the row shows, as far as that depends on the charger."""
        if row.quasar and is_quasar(self.view):
            return True
        return not (row.quasar or row.unused is not None) or self.view.get(row.key) not in {None, row.unused}

    @property
    def _reachable(self) -> list[Json]:
        return [{"topic": self.topics.state}, {"topic": self.topics.bridge("cloud")}]

    @property
    def _in_touch(self) -> list[Json]:
        return [*self._reachable, {"topic": self.topics.availability(self.id)}]

    def _unless_ocpp(self) -> Component:
        """Return what makes a control unavailable while an OCPP back end runs the charger."""
        if self.view.get("control") is None:
            return {}
        topic = self.topics.field(self.id, "control")
        runs: Component = {"topic": topic, "payload_available": "wallbox", "payload_not_available": "ocpp"}
        return {"availability": [*self._in_touch, runs]}

    @property
    def _running(self) -> list[Json]:
        """What has to be there for what the bridge itself tells."""
        return [{"topic": self.topics.state}]

    def _device(self) -> Component:
        told = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", str(self.view.get("basic/chargerType") or ""))
        facts: Component = {
            "identifiers": [self.node],
            "name": charger_name(self.id, self.view.get("name")),
            "manufacturer": "Wallbox",
            "model": told or self.model or ("Quasar" if is_quasar(self.view) else None),
            "model_id": self.view.get("part_number"),
            "serial_number": str(self.id),
            "sw_version": self.view.get("software/currentVersion"),
            "configuration_url": "https://my.wallbox.com/",
            "via_device": self.bridge,
        }
        return {key: value[:LONGEST_TEXT] if isinstance(value, str) else value for key, value in facts.items() if value}

    def _entity(self, row: Field) -> tuple[str, Component]:
        platform = platform_of(row)
        if platform == "time" and not self.has_times:
            platform = "text"
        enabled = row.enabled and self._is_used(row)
        component = self._common(platform, object_id(row.key), row.name, row.icon, row.category, enabled=enabled)
        component["state_topic"] = self.topics.field(self.id, row.key)
        if row.command is not None:
            component["command_topic"] = self.topics.command(self.id, row.key)
            if row.command.blocked_by_ocpp:
                component |= self._unless_ocpp()
        if row.told:
            component["availability"] = self._running
        return component_id(row, platform), component | SPECIFICS[platform](row, self.view)

    def _statistics(self, row: Field) -> tuple[str, Component]:
        """Return the sensor beside a number: Home Assistant keeps statistics of sensors only."""
        unique = object_id(row.key)
        component = self._common("sensor", f"{unique}_sensor", row.name, row.icon, "diagnostic", enabled=False)
        component["state_topic"] = self.topics.field(self.id, row.key)
        return f"sensor_{unique}", component | statistics_of(row, self.view)

    def _common(
        self, platform: str, unique: str, name: str, icon: str | None, category: str | None, *, enabled: bool
    ) -> Component:
        return common(platform, self.node, unique, name, self.label) | only_set(
            icon=icon, entity_category=category, enabled_by_default=None if enabled else False
        )

    def _button(self, row: Field, button: Button) -> tuple[str, Component]:
        word = button.word
        base = self._common("button", word, button.name, button.icon, button.category, enabled=button.enabled)
        press: Component = {"command_topic": self.topics.command(self.id, row.key), "payload_press": word}
        blocked = self._unless_ocpp() if button.blocked_by_ocpp else {}
        return f"button_{word}", base | press | only_set(device_class=button.device_class) | blocked

    def _told(
        self, platform: str, unique: str, name: str, key: str, icon: str, category: str | None = None, **facts: Json
    ) -> tuple[str, Component]:
        """Return an entity of what the bridge itself tells, also while the cloud or the charger is away."""
        part = self._common(platform, unique, name, icon, category, enabled=True)
        where: Component = {"state_topic": self.topics.field(self.id, key)}
        return f"{platform}_{unique}", part | where | facts | {"availability": self._running}

    def _happenings(self) -> list[tuple[str, Component]]:
        """Return what tells of commands and sessions, of these also as triggers of the device."""
        commands: list[Json] = list(COMMAND_EVENTS)
        sessions: list[Json] = list(SESSION_EVENTS)
        return [
            self._told("event", "event_command", "Command", "event/command", "mdi:remote", event_types=commands),
            self._told("sensor", "last_problem", "Last problem", "last_problem", "mdi:alert-circle", "diagnostic"),
            self._told("event", "event_session", "Session", SESSION_EVENT, "mdi:ev-plug-type2", event_types=sessions),
            *(session_trigger(self.topics.field(self.id, SESSION_EVENT), word) for word in SESSION_EVENTS),
        ]

    def _contact(self) -> tuple[str, Component]:
        """Return the entity of the charger's contact with the cloud; it must not hide itself when that is lost."""
        base = self._common("binary_sensor", "availability", "Connection", None, "diagnostic", enabled=True)
        contact = connectivity(self.topics.availability(self.id)) | {"availability": self._reachable}
        return "binary_sensor_availability", base | contact
