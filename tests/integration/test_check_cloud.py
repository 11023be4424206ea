"""What ``check`` finds out about the account, over the simulated cloud."""

from pathlib import Path

from tests.fakes import FakeClock
from wallbox2mqtt.cli.check_cloud import AccountCheck
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.config import Secret, WallboxConfig
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Fault, Settings, Simulator
from wallbox2mqtt.storage import Storage


def test_a_spent_budget_is_a_warning_for_the_legacy_sign_in(tmp_path: Path) -> None:
    clock, notes = FakeClock(), list[str]()
    with Simulator(clock=clock, settings=Settings(modern_sign_in=404)) as cloud:
        config = WallboxConfig(
            email=EMAIL, password=Secret(PASSWORD), api_url=cloud.url, user_api_url=cloud.url, writes_per_minute=1
        )
        with Account(config, clock, Storage(tmp_path, config.account)).writes.request():
            pass
        (finding,) = AccountCheck(config, tmp_path, clock, notes.append).try_out()
    assert (finding.what, finding.verdict) == ("sign-in", "warning")
    assert "the budget allows no request" in finding.text
    assert [seen.path for seen in cloud.requests] == ["users/signin"]


def test_a_failed_sign_in_is_not_repeated_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    with Simulator(clock=clock) as cloud:
        cloud.fault(Fault(kind="status", status=403, body="message", text="Limit Exceeded", count=None))
        config = WallboxConfig(email=EMAIL, password=Secret(PASSWORD), api_url=cloud.url, user_api_url=cloud.url)
        for _ in range(3):
            check = AccountCheck(config, tmp_path, clock, list[str]().append)
            (finding,) = check.try_out()
            assert (finding.what, finding.verdict) == ("sign-in", "fault")
            assert "too many requests" in finding.next
            assert not check.is_refused
    assert len(cloud.requests) == 1
