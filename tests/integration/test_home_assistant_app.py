"""The app of Home Assistant and its Supervisor, which tells where the broker is, or does not."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.command import environment, run
from wallbox2mqtt.cli.home_assistant_app import Place, load
from wallbox2mqtt.errors import ConfigError

TOKEN = "the-supervisors-token"  # noqa: S105 - not a real one
SERVICE = {
    "addon": "core_mosquitto",
    "host": "core-mosquitto",
    "port": 1883,
    "ssl": False,
    "username": "addons",
    "password": "the-brokers-password",
    "protocol": "3.1.1",
}


class Supervisor:
    """Answers as it is told, and remembers who asked. None as a status: not at all."""

    def __init__(self, *answers: tuple[int | None, object]) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, str | None]]()
        self.over = threading.Event()

    def answer(self) -> tuple[int | None, object]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(supervisor: Supervisor) -> Iterator[tuple[str, int]]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            supervisor.asked.append((self.path, self.headers["Authorization"]))
            status, body = supervisor.answer()
            if status is None:
                supervisor.over.wait(30)
                return
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield ("127.0.0.1", server.server_address[1])
        finally:
            supervisor.over.set()
            server.shutdown()
            thread.join()


def place(tmp_path: Path, address: tuple[str, int], *, patience_s: float = 20.0, **options: object) -> Place:
    given = {"email": "a@example.org", "password": "the-accounts-password", **options}
    (tmp_path / "options.json").write_text(json.dumps(given), encoding="utf-8")
    return Place(tmp_path, tmp_path / "none.yaml", address, patience_s)


def ok(**changes: object) -> tuple[int, object]:
    return 200, {"result": "ok", "data": {**SERVICE, **changes}}


def test_the_supervisor_tells_the_broker(tmp_path: Path) -> None:
    supervisor = Supervisor(ok())
    with serving(supervisor) as address:
        mqtt = load(None, {"SUPERVISOR_TOKEN": TOKEN}, place(tmp_path, address)).mqtt
    assert supervisor.asked == [("/services/mqtt", f"Bearer {TOKEN}")]
    assert (mqtt.host, mqtt.port, mqtt.username, mqtt.tls.enabled) == ("core-mosquitto", 1883, "addons", False)
    assert mqtt.password is not None
    assert mqtt.password.reveal() == "the-brokers-password"


@pytest.mark.parametrize("changes", [{"ssl": True, "port": 8883}, {"username": "", "password": None}])
def test_brokers_of_other_kinds(tmp_path: Path, changes: dict[str, object]) -> None:
    with serving(Supervisor(ok(**changes))) as address:
        mqtt = load(None, {"SUPERVISOR_TOKEN": TOKEN}, place(tmp_path, address)).mqtt
    assert mqtt.tls.enabled is (changes.get("ssl") is True)
    assert (mqtt.password is None) is ("password" in changes)


def test_a_broker_of_ones_own_needs_no_supervisor(tmp_path: Path) -> None:
    supervisor = Supervisor(ok())
    with serving(supervisor) as address:
        assert load(None, {}, place(tmp_path, address, mqtt_host="broker.lan")).mqtt.host == "broker.lan"
    assert not supervisor.asked


@pytest.mark.parametrize(
    "first", [(None, ""), (502, b"<html>"), (200, b"{"), (200, {"data": []}), ok(host="")], ids=str
)
def test_it_is_asked_again(tmp_path: Path, first: tuple[int | None, object]) -> None:
    supervisor = Supervisor(first, ok())
    with serving(supervisor) as address:
        place_ = place(tmp_path, address, patience_s=1.0 if first[0] is None else 20.0)
        assert load(None, {}, place_).mqtt.host == "core-mosquitto"
    assert len(supervisor.asked) == 2


@pytest.mark.parametrize(
    ("answer", "times", "said"),
    [
        ((400, {"result": "error", "message": "No service"}), 1, "install the app Mosquitto broker"),
        ((401, b"401: Unauthorized"), 1, "it answered 401"),
        ((500, b""), 3, "it answered 500"),
        ((None, ""), 3, "it does not answer (TimeoutError)"),
        (ok(port="x"), 1, "the Supervisor's MQTT service: found text ('x')"),
    ],
    ids=["400", "401", "500", "silence", "nonsense"],
)
def test_it_knows_no_broker(tmp_path: Path, answer: tuple[int | None, object], times: int, said: str) -> None:
    supervisor = Supervisor(answer)
    with serving(supervisor) as address, pytest.raises(ConfigError) as caught:
        load(None, {"SUPERVISOR_TOKEN": TOKEN}, place(tmp_path, address, patience_s=1.0 if answer[0] is None else 20.0))
    assert said in str(caught.value)
    assert len(supervisor.asked) == times
    for secret in (TOKEN, "the-accounts-password", "the-brokers-password"):
        assert secret not in str(caught.value)


def test_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"it does not answer \(ConnectionRefusedError\)"):
        load(None, {}, place(tmp_path, ("127.0.0.1", 1)))


def test_outside_of_home_assistant_it_says_so(tmp_path: Path) -> None:
    done = run(environment(None, tmp_path), "run", "--home-assistant-app")
    assert done.code == 78
    assert "is for apps of Home Assistant" in done.err
