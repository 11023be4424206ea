"""The metrics put together, where the library that they need is installed."""

import time
from collections.abc import Callable

from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.daemon.health import Health
from wallbox2mqtt.daemon.reports import resident_bytes
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.web.http import Handler, Response
from wallbox2mqtt.web.routes import NO_METRICS

_JUST_NOW_S = 1.0


class Fresh:
    """What was made just now is given again: who asks without a pause costs no more than who asks each second."""

    def __init__(self, make: Callable[[], bytes], now: Callable[[], float] = time.monotonic) -> None:
        """Make nothing yet; ``now``: real seconds."""
        self._make, self._now = make, now
        self._made, self._at = b"", float("-inf")

    def __call__(self) -> bytes:
        """Return it, not older than a second."""
        if self._now() - self._at >= _JUST_NOW_S:
            self._made, self._at = self._make(), self._now()
        return self._made


def metrics_route(bridge: Bridge, mqtt: MqttConnection, health: Health, clock: Clock) -> Handler:
    """Return the handler of the metrics; without prometheus-client it says how to get them."""
    try:
        from wallbox2mqtt.web.metrics import CONTENT_TYPE, Metrics, MetricSources  # noqa: PLC0415 - an extra brings it
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        return lambda _: NO_METRICS
    sources = MetricSources(
        bridge=bridge,
        clock=clock,
        requests=bridge.shared.requests.totals,
        is_online=lambda: mqtt.answers,
        reconnects=lambda: max(0, mqtt.connects - 1),
        stalls=lambda: mqtt.stalls,
        unpublished=lambda: mqtt.unpublished,
        threads=health.threads,
        is_healthy=lambda: not health.told().problems,
        memory_bytes=resident_bytes,
    )
    text = Fresh(Metrics(sources).render)
    return lambda _: Response(text(), CONTENT_TYPE)
