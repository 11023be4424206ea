"""The metrics: every figure read from the state of a bridge that has read its simulated chargers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import REGISTRY

from tests.fakes import A_DAY, FakeClock
from tests.parts import Parts
from wallbox2mqtt import __version__
from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.command_times import BOUNDS_S, KINDS, CommandTimes
from wallbox2mqtt.bridge.results import Result
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.documents import Reading
from wallbox2mqtt.simulator import ChargerSpec, Fault, Settings, Simulator
from wallbox2mqtt.web.document import Sources
from wallbox2mqtt.web.metrics import PREFIX, Metrics

ONE, TWO = 101, 102
GENEROUS = Settings(reads_per_minute=None, writes_per_minute=None)
CHARGING: tuple[tuple[str, Json], ...] = (("unlock", None), ("plug", 30))
NAME = 'Süd "1"\n\\'

Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


def parsed(text: bytes) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix(PREFIX), {})[frozenset(sample.labels.items())] = sample.value
    return found


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


class Bench:
    """The parts of a bridge with two simulated chargers, and the metrics of it."""

    def __init__(self, clock: FakeClock, directory: Path, cloud: Simulator) -> None:
        self.cloud, self.clock = cloud, clock
        self.parts = Parts(cloud, clock, directory, poll_interval=20, reads_per_minute=60)
        self.sources = Sources(
            bridge=self.parts.whole,
            broker="localhost:1883",
            is_online=lambda: True,
            reconnects=lambda: 3,
            stalls=lambda: 1,
            unpublished=lambda: 12,
            threads=lambda: {"reader": True, "writer": False},
            verdict=lambda: ([], ""),
            lines=list,
            memory_bytes=lambda: 40_000_000,
        )
        self.metrics = Metrics(self.sources, clock)

    def read(self) -> Samples:
        return parsed(self.metrics.render())

    def of(self, name: str, **values: str) -> float | None:
        return self.read().get(name, {}).get(labels(**values))

    def run(self, seconds: float) -> None:
        self.parts.run(seconds, then=self.parts.reasons.look)
        self.parts.reasons.look()


@contextmanager
def serving(clock: FakeClock, directory: Path) -> Iterator[Bench]:
    """Return a bridge that has read its two chargers."""
    changes: dict[str, Json] = {"config_data.auto_lock": 0, "config_data.max_charging_current": 16}
    specs = [
        ChargerSpec(id=ONE, begin=CHARGING, changes=changes, name=NAME),
        ChargerSpec(id=TWO, begin=(("unplug", None), ("lock", None))),
    ]
    with Simulator(chargers=specs, clock=clock, settings=GENEROUS) as cloud:
        bench = Bench(clock, directory, cloud)
        bench.run(130)
        yield bench


@pytest.fixture
def bench(clock: FakeClock, tmp_path: Path) -> Iterator[Bench]:
    with serving(clock, tmp_path) as bench:
        yield bench


def test_a_charger(bench: Bench) -> None:
    bench.parts.states.show(ONE, "energy_total", 1234.567)
    bench.parts.states.show(ONE, "history/this_month/cost", 20.07)
    bench.parts.states.show(ONE, "history/last_month/energy", 0.001)
    found, one, two = bench.read(), labels(charger="101"), labels(charger="102")
    power_kw = bench.parts.states.value(ONE, "charging_power")
    assert isinstance(power_kw, float)
    assert found["charger_power_watts"][one] == pytest.approx(power_kw * 1000)
    assert found["charger_energy_joules_total"] == {one: 1234.567 * 3_600_000}
    assert found["charger_limit_amperes"][one] == 16
    assert (found["charger_locked"][one], found["charger_locked"][two]) == (0, 1)
    assert (found["charger_car_connected"][one], found["charger_car_connected"][two]) == (1, 0)
    assert (found["charger_charging"][one], found["charger_charging"][two]) == (1, 0)
    assert found["charger_online"] == {one: 1, two: 1}
    assert found["charger_why"] == {
        labels(charger="101", code="charging"): 1,
        labels(charger="102", code="locked"): 1,
    }
    assert found["charger_month_cost"] == {labels(charger="101", month="this_month", currency="EUR"): 20.07}
    assert found["charger_month_energy_joules"] == {labels(charger="101", month="last_month"): 3600}


def test_names_that_people_give_stand_in_one_metric_only(bench: Bench) -> None:
    found = bench.read()
    assert {metric for metric, samples in found.items() for one in samples if NAME in dict(one).values()} == {
        "charger_info"
    }
    (info,) = [dict(one) for one in found["charger_info"] if ("charger", "101") in one]
    assert (info["model"], info["part_number"]) == ("PulsarPlus", "PLP1-M-2-4-9-002-F")
    assert info["firmware"]


def test_the_age_of_a_value_grows(bench: Bench) -> None:
    before = bench.of("charger_value_age_seconds", charger="101")
    bench.clock.advance(100)
    after = bench.of("charger_value_age_seconds", charger="101")
    assert before is not None
    assert after == before + 100


def test_the_bridge(bench: Bench) -> None:
    found = bench.read()
    nothing = labels()
    (build,) = [dict(one) for one in found["build_info"]]
    assert build["version"] == __version__
    assert found["start_time_seconds"] == {nothing: A_DAY}
    assert found["healthy"] == found["cloud_online"] == found["broker_connected"] == {nothing: 1}
    assert found["cloud_reason"] == {labels(reason="ok"): 1}
    assert A_DAY < found["last_read_timestamp_seconds"][nothing] <= bench.clock.wall()
    assert found["read_interval_seconds"] == {nothing: 20}
    assert found["thread_alive"] == {labels(thread="reader"): 1, labels(thread="writer"): 0}
    assert found["requests_total"] == {
        labels(budget="sign_in", kind="sign_in", outcome="ok"): 1,
        labels(budget="read", kind="list", outcome="ok"): 5,
        labels(budget="read", kind="detail", outcome="ok"): 2,
    }
    assert found["broker_reconnects_total"] == {nothing: 3}
    assert found["broker_stalls_total"] == {nothing: 1}
    assert found["broker_unpublished"] == {nothing: 12}
    assert found["resident_memory_bytes"] == {nothing: 40_000_000}
    assert found["commands_waiting"] == {nothing: 0}


def test_the_budget(bench: Bench) -> None:
    found, read, write = bench.read(), labels(budget="read"), labels(budget="write")
    assert found["budget_slots"] == {read: 60, write: 5}
    assert found["budget_window_seconds"] == {read: 60, write: 60}
    assert found["budget_free"][write] == 5
    assert found["budget_free"][read] < 60
    for charger in (ONE, TWO):
        bench.parts.send(f"{charger}/max_charging_current", "10")
        bench.parts.settle()
    assert bench.of("budget_free", budget="write") == 3
    bench.clock.advance(61)
    assert bench.of("budget_free", budget="read") == 60


def test_refusals(bench: Bench) -> None:
    assert bench.read()["refusals_total"] == {labels(budget="read"): 0, labels(budget="write"): 0}
    bench.cloud.fault(Fault(kind="status", status=429, count=None))
    bench.run(25)
    assert bench.of("refusals_total", budget="read") == 1
    assert (bench.of("backoff_seconds", budget="read") or 0) > 0
    assert bench.read()["cloud_reason"] == {labels(reason="rate_limited"): 1}


def test_commands(bench: Bench) -> None:
    bench.parts.send(f"{ONE}/max_charging_current", "10")
    bench.parts.settle()
    bench.parts.send(f"{ONE}/max_charging_current", "much")
    bench.parts.settle()
    counts = bench.read()["command_duration_seconds_count"]
    assert counts == {labels(status=kind): float(kind in {"ok", "rejected"}) for kind in KINDS}


def test_what_is_not_known_has_no_sample(clock: FakeClock, tmp_path: Path) -> None:
    with Simulator(chargers=[ChargerSpec(id=ONE)], clock=clock, settings=GENEROUS) as cloud:
        bench = Bench(clock, tmp_path, cloud)
        nothing_read = bench.read()
        bench.metrics = Metrics(replace(bench.sources, memory_bytes=lambda: None), bench.clock)
        assert "resident_memory_bytes" not in bench.read()
    for name in ("cloud_online", "cloud_reason", "last_read_timestamp_seconds", "charger_power_watts", "charger_why"):
        assert name not in nothing_read


@pytest.mark.parametrize("value", [None, "", "16", float("nan"), 10**400])
def test_what_is_no_number_has_no_sample(bench: Bench, value: Json) -> None:
    bench.parts.states.show(TWO, "energy_total", value)
    assert bench.of("charger_energy_joules_total", charger="102") is None


@pytest.mark.parametrize("name", ["\ud800", "\0", "a\r\nb", "{}", "\u2028", "x" * 10_000])
def test_any_name_can_be_told(bench: Bench, name: str) -> None:
    bench.parts.states.take_reading(ONE, Reading({"name": name}), bench.clock.monotonic())
    assert bench.read()["charger_info"]


def test_a_charger_that_is_gone_is_gone(bench: Bench) -> None:
    bench.cloud.remove(TWO)
    bench.parts.registry.record_list([ONE])
    bench.clock.advance(90_000)
    bench.parts.registry.record_list([ONE])
    assert not [one for samples in bench.read().values() for one in samples if ("charger", "102") in one]


def test_names_keep_the_conventions(bench: Bench) -> None:
    for line in bench.metrics.render().decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name.startswith(PREFIX)
            assert name.endswith("_total") == (kind == "counter")
            assert not name.endswith(("_kwh", "_kw", "_percent", "_ms", "_count"))
        elif not line.startswith("#"):
            assert line.startswith(PREFIX)


def test_the_registry_of_the_process_stays_as_it_was(bench: Bench) -> None:
    bench.metrics.render()
    assert not [name for name in REGISTRY._names_to_collectors if name.startswith(PREFIX)]  # noqa: SLF001 - nothing else tells


@pytest.mark.parametrize(
    ("took_ms", "first"), [(0, 0), (50, 0), (51, 1), (120_000, len(BOUNDS_S) - 1), (120_001, len(BOUNDS_S))]
)
def test_the_classes_of_the_histogram(took_ms: int, first: int) -> None:
    times = CommandTimes()
    times.record(QueuedCommand(ONE, "locked", 0.0), Result("ok", None, None, None, took_ms))
    counted = times.by_kind()["ok"]
    assert counted.counts == (0,) * first + (1,) * (len(BOUNDS_S) + 1 - first)
    assert counted.sum_s == took_ms / 1000


def test_late_failures_are_a_kind_of_their_own() -> None:
    assert Result("failed", 1, "not confirmed: an OCPP back end runs it", None, 0).kind == "not_confirmed"
    assert Result("failed", 1, "expired", None, 0).kind == "failed"
