"""HTTP/1.1 with keep-alive on one port, and all that can go wrong between two machines."""

import logging
import socket
import struct
import sys
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from wallbox2mqtt.simulator.faults import Fault
from wallbox2mqtt.simulator.messages import ApiAnswer, ApiRequest

if TYPE_CHECKING:
    from wallbox2mqtt.simulator.simulator import Simulator

_LOGGER = logging.getLogger(__name__)
_LARGEST_BODY = 1024 * 1024
_STOP_S = 2.0


class SimulatorServer(ThreadingHTTPServer):
    """A server whose stop ends every connection, kept alive or hanging."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], cloud: "Simulator") -> None:
        """Bind the port.

        Raises:
            OSError: it is in use, or not ours to use.

        """
        self.cloud = cloud
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._closed = threading.Condition()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Remember the connection."""
        with self._closed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Forget the connection."""
        super().shutdown_request(request)
        with self._closed:
            self._connections.discard(request)
            self._closed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as the base class
        """Log an error; a client that hangs up is not one."""
        error = sys.exception()
        if isinstance(error, OSError):
            _LOGGER.debug("the connection of %s ended: %s", client_address, error)
        else:
            _LOGGER.error("the simulator failed", exc_info=error)

    def stop(self) -> None:
        """End all connections and close the port."""
        self.stopping.set()
        self.shutdown()
        with self._closed:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    _LOGGER.debug("a connection had ended by itself")
            self._closed.wait_for(lambda: not self._connections, _STOP_S)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: SimulatorServer
    protocol_version = "HTTP/1.1"
    server_version = "wallbox-simulator"
    disable_nagle_algorithm: ClassVar[bool] = True
    wbufsize = -1  # head and body in one packet

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the time by the cloud's own clock."""
        return formatdate(self.server.cloud.clock.wall() if timestamp is None else timestamp, usegmt=True)

    def version_string(self) -> str:
        """Return what the header Server says."""
        return self.server_version

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Write to the log, not to the terminal."""
        _LOGGER.debug(format, *args)

    def _exchange(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.send_error(400, "the body is too large or of unknown length")
            return
        target = urlsplit(self.path)
        request = ApiRequest(
            method=self.command,
            path=target.path.strip("/"),
            query=target.query,
            headers=dict(self.headers.items()),
            body=self.rfile.read(int(length)),
            client=self.client_address[0],
        )
        answer, fault, seen = self.server.cloud.exchange(request)
        if fault is not None and not self._apply(fault):
            return
        self.server.cloud.answered(seen, answer)
        self._send(answer, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _exchange  # noqa: N815

    def _apply(self, fault: Fault) -> bool:
        """Apply a fault of time or connection; return False where no answer is to be sent."""
        match fault.kind:
            case "delay":
                return not self.server.stopping.wait(fault.seconds)
            case "hang":
                self.server.stopping.wait()
            case "reset":  # no linger: the kernel sends RST in place of FIN
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.rfile.close()
                self.connection.close()
            case _:
                return True
        self.close_connection = True
        return False

    def _send(self, answer: ApiAnswer, fault: Fault | None) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.kind == "drip":
            self._drip(answer.body, fault.seconds)
        elif fault is not None and fault.kind == "cut":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(answer.body)

    def _drip(self, body: bytes, seconds: float) -> None:
        self.wfile.flush()
        for index in range(len(body)):
            if self.server.stopping.wait(seconds):
                self.close_connection = True
                return
            self.wfile.write(body[index : index + 1])
            self.wfile.flush()
