"""What the threads share: parts with a lock of their own. Otherwise there are only queues between the threads."""

from dataclasses import dataclass

from wallbox2mqtt.bridge.command_queue import CommandQueue
from wallbox2mqtt.bridge.history_reads import HistoryReads
from wallbox2mqtt.bridge.planner import Planner
from wallbox2mqtt.bridge.quarantine import Quarantine
from wallbox2mqtt.bridge.registry import Registry
from wallbox2mqtt.bridge.results import Results
from wallbox2mqtt.bridge.schedule_reads import ScheduleReads
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.auth import TokenManager
from wallbox2mqtt.cloud.budget import Budget
from wallbox2mqtt.cloud.read_rate import ReadRate
from wallbox2mqtt.cloud.request_log import RequestLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The parts."""

    clock: Clock
    tokens: TokenManager
    reads: Budget
    writes: Budget
    rate: ReadRate
    requests: RequestLog
    states: ChargerStates
    registry: Registry
    quarantine: Quarantine
    planner: Planner
    queue: CommandQueue
    results: Results
    history_reads: HistoryReads
    schedule_reads: ScheduleReads
