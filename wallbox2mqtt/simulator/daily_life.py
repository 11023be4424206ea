"""Cars that come and go, and a sun that moves, for demos."""

import random

from wallbox2mqtt.simulator.simulator import Simulator
from wallbox2mqtt.simulator.state import WAITING_FOR_CAR, WITH_CAR

_AWAY_S, _LINGERS_S, _SUN_S = (600.0, 2400.0), (300.0, 1200.0), 900.0
_WANTS_KWH, _SUN_KW = (3.0, 18.0), (0.0, 9.0)


class DailyLife:
    """Plugs cars in and out at the chargers of a simulator, each in its own time. Not thread-safe."""

    def __init__(self, cloud: Simulator, speed: float) -> None:
        """Start with everything as it is. ``speed``: how many times as fast as in reality it goes."""
        self._cloud, self._speed = cloud, speed
        self._chance = random.Random(1)  # noqa: S311 - variety for the eye, no secret
        self._due: dict[int, float] = {}
        self._sun_due = 0.0

    def step(self) -> None:
        """Let happen what is due."""
        now = self._cloud.clock.monotonic()
        if now >= self._sun_due:
            self._sun_due = now + _SUN_S / self._speed
            surplus_kw = round(self._chance.uniform(*_SUN_KW), 1)
            for number in self._cloud.chargers:
                self._cloud.charger(number).do("sun", surplus_kw)
        for number in self._cloud.chargers:
            self._visit(number, now)

    def _visit(self, number: int, now: float) -> None:
        charger = self._cloud.charger(number)
        status = charger.actual(now).status_id
        is_plugged = status in WITH_CAR
        if is_plugged and status != WAITING_FOR_CAR:
            self._due.pop(number, None)
        elif number not in self._due:
            self._due[number] = now + self._chance.uniform(*(_LINGERS_S if is_plugged else _AWAY_S)) / self._speed
        elif now >= self._due[number]:
            del self._due[number]
            charger.do("unplug") if is_plugged else charger.do("plug", round(self._chance.uniform(*_WANTS_KWH), 1))
