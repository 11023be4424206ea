"""Why the cloud may have refused a command: it does not say so itself, so the charger's last status is used."""

from wallbox2mqtt.catalogue import Intent, Values
from wallbox2mqtt.errors import CloudError

NOT_CONFIRMED = "not confirmed"
_OCPP = "the charger is run by an OCPP back end, which has to do this"


def reason_of(error: CloudError, intent: Intent, view: Values) -> str:
    """Return the likely reason of a 403 or 409, beginning with the status that the cloud answered.

    Source of the cases: Predbat (locked, nothing to resume), ioBroker (already paused), Home Assistant's issues
    (OCPP, rights).
    """
    return f"{error}: {_likely(intent, view)}"


def why_unconfirmed(intent: Intent | None, view: Values) -> str:
    """Return the reason of a command that the charger does not show: who else may run it."""
    is_run = _is_of_who_runs_it(intent) and view.get("operation_mode") == "ocpp"
    return f"{NOT_CONFIRMED}: an OCPP back end runs it" if is_run else NOT_CONFIRMED


def is_action(intent: Intent | None) -> bool:
    """Return whether a command asks for something to be done, and does not set a value."""
    return intent is not None and intent.command.always_sent


def _is_of_who_runs_it(intent: Intent | None) -> bool:
    return is_action(intent) or (intent is not None and intent.field.key == "locked")


def _likely(intent: Intent, view: Values) -> str:
    is_ocpp, is_locked = view.get("operation_mode") == "ocpp", view.get("locked") == 1
    if is_ocpp and is_locked and _is_of_who_runs_it(intent):
        return _OCPP
    if not is_action(intent):
        return "the account has no right to change this charger"
    if is_locked:
        return "the charger is locked, unlock it first"
    enabled, status = view.get("charging_enabled"), view.get("status")
    if (intent.resumes and enabled is True) or (intent.pauses and enabled is False):
        return f"it is already so, the charger's status is {status}"
    return _OCPP if is_ocpp else f"the charger's status is {status}, or the account has no right to do this"
