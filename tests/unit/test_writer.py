"""The writer against the simulated cloud by HTTP; time is a fake."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.parts import OpenCloud, Parts, most_in_a_minute, timeout_for
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.simulator import ChargerSpec, Fault, Settings

ONE, TWO = 101, 102
READY = (("unplug", None), ("unlock", None))
CHARGING = (("unlock", None), ("plug", 30))
GENEROUS = Settings(reads_per_minute=None, writes_per_minute=None)
WRITE = "v2/charger/*"
ACTION = "v3/chargers/*/remote-action"

Make = Callable[..., Parts]


@pytest.fixture
def make(open_cloud: OpenCloud, clock: FakeClock, tmp_path: Path) -> Make:
    """Return the parts of a bridge that has read its two chargers once; no read is due for an hour."""

    def make_parts(
        *,
        settings: Settings = GENEROUS,
        begin: tuple[tuple[str, Json], ...] = READY,
        changes: dict[str, Json] | None = None,
        **options: Any,  # noqa: ANN401 - any key of the configuration
    ) -> Parts:
        changes = {"config_data.auto_lock": 0, **(changes or {})}
        specs = [ChargerSpec(id=number, begin=begin, changes=changes) for number in (ONE, TWO)]
        cloud = open_cloud(chargers=specs, settings=replace(settings, reads_per_minute=None))
        parts = Parts(cloud, clock, tmp_path, **{"poll_interval": 3600, "reads_per_minute": 60, **options})
        parts.settle()
        for number in (ONE, TWO):
            parts.planner.want(number)
        parts.run(3)
        parts.published.clear()
        cloud.forget_requests()
        return parts

    return make_parts


def bodies(parts: Parts) -> list[Json]:
    return [one.body for one in parts.sent_writes]


class TestSending:
    def test_a_command_goes_out_at_once(self, make: Make) -> None:
        parts = make()
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.settle()
        ((topic, answer, correlation),) = parts.answers
        assert topic == f"w/{ONE}/max_charging_current/result"
        assert answer == {"status": "ok", "value": 16, "reason": None, "http_status": 200, "took_ms": 0}
        assert correlation is None
        assert parts.last(f"{ONE}/max_charging_current") == "16"
        assert bodies(parts) == [{"maxChargingCurrent": 16}]
        assert parts.sent_reads == []

    def test_ocpp_takes_control_and_gives_it_back(self, make: Make) -> None:
        parts = make(begin=(*CHARGING, ("ocpp", None)))
        parts.states.republish(ONE, ["control", "control/reason"])
        assert parts.last(f"{ONE}/control") == "ocpp"
        assert "OCPP" in (parts.last(f"{ONE}/control/reason") or "")
        parts.send(f"{ONE}/action", "pause")
        parts.settle()
        ((status, value, reason),) = parts.results_of("action")
        assert (status, value) == ("failed", "pause")
        assert "the cloud answered 403" in (reason or "")
        assert "OCPP" in (reason or "")
        parts.cloud.charger(ONE).do("ocpp", value=False)
        parts.planner.want(ONE)
        parts.run(3)
        assert parts.last(f"{ONE}/control") == "wallbox"
        assert parts.last(f"{ONE}/control/reason") == "None"

    def test_the_state_is_published_before_the_result(self, make: Make) -> None:
        parts = make()
        told: list[str] = []
        parts.states._publish = lambda topic, _: told.append(topic)  # noqa: SLF001 - the order of two doors
        parts.results._publish = lambda topic, *_: told.append(topic)  # noqa: SLF001
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        assert told.index(f"w/{ONE}/locked") < told.index(f"w/{ONE}/locked/result")

    def test_bodies_are_filled_when_they_are_sent(self, make: Make) -> None:
        """The current of the house is set between the command and its turn: the body has the new one."""
        parts = make(changes={"config_data.icp_max_current": 16}, writes_per_minute=2, max_age_s=500)
        parts.send(f"{ONE}/name", "A")
        parts.settle()
        parts.send(f"{ONE}/icp_max_current", "20")
        parts.send(f"{ONE}/home_sharing", "1")
        parts.run(200)
        assert bodies(parts)[1:] == [
            {"home_sharing": 0, "icp_max_current": -20},
            {"home_sharing": 1, "icp_max_current": 20},
        ]
        assert parts.last(f"{ONE}/icp_max_current") == "20"

    def test_eco_smart_answers_nothing_and_is_shown(self, make: Make) -> None:
        parts = make(settings=replace(GENEROUS, lag_s=20), poll_interval=10)
        parts.send(f"{ONE}/eco_smart", "full_green")
        parts.run(60)
        assert parts.of(f"{ONE}/eco_smart") == ["full_green"]
        assert parts.results_of("eco_smart") == [("ok", "full_green", None)]

    def test_an_action_shows_nothing_of_itself(self, make: Make) -> None:
        parts = make(begin=CHARGING)
        parts.send(f"{ONE}/action", "pause")
        parts.settle()
        assert parts.results_of("action") == [("ok", "pause", None)]
        assert parts.of(f"{ONE}/status") == []
        assert parts.of(f"{ONE}/action") == []

    def test_an_action_ends_the_hold_of_the_switch(self, make: Make) -> None:
        parts = make(begin=CHARGING)
        parts.send(f"{ONE}/charging_enabled", "off")
        parts.settle()
        parts.send(f"{ONE}/action", "resume")
        parts.settle()
        parts.send(f"{ONE}/refresh", "")
        parts.run(5)
        assert parts.of(f"{ONE}/charging_enabled") == ["false", "true"]
        parts.run(100)
        assert parts.results_of("charging_enabled") == [("ok", False, None)]


class TestNeedless:
    def test_equal_to_the_reading(self, make: Make) -> None:
        parts = make()
        parts.send(f"{ONE}/max_charging_current", "32")
        parts.send(f"{ONE}/locked", "unlock")
        parts.settle()
        assert parts.statuses() == {"ok": 2}
        assert parts.answers[0][1]["http_status"] is None
        assert parts.sent_writes == []
        assert parts.of(f"{ONE}/locked") == ["0"]

    def test_equal_to_the_newest_accepted_write(self, make: Make) -> None:
        parts = make(settings=replace(GENEROUS, lag_s=30), poll_interval=10)
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.run(12)
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.settle()
        assert parts.statuses() == {"ok": 2}
        assert len(parts.sent_writes) == 1

    def test_urgent_and_so_already_behind_another(self, make: Make) -> None:
        parts = make(writes_per_minute=1)
        parts.send(f"{ONE}/name", "A")
        parts.settle()
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.send(f"{ONE}/locked", "0")
        parts.settle()
        assert parts.results_of("locked") == [("ok", 0, None)]
        parts.run(70)
        assert bodies(parts) == [{"name": "A"}, {"maxChargingCurrent": 16}]

    def test_what_a_waiting_command_will_change_is_not_so_already(self, make: Make) -> None:
        parts = make(writes_per_minute=1, max_age_s=500)
        parts.send(f"{ONE}/name", "A")
        parts.settle()
        parts.send(f"{ONE}/eco_smart", "eco")
        parts.send(f"{ONE}/ecosmart/enabled", "false")
        parts.run(130)
        assert [one["data"]["attributes"]["enabled"] for one in bodies(parts)[1:]] == [1, 0]  # type: ignore[index,call-overload]
        assert parts.last(f"{ONE}/eco_smart") == "off"

    @pytest.mark.parametrize(
        ("before", "waiting", "last", "sent"),
        [
            pytest.param("off", "ecosmart/enabled 1", "eco_smart off", [(1, 0), (0, 0)], id="a part, then the whole"),
            pytest.param("full_green", "ecosmart/mode 0", "eco_smart full_green", [(1, 0), (1, 1)], id="mode"),
            pytest.param("eco", "eco_smart off", "ecosmart/enabled 1", [(0, 0), (1, 0)], id="the whole, then a part"),
        ],
    )
    def test_nor_is_what_follows_from_it(
        self, make: Make, before: str, waiting: str, last: str, sent: list[tuple[int, int]]
    ) -> None:
        parts = make(writes_per_minute=2, max_age_s=500)
        parts.send(f"{ONE}/eco_smart", before)
        parts.send(f"{ONE}/name", "A")
        parts.run(70)
        parts.cloud.forget_requests()
        parts.answers.clear()
        parts.send(f"{ONE}/name", "B")
        parts.settle()
        for command in (waiting, last):
            key, text = command.split()
            parts.send(f"{ONE}/{key}", text)
        parts.run(200)
        asked: list[Any] = bodies(parts)[1:]
        told = [one["data"]["attributes"] for one in asked]
        assert [(one["enabled"], one["mode"]) for one in told] == sent
        assert parts.statuses() == {"ok": 3}

    def test_actions_are_always_sent(self, make: Make) -> None:
        parts = make(begin=CHARGING)
        parts.send(f"{ONE}/action", "resume_schedule")
        parts.settle()
        parts.send(f"{ONE}/action", "resume_schedule")
        parts.settle()
        assert bodies(parts) == [{"action": 9}, {"action": 9}]


class TestBudget:
    def test_the_last_write_is_kept_for_urgent_commands(self, make: Make) -> None:
        parts = make(writes_per_minute=3)
        for command in ("name A", "energy_price 1", "max_charging_current 14"):
            key, text = command.split()
            parts.send(f"{ONE}/{key}", text)
            parts.settle()
        assert len(parts.sent_writes) == 2
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        assert bodies(parts)[2] == {"locked": 1}
        parts.run(61)
        assert bodies(parts)[3] == {"maxChargingCurrent": 14}
        assert parts.statuses() == {"ok": 4}

    def test_a_budget_of_one_serves_all(self, make: Make) -> None:
        parts = make(writes_per_minute=1)
        parts.send(f"{ONE}/name", "A")
        parts.settle()
        assert bodies(parts) == [{"name": "A"}]

    @pytest.mark.parametrize("per_minute", [1, 2, 5, 0.5])
    @pytest.mark.parametrize("sign_in", ["modern", "legacy"])
    def test_never_more_in_any_minute(self, make: Make, per_minute: float, sign_in: str) -> None:
        parts = make(writes_per_minute=per_minute, sign_in=sign_in, settings=replace(GENEROUS, token_life_s=40))
        parts.cloud.forget_requests()
        parts.clock.advance(120)

        def burst() -> None:
            for number in range(6, 30):
                parts.send(f"{ONE}/max_charging_current", str(number))
                parts.send(f"{TWO}/locked", str(number % 2))
                parts.send(f"{TWO}/action", "resume_schedule")

        parts.run(400, each_s=7, then=burst)
        assert most_in_a_minute(parts.sent_writes) <= max(1, per_minute)
        assert not any(one.limited for one in parts.sent_writes)

    def test_two_sliders_do_not_starve_one_another(self, make: Make) -> None:
        parts = make(writes_per_minute=2)
        number = 6

        def drag() -> None:
            nonlocal number
            number = 6 + (number + 1) % 20
            for charger in (ONE, TWO):
                parts.send(f"{charger}/max_charging_current", str(number))

        parts.run(600, each_s=1, then=drag)
        sent = [one.charger for one in parts.sent_writes]
        assert abs(sent.count(ONE) - sent.count(TWO)) <= 1
        assert len(sent) >= 9

    def test_ten_minutes_of_surplus_control(self, make: Make) -> None:
        """A new current each second: no more writes than the budget, each the newest, and a lock passes them."""
        limit = replace(GENEROUS, writes_per_minute=5)
        parts = make(settings=limit, poll_interval=60, reads_per_minute=1, writes_per_minute=5)
        wished: list[tuple[float, int]] = []
        locked_at: list[int] = []

        def second() -> None:
            count = len(wished)
            wished.append((parts.clock.monotonic(), 6 + count % 26))
            parts.send(f"{ONE}/max_charging_current", str(wished[-1][1]))
            if count == 300:
                locked_at.append(len(parts.sent_writes))
                parts.send(f"{ONE}/locked", "1")

        parts.run(600, each_s=1, then=second)
        writes = parts.sent_writes
        assert most_in_a_minute(writes) <= 5
        assert 35 <= len(writes) <= 51
        at = [one.at for one in writes if one.body != {"locked": 1}]
        assert at[1] - at[0] <= 3
        # 20 s as a rule, longer where the lock has taken one of the minute's writes
        assert max(after - before for before, after in itertools.pairwise(at[1:])) <= 31
        assert not any(one.limited or one.status != 200 for one in writes)
        assert writes[locked_at[0]].body == {"locked": 1}
        assert writes[locked_at[0]].at == wished[300][0]
        for one in writes:
            if one.body != {"locked": 1}:
                newest = [current for at, current in wished if at <= one.at][-1]
                assert one.body == {"maxChargingCurrent": newest}
        counts = parts.statuses()
        assert counts["ok"] >= len(writes)  # one that is equal to the newest accepted is not sent
        assert counts["ok"] + counts["superseded"] + len(parts.queue) == len(wished) + 1

    def test_a_dragged_slider(self, make: Make) -> None:
        """The first value at once, the last one 0.7 s after the drag, whatever came between them."""
        parts = make()
        for number in range(6, 32):
            parts.send(f"{ONE}/max_charging_current", str(number))
            parts.run(0.05, each_s=0.05)
        assert bodies(parts) == [{"maxChargingCurrent": 6}]
        parts.run(0.8)
        assert bodies(parts) == [{"maxChargingCurrent": 6}, {"maxChargingCurrent": 31}]
        assert parts.statuses() == {"ok": 2, "superseded": 24}

    def test_urgent_ones_are_not_held_up(self, make: Make) -> None:
        parts = make()
        for number in range(4):
            parts.send(f"{ONE}/locked", str(1 - number % 2))
            parts.settle()
        assert len(parts.sent_writes) == 4


class TestRefused:
    @pytest.mark.parametrize("refusal", ["429", "429 seconds", "429 date"])
    def test_a_429_puts_it_back(self, make: Make, refusal: Any) -> None:  # noqa: ANN401 - a literal
        parts = make(settings=replace(GENEROUS, refusal=refusal))
        parts.cloud.configure(writes_per_minute=1)
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.send(f"{TWO}/name", "A")
        parts.settle()
        assert parts.statuses() == {"ok": 1}
        assert len(parts.queue) == 2
        assert parts.whole.write_backoff.refused_total == 1
        assert 20 <= parts.whole.write_backoff.wait_s() <= 60
        parts.cloud.configure(writes_per_minute=None)
        parts.run(parts.whole.write_backoff.wait_s() - 1)
        assert len(parts.sent_writes) == 2
        parts.run(2)
        assert bodies(parts)[2:] == [{"maxChargingCurrent": 16}, {"name": "A"}]

    def test_a_restart_waits_as_well(self, make: Make) -> None:
        parts = make()
        parts.cloud.fault(Fault(kind="status", status=429, path=WRITE))
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        left_s = parts.whole.write_backoff.wait_s()
        parts.clock.advance(5)
        again = Parts(parts.cloud, parts.clock, parts.directory, poll_interval=3600, reads_per_minute=60)
        assert again.whole.write_backoff.wait_s() == pytest.approx(left_s - 5)
        again.send(f"{ONE}/locked", "1")
        again.settle()
        assert len(parts.sent_writes) == 1

    def test_one_that_came_meanwhile_takes_its_place(self, make: Make) -> None:
        parts = make()
        parts.cloud.fault(Fault(kind="status", status=429, path=WRITE))
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.settle()
        parts.send(f"{ONE}/max_charging_current", "20")
        parts.run(40)
        assert parts.results_of("max_charging_current") == [
            ("superseded", 16, "a newer command took its place"),
            ("ok", 20, None),
        ]

    def test_it_expires_where_it_waits_too_long(self, make: Make) -> None:
        parts = make(max_age_s=50)
        parts.cloud.fault(Fault(kind="status", status=429, path=WRITE, count=None))
        parts.send(f"{ONE}/locked", "1")
        parts.run(49)
        assert parts.answers == []
        parts.run(2)
        assert parts.results_of("locked") == [("failed", 1, "expired")]
        assert parts.last(f"{ONE}/locked") == "0"

    def test_no_rights(self, make: Make) -> None:
        parts = make(settings=replace(GENEROUS, may_write=False))
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.run(130)
        ((_, answer, _),) = parts.answers
        assert (answer["status"], answer["http_status"], answer["value"]) == ("failed", 403, 16)
        assert answer["reason"] == "the cloud answered 403: the account has no right to change this charger"
        assert len(parts.sent_writes) == 1
        assert parts.of(f"{ONE}/max_charging_current") == ["32"]

    @pytest.mark.parametrize(
        ("begin", "command", "status", "reason"),
        [
            ((("plug", 30), ("lock", None)), "pause", 403, "the charger is locked, unlock it first"),
            (
                (("unlock", None), ("plug", 30)),
                "resume",
                409,
                "it is already so, the charger's status is Charging",
            ),
            ((*CHARGING, ("pause", None)), "pause", 403, "it is already so, the charger's status is Pause"),
            ((*CHARGING, ("ocpp", True)), "pause", 403, "the charger is run by an OCPP back end"),
        ],
        ids=["locked", "charging", "paused", "OCPP"],
    )
    def test_the_reason_is_worked_out(
        self, make: Make, begin: tuple[tuple[str, Json], ...], command: str, status: int, reason: str
    ) -> None:
        parts = make(begin=begin)
        parts.send(f"{ONE}/action", command)
        parts.settle()
        ((_, answer, _),) = parts.answers
        assert (answer["status"], answer["http_status"]) == ("failed", status)
        assert answer["reason"].startswith(f"the cloud answered {status}: {reason}")


class TestTokens:
    def test_a_401_gets_a_new_token_once(self, make: Make) -> None:
        parts = make()
        parts.cloud.revoke_tokens()
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        assert parts.results_of("locked") == [("ok", 1, None)]
        assert [one.status for one in parts.sent_writes] == [401, 200]

    def test_a_401_on_an_action_too(self, make: Make) -> None:
        parts = make(begin=CHARGING)
        parts.cloud.revoke_tokens()
        parts.send(f"{ONE}/action", "pause")
        parts.settle()
        assert parts.statuses() == {"ok": 1}
        assert [one.status for one in parts.sent_writes] == [401, 200]

    def test_a_second_401_is_a_failure(self, make: Make) -> None:
        parts = make()
        parts.cloud.fault(Fault(kind="status", status=401, path=WRITE, count=None))
        parts.send(f"{ONE}/locked", "1")
        parts.run(10)
        assert parts.answers[0][1]["http_status"] == 401
        assert parts.statuses() == {"failed": 1}
        assert len(parts.sent_writes) == 2

    def test_refused_credentials(self, make: Make) -> None:
        parts = make()
        parts.cloud.fault(Fault(kind="status", status=403, body="json", path="users/*", count=None))
        parts.cloud.revoke_tokens()
        parts.send(f"{ONE}/locked", "1")
        parts.run(10)
        ((status, _, reason),) = parts.results_of("locked")
        assert status == "failed"
        assert "check e-mail and password" in str(reason)

    @pytest.mark.parametrize("fault", [{"status": 503}, {"status": 403}, {"status": 403, "body": "message"}], ids=str)
    def test_a_sign_in_that_fails_is_waited_for(self, make: Make, fault: dict[str, Any]) -> None:
        parts = make()
        parts.cloud.fault(Fault(kind="status", path="users/*", count=3, **fault))
        parts.cloud.revoke_tokens()
        parts.send(f"{ONE}/locked", "1")
        parts.run(30)
        assert parts.results_of("locked") == [("ok", 1, None)]

    def test_commands_do_not_hammer_a_sign_in_host_in_trouble(self, make: Make) -> None:
        parts = make(max_age_s=30)
        parts.cloud.fault(Fault(kind="status", status=503, path="users/*", count=None))
        parts.cloud.revoke_tokens()
        parts.cloud.forget_requests()
        for number in range(120):
            parts.send(f"{ONE}/max_charging_current", str(6 + number % 20))
            parts.run(1)
        sign_ins = [one for one in parts.cloud.requests if one.path.startswith("users/")]
        assert {one.path for one in sign_ins} == {"users/refresh-token"}, "no other kind of sign-in is tried"
        assert len(sign_ins) <= 8, "one request for each wait: 3, 6, 12, 24, 48 s"
        parts.run(60)
        assert parts.statuses().keys() == {"superseded", "failed"}
        assert parts.results_of("max_charging_current")[-1][2] == "expired"

    def test_a_token_by_a_write_waits_for_two_writes(self, make: Make) -> None:
        """Else it is a write for nothing: a short-lived one has ended when the command may go."""
        settings = replace(GENEROUS, token_life_s=20)
        parts = make(settings=settings, sign_in="legacy", writes_per_minute=2)
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        parts.run(30)
        parts.cloud.forget_requests()
        parts.send(f"{ONE}/locked", "0")
        parts.run(60)
        sign_in, command = parts.sent_writes
        assert (sign_in.path, command.body) == ("auth/token/user", {"locked": 0})
        assert command.at - sign_in.at < 1

    def test_a_sign_in_that_fails_is_no_lost_action(self, make: Make) -> None:
        parts = make(begin=CHARGING)
        parts.cloud.revoke_tokens()
        parts.cloud.fault(Fault(kind="reset", path="users/*"))
        parts.send(f"{ONE}/action", "pause")
        parts.run(10)
        assert parts.results_of("action") == [("ok", "pause", None)]


class TestLostAnswers:
    LOST = (
        {"kind": "reset"},
        {"kind": "reset", "effect": True},
        {"kind": "hang", "effect": True},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "effect": True},
        {"kind": "redirect"},
    )

    @pytest.mark.parametrize("fault", LOST, ids=str)
    def test_a_remote_action_is_never_sent_again(self, make: Make, fault: dict[str, Any]) -> None:
        parts = make(begin=CHARGING, timeout=timeout_for(fault))
        parts.cloud.fault(Fault(path=ACTION, **fault))
        parts.send(f"{ONE}/charging_enabled", "off")
        parts.run(150)
        ((status, value, reason),) = parts.results_of("charging_enabled")
        assert (status, value) == ("failed", False)
        assert "its effect is unknown, it is not sent again" in str(reason)
        assert len(parts.sent_writes) == 1
        assert parts.of(f"{ONE}/charging_enabled") == ["true"]

    @pytest.mark.parametrize("fault", LOST, ids=str)
    def test_another_write_is_sent_once_more(self, make: Make, fault: dict[str, Any]) -> None:
        parts = make(timeout=timeout_for(fault))
        parts.cloud.fault(Fault(path=WRITE, **fault))
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        assert parts.answers == []
        parts.run(3)
        assert parts.results_of("locked") == [("ok", 1, None)]
        assert len(parts.sent_writes) == 2

    def test_others_do_not_wait_for_the_second_try(self, make: Make) -> None:
        parts = make()
        parts.cloud.fault(Fault(kind="reset", path=WRITE))
        parts.send(f"{ONE}/name", "A")
        parts.settle()
        parts.send(f"{TWO}/locked", "1")
        parts.send(f"{TWO}/name", "B")
        parts.settle()
        assert bodies(parts) == [{"name": "A"}, {"locked": 1}, {"name": "B"}]
        parts.run(3)
        assert bodies(parts)[3:] == [{"name": "A"}]
        assert parts.statuses() == {"ok": 3}

    @pytest.mark.parametrize("fault", LOST, ids=str)
    def test_and_then_given_up(self, make: Make, fault: dict[str, Any]) -> None:
        parts = make(timeout=timeout_for(fault))
        parts.cloud.fault(Fault(path=WRITE, count=None, **fault))
        parts.send(f"{ONE}/locked", "1")
        parts.run(150)
        assert parts.statuses() == {"failed": 1}
        assert len(parts.sent_writes) == 2
        assert parts.of(f"{ONE}/locked") == ["0"]

    @pytest.mark.parametrize("fault", LOST, ids=str)
    def test_what_was_shown_before_proves_nothing(self, make: Make, fault: dict[str, Any]) -> None:
        """The lock may have had its effect: «unlock» is sent though the state says that it is open."""
        parts = make(timeout=timeout_for(fault))
        parts.cloud.fault(Fault(path=WRITE, count=2, **fault))
        parts.send(f"{ONE}/locked", "1")
        parts.run(10)
        assert parts.statuses() == {"failed": 1}
        parts.send(f"{ONE}/locked", "0")
        parts.settle()
        assert bodies(parts) == [{"locked": 1}, {"locked": 1}, {"locked": 0}]
        assert parts.results_of("locked")[1] == ("ok", 0, None)

    def test_nor_for_one_that_comes_before_the_second_try(self, make: Make) -> None:
        parts = make()
        parts.cloud.fault(Fault(kind="reset", effect=True, path=WRITE))
        parts.send(f"{ONE}/max_charging_current", "13")
        parts.settle()
        parts.send(f"{ONE}/max_charging_current", "32")
        parts.run(5)
        assert bodies(parts) == [{"maxChargingCurrent": 13}, {"maxChargingCurrent": 32}]
        assert parts.results_of("max_charging_current") == [
            ("superseded", 13, "a newer command took its place"),
            ("ok", 32, None),
        ]

    @pytest.mark.parametrize("command", ["locked 1", "action reboot"])
    def test_a_cloud_that_is_away_has_not_seen_it(self, make: Make, command: str) -> None:
        parts = make()
        port = parts.cloud.port
        parts.cloud.stop()
        key, text = command.split()
        parts.send(f"{ONE}/{key}", text)
        parts.settle()
        assert parts.answers == []
        parts.cloud.start(port)
        parts.run(3)
        assert parts.statuses() == {"ok": 1}
        assert len(parts.sent_writes) == 1

    @pytest.mark.parametrize("kind", ["truncated", "html", "null", "list", "cut", "huge", "invalid_utf8", "deep"])
    def test_an_accepted_write_is_accepted_whatever_its_answer_says(self, make: Make, kind: Any) -> None:  # noqa: ANN401
        parts = make()
        parts.cloud.fault(Fault(kind=kind, path=WRITE))
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        assert parts.results_of("locked") == [("ok", 1, None)]
        assert parts.last(f"{ONE}/locked") == "1"

    def test_other_statuses_are_final(self, make: Make) -> None:
        parts = make()
        parts.cloud.fault(Fault(kind="status", status=418, path=WRITE))
        parts.send(f"{ONE}/locked", "1")
        parts.run(10)
        assert parts.answers[0][1]["http_status"] == 418
        assert len(parts.sent_writes) == 1


class TestSettling:
    def limits(self, parts: Parts) -> list[str]:
        return parts.of(f"{ONE}/max_charging_current")

    @pytest.mark.parametrize("wished", [("13", "20"), ("13", "32")], ids=["dragged on", "there and back"])
    def test_a_slider_shows_no_value_twice(self, make: Make, wished: tuple[str, str]) -> None:
        parts = make(settings=replace(GENEROUS, lag_s=20), poll_interval=3)
        for number in wished:
            parts.send(f"{ONE}/max_charging_current", number)
            parts.run(4)
        parts.run(100)
        assert self.limits(parts) == [*wished]
        assert parts.statuses() == {"ok": 2}

    def test_not_confirmed(self, make: Make) -> None:
        parts = make(poll_interval=10)
        parts.cloud.fault(Fault(kind="html", path=WRITE))
        parts.cloud.configure(lag_s=1e6)
        parts.send(f"{ONE}/max_charging_current", "13")
        parts.run(30)
        assert self.limits(parts) == ["13"]
        parts.run(40)
        assert parts.results_of("max_charging_current") == [("ok", 13, None), ("failed", 13, "not confirmed")]
        assert self.limits(parts) == ["13", "32"]
        parts.run(100)
        assert len(parts.answers) == 2

    def test_a_config_of_two_is_not_confirmed_once(self, make: Make) -> None:
        parts = make(poll_interval=10)
        parts.cloud.configure(lag_s=1e6)
        parts.cloud.fault(Fault(kind="html", path="chargers/config/*"))
        parts.send(f"{ONE}/config", '{"energy_price": 0.5, "max_charging_current": 13}')
        parts.run(300)
        assert [status for status, _, _ in parts.results_of("config")] == ["ok", "failed"]

    def test_no_read_follows_a_write_before_the_next_planned_one(self, make: Make) -> None:
        parts = make()
        parts.send(f"{ONE}/locked", "1")
        parts.run(1000)
        assert parts.sent_reads == []

    def test_an_unlock_without_effect_on_a_charger_that_ocpp_runs(self, make: Make) -> None:
        parts = make(begin=(("lock", None),), changes={"config_data.operation_mode": "ocpp"}, poll_interval=10)
        parts.cloud.configure(lag_s=1e6)
        parts.cloud.fault(Fault(kind="html", path=WRITE))
        parts.send(f"{ONE}/locked", "0")
        parts.run(100)
        assert parts.results_of("locked") == [
            ("ok", 0, None),
            ("failed", 0, "not confirmed: an OCPP back end runs it"),
        ]


class TestPause:
    """Pause and resume, by the switch or as an action: held and confirmed by the switch's field."""

    BY = pytest.mark.parametrize("command", ["action pause", "charging_enabled off"])

    @BY
    def test_is_shown_at_once_and_confirmed(self, make: Make, command: str) -> None:
        parts = make(begin=CHARGING, settings=replace(GENEROUS, lag_s=20), poll_interval=10)
        key, text = command.split()
        parts.send(f"{ONE}/{key}", text)
        parts.run(100)
        assert parts.of(f"{ONE}/charging_enabled") == ["false"]
        assert [status for status, _, _ in parts.results_of(key)] == ["ok"]

    @BY
    def test_is_not_confirmed_where_it_has_no_effect(self, make: Make, command: str) -> None:
        parts = make(begin=CHARGING, poll_interval=10)
        parts.cloud.configure(lag_s=1e6)
        key, text = command.split()
        parts.send(f"{ONE}/{key}", text)
        parts.run(100)
        assert parts.of(f"{ONE}/charging_enabled") == ["false", "true"]
        told = [(status, reason) for status, _, reason in parts.results_of(key)]
        assert told == [("ok", None), ("failed", "not confirmed")]

    @pytest.mark.parametrize("command", ["action pause", "action resume", "charging_enabled on"])
    def test_nor_denied_where_no_reading_could_show_it(self, make: Make, command: str) -> None:
        parts = make(poll_interval=10)
        assert parts.states.value(ONE, "status_id") == 161
        parts.cloud.fault(Fault(kind="html", path=ACTION))
        key, text = command.split()
        parts.send(f"{ONE}/{key}", text)
        parts.run(100)
        assert [status for status, _, _ in parts.results_of(key)] == ["ok"]
        assert set(parts.of(f"{ONE}/charging_enabled")) <= {"true"}
        assert len(parts.sent_writes) == 1

    def test_off_where_nothing_charges_costs_nothing(self, make: Make) -> None:
        parts = make()
        for _ in range(3):
            parts.send(f"{ONE}/charging_enabled", "off")
            parts.run(31)
        assert parts.results_of("charging_enabled") == [("ok", False, None)] * 3
        assert parts.of(f"{ONE}/charging_enabled") == ["true"] * 3
        assert parts.sent_writes == []

    def test_and_is_not_remembered(self, make: Make) -> None:
        parts = make()
        parts.send(f"{ONE}/charging_enabled", "off")
        parts.run(1)
        parts.cloud.charger(ONE).do("plug", 30)
        parts.send(f"{ONE}/refresh", "")
        parts.run(5)
        parts.send(f"{ONE}/charging_enabled", "off")
        parts.run(1)
        assert bodies(parts) == [{"action": 2}]

    @pytest.mark.parametrize("lost", [False, True])
    def test_a_pause_is_sent_after_an_unshown_resume(self, make: Make, *, lost: bool) -> None:
        parts = make(begin=(*CHARGING, ("pause", None)), timeout=0.3)
        assert parts.states.value(ONE, "status_id") in {178, 182}
        if lost:
            parts.cloud.fault(Fault(kind="reset", path=ACTION, effect=True))
        parts.send(f"{ONE}/charging_enabled", "on")
        parts.run(1)
        parts.send(f"{ONE}/charging_enabled", "off")
        parts.run(1)
        assert bodies(parts) == [{"action": 1}, {"action": 2}]


class TestUnlockBeforeResume:
    """The option: two writes, one command, one result."""

    BY = pytest.mark.parametrize("command", ["action resume", "charging_enabled on"])
    LOCKED = (("plug", 30), ("lock", None))

    @BY
    def test_both_are_done_and_one_is_told(self, make: Make, command: str) -> None:
        parts = make(begin=self.LOCKED, unlock_before_resume=True, poll_interval=10)
        key, text = command.split()
        parts.send(f"{ONE}/{key}", text)
        parts.run(100)
        assert bodies(parts) == [{"locked": 0}, {"action": 1}]
        assert [(status, reason) for status, _, reason in parts.results_of(key)] == [("ok", None)]
        assert parts.results_of("locked") == []
        assert parts.last(f"{ONE}/locked") == "0"

    @pytest.mark.parametrize(
        ("begin", "options", "command"),
        [
            (LOCKED, {}, "action resume"),
            (LOCKED, {"unlock_before_resume": True}, "action pause"),
            (LOCKED, {"unlock_before_resume": True}, "action resume_schedule"),
            (CHARGING, {"unlock_before_resume": True}, "action resume"),
        ],
        ids=["off", "pause", "schedule", "not locked"],
    )
    def test_nobody_else_is_unlocked(
        self, make: Make, begin: tuple[tuple[str, Json], ...], options: dict[str, bool], command: str
    ) -> None:
        parts = make(begin=begin, **options)
        key, text = command.split()
        parts.send(f"{ONE}/{key}", text)
        parts.run(5)
        assert {"locked": 0} not in bodies(parts)

    def test_half_done_says_so(self, make: Make) -> None:
        parts = make(begin=self.LOCKED, unlock_before_resume=True)
        parts.cloud.fault(Fault(kind="status", status=403, path=ACTION))
        parts.send(f"{ONE}/action", "resume")
        parts.run(5)
        ((status, value, reason),) = parts.results_of("action")
        assert (status, value) == ("failed", "resume")
        assert str(reason).startswith("unlocked, but not resumed: the cloud answered 403")

    def test_taken_back_in_between(self, make: Make) -> None:
        parts = make(begin=self.LOCKED, unlock_before_resume=True, writes_per_minute=1)
        parts.send(f"{ONE}/action", "resume")
        parts.run(5)
        parts.send(f"{ONE}/charging_enabled", "off")
        parts.run(5)
        reason = "unlocked, but not resumed: a newer command took its place"
        assert parts.results_of("action") == [("superseded", "resume", reason)]

    def test_a_refused_unlock_ends_it(self, make: Make) -> None:
        parts = make(begin=self.LOCKED, unlock_before_resume=True)
        parts.cloud.fault(Fault(kind="status", status=403, path=WRITE))
        parts.send(f"{ONE}/action", "resume")
        parts.run(5)
        ((status, _, reason),) = parts.results_of("action")
        assert status == "failed"
        assert str(reason).startswith("the cloud answered 403")
        assert bodies(parts) == [{"locked": 0}]


class TestTooOldWhenItIsAboutToLeave:
    """Time passes between the queue and the first byte: a sign-in, a connection, a machine that slept."""

    MAX_AGE_S = 50
    LOCKED = (("plug", 30), ("lock", None))

    @pytest.fixture
    def lose(self, make: Make, clock: FakeClock) -> Callable[..., Parts]:
        """Return parts with a way to the cloud on which time is lost before each byte."""

        def lost(**options: Any) -> Parts:  # noqa: ANN401 - any key of the configuration
            parts = make(max_age_s=self.MAX_AGE_S, begin=self.LOCKED, **options)
            parts.account.set_gate(lambda: 0.0, lambda: clock.advance(self.MAX_AGE_S))
            return parts

        return lost

    @pytest.mark.parametrize("command", ["locked 0", "action pause", "max_charging_current 16", "name A"])
    def test_is_not_sent(self, lose: Callable[..., Parts], command: str) -> None:
        parts = lose()
        key, text = command.split()
        parts.send(f"{ONE}/{key}", text)
        while parts.writer.step() == 0:
            pass
        assert parts.sent_writes == []
        assert [(status, reason) for status, _, reason in parts.results_of(key)] == [("failed", "expired")]
        assert parts.writes.free == parts.writes.limit, "it counts nowhere as a request"

    def test_after_a_sign_in(self, lose: Callable[..., Parts], clock: FakeClock) -> None:
        parts = lose()
        clock.advance(86_400)
        parts.cloud.forget_requests()
        parts.send(f"{ONE}/locked", "0")
        while parts.writer.step() == 0:
            pass
        assert [one.path for one in parts.cloud.requests] == ["users/refresh-token"]
        assert parts.results_of("locked") == [("failed", 0, "expired")]

    def test_at_the_second_try(self, make: Make, clock: FakeClock) -> None:
        parts = make(max_age_s=self.MAX_AGE_S, begin=self.LOCKED)
        parts.cloud.fault(Fault(kind="status", status=500, path=WRITE))
        parts.send(f"{ONE}/locked", "0")
        parts.settle()
        clock.advance(2)
        parts.account.set_gate(lambda: 0.0, lambda: clock.advance(self.MAX_AGE_S))
        parts.settle()
        assert len(parts.sent_writes) == 1
        assert parts.results_of("locked") == [("failed", 0, "expired")]

    def test_at_the_second_step(self, make: Make, clock: FakeClock) -> None:
        parts = make(max_age_s=self.MAX_AGE_S, begin=self.LOCKED, unlock_before_resume=True)
        parts.send(f"{ONE}/action", "resume")
        parts.writer.step()
        parts.account.set_gate(lambda: 0.0, lambda: clock.advance(self.MAX_AGE_S))
        parts.settle()
        assert bodies(parts) == [{"locked": 0}]
        assert parts.results_of("action") == [("failed", "resume", "unlocked, but not resumed: expired")]


class TestClamped:
    """The charger makes 18 A of 20."""

    MADE = ("ok", 18, "the charger made 18 of 20")
    TOLD = Fault(kind="wrong_types", path=WRITE, fields={"data.chargerData.maxChargingCurrent": 18})

    def test_the_result_says_so(self, make: Make) -> None:
        parts = make(begin=(*READY, ("clamp", 18)), poll_interval=10)
        parts.cloud.fault(self.TOLD)
        parts.send(f"{ONE}/max_charging_current", "20")
        parts.run(100)
        assert parts.results_of("max_charging_current") == [self.MADE]
        assert parts.of(f"{ONE}/max_charging_current") == ["18"]

    @pytest.mark.parametrize("poll_interval", [10, 60])
    def test_or_a_second_one_where_only_a_reading_shows_it(self, make: Make, poll_interval: float) -> None:
        parts = make(begin=(*READY, ("clamp", 18)), poll_interval=poll_interval)
        parts.send(f"{ONE}/max_charging_current", "20")
        parts.run(400)
        assert parts.results_of("max_charging_current") == [("ok", 20, None), self.MADE]
        assert parts.last(f"{ONE}/max_charging_current") == "18"
        parts.send(f"{ONE}/max_charging_current", "20")
        parts.run(1)
        assert parts.results_of("max_charging_current")[2:] == [self.MADE]
        assert len(parts.sent_writes) == 1

    def test_asking_again_costs_nothing(self, make: Make) -> None:
        parts = make(begin=(*READY, ("clamp", 18)))
        parts.cloud.fault(self.TOLD)
        for _ in range(3):
            parts.send(f"{ONE}/max_charging_current", "20")
            parts.run(60)
        assert parts.results_of("max_charging_current") == [self.MADE] * 3
        assert len(parts.sent_writes) == 1
        parts.send(f"{ONE}/max_charging_current", "16")
        parts.run(20)
        parts.send(f"{ONE}/max_charging_current", "20")
        parts.run(20)
        assert bodies(parts)[1:] == [{"maxChargingCurrent": 16}, {"maxChargingCurrent": 20}]

    def test_in_a_config(self, make: Make) -> None:
        parts = make(begin=(*READY, ("clamp", 18)), poll_interval=60)
        parts.send(f"{ONE}/config", '{"max_charging_current": 20, "energy_price": 0.5}')
        parts.run(400)
        made = {"max_charging_current": 18, "energy_price": 0.5}
        assert parts.results_of("config")[1:] == [("ok", made, "the charger made 18 of 20")]

    def test_an_answer_that_lags_is_no_clamp(self, make: Make) -> None:
        parts = make(settings=replace(GENEROUS, lag_s=20), poll_interval=10)
        parts.send(f"{ONE}/max_charging_current", "20")
        parts.run(100)
        assert parts.results_of("max_charging_current") == [("ok", 20, None)]

    def test_a_larger_value_is_somebody_elses(self, make: Make) -> None:
        parts = make(poll_interval=60)
        parts.send(f"{ONE}/max_charging_current", "20")
        parts.run(1)
        parts.cloud.charger(ONE).do("set", {"config_data.max_charging_current": 25})
        parts.run(400)
        assert parts.results_of("max_charging_current") == [("ok", 20, None)]
        parts.send(f"{ONE}/max_charging_current", "20")
        parts.run(1)
        assert len(parts.sent_writes) == 2


class TestEnd:
    def test_expired_without_a_budget(self, make: Make) -> None:
        parts = make(writes_per_minute=0.1, max_age_s=100)
        parts.send(f"{ONE}/name", "A")
        parts.settle()
        parts.send(f"{ONE}/name", "B")
        parts.run(99)
        assert parts.statuses() == {"ok": 1}
        parts.run(2)
        assert parts.statuses() == {"ok": 1, "failed": 1}
        assert parts.last(f"{ONE}/name") == "A"

    def test_what_waits_can_be_taken_out(self, make: Make) -> None:
        parts = make(writes_per_minute=1)
        parts.send(f"{ONE}/name", "A")
        parts.settle()
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        waiting, in_flight = parts.queue.drain()
        assert [command.key for command in waiting] == ["locked"]
        assert in_flight == []
