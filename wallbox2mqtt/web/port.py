"""The port's thread: listens, serves, and tries again while the address cannot be used."""

import logging
import socket
import threading
from collections.abc import Collection

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.log import RepeatedFault
from wallbox2mqtt.web import THREAD
from wallbox2mqtt.web.http import Handler
from wallbox2mqtt.web.listen import listen
from wallbox2mqtt.web.server import Events, Server

_LOG = logging.getLogger(__name__)

_STOP_S = 1.0


class StatusPort:
    """Listens on an address for as long as the program runs. Main calls it."""

    def __init__(
        self,
        address: tuple[str, int],
        route: Handler,
        events: Events,
        clock: Clock,
        again_s: float = 60.0,
        clients: Collection[str] = (),
    ) -> None:
        """Do not listen yet.

        ``address``: an empty host is all addresses. ``again_s``: real seconds until an address that could not be had is
        tried again. ``clients``: addresses that may connect; none: all may.
        """
        self._address, self._route, self._events, self._again_s = address, route, events, again_s
        self._clients = clients
        host, port = address
        self._where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lost = "the status port cannot be opened, the bridge goes on without it and tries again each minute"
        self._trouble = RepeatedFault(_LOG, lost, f"the status port is open address={self._where}", clock)
        self._thread: threading.Thread | None = None
        self._server: Server | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start to listen."""
        self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Start the thread anew where it has died: the bridge does not end for it."""
        if self._thread is not None and not self._thread.is_alive() and not self._stopped.is_set():
            _LOG.error("the thread of the status port has died and is started anew address=%s", self._where)
            self.start()

    def stop(self) -> None:
        """End all connections and listen no more."""
        self._stopped.set()
        if self._server is not None:
            self._server.stop()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._stopped.is_set():
            if (listener := self._listener()) is None:
                self._stopped.wait(self._again_s)
                continue
            self._server = Server(listener, self._route, self._events, clients=self._clients)
            if self._stopped.is_set():
                self._server.stop()
            self._server.serve()

    def _listener(self) -> socket.socket | None:
        try:
            listener = listen(self._address)
        except OSError as error:
            details = f"web.listen={self._where} error={error.strerror}"
            self._trouble.occurs(str(error.errno), details, logging.ERROR)
            return None
        self._trouble.ended()
        _LOG.info("the status port is open address=%s", self._where)
        return listener
