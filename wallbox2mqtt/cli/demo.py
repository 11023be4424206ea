"""Everything on this machine: a simulated cloud, a broker, the bridge, and a view of what is published."""

import argparse
import importlib.util
import logging
import math
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wallbox2mqtt.cli.demo_plain import Lines
from wallbox2mqtt.cli.guest import Guest
from wallbox2mqtt.cli.local_broker import HOST, LocalBroker, free_port
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import (
    CommandsConfig,
    Config,
    HomeAssistantConfig,
    MqttConfig,
    Secret,
    WallboxConfig,
    WebConfig,
)
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.errors import EXIT_FAILED, EXIT_OK
from wallbox2mqtt.mqtt import Event, Message
from wallbox2mqtt.simulator import EMAIL, PASSWORD, DailyLife, Settings, Simulator, fleet
from wallbox2mqtt.topics import Topics

if TYPE_CHECKING:
    from wallbox2mqtt.cli.demo_live import LiveView

_BASE = "wallbox"
_NAMES = ("Garage", "Carport", "Driveway", "Courtyard", "Workshop", "Visitors", "Back gate", "Barn")
_JOIN_S, _WAIT_S = 6.0, 0.2
_READS, _WRITES = 3, 5
_LAG_S, _SETTLE_S = 5.0, 45.0
_FASTEST = 100.0
"""The bridge asks no more often than this many times the usual pace."""


def config_of(
    cloud: Simulator,
    broker: LocalBroker,
    *,
    reads: float,
    pace: float = 1.0,
    home_assistant: HomeAssistantConfig,
    web: WebConfig | None = None,
) -> Config:
    """Return the configuration of a bridge between these two that uses its whole budget.

    ``reads``: in a minute. ``pace``: how many times as fast as usual it writes and its writes settle.
    """
    return Config(
        wallbox=WallboxConfig(
            email=EMAIL,
            password=Secret(PASSWORD),
            api_url=cloud.url,
            user_api_url=cloud.url,
            poll_interval=60 / reads,
            reads_per_minute=reads,
            writes_per_minute=_WRITES * pace,
        ),
        mqtt=MqttConfig(host=HOST, port=broker.port, protocol=broker.protocol, base_topic=_BASE),
        home_assistant=home_assistant,
        commands=CommandsConfig(settle_s=_SETTLE_S / pace),
        web=web or WebConfig(),
    )


def _name(number: int) -> str:
    return _NAMES[number] if number < len(_NAMES) else f"Bay {number + 1}"


def _hints(cloud: Simulator, broker: LocalBroker, page: str) -> list[tuple[str, str]]:
    return [
        ("page", page),
        ("broker", f"mqtt://{HOST}:{broker.port} ({broker.name}, MQTT {broker.protocol}, no password)"),
        ("simulator", f"{cloud.url}/_control/ (moves the chargers)"),
    ]


def _commands(cloud: Simulator, broker: LocalBroker) -> list[str]:
    """Return lines to try in another terminal."""
    charger, topics = next(iter(cloud.chargers)), Topics(_BASE)
    at = f"-h {HOST} -p {broker.port}"
    tried = (
        ("locked", "lock"),
        ("max_charging_current", 13),
        ("charging_enabled", "off"),
        ("max_charging_current", 99),
    )
    sent = [f"mosquitto_pub {at} -t {topics.command(charger, key)} -m {payload}" for key, payload in tried]
    return [f"mosquitto_sub {at} -v -t '{_BASE}/#'", *sent]


def _introduction(hints: Sequence[tuple[str, str]], commands: Sequence[str], speed: float) -> str:
    missing = (
        "" if shutil.which("mosquitto_pub") else "   (from the package mosquitto-clients, which is not installed here)"
    )
    addresses = "\n".join(f"  {name:<10}  {text}" for name, text in hints)
    lines = "\n".join(f"  {line}" for line in commands)
    return f"""
The demo runs. Nothing leaves this machine; the cloud is simulated: its cars charge {speed:g} times as fast as
real ones, and it lets itself be asked more often.

{addresses}

Try in another terminal{missing}:

{lines}

Ctrl-C ends it. What changes:
"""


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _view(
    hints: Sequence[tuple[str, str]], commands: Sequence[str], speed: float, *, plain: bool
) -> "Lines | LiveView":
    """Return the view that fits: drawn in its places in a terminal, else lines."""
    if not plain and _is_terminal() and importlib.util.find_spec("rich") is not None:
        from wallbox2mqtt.cli.demo_live import LiveView  # noqa: PLC0415 - rich is optional

        title = f"wallbox2mqtt demo: simulated chargers, {speed:g} times as fast as real ones. Ctrl-C ends it."
        return LiveView(_BASE, title, [*hints, ("try", commands[1])])
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", handlers=[handler])
    print(_introduction(hints, commands, speed), flush=True)
    return Lines(_BASE)


def _cloud(chargers: int, speed: float, pace: float) -> Simulator:
    settings = Settings(
        reads_per_minute=math.ceil(_READS * pace), writes_per_minute=math.ceil(_WRITES * pace), lag_s=_LAG_S / pace
    )
    specs = [replace(spec, name=_name(number)) for number, spec in enumerate(fleet(chargers, lively=True))]
    return Simulator(chargers=specs, settings=settings, speed=speed)


def run(args: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C, SIGTERM, or for so many seconds; return the exit code.

    Raises:
        BrokerError: there is no broker, or its port is in use.

    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pace = min(args.speed, _FASTEST)
    with (
        tempfile.TemporaryDirectory(prefix="wallbox2mqtt-demo-") as directory,
        _cloud(args.chargers, args.speed, pace) as cloud,
        LocalBroker(args.port, Path(directory)) as broker,
    ):
        page = f"{HOST}:{free_port()}"
        config = config_of(
            cloud,
            broker,
            reads=_READS * pace,
            pace=pace,
            home_assistant=HomeAssistantConfig(),
            web=WebConfig(listen=page),
        )
        logging.getLogger("wallbox2mqtt").setLevel(logging.INFO)  # for the page, which shows the last lines
        app = App(config, Path(directory) / "state", SystemClock())
        bridge = threading.Thread(target=app.run, name="bridge", daemon=True)
        ends = math.inf if args.seconds is None else time.monotonic() + args.seconds
        hints, commands = _hints(cloud, broker, f"http://{page}/"), _commands(cloud, broker)
        with _view(hints, commands, args.speed, plain=args.plain) as view:

            def take(event: Event) -> None:
                if isinstance(event, Message):
                    view.take(event)

            life, guest = DailyLife(cloud, args.speed), Guest(config.mqtt, "view", [f"{_BASE}/#"], take)
            guest.mqtt.start()
            bridge.start()
            while not stop.is_set() and bridge.is_alive() and time.monotonic() < ends:
                view.refresh()
                guest.wait(stop.is_set, _WAIT_S)
                life.step()
        ended_early = not bridge.is_alive()
        app.stop()
        bridge.join(_JOIN_S)
        guest.mqtt.stop(timeout_s=1.0)
    print("The demo has ended.", flush=True)
    return EXIT_FAILED if ended_early else EXIT_OK
