"""The control page and its endpoints, for people and for tests in other languages. Only this machine may use them."""

import dataclasses
import ipaddress
from collections.abc import Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING

from wallbox2mqtt.simulator.faults import Fault
from wallbox2mqtt.simulator.messages import HTML_TYPE, ApiAnswer, ApiRequest, error_answer, json_answer
from wallbox2mqtt.simulator.models import READY_MOVES, ChargerSpec
from wallbox2mqtt.simulator.moves import MOVES
from wallbox2mqtt.simulator.paths import Json
from wallbox2mqtt.simulator.settings import changed
from wallbox2mqtt.simulator.state import TEXTS

if TYPE_CHECKING:
    from wallbox2mqtt.simulator.simulator import Simulator

PREFIX = "_control"
_REQUESTS_SHOWN = 50


class Control:
    """Controls a simulator by HTTP."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
        self._posts: Mapping[str, Callable[[dict[str, Json]], None]] = {
            "account": self._account,
            "limit": lambda body: simulator.configure(**body),
            "settings": lambda body: simulator.configure(**body),
            "fault": self._fault,
            "add": self._add,
        }

    def answer(self, request: ApiRequest) -> ApiAnswer:
        """Answer a request for the control page or one of its endpoints."""
        if not ipaddress.ip_address(request.client).is_loopback:
            return error_answer(403, "only from this machine")
        rest = request.path.removeprefix(PREFIX).strip("/")
        match request.method, rest.split("/"):
            case "GET", [""]:
                return _page()
            case "GET", ["state"]:
                return json_answer(self._state())
            case "POST", ["access", number] if number.isdecimal() and int(number) in self._simulator.chargers:
                return self._do(request, lambda body: self._simulator.set_access(int(number), **body))
            case "POST", ["charger", number] if number.isdecimal() and int(number) in self._simulator.chargers:
                charger = self._simulator.charger(int(number))
                return self._do(request, lambda body: charger.do(str(body.get("do")), body.get("value")))
            case "POST", [name] if name in self._posts:
                return self._do(request, self._posts[name])
        return error_answer(404, "no such control")

    def _do(self, request: ApiRequest, act: Callable[[dict[str, Json]], None]) -> ApiAnswer:
        try:
            body = request.json()
            if not isinstance(body, dict):
                return error_answer(400, "the body is an object")
            act(body)
        except ValueError as error:
            return error_answer(400, str(error))
        return json_answer(self._state())

    def _account(self, body: dict[str, Json]) -> None:
        actions = {
            "revoke_tokens": self._simulator.revoke_tokens,
            "revoke_refresh_tokens": self._simulator.revoke_refresh_tokens,
        }
        settings = dict(body)
        action = settings.pop("do", None)
        if action is not None and action not in actions:
            msg = f"unknown: {action}; known: {', '.join(actions)}"
            raise ValueError(msg)
        self._simulator.configure(**settings)
        if isinstance(action, str):
            actions[action]()

    def _add(self, body: dict[str, Json]) -> None:
        self._simulator.add(changed(ChargerSpec(id=1, begin=READY_MOVES), {"id": None, **body}))

    def _fault(self, body: dict[str, Json]) -> None:
        if body.get("clear"):
            self._simulator.clear_faults()
        else:
            # a fault without a kind is none: the null that stands for it is refused
            self._simulator.fault(changed(Fault(kind="delay"), {"kind": None, **body}))

    def _state(self) -> dict[str, object]:
        simulator = self._simulator
        return {
            "wall": simulator.clock.wall(),
            "settings": dataclasses.asdict(simulator.settings),
            "moves": {word: move.__doc__ for word, move in MOVES.items()},
            "chargers": [_summary(simulator, number) for number in simulator.chargers],
            "faults": [dataclasses.asdict(fault) for fault in simulator.faults],
            "requests": [dataclasses.asdict(seen) for seen in simulator.requests[-_REQUESTS_SHOWN:]],
        }


def _summary(simulator: "Simulator", number: int) -> dict[str, object]:
    charger = simulator.charger(number)
    detail = charger.detail()
    return {
        "id": number,
        "model": charger.spec.model,
        "access": dataclasses.asdict(charger.access),
        "status": TEXTS.get(charger.state().status_id, "Unknown"),
        "detail": detail,
    }


def _page() -> ApiAnswer:
    page = resources.files("wallbox2mqtt.simulator") / "documents" / "control.html"
    return ApiAnswer(200, page.read_bytes(), HTML_TYPE)
