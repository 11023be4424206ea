"""The simulator's wire: faults, the control endpoints, starting and stopping."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fakes import Caller, FakeClock
from tests.mosquitto import LIMIT_S
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.simulator import MOVES, ChargerSpec, Fault, Settings, Simulator
from wallbox2mqtt.simulator.control import Control
from wallbox2mqtt.simulator.faults import HTML
from wallbox2mqtt.simulator.messages import ApiRequest

ONE = 101
STATUS = f"chargers/status/{ONE}"
LOCK = f"v2/charger/{ONE}"


@pytest.fixture
def cloud() -> Iterator[Simulator]:
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    specs = [ChargerSpec(id=ONE, begin=(("unplug", None), ("unlock", None))), ChargerSpec(id=102)]
    with Simulator(chargers=specs, clock=FakeClock(), settings=settings) as simulator:
        yield simulator


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "status", "kind", "body"),
        [
            pytest.param(Fault(kind="status"), 503, "text/html; charset=utf-8", HTML, id="status"),
            pytest.param(Fault(kind="status", status=500, body="empty"), 500, "application/json", b"", id="empty"),
            pytest.param(Fault(kind="html"), 200, "text/html; charset=utf-8", HTML, id="html"),
            pytest.param(Fault(kind="null"), 200, "application/json", b"null", id="null"),
            pytest.param(Fault(kind="redirect"), 302, "application/json", b"", id="redirect"),
        ],
    )
    def test_whole_answers(
        self, cloud: Simulator, caller: Caller, fault: Fault, status: int, kind: str, body: bytes
    ) -> None:
        cloud.fault(fault)
        answer = caller.call("GET", STATUS)
        assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (status, kind, body)
        assert caller.call("GET", STATUS).json()["status_id"] == 161

    def test_redirect_to_another_host(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="redirect", location="http://other.invalid/"))
        assert caller.call("GET", STATUS).headers["Location"] == "http://other.invalid/"

    def test_json_of_an_error(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="status", status=500, body="json"))
        assert caller.call("GET", STATUS).json()["code"] == 500

    def test_corrupted_bodies(self, cloud: Simulator, caller: Caller) -> None:
        good = caller.call("GET", STATUS).content

        def corrupted(**how: Any) -> requests.Response:  # noqa: ANN401 - any fault
            cloud.fault(Fault(**how))
            return caller.call("GET", STATUS)

        truncated = corrupted(kind="truncated")
        assert good.startswith(truncated.content)
        assert len(truncated.content) == len(good) // 2
        assert corrupted(kind="content_type").headers["Content-Type"] == "text/plain"
        wrong = corrupted(
            kind="wrong_types", fields={"status_id": "busy", "config_data.locked": [1], "new.one": 1}
        ).json()
        assert (wrong["status_id"], wrong["config_data"]["locked"], wrong["new"]) == ("busy", [1], {"one": 1})
        assert corrupted(kind="list").json() == [json.loads(good)]
        assert len(corrupted(kind="huge").content) > 10 * 1024 * 1024
        deep = corrupted(kind="deep")
        with pytest.raises(RecursionError):
            json.loads(deep.content)
        assert b"NaN" in corrupted(kind="nan").content
        assert corrupted(kind="duplicate_keys").content.count(b'"status_id":') == 2
        with pytest.raises(UnicodeDecodeError):
            corrupted(kind="invalid_utf8").content.decode()

    @pytest.mark.parametrize("effect", [False, True], ids=["before the effect", "after the effect"])
    @pytest.mark.parametrize("kind", ["reset", "status", "redirect"])
    def test_effect(self, cloud: Simulator, caller: Caller, kind: Any, *, effect: bool) -> None:  # noqa: ANN401
        cloud.fault(Fault(kind=kind, method="PUT", effect=effect))
        if kind == "reset":
            with pytest.raises(requests.ConnectionError):
                caller.call("PUT", LOCK, {"locked": 1})
            assert cloud.requests[-1].status is None
        else:
            assert not 200 <= caller.call("PUT", LOCK, {"locked": 1}).status_code < 300
        assert caller.call("GET", STATUS).json()["config_data"]["locked"] == int(effect)

    def test_cut(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="cut"))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            caller.call("GET", STATUS)
        assert caller.call("GET", STATUS).status_code == 200

    def test_delay_and_drip(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="delay", seconds=0.1))
        begin = time.monotonic()
        assert caller.call("GET", STATUS).status_code == 200
        assert time.monotonic() - begin >= 0.1
        cloud.fault(Fault(kind="delay", seconds=30))
        with pytest.raises(requests.Timeout):
            caller.call("GET", STATUS, timeout=0.1)
        cloud.fault(Fault(kind="drip", seconds=0.0001))
        assert caller.call("GET", STATUS).json()["status_id"] == 161
        cloud.fault(Fault(kind="drip", seconds=0.02, path=STATUS))
        with caller.session.get(f"{cloud.url}/{STATUS}", timeout=LIMIT_S, stream=True) as answer:
            assert next(answer.iter_content(1)) == b"{"

    def test_hang_ends_with_the_simulator(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="hang", effect=True, method="PUT"))
        ended: list[BaseException] = []

        def hang() -> None:
            try:
                caller.call("PUT", LOCK, {"locked": 1}, timeout=30)
            except requests.RequestException as error:
                ended.append(error)

        thread = threading.Thread(target=hang)
        thread.start()
        assert cloud.wait_for(lambda seen: seen[-1].method == "PUT", LIMIT_S)
        assert cloud.requests[-1].status is None
        cloud.stop()
        thread.join(LIMIT_S)
        assert isinstance(ended[0], requests.ConnectionError)
        assert cloud.charger(ONE).state().locked

    def test_which_requests(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="status", path="chargers/status/*", method="GET", count=2))
        cloud.fault(Fault(kind="status", status=500, path="users/*", count=None))
        codes = [
            caller.call("GET", "v3/chargers/groups").status_code,
            *(caller.call("GET", STATUS).status_code for _ in range(3)),
            *(caller.sign_in().status_code for _ in range(3)),
        ]
        assert codes == [200, 503, 503, 200, 500, 500, 500]
        assert len(cloud.faults) == 1
        cloud.clear_faults()
        assert caller.sign_in().status_code == 200

    def test_headers_and_gateways(self, cloud: Simulator, caller: Caller) -> None:
        limit = {"body": "message", "text": "Limit Exceeded", "headers": {"Retry-After": "0"}}
        cloud.fault(Fault(kind="status", status=403, path="users/signin", **limit))  # type: ignore[arg-type]
        answer = caller.sign_in()
        assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (
            403,
            {"message": "Limit Exceeded"},
            "0",
        )
        assert caller.sign_in().status_code == 200

    def test_numbers_as_text(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="numbers_as_text"))
        detail = caller.call("GET", STATUS).json()
        assert (detail["status_id"], detail["finished"], detail["config_data"]["locked"]) == ("161", True, "0")

    def test_fields_of_a_list_are_those_of_its_chargers(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="wrong_types", path="v3/chargers/groups", fields={"status": 185, "chargingTime": -1}))
        groups = caller.call("GET", "v3/chargers/groups").json()["result"]["groups"]
        assert [(one["status"], one["chargingTime"]) for one in groups[0]["chargers"]] == [(185, -1)] * 2

    def test_only_requests_without_a_body(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="status", status=403, path=LOCK, method="PUT", has_body=False, count=None))
        assert caller.call("PUT", LOCK, {"locked": 1}).status_code == 200
        assert caller.call("PUT", LOCK).status_code == 403

    @pytest.mark.parametrize("how", [{"kind": "fire"}, {"kind": "hang", "count": 0}], ids=str)
    def test_invalid_faults_are_refused(self, how: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"kind|count"):
            Fault(**how)


class TestControl:
    def post(self, caller: Caller, path: str, body: "Json | bytes") -> requests.Response:
        return caller.send("POST", f"_control/{path}", body, headers={})

    def test_page(self, caller: Caller) -> None:
        page = caller.send("GET", "_control/", headers={})
        assert page.headers["Content-Type"].startswith("text/html")
        assert "http://" not in page.text
        assert "https://" not in page.text

    def test_every_move_by_its_word(self, caller: Caller) -> None:
        needed: dict[str, Json] = {"schedules": [], "set": {"user_name": "x"}, "drop": "user_name"}
        for word in MOVES:
            answer = self.post(caller, f"charger/{ONE}", {"do": word, "value": needed.get(word)})
            assert answer.status_code == 200, word
        state = caller.send("GET", "_control/state", headers={}).json()
        assert [charger["id"] for charger in state["chargers"]] == [ONE, 102]
        assert state["chargers"][0]["detail"]["ocpp_status"] == 4
        assert state["moves"].keys() == MOVES.keys()

    def test_account_limit_and_faults(self, cloud: Simulator, caller: Caller) -> None:
        assert self.post(caller, "account", {"do": "revoke_tokens", "token_life_s": 5}).status_code == 200
        assert caller.call("GET", STATUS).status_code == 401
        assert cloud.settings.token_life_s == 5
        self.post(caller, "account", {"do": "revoke_refresh_tokens"})
        assert caller.refresh().status_code == 401
        caller.sign_in()
        assert self.post(caller, "limit", {"reads_per_minute": 0, "refusal": "403"}).status_code == 200
        assert caller.call("GET", STATUS).status_code == 403
        assert self.post(caller, "settings", {"reads_per_minute": None}).status_code == 200
        shown = self.post(caller, "fault", {"kind": "status", "status": 502, "count": None}).json()
        assert shown["faults"][0]["status"] == 502
        assert shown["requests"][-1]["path"] == STATUS
        assert caller.call("GET", STATUS).status_code == 502
        self.post(caller, "fault", {"clear": True})
        assert caller.call("GET", STATUS).status_code == 200

    def test_access_and_new_chargers(self, cloud: Simulator, caller: Caller) -> None:
        shown = self.post(caller, f"access/{ONE}", {"listed": False, "documents": 404}).json()
        assert shown["chargers"][0]["access"] == {"listed": False, "documents": 404, "may_write": True}
        assert caller.call("GET", STATUS).status_code == 404
        assert self.post(caller, f"access/{ONE}", {}).status_code == 200
        assert caller.call("GET", STATUS).status_code == 200
        assert self.post(caller, "add", {"id": 103, "model": "quasar"}).status_code == 200
        assert cloud.charger(103).detail()["status_id"] == 161

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("access/101", {"documents": 500}, 400),
            ("access/999", {}, 404),
            ("add", {"id": 101}, 400),
            ("add", {}, 400),
            ("charger/101", {"do": "fly"}, 400),
            ("charger/101", {}, 400),
            ("charger/101", [], 400),
            ("charger/101", b"{", 400),
            ("charger/999", {"do": "plug"}, 404),
            ("charger/abc", {"do": "plug"}, 404),
            ("account", {"do": "close"}, 400),
            ("account", {"self": 1}, 400),
            ("limit", {"reads_per_minute": "many"}, 400),
            ("fault", {}, 400),
            ("fault", {"kind": "fire"}, 400),
            ("fault", {"kind": "hang", "seconds": "long"}, 400),
            ("nothing", {}, 404),
        ],
    )
    def test_refuses(self, caller: Caller, path: str, body: "Json | bytes", status: int) -> None:
        answer = self.post(caller, path, body)
        assert answer.status_code == status
        assert answer.json()["msg"]

    def test_only_from_this_machine(self, cloud: Simulator) -> None:
        control = Control(cloud)
        assert control.answer(ApiRequest("GET", "_control/state", client="192.0.2.1")).status == 403
        assert control.answer(ApiRequest("GET", "_control/state", client="127.0.0.2")).status == 200

    def test_is_not_in_the_log_and_meets_no_fault(self, cloud: Simulator, caller: Caller) -> None:
        cloud.fault(Fault(kind="status", count=None))
        before = cloud.requests
        assert caller.send("GET", "_control/state", headers={}).status_code == 200
        assert cloud.requests == before


class TestWire:
    def test_stop_ends_connections_and_start_brings_all_back(self, cloud: Simulator, caller: Caller) -> None:
        port = cloud.port
        caller.call("PUT", LOCK, {"locked": 1})
        cloud.stop()
        with pytest.raises(requests.ConnectionError):
            caller.call("GET", STATUS)
        cloud.start(port)
        assert caller.call("GET", STATUS).json()["config_data"]["locked"] == 1  # state and token live on

    def test_start_and_stop_twice(self, cloud: Simulator) -> None:
        with pytest.raises(RuntimeError, match="runs already"):
            cloud.start()
        cloud.stop()
        cloud.stop()
        with pytest.raises(RuntimeError, match="does not run"):
            _ = cloud.url
        with pytest.raises(RuntimeError, match="does not run"):
            _ = cloud.port

    def test_a_port_in_use(self, cloud: Simulator) -> None:
        with pytest.raises(OSError, match="in use"):
            Simulator().start(cloud.port)

    @pytest.mark.parametrize(
        "head", ["Content-Length: x", "Content-Length: 99999999", "Transfer-Encoding: chunked"], ids=str
    )
    def test_bodies_of_unknown_length(self, cloud: Simulator, head: str) -> None:
        with socket.create_connection(("127.0.0.1", cloud.port), timeout=LIMIT_S) as connection:
            connection.sendall(f"PUT /{LOCK} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
            assert connection.recv(1024).startswith(b"HTTP/1.1 400")

    def test_head_has_no_body(self, caller: Caller) -> None:
        answer = caller.call("HEAD", STATUS)
        assert (answer.status_code, answer.content) == (405, b"")
        assert caller.call("GET", STATUS).status_code == 200

    def test_head_and_body_leave_in_one_piece(self, cloud: Simulator) -> None:
        with socket.create_connection(("127.0.0.1", cloud.port), timeout=LIMIT_S) as connection:
            connection.sendall(b"GET /_control/ HTTP/1.1\r\nHost: x\r\n\r\n")
            first = connection.recv(65536)
        assert first.endswith(b"</html>\n")

    def test_many_at_once(self, cloud: Simulator) -> None:
        codes: list[int] = []

        def work() -> None:
            with Caller(cloud.url) as somebody:
                somebody.sign_in()
                codes.extend(somebody.call("GET", path).status_code for path in (STATUS, "v3/chargers/groups") * 10)

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert codes == [200] * 400
        assert len(cloud.requests) == 420
