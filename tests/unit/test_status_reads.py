"""Extra status reads from writes that no command needs, and reads in step with the charger's reports."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.parts import OpenCloud, Parts, most_in_a_minute
from wallbox2mqtt.simulator import ChargerSpec, Fault, Settings, Simulator

ONE, TWO, THREE = 101, 102, 103
UNPLUGGED = (("unplug", None), ("unlock", None))
CHARGING = (("unlock", None), ("plug", 1000.0))
DAY_S = 86_400.0

Make = Callable[..., Parts]


def spec(charger_id: int, *, charging: bool) -> ChargerSpec:
    return ChargerSpec(id=charger_id, begin=CHARGING if charging else UNPLUGGED, changes={"config_data.auto_lock": 0})


@pytest.fixture
def make(open_cloud: OpenCloud, clock: FakeClock, tmp_path: Path) -> Make:
    """Return the parts of a bridge for an account with so many chargers, the first of them charging."""

    def make_parts(
        count: int = 1,
        *,
        cloud: Simulator | None = None,
        report_s: float | None = None,
        charging: int = 1,
        **options: Any,  # noqa: ANN401 - any key of the configuration
    ) -> Parts:
        if cloud is None:
            settings = Settings(reads_per_minute=1, writes_per_minute=5, report_interval_s=report_s)
            specs = [spec(ONE + number, charging=number < charging) for number in range(count)]
            cloud = open_cloud(chargers=specs, settings=settings)
        return Parts(cloud, clock, tmp_path, **{"status_writes_per_minute": 1, **options})

    return make_parts


def status_reads(parts: Parts) -> list[tuple[float, int | None]]:
    return [(one.at, one.charger) for one in parts.sent_writes if one.method == "PUT" and one.body is None]


class TestStatusReads:
    @pytest.mark.parametrize(("per_minute", "count"), [(0, 0), (1, 10), (2, 20), (3, 20)])
    def test_so_many_a_minute_and_three_writes_stay_free(self, make: Make, per_minute: int, count: int) -> None:
        parts = make(charging=0, status_writes_per_minute=per_minute)
        parts.run(601)
        assert abs(len(status_reads(parts)) - count) <= 1
        assert most_in_a_minute(parts.sent_writes) <= 2
        assert not [one for one in parts.cloud.requests if one.limited]

    def test_in_the_middle_between_two_reads(self, make: Make) -> None:
        parts = make()
        parts.run(601)
        reads = [one.at for one in parts.sent_reads]
        for at, _ in status_reads(parts):
            before = max(read for read in reads if read <= at)
            assert 29 <= at - before <= 31

    def test_what_it_shows_is_shown(self, make: Make) -> None:
        parts = make(charging=0)
        parts.run(121)
        parts.cloud.charger(ONE).do("lock")
        parts.run(31)
        assert parts.last(f"{ONE}/locked") == "1"
        assert parts.last(f"{ONE}/status") == "Locked"

    def test_they_stand_for_the_basic_document_once_that_was_read(self, make: Make) -> None:
        parts = make(charging=0)
        parts.run(3 * 3600, each_s=60)
        assert len([one for one in parts.sent_reads if one.path == f"v2/charger/{ONE}"]) == 1

    def test_of_several_the_one_that_matters(self, make: Make) -> None:
        parts = make(3)
        parts.run(601)
        assert {charger for _, charger in status_reads(parts)} == {ONE}

    def test_none_where_none_matters(self, make: Make) -> None:
        parts = make(3, charging=0)
        parts.run(601)
        assert status_reads(parts) == []

    def test_a_just_commanded_one_matters(self, make: Make) -> None:
        parts = make(3, charging=0)
        parts.run(121)
        parts.send(f"{TWO}/locked", "1")
        parts.run(121)
        assert {charger for _, charger in status_reads(parts)} == {TWO}

    def test_commands_find_three_writes_free(self, make: Make) -> None:
        parts = make(status_writes_per_minute=3)
        parts.run(601)
        for key, value in (("max_charging_current", "7"), ("name", "new")):
            parts.send(f"{ONE}/{key}", value)
            parts.settle()
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        assert parts.statuses() == {"ok": 3}

    def test_none_while_a_command_waits(self, make: Make) -> None:
        parts = make(max_age_s=600)
        parts.run(121)
        parts.cloud.fault(Fault(kind="status", status=429, path="chargers/config/*", count=None))
        parts.send(f"{ONE}/energy_price", "0.5")
        parts.settle()
        before = len(status_reads(parts))
        parts.run(300)
        assert len(parts.queue)
        assert len(status_reads(parts)) == before

    @pytest.mark.parametrize("writes", [0.5, 1, 3])
    def test_none_from_a_small_budget(self, make: Make, writes: float) -> None:
        parts = make(writes_per_minute=writes)
        parts.run(601)
        assert status_reads(parts) == []


class TestRefused:
    @pytest.mark.parametrize("status", [429, 405, 400])
    def test_off_for_a_day_for_all(
        self, make: Make, clock: FakeClock, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        parts = make()
        parts.run(61)
        parts.cloud.forget_requests()
        parts.cloud.fault(Fault(kind="status", status=status, path="v2/charger/*", method="PUT"))
        parts.run(300)
        assert len(status_reads(parts)) == 1
        assert caplog.text.count("no extra status reads of all chargers for a day") == 1
        assert parts.last("bridge/cloud_reason") == "ok"
        parts = make(cloud=parts.cloud)
        assert parts.status_reads.per_minute == 0
        parts.run(300)
        assert len(status_reads(parts)) == 1
        clock.advance(DAY_S)
        parts = make(cloud=parts.cloud)
        parts.run(300)
        assert len(status_reads(parts)) > 1
        assert (parts.status_reads.per_minute, parts.status_reads.again_at) == (1, None)

    def test_403_turns_off_that_charger_and_two_of_them_all(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        parts = make(3, charging=3)
        parts.run(121)
        parts.cloud.forget_requests()
        parts.cloud.fault(Fault(kind="status", status=403, path=f"v2/charger/{ONE}", method="PUT", count=None))
        parts.run(601)
        assert [charger for _, charger in status_reads(parts)].count(ONE) == 1
        assert parts.status_reads.per_minute == 1
        assert len(status_reads(parts)) > 5
        parts.cloud.fault(Fault(kind="status", status=403, path=f"v2/charger/{TWO}", method="PUT", count=None))
        parts.run(601)
        assert parts.status_reads.per_minute == 0
        assert parts.status_reads.again_at is not None
        assert caplog.text.count("no extra status reads") == 2

    @pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}], ids=str)
    def test_a_fault_turns_nothing_off(self, make: Make, fault: dict[str, Any]) -> None:
        parts = make()
        parts.run(61)
        parts.cloud.fault(Fault(kind="status", path="v2/charger/*", method="PUT", count=2, **fault))
        parts.run(300)
        assert parts.status_reads.per_minute == 1
        assert parts.last("bridge/cloud") == "online"

    @pytest.mark.parametrize(
        "kept", [{"off": []}, {"off": {"0": "x", "x": 1, "9" * 5000: 1}}, {"off": {"0": -1e300}}], ids=["a", "b", "c"]
    )
    def test_what_is_kept_may_be_damaged(self, make: Make, kept: dict[str, Any]) -> None:
        parts = make()
        parts.registry._storage.write("status_reads", kept)  # noqa: SLF001 - as a full disk would
        assert make(cloud=parts.cloud).status_reads.per_minute == 1


class TestInStep:
    def test_details_of_one_that_charges_come_after_its_reports(self, make: Make, clock: FakeClock) -> None:
        parts = make(report_s=30.0, status_writes_per_minute=0)
        ages: list[float] = []

        def look() -> None:
            if len(parts.details) > len(ages):
                reported = datetime.fromisoformat(parts.last(f"{ONE}/last_sync") or "")
                ages.append(clock.wall() - reported.timestamp())

        clock.advance(17)
        parts.run(3600, each_s=0.5, then=look)
        assert len(ages) > 50
        assert max(ages[6:]) < 7
        assert most_in_a_minute(parts.sent_reads) == 1

    def test_an_idle_one_is_read_evenly(self, make: Make) -> None:
        parts = make(report_s=30.0, charging=0, status_writes_per_minute=0)
        parts.run(1801)
        assert len(parts.sent_reads) >= 30
