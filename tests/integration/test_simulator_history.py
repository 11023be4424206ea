"""The simulated cloud's history and schedules by HTTP: sessions, pages, units, the month's totals, slots in UTC."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes import A_DAY, Caller, FakeClock
from wallbox2mqtt.simulator import ChargerSpec, Settings, Simulator
from wallbox2mqtt.simulator.paths import Json

ONE, OTHER = 101, 102
READY: tuple[tuple[str, Json], ...] = (("unplug", None), ("unlock", None), ("set", {"config_data.auto_lock": 0}))
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EVERY_DAY: dict[str, Json] = dict.fromkeys(DAYS, True)
SLOT: dict[str, Json] = {
    "id": 0,
    "chargerId": ONE,
    "enable": True,
    "max_current": 16,
    "max_energy": 0,
    "days": EVERY_DAY,
    "start": "1300",
    "stop": "1400",
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cloud(clock: FakeClock) -> Iterator[Simulator]:
    specs = [ChargerSpec(id=one, model="pulsar-plus-2026", begin=READY) for one in (ONE, OTHER)]
    settings = Settings(reads_per_minute=None, writes_per_minute=None, token_life_s=1e9)
    with Simulator(chargers=specs, clock=clock, settings=settings) as simulator:
        yield simulator


def stats(caller: Caller, query: str = f"charger={ONE}", begin: float = 0, end: float = 2e9) -> dict[str, Any]:
    answer = caller.call("GET", f"v4/sessions/stats?{query}&start_date={begin}&end_date={end}")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def play(cloud: Simulator, clock: FakeClock, hours: float = 1.0, charger: int = ONE) -> None:
    cloud.charger(charger).do("plug", 100)
    clock.advance(hours * 3600)
    cloud.charger(charger).do("unplug")


class TestSessions:
    def test_a_session_that_was_played(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        charger = cloud.charger(ONE)
        charger.do("set", {"config_data.energy_price": 0.25, "config_data.ecosmart.enabled": True})
        charger.do("sun", 3.68)
        charger.do("plug", 100)
        clock.advance(3600)
        charger.do("pause")
        clock.advance(600)
        charger.do("resume")  # by hand: the grid counts, too
        clock.advance(1800)
        assert stats(caller)["data"] == []
        charger.do("unplug")
        found = stats(caller)
        assert found["meta"]["count"] == 1
        assert found["data"][0]["type"] == "charger_log_session"
        session = found["data"][0]["attributes"]
        assert (session["start"], session["end"]) == (A_DAY, A_DAY + 6000)
        assert session["time"] == 5400
        assert session["energy"] == pytest.approx(3.68 + 3.68)
        assert session["green_energy"] == pytest.approx(3.68)
        assert session["cost"] == pytest.approx(7.36 * 0.25)
        assert (session["energy_unit"], session["cost_unit"], session["charger"]) == ("kWh", "£", ONE)
        assert caller.call("GET", f"chargers/status/{ONE}").json()["added_energy"] == pytest.approx(7.36)

    def test_fields_are_those_of_the_cloud(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        play(cloud, clock)
        known = (
            "group charger user start end energy discharged_energy mid_energy green_energy time discharging_time cost "
            "cost_savings cost_unit currency range group_name base_group_name charger_name user_subgroup user_name "
            "user_email user_rfid user_is_rfid user_plate user_extra_information energy_unit amount service_price "
            "service_time tax_rate tax_sales"
        )
        assert set(stats(caller)["data"][0]["attributes"]) == set(known.split())

    def test_two_sessions_between_two_looks(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        play(cloud, clock)
        clock.advance(60)
        play(cloud, clock, 2)
        newest, oldest = stats(caller)["data"]
        assert newest["id"] != oldest["id"]
        assert (oldest["attributes"]["energy"], newest["attributes"]["energy"]) == (7.36, 14.72)

    def test_a_new_session_of_the_same_car(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        cloud.charger(ONE).do("plug", 100)
        clock.advance(3600)
        cloud.charger(ONE).do("new_session")
        clock.advance(1800)
        assert cloud.charger(ONE).detail()["added_energy"] == 3.68
        assert [one["attributes"]["energy"] for one in stats(caller)["data"]] == [7.36]
        cloud.charger(OTHER).do("new_session")  # without a car nothing begins
        assert stats(caller, f"charger={OTHER}")["data"] == []

    def test_counters_that_start_again_lose_nothing(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        cloud.charger(ONE).do("plug", 100)
        clock.advance(3600)
        cloud.charger(ONE).do("reset_counters")
        assert cloud.charger(ONE).detail()["added_energy"] == 0
        clock.advance(1800)
        assert cloud.charger(ONE).detail()["added_energy"] == 3.68
        cloud.charger(ONE).do("unplug")
        assert stats(caller)["data"][0]["attributes"]["energy"] == 11.04
        cloud.charger(ONE).do("plug", 100)
        clock.advance(3600)
        assert cloud.charger(ONE).detail()["added_energy"] == 7.36

    def test_pages(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        cloud.configure(sessions_per_page=2)
        for _ in range(5):
            play(cloud, clock)
        found, offset = [], 0
        while page := stats(caller, f"charger={ONE}&limit=1000&offset={offset}")["data"]:
            found += [one["attributes"]["start"] for one in page]
            offset += len(page)
        assert found == [A_DAY + 3600 * hour for hour in (4, 3, 2, 1, 0)]
        first = stats(caller, f"charger={ONE}")
        assert "offset=2" in first["links"]["next"]
        assert "next" not in stats(caller, f"charger={ONE}&limit=1&offset=4")["links"]
        assert len(stats(caller, f"charger={ONE}&limit=1")["data"]) == 1

    @pytest.mark.parametrize(("by", "count"), [("start", 1), ("end", 0)])
    def test_a_range_of_time(self, cloud: Simulator, clock: FakeClock, caller: Caller, by: str, count: int) -> None:
        cloud.configure(sessions_by=by)
        play(cloud, clock)
        assert len(stats(caller, begin=A_DAY - 0.5, end=A_DAY + 1800.5)["data"]) == count
        assert stats(caller, begin=A_DAY + 7200)["data"] == []

    def test_all_chargers_or_one(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        play(cloud, clock)
        play(cloud, clock, charger=OTHER)
        assert {one["attributes"]["charger"] for one in stats(caller, "limit=9")["data"]} == {ONE, OTHER}
        assert stats(caller, "charger=999") == {
            "meta": {"count": 0},
            "links": {"self": stats(caller, "charger=999")["links"]["self"]},
            "data": [],
        }
        cloud.remove(ONE)
        assert stats(caller)["data"] == []

    def test_in_wh_late_and_metered(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        cloud.configure(session_unit="Wh", session_delay_s=300)
        cloud.charger(ONE).do("set", {"config_data.mid_enabled": 1})
        play(cloud, clock)
        assert stats(caller)["data"] == []
        clock.advance(300)
        session = stats(caller)["data"][0]["attributes"]
        assert (session["energy"], session["mid_energy"], session["energy_unit"]) == (7360, 7360, "Wh")

    def test_a_charger_that_is_offline_records_later(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        cloud.charger(ONE).do("plug", 100)
        clock.advance(1800)
        cloud.charger(ONE).do("offline")
        clock.advance(1800)
        cloud.charger(ONE).do("unplug")
        assert stats(caller)["data"] == []
        cloud.charger(ONE).do("online")
        assert stats(caller)["data"][0]["attributes"]["energy"] == 7.36

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "start_date=1",
            "start_date=x&end_date=2",
            "start_date=1&end_date=2&limit=-1",
            "start_date=1&end_date=2&charger=x",
        ],
    )
    def test_wrong_parameters(self, caller: Caller, query: str) -> None:
        assert caller.call("GET", f"v4/sessions/stats?{query}").status_code == 400

    def test_counts_as_a_read(self, cloud: Simulator, caller: Caller) -> None:
        cloud.configure(reads_per_minute=1)
        stats(caller)
        assert caller.call("GET", "v4/sessions/stats?start_date=0&end_date=1").status_code == 429
        assert cloud.requests[-1].query == "start_date=0&end_date=1"

    def test_days_before_the_start(self, clock: FakeClock) -> None:
        specs = [ChargerSpec(id=one, past_days=90) for one in (ONE, OTHER)]
        with Simulator(chargers=specs, clock=clock, settings=Settings()) as cloud, Caller(cloud.url) as somebody:
            somebody.sign_in()
            found = [one["attributes"] for one in stats(somebody)["data"]]
            again = [one["attributes"] for one in stats(somebody, f"charger={OTHER}")["data"]]
        assert 30 < len(found) < 80
        assert [one["start"] for one in found] != [one["start"] for one in again]
        assert all(A_DAY - 90.5 * 86400 < one["start"] < one["end"] < A_DAY for one in found)
        assert all(
            one["start"] + one["time"] <= one["end"] + 1 and one["green_energy"] < one["energy"] for one in found
        )


class TestMonthTotals:
    def resume(self, caller: Caller) -> dict[str, Any]:
        totals: dict[str, Any] = caller.call("GET", f"v2/charger/{ONE}").json()["data"]["chargerData"]["resume"]
        return totals

    def test_finished_days_of_the_month(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        before = self.resume(caller)
        play(cloud, clock)
        assert self.resume(caller) == before  # today is not finished
        clock.advance(86400)
        after = self.resume(caller)
        assert int(after["totalEnergy"]) - int(before["totalEnergy"]) == 7360
        assert int(after["chargingTime"]) - int(before["chargingTime"]) == 3600
        assert after["totalSessions"] - before["totalSessions"] == 1

    def test_a_month_begins_with_numbers(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        clock.advance(27 * 86400)  # 1 November
        play(cloud, clock)
        assert (self.resume(caller)["totalEnergy"], self.resume(caller)["chargingTime"]) == (0, None)
        clock.advance(86400)
        assert (self.resume(caller)["totalEnergy"], self.resume(caller)["chargingTime"]) == ("7360", "3600")


class TestSchedules:
    PATH = f"chargers/{ONE}/schedules"

    def test_slots_by_their_id(self, cloud: Simulator, caller: Caller) -> None:
        assert caller.call("GET", self.PATH).json() == {"schedules": [], "lastSchedule": None}
        assert caller.call("POST", self.PATH, {"schedules": [SLOT, {**SLOT, "id": 1}]}).status_code == 200
        assert caller.call("POST", self.PATH, {"schedules": [{**SLOT, "start": "1315"}]}).status_code == 200
        answer = caller.call("GET", self.PATH).json()
        assert [(one["id"], one["start"]) for one in answer["schedules"]] == [(0, "1315"), (1, "1300")]
        assert answer["lastSchedule"] == A_DAY
        assert {**answer["schedules"][0], **SLOT, "start": "1315"} == answer["schedules"][0]
        assert {"uid", "name", "type", "created_at", "user_uid"} <= answer["schedules"][0].keys()
        assert cloud.charger(OTHER).state().schedules == ()

    def test_slots_by_their_position(self, cloud: Simulator, caller: Caller) -> None:
        caller.call("POST", self.PATH, {"schedules": [SLOT, {**SLOT, "id": 1, "start": "1315", "enable": False}]})
        cloud.configure(schedule_ids=False)
        slots = caller.call("GET", self.PATH).json()["schedules"]
        assert [(one["start"], one["enable"], "id" in one) for one in slots] == [("1300", 1, False), ("1315", 0, False)]

    def test_are_in_utc_and_limit_the_current(self, cloud: Simulator, clock: FakeClock, caller: Caller) -> None:
        caller.call("POST", self.PATH, {"schedules": [SLOT]})
        cloud.charger(ONE).do("plug", 100)
        assert cloud.charger(ONE).detail()["status_id"] == 179
        clock.advance(3600)  # 13:00 UTC
        detail = cloud.charger(ONE).detail()
        assert (detail["status_id"], detail["charging_power"]) == (194, 3.68)
        clock.advance(3600)
        assert cloud.charger(ONE).detail()["status_id"] == 179
        caller.call("POST", f"v3/chargers/{ONE}/remote-action", {"action": 1})
        assert cloud.charger(ONE).detail()["charging_power"] == 7.36

    @pytest.mark.parametrize(
        "change",
        [
            {"days": {"monday": True}},
            {"days": dict.fromkeys(DAYS, "yes")},
            {"days": None},
            {"max_energy": None},
            {"max_energy": 1.5},
            {"max_current": -1},
            {"max_current": "16"},
            {"start": "2400"},
            {"start": 1300},
            {"stop": "13:00"},
            {"enable": "on"},
            {"enable": []},
            {"id": -1},
            {"id": None},
            {"chargerId": OTHER},
        ],
        ids=str,
    )
    def test_bad_slots_change_nothing(self, caller: Caller, change: dict[str, Json]) -> None:
        caller.call("POST", self.PATH, {"schedules": [SLOT]})
        before = caller.call("GET", self.PATH).json()
        assert caller.call("POST", self.PATH, {"schedules": [{**SLOT, **change}]}).status_code == 400
        assert caller.call("GET", self.PATH).json() == before

    @pytest.mark.parametrize("missing", SLOT)
    def test_slots_are_whole(self, caller: Caller, missing: str) -> None:
        slot: Json = {key: value for key, value in SLOT.items() if key != missing}
        assert caller.call("POST", self.PATH, {"schedules": [slot]}).status_code == 400

    @pytest.mark.parametrize("body", [None, [], {}, {"schedules": []}, {"schedules": 1}, {"schedules": [1]}], ids=str)
    def test_invalid_bodies_are_refused(self, caller: Caller, body: Json) -> None:
        assert caller.call("POST", self.PATH, body).status_code == 400

    def test_a_guest_may_not_write(self, cloud: Simulator, caller: Caller) -> None:
        cloud.set_access(ONE, may_write=False)
        assert caller.call("POST", self.PATH, {"schedules": [SLOT]}).status_code == 403
