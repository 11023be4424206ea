"""A simulated Wallbox cloud for this bridge's tests and demo, and for anybody else's client (docs/simulator.md)."""

from wallbox2mqtt.simulator.charger import SimulatedCharger
from wallbox2mqtt.simulator.daily_life import DailyLife
from wallbox2mqtt.simulator.faults import Fault
from wallbox2mqtt.simulator.messages import Seen
from wallbox2mqtt.simulator.models import MODELS, ChargerSpec, capture, fleet
from wallbox2mqtt.simulator.moves import MOVES
from wallbox2mqtt.simulator.settings import Settings
from wallbox2mqtt.simulator.simulator import EMAIL, PASSWORD, Simulator

__all__ = [
    "EMAIL",
    "MODELS",
    "MOVES",
    "PASSWORD",
    "ChargerSpec",
    "DailyLife",
    "Fault",
    "Seen",
    "Settings",
    "SimulatedCharger",
    "Simulator",
    "capture",
    "fleet",
]
