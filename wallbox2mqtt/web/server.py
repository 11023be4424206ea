"""Serves the port: one thread for all clients, however many and slow they are.

No client is ever waited for. When there are as many as there may be, the one goes that has been there longest without
following the events, so a probe gets in whatever others hold open.
"""

import logging
import selectors
import socket
import time
from collections.abc import Collection
from http import HTTPStatus

from wallbox2mqtt.web.client import Client, ConnectionPhase, Limits
from wallbox2mqtt.web.http import Handler, Request, Response, parsed, refusal

_LOG = logging.getLogger(__name__)

_LOOK_S = 0.25
_ACCEPTED_AT_ONCE = 64
KEEP_ALIVE = b": keep-alive\n\n"
_FULL = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "as many follow the events as may", {"Retry-After": "30"})
_TOO_LARGE = refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is too large")
_NO_REQUEST = Request("GET", "")


class Events:
    """What is told to those who follow the events: here, nothing. Called on the port's thread."""

    def begin(self) -> None:
        """Look anew: nobody has followed so far."""

    def whole(self) -> bytes:
        """Return the event that has everything, as it was told last."""
        return b""

    def change(self) -> bytes | None:
        """Return the event of what has changed since it was told last; None where nothing has, or too soon."""
        return None

    def beat(self) -> bytes:
        """Return the event that says that the line is alive."""
        return b""


class Server:
    """Serves the clients of a socket until stopped. ``route`` makes the response to each request."""

    def __init__(
        self,
        listener: socket.socket,
        route: Handler,
        events: Events,
        limits: Limits | None = None,
        clients: Collection[str] = (),
    ) -> None:
        """Serve on a socket that listens. ``clients``: addresses that may connect; none: all may."""
        self._listener, self._route, self._events = listener, route, events
        self._limits, self._admitted = limits or Limits(), frozenset(clients)
        self._selector = selectors.DefaultSelector()
        self._clients: set[Client] = set()
        self._stopping, self._accepts = False, True
        self._woken, self._waker = socket.socketpair()
        self._told = self._looked = time.monotonic()

    @property
    def connections(self) -> int:
        """How many clients there are."""
        return len(self._clients)

    def stop(self) -> None:
        """End all connections and close the port; any thread may call."""
        self._stopping = True
        self._waker.close()

    def serve(self) -> None:
        """Serve until stopped."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            while not self._stopping:
                for key, mask in self._selector.select(_LOOK_S):
                    self._happened(key, mask)
                if time.monotonic() - self._looked >= _LOOK_S:
                    self._looked = time.monotonic()
                    self._look()
        finally:
            self._close()

    def _close(self) -> None:
        for sock in (self._listener, self._woken, self._waker, *(client.sock for client in self._clients)):
            sock.close()
        self._clients.clear()
        self._selector.close()

    def _happened(self, key: selectors.SelectorKey, mask: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
            return
        client = key.data
        if mask & selectors.EVENT_READ and client in self._clients:
            self._read(client)
        if mask & selectors.EVENT_WRITE and client in self._clients:
            self._write(client)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, (address, *_) = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # no descriptors are left, or the client has gone meanwhile
                _LOG.debug("a connection was not accepted error=%s", error.strerror)
                self._make_room()
                self._accept_later()
                return
            if self._admitted and address.removeprefix("::ffff:") not in self._admitted:
                sock.close()
                continue
            if len(self._clients) >= self._limits.connections:
                self._make_room()
            client = Client(sock, time.monotonic())
            self._clients.add(client)
            self._selector.register(sock, selectors.EVENT_READ, client)
            self._read(client)

    def _accept_later(self) -> None:
        """Leave the others waiting for a moment: the socket would wake us at once, and for nothing."""
        self._selector.unregister(self._listener)
        self._accepts = False

    def _make_room(self) -> None:
        others = [client for client in self._clients if client.phase is not ConnectionPhase.VIEWING]
        if others:
            self._drop(min(others, key=lambda client: client.since))

    def _drop(self, client: Client) -> None:
        self._clients.discard(client)
        self._selector.unregister(client.sock)
        client.sock.close()

    def _read(self, client: Client) -> None:
        if not client.receive():
            self._drop(client)
        elif client.phase is ConnectionPhase.READING:
            if client.is_too_large:
                self._answer(client, _NO_REQUEST, _TOO_LARGE)
            elif (head := client.head) is not None:
                self._take(client, parsed(head))

    def _take(self, client: Client, request: Request | Response) -> None:
        if isinstance(request, Response):
            self._answer(client, _NO_REQUEST, request)
        else:
            self._answer(client, request, self._response(request))

    def _viewers(self) -> list[Client]:
        return [client for client in self._clients if client.phase is ConnectionPhase.VIEWING]

    def _response(self, request: Request) -> Response:
        response = self._route(request)
        return _FULL if response.streams and len(self._viewers()) >= self._limits.viewers else response

    def _answer(self, client: Client, request: Request, response: Response) -> None:
        with_body, now = request.method != "HEAD", time.monotonic()
        views = response.streams and with_body
        if views and not self._viewers():
            self._events.begin()
        client.enter(ConnectionPhase.VIEWING if views else ConnectionPhase.WRITING, now)
        client.put(response.encoded(with_body=with_body), now)
        if views:
            client.put(self._events.whole(), now)
        self._write(client)

    def _write(self, client: Client) -> None:
        now = time.monotonic()
        if client.is_behind and not client.has_waiting:
            client.is_behind = False
            client.put(self._events.whole(), now)
        if not client.send(now):
            self._drop(client)
            return
        if client.phase is ConnectionPhase.WRITING and not client.has_waiting:
            client.enter(ConnectionPhase.LINGERING, now)
            client.hang_up()
        # woken by room to send only where something waits for it
        waits = client.has_waiting or client.is_behind
        self._selector.modify(client.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if waits else 0), client)

    def _look(self) -> None:
        """End who is late, and tell the viewers what has changed."""
        now = time.monotonic()
        if not self._accepts:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._accepts = True
        for client in [client for client in self._clients if client.is_late(now, self._limits)]:
            self._drop(client)
        if not (viewers := self._viewers()):
            return
        event = self._events.change()
        if event is None and now - self._told >= self._limits.keep_alive_s:
            event = KEEP_ALIVE + self._events.beat()
        if event is not None:
            self._told = now
            for viewer in viewers:
                self._tell(viewer, event, now)

    def _tell(self, viewer: Client, event: bytes, now: float) -> None:
        if viewer.has_waiting:
            # slower than the events: it gets everything once it has taken what waits
            viewer.is_behind = True
            return
        viewer.put(event, now)
        self._write(viewer)
