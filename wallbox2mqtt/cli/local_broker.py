"""A broker on this machine for the demo: mosquitto where there is one, else amqtt (the extra ``demo``)."""

import asyncio
import importlib.util
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal, Self

from wallbox2mqtt.errors import BrokerError

HOST = "127.0.0.1"
_START_S = 15.0
_STOP_S = 3.0
_MODULE = "wallbox2mqtt.cli.local_broker"


def find_mosquitto() -> str | None:
    """Return mosquitto's path; Debian puts it where users do not look."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("mosquitto", path=places)


def check_port(port: int) -> None:
    """Make sure that a port is free.

    Raises:
        BrokerError: it is in use, or not allowed.

    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            msg = f"port {port} cannot be used ({error.strerror}); choose another with --port"
            raise BrokerError(msg) from None


def free_port() -> int:
    """Return a port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class LocalBroker:
    """A broker in a process of its own, for as long as the ``with`` lasts."""

    def __init__(self, port: int, directory: Path) -> None:
        """Listen at this port of 127.0.0.1; files go into the directory.

        Raises:
            BrokerError: the port is in use.

        """
        check_port(port)
        self.port = port
        mosquitto = find_mosquitto()
        self.name = "amqtt" if mosquitto is None else "mosquitto"
        self.protocol: Literal["5", "3.1.1"] = "3.1.1" if mosquitto is None else "5"
        self._log = directory / "broker.log"
        if mosquitto is None:
            if importlib.util.find_spec("amqtt") is None:
                msg = "no broker found: install mosquitto, or amqtt with pip install 'wallbox2mqtt[demo]'"
                raise BrokerError(msg)
            self._command = [sys.executable, "-m", _MODULE, str(port)]
        else:
            config = directory / "mosquitto.conf"
            config.write_text(
                f"listener {port} {HOST}\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n",
                encoding="utf-8",
            )
            self._command = [mosquitto, "-c", str(config)]

    def __enter__(self) -> Self:
        """Start it and wait until it listens.

        Raises:
            BrokerError: it does not start.

        """
        with self._log.open("wb") as log:
            # in a session of its own: Ctrl-C in the terminal is for us, who then stop it in order
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        ends = time.monotonic() + _START_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > ends:
                self._stop()
                last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
                msg = f"{self.name} did not start: {''.join(last) or 'no output'}"
                raise BrokerError(msg)
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._stop()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex((HOST, self.port)) == 0

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


async def _serve(port: int) -> None:
    from amqtt.broker import Broker as Amqtt  # type: ignore[import-untyped] # noqa: PLC0415 - only where it is installed

    broker = Amqtt(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(_serve(int(sys.argv[1])))
