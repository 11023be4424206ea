"""Why the cloud may have refused a command: it does not say, so the charger's last status has to."""

from wallbox2mqtt.catalogue import Intent, Values
from wallbox2mqtt.errors import CloudError

_RESUMES, _PAUSES = frozenset({"resume", True}), frozenset({"pause", False})


def reason_of(error: CloudError, intent: Intent | None, view: Values) -> str:
    """Return the likely reason of a 403 or 409, beginning with the status that the cloud answered.

    Source of the cases: Predbat (locked, nothing to resume), ioBroker (already paused), Home Assistant's issues
    (OCPP, rights).
    """
    return f"{error}: {_likely(intent, view)}"


def is_action(intent: Intent | None) -> bool:
    """Return whether a command asks for something to be done, and does not set a value."""
    return intent is not None and intent.field.command is not None and intent.field.command.always_sent


def _likely(intent: Intent | None, view: Values) -> str:
    if intent is not None and is_action(intent):
        if view.get("locked") == 1:
            return "the charger is locked, unlock it first"
        enabled = view.get("charging_enabled")
        if (intent.value in _RESUMES and enabled is True) or (intent.value in _PAUSES and enabled is False):
            return f"it is already so, the charger's status is {view.get('status')}"
        if view.get("operation_mode") == "ocpp":
            return "the charger is run by an OCPP back end, which has to do this"
        return f"the charger's status is {view.get('status')}, or the account has no right to do this"
    return "the account has no right to change this charger"
