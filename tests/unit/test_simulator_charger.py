"""A simulated charger through time: its states, its figures, what happens by itself."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock
from wallbox2mqtt.catalogue import STATUSES, Json
from wallbox2mqtt.simulator import (
    MODELS,
    MOVES,
    ChargerSpec,
    DailyLife,
    Settings,
    SimulatedCharger,
    Simulator,
    fleet,
    paths,
)
from wallbox2mqtt.simulator.actions import ACTIONS
from wallbox2mqtt.simulator.schedule import Schedule

READY: tuple[tuple[str, Json], ...] = (("unplug", None), ("unlock", None), ("set", {"config_data.auto_lock": 0}))
EVERY_DAY: Json = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), True)


def make(
    clock: FakeClock,
    model: str = "pulsar-plus",
    moves: Sequence[tuple[str, Json]] = (),
    how: Settings | None = None,
) -> SimulatedCharger:
    cloud = Settings() if how is None else how
    return SimulatedCharger(ChargerSpec(id=101, model=model, begin=(*READY, *moves)), clock, lambda: cloud)


def shown(charger: SimulatedCharger, path: str) -> float:
    return paths.number(charger.detail(), path, math.nan)


def window(start: str, stop: str, days: Json = EVERY_DAY, *, enable: bool = True) -> Json:
    return {"id": 0, "days": days, "max_energy": 0, "enable": enable, "start": start, "stop": stop}


# what happens (a move, or seconds that pass) and the state then
TIMELINES: dict[str, list[tuple[tuple[str, Json] | float, int]]] = {
    "a session": [
        (("plug", 11.04), 194),
        (1799, 194),
        (2, 181),
        (3600, 181),
        (("unplug", None), 161),
        (("plug", 1), 194),
        (("full", None), 181),
    ],
    "pause and resume": [
        (("plug", 10), 194),
        (("pause", None), 178),
        (4.9, 178),
        (0.2, 182),
        (86400, 182),
        (("resume", None), 194),
    ],
    "lock": [(("lock", None), 209), (("plug", 5), 210), (("unlock", None), 194), (("lock", None), 210)],
    "a car that leaves while paused": [(("plug", 5), 194), (("pause", None), 178), (("unplug", None), 161)],
    "auto-lock": [
        (("set", {"config_data.auto_lock": 1, "config_data.auto_lock_time": 60}), 161),
        (("plug", 1), 194),
        (3600, 181),
        (("unplug", None), 161),
        (59, 161),
        (2, 209),
        (("unlock", None), 161),
        (59.9, 161),
        (0.2, 209),
    ],
    "a night's schedule": [  # the clock begins on Monday at 12:00 UTC
        (("schedules", [window("2100", "0500")]), 161),
        (("plug", 400), 179),
        (9 * 3600 - 1, 179),
        (2, 194),
        (8 * 3600 - 2, 194),
        (2, 179),
        (("resume", None), 194),
        (("pause", None), 178),
    ],
    "a schedule of other days": [
        (("schedules", [window("1300", "1400", {**EVERY_DAY, "monday": False})]), 161),  # type: ignore[dict-item]
        (("plug", 400), 179),
        (5400, 179),
        (86400, 194),
    ],
    "a schedule that is switched off": [
        (("schedules", [window("2100", "0500", enable=False)]), 161),
        (("plug", 5), 194),
    ],
    "full green": [
        (("set", {"config_data.ecosmart": {"enabled": True, "mode": 1, "percentage": 100}}), 161),
        (("plug", 20), 189),
        (("sun", 4.1), 189),
        (("sun", 4.2), 194),
        (("sun", 0), 189),
        (("resume", None), 194),
    ],
    "Power Boost": [
        (("set", {"config_data.home_sharing": 1, "config_data.icp_max_current": 16}), 161),
        (("plug", 20), 194),
        (("house", 11), 185),
        (("house", 10), 194),
    ],
    "an error": [(("plug", 20), 194), (("error", None), 14), (("error", 15), 15), (("online", None), 194)],
    "a state that nobody knows": [(("error", 211), 211)],
    "offline": [(("plug", 20), 194), (("offline", 0), 0), (("online", None), 194)],
}


@pytest.mark.parametrize("steps", TIMELINES.values(), ids=TIMELINES)
def test_states(steps: list[tuple[tuple[str, Json] | float, int]]) -> None:
    clock = FakeClock()
    charger = make(clock)
    for number, (step, status) in enumerate(steps):
        if isinstance(step, tuple):
            charger.do(*step)
        else:
            clock.advance(step)
        assert charger.detail()["status_id"] == status, f"step {number}: {step}"


@pytest.mark.parametrize(
    ("action", "phases"),
    [
        pytest.param("reboot", [(9.9, 194), (0.2, 163), (89.8, 163), (0.2, 194)], id="reboot"),
        pytest.param("update", [(119, 166), (2, 194)], id="update"),
    ],
)
def test_busy(action: str, phases: list[tuple[float, int]]) -> None:
    clock = FakeClock()
    charger = make(clock, moves=[("update", "6.0.0"), ("plug", 400)])
    charger.command(ACTIONS[3 if action == "reboot" else 5].does)
    for seconds, status in phases:
        clock.advance(seconds)
        assert charger.detail()["status_id"] == status
    software = paths.get(charger.detail(), "config_data.software")
    assert isinstance(software, dict)
    assert software["updateAvailable"] is (action == "reboot")
    assert (software["currentVersion"] == "6.0.0") is (action == "update")


def test_factory_reset() -> None:
    clock = FakeClock()
    charger = make(clock, moves=[("set", {"config_data.max_charging_current": 6}), ("lock", None)])
    charger.command(ACTIONS[4].does)
    clock.advance(120)
    assert charger.detail()["status_id"] == 161
    assert shown(charger, "config_data.max_charging_current") == 32


# model, moves, kW
POWERS: dict[str, tuple[str, list[tuple[str, Json]], float]] = {
    "three phases": ("pulsar-plus", [], 22.08),
    "the user's limit": ("pulsar-plus", [("set", {"config_data.max_charging_current": 6})], 4.14),
    "the installation's limit": ("pulsar-plus", [("set", {"max_available_power": 10})], 6.9),
    "one phase": ("pulsar-plus-2026", [], 7.36),
    "Power Boost of the old one": ("old", [], 11.04),
    "what the house leaves": ("old", [("house", 6)], 6.9),
    "a Quasar": ("quasar", [], 7.36),
    "a Quasar that gives back": ("quasar", [("set", {"config_data.max_charging_current": -16})], -3.68),
    "eco without sun": ("pulsar-plus-2026", [("set", {"config_data.ecosmart.enabled": True})], 1.38),
    "eco with sun": ("pulsar-plus-2026", [("set", {"config_data.ecosmart.enabled": True}), ("sun", 3)], 3.0),
    "eco with much sun": ("pulsar-plus-2026", [("set", {"config_data.ecosmart.enabled": True}), ("sun", 30)], 7.36),
}


@pytest.mark.parametrize(("model", "moves", "kw"), POWERS.values(), ids=POWERS)
def test_power(model: str, moves: list[tuple[str, Json]], kw: float) -> None:
    charger = make(FakeClock(), model, [*moves, ("plug", None)])
    assert shown(charger, "charging_power") == pytest.approx(kw)
    assert shown(charger, "charging_speed") == pytest.approx(max(0.0, kw) * 7, abs=0.5)
    assert charger.detail()["status_id"] == (194 if kw > 0 else 196)


def test_a_session_in_figures() -> None:
    clock = FakeClock()
    charger = make(clock, "pulsar-plus-2026", [("set", {"config_data.energy_price": 0.25}), ("plug", 100)])
    clock.advance(3600)
    charger.do("pause")
    clock.advance(600)
    figures = charger.detail()
    assert figures["added_energy"] == 7.36
    assert figures["cost"] == 1.84
    assert figures["added_range"] == 52
    assert figures["charging_time"] == 4200
    assert figures["finished"] is False
    charger.do("unplug")
    clock.advance(600)
    after = charger.detail()
    changed = {"status_id", "last_sync", "finished"}
    assert {**after, **dict.fromkeys(changed)} == {**figures, **dict.fromkeys(changed)}
    assert after["finished"] is True
    charger.do("plug")
    assert charger.detail()["added_energy"] == 0


def test_sun_and_grid_are_told_apart_with_eco_smart() -> None:
    clock = FakeClock()
    charger = make(
        clock, "pulsar-plus-2026", [("set", {"config_data.ecosmart.enabled": True}), ("sun", 1.0), ("plug", 50)]
    )
    clock.advance(3600)
    assert shown(charger, "added_green_energy") == pytest.approx(1.0)
    assert shown(charger, "added_grid_energy") == pytest.approx(0.38)
    assert shown(charger, "added_energy") == pytest.approx(1.38)


def test_a_quasar_discharges_down_to_its_reserve() -> None:
    clock = FakeClock()
    charger = make(clock, "quasar", [("set", {"config_data.max_charging_current": -32})])
    assert charger.detail()["state_of_charge"] is None
    charger.do("plug", 20)
    assert charger.detail()["state_of_charge"] == 50
    clock.advance(3600)
    assert shown(charger, "added_discharged_energy") == 7.36
    assert charger.detail()["added_energy"] == 0
    assert charger.detail()["status_id"] == 196
    clock.advance(3600 * 2)
    assert charger.detail()["status_id"] == 181
    assert charger.detail()["state_of_charge"] == 5
    charger.do("set", {"config_data.max_charging_current": 32})
    clock.advance(3600 * 6)
    assert charger.detail()["state_of_charge"] == 100


steps = st.lists(
    st.one_of(
        st.floats(0.001, 7200).map(lambda seconds: (seconds, None)),
        st.sampled_from(
            [("plug", 3), ("plug", 30), ("unplug", None), ("full", None), ("lock", None), ("unlock", None),
             ("pause", None), ("resume", None), ("sun", 2), ("sun", 9), ("house", 9), ("house", 0),
             ("set", {"config_data.max_charging_current": 6}), ("set", {"config_data.ecosmart.enabled": True}),
             ("set", {"config_data.ecosmart.mode": 1}), ("schedules", [window("1230", "1400")]),
             ("offline", 0), ("online", None)]
        ),
    ),
    max_size=25,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(model=st.sampled_from(sorted(MODELS)), plan=steps, price=st.sampled_from([0.25, 0.0, -0.1]))
def test_figures_fit_each_other_and_do_not_depend_on_looking(
    model: str, plan: list[tuple[str | float, Json]], price: float
) -> None:
    clock, lazy_clock = FakeClock(), FakeClock()
    begin: list[tuple[str, Json]] = [("set", {"config_data.energy_price": price}), ("plug", 20)]
    seen, unseen = make(clock, model, begin), make(lazy_clock, model, begin)
    for what, value in plan:
        if isinstance(what, str):
            seen.do(what, value)
            unseen.do(what, value)
            continue
        lazy_clock.advance(what)
        for _ in range(4):  # looking more often must not change anything
            before, power = seen.state(), seen.state().power_kw
            clock.advance(what / 4)
            after = seen.state()
            gained = after.session.energy_kwh - before.session.energy_kwh
            if before.actual_status == after.actual_status and after.last_seen is None and power >= 0:
                assert gained <= power * what / 4 / 3600 + 1e-6
            assert gained >= -1e-9
            assert after.actual_status in STATUSES
    now = seen.state().session
    assert now.cost == pytest.approx(now.energy_kwh * price, abs=1e-6)
    assert now.range_km == pytest.approx(now.energy_kwh * 7, abs=1e-6)
    assert now.green_kwh + now.grid_kwh <= now.energy_kwh + 1e-9
    other = unseen.state().session
    assert other.energy_kwh == pytest.approx(now.energy_kwh, abs=1e-4)
    assert other.time_s == pytest.approx(now.time_s, abs=1e-4)
    assert unseen.state().actual_status == seen.state().actual_status


@given(limit=st.integers(6, 32), seconds=st.floats(1, 36000))
def test_energy_is_power_by_time(limit: int, seconds: float) -> None:
    clock = FakeClock()
    charger = make(clock, moves=[("set", {"config_data.max_charging_current": limit}), ("plug", 10_000)])
    clock.advance(seconds)
    assert shown(charger, "added_energy") == pytest.approx(
        shown(charger, "charging_power") * seconds / 3600, abs=0.0006
    )


def test_reports_in_steps() -> None:
    clock = FakeClock()
    charger = make(clock, "pulsar-plus-2026", [("plug", 100)], Settings(report_interval_s=30))
    begin = clock.monotonic()
    clock.advance(29)
    assert charger.detail()["added_energy"] == 0
    clock.advance(1)
    assert shown(charger, "added_energy") == pytest.approx(0.061)
    clock.advance(25)
    assert charger.truth(begin + 54) == charger.truth(begin + 31)
    assert charger.truth(begin + 31).since == begin + 30
    assert charger.truth(begin + 31).energy_kwh == 0.061
    assert charger.truth(begin + 3).since == begin
    charger.do("pause")  # a change is reported at once
    assert charger.detail()["status_id"] == 178
    assert charger.truth(clock.monotonic()).since == clock.monotonic()


def test_reports_each_30_s_and_nothing_between() -> None:
    clock = FakeClock()
    begin = clock.monotonic()
    how = Settings(report_interval_s=30, idle_report_interval_s=300, reports_changes=False)
    charger = make(clock, "pulsar-plus-2026", how=how)
    config = charger.detail()["config_data"]
    assert isinstance(config, dict)
    assert (config["live_refresh_time"], config["update_refresh_time"]) == (30, 300)
    clock.advance(305)
    charger.do("plug", 100)
    clock.advance(24)
    assert (charger.detail()["status_id"], charger.detail()["last_sync"]) == (161, "2026-10-05 12:05:00")
    assert charger.actual(clock.monotonic()).status_id == 194
    clock.advance(1.5)
    assert (charger.detail()["status_id"], charger.detail()["last_sync"]) == (194, "2026-10-05 12:05:30")
    assert shown(charger, "added_energy") == pytest.approx(7.36 * 25 / 3600, abs=0.001)
    charger.do("unplug")
    clock.advance(100)
    assert (charger.detail()["status_id"], charger.detail()["last_sync"]) == (194, "2026-10-05 12:05:30")
    clock.advance(170)
    assert (charger.detail()["status_id"], charger.detail()["last_sync"]) == (161, "2026-10-05 12:10:00")
    assert charger.truth(begin + 331).since == begin + 330


def test_chargers_report_at_times_of_their_own() -> None:
    clock, how = FakeClock(), Settings(report_interval_s=30)
    charger = SimulatedCharger(ChargerSpec(id=1, begin=READY, report_offset_s=12), clock, lambda: how)
    shown_at = []
    for _ in range(60):
        clock.advance(1)
        shown_at.append(charger.detail()["last_sync"])
    assert sorted({str(one) for one in shown_at}) == [
        "2026-10-05 12:00:00",
        "2026-10-05 12:00:12",
        "2026-10-05 12:00:42",
    ]


@given(plan=st.lists(st.tuples(st.floats(0.1, 400), st.sampled_from(["plug", "unplug", "pause"])), max_size=12))
def test_a_report_is_never_taken_back(plan: list[tuple[float, str]]) -> None:
    clock, how = FakeClock(), Settings(report_interval_s=30, idle_report_interval_s=70, reports_changes=False)
    charger = SimulatedCharger(ChargerSpec(id=1, begin=READY, report_offset_s=7), clock, lambda: how)
    last = ""
    for seconds, word in plan:
        charger.do(word)
        clock.advance(seconds)
        last, before = str(charger.detail()["last_sync"]), last
        assert last >= before


def test_truth_without_steps_is_of_the_moment() -> None:
    clock = FakeClock()
    charger = make(clock, "pulsar-plus-2026", [("plug", 100)])
    clock.advance(3600)
    assert charger.truth(clock.monotonic() - 1800).energy_kwh == 3.68
    assert charger.truth(clock.monotonic()).since == clock.monotonic()


def test_a_jump_of_the_wall_clock_is_no_time() -> None:
    clock = FakeClock()
    charger = make(clock, "pulsar-plus-2026", [("plug", 100)])
    clock.jump(86400)
    assert charger.detail()["added_energy"] == 0
    assert charger.detail()["last_sync"] == "2026-10-06 12:00:00"


@pytest.mark.slow
def test_a_long_life_does_not_fill_the_memory() -> None:
    clock = FakeClock()
    charger = make(clock)
    for _ in range(6000):
        charger.do("plug", 1)
        charger.do("unplug")
    assert len(charger._past) <= 10_000  # noqa: SLF001 - what is to be held is inside
    assert charger.detail()["status_id"] == 161


@pytest.mark.parametrize(
    ("word", "value"),
    [("fly", None), ("plug", "much"), ("plug", True), ("sun", math.nan), ("schedules", 1), ("schedules", [1]),
     ("schedules", [window("2500", "0500")]), ("schedules", [window("21", "0500")]), ("set", 1)],
)  # fmt: skip
def test_wrong_moves_change_nothing(word: str, value: Json) -> None:
    charger = make(FakeClock())
    before = charger.detail()
    with pytest.raises(ValueError, match=r".+"):
        charger.do(word, value)
    assert charger.detail() == before


def test_every_move_says_what_it_does() -> None:
    assert all(move.__doc__ for move in MOVES.values())


def test_drop_takes_a_field_away() -> None:
    charger = make(FakeClock(), moves=[("drop", "config_data.ecosmart"), ("drop", "charging_power"), ("drop", "a.b")])
    assert "charging_power" not in charger.detail()
    assert not paths.has(charger.detail(), "config_data.ecosmart")


@pytest.mark.parametrize(
    ("start", "stop", "wall", "is_open"),
    [
        ("2100", "0500", "Mon 2059", False),
        ("2100", "0500", "Mon 2100", True),
        ("2100", "0500", "Tue 0459", True),
        ("2100", "0500", "Tue 0500", False),
        ("2100", "0500", "Mon 0300", False),
        ("0000", "0000", "Mon 1200", True),
    ],
)
def test_a_window_belongs_to_the_day_on_which_it_begins(start: str, stop: str, wall: str, *, is_open: bool) -> None:
    only_monday: Json = {**EVERY_DAY, **dict.fromkeys(list(EVERY_DAY)[1:], False)}  # type: ignore[arg-type,dict-item]
    schedule = Schedule.of(window(start, stop, only_monday))
    day, time = wall.split()
    monday = FakeClock().wall() - 12 * 3600
    assert schedule.is_open(monday + (day == "Tue") * 86400 + int(time[:2]) * 3600 + int(time[2:]) * 60) is is_open


def test_a_lively_fleet_is_always_the_same() -> None:
    assert fleet(20, lively=True) == fleet(20, lively=True)
    clock = FakeClock()
    chargers = [SimulatedCharger(spec, clock, Settings) for spec in fleet(20, lively=True)]
    states = {charger.detail()["status_id"] for charger in chargers}
    assert len({charger.id for charger in chargers}) == 20
    assert len({charger.spec.group for charger in chargers}) == 3
    assert len({charger.spec.report_offset_s for charger in chargers}) == 20
    assert {161, 194} < states
    assert all(charger.history() and charger.state().schedules for charger in chargers)
    assert paths.get(chargers[1].detail(), "config_data.ecosmart.enabled") is True


def test_a_faster_simulator_charges_faster_and_its_times_stay() -> None:
    clock = FakeClock()
    spec = ChargerSpec(id=1, model="pulsar-plus-2026", begin=(*READY, ("update", "6.0.0"), ("plug", 7.36)))
    charger = SimulatedCharger(spec, clock, Settings, speed=20)
    clock.advance(90)
    detail = charger.detail()
    assert (detail["added_energy"], detail["charging_power"], detail["charging_time"]) == (3.68, 7.36, 90)
    clock.advance(90.1)
    assert charger.detail()["status_id"] == 181
    charger.command(ACTIONS[5].does)
    clock.advance(5.9)
    assert charger.detail()["status_id"] == 166
    clock.advance(0.2)
    assert charger.detail()["status_id"] == 181
    charger.do("unplug")
    assert [(one.charging_s, round(one.energy_kwh, 3)) for one in charger.history()] == [(180, 7.36)]


def test_cars_come_and_go_by_themselves() -> None:
    clock = FakeClock()
    cloud = Simulator(chargers=fleet(3), clock=clock, speed=20)
    life, statuses = DailyLife(cloud, 20), set()
    for _ in range(1800):
        life.step()
        statuses.add(cloud.charger(900001).detail()["status_id"])
        clock.advance(1)
    assert {161, 181, 194} <= statuses
    for number in cloud.chargers:
        assert len(cloud.charger(number).history()) > 3
