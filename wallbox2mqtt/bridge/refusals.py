"""Why the cloud may have refused a command: it does not say, so the charger's last status has to."""

from wallbox2mqtt.catalogue import Intent, Values
from wallbox2mqtt.errors import CloudError

_OCPP = "the charger is run by an OCPP back end, which has to do this"


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
    is_ocpp, is_locked = view.get("operation_mode") == "ocpp", view.get("locked") == 1
    if is_ocpp and intent is not None and (is_action(intent) or intent.field.key == "locked") and is_locked:
        return _OCPP
    if intent is not None and is_action(intent):
        if is_locked:
            return "the charger is locked, unlock it first"
        if _is_so(intent, view):
            return f"it is already so, the charger's status is {view.get('status')}"
        if is_ocpp:
            return _OCPP
        return f"the charger's status is {view.get('status')}, or the account has no right to do this"
    return "the account has no right to change this charger"


def _is_so(intent: Intent, view: Values) -> bool:
    enabled = view.get("charging_enabled")
    return (intent.resumes and enabled is True) or (intent.pauses and enabled is False)


def why_unconfirmed(intent: Intent | None, view: Values) -> str:
    """Return the reason of a command that the charger does not show: who else may run it."""
    runs = intent is not None and (is_action(intent) or intent.field.key == "locked")
    return (
        "not confirmed: an OCPP back end runs it" if runs and view.get("operation_mode") == "ocpp" else "not confirmed"
    )
