"""Why the cloud may have refused a command, worked out from the charger's last status."""

import pytest

from wallbox2mqtt.bridge.refusals import reason_of, why_unconfirmed
from wallbox2mqtt.catalogue import FIELDS, Values, parse
from wallbox2mqtt.errors import ConflictError, ForbiddenError

ALLOWED = frozenset({"factory_reset"})
OCPP = "the charger is run by an OCPP back end, which has to do this"


@pytest.mark.parametrize(
    ("key", "text", "view", "reason"),
    [
        ("action", "pause", {"locked": 1}, "the charger is locked, unlock it first"),
        ("charging_enabled", "on", {"locked": 1, "operation_mode": "ocpp"}, OCPP),
        ("locked", "0", {"locked": 1, "operation_mode": "ocpp"}, OCPP),
        (
            "action",
            "pause",
            {"charging_enabled": False, "status": "Paused"},
            "it is already so, the charger's status is Paused",
        ),
        (
            "charging_enabled",
            "on",
            {"charging_enabled": True, "status": "Charging", "operation_mode": "ocpp"},
            "it is already so, the charger's status is Charging",
        ),
        (
            "action",
            "resume",
            {"charging_enabled": False, "operation_mode": "ocpp"},
            OCPP,
        ),
        (
            "action",
            "reboot",
            {"charging_enabled": True, "status": "Ready"},
            "the charger's status is Ready, or the account has no right to do this",
        ),
        ("action", "resume", {}, "the charger's status is None, or the account has no right to do this"),
        ("locked", "1", {"locked": 0}, "the account has no right to change this charger"),
        ("max_charging_current", "16", {"locked": 1}, "the account has no right to change this charger"),
    ],
    ids=[
        "locked",
        "OCPP before locked",
        "OCPP unlock",
        "paused",
        "resumed",
        "OCPP",
        "else",
        "unknown",
        "lock",
        "current",
    ],
)
def test_reasons(key: str, text: str, view: Values, reason: str) -> None:
    intent = parse(FIELDS[key], text, view, ALLOWED)
    assert reason_of(ForbiddenError("the cloud answered 403", 403), intent, view) == f"the cloud answered 403: {reason}"


def test_begins_with_what_the_cloud_answered() -> None:
    error, intent = ConflictError("the cloud answered 409", 409), parse(FIELDS["name"], "Garage", {}, ALLOWED)
    assert reason_of(error, intent, {}) == "the cloud answered 409: the account has no right to change this charger"


@pytest.mark.parametrize(
    ("key", "text", "mode", "reason"),
    [
        ("locked", "0", "ocpp", "not confirmed: an OCPP back end runs it"),
        ("action", "pause", "ocpp", "not confirmed: an OCPP back end runs it"),
        ("locked", "0", "wallbox", "not confirmed"),
        ("max_charging_current", "16", "ocpp", "not confirmed"),
    ],
)
def test_what_is_not_confirmed(key: str, text: str, mode: str, reason: str) -> None:
    view: Values = {"operation_mode": mode}
    assert why_unconfirmed(parse(FIELDS[key], text, view, ALLOWED), view) == reason
