"""The metrics for Prometheus, read from the state when they are asked for. The one home of prometheus-client.

Names begin with ``wallbox2mqtt_``; units are those of Prometheus: watts, joules, amperes, seconds, bytes. What is not
known has no sample. The charger's number is the one label of its figures; only one metric has names that people give.
"""

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from wallbox2mqtt import __version__
from wallbox2mqtt.bridge.command_times import BOUNDS_S
from wallbox2mqtt.catalogue import Json, Values
from wallbox2mqtt.catalogue.quantities import is_number
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.topics import ONLINE
from wallbox2mqtt.web.document import Sources

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "wallbox2mqtt_"
_JOULES, _WATTS = 3_600_000, 1000
"""In a kWh; in a kW."""

_Row = tuple[str, str, str, float]
_GAUGES: tuple[_Row, ...] = (
    ("charger_power_watts", "Power into the car; negative: out of it.", "charging_power", _WATTS),
    ("charger_session_energy_joules", "Energy of the session, as the cloud shows it.", "added_energy", _JOULES),
    ("charger_limit_amperes", "Limit of the current that the user sets, per phase.", "max_charging_current", 1),
    ("charger_locked", "Whether it is locked.", "locked", 1),
    ("charger_car_connected", "Whether a car is plugged in.", "car_connected", 1),
    ("charger_charging", "Whether energy flows into the car.", "charging", 1),
    ("charger_status_id", "The number of its status.", "status_id", 1),
    ("charger_wifi_signal_ratio", "Strength of its Wi-Fi, from 0 to 1.", "basic/wifiSignal", 0.01),
    (
        "charger_state_of_charge_ratio",
        "The car's battery, from 0 to 1, where the charger knows it.",
        "state_of_charge",
        0.01,
    ),
)
"""Name, help, field, and how many of the metric's unit make one of the field's."""
_COUNTERS: tuple[_Row, ...] = (
    ("charger_energy_joules", "Energy into cars in all sessions.", "energy_total", _JOULES),
    ("charger_green_energy_joules", "The part of it from the sun.", "energy_green_total", _JOULES),
    ("charger_discharged_energy_joules", "Energy out of cars in all sessions.", "energy_discharged_total", _JOULES),
)
_MONTHS = ("this_month", "last_month")


class Metrics(Collector):
    """Makes the text that Prometheus reads."""

    def __init__(self, sources: Sources, clock: Clock) -> None:
        """Look at nothing yet; the registry is this one's own, not the library's, which is the process'."""
        self._sources = sources
        self._bridge, self._shared, self._clock = sources.bridge, sources.bridge.shared, clock
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def render(self) -> bytes:
        """Return all figures as they are now."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: what there is depends on the chargers."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return all figures as they are now."""
        yield from self._process()
        yield from self._cloud()
        yield from self._budgets()
        yield from self._broker()
        yield from self._commands()
        yield from self._chargers()

    def _process(self) -> Iterator[Metric]:
        sources = self._sources
        yield _gauge(
            "build_info", "The version.", ("version", "python"), [((__version__, platform.python_version()), 1)]
        )
        started = datetime.fromisoformat(self._bridge.status.started).timestamp()
        yield _plain("start_time_seconds", "When it was started, since 1970.", started)
        yield _plain("healthy", "Whether all is well, as «wallbox2mqtt health» sees it.", not sources.verdict()[0])
        yield _plain("standing_by", "Whether another bridge of the account works.", 0)
        if (memory := sources.memory_bytes()) is not None:
            yield _plain("resident_memory_bytes", "Memory of the process.", memory)
        threads = [((name,), alive) for name, alive in sources.threads().items()]
        yield _gauge("thread_alive", "Whether a thread was heard of in time.", ("thread",), threads)

    def _cloud(self) -> Iterator[Metric]:
        status = self._bridge.status
        online = status.shown("cloud")
        if online is not None:
            yield _plain("cloud_online", "Whether the cloud can be read.", online == ONLINE)
        if status.reason is not None:
            yield _gauge(
                "cloud_reason", "1 for the word that tells how the cloud is.", ("reason",), [((status.reason,), 1)]
            )
        if status.last_read is not None:
            at = self._clock.wall() - (self._clock.monotonic() - status.last_read)
            yield _plain("last_read_timestamp_seconds", "When the last good read ended, since 1970.", at)
        yield _plain("read_interval_seconds", "Time between two reads.", self._bridge.backoff.interval_s)
        asked = [(labels, count) for labels, count in sorted(self._shared.requests.totals().items())]
        yield _counter(
            "requests",
            "Requests to the cloud: by budget, what was asked for, what came.",
            ("budget", "kind", "outcome"),
            asked,
        )

    def _budgets(self) -> Iterator[Metric]:
        shared, reads, writes = self._shared, self._bridge.backoff, self._bridge.write_backoff
        both = (("read", shared.reads), ("write", shared.writes))
        label = ("budget",)
        slots = [((name,), budget.limit) for name, budget in both]
        yield _gauge("budget_slots", "Requests that the budget allows in its window.", label, slots)
        windows = [((name,), budget.window_s) for name, budget in both]
        yield _gauge("budget_window_seconds", "The budget's window.", label, windows)
        free = [((name,), budget.free) for name, budget in both]
        yield _gauge("budget_free", "Requests that the budget allows now.", label, free)
        refused = [(("read",), reads.refused_total), (("write",), writes.refused_total)]
        yield _counter("refusals", "Requests that the cloud refused as too many.", label, refused)
        held = [(("read",), reads.wait_s()), (("write",), writes.wait_s())]
        yield _gauge("backoff_seconds", "For how long nothing is asked after a refusal.", label, held)

    def _broker(self) -> Iterator[Metric]:
        sources = self._sources
        yield _plain("broker_connected", "Whether the broker is connected.", sources.is_online())
        yield _counter(
            "broker_reconnects", "Connections to the broker after the first.", (), [((), sources.reconnects())]
        )
        stalls = "Connections given up because the broker did not answer."
        yield _counter("broker_stalls", stalls, (), [((), sources.stalls())])
        yield _plain("broker_unpublished", "Messages that the broker has yet to take.", sources.unpublished())

    def _commands(self) -> Iterator[Metric]:
        yield _plain("commands_waiting", "Commands that wait for their turn.", len(self._shared.queue))
        what = "Commands by result, and the time from their arrival to it."
        times = HistogramMetricFamily(f"{PREFIX}command_duration_seconds", what, labels=("status",))
        for kind, one in self._bridge.command_times.by_kind().items():
            ends = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
            times.add_metric((kind,), list(zip(ends, map(float, one.counts), strict=True)), one.sum_s)
        yield times

    def _chargers(self) -> Iterator[Metric]:
        numbers = sorted(self._shared.registry.chargers)
        views = {str(number): self._bridge.states.view(number) for number in numbers}
        yield self._infos(views)
        yield self._reasons(views)
        for name, what, key, factor in _GAUGES:
            yield _gauge(name, what, ("charger",), _samples(views, key, factor))
        for name, what, key, factor in _COUNTERS:
            yield _counter(name, what, ("charger",), _samples(views, key, factor))
        yield from _months(views)
        online = [
            ((str(number),), not self._bridge.states.is_out_of_touch(number))
            for number in numbers
            if views[str(number)]
        ]
        yield _gauge("charger_online", "Whether it is in touch with the cloud.", ("charger",), online)
        yield _gauge(
            "charger_value_age_seconds", "Time since its newest reading began.", ("charger",), self._ages(numbers)
        )

    def _infos(self, views: Mapping[str, Values]) -> Metric:
        labels = {
            "name": "name",
            "model": "basic/chargerType",
            "part_number": "part_number",
            "firmware": "software/currentVersion",
        }
        rows = [((number, *(_text(view.get(key)) for key in labels.values())), 1) for number, view in views.items()]
        return _gauge("charger_info", "What the charger is; 1.", ("charger", *labels), rows)

    def _reasons(self, views: Mapping[str, Values]) -> Metric:
        rows = [((number, _text(code)), 1) for number, view in views.items() if (code := view.get("why/code"))]
        return _gauge("charger_why", "1 for the word that tells why it charges or does not.", ("charger", "code"), rows)

    def _ages(self, numbers: Sequence[int]) -> list[tuple[tuple[str, ...], float]]:
        now = self._clock.monotonic()
        read = {number: self._bridge.states.read_at(number) for number in numbers}
        return [((str(number),), max(0.0, now - at)) for number, at in read.items() if at is not None]


_Samples = Iterable[tuple[tuple[str, ...], float]]


def _samples(views: Mapping[str, Values], key: str, factor: float) -> _Samples:
    return [
        ((number,), value) for number, view in views.items() if (value := _number(view.get(key), factor)) is not None
    ]


def _months(views: Mapping[str, Values]) -> Iterator[Metric]:
    history = "by the cloud's history"
    labels = ("charger", "month")
    energy = _of_months(views, "energy", _JOULES)
    yield _gauge("charger_month_energy_joules", f"Energy of a month's sessions, {history}.", labels, energy)
    yield _gauge("charger_month_sessions", f"Sessions of a month, {history}.", labels, _of_months(views, "sessions", 1))
    currencies = {number: _text(view.get("currency/code")) for number, view in views.items()}
    costs = [((*pair, currencies[pair[0]]), value) for pair, value in _of_months(views, "cost", 1)]
    what = f"Cost of a month's sessions, {history}, in the charger's currency."
    yield _gauge("charger_month_cost", what, (*labels, "currency"), costs)


def _of_months(views: Mapping[str, Values], field: str, factor: float) -> list[tuple[tuple[str, str], float]]:
    return [
        ((number, month), value)
        for number, view in views.items()
        for month in _MONTHS
        if (value := _number(view.get(f"history/{month}/{field}"), factor)) is not None
    ]


def _number(value: Json, factor: float) -> float | None:
    """Return a value in the metric's unit; booleans are 1 and 0."""
    if isinstance(value, bool):
        return float(value)
    if not is_number(value):
        return None
    # no more digits than the cloud gives: 0.1 kW are 100 W
    return round(value * factor, 3)


def _text(value: Json) -> str:
    """Return a label's value, in characters that UTF-8 can say."""
    return "" if value is None else str(value).encode(errors="replace").decode()


def _plain(name: str, what: str, value: float) -> Metric:
    return _gauge(name, what, (), [((), value)])


def _gauge(name: str, what: str, labels: Sequence[str], samples: _Samples) -> Metric:
    return _filled(GaugeMetricFamily(f"{PREFIX}{name}", what, labels=labels), samples)


def _counter(name: str, what: str, labels: Sequence[str], samples: _Samples) -> Metric:
    """Return a counter; the library puts ``_total`` behind its name."""
    return _filled(CounterMetricFamily(f"{PREFIX}{name}", what, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: _Samples) -> Metric:
    for values, value in samples:
        family.add_metric(values, float(value))
    return family
