"""What becomes of chargers that leave the account, come to it, or may not be read or changed."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.parts import OpenCloud, Parts, most_in_a_minute
from wallbox2mqtt.bridge.registry import LIMITS
from wallbox2mqtt.simulator import ChargerSpec, Fault, Settings, Simulator

ONE, TWO, THREE = 101, 102, 103
READY = (("unplug", None), ("unlock", None))
INTERVAL_S = 20.0

Make = Callable[..., Parts]


def spec(charger_id: int) -> ChargerSpec:
    return ChargerSpec(id=charger_id, begin=READY, changes={"config_data.auto_lock": 0})


@pytest.fixture
def make(open_cloud: OpenCloud, clock: FakeClock, tmp_path: Path) -> Make:
    """Return the parts of a bridge for an account with these chargers; ``cloud`` again for a restart."""

    def make_parts(
        *ids: int,
        cloud: Simulator | None = None,
        **options: Any,  # noqa: ANN401 - any key of the configuration
    ) -> Parts:
        if cloud is None:
            settings = Settings(reads_per_minute=None, writes_per_minute=None)
            cloud = open_cloud(chargers=[spec(one) for one in ids], settings=settings)
        return Parts(cloud, clock, tmp_path, **{"reads_per_minute": 3, "poll_interval": INTERVAL_S, **options})

    return make_parts


def documents(parts: Parts) -> list[str]:
    return [one.path for one in parts.sent_reads]


class TestGone:
    @pytest.mark.parametrize("status", [403, 404])
    def test_the_only_charger_is_offline_after_refusal_and_list(
        self, make: Make, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.forget_requests()
        parts.cloud.remove(ONE, status)
        parts.run(2 * INTERVAL_S + 1)
        assert documents(parts)[:2] == [f"chargers/status/{ONE}", "v3/chargers/groups"]
        assert parts.last(f"{ONE}/availability") == "offline"
        assert parts.last("bridge/cloud") == "online"
        assert parts.last("bridge/cloud_reason") == "no_chargers"
        assert parts.last(f"{ONE}/status") == "Ready"
        assert parts.pace.refused_total == 0
        assert f"the account has no charger {ONE}" in caplog.text

    @pytest.mark.slow
    def test_it_is_forgotten_after_a_day(self, make: Make) -> None:
        parts = make(ONE, poll_interval=300)
        parts.run(1000)
        parts.cloud.remove(ONE)
        parts.run(86_000)
        assert parts.gone == []
        parts.run(2000)
        assert parts.gone == [ONE]
        assert parts.last("bridge/cloud_reason") == "no_chargers"

    def test_it_comes_back(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.remove(ONE)
        parts.run(200)
        parts.cloud.set_access(ONE)
        parts.run(61)
        assert parts.last(f"{ONE}/availability") == "online"
        assert parts.last("bridge/cloud_reason") == "ok"
        assert parts.registry.problems == []

    def test_one_of_several_is_offline_after_two_lists(self, make: Make) -> None:
        parts = make(ONE, TWO, THREE)
        parts.run(200)
        parts.cloud.set_access(TWO, listed=False)
        parts.run(61)
        assert parts.last(f"{TWO}/availability") == "offline"
        assert parts.last(f"{ONE}/availability") == "online"
        assert parts.last("bridge/cloud_reason") == "ok"

    def test_one_list_without_a_readable_charger_is_not_enough(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.set_access(ONE, listed=False)
        parts.send("bridge/refresh", "")
        parts.run(21)
        parts.cloud.set_access(ONE)
        parts.run(200)
        assert set(parts.of(f"{ONE}/availability")) == {"online"}

    def test_a_restart_knows_it_is_missing(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.remove(ONE)
        parts.run(100)
        parts = make(cloud=parts.cloud)
        parts.run(61)
        assert parts.last(f"{ONE}/availability") == "offline"
        assert "online" not in parts.of(f"{ONE}/availability")

    def test_commands_for_it_are_answered_at_once(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.remove(ONE)
        parts.run(100)
        parts.send(f"{ONE}/locked", "0")
        parts.send(f"{ONE}/refresh", "")
        assert {(status, reason) for key in ("locked", "refresh") for status, _, reason in parts.results_of(key)} == {
            ("rejected", f"the account has no charger {ONE}")
        }


class TestReplaced:
    def test_the_new_charger_is_known_two_reads_after_the_refusal(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.remove(ONE)
        parts.cloud.add(spec(TWO))
        parts.cloud.forget_requests()
        parts.run(3 * INTERVAL_S)
        assert documents(parts)[:3] == [f"chargers/status/{ONE}", "v3/chargers/groups", f"chargers/status/{TWO}"]
        assert parts.last(f"{TWO}/status") == "Ready"
        assert parts.last(f"{ONE}/availability") == "offline"

    @pytest.mark.slow
    def test_an_added_one_is_known_within_an_hour(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.add(spec(TWO))
        parts.run(3620)
        assert parts.registry.chargers == [ONE, TWO]

    def test_an_added_one_is_known_at_once_by_a_refresh(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.add(spec(TWO))
        parts.send("bridge/refresh", "")
        parts.run(INTERVAL_S)
        assert parts.registry.chargers == [ONE, TWO]

    def test_also_while_backing_off(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.fault(Fault(kind="status", status=429, path="chargers/status/*", count=6))
        parts.run(400)
        assert parts.pace.wait_s() > 100
        parts.cloud.add(spec(TWO))
        parts.send("bridge/refresh", "")
        parts.run(5)
        assert parts.registry.chargers == [ONE, TWO]
        assert most_in_a_minute(parts.sent_reads) <= 3

    def test_but_not_again_and_again(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.cloud.fault(Fault(kind="status", status=429, count=None))
        parts.run(300)
        parts.cloud.forget_requests()
        parts.run(600, then=lambda: parts.send("bridge/refresh", ""))
        assert len(parts.sent_reads) <= 4

    def test_nor_where_the_cloud_said_how_long_to_wait(self, make: Make) -> None:
        parts = make(ONE)
        parts.run(85)
        parts.pace.refused(600)
        parts.cloud.forget_requests()
        parts.send("bridge/refresh", "")
        parts.run(300)
        assert parts.sent_reads == []


class TestSaidInWords:
    def test_a_configured_charger_that_the_account_lacks(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        parts = make(ONE, chargers=(9999,))
        parts.run(61)
        assert parts.registry.problems == ["the account has no charger 9999"]
        assert parts.last("bridge/cloud_reason") == "no_chargers"
        assert parts.last("bridge/cloud") == "online"
        assert "the account has no charger 9999" in caplog.text
        parts.send("9999/max_charging_current", "10")
        assert parts.results_of("max_charging_current") == [("rejected", None, "the account has no charger 9999")]

    def test_beside_one_that_it_has(self, make: Make) -> None:
        parts = make(ONE, chargers=(ONE, 9999))
        parts.run(300)
        assert parts.registry.problems == ["the account has no charger 9999"]
        assert parts.last("bridge/cloud_reason") == "ok"
        assert parts.last(f"{ONE}/availability") == "online"

    def test_an_empty_account(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        parts = make()
        parts.run(300)
        assert parts.registry.problems == ["the account has no chargers"]
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("online", "no_chargers")
        assert caplog.text.count("the account has no chargers") == 1

    @pytest.mark.parametrize("ids", [(ONE,), (ONE, TWO)], ids=["alone", "beside another"])
    def test_listed_but_not_readable(self, make: Make, ids: tuple[int, ...], caplog: pytest.LogCaptureFixture) -> None:
        parts = make(*ids)
        parts.cloud.set_access(ONE, documents=403)
        parts.run(400)
        assert parts.registry.problems == [f"no rights to read charger {ONE}"]
        assert parts.last(f"{ONE}/status") == "Ready", "the list shows it"
        assert parts.last(f"{ONE}/availability") == "online"
        assert parts.last("bridge/cloud_reason") == "ok"
        assert f"no rights to read charger {ONE}" in caplog.text
        assert parts.pace.refused_total == 0

    def test_commands_that_wait_for_such_a_document_are_answered(self, make: Make) -> None:
        parts = make(ONE, TWO)
        parts.cloud.set_access(ONE, documents=403)
        parts.send(f"{ONE}/max_charging_current", "10")
        parts.send(f"{ONE}/refresh", "")
        parts.run(61)
        reason = f"no rights to read charger {ONE}"
        assert parts.results_of("max_charging_current") == [("rejected", None, reason)]
        assert [told for _, _, told in parts.results_of("refresh")] == [reason]

    def test_a_lock_needs_no_document(self, make: Make) -> None:
        parts = make(ONE, TWO)
        parts.cloud.set_access(ONE, documents=403)
        parts.run(61)
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        ((status, _, reason),) = parts.results_of("locked")
        assert (status, "403" in (reason or "")) == ("failed", True), "it was tried"

    def test_a_guest(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        parts = make(ONE)
        parts.run(61)
        parts.cloud.set_access(ONE, may_write=False)
        parts.send(f"{ONE}/max_charging_current", "10")
        parts.settle()
        ((status, _, reason),) = parts.results_of("max_charging_current")
        assert status == "failed"
        assert "403" in (reason or "")
        assert parts.registry.problems == [f"no rights to change charger {ONE}"]
        assert f"no rights to change charger {ONE}" in caplog.text
        parts = make(cloud=parts.cloud)
        assert parts.registry.problems == [f"no rights to change charger {ONE}"]
        parts.cloud.set_access(ONE)
        parts.run(61)
        parts.send(f"{ONE}/max_charging_current", "11")
        parts.settle()
        assert parts.registry.problems == []

    def test_rejected_commands_are_logged_with_their_reason(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        parts = make(ONE)
        parts.run(61)
        with caplog.at_level(logging.INFO):
            parts.send(f"{ONE}/locked", "perhaps")
        ((_, _, reason),) = parts.results_of("locked")
        assert repr(reason) in caplog.text


def test_problems_are_plain_json(make: Make) -> None:
    parts = make()
    parts.run(30)
    parts.bridge.info(problems=list(parts.registry.problems))
    assert json.loads(parts.last("bridge/info") or "")["problems"] == ["the account has no chargers"]


class TestRestart:
    def test_a_limit_is_checked_by_what_the_last_run_knew(self, make: Make) -> None:
        parts = make(ONE, TWO, THREE)
        parts.run(301)
        parts = make(cloud=parts.cloud)
        parts.run(21)
        assert parts.details == [], "only the list was read"
        parts.send(f"{THREE}/max_charging_current", "11")
        parts.send(f"{TWO}/max_charging_current", "99")
        parts.settle()
        (good, refused) = sorted(parts.results_of("max_charging_current"), reverse=True)
        assert (good[0], refused[0]) == ("rejected", "ok")

    @pytest.mark.parametrize("kept", [[], {"101": [], "x": {}}, {"101": {"part_number": []}}], ids=str)
    def test_kept_limits_may_be_damaged(self, make: Make, kept: Any) -> None:  # noqa: ANN401 - damage
        parts = make(ONE)
        parts.run(61)
        store = parts.registry._storage  # noqa: SLF001 - as a full disk would
        store.write("chargers", {**store.read("chargers"), "limits": kept})
        assert make(cloud=parts.cloud).registry.limits(ONE).keys() <= set(LIMITS)
