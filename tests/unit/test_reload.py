"""What changes while the bridge runs: by SIGHUP, and by a password's file."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes import FakeClock
from tests.parts import Parts
from wallbox2mqtt.config import Config, Secret
from wallbox2mqtt.daemon.reload import AT_ONCE, Reloader
from wallbox2mqtt.errors import ConfigError
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Simulator

NEW = Secret("an0ther-one")


class Login:
    """The broker's connection."""

    def __init__(self) -> None:
        self.used: list[tuple[str | None, Secret | None]] = []

    def set_credentials(self, username: str | None, password: Secret | None) -> None:
        """Record what is used."""
        self.used.append((username, password))


@pytest.fixture
def parts(clock: FakeClock, tmp_path: Path) -> Iterator[Parts]:
    file = tmp_path / "password"
    file.write_text(PASSWORD, encoding="utf-8")
    with Simulator(clock=clock) as cloud:
        yield Parts(cloud, clock, tmp_path, reads_per_minute=1, password_file=file)


@pytest.fixture
def login() -> Login:
    return Login()


@pytest.fixture
def reloader(parts: Parts, login: Login) -> Reloader:
    return Reloader(parts.config, parts.account, parts.whole, login)


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


def changed(config: Config, section: str, **options: Any) -> Config:  # noqa: ANN401 - any key
    new = msgspec.structs.replace(getattr(config, section), **options)
    return msgspec.structs.replace(config, **{section: new})


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_budgets_are_used_at_once(parts: Parts, reloader: Reloader, caplog: pytest.LogCaptureFixture) -> None:
    budgets = {"reads_per_minute": 3, "writes_per_minute": 20, "status_writes_per_minute": 2}
    with caplog.at_level(logging.INFO):
        reloader.reload(lambda: changed(parts.config, "wallbox", **budgets))
        reloader.reload(lambda: changed(parts.config, "wallbox", **budgets))
    assert (parts.reads.limit, parts.writes.limit, parts.status_reads.per_minute) == (3, 20, 2)
    assert parts.pace.interval_s == 20
    keys = ",".join(f"wallbox.{key}" for key in budgets)
    nothing = "the configuration was read again, nothing has changed"
    assert told(caplog) == [f"the configuration was read again, these are used now keys={keys}", nothing]
    parts.run(200)
    assert len([one for one in parts.cloud.requests if one.path.startswith(("chargers/", "v3/"))]) > 6


def test_what_needs_a_restart_is_told_apart(parts: Parts, reloader: Reloader, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        new = changed(
            changed(parts.config, "mqtt", port=1, username="x", password=NEW), "wallbox", email="z@example.org"
        )
        reloader.reload(lambda: changed(new, "log", level="info"))
    assert told(caplog) == [
        "the configuration was read again, these are used now keys=mqtt.username,mqtt.password",
        "the configuration was read again, these need a restart keys=wallbox.email,mqtt.port",
    ]


def test_a_wrong_one_changes_nothing(reloader: Reloader, login: Login, caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Config:
        msg = "mqtt.port: found text"
        raise ConfigError(msg)

    reloader.reload(load)
    assert login.used == []
    assert "the old one stays in use" in caplog.text


def test_a_passwords_file_is_looked_at(
    parts: Parts, reloader: Reloader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The cloud has the new one first: what is refused until then does not count afterwards."""
    parts.settle()
    (tmp_path / "password").write_text(NEW.reveal(), encoding="utf-8")
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            reloader.look()
        reloader.reload(lambda: changed(parts.config, "wallbox", password=NEW))
    assert told(caplog) == [
        "the password's file has another one, it is used now key=wallbox.password_file",
        "the configuration was read again, nothing has changed",
    ]
    assert NEW.reveal() not in caplog.text


def test_the_brokers_file(parts: Parts, login: Login, tmp_path: Path) -> None:
    file = tmp_path / "broker"
    file.write_text("old", encoding="utf-8")
    config = changed(parts.config, "mqtt", username="bridge", password=Secret("old"), password_file=file)
    reloader = Reloader(config, parts.account, parts.whole, login)
    file.write_text(NEW.reveal(), encoding="utf-8")
    for _ in range(3):
        reloader.look()
    assert login.used == [("bridge", NEW)]


def test_all_keys_that_are_used_at_once_exist(parts: Parts) -> None:
    for path in AT_ONCE:
        section, _, key = path.partition(".")
        assert hasattr(getattr(parts.config, section), key), path
    assert parts.config.wallbox.email == EMAIL
