"""The status port while the bridge stands by: healthy while it hears the broker, whatever the cloud does."""

from collections.abc import Callable

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.daemon.health import Health
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.web import routes
from wallbox2mqtt.web.http import Handler, Request, Response
from wallbox2mqtt.web.port import StatusPort
from wallbox2mqtt.web.server import Events


def probes(address: tuple[str, int], health: Health, mqtt: MqttConnection, clock: Clock) -> StatusPort:
    """Return the status port with nothing but the probes, the state in words, and three metrics."""
    served: dict[str, Handler] = {
        "/": _text(lambda: f"{health.ready().state}\n"),
        "/metrics": _text(lambda: _metrics(health, mqtt)),
        "/livez": routes.verdict(health.live),
        "/readyz": routes.verdict(health.ready),
    }
    return StatusPort(address, routes.router(served), Events(), clock)


def _text(make: Callable[[], str]) -> Handler:
    def serve(_: Request) -> Response:
        return Response(make().encode(), "text/plain; version=0.0.4; charset=utf-8")

    return serve


def _metrics(health: Health, mqtt: MqttConnection) -> str:
    """Return samples as Prometheus reads them: to it, a bridge that answers 404 would be down."""
    samples = {"standing_by": True, "healthy": not health.ready().problems, "broker_connected": mqtt.answers}
    lines = (f"# TYPE wallbox2mqtt_{name} gauge\nwallbox2mqtt_{name} {value:d}\n" for name, value in samples.items())
    return "".join(lines)
