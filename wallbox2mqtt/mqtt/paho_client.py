"""paho's client, with what it lacks: a sign of life, an end without DISCONNECT, and a socket that does not wait."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from wallbox2mqtt.config import MqttConfig
from wallbox2mqtt.mqtt.endpoints import Endpoints
from wallbox2mqtt.mqtt.outbox import Outgoing
from wallbox2mqtt.mqtt.tls import tls_context, words_of
from wallbox2mqtt.watchdog import LOOK_UP_S, SILENCE_S, Pulse

UNUSED = "broker"
"""paho wants a host's name before it is known which is tried."""
MAX_INFLIGHT = 20
"""Messages that may wait for their acknowledgement at once: paho's own default, and mosquitto's."""


class PahoClient(Client):
    """paho's client. Its thread tells that it lives, and why there is no connection."""

    def __init__(self, endpoints: Endpoints, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
        """Start alive and without a problem; where it connects, ``endpoints`` says each time."""
        self.endpoints = endpoints
        self.pulse = Pulse()
        self.problem = ""
        self.on_turn: Callable[[], None] = lambda: None
        super().__init__(*args, **kwargs)

    def loop_misc(self) -> MQTTErrorCode:
        """Look after the connection; paho's loop calls it each second at least, holding no lock."""
        self.pulse.beat()
        self.on_turn()
        return super().loop_misc()

    @property
    def thread(self) -> threading.Thread | None:
        """The client's own thread; None before its start and after its end."""
        return self._thread

    @property
    def unacknowledged(self) -> int:
        """How many messages the broker has not acknowledged, or not been sent."""
        return max(len(self._out_messages), len(self._out_packet))  # at QoS 0 nothing is acknowledged

    def send(self, message: Outgoing, *, qos: int, retain: bool) -> MQTTMessageInfo:
        """Publish a message, and with MQTT 5 to what a result belongs."""
        properties = None
        if message.correlation is not None and self._protocol == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho has no types there
            properties.CorrelationData = message.correlation
        return self.publish(message.topic, message.payload, qos, retain, properties)

    def outgoing(self, mid: int) -> Outgoing | None:
        """Return a message that is on its way, in the callback that tells what became of it."""
        message = self._out_messages.get(mid)
        return None if message is None else _outgoing(message)

    def take_out(self) -> list[Outgoing]:
        """Return what the broker has not acknowledged, which is not sent again; called between two connections."""
        with self._out_message_mutex:
            open_messages = [_outgoing(message) for message in self._out_messages.values()]
            self._out_messages.clear()
        return open_messages

    @property
    def oldest(self) -> MQTTMessage | None:
        """The message that waits longest for its acknowledgement."""
        with self._out_message_mutex:
            return next(iter(self._out_messages.values()), None)

    def limit_inflight(self, most: int) -> None:
        """Let so many messages be under way; paho does not heed what the broker says of it."""
        self._max_inflight_messages = min(most, MAX_INFLIGHT)

    def _reconnect_wait(self) -> None:
        """Wait before the next connection, but not while another address of the round is untried."""
        if self.endpoints.is_round_over:
            super()._reconnect_wait()

    def reconnect(self) -> MQTTErrorCode:
        """Connect again; paho's loop calls it and waits for names, connections and handshakes."""
        self.pulse.beat(SILENCE_S + LOOK_UP_S)
        try:
            return super().reconnect()
        except OSError as error:
            self.problem = words_of(error, self.endpoints.present, self._ssl_context)
            raise
        except (ValueError, LookupError) as error:
            # a host's name that cannot be one, an answer to the websocket that paho cannot take apart;
            # anything but an OSError would end its thread
            self.problem = f"unreachable: {error}"
            raise OSError(self.problem) from error

    def _create_socket_connection(self) -> socket.socket:
        endpoint = self.endpoints.next()
        # the name is in the certificate, and in the request of a websocket
        self._host, self._port = endpoint.host, endpoint.port
        if self._get_proxy():
            sock = super()._create_socket_connection()
        else:
            sock = socket.create_connection((endpoint.address, endpoint.port), timeout=self._connect_timeout)
        # with Nagle's algorithm the second of two small messages waits 40 ms for an ACK
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def has_unread(self) -> bool:
        """Return whether something that the broker has sent waits to be read."""
        if (sock := self.socket()) is None:
            return False
        pending = getattr(sock, "pending", None)  # what TLS has read ahead
        with contextlib.suppress(OSError, ValueError):  # who publishes may have closed it just now
            return bool((pending is not None and pending()) or select.select([sock], [], [], 0)[0])
        return False

    def cut(self) -> None:
        """End the connection as a cut cable does: after a farewell the broker would not publish the will."""
        if (plain := _plain(self.socket())) is not None:
            with contextlib.suppress(OSError):
                # that of TLS takes away what paho's thread may be reading with
                socket.socket.shutdown(plain, socket.SHUT_RDWR)


def new_client(config: MqttConfig) -> PahoClient:
    """Return a client as the configuration has it.

    Raises:
        ConfigError: a certificate file cannot be used.

    """
    v5 = config.protocol == "5"
    client = PahoClient(
        Endpoints(config.brokers),
        CallbackAPIVersion.VERSION2,
        client_id=config.client_id,
        # a session that outlives the connection would keep commands for later, when nobody wants them
        clean_session=None if v5 else True,
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        transport=config.transport,
    )
    if config.transport == "websockets":
        client.ws_set_options(path=config.websocket_path)
    if config.username is not None:
        client.username_pw_set(config.username, config.password.reveal() if config.password else None)
    if config.tls.enabled:
        client.tls_set_context(tls_context(config.tls))
    client.reconnect_delay_set(min_delay=1, max_delay=10)
    return client


def _outgoing(message: MQTTMessage) -> Outgoing:
    correlation = getattr(message.properties, "CorrelationData", None)
    return Outgoing(message.topic, bytes(message.payload), message.retain, correlation)


def _plain(sock: Any) -> socket.socket | None:  # noqa: ANN401 - a socket or paho's websocket
    plain = getattr(sock, "_socket", sock)
    return plain if getattr(plain, "family", None) in {socket.AF_INET, socket.AF_INET6} else None
