"""The status port put together. Imported only where the configuration has one: it costs nothing without."""

import logging
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.zones import zone_of
from wallbox2mqtt.daemon.reports import resident_bytes
from wallbox2mqtt.history.days import PastDays
from wallbox2mqtt.log import RecentLines
from wallbox2mqtt.web import routes
from wallbox2mqtt.web.day_log import DayLog
from wallbox2mqtt.web.document import Sources, StatusDocument
from wallbox2mqtt.web.feed import Feed
from wallbox2mqtt.web.history import History
from wallbox2mqtt.web.http import Handler
from wallbox2mqtt.web.port import StatusPort

if TYPE_CHECKING:
    from wallbox2mqtt.daemon.wiring import Wiring


class StatusPage:
    """The port, and what it needs each second. Main calls it."""

    def __init__(self, parts: "Wiring", address: tuple[str, int]) -> None:
        self._parts, self._lines = parts, RecentLines()
        self._history = self._new_history()
        self._sources = self._new_sources()
        document = StatusDocument(self._sources, parts.clock)
        route, clients = routes.router(self._routes(document)), parts.config.web.clients
        self._port = StatusPort(address, route, Feed(document), parts.clock, clients=clients)

    def _new_sources(self) -> Sources:
        parts, mqtt = self._parts, self._parts.mqtt
        return Sources(
            bridge=parts.bridge,
            broker=parts.config.mqtt.where,
            is_online=lambda: mqtt.answers,
            reconnects=lambda: max(0, mqtt.connects - 1),
            stalls=lambda: mqtt.stalls,
            unpublished=lambda: mqtt.unpublished,
            verdict=parts.health.told,
            threads=parts.health.threads,
            lines=self._lines.lines,
            memory_bytes=resident_bytes,
        )

    def _new_history(self) -> History:
        states, clock = self._parts.bridge.states, self._parts.clock
        days = PastDays(self._parts.storage, lambda charger_id: zone_of(states.view(charger_id)), clock.wall)

        def past(charger_id: int) -> tuple[list[Json], list[Json]]:
            found = days.of(charger_id)
            return [list(astuple(day)) for day in found.days], [asdict(session) for session in found.sessions]

        return History(states, self._parts.bridge.shared.registry, clock, past, DayLog())

    def _routes(self, document: StatusDocument) -> dict[str, Handler]:
        parts = self._parts
        return {
            **routes.files(),
            "/api/status": routes.document(document.current),
            "/api/history": self._history.serve,
            "/events": routes.stream,
            "/livez": routes.verdict(parts.health.live),
            "/readyz": routes.verdict(parts.health.ready),
            "/metrics": self._metrics(),
        }

    def _metrics(self) -> Handler:
        """Return the handler of the metrics; without prometheus-client it says how to get them."""
        try:
            from wallbox2mqtt.web.metrics import CONTENT_TYPE, Metrics  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            if error.name != "prometheus_client":
                raise
            return lambda _: routes.NO_METRICS
        return routes.document(Metrics(self._sources, self._parts.clock).render, CONTENT_TYPE)

    def start(self) -> None:
        """Listen, and keep the log's lines from now on."""
        logging.getLogger().addHandler(self._lines)
        self._port.start()

    def look(self) -> None:
        """Record the minute, and start the port's thread anew where it has died."""
        self._history.look()
        self._port.look()

    def stop(self) -> None:
        """Listen no more."""
        self._port.stop()
        logging.getLogger().removeHandler(self._lines)
