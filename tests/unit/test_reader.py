"""The reader against the simulated cloud by HTTP; time is a fake."""

import itertools
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.parts import OpenCloud, Parts, most_in_a_minute, timeout_for
from wallbox2mqtt.bridge.history_reads import Page
from wallbox2mqtt.simulator import PASSWORD, ChargerSpec, Fault, Settings, Simulator
from wallbox2mqtt.storage import Storage

ONE, TWO, THREE = 101, 102, 103
READY = (("unplug", None), ("unlock", None))
GENEROUS = Settings(reads_per_minute=None, writes_per_minute=None)

Make = Callable[..., Parts]


def specs(count: int) -> list[ChargerSpec]:
    return [ChargerSpec(id=ONE + number, begin=READY, changes={"config_data.auto_lock": 0}) for number in range(count)]


@pytest.fixture
def make(open_cloud: OpenCloud, clock: FakeClock, tmp_path: Path) -> Make:
    """Return the parts of a bridge for an account with so many chargers; ``cloud`` again for a restart."""

    def make_parts(
        count: int = 1,
        *,
        cloud: Simulator | None = None,
        settings: Settings = GENEROUS,
        **options: Any,  # noqa: ANN401 - any key of the configuration
    ) -> Parts:
        if cloud is None:
            cloud = open_cloud(chargers=specs(count), settings=settings)
        return Parts(cloud, clock, tmp_path, **options)

    return make_parts


def kinds(parts: Parts) -> list[str]:
    names = {"v3": "list", "chargers": "detail", "v2": "basic"}
    return [names[one.path.split("/")[0]] for one in parts.sent_reads]


class TestReading:
    def test_one_charger(self, make: Make) -> None:
        parts = make(reads_per_minute=3, poll_interval=20)
        parts.run(61)
        assert kinds(parts) == ["list", "detail", "basic", "detail"]
        assert parts.last(f"{ONE}/status") == "Ready"
        assert parts.last(f"{ONE}/basic/wifiSignal") == "50"
        assert parts.last("bridge/cloud") == "online"
        assert parts.details == [ONE, ONE]

    @pytest.mark.parametrize(
        ("per_minute", "wish_s", "interval_s"), [(1, 60, 60), (3, 20, 20), (3, 60, 60), (1, 5, 60), (0.5, 1, 120)]
    )
    def test_keeps_its_interval(self, make: Make, per_minute: float, wish_s: float, interval_s: float) -> None:
        parts = make(3, reads_per_minute=per_minute, poll_interval=wish_s)
        parts.run(20 * interval_s)
        assert 19 <= len(parts.sent_reads) <= 21
        assert most_in_a_minute(parts.sent_reads) <= max(1, per_minute)

    def test_a_restart_spends_nothing_twice(self, make: Make) -> None:
        parts = make(2, reads_per_minute=3, poll_interval=1)
        parts.run(10)
        for _ in range(30):
            parts = make(cloud=parts.cloud, reads_per_minute=3, poll_interval=1)
            parts.run(7)
        assert most_in_a_minute(parts.sent_reads) == 3
        assert len(parts.sent_reads) >= 9

    def test_the_sweep_feeds_all_chargers(self, make: Make) -> None:
        parts = make(3, reads_per_minute=3, poll_interval=20)
        parts.settle()
        assert kinds(parts) == ["list"]
        assert [parts.last(f"{charger}/status") for charger in (ONE, TWO, THREE)] == ["Ready"] * 3
        assert parts.last(f"{TWO}/charging_power") == "0"
        assert parts.last(f"{TWO}/added_green_energy") is None

    def test_only_the_chargers_of_the_configuration(self, make: Make) -> None:
        parts = make(3, chargers=(TWO,), reads_per_minute=60, poll_interval=1)
        parts.run(20)
        assert {topic.split("/")[1] for topic, _ in parts.published} == {str(TWO), "bridge"}

    def test_basic_by_put_counts_as_a_write(self, make: Make) -> None:
        parts = make(settings=Settings(reads_per_minute=None, writes_per_minute=None, get_basic=False))
        parts.run(125)
        assert parts.last(f"{ONE}/basic/wifiSignal") == "50"
        assert [(one.method, one.body) for one in parts.sent_writes] == [("PUT", None)]

    @pytest.mark.slow
    def test_basic_by_put_leaves_the_write_for_urgent_commands(self, make: Make) -> None:
        settings = Settings(reads_per_minute=None, writes_per_minute=5, get_basic=False)
        parts = make(3, settings=settings, reads_per_minute=60, poll_interval=1, writes_per_minute=5, max_age_s=3600)
        parts.run(20)
        for number in range(200):
            parts.send("bridge/refresh", "")
            parts.send(f"{ONE}/name", f"name {number}")
            parts.run(3)
        parts.send(f"{ONE}/action", "reboot")
        parts.settle()
        assert parts.results_of("action") == [("ok", "reboot", None)]
        assert len([one for one in parts.sent_reads if one.at > parts.clock.monotonic() - 60]) >= 40, "reads go on"

    @pytest.mark.parametrize(
        "life", [{"token_life_s": 5}, {"token_life_s": 60}, {"token_life_s": 5, "ttl": "missing"}], ids=str
    )
    @pytest.mark.parametrize("sign_in", ["modern", "legacy", "auto"])
    def test_tokens_of_any_life(self, make: Make, life: dict[str, Any], sign_in: str) -> None:
        settings = Settings(
            reads_per_minute=None,
            writes_per_minute=None,
            modern_sign_in=404 if sign_in == "auto" else 200,
            **life,
        )
        parts = make(settings=settings, sign_in=sign_in, reads_per_minute=3, poll_interval=20)
        parts.run(600)
        assert all(one.status == 200 for one in parts.sent_reads)
        assert len(parts.sent_reads) >= 30
        assert most_in_a_minute(parts.sent_writes) <= 5


class TestRefresh:
    def test_of_one(self, make: Make) -> None:
        parts = make(2, reads_per_minute=1)
        parts.settle()
        parts.send(f"{TWO}/refresh", "now")
        parts.settle()
        assert parts.results_of("refresh") == []
        parts.run(61)
        assert parts.results_of("refresh") == [("ok", None, None)]
        assert parts.details == [TWO]
        assert parts.answers[0][1]["took_ms"] >= 60_000

    def test_the_newest_supersedes(self, make: Make) -> None:
        parts = make(2, reads_per_minute=1)
        parts.settle()
        parts.send(f"{TWO}/refresh", "1")
        parts.send(f"{TWO}/refresh", "2")
        parts.run(61)
        assert [status for status, _, _ in parts.results_of("refresh")] == ["superseded", "ok"]

    def test_expires(self, make: Make) -> None:
        parts = make(2, reads_per_minute=1, max_age_s=30)
        parts.settle()
        parts.send(f"{TWO}/refresh", "")
        parts.run(31)
        ((status, _, reason),) = parts.results_of("refresh")
        assert (status, reason) == ("failed", "expired")

    def test_a_failed_read_is_tried_again(self, make: Make) -> None:
        parts = make(2, reads_per_minute=3, poll_interval=20)
        parts.settle()
        parts.cloud.fault(Fault(kind="status", path=f"chargers/status/{TWO}"))
        parts.send(f"{TWO}/refresh", "")
        parts.run(45)
        assert parts.results_of("refresh") == [("ok", None, None)]

    def test_of_everything(self, make: Make) -> None:
        parts = make(2, reads_per_minute=10, poll_interval=60)
        parts.settle()
        parts.send("bridge/refresh", "")
        parts.settle()
        assert kinds(parts) == ["list", "list", "detail", "detail", "basic", "basic"]


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "word"),
        [
            ({"kind": "status", "status": 500}, "http_5xx"),
            ({"kind": "status", "status": 503, "body": "empty"}, "http_5xx"),
            ({"kind": "status", "status": 404, "path": "*"}, "bad_answer"),
            ({"kind": "reset"}, "unreachable"),
            ({"kind": "cut"}, "unreachable"),
            ({"kind": "hang"}, "timeout"),
            ({"kind": "drip", "seconds": 0.05}, "timeout"),
            ({"kind": "redirect"}, "bad_answer"),
            ({"kind": "truncated"}, "bad_answer"),
            ({"kind": "html"}, "bad_answer"),
            ({"kind": "null"}, "bad_answer"),
            ({"kind": "list"}, "bad_answer"),
            ({"kind": "huge"}, "bad_answer"),
            ({"kind": "deep"}, "bad_answer"),
            ({"kind": "nan"}, "bad_answer"),
            ({"kind": "invalid_utf8"}, "bad_answer"),
        ],
        ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else value,
    )
    def test_three_failures_are_offline_one_success_online(self, make: Make, fault: dict[str, Any], word: str) -> None:
        parts = make(reads_per_minute=60, poll_interval=1, timeout=timeout_for(fault))
        parts.run(5.5)
        before = dict(parts.published)
        parts.cloud.fault(Fault(**{"path": "chargers/status/*", "count": 3, **fault}))
        parts.run(2)
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("online", word)
        parts.run(1)
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("offline", word)
        parts.run(1)
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("online", "ok")
        values = {topic: text for topic, text in dict(parts.published).items() if f"/{ONE}/" in topic}
        last_sync = f"w/{ONE}/last_sync"
        assert {**values, last_sync: ""} == {
            **{topic: text for topic, text in before.items() if f"/{ONE}/" in topic},
            last_sync: "",
        }

    def test_failed_reads_keep_the_pace(self, make: Make) -> None:
        parts = make(reads_per_minute=3, poll_interval=20)
        parts.run(1)
        parts.cloud.fault(Fault(kind="status", count=None))
        parts.cloud.forget_requests()
        parts.run(200)
        assert 9 <= len(parts.sent_reads) <= 10

    def test_a_cloud_that_is_not_there_yet(self, make: Make) -> None:
        parts = make(2, reads_per_minute=60, poll_interval=1)
        port = parts.cloud.port
        parts.cloud.stop()
        parts.run(15)
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("offline", "unreachable")
        parts.cloud.start(port)
        parts.run(30)
        assert parts.last("bridge/cloud") == "online"
        assert parts.last(f"{ONE}/status") == "Ready"


class TestRefused:
    def interval(self, parts: Parts) -> float:
        return parts.pace.interval_s

    @pytest.mark.parametrize("refusal", ["429", "429 seconds", "429 date", "403"])
    def test_backs_off_and_stays_online(self, make: Make, refusal: Any) -> None:  # noqa: ANN401 - a literal
        settings = Settings(reads_per_minute=1, writes_per_minute=None, refusal=refusal)
        parts = make(3, settings=settings, reads_per_minute=3, poll_interval=20)
        parts.run(1800)
        refused = [one.at for one in parts.sent_reads if one.limited]
        assert parts.last("bridge/cloud") == "online"
        assert "rate_limited" in parts.of("bridge/cloud_reason")
        assert parts.last("bridge/cloud_reason") == "ok"
        assert len(refused) <= 6
        assert self.interval(parts) >= 60
        assert parts.pace.refused_total == (2 if refusal == "403" else len(refused))
        assert parts.last(f"{ONE}/status") == "Ready"

    @pytest.mark.parametrize("status", [404, 410])
    def test_a_cloud_that_finds_nothing_sets_no_charger_aside(self, make: Make, status: int) -> None:
        """As gateways answer while what is behind them is away."""
        parts = make(2, reads_per_minute=60, poll_interval=1)
        parts.run(10)
        parts.cloud.fault(Fault(kind="status", status=status, body="json", count=None))
        parts.run(20)
        parts.cloud.clear_faults()
        parts.cloud.forget_requests()
        parts.run(60)
        assert {f"chargers/status/{ONE}", f"chargers/status/{TWO}"} <= {one.path for one in parts.sent_reads}

    def test_retry_after_is_obeyed(self, make: Make) -> None:
        settings = Settings(reads_per_minute=1, writes_per_minute=None, refusal="429 seconds")
        parts = make(3, settings=settings, reads_per_minute=3, poll_interval=20)
        parts.run(130)
        times = [one.at for one in parts.sent_reads]
        assert [one.limited for one in parts.sent_reads[:3]] == [False, True, False]
        assert 59.9 <= times[2] - times[0] <= 61

    def test_nobody_who_asks_makes_it_faster(self, make: Make) -> None:
        settings = Settings(reads_per_minute=1, writes_per_minute=None)
        parts = make(3, settings=settings, reads_per_minute=3, poll_interval=20)
        parts.run(200)
        refused = len([one for one in parts.sent_reads if one.limited])
        parts.run(1200, then=lambda: parts.send(f"{TWO}/refresh", ""))
        assert len([one for one in parts.sent_reads if one.limited]) == refused

    def test_a_403_for_one_sets_only_it_aside(self, make: Make) -> None:
        parts = make(3, reads_per_minute=6, poll_interval=10)
        parts.cloud.fault(Fault(kind="status", status=403, path=f"chargers/status/{TWO}", count=None))
        parts.run(700)
        refused = [one for one in parts.sent_reads if one.charger == TWO and one.status == 403]
        assert len(refused) == 1
        assert parts.pace.refused_total == 0
        assert parts.last("bridge/cloud_reason") == "ok"
        assert parts.last(f"{TWO}/status") == "Ready"
        assert {ONE, THREE} <= set(parts.details)

    @pytest.mark.slow
    def test_a_403_for_one_is_no_lack_of_contact(self, make: Make) -> None:
        """Health must not take it for a cloud that is away: it spends one read in 15 minutes."""
        parts = make(3, reads_per_minute=1, poll_interval=60)
        parts.cloud.fault(Fault(kind="status", status=403, path=f"chargers/status/{TWO}", count=None))
        ages: list[float] = []
        parts.run(4 * 3600, then=lambda: ages.append(parts.clock.monotonic() - parts.bridge.last_contact))
        assert len([one for one in parts.sent_reads if one.status == 403]) > 3
        assert max(ages) < 70

    def test_a_403_for_the_only_one_is_a_refusal(self, make: Make) -> None:
        parts = make(reads_per_minute=3, poll_interval=20)
        parts.run(25)
        parts.cloud.fault(Fault(kind="status", status=403, path="chargers/status/*"))
        parts.run(60)
        assert parts.last("bridge/cloud_reason") == "rate_limited"
        assert parts.last("bridge/cloud") == "online"
        assert self.interval(parts) == 40

    def test_commands_go_on_meanwhile(self, make: Make) -> None:
        parts = make(reads_per_minute=3, poll_interval=20)
        parts.run(1)
        parts.cloud.fault(Fault(kind="status", status=429, path="chargers/status/*", count=None))
        parts.run(60)
        assert parts.pace.wait_s() > 0
        parts.send(f"{ONE}/locked", "1")
        parts.settle()
        assert parts.results_of("locked") == [("ok", 1, None)]


class TestTokens:
    def test_revoked_in_the_middle(self, make: Make) -> None:
        parts = make(reads_per_minute=60, poll_interval=1)
        parts.run(5)
        parts.cloud.revoke_tokens()
        parts.run(3)
        assert [one.status for one in parts.sent_reads].count(401) == 1
        assert parts.last("bridge/cloud") == "online"
        assert "auth_failed" not in parts.of("bridge/cloud_reason")

    def test_revoked_the_same_document_comes_again(self, make: Make) -> None:
        parts = make(2, reads_per_minute=60, poll_interval=1)
        parts.run(2)
        parts.cloud.revoke_tokens()
        parts.send(f"{TWO}/refresh", "")
        parts.run(3)
        assert parts.results_of("refresh") == [("ok", None, None)]

    def test_a_command_refused_with_401_does_not_block_others(self, make: Make) -> None:
        """No read comes between the commands, which would show that the token is good."""
        parts = make(reads_per_minute=1, poll_interval=60, writes_per_minute=60)
        parts.run(125)
        parts.cloud.fault(Fault(kind="status", status=401, path="chargers/config/*", count=None))
        signed_in = parts.tokens.sign_ins
        for price in (0.1, 0.2, 0.3):
            parts.send(f"{ONE}/energy_price", str(price))
            parts.settle()
        parts.send(f"{ONE}/locked", "0")
        parts.run(60)
        assert parts.statuses() == {"failed": 2, "superseded": 1, "ok": 1}
        assert parts.of("bridge/cloud") == ["online"]
        assert parts.of("bridge/cloud_reason") == ["ok"]
        assert parts.tokens.sign_ins == signed_in + 1

    def test_a_document_refused_with_401_does_not_block_others(self, make: Make) -> None:
        parts = make(3, reads_per_minute=6, poll_interval=10)
        parts.cloud.fault(Fault(kind="status", status=401, path="v2/charger/*", count=None))
        parts.run(2000)
        assert parts.of("bridge/cloud") == ["online"]
        assert parts.tokens.wait_s() == 0

    def test_refused_for_good_is_told_and_not_hammered(self, make: Make) -> None:
        parts = make(reads_per_minute=60, poll_interval=1)
        parts.run(5)
        parts.cloud.fault(Fault(kind="status", status=401, path="chargers/*", count=None))
        parts.cloud.fault(Fault(kind="status", status=401, path="v*", count=None))
        parts.cloud.forget_requests()
        parts.run(5)
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("offline", "auth_failed")
        parts.run(595)
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("offline", "auth_failed")
        assert len(parts.cloud.requests) < 20
        assert not parts.shut_out

    def test_what_another_thread_heard_is_told_at_once(self, make: Make) -> None:
        """A command meets the refusal between two reads, and no read will tell of it for a minute."""
        parts = make(reads_per_minute=60, poll_interval=300)
        parts.run(10)
        assert parts.last("bridge/cloud_reason") == "ok"
        parts.cloud.fault(Fault(kind="status", status=401, body="json", count=None))
        parts.send(f"{ONE}/name", "new")
        parts.run(5)
        assert parts.last("bridge/cloud_reason") == "auth_failed"
        assert parts.last("bridge/cloud") == "offline"
        parts.cloud.clear_faults()
        parts.run(600)
        assert parts.last("bridge/cloud_reason") == "ok"

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [({}, "bad_answer"), ({"body": "message", "text": "Limit Exceeded"}, "rate_limited")],
        ids=["page", "limit"],
    )
    @pytest.mark.parametrize("status", [401, 403])
    def test_a_blocked_sign_in_is_no_refusal(self, make: Make, fault: dict[str, Any], reason: str, status: int) -> None:
        """A content network or a gateway before the sign-in knows nothing of the credentials."""
        parts = make(reads_per_minute=60, poll_interval=1)
        parts.cloud.revoke_tokens()
        parts.cloud.fault(Fault(kind="status", status=status, path="users/*", count=None, **fault))
        parts.run(100)
        assert not parts.shut_out
        assert parts.last("bridge/cloud_reason") == reason
        assert len([one for one in parts.cloud.requests if one.path.startswith("users/")]) < 10
        parts.cloud.clear_faults()
        parts.run(100)
        assert parts.last("bridge/cloud") == "online"
        assert parts.last(f"{ONE}/status") == "Ready"

    def test_a_sign_in_that_failed_for_a_command_counts(self, make: Make) -> None:
        """Commands may take each of the tries, and no read would tell of it."""
        parts = make(reads_per_minute=60, poll_interval=1)
        parts.run(10)
        parts.cloud.fault(Fault(kind="reset", path="users/*", count=None))
        parts.cloud.revoke_tokens()
        parts.run(60, then=lambda: parts.send(f"{ONE}/name", f"new {parts.clock.monotonic()}"))
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("offline", "unreachable")

    def test_credentials_that_never_worked(self, make: Make) -> None:
        parts = make(password="wrong")  # noqa: S106
        parts.run(1)
        assert len(parts.shut_out) == 1
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("offline", "auth_failed")

    def test_credentials_that_worked_before(self, make: Make) -> None:
        parts = make()
        parts.run(1)
        cloud = parts.cloud
        cloud.revoke_tokens()
        cloud.revoke_refresh_tokens()
        parts = make(cloud=cloud, password="changed")  # noqa: S106
        parts.run(125)
        assert not parts.shut_out
        assert (parts.last("bridge/cloud"), parts.last("bridge/cloud_reason")) == ("offline", "auth_failed")
        cloud.forget_requests()
        parts.run(3600)
        assert 4 <= len(cloud.requests) <= 7
        again = make(cloud=cloud, password=PASSWORD)
        again.run(70)
        assert again.last("bridge/cloud") == "online"


class TestChargers:
    @pytest.mark.slow
    def test_one_that_is_gone_for_a_day(self, make: Make) -> None:
        parts = make(3, reads_per_minute=0.2, poll_interval=300)
        parts.run(700)
        cloud = Simulator(chargers=specs(2), clock=parts.clock, settings=GENEROUS)
        with cloud:
            parts = make(cloud=cloud, reads_per_minute=0.2, poll_interval=300)
            parts.run(86_400 - 600)
            assert parts.gone == []
            parts.run(1800)
            assert parts.gone == [THREE]
            assert parts.registry.chargers == [ONE, TWO]

    def test_info_for_whoever_asks(self, make: Make) -> None:
        parts = make(2)
        parts.settle()
        parts.bridge.info(chargers=list(parts.registry.chargers))
        assert json.loads(parts.last("bridge/info") or "")["chargers"] == [ONE, TWO]


class TestFirstStart:
    def test_ten_chargers_are_complete_within_twenty_minutes(
        self, make: Make, caplog: pytest.LogCaptureFixture
    ) -> None:
        parts = make(10, reads_per_minute=1, poll_interval=20)
        with caplog.at_level(logging.INFO):
            parts.run(20 * 60)
        assert sorted(parts.details) == list(range(ONE, ONE + 10))
        assert caplog.text.count("found a charger") == 10
        assert re.search(rf"found a charger charger={ONE} name='.+' model='.+' complete_in_s=60", caplog.text)
        assert caplog.text.count("the charger is complete") == 10
        assert most_in_a_minute(parts.sent_reads) == 1

    @pytest.mark.parametrize(("count", "lines"), [(20, 20), (21, 1)])
    def test_a_line_each_or_one_for_a_fleet(
        self, make: Make, caplog: pytest.LogCaptureFixture, count: int, lines: int
    ) -> None:
        parts = make(count, reads_per_minute=1)
        with caplog.at_level(logging.INFO):
            parts.run(130)
        assert [path for path in kinds(parts) if path == "list"] == ["list"] * 2
        assert caplog.text.count("found ") == lines

    def test_no_name_is_told_at_length(self, make: Make, caplog: pytest.LogCaptureFixture, clock: FakeClock) -> None:
        with Simulator(chargers=[ChargerSpec(id=ONE, name="x" * 100)], clock=clock, settings=GENEROUS) as cloud:
            parts = make(cloud=cloud)
            with caplog.at_level(logging.INFO):
                parts.run(130)
        assert "found a charger" in caplog.text
        assert caplog.text.count("the charger is complete") == 1
        assert "x" * 65 not in caplog.text

    def test_one_charger_is_complete_at_once_if_the_budget_allows(self, make: Make) -> None:
        parts = make(reads_per_minute=2, poll_interval=20)
        parts.run(10)
        assert parts.details == [ONE]

    def test_two_reads_at_once_do_not_stay_so(self, make: Make) -> None:
        parts = make(reads_per_minute=3, poll_interval=20)
        parts.run(600)
        begun = [one.at for one in parts.sent_reads]
        assert begun[1] - begun[0] < 1
        assert all(20 <= later - earlier < 21 for earlier, later in itertools.pairwise(begun[4:]))


def kind_of(path: str) -> str:
    """Which of the documents but the list this is."""
    names = {"v4/sessions": "history", "chargers/status": "detail", "v2/charger": "basic"}
    return "schedules" if path.endswith("/schedules") else names["/".join(path.split("/")[:2])]


class TestExtraReads:
    """Schedules and histories. They are asked for here, as the program's thread does it."""

    @pytest.mark.parametrize(
        ("start", "turns"),
        [
            (0, ["history", "history", "history", "basic", "schedules", "basic"]),
            (1, ["schedules", "basic", "schedules", "basic", "schedules", "basic", "history"]),
        ],
        ids=["first history", "later"],
    )
    def test_take_turns_that_the_list_leaves(self, make: Make, start: int, turns: list[str]) -> None:
        parts = make(3, reads_per_minute=60, poll_interval=1)
        parts.run(6)
        parts.cloud.forget_requests()
        parts.schedules.look()
        for number in (ONE, TWO, THREE):
            parts.shared.history_reads.want(Page(number, start, 2_000_000_000))
        parts.run(60)
        others = [place for place, one in enumerate(parts.sent_reads) if one.path != "v3/chargers/groups"]
        assert [kind_of(parts.sent_reads[place].path) for place in others[: len(turns)]] == turns
        assert {later - earlier for earlier, later in itertools.pairwise(others)} == {5}

    @pytest.mark.parametrize("document", ["history", "schedules"])
    @pytest.mark.parametrize(
        ("status", "answered", "pace"),
        [(429, 0, 1), (403, 1, 1), (403, 0, 2)],
        ids=["429", "403, answered before", "403 from the first on"],
    )
    def test_refused_on_trial_counts_against_the_pace(
        self, make: Make, document: str, status: int, answered: int, pace: int
    ) -> None:
        parts = make()
        parts.shared.rate.adopt({"pace": 2, "proven": 1})

        def ask() -> None:
            parts.schedules.look()
            parts.shared.schedule_reads.want(ONE)
            parts.shared.history_reads.want(Page(ONE, 1, 2_000_000_000))
            parts.run(200)

        for _ in range(answered):
            ask()
        path = {"history": "v4/sessions/*", "schedules": "chargers/*/schedules"}[document]
        parts.cloud.fault(Fault(kind="status", status=status, path=path))
        ask()
        assert len([one for one in parts.sent_reads if one.status == status]) == 1
        assert (parts.shared.reads.per_minute, parts.pace.refused_total) == (pace, 2 - pace)


class TestAuto:
    """``reads_per_minute: auto``, the default, two minutes before it tries the next pace."""

    @pytest.fixture(params=[1, 2])
    def pace(self, request: pytest.FixtureRequest, tmp_path: Path) -> int:
        pace: int = request.param
        Storage(tmp_path, "account").write("rate", {"pace": pace, "proven": pace, "quiet_s": 6 * 3600 - 120})
        return pace

    def test_the_next_pace_and_the_budget_survive_restarts(self, make: Make, pace: int) -> None:
        parts = make(3, settings=Settings(reads_per_minute=3, writes_per_minute=None))
        parts.run(600)
        assert parts.shared.reads.per_minute == pace + 1
        for _ in range(10):
            parts = make(cloud=parts.cloud)
            parts.run(7)
            assert parts.shared.reads.per_minute == pace + 1
        assert not [one for one in parts.sent_reads if one.limited]
        assert most_in_a_minute(parts.sent_reads) == pace + 1

    @pytest.mark.parametrize("refusal", ["429", "403"])
    @pytest.mark.parametrize("count", [1, 3])
    def test_back_to_the_accepted_pace_after_one_refusal(
        self,
        make: Make,
        pace: int,
        count: int,
        refusal: Any,  # noqa: ANN401 - a literal
    ) -> None:
        parts = make(count, settings=Settings(reads_per_minute=pace, writes_per_minute=None, refusal=refusal))
        parts.run(3600)
        assert len([one for one in parts.sent_reads if one.limited]) == 1
        assert parts.shared.reads.per_minute == pace
        assert parts.pace.interval_s == 60 / pace
        assert parts.last("bridge/cloud") == "online"
        assert parts.last("bridge/cloud_reason") == "ok"
