"""The simulated cloud by HTTP: sign-ins, endpoints, rules, limit, lag."""

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import Caller, FakeClock
from wallbox2mqtt import simulator
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.simulator import EMAIL, MODELS, MOVES, PASSWORD, ChargerSpec, Settings, Simulator, capture
from wallbox2mqtt.simulator.faults import FaultKind
from wallbox2mqtt.simulator.limiter import Limiter

FIXTURES = Path(__file__).parents[1] / "fixtures"
DOCUMENTS = Path(simulator.__file__).parent / "documents"
READY = (("unplug", None), ("unlock", None))
ONE = 101
OTHER = 102

Start = Callable[..., tuple[Simulator, Caller]]


def recorded(name: str) -> Any:  # noqa: ANN401 - whatever the file has
    return json.loads((FIXTURES / name).read_text(encoding="utf-8"))


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return document


def shape(document: Any) -> Any:  # noqa: ANN401 - any JSON
    """The keys and kinds of a document."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    return type(document).__name__


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def start(clock: FakeClock) -> Iterator[Start]:
    """Start a cloud with two chargers and without limits, with these settings; give it and a signed-in caller."""
    made: list[tuple[Simulator, Caller]] = []

    def begin(
        *specs: ChargerSpec,
        email: str = EMAIL,
        password: str = PASSWORD,
        **settings: Any,  # noqa: ANN401 - any setting
    ) -> tuple[Simulator, Caller]:
        chargers = specs or (ChargerSpec(id=ONE, begin=READY), ChargerSpec(id=OTHER, model="quasar", begin=READY))
        limits = {"reads_per_minute": None, "writes_per_minute": None}
        cloud = Simulator(
            chargers=chargers, clock=clock, email=email, password=password, settings=Settings(**{**limits, **settings})
        )
        caller = Caller(cloud.start(), email, password)
        made.append((cloud, caller))
        caller.sign_in()
        return cloud, caller

    yield begin
    for cloud, caller in made:
        caller.session.close()
        cloud.stop()


class TestSignIn:
    def test_modern(self, start: Start, clock: FakeClock) -> None:
        _, caller = start(token_life_s=60)
        answer = caller.sign_in()
        assert shape(answer.json()) == shape(recorded("signin/modern.json"))
        attributes = answer.json()["data"]["attributes"]
        assert attributes["ttl"] == (clock.wall() + 60) * 1000
        assert attributes["error"] == "false"
        known = claims(attributes["token"])
        assert known["exp"] - known["iat"] == 60
        assert known["username"] == EMAIL
        assert attributes["token"].count(".") == 2
        assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == clock.wall()

    @pytest.mark.parametrize("method", ["POST", "GET"])
    def test_legacy(self, start: Start, clock: FakeClock, method: str) -> None:
        _, caller = start(token_life_s=60)
        answer = caller.legacy_sign_in(method)
        assert shape(answer.json()) == shape(recorded("signin/legacy.json"))
        assert answer.json()["ttl"] == clock.wall() + 60
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 200

    @pytest.mark.parametrize(("ttl", "scale"), [("s", 1), ("missing", None)])
    def test_ttl_in_other_forms(self, start: Start, clock: FakeClock, ttl: str, scale: int | None) -> None:
        _, caller = start(ttl=ttl)
        attributes = caller.sign_in().json()["data"]["attributes"]
        assert attributes.get("ttl") == (None if scale is None else (clock.wall() + 900) * scale)

    @pytest.mark.parametrize("password", ["pä:ss", "a:b:c", "", "ключ"])
    def test_any_password_in_utf_8(self, start: Start, password: str) -> None:
        _, caller = start(email="ü@example.org", password=password)
        assert caller.sign_in().status_code == 200
        assert caller.legacy_sign_in().status_code == 200

    def test_latin_1_is_refused(self, start: Start) -> None:
        _, caller = start(password="pä:ss")  # noqa: S106
        latin = base64.b64encode(f"{EMAIL}:pä:ss".encode("latin-1")).decode()
        headers = {"Authorization": f"Basic {latin}", "Partner": "wallbox"}
        assert caller.send("GET", "users/signin", headers=headers).status_code == 403

    @pytest.mark.parametrize("authorization", ["", "Basic", "Basic ***", "Basic YTpi", "Bearer YTpi", "basic"])
    def test_bad_credentials(self, start: Start, authorization: str) -> None:
        _, caller = start()
        headers = {"Authorization": authorization, "Partner": "wallbox"}
        assert caller.send("GET", "users/signin", headers=headers).status_code == 403
        legacy = caller.send("POST", "auth/token/user", headers=headers)
        assert legacy.status_code == 401
        assert legacy.json()["error"] is True
        assert {"code", "msg"} <= legacy.json().keys()

    def test_partner_is_needed(self, start: Start) -> None:
        _, caller = start()
        assert caller.send("GET", "users/signin", headers=caller.basic_auth()).status_code == 403
        headers = {"Authorization": f"Bearer {caller.refresh_token}"}
        assert caller.send("GET", "users/refresh-token", headers=headers).status_code == 403

    def test_post_is_the_wrong_method(self, start: Start) -> None:
        _, caller = start()
        answer = caller.send("POST", "users/signin", headers={**caller.basic_auth(), "Partner": "wallbox"})
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET"

    @pytest.mark.parametrize("status", [404, 405, 410])
    def test_each_can_be_gone(self, start: Start, status: int) -> None:
        cloud, caller = start(modern_sign_in=status)
        assert caller.sign_in().status_code == status
        assert caller.refresh().status_code == status
        assert caller.legacy_sign_in().status_code == 200
        cloud.configure(modern_sign_in=200, legacy_sign_in=status)
        assert caller.sign_in().status_code == 200
        assert caller.legacy_sign_in().status_code == status


class TestTokens:
    @pytest.mark.parametrize("life", [5, 60, 900])
    def test_end(self, start: Start, clock: FakeClock, life: int) -> None:
        _, caller = start(token_life_s=life)
        clock.advance(life - 0.1)
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 200
        clock.advance(0.1)
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 401

    def test_survive_a_jump_of_the_wall_clock(self, start: Start, clock: FakeClock) -> None:
        _, caller = start(token_life_s=60)
        clock.jump(86400)
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 200

    def test_revoked(self, start: Start) -> None:
        cloud, caller = start()
        cloud.revoke_tokens()
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 401
        assert caller.refresh().status_code == 200
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 200

    def test_refresh_replaces_both_and_spends_the_old_one(self, start: Start) -> None:
        _, caller = start()
        old = caller.token, caller.refresh_token
        assert caller.refresh().status_code == 200
        assert caller.token != old[0]
        assert caller.refresh_token != old[1]
        caller.refresh_token = old[1]
        assert caller.refresh().status_code == 401

    @pytest.mark.parametrize("status", [401, 403])
    def test_refresh_refused(self, start: Start, clock: FakeClock, status: int) -> None:
        cloud, caller = start(refresh_refusal=status, refresh_life_s=100)
        cloud.revoke_refresh_tokens()
        assert caller.refresh().status_code == status
        caller.sign_in()
        clock.advance(100)
        assert caller.refresh().status_code == status

    def test_an_access_token_does_not_refresh(self, start: Start) -> None:
        _, caller = start()
        caller.refresh_token = caller.token
        assert caller.refresh().status_code == 401

    @pytest.mark.parametrize("token", ["", "x", "a.b.c"])
    def test_wrong(self, start: Start, token: str) -> None:
        _, caller = start()
        caller.token = token
        assert caller.call("GET", "v3/chargers/groups").status_code == 401


class TestReads:
    @pytest.mark.parametrize("model", ["pulsar-plus", "pulsar-plus-2026"])
    def test_a_capture_comes_back_as_it_was_recorded(self, start: Start, model: str) -> None:
        begin = capture(model)
        number = begin["config_data"]["charger_id"]  # type: ignore[index,call-overload]
        cloud, caller = start(ChargerSpec(id=int(str(number)), model=model, name=str(begin["name"]), ocpp=True))
        living = {"last_sync", "config_data", "depot_name"}
        answer = caller.call("GET", f"chargers/status/{number}").json()
        assert {**answer, **dict.fromkeys(living)} == {**begin, **dict.fromkeys(living)}
        ids: dict[str, Json] = {"uid": "", "serial_number": ""}
        assert {**answer["config_data"], **ids} == {**begin["config_data"], **ids}  # type: ignore[dict-item]
        cloud.charger(int(str(number))).serve("detail", begin)
        assert caller.call("GET", f"chargers/status/{number}").json() == begin
        assert caller.call("GET", f"chargers/config/{number}").json() == begin["config_data"]
        listed = caller.call("GET", "v3/chargers/groups").json()["result"]["groups"][0]["chargers"][0]
        assert listed["status"] == begin["status_id"]
        cloud.charger(int(str(number))).serve("detail", None)
        assert caller.call("GET", f"chargers/status/{number}").json() == answer

    @pytest.mark.parametrize("model", MODELS)
    def test_every_model_has_all_its_documents(self, start: Start, model: str) -> None:
        _, caller = start(ChargerSpec(id=ONE, model=model))
        status = caller.call("GET", f"chargers/status/{ONE}").json()
        assert status["config_data"] == caller.call("GET", f"chargers/config/{ONE}").json()
        basic = caller.call("GET", f"v2/charger/{ONE}").json()
        seed = recorded("basic/seed.json")
        assert seed["data"]["chargerData"].keys() <= basic["data"]["chargerData"].keys()
        assert seed["data"]["users"][0].keys() <= basic["data"]["users"][0].keys()
        assert basic["data"]["chargerData"]["status"] == status["status_id"]
        assert basic["data"]["chargerData"]["serialNumber"] == str(ONE)

    def test_old_lacks_what_old_ones_lack(self, start: Start) -> None:
        _, caller = start(ChargerSpec(id=ONE, model="old"))
        status = caller.call("GET", f"chargers/status/{ONE}").json()
        assert "finished" not in status
        assert not {"ecosmart", "timezone", "energyCost"} & status["config_data"].keys()
        assert status["config_data"]["plan"]["plan_name"] == "Basic"
        body: Json = {"data": {"attributes": {"enabled": 1, "mode": 1}, "type": "eco_smart"}}
        assert caller.call("PUT", f"v4/chargers/{ONE}/eco-smart", body).status_code == 403

    def test_changes_and_missing_of_a_specification(self, start: Start) -> None:
        spec = ChargerSpec(id=ONE, changes={"config_data.icp_max_current": None}, missing=("config_data.ecosmart",))
        _, caller = start(spec)
        config = caller.call("GET", f"chargers/config/{ONE}").json()
        assert config["icp_max_current"] is None
        assert "ecosmart" not in config

    def test_list(self, start: Start) -> None:
        cloud, caller = start(
            ChargerSpec(id=1, begin=READY), ChargerSpec(id=2, group="Office"), ChargerSpec(id=3, group="Office")
        )
        answer = caller.call("GET", "v3/chargers/groups").json()
        groups = answer["result"]["groups"]
        assert [(g["name"], [c["id"] for c in g["chargers"]]) for g in groups] == [
            ("Home", [1]),
            ("Office", [2, 3]),
            ("Empty", []),
        ]
        assert shape(capture("groups")["result"]["groups"][0]["chargers"][0]) == shape(  # type: ignore[index,call-overload]
            groups[0]["chargers"][0]
        ) | {"addedEnergy": "float"}
        cloud.charger(1).do("plug")
        listed = caller.call("GET", "v3/chargers/groups").json()["result"]["groups"][0]["chargers"][0]
        assert (listed["status"], listed["state"], listed["chargingPower"]) == (194, 194, 22.08)

    def test_basic_by_put_without_a_body_and_by_get(self, start: Start) -> None:
        cloud, caller = start()
        by_put = caller.call("PUT", f"v2/charger/{ONE}").json()
        assert by_put == caller.call("GET", f"v2/charger/{ONE}").json()
        cloud.configure(get_basic=False)
        answer = caller.call("GET", f"v2/charger/{ONE}")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "PUT")
        assert caller.call("PUT", f"v2/charger/{ONE}").json() == by_put

    def test_totals_of_the_month(self, start: Start, clock: FakeClock) -> None:
        cloud, caller = start()

        def resume() -> dict[str, Any]:
            totals: dict[str, Any] = caller.call("GET", f"v2/charger/{ONE}").json()["data"]["chargerData"]["resume"]
            return totals

        assert isinstance(resume()["totalEnergy"], str)
        clock.jump(27 * 86400)  # 1 November
        assert (resume()["totalEnergy"], resume()["chargingTime"]) == (0, None)
        cloud.configure(month_totals="text")
        assert isinstance(resume()["totalEnergy"], str)
        cloud.configure(month_totals="empty")
        assert resume()["energyUnit"] == "kWh"
        assert resume()["totalSessions"] == 0

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "chargers/status/999", 404),
            ("PUT", "v2/charger/999", 404),
            ("GET", "chargers/status/abc", 404),
            ("GET", "", 404),
            ("GET", "v9/chargers", 404),
            ("DELETE", f"chargers/status/{ONE}", 405),
            ("POST", f"chargers/status/{ONE}", 405),
            ("GET", f"v3/chargers/{ONE}/remote-action", 405),
            ("PATCH", "v3/chargers/groups", 405),
            ("OPTIONS", f"v4/chargers/{ONE}/eco-smart", 405),
        ],
    )
    def test_wrong_paths_and_methods(self, start: Start, method: str, path: str, status: int) -> None:
        _, caller = start()
        answer = caller.call(method, path)
        assert answer.status_code == status
        assert answer.json()["error"] is True

    @pytest.mark.parametrize(
        "path", ["chargers/status/101", "v2/charger/101", "chargers/config/101", "v3/chargers/groups"]
    )
    def test_slashes_and_queries_do_not_matter(self, start: Start, path: str) -> None:
        _, caller = start()
        plain = caller.call("GET", path).json()
        assert caller.call("GET", f"{path}/").json() == plain
        assert caller.call("GET", f"{path}?x=1").json() == plain


def eco_smart(**attributes: Json) -> Json:
    return {"data": {"attributes": attributes, "type": "eco_smart"}}


WRITES: list[tuple[str, str, Json, str, Json]] = [
    ("PUT", "v2/charger/101", {"locked": 1}, "config_data.locked", 1),
    ("PUT", "v2/charger/101/", {"locked": 0}, "config_data.locked", 0),
    ("PUT", "v2/charger/101", {"maxChargingCurrent": 6}, "config_data.max_charging_current", 6),
    ("PUT", "v2/charger/101", {"maxChargingCurrent": "16"}, "config_data.max_charging_current", 16),
    ("PUT", "v2/charger/102", {"maxChargingCurrent": -32}, "config_data.max_charging_value", -32),
    ("PUT", "v2/charger/101", {"name": "Garáž"}, "name", "Garáž"),
    ("PUT", "v2/charger/101", {"name": "👩\u200d🔧\u00a0box"}, "name", "👩\u200d🔧\u00a0box"),
    ("PUT", "v2/charger/101", {"name": "Carport"}, "config_data.name", "Carport"),
    ("POST", "chargers/config/101", {"energy_price": 0.31}, "config_data.energy_price", 0.31),
    ("POST", "chargers/config/101", {"energy_price": 36.5}, "config_data.energy_price", 36.5),
    ("POST", "chargers/config/101", {"energyCost": -0.05}, "config_data.energyCost.value", -0.05),
    ("POST", "chargers/config/101/", {"energy_price": 1, "currency_id": 48}, "config_data.currency.code", "GBP"),
    ("POST", "chargers/config/101", {"currency_id": 7}, "config_data.currency.id", 7),
    ("POST", "chargers/config/101", {"max_charging_current": 10}, "config_data.max_charging_current", 10),
    ("POST", "chargers/config/101", {"home_sharing": 1, "icp_max_current": 25}, "config_data.home_sharing", 1),
    ("POST", "chargers/config/101", {"home_sharing": 0, "icp_max_current": -25}, "config_data.icp_max_current", -25),
    ("PUT", "v4/chargers/101/eco-smart/", eco_smart(percentage=50, enabled=1, mode=1), "config_data.ecosmart.mode", 1),
    ("PUT", "v4/chargers/101/eco-smart", eco_smart(enabled=1, mode=0), "config_data.ecosmart.enabled", True),
]


class TestWrites:
    @pytest.mark.parametrize(("method", "path", "body", "field", "value"), WRITES)
    def test_shows_in_all_documents(
        self, start: Start, method: str, path: str, body: Json, field: str, value: Json
    ) -> None:
        cloud, caller = start()
        answer = caller.call(method, path, body)
        assert answer.status_code == 200
        number = cloud.requests[-1].charger
        status = caller.call("GET", f"chargers/status/{number}").json()
        shown = status
        for part in field.split("."):
            shown = shown[part]
        assert shown == value
        assert type(shown) is type(value)
        if path.startswith("v4"):
            assert answer.content == b""
        elif path.startswith("v2"):
            assert answer.json() == caller.call("GET", f"v2/charger/{number}").json()
        else:
            assert answer.json() == status["config_data"]

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PUT", "v2/charger/101", b"{"),
            ("PUT", "v2/charger/101", []),
            ("PUT", "v2/charger/101", {}),
            ("PUT", "v2/charger/101", {"unknown": 1}),
            ("PUT", "v2/charger/101", {"locked": True}),
            ("PUT", "v2/charger/101", {"locked": "1"}),
            ("PUT", "v2/charger/101", {"locked": 2}),
            ("PUT", "v2/charger/101", {"locked": None}),
            ("PUT", "v2/charger/101", {"maxChargingCurrent": 5}),
            ("PUT", "v2/charger/101", {"maxChargingCurrent": 33}),
            ("PUT", "v2/charger/101", {"maxChargingCurrent": -16}),
            ("PUT", "v2/charger/101", {"maxChargingCurrent": 16.5}),
            ("PUT", "v2/charger/102", {"maxChargingCurrent": -5}),
            ("PUT", "v2/charger/101", {"name": ""}),
            ("PUT", "v2/charger/101", {"name": "x" * 65}),
            ("PUT", "v2/charger/101", b'{"name":"\\ud800"}'),
            ("PUT", "v2/charger/101", b'{"name":"\xff"}'),
            ("PUT", "v2/charger/101", b"[" * 100_000),
            ("POST", "chargers/config/101", b'{"energy_price":NaN}'),
            ("POST", "chargers/config/101", {"energy_price": 1_000_001}),
            ("POST", "chargers/config/101", {"currency_id": 0}),
            ("POST", "chargers/config/101", {"icp_max_current": 0}),
            ("POST", "chargers/config/101", {"icp_max_current": 256}),
            ("POST", "chargers/config/101", None),
            ("POST", "v3/chargers/101/remote-action", {"action": 6}),
            ("POST", "v3/chargers/101/remote-action", {"action": True}),
            ("POST", "v3/chargers/101/remote-action", {"action": "1"}),
            ("POST", "v3/chargers/101/remote-action", [1]),
            ("POST", "v3/chargers/101/remote-action", None),
            ("PUT", "v4/chargers/101/eco-smart", {"attributes": {"enabled": 1, "mode": 0}}),
            ("PUT", "v4/chargers/101/eco-smart", eco_smart(enabled=1, mode=2)),
            ("PUT", "v4/chargers/101/eco-smart", eco_smart(enabled=True, mode=0)),
            ("PUT", "v4/chargers/101/eco-smart", eco_smart(percentage=101, enabled=1, mode=0)),
            ("POST", "chargers/101/schedules", {"schedules": [{"id": 0}]}),
            ("POST", "chargers/101/schedules", {"schedules": 1}),
        ],
        ids=lambda part: str(part)[:40],
    )
    def test_bad_bodies_change_nothing(self, start: Start, method: str, path: str, body: "Json | bytes") -> None:
        _, caller = start()
        before = caller.call("GET", f"chargers/status/{ONE}").json()
        assert caller.call(method, path, body).status_code == 400
        assert caller.call("GET", f"chargers/status/{ONE}").json() == before

    @pytest.mark.parametrize(("method", "path", "body", "field", "value"), WRITES)
    def test_need_rights(self, start: Start, method: str, path: str, body: Json, field: str, value: Json) -> None:
        _, caller = start(may_write=False)
        assert caller.call(method, path, body).status_code == 403, (field, value)
        assert caller.call("POST", f"v3/chargers/{ONE}/remote-action", {"action": 1}).status_code == 403
        profile = caller.call("PUT", f"v2/charger/{ONE}").json()["data"]["users"][0]["profile"]
        assert profile != "super-admin"


# what came before, the action, the answer, the status afterwards
RULES: dict[str, tuple[list[tuple[str, Json]], int, int, int]] = {
    "resume without anything paused": ([("plug", 10)], 1, 409, 194),
    "resume without a car": ([], 1, 409, 161),
    "resume while locked": ([("plug", 10), ("pause", None), ("lock", None)], 1, 409, 210),
    "resume": ([("plug", 10), ("pause", None)], 1, 200, 194),
    "pause": ([("plug", 10)], 2, 200, 178),
    "pause while locked": ([("plug", 10), ("lock", None)], 2, 403, 210),
    "pause twice": ([("plug", 10), ("pause", None)], 2, 403, 178),
    "pause without a car": ([], 2, 403, 161),
    "pause when full": ([("plug", 0)], 2, 200, 182),
    "pause under OCPP": ([("plug", 10), ("ocpp", None)], 2, 403, 194),
    "resume under OCPP": ([("plug", 10), ("pause", None), ("ocpp", True)], 1, 403, 178),
    "resume when OCPP has let go": ([("plug", 10), ("pause", None), ("ocpp", True), ("ocpp", False)], 1, 200, 194),
    "update without one": ([], 5, 409, 161),
    "update": ([("update", "9.9.9")], 5, 200, 166),
    "back to the schedule": ([("plug", 10), ("pause", None)], 9, 200, 194),
    "reboot": ([("plug", 10)], 3, 200, 194),
}


class TestRules:
    @pytest.mark.parametrize(("moves", "action", "code", "status"), RULES.values(), ids=RULES)
    def test_of_actions(self, start: Start, moves: list[tuple[str, Json]], action: int, code: int, status: int) -> None:
        cloud, caller = start()
        for word, value in moves:
            cloud.charger(ONE).do(word, value)
        answer = caller.call("POST", f"v3/chargers/{ONE}/remote-action/", {"action": action})
        assert answer.status_code == code
        assert code != 200 or answer.json() == {"action": action}
        assert cloud.charger(ONE).detail()["status_id"] == status

    def test_unlock_under_ocpp_is_accepted_without_effect(self, start: Start) -> None:
        cloud, caller = start()
        cloud.charger(ONE).do("lock")
        cloud.charger(ONE).do("ocpp")
        answer = caller.call("PUT", f"v2/charger/{ONE}", {"locked": 0})
        assert answer.json()["data"]["chargerData"]["locked"] == 0
        assert caller.call("GET", f"v2/charger/{ONE}").json()["data"]["chargerData"]["locked"] == 1

    @pytest.mark.parametrize("status", [0, 5])
    def test_offline_shows_the_last_word(self, start: Start, clock: FakeClock, status: int) -> None:
        cloud, caller = start()
        charger = cloud.charger(ONE)
        charger.do("plug")
        clock.advance(60)
        before = caller.call("GET", f"chargers/status/{ONE}").json()
        charger.do("offline", status)
        clock.advance(600)
        shown = caller.call("GET", f"chargers/status/{ONE}").json()
        assert shown == {**before, "status_id": status}
        charger.do("online")
        shown = caller.call("GET", f"chargers/status/{ONE}").json()
        assert shown["added_energy"] == pytest.approx(before["added_energy"] * 11, abs=0.01)
        assert shown["last_sync"] > before["last_sync"]

    @pytest.mark.parametrize(("setting", "code"), [("ignored", 200), ("forbidden", 403)])
    def test_commands_out_of_touch(self, start: Start, clock: FakeClock, setting: str, code: int) -> None:
        cloud, caller = start(out_of_touch=setting)
        cloud.charger(ONE).do("offline")
        assert caller.call("PUT", f"v2/charger/{ONE}", {"locked": 1}).status_code == code
        assert caller.call("POST", f"v3/chargers/{ONE}/remote-action", {"action": 3}).status_code == code
        cloud.charger(ONE).do("online")
        clock.advance(5)
        assert caller.call("GET", f"chargers/status/{ONE}").json()["config_data"]["locked"] == 0


class TestAnswersOfWrites:
    def test_basic_is_whole(self, start: Start, clock: FakeClock) -> None:
        cloud, caller = start(lag_s=10)
        cloud.charger(ONE).do("plug", 10)
        clock.advance(5)
        before = caller.call("GET", f"v2/charger/{ONE}").json()["data"]["chargerData"]
        answer = caller.call("PUT", f"v2/charger/{ONE}", {"locked": 1}).json()["data"]["chargerData"]
        assert answer == {**before, "locked": 1}  # the status as it was reported
        assert {"status", "maxChargingCurrent", "ocppConnectionStatus", "resume", "wifiSignal"} <= answer.keys()
        assert before["lastSync"]["date"] == "2026-10-05 12:00:05.000000"
        clock.advance(10)
        assert caller.call("GET", f"v2/charger/{ONE}").json()["data"]["chargerData"]["status"] == 210

    @pytest.mark.parametrize(("answers", "limit"), [("wish", 20), ("outcome", 18)])
    def test_clamped(self, start: Start, answers: str, limit: int) -> None:
        cloud, caller = start(answers=answers)
        cloud.charger(ONE).do("clamp", 18)
        basic = caller.call("PUT", f"v2/charger/{ONE}", {"maxChargingCurrent": 20}).json()
        config = caller.call("POST", f"chargers/config/{ONE}", {"max_charging_current": 20}).json()
        assert basic["data"]["chargerData"]["maxChargingCurrent"] == limit
        assert config["max_charging_current"] == limit
        shown = caller.call("GET", f"chargers/status/{ONE}").json()["config_data"]
        assert shown["max_charging_current"] == 18
        cloud.charger(ONE).do("clamp", None)
        caller.call("PUT", f"v2/charger/{ONE}", {"maxChargingCurrent": 20})
        assert caller.call("GET", f"chargers/config/{ONE}").json()["max_charging_current"] == 20

    @pytest.mark.parametrize("status", [403, 405, 429])
    def test_a_put_without_a_body_is_refused(self, start: Start, status: int) -> None:
        _, caller = start(read_by_put=status)
        assert caller.call("PUT", f"v2/charger/{ONE}").status_code == status
        assert caller.call("PUT", f"v2/charger/{ONE}", {"locked": 1}).status_code == 200

    def test_a_put_without_a_body_counts_as_a_write(self, start: Start) -> None:
        _, caller = start(writes_per_minute=1)
        assert caller.call("PUT", f"v2/charger/{ONE}").status_code == 200
        assert caller.call("PUT", f"v2/charger/{ONE}", {"locked": 1}).status_code == 429


class TestAccount:
    def listed(self, caller: Caller) -> list[int]:
        groups = caller.call("GET", "v3/chargers/groups").json()["result"]["groups"]
        return [charger["id"] for group in groups for charger in group["chargers"]]

    @pytest.mark.parametrize("status", [403, 404])
    def test_a_charger_leaves_and_comes_back(self, start: Start, status: int) -> None:
        cloud, caller = start()
        cloud.remove(ONE, status)
        assert self.listed(caller) == [OTHER]
        codes = {
            caller.call("GET", f"chargers/status/{ONE}").status_code,
            caller.call("PUT", f"v2/charger/{ONE}", {"locked": 1}).status_code,
            caller.call("POST", f"v3/chargers/{ONE}/remote-action", {"action": 3}).status_code,
        }
        assert codes == {status}
        assert caller.call("GET", f"chargers/status/{OTHER}").status_code == 200
        cloud.set_access(ONE)
        assert self.listed(caller) == [ONE, OTHER]
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 200

    def test_a_charger_is_replaced(self, start: Start) -> None:
        cloud, caller = start()
        cloud.remove(ONE)
        cloud.add(ChargerSpec(id=103))
        assert self.listed(caller) == [OTHER, 103]
        assert caller.call("GET", "chargers/status/103").json()["config_data"]["charger_id"] == 103

    def test_an_empty_account(self, start: Start) -> None:
        cloud, caller = start()
        for number in cloud.chargers:
            cloud.remove(number)
        assert self.listed(caller) == []
        with Simulator(chargers=0) as empty, Caller(empty.url) as somebody:
            somebody.sign_in()
            assert self.listed(somebody) == []

    def test_listed_but_not_readable(self, start: Start) -> None:
        cloud, caller = start()
        cloud.set_access(ONE, documents=403)
        assert self.listed(caller) == [ONE, OTHER]
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 403

    def test_a_guest_of_one_charger(self, start: Start) -> None:
        cloud, caller = start()
        cloud.set_access(ONE, may_write=False)
        assert caller.call("PUT", f"v2/charger/{ONE}", {"locked": 1}).status_code == 403
        assert caller.call("POST", f"v3/chargers/{ONE}/remote-action", {"action": 3}).status_code == 403
        assert caller.call("PUT", f"v2/charger/{ONE}").json()["data"]["users"][0]["profile"] == "user"
        assert caller.call("PUT", f"v2/charger/{OTHER}", {"locked": 1}).status_code == 200

    def test_list_and_detail_disagree(self, start: Start) -> None:
        cloud, caller = start()
        entry = {**cloud.charger(ONE).listed(), "status": 185}
        cloud.charger(ONE).serve("listed", entry)
        groups = caller.call("GET", "v3/chargers/groups").json()["result"]["groups"]
        assert groups[0]["chargers"][0]["status"] == 185
        assert caller.call("GET", f"chargers/status/{ONE}").json()["status_id"] == 161

    @pytest.mark.parametrize("changes", [{"documents": 500}, {"listed": 1}, {"unknown": 1}], ids=str)
    def test_wrong_access_is_refused(self, start: Start, changes: dict[str, object]) -> None:
        cloud, _ = start()
        with pytest.raises(ValueError, match=r"documents|listed|unknown"):
            cloud.set_access(ONE, **changes)


class TestLimit:
    @pytest.mark.parametrize("most", [1, 3, 7])
    def test_is_never_off_by_one(self, start: Start, clock: FakeClock, most: int) -> None:
        _, caller = start(reads_per_minute=most)
        for _ in range(most):
            assert caller.call("GET", "v3/chargers/groups").status_code == 200
            clock.advance(1)
        assert caller.call("GET", "v3/chargers/groups").status_code == 429
        clock.advance(60 - most - 0.001)
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 429
        clock.advance(0.001)
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 200
        assert caller.call("GET", f"chargers/status/{ONE}").status_code == 429

    @given(
        most=st.integers(1, 5),
        gaps=st.lists(st.one_of(st.floats(0, 70), st.sampled_from([20.0, 30.0, 60.0])), max_size=60),
    )
    def test_lets_through_so_many_in_any_minute_and_no_fewer(self, most: int, gaps: list[float]) -> None:
        clock = FakeClock(monotonic=0)
        limiter, settings = Limiter(clock), Settings(reads_per_minute=most)
        passed: list[float] = []
        for gap in gaps:
            clock.advance(gap)
            now = clock.monotonic()
            newest = [when for when in passed if now - when < 60]
            refusal = limiter.refusal(settings, write=False)
            assert (refusal is None) == (len(newest) < most)
            if refusal is None:
                passed.append(now)

    def test_reads_and_writes_apart_and_over_all_chargers(self, start: Start) -> None:
        _, caller = start(reads_per_minute=1, writes_per_minute=2)
        requests: list[tuple[str, str, Json]] = [
            ("GET", f"chargers/status/{ONE}", None),
            ("GET", f"chargers/status/{OTHER}", None),
            ("PUT", f"v2/charger/{ONE}", {"locked": 1}),
            ("PUT", f"v2/charger/{OTHER}", None),
            ("POST", f"chargers/config/{ONE}", {"energy_price": 1}),
        ]
        codes = [caller.call(*request).status_code for request in requests]
        assert codes == [200, 429, 200, 200, 429]

    def test_sign_ins(self, start: Start) -> None:
        cloud, caller = start(writes_per_minute=2)
        for _ in range(5):
            assert caller.sign_in().status_code == 200
            assert caller.refresh().status_code == 200
        assert [caller.legacy_sign_in().status_code for _ in range(3)] == [200, 200, 429]
        assert [seen.limited for seen in cloud.requests[-3:]] == [False, False, True]

    def test_nothing_gets_through_at_zero(self, start: Start) -> None:
        _, caller = start(reads_per_minute=0)
        assert caller.call("GET", "v3/chargers/groups").status_code == 429

    @pytest.mark.parametrize("refusal", ["429", "429 seconds", "429 date", "429 zero", "403"])
    def test_forms_of_the_refusal(self, start: Start, clock: FakeClock, refusal: str) -> None:
        _, caller = start(reads_per_minute=1, refusal=refusal)
        caller.call("GET", "v3/chargers/groups")
        clock.advance(20.5)
        answer = caller.call("GET", "v3/chargers/groups")
        assert answer.status_code == int(refusal[:3])
        wait = answer.headers.get("Retry-After")
        match refusal:
            case "429 seconds":
                assert wait == "40"
            case "429 zero":
                assert wait == "0"
            case "429 date":
                assert parsedate_to_datetime(str(wait)).timestamp() == clock.wall() + 39.5
            case _:
                assert wait is None

    def test_a_refused_token_does_not_count(self, start: Start) -> None:
        cloud, caller = start(reads_per_minute=1)
        cloud.revoke_tokens()
        assert caller.call("GET", "v3/chargers/groups").status_code == 401
        caller.sign_in()
        assert caller.call("GET", "v3/chargers/groups").status_code == 200


class TestLag:
    def test_shows_after_so_many_seconds(self, start: Start, clock: FakeClock) -> None:
        cloud, caller = start(lag_s=10)
        cloud.charger(ONE).do("plug")

        def shown() -> tuple[Json, Json, Json]:
            status = caller.call("GET", f"chargers/status/{ONE}").json()
            listed = caller.call("GET", "v3/chargers/groups").json()["result"]["groups"][0]["chargers"][0]
            basic = caller.call("GET", f"v2/charger/{ONE}").json()["data"]["chargerData"]
            return status["config_data"]["locked"], listed["locked"], basic["locked"]

        answer = caller.call("PUT", f"v2/charger/{ONE}", {"locked": 1})
        assert answer.json()["data"]["chargerData"]["locked"] == 1
        clock.advance(9.9)
        assert shown() == (0, 0, 0)
        clock.advance(0.2)
        assert shown() == (1, 1, 1)

    def test_rules_look_at_what_was_accepted(self, start: Start) -> None:
        _, caller = start(ChargerSpec(id=ONE, begin=(*READY, ("plug", 10))), lag_s=10)
        path = f"v3/chargers/{ONE}/remote-action"
        assert caller.call("POST", path, {"action": 2}).status_code == 200
        assert caller.call("POST", path, {"action": 2}).status_code == 403
        assert caller.call("POST", path, {"action": 1}).status_code == 200

    def test_rules_look_at_what_has_happened_meanwhile(self, start: Start, clock: FakeClock) -> None:
        cloud, caller = start(ChargerSpec(id=ONE, begin=(*READY, ("plug", 22.08))), token_life_s=86400)
        clock.advance(7200)  # full after an hour, and nobody has looked
        assert caller.call("PUT", f"v2/charger/{ONE}", {"maxChargingCurrent": 6}).status_code == 200
        assert cloud.charger(ONE).expected().session.energy_kwh == pytest.approx(22.08)

    def test_energy_flows_until_the_command_arrives(self, start: Start, clock: FakeClock) -> None:
        cloud, caller = start(ChargerSpec(id=ONE, begin=(*READY, ("plug", 20))), lag_s=36)
        caller.call("POST", f"v3/chargers/{ONE}/remote-action", {"action": 2})
        clock.advance(3600)
        assert cloud.charger(ONE).detail()["added_energy"] == pytest.approx(22.08 * 36 / 3600, abs=0.001)


def test_log_has_what_came_and_no_secrets(start: Start, clock: FakeClock) -> None:
    cloud, caller = start()
    cloud.forget_requests()
    clock.advance(7)
    caller.call("PUT", f"v2/charger/{ONE}/", {"locked": 1})
    caller.call("POST", "nowhere", b"\xff")
    first, second = cloud.requests
    assert (first.at, first.method, first.path) == (clock.monotonic(), "PUT", f"v2/charger/{ONE}")
    assert (first.body, first.charger, first.status, first.limited) == ({"locked": 1}, ONE, 200, False)
    assert first.answered_at == clock.monotonic()
    assert first.headers["Authorization"] == "Bearer ***"
    assert (second.charger, second.status, second.body) == (None, 404, "\ufffd")
    assert cloud.wait_for(lambda seen: len(seen) == 2, 0)
    assert not cloud.wait_for(lambda seen: len(seen) > 2, 0.01)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"modern_sign_in": 500}, "sign-in"),
        ({"token_life_s": 0}, "longer than 0"),
        ({"reads_per_minute": -1}, "not negative"),
        ({"reads_per_minute": "3"}, "reads_per_minute"),
        ({"reads_per_minute": True}, "reads_per_minute"),
        ({"refusal": "500"}, "refusal"),
        ({"may_write": 1}, "may_write"),
        ({"refresh_refusal": 404}, "refresh"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Simulator().configure(**changes)


def test_no_capture_was_edited() -> None:
    sources = (FIXTURES / "SOURCES.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\S+)` .* ([0-9a-f]{16}) \|$", sources, re.MULTILINE)
    simulated = {f"simulator/documents/{path.name}" for path in DOCUMENTS.glob("*.json")}
    assert simulated <= {name for name, _ in table}
    for name, begins in table:
        path = DOCUMENTS.parent.parent / name if name in simulated else FIXTURES / name
        assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(begins), name


def test_the_page_of_the_documentation_names_all_there_is() -> None:
    page = (FIXTURES.parent.parent / "docs" / "simulator.md").read_text(encoding="utf-8")
    settings = [field.name for field in dataclasses.fields(Settings)]
    words = (*MODELS, *MOVES, *settings, *get_args(FaultKind))
    assert [word for word in words if f"`{word}`" not in page] == []


@pytest.mark.parametrize("spec", [{"id": 0}, {"id": 1, "model": "tesla"}], ids=str)
def test_wrong_specifications_are_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"id|model"):
        ChargerSpec(**spec)


def test_ids_are_unique() -> None:
    with pytest.raises(ValueError, match="same id"):
        Simulator(chargers=[ChargerSpec(id=1), ChargerSpec(id=1)])
