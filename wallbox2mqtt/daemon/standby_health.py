"""How a bridge is that stands by: healthy while it hears the broker, whatever the cloud does."""

import time
from collections.abc import Callable

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.daemon.health import Heart
from wallbox2mqtt.daemon.heartbeat import Beat
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.web import routes
from wallbox2mqtt.web.http import Handler, Request, Response
from wallbox2mqtt.web.port import StatusPort
from wallbox2mqtt.web.server import Events


class StandbyHealth(Heart):
    """What main tells while it stands by."""

    def __init__(self, mqtt: MqttConnection, storage: Storage, beats: Storage) -> None:
        """Start with the connection."""
        super().__init__(storage, beats)
        self._mqtt, self._online_at = mqtt, time.monotonic()

    def look(self) -> None:
        """Look whether the broker is there, and tell."""
        if self._mqtt.answers:
            self._online_at = time.monotonic()
        super().look()

    def _state(self) -> tuple[object, ...]:
        return (self._mqtt.answers,)

    def metrics(self) -> dict[str, bool]:
        """Return what Prometheus is told. Any thread may ask."""
        return {
            "standing_by": True,
            "healthy": not self.ready().problems,
            "broker_connected": self._mqtt.answers,
        }

    def beat(self) -> Beat:
        """Return the heartbeat of this moment."""
        now = time.monotonic()
        return Beat(
            at=round(now, 1),
            threads=self._ages(),
            idle_s=0.0,
            read_age_s=0.0,
            has_read=False,
            interval_s=0.0,
            away_s=0.0 if self._mqtt.answers else round(max(now - self._online_at, 0.1), 1),
            reason="not asked",
            chargers=0,
            unanswered_s=round(self._mqtt.unanswered_s, 1),
            stands_by=True,
        )


def probes(address: tuple[str, int], health: StandbyHealth, clock: Clock) -> StatusPort:
    """Return the status port with nothing but the probes, how things stand in words, and three metrics."""
    served: dict[str, Handler] = {
        "/": _text(lambda: f"{health.ready().state}\n"),
        "/metrics": _text(lambda: _metrics(health.metrics())),
        "/livez": routes.verdict(health.live),
        "/readyz": routes.verdict(health.ready),
    }
    return StatusPort(address, routes.router(served), Events(), clock)


def _text(make: Callable[[], str]) -> Handler:
    def serve(_: Request) -> Response:
        return Response(make().encode(), "text/plain; version=0.0.4; charset=utf-8")

    return serve


def _metrics(samples: dict[str, bool]) -> str:
    """Return samples as Prometheus reads them: to it, a bridge that answers 404 would be down."""
    lines = (f"# TYPE wallbox2mqtt_{name} gauge\nwallbox2mqtt_{name} {value:d}\n" for name, value in samples.items())
    return "".join(lines)
