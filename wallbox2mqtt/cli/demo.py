"""Everything on this machine: a simulated cloud, a broker, the bridge, and a view of what is published."""

import logging
import math
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Literal

from wallbox2mqtt.catalogue import FIELDS
from wallbox2mqtt.cli.local_broker import HOST, LocalBroker
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import CommandsConfig, Config, HomeAssistantConfig, MqttConfig, Secret, WallboxConfig
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.mqtt import Event, Message, MqttConnection
from wallbox2mqtt.simulator import EMAIL, PASSWORD, DailyLife, Settings, Simulator, fleet
from wallbox2mqtt.topics import Topics

_BASE = "wallbox"
_SHOWN = ("availability", "energy_total", "event/", "session/", "last_session/", "schedules", "why")
"""What is shown beside the fields of the catalogue."""
_JOIN_S = 6.0
_READS, _WRITES = 3, 5
_LAG_S, _SETTLE_S = 5.0, 45.0
_FASTEST = 100.0
"""The bridge asks no more often than this many times the usual pace."""


class Display:
    """Prints what changes, a line each, as the broker delivers it."""

    def __init__(self, port: int, protocol: Literal["5", "3.1.1"]) -> None:
        """Subscribe to everything below the base topic."""
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        config = MqttConfig(host=HOST, port=port, client_id="wallbox2mqtt-demo-view", protocol=protocol)
        self._mqtt = MqttConnection(config, filters=[f"{_BASE}/#"], on_event=self._events.put, clock=SystemClock())
        self._colour = sys.stdout.isatty()

    def start(self) -> None:
        """Start to listen."""
        self._mqtt.start()

    def stop(self) -> None:
        """Leave."""
        self._mqtt.stop(timeout_s=1.0)

    def show_next(self, timeout_s: float) -> None:
        """Print the next change, if one comes within so many seconds."""
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            return
        if isinstance(event, Message) and (line := self._line(event)) is not None:
            print(time.strftime("%H:%M:%S"), line, flush=True)

    def _line(self, message: Message) -> str | None:
        level, _, key = message.topic.removeprefix(f"{_BASE}/").partition("/")
        text = message.payload.decode(errors="replace")
        if key.endswith("/result"):
            return self._bold(f"{level:>8}  {key:<30} {text}")
        if key.endswith("/set"):
            return f"{level:>8}  {key:<30} {text}   <- command"
        if level == "bridge":
            return f"{level:>8}  {key:<30} {text}" if key in {"state", "cloud", "cloud_reason"} else None
        row = FIELDS.get(key)
        if row is None and not key.startswith(_SHOWN):
            return None
        if row is not None and (row.category == "diagnostic" or not row.enabled):
            return None
        unit = "" if row is None or row.quantity.unit is None or "{" in row.quantity.unit else f" {row.quantity.unit}"
        return f"{level:>8}  {key:<30} {text}{unit}"

    def _bold(self, line: str) -> str:
        return f"\x1b[1m{line}\x1b[0m" if self._colour else line


def config_of(
    cloud: Simulator,
    broker: LocalBroker,
    *,
    reads: float,
    writes: float = _WRITES,
    settle_s: float = _SETTLE_S,
    home_assistant: HomeAssistantConfig,
) -> Config:
    """Return the configuration of a bridge between these two that uses its whole budget. ``reads``: in a minute."""
    return Config(
        wallbox=WallboxConfig(
            email=EMAIL,
            password=Secret(PASSWORD),
            api_url=cloud.url,
            user_api_url=cloud.url,
            poll_interval=60 / reads,
            reads_per_minute=reads,
            writes_per_minute=writes,
        ),
        mqtt=MqttConfig(host=HOST, port=broker.port, protocol=broker.protocol, base_topic=_BASE),
        home_assistant=home_assistant,
        commands=CommandsConfig(settle_s=settle_s),
    )


def _hints(cloud: Simulator, broker: LocalBroker, speed: float) -> str:
    charger = next(iter(cloud.chargers))
    at = f"-h {HOST} -p {broker.port}"
    topics = Topics(_BASE)
    missing = (
        "" if shutil.which("mosquitto_pub") else "   (from the package mosquitto-clients, which is not installed here)"
    )
    return f"""
The demo runs. Nothing leaves this machine; the cloud is simulated: its cars charge {speed:g} times as fast as
real ones, and it lets itself be asked more often.

  broker             mqtt://{HOST}:{broker.port} ({broker.name}, MQTT {broker.protocol}, no password)
  chargers           {" ".join(str(number) for number in cloud.chargers)}
  move the chargers  {cloud.url}/_control/

Try in another terminal{missing}:

  mosquitto_sub {at} -v -t '{_BASE}/#'
  mosquitto_pub {at} -t {topics.command(charger, "locked")} -m lock
  mosquitto_pub {at} -t {topics.command(charger, "max_charging_current")} -m 13
  mosquitto_pub {at} -t {topics.command(charger, "charging_enabled")} -m off
  mosquitto_pub {at} -t {topics.command(charger, "max_charging_current")} -m 99

Ctrl-C ends it. What changes:
"""


def run(*, port: int, chargers: int, speed: float, seconds: float | None) -> int:
    """Run the demo until Ctrl-C, SIGTERM, or for so many seconds.

    Raises:
        BrokerError: there is no broker, or its port is in use.

    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    pace = min(speed, _FASTEST)
    settings = Settings(
        reads_per_minute=math.ceil(_READS * pace), writes_per_minute=math.ceil(_WRITES * pace), lag_s=_LAG_S / pace
    )
    cloud = Simulator(chargers=fleet(chargers, lively=True), settings=settings, speed=speed)
    life = DailyLife(cloud, speed)
    with (
        tempfile.TemporaryDirectory(prefix="wallbox2mqtt-demo-") as directory,
        cloud,
        LocalBroker(port, Path(directory)) as broker,
    ):
        config = config_of(
            cloud,
            broker,
            reads=_READS * pace,
            writes=_WRITES * pace,
            settle_s=_SETTLE_S / pace,
            home_assistant=HomeAssistantConfig(),
        )
        app = App(config, Path(directory) / "state", SystemClock())
        bridge = threading.Thread(target=app.run, name="bridge", daemon=True)
        view = Display(port, broker.protocol)
        print(_hints(cloud, broker, speed), flush=True)
        view.start()
        bridge.start()
        ends = None if seconds is None else time.monotonic() + seconds
        while not stop.is_set() and bridge.is_alive() and (ends is None or time.monotonic() < ends):
            view.show_next(0.2)
            life.step()
        ended_early = not bridge.is_alive()
        app.stop()
        bridge.join(_JOIN_S)
        view.stop()
    print("The demo has ended.", flush=True)
    return 1 if ended_early else 0
