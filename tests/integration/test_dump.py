"""``wallbox2mqtt dump``: within the budget, with what the bridge keeps, and nothing in it that tells of anybody."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FastClock
from wallbox2mqtt.cli.dump import Dump, copy_to
from wallbox2mqtt.cli.paced_reads import PacedReads
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.config import Config, Secret, WallboxConfig
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Fault, Settings, Simulator
from wallbox2mqtt.storage import Storage

SPEED = 400.0
LIMIT_S = 30.0


def config_of(cloud: Simulator, **wallbox: Any) -> Config:  # noqa: ANN401 - any key
    known = {"email": EMAIL, "password": Secret(PASSWORD), "api_url": cloud.url, "user_api_url": cloud.url}
    return Config(wallbox=WallboxConfig(**{**known, "reads_per_minute": 3, "timeout": 60 * SPEED, **wallbox}))


def documents(copy: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - JSON
    return [(one["document"], one.get("charger")) for one in copy["documents"]]


def test_every_document_of_every_charger_within_the_budget(tmp_path: Path) -> None:
    clock = FastClock(SPEED)
    said: list[str] = []
    with Simulator(chargers=3, clock=clock, settings=Settings(reads_per_minute=3)) as cloud:
        copy: Any = Dump(config_of(cloud), tmp_path, clock, said.append).copy()
        seen = [one for one in cloud.requests if one.path != "users/signin"]
        real = list(cloud.chargers)
    assert [name for name, _ in documents(copy)] == ["list", *["detail", "basic", "schedules"] * 3]
    assert all(one["http_status"] == 200 and "body" in one for one in copy["documents"])
    assert not [one for one in seen if one.limited], "the cloud saw more than its budget"
    assert len(seen) == 10
    assert any("3 chargers" in line and "about 3 minutes" in line for line in said)
    text = json.dumps(copy)
    assert not [number for number in real if str(number) in text]
    group = copy["documents"][0]["body"]["result"]["groups"][0]
    assert [charger["id"] for charger in group["chargers"]] == [number for _, number in documents(copy)[1::3]]


def test_the_token_and_the_budget_of_the_bridge_are_used(tmp_path: Path) -> None:
    clock = FastClock(SPEED)
    with Simulator(clock=clock, settings=Settings(reads_per_minute=3)) as cloud:
        for _ in range(2):
            Dump(config_of(cloud), tmp_path, clock, lambda _: None).copy()
        assert [one.path for one in cloud.requests].count("users/signin") == 1
        assert not [one for one in cloud.requests if one.limited]


def test_a_bridge_that_runs_takes_turns_with_it(tmp_path: Path) -> None:
    clock = FastClock(SPEED)
    done = threading.Event()
    with Simulator(chargers=2, clock=clock, settings=Settings(reads_per_minute=3)) as cloud:
        wallbox = config_of(cloud).wallbox
        account = Account(wallbox, clock, Storage(tmp_path, wallbox.account))
        paced, client, read = PacedReads(account, clock), account.client(), []

        def bridge() -> None:
            while not done.is_set():
                read.append(paced.read(client.chargers))

        running = threading.Thread(target=bridge)
        running.start()
        try:
            copy: Any = Dump(config_of(cloud), tmp_path, clock, lambda _: None).copy()
        finally:
            done.set()
            running.join()
        assert all(one["http_status"] == 200 for one in copy["documents"])
        assert not [one for one in cloud.requests if one.limited], "the cloud saw more than its budget"
        assert len(read) >= 3


def test_two_at_once_hold_the_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = FastClock(SPEED / 10)  # so that the first is not done before the second begins
    with Simulator(clock=clock, settings=Settings(reads_per_minute=3)) as cloud:
        both = [
            threading.Thread(target=copy_to, args=(tmp_path / f"{number}.json", config_of(cloud), tmp_path, clock))
            for number in range(2)
        ]
        for one in both:
            one.start()
        for one in both:
            one.join()
    assert [json.loads((tmp_path / f"{number}.json").read_text())["complete"] for number in range(2)] == [True, True]
    assert not [one for one in cloud.requests if one.limited]
    assert capsys.readouterr().err.count("another command asks of this account") == 1


def test_only_the_chargers_of_the_configuration(tmp_path: Path) -> None:
    clock = FastClock(SPEED)
    with Simulator(chargers=3, clock=clock) as cloud:
        one = list(cloud.chargers)[1]
        Dump(config_of(cloud, chargers=(one,)), tmp_path, clock, lambda _: None).copy()
        assert {seen.charger for seen in cloud.requests} == {None, one}


def test_errors_are_part_of_the_copy(tmp_path: Path) -> None:
    clock = FastClock(SPEED)
    with Simulator(clock=clock) as cloud:
        cloud.fault(Fault(kind="status", status=503, path="chargers/*", count=1))
        cloud.fault(Fault(kind="status", status=403, path="v2/*", count=1))
        copy: Any = Dump(config_of(cloud), tmp_path, clock, lambda _: None).copy()
    assert [(one["http_status"], one.get("reason")) for one in copy["documents"]] == [
        (200, None), (503, "http_5xx"), (403, "bad_answer"), (200, None),
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "times"), [(429, 2), (401, 1)])
def test_what_may_be_asked_again_later_is(tmp_path: Path, status: int, times: int) -> None:
    clock = FastClock(SPEED)
    with Simulator(clock=clock) as cloud:
        cloud.fault(Fault(kind="status", status=status, path="chargers/*", count=times))
        copy: Any = Dump(config_of(cloud), tmp_path, clock, lambda _: None).copy()
    assert [one["http_status"] for one in copy["documents"]] == [200, 200, 200, 200]


def test_basic_by_put_where_get_is_refused(tmp_path: Path) -> None:
    clock = FastClock(SPEED)
    with Simulator(clock=clock, settings=Settings(get_basic=False)) as cloud:
        copy: Any = Dump(config_of(cloud, writes_per_minute=1), tmp_path, clock, lambda _: None).copy()
    assert "body" in copy["documents"][2]


@pytest.mark.parametrize("worked_before", [False, True])
def test_refused_credentials(tmp_path: Path, capsys: pytest.CaptureFixture[str], *, worked_before: bool) -> None:
    clock = FastClock(SPEED)
    with Simulator(clock=clock) as cloud:
        if worked_before:
            assert copy_to(None, config_of(cloud), tmp_path, clock) == 0
            capsys.readouterr()
            cloud.revoke_tokens()
            cloud.revoke_refresh_tokens()
        wrong = config_of(cloud, password=Secret("not-the-password"))
        assert copy_to(None, wrong, tmp_path, clock) == (1 if worked_before else 78)
    told = capsys.readouterr()
    assert told.out == ""
    assert "check e-mail and password" in told.err
    assert "not-the-password" not in told.err


def program(cloud: Simulator, tmp_path: Path, output: Path, reads: int) -> tuple[list[str], dict[str, str]]:
    """The command as people run it, and its environment."""
    variables = {
        "WALLBOX__EMAIL": EMAIL, "WALLBOX__PASSWORD": PASSWORD, "WALLBOX__API_URL": cloud.url,
        "WALLBOX__USER_API_URL": cloud.url, "WALLBOX__READS_PER_MINUTE": str(reads),
        "STATE_DIR": str(tmp_path / "state"),
    }  # fmt: skip
    environ = {**os.environ, **{f"WALLBOX2MQTT_{name}": text for name, text in variables.items()}}
    return [sys.executable, "-m", "wallbox2mqtt", "dump", "--output", str(output)], environ


@pytest.mark.parametrize("was_there", [False, True])
def test_ctrl_c_keeps_what_was_read_and_the_last_dump(tmp_path: Path, *, was_there: bool) -> None:
    output, part = tmp_path / "dump.json", tmp_path / ("dump.json.partial" if was_there else "dump.json")
    if was_there:
        output.write_text("the last one", encoding="utf-8")
    with Simulator() as cloud:
        command, environ = program(cloud, tmp_path, output, 1)
        with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
            assert process.stderr is not None
            for line in process.stderr:
                if line == "charger 1 of 1\n":  # the next read is a minute away
                    break
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=LIMIT_S)[1].splitlines()
    assert told[:2] == ["stopped", f"written to {part}, as far as it was read"]
    assert process.returncode == 130
    copy = json.loads(part.read_text(encoding="utf-8"))
    assert (copy["complete"], documents(copy)) == (False, [("list", None)])
    assert not was_there or output.read_text(encoding="utf-8") == "the last one"
    assert {path.name for path in tmp_path.iterdir()} == {"state", output.name, part.name}


def test_credentials_refused_half_way_leave_what_was_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The token of the last run lists the chargers; then it is refused, and the password is another one by now."""
    clock, output = FastClock(SPEED), tmp_path / "dump.json"
    with Simulator(clock=clock) as cloud:
        Dump(config_of(cloud), tmp_path / "state", clock, lambda _: None).copy()
        cloud.revoke_refresh_tokens()
        cloud.fault(Fault(kind="status", status=401, path="chargers/*"))
        wrong = config_of(cloud, password=Secret("not-the-password"))
        assert copy_to(output, wrong, tmp_path / "state", clock) == 1
    assert [name for name, _ in documents(json.loads(output.read_text(encoding="utf-8")))] == ["list"]
    told = capsys.readouterr().err
    assert "1 of 4 documents, about 1 minutes left" in told
    assert "check e-mail and password" in told


@pytest.mark.parametrize("there", ["file", "link", "pipe"])
def test_what_is_there_is_replaced_by_the_whole_copy(tmp_path: Path, there: str) -> None:
    real, output = tmp_path / "real", tmp_path / "dump.json"
    with Simulator() as cloud:
        clock = FastClock(SPEED)
        if there == "pipe":
            os.mkfifo(output)
            # the reading end, without which nobody could write
            handle = os.open(output, os.O_RDONLY | os.O_NONBLOCK)
            assert copy_to(output, config_of(cloud), tmp_path / "state", clock) == 0
            assert os.read(handle, 1_000_000).startswith(b"{")
            os.close(handle)
            return
        real.write_text("the last one", encoding="utf-8")
        real.chmod(0o644)
        (output.symlink_to if there == "link" else output.hardlink_to)(real)
        assert copy_to(output, config_of(cloud), tmp_path / "state", clock) == 0
    assert json.loads(output.read_text(encoding="utf-8"))
    assert output.is_symlink() == (there == "link")
    assert output.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Simulator() as cloud:
        assert copy_to(Path("/dev/full"), config_of(cloud), tmp_path, FastClock(SPEED)) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "wallbox2mqtt: --output: /dev/full: No space left on device"


def test_the_program(tmp_path: Path) -> None:
    """As people run it, into a file that only they can read."""
    with Simulator(settings=Settings(reads_per_minute=None)) as cloud:
        output = tmp_path / "dump.json"
        command, environ = program(cloud, tmp_path, output, 100)
        done = subprocess.run(  # noqa: S603 - our own program
            command, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=tmp_path
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        copy = json.loads(output.read_text(encoding="utf-8"))
        assert documents(copy)[0] == ("list", None)
        assert output.stat().st_mode & 0o777 == 0o600
        assert EMAIL not in output.read_text(encoding="utf-8")
        for nowhere in (tmp_path / "no" / "such" / "directory", tmp_path):
            command[-1] = str(nowhere)
            done = subprocess.run(  # noqa: S603 - our own program
                command, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=tmp_path
            )
            assert done.returncode == 1
            assert done.stderr.startswith("wallbox2mqtt: --output: ")
            assert len(done.stderr.splitlines()) == 1
