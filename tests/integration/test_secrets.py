"""No secret shows anywhere: a whole life of the program, with all that can be refused, and everything it leaves."""

import base64
import json
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.mosquitto import LIMIT_S, Broker, Watcher, eventually, free_port
from wallbox2mqtt.simulator import Fault, Settings, Simulator

pytestmark = pytest.mark.broker

EMAIL, PASSWORD, BROKER_PASSWORD = "jörg.secret@example.org", "pä$$ wörd: 'x' \"y\" #9f3", "brøker-pass-77"
ONE = 900001


def forms(secret: str) -> set[str]:
    """How a secret might be written."""
    raw = secret.encode()
    return {
        secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret), quote(secret, safe=""),
        base64.b64encode(raw).decode().rstrip("="), repr(raw)[2:-1], raw.hex(),
    }  # fmt: skip


def tokens_in(directory: Path) -> set[str]:
    found: set[str] = set()
    for file in directory.glob("*-tokens.json"):
        kept = json.loads(file.read_bytes())
        found |= {kept[name] for name in ("token", "refresh_token") if name in kept}
    return found


class Program:
    """The bridge with the chattiest log, and what can be seen of it from outside."""

    def __init__(self, directory: Path, cloud: Simulator, broker: Broker) -> None:
        config, self.web_port = directory / "config.yaml", free_port()
        config.write_text(
            json.dumps(
                {
                    "wallbox": {
                        "email": EMAIL, "password": PASSWORD, "api_url": cloud.url, "user_api_url": cloud.url,
                        "reads_per_minute": 120, "writes_per_minute": 120, "poll_interval": 0.5, "timeout": 2,
                    },
                    "mqtt": {
                        "host": "127.0.0.1", "port": broker.port, "username": "bridge", "password": BROKER_PASSWORD,
                    },
                    "web": {"listen": f"127.0.0.1:{self.web_port}"},
                    "log": {"level": "debug", "mqtt": True},
                    "state_dir": str(directory / "state"),
                }
            ),
            encoding="utf-8",
        )  # fmt: skip
        self.state, self.log = directory / "state", directory / "stderr"
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "wallbox2mqtt", "run", "--config", str(config)], stderr=file, stdout=file
            )

    def page(self) -> str:
        """What the status port shows."""
        shown = ""
        for path in ("/api/status", f"/api/history?charger={ONE}", "/readyz"):
            with closing(HTTPConnection("127.0.0.1", self.web_port, timeout=LIMIT_S)) as client:
                client.request("GET", path)
                shown += client.getresponse().read().decode()
        return shown

    def command_line(self) -> str:
        return Path(f"/proc/{self.process.pid}/cmdline").read_text(encoding="utf-8")


@pytest.fixture
def collected(tmp_path: Path) -> Iterator[set[str]]:
    """Every token that is ever kept, as they come and go."""
    tokens: set[str] = set()
    stop = threading.Event()

    def collect() -> None:
        while not stop.wait(0.02):
            tokens.update(tokens_in(tmp_path / "state"))

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    yield tokens
    stop.set()
    thread.join(LIMIT_S)


def live(program: Program, cloud: Simulator, watcher: Watcher) -> None:
    """Sign-in, refresh, refusals of every kind, commands, faults."""

    def asked(path: str) -> int:
        return sum(1 for seen in cloud.requests if seen.path == path)

    watcher.wait(f"wallbox/{ONE}/locked")
    eventually(lambda: asked("users/refresh-token") >= 2, "refreshed twice")
    cloud.revoke_tokens()
    cloud.revoke_refresh_tokens()
    signed_in = asked("users/signin")
    eventually(lambda: asked("users/signin") > signed_in, "signed in anew")
    for kind, status in (("status", 500), ("status", 403), ("status", 302), ("status", 429)):
        cloud.fault(Fault(kind=kind, status=status, path=f"chargers/status/{ONE}", count=1))  # type: ignore[arg-type]
    cloud.fault(Fault(kind="reset", path="v3/*", count=1))
    for number, payload in enumerate(("1", "0", "nonsense", "{}")):
        watcher.publish(f"wallbox/{ONE}/locked/set", payload)
        results = number + 1
        watcher.wait_for(
            lambda heard, least=results: sum(1 for one in heard if one.topic.endswith("locked/result")) >= least,  # type: ignore[misc]
            "an answer",
        )
    assert program.process.poll() is None


def test_no_secret_shows_anywhere(tmp_path: Path, broker: Broker, collected: set[str]) -> None:
    settings = Settings(token_life_s=3, reads_per_minute=None, writes_per_minute=None)
    with (
        Simulator(email=EMAIL, password=PASSWORD, settings=settings) as cloud,
        Watcher(broker.port) as watcher,
    ):
        program = Program(tmp_path, cloud, broker)
        try:
            live(program, cloud, watcher)
            watcher.publish("wallbox/bridge/refresh/set", "1")
            command_line, page = program.command_line(), program.page()
            # what is just being written is gone a moment later
            files = [file for file in program.state.iterdir() if file.suffix != ".tmp"]
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
            # a crash in the middle of it all: the stacks of all threads go to stderr
            program.process.send_signal(signal.SIGABRT)
            # the dump walks the stacks of threads that run, and may itself fall over one of them
            assert program.process.wait(LIMIT_S) in {-signal.SIGABRT, -signal.SIGSEGV}
        finally:
            program.process.kill()
            program.process.wait(LIMIT_S)
        heard = "\n".join(f"{one.topic} {one.payload}" for one in watcher.heard)
    told = program.log.read_text(encoding="utf-8")
    assert "new token way=modern" in told, "the log was not as chatty as it can be"
    assert "Fatal Python error: Aborted" in told
    assert "wallbox/bridge/log" in heard
    assert len(collected) >= 6
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(program.state.stat().st_mode) == 0o700
    pair = f"{EMAIL}:{PASSWORD}"
    secrets = {PASSWORD, BROKER_PASSWORD, pair, *collected, *(token.split(".")[2] for token in collected)}
    for name, text in {"stderr": told, "topics": heard, "command line": command_line, "page": page}.items():
        shown = {form for secret in secrets for form in forms(secret) if form in text}
        assert not shown, name
        assert "Basic " not in text
        assert "Bearer " not in text
    kept = "".join(file.read_text(encoding="utf-8") for file in program.state.iterdir())
    assert not {form for secret in (PASSWORD, BROKER_PASSWORD, pair) for form in forms(secret) if form in kept}
    assert EMAIL not in kept
    assert '"log":[[' in page
    assert not {form for form in forms(EMAIL) if form in page}


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
def test_the_last_words_tell_nothing_either(tmp_path: Path, broker: Broker, signal_: signal.Signals) -> None:
    """Refused credentials, and an end in the middle of a sign-in."""
    with Simulator(email=EMAIL, password=PASSWORD.upper()) as cloud:
        cloud.fault(Fault(kind="delay", seconds=0.5, path="users/*", count=1))
        program = Program(tmp_path, cloud, broker)
        try:
            assert cloud.wait_for(lambda seen: len(seen) > 0, LIMIT_S)
            program.process.send_signal(signal_)
            assert program.process.wait(LIMIT_S) in {0, 78}
        finally:
            program.process.kill()
            program.process.wait(LIMIT_S)
    told = program.log.read_text(encoding="utf-8")
    assert told
    assert not {form for secret in (PASSWORD, BROKER_PASSWORD) for form in forms(secret) if form in told}


def test_the_search_finds_what_it_searches() -> None:
    header = f"Authorization: Basic {base64.b64encode(f'{EMAIL}:{PASSWORD}'.encode()).decode()}"
    for text in (header, f"password={PASSWORD!r}", json.dumps({"p": PASSWORD}), f"?p={quote(PASSWORD)}"):
        assert any(form in text for secret in (PASSWORD, f"{EMAIL}:{PASSWORD}") for form in forms(secret))


@pytest.mark.parametrize("command", ["run", "dump"])
def test_configured_secrets_stay_hidden_after_many_tokens(tmp_path: Path, command: str) -> None:
    hidden = [EMAIL, PASSWORD, *([BROKER_PASSWORD] if command == "run" else [])]  # a dump has nothing to do with it
    program = f"""
from wallbox2mqtt.cli.main import main
from wallbox2mqtt.log import HIDDEN
code = main([{command!r}])
for number in range(1000):
    HIDDEN.add(f"token-{{number}}")
print(code, *map(HIDDEN.clean, {hidden!r}))
"""
    with Simulator() as cloud:  # refuses these credentials, so that both end
        wallbox = {"email": EMAIL, "password": PASSWORD, "api_url": cloud.url, "user_api_url": cloud.url}
        mqtt = {"username": "bridge", "password": BROKER_PASSWORD, "port": free_port()}
        config = {"wallbox": wallbox, "mqtt": mqtt, "state_dir": str(tmp_path / "state")}
        file = tmp_path / "config.yaml"
        file.write_text(json.dumps(config), encoding="utf-8")
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT_S, check=False,
            env={"PATH": "", "WALLBOX2MQTT_CONFIG": str(file)},
        )  # fmt: skip
    assert done.stdout.split() == ["78", *["***"] * len(hidden)], done.stderr
