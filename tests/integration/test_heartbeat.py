"""The heartbeat, what it means, and ``health``, which reads it: by the file, and while each part is stopped in turn."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually
from tests.parts import Parts
from wallbox2mqtt.cli.health import report
from wallbox2mqtt.cli.help import EPILOGS
from wallbox2mqtt.config import MqttConfig, Secret, WallboxConfig
from wallbox2mqtt.daemon import heartbeat
from wallbox2mqtt.daemon.health import ActiveHealth
from wallbox2mqtt.daemon.heartbeat import AWAY_S, BACKOFF_S, SILENT_S, Beat, faults
from wallbox2mqtt.mqtt import MqttConnection
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Fault, Settings, Simulator
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.watchdog import Pulse

GOOD = Beat(
    at=1000.0,
    threads={"reader": [1.0, 25.0], "writer": [4.0, 25.0], "broker": [0.4, 20.0]},
    idle_s=2.0,
    read_age_s=30.0,
    has_read=True,
    interval_s=60.0,
    away_s=0.0,
    reason="ok",
    chargers=2,
)


class TestFaults:
    @pytest.mark.parametrize("later_s", [0.0, 9.0, SILENT_S])
    def test_none(self, later_s: float) -> None:
        assert faults(GOOD, GOOD.at + later_s) == []

    @pytest.mark.parametrize(
        ("changes", "later_s", "word"),
        [
            pytest.param({}, SILENT_S + 1, "main loop", id="main"),
            pytest.param({}, -100.0, "earlier boot", id="boot"),
            pytest.param({"threads": {"reader": [25.1, 25.0]}}, 0.0, "thread reader", id="reader"),
            pytest.param({"threads": {"broker": [20.1, 20.0]}}, 0.0, "thread broker", id="paho"),
            pytest.param({"idle_s": 181.0}, 0.0, "no read was begun", id="polls"),
            pytest.param({"read_age_s": 105.0}, 6.0, "no good read for 111 s", id="reads"),
            pytest.param({"interval_s": 1.0, "read_age_s": 61.0}, 0.0, "60 s are allowed", id="reads-often"),
            pytest.param({"interval_s": 30.0, "read_age_s": 91.0}, 0.0, "90 s are allowed", id="reads-three-missed"),
            pytest.param({"interval_s": 400.0, "read_age_s": 701.0}, 0.0, "700 s are allowed", id="reads-seldom"),
            pytest.param({"read_age_s": 181.0, "has_read": False}, 0.0, "since the start", id="never-read"),
            pytest.param({"reason": "auth_failed"}, 0.0, "check e-mail and password", id="sign-in"),
            pytest.param({"reason": "rate_limited", "read_age_s": BACKOFF_S + 1}, 0.0, "rate_limited", id="back-off"),
            pytest.param({"away_s": AWAY_S - 5}, 6.0, "the broker is away", id="broker"),
            pytest.param({"stands_by": True, "away_s": AWAY_S + 1}, 0.0, "the broker is away", id="stands-by"),
        ],
    )
    def test_is_said_in_a_line(self, changes: dict[str, Any], later_s: float, word: str) -> None:
        (line,) = faults(GOOD._replace(**changes), GOOD.at + later_s)
        assert word in line
        assert line.isprintable()

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"reason": "rate_limited", "read_age_s": BACKOFF_S - 60}, id="a-back-off-is-obedience"),
            pytest.param({"reason": "timeout", "read_age_s": 105.0}, id="a-failed-read"),
            pytest.param({"away_s": 20.0}, id="a-broker-that-restarts"),
            pytest.param({"interval_s": 900.0, "read_age_s": 1500.0, "idle_s": 2000.0}, id="a-slow-account"),
            pytest.param({"has_read": False, "reason": "not asked yet", "read_age_s": 5.0}, id="just-started"),
            pytest.param({"stands_by": True, "reason": "not asked", "read_age_s": 1e6, "idle_s": 1e6}, id="stands-by"),
        ],
    )
    def test_are_not_seen_too_soon(self, changes: dict[str, Any]) -> None:
        assert faults(GOOD._replace(**changes), GOOD.at) == []

    def test_a_cloud_that_is_away_is_no_reason_to_restart(self) -> None:
        assert GOOD._replace(read_age_s=1e6, away_s=1e6, reason="auth_failed").advances
        assert not GOOD._replace(idle_s=181.0).advances
        assert not GOOD._replace(threads={"writer": [26.0, 25.0]}).advances


class TestFile:
    def test_there_and_back(self, tmp_path: Path) -> None:
        store = Storage(tmp_path, "account")
        store.write(heartbeat.FILE, GOOD._asdict())
        (path,) = heartbeat.find(tmp_path)
        assert heartbeat.read(path) == GOOD

    @pytest.mark.parametrize("threads", ["[]", '{"reader": 1}', '{"reader": [1]}', '{"reader": ["x", 2]}', "null"])
    def test_threads_that_are_none(self, tmp_path: Path, threads: str) -> None:
        path = tmp_path / "x-heartbeat.json"
        path.write_text(json.dumps(GOOD._asdict() | {"threads": json.loads(threads)}), encoding="utf-8")
        assert heartbeat.read(path) is None

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"at": 1}', b"\xff", b'{"at": "x"}'])
    def test_what_is_none(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "x-heartbeat.json"
        path.write_bytes(content)
        assert heartbeat.read(path) is None
        path.unlink()
        assert heartbeat.read(path) is None


@pytest.fixture
def cloud(clock: FakeClock) -> Iterator[Simulator]:
    with Simulator(clock=clock, settings=Settings(reads_per_minute=None, writes_per_minute=None)) as cloud:
        yield cloud


class Life:
    """The parts of a bridge, and the heartbeat that main would write."""

    def __init__(self, cloud: Simulator, clock: FakeClock, directory: Path) -> None:
        self.parts = Parts(cloud, clock, directory)
        mqtt = MqttConnection(MqttConfig(port=9), filters=[], on_event=lambda _: None, clock=clock)
        store = Storage(directory, "account")
        self.signs = ActiveHealth(self.parts.whole, mqtt, store, store)
        self.signs.begin({"reader": Pulse()})

    def run(self, seconds: float) -> Beat:
        self.parts.run(seconds, then=self.signs.look)
        self.signs.look()
        return self.signs.beat()

    def faults(self, seconds: float) -> list[str]:
        """What is wrong after so many more seconds, the broker left out: there is none."""
        beat = self.run(seconds)
        return faults(beat._replace(away_s=0.0), beat.at)


class TestReads:
    """Polls that go on, fail, back off, and stop; time is a fake."""

    @pytest.fixture
    def life(self, cloud: Simulator, clock: FakeClock, tmp_path: Path) -> Life:
        return Life(cloud, clock, tmp_path)

    def test_go_on(self, life: Life) -> None:
        for _ in range(20):
            assert life.faults(60.0) == []

    def test_fail(self, life: Life, cloud: Simulator) -> None:
        assert life.faults(200.0) == []
        cloud.fault(Fault(kind="status", status=500, count=None))
        assert life.faults(60.0) == []
        (line,) = life.faults(60.0)
        assert "http_5xx" in line
        assert life.signs.beat().advances

    def test_are_refused_as_too_many(self, life: Life, cloud: Simulator) -> None:
        assert life.faults(120.0) == []
        cloud.fault(Fault(kind="status", status=429, count=None))
        for _ in range(40):
            assert life.faults(60.0) == []
            assert life.signs.beat().advances
        (line,) = life.faults(10 * 60.0)
        assert "rate_limited" in line

    def test_with_refused_credentials(self, cloud: Simulator, clock: FakeClock, tmp_path: Path) -> None:
        life = Life(cloud, clock, tmp_path)
        cloud.fault(Fault(kind="status", path="users/signin", status=401, body="json", count=None))
        for _ in range(120):
            (line,) = life.faults(60.0)
            assert "check e-mail and password" in line
            assert life.signs.beat().advances

    def test_stop(self, life: Life, clock: FakeClock) -> None:
        assert life.faults(100.0) == []
        for _ in range(300):
            clock.advance(1.0)
            life.signs.look()
        beat = life.signs.beat()
        assert not beat.advances
        assert any("no read was begun" in line for line in faults(beat, beat.at))


class TestProbes:
    """What the status port says of the heartbeat that was told last."""

    @pytest.fixture
    def life(self, cloud: Simulator, clock: FakeClock, tmp_path: Path) -> Life:
        return Life(cloud, clock, tmp_path)

    def test_alive_and_not_ready_without_the_cloud(self, life: Life, cloud: Simulator) -> None:
        cloud.fault(Fault(kind="status", path="users/signin", status=401, body="json", count=None))
        life.run(60.0)
        assert life.signs.live().problems == []
        for verdict in (life.signs.ready(), life.signs.told()):
            assert any("check e-mail and password" in line for line in verdict.problems)
            assert "cloud auth_failed" in verdict.state
        assert life.signs.threads() == {"reader": True}

    def test_not_alive_with_a_silent_thread(self, life: Life) -> None:
        silent = Pulse()
        silent.beat(allowed_s=-1.0)
        life.signs.begin({"reader": Pulse(), "writer": silent})
        (line,) = life.signs.live().problems
        assert line.startswith("the thread writer is silent")
        assert line in life.signs.ready().problems
        assert life.signs.threads() == {"reader": True, "writer": False}


def health(*arguments: str, **environ: str) -> tuple[int, str]:
    """Ask as systemd and Docker would; the exit code and the line."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "wallbox2mqtt", "health", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        env={"PATH": os.environ["PATH"], **environ},
    )
    assert not done.stderr
    assert len(done.stdout.splitlines()) == 1
    return done.returncode, done.stdout


class TestCommand:
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        """Whoever may write to the directory could otherwise stop root's ``check``."""
        os.mkfifo(Storage(tmp_path, "account").path(heartbeat.FILE))
        assert heartbeat.read(Storage(tmp_path, "account").path(heartbeat.FILE)) is None
        assert health("--state-dir", str(tmp_path))[0] == 69

    def write(self, directory: Path, account: str = "account", at: float | None = None) -> None:
        beat = GOOD._replace(at=time.monotonic() if at is None else at)
        Storage(directory, account).write(heartbeat.FILE, beat._asdict())

    def test_healthy(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        code, line = health("--state-dir", str(tmp_path))
        assert code == 0
        assert line.startswith("healthy: 2 chargers")
        assert health(STATE_DIRECTORY=str(tmp_path))[0] == 0
        assert health(WALLBOX2MQTT_STATE_DIR=str(tmp_path))[0] == 0

    def test_alive_though_the_cloud_is_away(self, tmp_path: Path) -> None:
        beat = GOOD._replace(at=time.monotonic(), read_age_s=9999.0, away_s=9999.0, reason="timeout")
        Storage(tmp_path, "account").write(heartbeat.FILE, beat._asdict())
        assert health("--state-dir", str(tmp_path))[0] == 69
        code, line = health("--live", "--state-dir", str(tmp_path))
        assert (code, line.startswith("alive: 2 chargers")) == (0, True)
        self.write(tmp_path, at=time.monotonic() - 50)
        assert health("--live", "--state-dir", str(tmp_path))[0] == 69

    @pytest.mark.parametrize(("later_s", "problems"), [(0.0, 0), (50.0, 1)])
    def test_for_programs(self, tmp_path: Path, later_s: float, problems: int) -> None:
        self.write(tmp_path, at=time.monotonic() - later_s)
        code, text = health("--json", "--state-dir", str(tmp_path))
        told = json.loads(text)
        assert (code, told["healthy"]) == ((0, True) if not problems else (69, False))
        assert len(told["problems"]) == problems
        assert told["state"].startswith("2 chargers")

    def test_for_programs_where_nothing_runs(self, tmp_path: Path) -> None:
        code, text = health("--json", "--state-dir", str(tmp_path))
        assert code == 69
        assert json.loads(text)["state"] is None

    def test_by_the_configuration(self, tmp_path: Path) -> None:
        file = tmp_path / "config.yaml"
        file.write_text(f"wallbox: {{email: me@example.org, password: x}}\nstate_dir: {tmp_path / 'state'}\n")
        assert health("--config", str(file))[0] == 69
        self.write(tmp_path / "state", WallboxConfig(email="me@example.org", password=Secret("x")).account)
        assert health("--config", str(file))[0] == 0
        self.write(tmp_path / "state", "another account", at=time.monotonic() - 100)
        assert health("--config", str(file), "--state-dir", str(tmp_path / "state"))[0] == 0

    @pytest.mark.parametrize("there", [True, False])
    def test_not_running(self, tmp_path: Path, *, there: bool) -> None:
        code, line = health("--state-dir", str(tmp_path if there else tmp_path / "absent"))
        assert code == 69
        assert "does not run" in line

    @pytest.mark.parametrize("closed", ["parent", "state", "file"])
    @pytest.mark.parametrize("by", ["name", "configuration"])
    def test_without_the_right_to_read(self, capsys: pytest.CaptureFixture[str], closed: str, by: str) -> None:
        user = os.geteuid()
        # not below pytest's own directory, which another user may not enter anyway
        with tempfile.TemporaryDirectory() as name:
            parent, config = Path(name) / "parent", Path(name) / "config.yaml"
            state = parent / "state"
            self.write(state, WallboxConfig(email="me@example.org", password=Secret("x")).account)
            (file,) = state.iterdir()
            config.write_text(f"wallbox: {{email: me@example.org, password: x}}\nstate_dir: {state}\n")
            for path, rights in ((Path(name), 0o755), (parent, 0o755), (state, 0o755), (file, 0o644), (config, 0o644)):
                path.chmod(rights)
            assert report(config, state if by == "name" else None) == 0  # and all is imported that is imported late
            capsys.readouterr()
            {"parent": parent, "state": state, "file": file}[closed].chmod(0)
            if user == 0:
                os.seteuid(65534)  # root may read everything
            try:
                code = report(config, state if by == "name" else None)
            finally:
                os.seteuid(user)
                parent.chmod(0o700)
                state.chmod(0o700)
        line = capsys.readouterr().out
        assert code == 69
        assert line.startswith(f"unhealthy: nothing is known of the bridge: {state}")
        assert "may not be read by this user; sudo helps" in line

    def test_help_tells_the_limit_of_the_default(self) -> None:
        assert f"no good read for {GOOD.read_limit_s:.0f} s" in EPILOGS["health"]

    def test_stopped(self, tmp_path: Path) -> None:
        self.write(tmp_path, at=time.monotonic() - 50)
        code, line = health("--state-dir", str(tmp_path))
        assert (code, re.search(r"main loop is silent for 5\d s", line) is not None) == (69, True)

    def test_without_any_configuration(self, tmp_path: Path) -> None:
        code, line = health("--config", str(tmp_path / "absent.yaml"))
        assert code == 69
        assert "absent.yaml" in line

    def test_imports_next_to_nothing(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        program = (
            "import sys; from wallbox2mqtt.cli import main; code = main(['health', '--state-dir', sys.argv[1]]);"
            "heavy = {'requests', 'paho', 'yaml', 'msgspec', 'schedule', 'ssl'} & set(sys.modules);"
            "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
        )
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.broker
class TestProcess:
    """A real bridge, a real broker, and systemd's socket."""

    @pytest.fixture
    def start(self, broker: Broker, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
        running: list[subprocess.Popen[bytes]] = []

        def start(cloud: Simulator, **more: str) -> subprocess.Popen[bytes]:
            environ = more | {
                "PATH": os.environ["PATH"],
                "WALLBOX2MQTT_WALLBOX__EMAIL": EMAIL,
                "WALLBOX2MQTT_WALLBOX__PASSWORD": PASSWORD,
                "WALLBOX2MQTT_WALLBOX__API_URL": cloud.url,
                "WALLBOX2MQTT_WALLBOX__USER_API_URL": cloud.url,
                "WALLBOX2MQTT_MQTT__PORT": str(broker.port),
                "WALLBOX2MQTT_MQTT__HOST": "127.0.0.1",
                "WALLBOX2MQTT_STATE_DIR": str(tmp_path / "state"),
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
            }
            with (tmp_path / "log").open("ab") as log:
                process = subprocess.Popen([sys.executable, "-m", "wallbox2mqtt", "run"], env=environ, stderr=log)
            running.append(process)
            return process

        yield start
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(LIMIT_S)

    def test_is_told_from_start_to_end(
        self, broker: Broker, start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
    ) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, Simulator() as cloud:
            systemd.bind(str(tmp_path / "notify"))
            systemd.settimeout(LIMIT_S)
            with Watcher(broker.port, "wallbox/bridge/#") as watcher:
                process = start(cloud)
                first = systemd.recv(4096).decode().splitlines()
                assert {"READY=1", "WATCHDOG=1"} <= set(first)
                watcher.wait("wallbox/bridge/cloud_reason", "ok")
                while "broker connected" not in (message := systemd.recv(4096).decode()) or "cloud ok" not in message:
                    pass
                eventually(lambda: health("--state-dir", str(tmp_path / "state"))[0] == 0, "it is healthy")
                process.terminate()
                assert process.wait(LIMIT_S) == 0
            while "STOPPING=1" not in (message := systemd.recv(4096).decode()):
                pass
            assert "ended: asked to stop" in message
        assert "does not run" in health("--state-dir", str(tmp_path / "state"))[1]

    def test_stays_in_memory_where_there_is_a_runtime_directory(
        self, start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
    ) -> None:
        state, runtime = tmp_path / "state", tmp_path / "run"
        with Simulator() as cloud:
            process = start(cloud, RUNTIME_DIRECTORY=str(runtime))
            eventually(lambda: health("--state-dir", str(state))[0] == 0, "it is healthy")
            (beat,) = heartbeat.find(state)
            assert beat.is_symlink()
            assert beat.resolve().parent == runtime.resolve()
            process.terminate()
            assert process.wait(LIMIT_S) == 0
        assert heartbeat.find(state) == heartbeat.find(runtime) == []

    def test_neither_cloud_nor_broker_need_be_there(
        self, broker: Broker, start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
    ) -> None:
        broker.stop()
        cloud = Simulator()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, cloud:
            systemd.bind(str(tmp_path / "notify"))
            systemd.settimeout(LIMIT_S)
            cloud.fault(Fault(kind="hang", count=None))
            start(cloud)
            assert "READY=1" in systemd.recv(4096).decode().splitlines()
