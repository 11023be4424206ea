"""The commands of the catalogue's rows: what each accepts and the request it makes, as data.

Source of every request: the API document that the project implements (``tests/golden/requests.json`` has
them a second time, written by hand, so that an error in these rows is noticed).
"""

from wallbox2mqtt.catalogue.field import Button, Command, Guard
from wallbox2mqtt.catalogue.payloads import (
    Anything,
    Choice,
    Decimal,
    Either,
    Integer,
    JsonObject,
    Limit,
    Name,
    PayloadFormat,
)
from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.catalogue.slot_payloads import LONGEST_LIST_BYTES, Slots, TimeOfDay, WeekDays, spread
from wallbox2mqtt.catalogue.slots import UTC_OFFSET, body_of, slot_in
from wallbox2mqtt.catalogue.statuses import NOTHING_TO_PAUSE, UPDATING
from wallbox2mqtt.catalogue.templates import (
    POST_CONFIG,
    POST_SCHEDULES,
    PUT_CHARGER,
    PUT_ECO_SMART,
    REMOTE_ACTION,
    Placeholder,
    Template,
)
from wallbox2mqtt.catalogue.values import NotReadYetError, Values
from wallbox2mqtt.errors import InvalidPayloadError

ALLOW_FACTORY_RESET = "factory_reset"
"""The permission that ``commands.allow_factory_reset`` gives."""

ON_OFF = (("1", True), ("0", False), ("true", True), ("false", False), ("on", True), ("off", False))
ONE_ZERO = tuple((word, int(value)) for word, value in ON_OFF)
SWITCH = Choice(ON_OFF)
FLAG_SWITCH = Choice(ONE_ZERO)

ACTIONS = {"resume": 1, "pause": 2, "reboot": 3, "factory_reset": 4, "update": 5, "resume_schedule": 9}
"""The remote actions of the API document."""
UPDATES = frozenset({"update", "install"})
HARMLESS_WHILE_UPDATING = frozenset({"resume", "pause", "resume_schedule"})

MAX_CURRENT = Integer(6, Limit(32, ("max_available_current", "max_available_power"), mirrored=True), "A")
HOUSE_CURRENT = Integer(1, Limit(255), "A")
PRICE = Decimal(-1000, 1_000_000, 4)
CURRENCY = Integer(1, None)
ZERO_ONE = Integer(0, Limit(1))

PRICE_CONFIG: dict[str, Template] = {"energy_price": Placeholder("energy_price")}
CURRENCY_CONFIG: dict[str, Template] = {"currency_id": Placeholder("currency/id")}
CURRENT_CONFIG: dict[str, Template] = {"max_charging_current": Placeholder("max_charging_current")}
POWER_BOOST_CONFIG: dict[str, Template] = {
    "home_sharing": Placeholder("home_sharing"),
    "icp_max_current": Placeholder("icp_max_current", sign="home_sharing"),
}

_ENABLED = Placeholder("ecosmart/enabled", wire=((True, 1), (False, 0)), default=False)
_ECO_SMART_BODY: Template = {
    "data": {
        "attributes": {
            "percentage": Placeholder("ecosmart/percentage", default=100),
            "enabled": _ENABLED,
            "mode": Placeholder("ecosmart/mode", default=0),
        },
        "type": "eco_smart",
    }
}


def _may_act(action: Json, view: Values) -> None:
    """Refuse what may break a charger while it updates, and an update with nothing to install.

    Source: the public client's documents, of chargers that were restarted during an update and never came back.
    """
    if action not in HARMLESS_WHILE_UPDATING and view.get("status_id") == UPDATING:
        msg = "the charger is updating"
        raise InvalidPayloadError(msg)
    if action in UPDATES and view.get("software/updateAvailable") is not True:
        msg = "no update is available"
        raise InvalidPayloadError(msg)


LOCK = Command(
    payload=Choice((*ONE_ZERO, ("lock", 1), ("unlock", 0))),
    request=PUT_CHARGER,
    body={"locked": Placeholder("locked")},
    urgent=True,
    blocked_by_ocpp=True,
)
MAX_CHARGING_CURRENT = Command(
    payload=MAX_CURRENT, request=PUT_CHARGER, body={"maxChargingCurrent": Placeholder("max_charging_current")}
)
RENAME = Command(payload=Name(64), request=PUT_CHARGER, body={"name": Placeholder("name")})
CHARGING_ENABLED = Command(
    payload=SWITCH,
    request=REMOTE_ACTION,
    body={"action": Placeholder("charging_enabled", wire=((True, ACTIONS["resume"]), (False, ACTIONS["pause"])))},
    needless=((False, NOTHING_TO_PAUSE),),
    urgent=True,
    blocked_by_ocpp=True,
)
ACTION = Command(
    payload=Choice((*((word, word) for word in ACTIONS), *((str(code), word) for word, code in ACTIONS.items()))),
    request=REMOTE_ACTION,
    body={"action": Placeholder("action", wire=tuple(ACTIONS.items()))},
    effects=(("resume", (("charging_enabled", True),)), ("pause", (("charging_enabled", False),))),
    claims=(
        ("resume", "charging_enabled"),
        ("pause", "charging_enabled"),
        *((word, f"action {word}") for word in ACTIONS if word not in {"resume", "pause"}),
    ),
    guard=_may_act,
    permissions=(("factory_reset", ALLOW_FACTORY_RESET),),
    urgent=True,
)
BUTTONS = (
    Button(word="resume", name="Resume", icon="mdi:play", enabled=False, blocked_by_ocpp=True),
    Button(word="pause", name="Pause", icon="mdi:pause", enabled=False, blocked_by_ocpp=True),
    Button(word="resume_schedule", name="Back to schedule", icon="mdi:calendar-clock"),
    Button(word="reboot", name="Reboot", device_class="restart", category="config"),
    Button(
        word="factory_reset",
        name="Factory reset",
        icon="mdi:factory",
        category="config",
        enabled=False,
        permission=ALLOW_FACTORY_RESET,
    ),
)
REFRESH_BUTTON = Button(word="refresh", name="Refresh", icon="mdi:refresh", category="diagnostic")
INSTALL = Command(
    payload=Choice((("install", "install"),)),
    request=REMOTE_ACTION,
    body={"action": Placeholder("firmware", wire=(("install", ACTIONS["update"]),))},
    guard=_may_act,
    shows=False,
)
ENERGY_PRICE = Command(
    payload=Either(PRICE, JsonObject((("energy_price", PRICE), ("currency_id", CURRENCY)))), request=POST_CONFIG
)
HOME_SHARING = Command(payload=FLAG_SWITCH, request=POST_CONFIG)
ICP_MAX_CURRENT = Command(payload=HOUSE_CURRENT, request=POST_CONFIG)
SETTINGS = Command(
    payload=JsonObject(
        (
            ("energy_price", PRICE),
            ("currency_id", CURRENCY),
            ("max_charging_current", MAX_CURRENT),
            ("home_sharing", ZERO_ONE),
            ("icp_max_current", HOUSE_CURRENT),
        )
    ),
    request=POST_CONFIG,
    as_given=True,
)
ECO_SMART = Command(
    payload=Choice(tuple((word, word) for word in ("off", "eco", "full_green"))),
    request=PUT_ECO_SMART,
    body=_ECO_SMART_BODY,
    effects=(
        ("off", (("ecosmart/enabled", False), ("ecosmart/mode", 0))),
        ("eco", (("ecosmart/enabled", True), ("ecosmart/mode", 0))),
        ("full_green", (("ecosmart/enabled", True), ("ecosmart/mode", 1))),
    ),
)
ECO_SMART_ENABLED = Command(payload=SWITCH, request=PUT_ECO_SMART, body=_ECO_SMART_BODY)
ECO_SMART_MODE = Command(payload=ZERO_ONE, request=PUT_ECO_SMART, body=_ECO_SMART_BODY)
ECO_SMART_PERCENTAGE = Command(payload=Integer(0, Limit(100)), request=PUT_ECO_SMART, body=_ECO_SMART_BODY)
REFRESH = Command(payload=Anything(), request=None, shows=False)


def _were_read(_: Json, view: Values) -> None:
    """Let a command wait for the schedules: what they are decides what it changes, and by which clock."""
    if view.get(UTC_OFFSET) is None:
        raise NotReadYetError(UTC_OFFSET)


def _is_there(number: int) -> Guard:
    def guard(value: Json, view: Values) -> None:
        _were_read(value, view)
        if slot_in(view, number) is None:
            msg = f"there is no schedule {number}; schedules/set makes one"
            raise InvalidPayloadError(msg)

    return guard


def of_slot(number: int, payload: PayloadFormat) -> Command:
    """Return the command of a field of a schedule."""
    return Command(payload=payload, request=POST_SCHEDULES, guard=_is_there(number), make_body=body_of)


SLOT_TIME = TimeOfDay()
SLOT_DAYS = WeekDays()
SLOT_CURRENT = Integer(6, Limit(32, ("max_available_current", "max_available_power")), "A")
SLOT_ENERGY = Integer(0, Limit(1_000_000))
SCHEDULES = Command(
    payload=Slots(SLOT_CURRENT, SLOT_ENERGY),
    request=POST_SCHEDULES,
    guard=_were_read,
    make_body=body_of,
    spread=spread,
    longest=LONGEST_LIST_BYTES,
)
