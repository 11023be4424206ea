"""Why a charger charges or does not: a sentence for each status, and what commands add to it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import A_DAY, FakeClock
from tests.parts import Parts
from wallbox2mqtt.catalogue import FIELDS, STATUSES, Json
from wallbox2mqtt.catalogue.reasons import CODES, LONGEST_TEXT, Circumstances, Done, Reason, reason_of
from wallbox2mqtt.catalogue.slots import DAYS
from wallbox2mqtt.catalogue.zones import local_time
from wallbox2mqtt.simulator import ChargerSpec, Fault, Settings, Simulator
from wallbox2mqtt.storage import Storage

ONE = 101
NOW = datetime(2026, 10, 5, 18, 30, tzinfo=UTC).timestamp()
EARLIER = datetime(2026, 10, 5, 16, 2, tzinfo=UTC).timestamp()
BERLIN: dict[str, Json] = {"timezone": "Europe/Berlin"}
PAUSED = Done("paused", EARLIER)


def known(**circumstances: Any) -> Circumstances:  # noqa: ANN401 - any of them
    return Circumstances(now=NOW, **circumstances)


CASES: list[tuple[dict[str, Json], Circumstances, str, str]] = [
    ({"status_id": 194}, known(), "charging", "charging"),
    ({"status_id": 194, "max_charging_current": 16}, known(), "charging", "charging with at most 16 A"),
    ({"status_id": 196}, known(), "discharging", "discharging: the car gives energy back"),
    ({"status_id": 195, "charging_power": -3.2}, known(), "discharging", "discharging: the car gives energy back"),
    ({"status_id": 161}, known(), "no_car", "no car"),
    ({"status_id": 181}, known(), "no_demand", "the car is full or asks for nothing"),
    ({"status_id": 209}, known(), "locked", "locked; unlock it to charge"),
    ({"status_id": 182}, known(), "paused", "paused; resume it to charge"),
    ({"status_id": 182}, known(paused=EARLIER), "paused_by_command", "paused here at 18:02 by a command"),
    ({"status_id": 194}, known(paused=EARLIER), "charging", "charging"),
    (
        {"status_id": 194},
        known(unshown=PAUSED),
        "settling",
        "paused here at 18:02 by a command, which the charger has not shown yet",
    ),
    ({"status_id": 179}, known(), "waiting_for_schedule", "waiting for the schedule"),
    (
        {"status_id": 177, "schedule/next": "2026-10-05T21:00:00+00:00"},
        known(),
        "waiting_for_schedule",
        "waiting for the schedule until 23:00",
    ),
    (
        {"status_id": 177, "schedule/next": "2026-10-06T21:00:00+00:00"},
        known(),
        "waiting_for_schedule",
        "waiting for the schedule until 2026-10-06 23:00",
    ),
    (
        {"status_id": 177, "schedule/next": "2026-10-05T21:00:00+00:00", "timezone": None},
        known(),
        "waiting_for_schedule",
        "waiting for the schedule until 21:00 UTC",
    ),
    (
        {
            "status_id": 177,
            "schedule/next": "2026-10-06T16:00:00+00:00",
            "schedule/ends": "2026-10-06T04:00:00+00:00",
        },
        known(),
        "waiting_for_schedule",
        "waiting for the schedule, which has begun by now",
    ),
    ({"status_id": 189, "eco_smart": "eco"}, known(), "waiting_for_sun", "waiting for sun (Eco-Smart)"),
    (
        {"status_id": 189, "eco_smart": "full_green"},
        known(),
        "waiting_for_sun",
        "waiting for sun (Eco-Smart, sun only)",
    ),
    ({"status_id": 184}, known(), "waiting_for_power_sharing", "in the queue of Power Sharing"),
    ({"status_id": 186}, known(), "waiting_for_power_boost", "Power Boost has no power left"),
    (
        {"status_id": 186, "icp_max_current": 25},
        known(),
        "waiting_for_power_boost",
        "Power Boost has no power left within the house's 25 A",
    ),
    (
        {"status_id": 187},
        known(),
        "waiting_for_meter",
        "its meter (MID) does not let it charge: see the charger",
    ),
    (
        {"status_id": 210, "operation_mode": "ocpp", "ocpp_status": 4},
        known(),
        "ocpp",
        "an OCPP back end runs it; the charger says: Locked - Car connected",
    ),
    (
        {"status_id": 182, "operation_mode": "ocpp", "ocpp_status": 1},
        known(),
        "paused",
        "paused; resume it to charge",
    ),
    ({"status_id": 194, "operation_mode": "ocpp"}, known(), "charging", "charging"),
    ({"status_id": 14}, known(), "error", "error: see the charger"),
    ({"status_id": 166}, known(), "updating", "updating its firmware"),
    ({"status_id": 5}, known(), "offline", "offline: not in touch with the cloud"),
    (
        {"status_id": 194, "last_sync": "2026-10-05T16:02:00+00:00"},
        known(out_of_touch=True),
        "offline",
        "offline: not in touch with the cloud since 18:02",
    ),
    (
        {"status_id": 0, "last_sync": "0001-01-01T00:00:00+00:00"},
        known(),
        "offline",
        "offline: not in touch with the cloud",
    ),
    (
        {"status_id": 194},
        known(unreadable="no rights to read charger 101"),
        "no_rights",
        "no rights to read charger 101",
    ),
    (
        {"status_id": 194},
        known(gone=True, unreadable="the account has no charger 101"),
        "gone",
        "gone: the account has no such charger any more",
    ),
    (
        {"status_id": 194},
        known(cloud_fault=("timeout", EARLIER)),
        "cloud_unreachable",
        "unknown: nothing could be read from the cloud since 18:02 (timeout)",
    ),
    ({"status_id": None}, known(), "unknown", "unknown: the cloud does not tell the charger's status"),
    ({}, known(), "unknown", "unknown: the cloud does not tell the charger's status"),
    ({"status_id": 200}, known(), "unknown", "unknown: the charger's status is 200, which no document names"),
]


@pytest.mark.parametrize(
    ("view", "circumstances", "code", "text"), CASES, ids=[f"{c} {t}"[:60] for _, _, c, t in CASES]
)
def test_each_reason(view: dict[str, Json], circumstances: Circumstances, code: str, text: str) -> None:
    assert reason_of({**BERLIN, **view}, circumstances) == Reason(code, text)


def test_the_table_has_every_reason() -> None:
    assert {code for *_, code, _ in CASES} == set(CODES)


@pytest.mark.parametrize("status_id", STATUSES)
def test_every_status_has_a_sentence(status_id: int) -> None:
    reason = reason_of({"status_id": status_id}, known())
    assert reason.code == STATUSES[status_id].why
    assert reason.text


def test_the_words_of_the_row_are_the_codes() -> None:
    assert FIELDS["why/code"].words == CODES


def test_the_reference_has_every_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")
    section = text.partition("## Why it charges or does not")[2].partition("## ")[0]
    assert {code for code in CODES if f"`{code}`" not in section} == set()


@pytest.mark.parametrize("value", ["tomorrow", "2026-10-05T21:00:00", 7, None, "9999-12-31T23:59:59+00:00"])
def test_a_time_that_is_none_is_left_out(value: Json) -> None:
    assert reason_of({"status_id": 179, "schedule/next": value}, known()).text == "waiting for the schedule"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", 3, None])
def test_without_a_time_zone_it_is_utc_and_says_so(zone: Json) -> None:
    assert local_time(EARLIER, NOW, {"timezone": zone}) == "16:02 UTC"


def test_a_reason_fits_into_a_state() -> None:
    assert len(Reason("paused", "x").with_failure("y" * 1000).sentence) == LONGEST_TEXT


READY: tuple[tuple[str, Json], ...] = (("unplug", None), ("unlock", None))
CHARGING: tuple[tuple[str, Json], ...] = (("unlock", None), ("plug", 30))
GENEROUS = Settings(reads_per_minute=None, writes_per_minute=None)


class Bench:
    """A bridge with one simulated charger; reads follow each other each 20 s."""

    def __init__(self, clock: FakeClock, directory: Path, begin: tuple[tuple[str, Json], ...], **options: Any) -> None:  # noqa: ANN401
        changes: dict[str, Json] = {"config_data.auto_lock": 0, "config_data.timezone": "Europe/Berlin"}
        self.cloud = Simulator(
            chargers=[ChargerSpec(id=ONE, begin=begin, changes=changes)], clock=clock, settings=GENEROUS
        )
        self.cloud.start()
        self.clock, self.directory = clock, directory
        self.options = {"poll_interval": 20, "reads_per_minute": 60, **options}
        self.start()

    def start(self) -> None:
        self.parts = Parts(self.cloud, self.clock, self.directory, **self.options)
        self.run(45)

    def run(self, seconds: float) -> None:
        self.parts.run(seconds, then=self.look)
        self.look()

    def look(self) -> None:
        self.parts.schedules.look()
        self.parts.reasons.look()

    def command(self, key: str, text: str) -> None:
        self.parts.send(f"{ONE}/{key}", text)
        self.parts.settle()
        self.parts.reasons.look()

    @property
    def why(self) -> tuple[str, str]:
        return self.parts.last(f"{ONE}/why/code") or "", self.parts.last(f"{ONE}/why") or ""


Make = Callable[..., Bench]


@pytest.fixture
def make(clock: FakeClock, tmp_path: Path) -> Iterator[Make]:
    made: list[Bench] = []

    def make_bench(begin: tuple[tuple[str, Json], ...] = CHARGING, **options: Any) -> Bench:  # noqa: ANN401
        made.append(Bench(clock, tmp_path, begin, **options))
        return made[-1]

    yield make_bench
    for bench in made:
        bench.cloud.stop()


def test_a_pause_by_command(make: Make) -> None:
    bench = make()
    assert bench.why[0] == "charging"
    bench.command("charging_enabled", "off")
    assert bench.why == ("settling", "paused here at 14:00 by a command, which the charger has not shown yet")
    bench.run(90)
    assert bench.why == ("paused_by_command", "paused here at 14:00 by a command")
    bench.clock.advance(86_400)
    bench.run(30)
    assert bench.why == ("paused_by_command", "paused here at 2026-10-05 14:00 by a command")
    bench.command("action", "resume")
    bench.run(90)
    assert bench.why[0] == "charging"


def test_a_pause_of_somebody_else_is_not_ours(make: Make) -> None:
    bench = make()
    bench.command("action", "pause")
    bench.run(90)
    bench.cloud.charger(ONE).do("resume")
    bench.run(90)
    bench.cloud.charger(ONE).do("pause")
    bench.run(90)
    assert bench.why == ("paused", "paused; resume it to charge")


def test_a_pause_is_remembered_over_a_restart(make: Make) -> None:
    bench = make()
    bench.command("action", "pause")
    bench.run(90)
    bench.start()
    assert bench.why == ("paused_by_command", "paused here at 14:00 by a command")


def test_a_lock_that_has_not_shown_yet(make: Make) -> None:
    bench = make(READY)
    bench.command("locked", "1")
    assert bench.why == ("settling", "locked here at 14:00 by a command, which the charger has not shown yet")
    bench.run(90)
    assert bench.why == ("locked", "locked; unlock it to charge")


def test_a_command_that_failed_is_told_until_the_reason_changes(make: Make) -> None:
    bench = make((*CHARGING, ("lock", None)))
    bench.command("charging_enabled", "on")
    bench.run(30)
    failed = "charging_enabled: the cloud answered 409: the charger is locked, unlock it first"
    assert bench.why == ("locked", f"locked; unlock it to charge (14:00: {failed})")
    bench.cloud.charger(ONE).do("unlock")
    bench.run(60)
    assert bench.why[1].startswith("charging")
    bench.cloud.charger(ONE).do("lock")
    bench.run(60)
    assert bench.why == ("locked", "locked; unlock it to charge")


def test_a_command_that_failed_is_told_for_an_hour(make: Make) -> None:
    bench = make((*CHARGING, ("lock", None)))
    bench.command("action", "dance")
    assert "(14:00: action: " in bench.why[1]
    bench.clock.advance(3500)
    bench.parts.reasons.look()
    assert "(14:00: action: " in bench.why[1]
    bench.clock.advance(400)
    bench.parts.reasons.look()
    assert bench.why == ("locked", "locked; unlock it to charge")


def test_a_schedule_that_waits(make: Make) -> None:
    days: Json = dict.fromkeys(DAYS, True)
    night: dict[str, Json] = {"id": 0, "enable": True, "start": "2100", "stop": "0400", "days": days, "max_current": 16}
    bench = make((("schedules", [{**night, "max_energy": 0, "chargerId": ONE}]), *CHARGING))
    bench.run(400)
    assert bench.why == ("waiting_for_schedule", "waiting for the schedule until 23:00")
    bench.command("action", "resume")
    bench.run(120)
    assert bench.why[0] == "charging"


def test_commands_that_neither_start_nor_stop_add_nothing(make: Make) -> None:
    bench = make((*CHARGING, ("lock", None)))
    bench.command("max_charging_current", "99")
    assert bench.why == ("locked", "locked; unlock it to charge")


def test_a_cloud_that_cannot_be_read(make: Make) -> None:
    bench = make()
    bench.cloud.fault(Fault(kind="status", count=None))
    bench.run(200)
    code, text = bench.why
    assert (code, text.partition("14:")[0]) == (
        "cloud_unreachable",
        "unknown: nothing could be read from the cloud since ",
    )
    assert text.endswith("(http_5xx)")
    bench.start()
    bench.run(200)
    assert bench.why[0] == "cloud_unreachable", "the values of the run before are no longer true"
    bench.cloud.clear_faults()
    bench.run(1000)
    assert bench.why[0] == "charging"


def test_nothing_is_said_before_something_is_known(clock: FakeClock, tmp_path: Path) -> None:
    with Simulator(chargers=[ChargerSpec(id=ONE)], clock=clock, settings=GENEROUS) as cloud:
        parts = Parts(cloud, clock, tmp_path, chargers=[ONE])
        parts.reasons.look()
    assert not parts.published


def test_it_goes_with_its_charger(make: Make) -> None:
    bench = make()
    assert {f"w/{ONE}/why", f"w/{ONE}/why/code"} <= set(bench.parts.states.forget(ONE))


def test_it_is_announced_again(make: Make) -> None:
    bench = make()
    bench.parts.published.clear()
    list(bench.parts.states.announcing())
    assert bench.why[0] == "charging"


@pytest.mark.parametrize("paused", [None, [1], {"x": 1, "٣": 1, "101": "then"}, {"101": 1e300}, {"101": -5}])
def test_a_damaged_file_is_no_fault(make: Make, tmp_path: Path, paused: Json) -> None:
    bench = make()
    Storage(tmp_path, "account").write("why", {"paused": paused})
    bench.start()
    assert bench.why[0] == "charging"


def test_the_day_of_the_tests_is_a_summer_day() -> None:
    assert local_time(A_DAY, A_DAY, BERLIN) == "14:00"
