"""The prices of a kWh over time, from a topic, and what a step of energy cost by them."""

import logging
import re
from collections import deque
from dataclasses import dataclass, replace
from math import inf

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.config import TariffConfig
from wallbox2mqtt.history.saved import restored_list, saved
from wallbox2mqtt.log import RepeatedFault

_LOG = logging.getLogger(__name__)

_MWH = 1_000_000
"""In a kWh."""
KEEPS_S = 900.0
"""So long the last price counts without a broker, and over a restart."""
LONGEST_STEP_S = 3600.0
"""In a longer step nobody knows how much of the energy flowed at which of several prices."""
_MOST, _MOST_KEPT = 1000, 60
"""Prices that are remembered, and those of them over a restart."""
_NUMBER = re.compile(r"[+-]?([0-9]{1,12}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?", re.ASCII)
_LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class Span:
    """A price per kWh, and when it was valid: seconds since 1970."""

    since: float
    until: float
    price: float


def price_of(payload: bytes) -> float | None:
    """Return the price per kWh in a message; None if it has none."""
    text = payload.decode("ascii", errors="replace").strip()
    return float(text) if _NUMBER.fullmatch(text) and abs(float(text)) <= _LARGEST else None


class Prices:
    """The prices of a topic. One thread calls all of this; times are seconds since 1970."""

    def __init__(self, config: TariffConfig, clock: Clock) -> None:
        self.topic, self._solar = config.topic, config.solar_price
        self._spans: deque[Span] = deque(maxlen=_MOST)
        bad = "a price on tariff.topic is no number, the last one is kept"
        self._bad = RepeatedFault(_LOG, bad, "tariff.topic has prices again", clock)
        unknown = "the price of energy is not known, the session gets no cost_real"
        self._unknown = RepeatedFault(_LOG, unknown, "the price of energy is known again", clock)

    def take(self, payload: bytes, at: float) -> None:
        """Take a message of the topic: a number; anything else is told, and changes nothing."""
        if (price := price_of(payload)) is None:
            shown = payload[:40].decode("ascii", errors="replace")
            self._bad.occurs("payload", f"topic={self.topic} payload={shown!r}")
            return
        self._bad.ended()
        if self._spans and self._spans[-1].until >= at:
            at = max(at, self._spans[-1].since)  # the clock may have gone back
            if self._spans[-1].price == price:
                self._end(inf)
                return
            self._end(at)
        self._spans.append(Span(at, inf, price))

    def _end(self, until: float) -> None:
        if self._spans:
            self._spans[-1] = replace(self._spans[-1], until=until)

    def disconnected(self, at: float) -> None:
        """Record that no price comes any more."""
        if self._spans and self._spans[-1].until == inf:
            self._end(at + KEEPS_S)

    def connected(self, at: float) -> None:
        """Record that prices come again; the last one goes on if that was not long ago."""
        if self._spans and self._spans[-1].until >= at:
            self._end(inf)

    def cost(self, grid_mwh: int, green_mwh: int, start: float, end: float) -> float | None:
        """Return what a step of energy cost, the sun's share at its own price; None where no price is known."""
        price = self._of(start, end) if grid_mwh else 0.0
        if price is None:
            self._unknown.occurs("unknown", f"topic={self.topic}")
            return None
        if grid_mwh:
            self._unknown.ended()
        return (grid_mwh * price + green_mwh * self._solar) / _MWH

    def _of(self, start: float, end: float) -> float | None:
        """Return the price from one time to another, the mean by time of several; None where part is not known."""
        spans = [span for span in self._spans if span.since <= end and span.until >= start]
        shares = [(min(end, span.until) - max(start, span.since), span.price) for span in spans]
        known = sum(seconds for seconds, _ in shares)
        if not shares or known < end - start - 1:
            return None
        several = {price for seconds, price in shares if seconds > 0}
        if len(several) < 2:  # noqa: PLR2004 - one, or none in no time
            return several.pop() if several else shares[-1][1]
        return None if end - start > LONGEST_STEP_S else sum(seconds * price for seconds, price in shares) / known

    def kept(self, now: float) -> list[Json]:
        """Return the newest prices, as they are kept over a restart."""
        spans = list(self._spans)[-_MOST_KEPT:]
        return [saved(replace(span, until=min(span.until, now + KEEPS_S))) for span in spans]

    def restore(self, kept: Json) -> None:
        """Take what was kept; what is of another form is left out."""
        self._spans.extend(restored_list(Span, kept))
