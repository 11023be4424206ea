"""What ``check`` finds out about the account, over the simulated cloud."""

from pathlib import Path

from tests.fakes import FakeClock
from wallbox2mqtt.cli.check_cloud import AccountCheck
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.config import Secret, WallboxConfig
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Settings, Simulator
from wallbox2mqtt.storage import Storage


def test_a_spent_budget_is_a_warning_also_where_only_the_old_sign_in_needs_it(tmp_path: Path) -> None:
    clock, notes = FakeClock(), list[str]()
    with Simulator(settings=Settings(modern_sign_in=404)) as cloud:
        config = WallboxConfig(
            email=EMAIL, password=Secret(PASSWORD), api_url=cloud.url, user_api_url=cloud.url, writes_per_minute=1
        )
        with Account(config, clock, Storage(tmp_path, config.account)).writes.request():
            pass
        (finding,) = AccountCheck(config, tmp_path, clock, notes.append).try_out()
    assert (finding.what, finding.verdict) == ("sign-in", "warning")
    assert "the budget allows no request" in finding.text
    assert [seen.path for seen in cloud.requests] == ["users/signin"]
