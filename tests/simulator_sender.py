"""The way to a simulated cloud in this process: no socket, and no real time. What is late comes at once, as late."""

import errno
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ProtocolError

from wallbox2mqtt.cloud.transport import LARGEST_RESPONSE, RawResponse, Transport, TransportError, UnfitResponseError
from wallbox2mqtt.simulator import Fault, Simulator
from wallbox2mqtt.simulator.messages import ApiAnswer, ApiRequest


class SimulatorSender(Transport):
    """Sends as a Transport does; ``tests/integration/test_simulator_sender.py`` compares the two."""

    def __init__(self, cloud: Simulator) -> None:
        super().__init__()
        self._cloud = cloud

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout_s: float,
        admit: Callable[[], None],
    ) -> RawResponse:
        """Let the simulator answer."""
        if not self._cloud.is_running:
            raise TransportError(ConnectionRefusedError(errno.ECONNREFUSED, "refused"), sent=False, late=False)
        admit()
        target = urlsplit(url)
        request = ApiRequest(
            method=method, path=target.path.strip("/"), query=target.query, headers=headers, body=body or b""
        )
        answer, fault, seen = self._cloud.exchange(request)
        if fault is not None:
            _raise(fault, timeout_s)
        self._cloud.answered(seen, answer)
        date = formatdate(self._cloud.clock.wall(), usegmt=True)
        answer_headers = CaseInsensitiveDict({"Date": date, "Content-Type": answer.content_type, **answer.headers})
        return RawResponse(answer.status, answer_headers, _body(answer, fault, timeout_s))


def _raise(fault: Fault, timeout_s: float) -> None:
    """Raise what a fault does to a request before its answer."""
    if fault.kind == "hang" or (fault.kind == "delay" and fault.seconds >= timeout_s):
        raise TransportError(TimeoutError(), sent=True, late=True)
    if fault.kind == "reset":
        raise TransportError(requests.ConnectionError(), sent=True, late=False)


def _body(answer: ApiAnswer, fault: Fault | None, timeout_s: float) -> bytes | Exception:
    if fault is not None and fault.kind == "drip" and fault.seconds * len(answer.body) >= timeout_s:
        return TimeoutError()
    if fault is not None and fault.kind == "cut":
        return ProtocolError()
    if len(answer.body) > LARGEST_RESPONSE:
        return UnfitResponseError(f"the response is larger than {LARGEST_RESPONSE} bytes")
    return answer.body
