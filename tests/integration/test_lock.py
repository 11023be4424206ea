"""One process for the files of an account: who comes second waits, and then says why it does not run."""

import threading
from pathlib import Path

import pytest

from tests.command import environment, run, with_account
from wallbox2mqtt.simulator import EMAIL, Settings, Simulator
from wallbox2mqtt.storage import Storage


@pytest.mark.slow
def test_a_second_process_waits_and_says_why(tmp_path: Path) -> None:
    with Simulator() as cloud:
        environ = with_account(environment(cloud, tmp_path), 1)
        storage = Storage(tmp_path / "state", f"{EMAIL} {cloud.url} {cloud.url}")
        assert storage.lock()
        try:
            done = run(environ, "run")
        finally:
            storage.unlock()
        assert done.code == 78
        assert "another process runs with" in done.err
        assert str(tmp_path / "state") in done.err
        assert not cloud.requests, "nothing was asked of the account meanwhile"


def test_who_only_looks_needs_no_lock(tmp_path: Path) -> None:
    with Simulator(settings=Settings(reads_per_minute=None)) as cloud:
        environ = with_account(environment(cloud, tmp_path), 1)
        storage = Storage(tmp_path / "state", f"{EMAIL} {cloud.url} {cloud.url}")
        assert storage.lock()
        try:
            assert run(environ, "dump").code == 0
            assert run(environ, "health").code == 69
            assert "another process" not in run(environ, "check").err
        finally:
            storage.unlock()


def test_a_lock_that_is_given_back_in_time_is_taken(tmp_path: Path) -> None:
    """As by a container that is being replaced."""
    with Simulator() as cloud:
        environ = with_account(environment(cloud, tmp_path), 1, WALLBOX2MQTT_WALLBOX__PASSWORD="wrong")  # noqa: S106
        storage = Storage(tmp_path / "state", f"{EMAIL} {cloud.url} {cloud.url}")
        assert storage.lock()
        later = threading.Timer(3.0, storage.unlock)
        later.start()
        try:
            done = run(environ, "run")
        finally:
            later.join()
        assert done.code == 78
        assert "check e-mail and password" in done.err, "it ran"
