"""The command line as a user meets it: a process, its output and its exit code."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.mosquitto import eventually, free_port
from wallbox2mqtt import __version__
from wallbox2mqtt.cli.help import EPILOGS, OVERVIEW
from wallbox2mqtt.cli.main import main
from wallbox2mqtt.cli.topics import command_table, topic_table
from wallbox2mqtt.config import schema

ROOT = Path(__file__).parents[2]
LIMIT_S = 20
CONFIG = "wallbox: {email: a@b.c, password: a secret that nobody may see}\n"


def run(*args: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WALLBOX2MQTT_")}
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "wallbox2mqtt", *args],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_version(tmp_path: Path) -> None:
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wallbox2mqtt {__version__}\n", "")


def test_schema(tmp_path: Path) -> None:
    done = run("schema", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads(json.dumps(schema()))


def test_topics(tmp_path: Path) -> None:
    done = run("topics", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{topic_table()}\n\n{command_table()}\n"


def test_help_tells_the_exit_codes(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "78" in done.stdout
    assert "run the bridge" in done.stdout


@pytest.mark.parametrize("name", EPILOGS)
def test_help_is_in_plain_quotes_and_fits(name: str) -> None:
    assert not set("«»") & set(OVERVIEW + EPILOGS[name])
    assert max(map(len, EPILOGS[name].splitlines())) <= 120


@pytest.mark.parametrize("args", [(), ("nonsense",), ("run", "--nonsense")], ids=["nothing", "command", "option"])
def test_wrong_usage(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = run(*args, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: wallbox2mqtt")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("nonsense: 1\n", ["nonsense"]),
        ("wallbox: {email: a@b.c}\n", ["password"]),
        (CONFIG + "mqtt: {port: 70000}\n", ["mqtt.port", "70000"]),
        (CONFIG + "mqtt: {tls: {enabled: true, ca_file: /nowhere/ca.pem}}\n", ["mqtt.tls.ca_file", "/nowhere/ca.pem"]),
        ("wallbox: [\n", ["config.yaml"]),
    ],
    ids=["unknown key", "missing key", "wrong value", "missing certificate", "no YAML"],
)
def test_a_wrong_configuration_is_78_in_few_words(tmp_path: Path, content: str, told: list[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(content, encoding="utf-8")
    file.chmod(0o600)
    for args in (("run",), ("run", "--config", str(file))):
        done = run(*args, cwd=tmp_path, STATE_DIRECTORY=str(tmp_path))
        assert done.returncode == 78
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("wallbox2mqtt: ")
        assert all(word in done.stderr for word in told)
        assert "a secret" not in done.stderr


def test_no_configuration_at_all(tmp_path: Path) -> None:
    done = run("run", cwd=tmp_path)
    assert done.returncode == 78
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = run("run", "--config", "nowhere.yaml", cwd=tmp_path)
    assert done.returncode == 78
    assert "nowhere.yaml" in done.stderr


def alone(directory: Path, **settings: str) -> dict[str, str]:
    """The environment of a bridge without a cloud and a broker."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STATE_DIRECTORY": str(directory / "state"),
        "WALLBOX2MQTT_WALLBOX__EMAIL": "a@b.c",
        "WALLBOX2MQTT_WALLBOX__PASSWORD": "a secret that nobody may see",
        "WALLBOX2MQTT_WALLBOX__API_URL": f"http://127.0.0.1:{free_port()}",
        "WALLBOX2MQTT_WALLBOX__USER_API_URL": f"http://127.0.0.1:{free_port()}",
        "WALLBOX2MQTT_MQTT__HOST": "127.0.0.1",
        "WALLBOX2MQTT_MQTT__PORT": str(free_port()),
        **settings,
    }


@pytest.mark.parametrize("command", ["schema", "topics"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_full_disk_is_no_success(command: str, unbuffered: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "wallbox2mqtt", command],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
    assert done.returncode == 1
    assert done.stderr == "wallbox2mqtt: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        pytest.param({"MQTT__PORT": "x"}, b"WALLBOX2MQTT_MQTT__PORT: found text", id="a value"),
        pytest.param(
            {"MQTT__TLS__ENABLED": "true", "MQTT__TLS__CA_FILE": "/no/ca"}, b"mqtt.tls.ca_file: /no/ca", id="a file"
        ),
    ],
)
def test_systemd_hears_what_is_wrong_with_the_configuration(
    tmp_path: Path, variables: dict[str, str], told: bytes
) -> None:
    given = {f"WALLBOX2MQTT_{name}": text for name, text in variables.items()}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(LIMIT_S)
        systemd.bind(str(tmp_path / "notify"))
        done = subprocess.run(
            [sys.executable, "-m", "wallbox2mqtt", "run"],
            cwd=tmp_path,
            env=alone(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"), **given),
            check=False,
            timeout=LIMIT_S,
        )
        assert done.returncode == 78
        assert systemd.recv(65536).startswith(b"STATUS=" + told)


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_an_early_signal_waits_for_its_handler(tmp_path: Path, name: str) -> None:
    """As in the image, where it would be lost."""
    command = ["env", f"--block-signal={name}", sys.executable, "-m", "wallbox2mqtt", "run"]
    with subprocess.Popen(command, cwd=tmp_path, env=alone(tmp_path)) as process:  # noqa: S603 - our own program
        eventually(lambda: _is_blocked(process.pid, name), "it is blocked")
        process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.wait(LIMIT_S) == 0


def _is_blocked(pid: int, name: str) -> bool:
    (mask,) = re.findall(r"^SigBlk:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.MULTILINE)
    return bool(int(mask, 16) >> (signal.Signals[f"SIG{name}"] - 1) & 1)


def test_under_systemd_errors_name_the_file_that_operators_edit(tmp_path: Path) -> None:
    copy = tmp_path / "config.yaml"
    copy.write_text("mqtt: {prot: 1}\n", encoding="utf-8")
    directories = {"CREDENTIALS_DIRECTORY": str(tmp_path), "CONFIGURATION_DIRECTORY": "/etc/wallbox2mqtt/garage"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(LIMIT_S)
        systemd.bind(str(tmp_path / "notify"))
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "wallbox2mqtt", "run", "--config", str(copy)],
            cwd=tmp_path,
            env=alone(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"), **directories),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        assert done.returncode == 78
        assert done.stderr.startswith("wallbox2mqtt: /etc/wallbox2mqtt/garage/config.yaml: mqtt.prot: unknown key")
        assert systemd.recv(65536).startswith(b"STATUS=/etc/wallbox2mqtt/garage/config.yaml: mqtt.prot: unknown key")


@pytest.mark.parametrize("signals", [1, 1000], ids=["once", "again and again"])
@pytest.mark.parametrize("streams", ["", "2>&-", ">&- 2>&-", "2>/dev/full"])
def test_run_ends_well_whatever_became_of_its_output(tmp_path: Path, streams: str, signals: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(LIMIT_S)
        systemd.bind(str(tmp_path / "notify"))
        with subprocess.Popen(  # noqa: S603 - our own program
            ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "wallbox2mqtt", "run"],  # noqa: S607
            cwd=tmp_path,
            env=alone(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify")),
        ) as process:
            while b"READY=1" not in systemd.recv(65536):
                pass
            for _ in range(signals):
                if process.poll() is not None:
                    break
                process.send_signal(signal.SIGTERM)
                time.sleep(0.005)
            assert process.wait(LIMIT_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_run_waits_for_cloud_and_broker_until_stopped(tmp_path: Path, number: signal.Signals, level: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "wallbox2mqtt", "run"],
        cwd=tmp_path,
        env=alone(tmp_path, WALLBOX2MQTT_LOG__LEVEL=level),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "not connected to the broker" in line:
                break
        process.send_signal(number)
        out, rest = process.communicate(timeout=LIMIT_S)
        told = "".join(lines) + rest
    assert process.returncode == 0, told
    assert out == ""
    assert "Traceback" not in told
    assert "a secret" not in told
    assert "stopping" in told


@pytest.mark.parametrize("name", ["simulator", "demo"])
def test_options_that_cannot_be(tmp_path: Path, name: str) -> None:
    done = run(name, "--port", "70000", cwd=tmp_path)
    assert done.returncode == 1
    assert "70000" in done.stderr


def test_simulator_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    port = str(free_port())
    command = [
        sys.executable,
        "-m",
        "wallbox2mqtt",
        "simulator",
        "--port",
        port,
        "--chargers",
        "3",
        "--model",
        "quasar",
    ]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        with urlopen(f"http://127.0.0.1:{port}/_control/state") as answer:
            assert [one["model"] for one in json.load(answer)["chargers"]] == ["quasar"] * 3
        done = run("simulator", "--port", port, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert "choose another with --port" in done.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


def test_simulator_of_a_model_that_nobody_makes(tmp_path: Path) -> None:
    done = run("simulator", "--model", "tesla", cwd=tmp_path)
    assert done.returncode == 1
    assert "tesla" in done.stderr


def test_in_process(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the process', nothing of ours
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(schema()))
    assert main(["topics"]) == 0
    assert capsys.readouterr().out.startswith("|")
    assert main(["run", "--config", "nowhere.yaml"]) == 78
    assert "nowhere.yaml" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
