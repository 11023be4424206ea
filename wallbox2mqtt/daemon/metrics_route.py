"""The metrics put together, where the library that they need is installed."""

from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.daemon.health import Health
from wallbox2mqtt.daemon.reports import resident_bytes
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.web.http import Handler
from wallbox2mqtt.web.routes import NO_METRICS, document


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
    return document(Metrics(sources).render, CONTENT_TYPE)
