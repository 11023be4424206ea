"""The document behind the plot of a charger: its last 24 hours by the minute, its last days and sessions."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import as_number, is_charger_id
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.topics import ONLINE
from wallbox2mqtt.web.day_log import STEP_S, DayLog
from wallbox2mqtt.web.http import Request, Response, json_response

_ID_DIGITS = 19
Past = Callable[[int], tuple[list[Json], list[Json]]]
"""Returns a charger's days and its last sessions, as the document shows them."""


@dataclass(slots=True)
class History:
    """Records each minute, and answers who asks for a charger."""

    states: ChargerStates
    registry: Registry
    clock: Clock
    past: Past
    log: DayLog

    def look(self) -> None:
        """Record this minute, if it is not recorded yet. Main calls it."""
        minute = int(self.clock.monotonic() // STEP_S)
        if self.log.is_recorded(minute):
            return
        self.log.record(minute, {charger_id: self._values(charger_id) for charger_id in self.registry.chargers})

    def _values(self, charger_id: int) -> tuple[float | None, float | None]:
        shown = self.states.shown(charger_id, ("charging_power", "added_energy"))
        # what a charger out of touch did since is not known
        if shown is None or shown.availability != ONLINE:
            return None, None
        return as_number(shown.values.get("charging_power")), as_number(shown.values.get("added_energy"))

    def serve(self, request: Request) -> Response:
        """Answer with the document of the charger that is asked for."""
        text = request.query.get("charger", "")
        is_plain = text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS
        if not is_plain or not is_charger_id(charger_id := int(text)):
            return json_response({"error": "ask for ?charger=ID"}, HTTPStatus.BAD_REQUEST)
        if charger_id not in self.registry.chargers:
            return json_response({"error": f"there is no charger {charger_id}"}, HTTPStatus.NOT_FOUND)
        return json_response(self._document(charger_id))

    def _document(self, charger_id: int) -> Json:
        now, monotonic = self.clock.wall(), self.clock.monotonic()
        day, (days, sessions) = self.log.of(charger_id), self.past(charger_id)
        start = None if day is None else round(now - monotonic + day.minute * STEP_S)
        return {
            "charger": charger_id,
            "now": round(now, 1),
            "step_s": STEP_S,
            "start": start,
            "power": [] if day is None else list[Json](day.power),
            "energy": [] if day is None else list[Json](day.energy),
            "days": days,
            "sessions": sessions,
        }
