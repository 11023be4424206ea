"""What the log says of chargers that are met for the first time since the start."""

import logging
from collections.abc import Collection, Mapping

from wallbox2mqtt.cloud.documents import Listed

_LOG = logging.getLogger(__name__)

_MOST_TOLD = 20
"""So many chargers found at once get a line each."""
_LONGEST_NAME = 64


class FirstStart:
    """Tells which chargers were found and when each will be complete. Only the reader's thread uses it."""

    def __init__(self) -> None:
        self._found: set[int] = set()
        self._complete: set[int] = set()

    def tell_found(self, listing: Collection[Listed], complete_in_s: Mapping[int, float]) -> None:
        """Write a line for each charger that was not listed before.

        Args:
            listing: the chargers of a good list.
            complete_in_s: by charger, the seconds until all its values will be known; none where they are.

        """
        new = [one for one in listing if one.charger_id not in self._found and one.charger_id in complete_in_s]
        self._found |= {one.charger_id for one in listing}
        for one in new if len(new) <= _MOST_TOLD else ():
            names = one.name[:_LONGEST_NAME], one.model[:_LONGEST_NAME]
            text = "found a charger charger=%d name=%r model=%r complete_in_s=%.0f"
            _LOG.info(text, one.charger_id, *names, complete_in_s[one.charger_id])
        if len(new) > _MOST_TOLD:
            _LOG.info("found chargers count=%d", len(new))

    def tell_complete(self, charger_id: int, name: object) -> None:
        """Write a line when a charger's own document was read for the first time."""
        if charger_id not in self._complete:
            self._complete.add(charger_id)
            _LOG.info("the charger is complete charger=%d name=%r", charger_id, str(name)[:_LONGEST_NAME])
