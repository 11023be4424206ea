"""The whole simulator: an account, its chargers, and the two hosts of the cloud on one port."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Self

from wallbox2mqtt.clock import Clock, SystemClock
from wallbox2mqtt.simulator.account import SimulatedAccount
from wallbox2mqtt.simulator.api import Api
from wallbox2mqtt.simulator.charger import Access, SimulatedCharger
from wallbox2mqtt.simulator.control import PREFIX, Control
from wallbox2mqtt.simulator.faults import Fault, corrupt
from wallbox2mqtt.simulator.messages import ApiAnswer, ApiRequest, ReceivedRequests, Seen
from wallbox2mqtt.simulator.models import ChargerSpec, fleet
from wallbox2mqtt.simulator.server import SimulatorServer
from wallbox2mqtt.simulator.settings import Settings, changed

EMAIL, PASSWORD = "demo@example.org", "demo"
_POLL_S = 0.02


class Simulator:
    """The Wallbox cloud on this machine. Thread-safe; may be stopped and started again.

    Example::

        with Simulator(chargers=2, settings=Settings(reads_per_minute=1)) as cloud:
            client = MyClient(api_url=cloud.url, user_api_url=cloud.url, email=EMAIL, password=PASSWORD)
            cloud.charger(900001).do("plug")

    """

    def __init__(
        self,
        *,
        chargers: Sequence[ChargerSpec] | int = 1,
        clock: Clock | None = None,
        email: str = EMAIL,
        password: str = PASSWORD,
        settings: Settings | None = None,
        speed: float = 1.0,
    ) -> None:
        """Make an account with these chargers; a number makes so many, the models in turn, all ready.

        ``speed``: cars charge, and reboots and updates pass, so many times as fast as real ones. Tokens, limits, lag
        and reports do not: those have settings.
        """
        self.clock: Clock = SystemClock() if clock is None else clock
        self._settings = Settings() if settings is None else settings
        self._speed = speed
        self._lock = threading.Lock()
        specs = fleet(chargers) if isinstance(chargers, int) else chargers
        self.chargers: Mapping[int, SimulatedCharger] = {}
        for spec in specs:
            self.add(spec)
        self._account = SimulatedAccount(email, password, self.clock, lambda: self._settings)
        self._api = Api(self._account, lambda: self.chargers, self.clock, lambda: self._settings)
        self._control = Control(self)
        self._faults: list[Fault] = []
        self._log = ReceivedRequests(self.clock)
        self._server: SimulatorServer | None = None
        self._thread: threading.Thread | None = None

    def start(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Open the port (0: any free one) and return the address that serves both hosts.

        Raises:
            OSError: the port is in use.

        """
        if self._server is not None:
            msg = "the simulator runs already"
            raise RuntimeError(msg)
        self._server = SimulatorServer((host, port), self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="simulator", daemon=True
        )
        self._thread.start()
        return self.url

    def stop(self) -> None:
        """Close the port and every connection; requests that hang end. The account and the chargers live on."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        """Start on a free port, if it does not run yet."""
        if self._server is None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the port is open."""
        return self._server is not None

    @property
    def url(self) -> str:
        """The address of both hosts, without a slash at its end."""
        host, port = self._address
        return f"http://{host}:{port}"

    @property
    def port(self) -> int:
        """The port."""
        return self._address[1]

    @property
    def _address(self) -> tuple[str, int]:
        if self._server is None:
            msg = "the simulator does not run"
            raise RuntimeError(msg)
        host, port, *_ = self._server.server_address
        return str(host), int(port)

    @property
    def settings(self) -> Settings:
        """How the cloud behaves at present."""
        return self._settings

    def configure(self, /, **changes: object) -> None:
        """Change settings from the next request on.

        Raises:
            ValueError: there is no such setting, or not with this value.

        """
        with self._lock:
            self._settings = changed(self._settings, changes)

    def charger(self, number: int) -> SimulatedCharger:
        """Return a charger, to move it and to look at it."""
        return self.chargers[number]

    def add(self, spec: ChargerSpec) -> SimulatedCharger:
        """Add a charger to the account.

        Raises:
            ValueError: there is one with this id.

        """
        if spec.id in self.chargers:
            msg = f"two chargers have the same id {spec.id}"
            raise ValueError(msg)
        charger = SimulatedCharger(spec, self.clock, lambda: self._settings, self._speed)
        self.chargers = {**self.chargers, spec.id: charger}
        return charger

    def remove(self, number: int, status: int = 403) -> None:
        """Take a charger out of the account: not listed, and its documents are refused with 403 or 404."""
        self.set_access(number, listed=False, documents=status)

    def set_access(self, number: int, /, **changes: object) -> None:
        """Change what the account may do with a charger; without changes it may do everything again.

        Raises:
            ValueError: there is no such change, or not with this value.

        """
        charger = self.chargers[number]
        charger.access = changed(charger.access, changes) if changes else Access()

    def revoke_tokens(self) -> None:
        """End all access tokens now."""
        self._account.revoke_tokens()

    def revoke_refresh_tokens(self) -> None:
        """End all refresh tokens now."""
        self._account.revoke_refresh_tokens()

    def fault(self, fault: Fault) -> None:
        """Add a fault for the next requests that it applies to."""
        with self._lock:
            self._faults.append(fault)

    def clear_faults(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that are left."""
        with self._lock:
            return tuple(self._faults)

    def _take_fault(self, request: ApiRequest) -> Fault | None:
        """Return the fault that applies to a request, and count it."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.applies_to(request):
                    if fault.count == 1:
                        del self._faults[index]
                    elif fault.count is not None:
                        self._faults[index] = replace(fault, count=fault.count - 1)
                    return fault
        return None

    @property
    def requests(self) -> tuple[Seen, ...]:
        """The newest requests (10,000) in the order of arrival, those of the control page left out."""
        return self._log.all()

    def forget_requests(self) -> None:
        """Empty the log."""
        self._log.clear()

    def wait_for(self, holds: Callable[[tuple[Seen, ...]], bool], timeout_s: float) -> bool:
        """Wait (real seconds) until something holds of the requests; False when the time ran out."""
        return self._log.wait(holds, timeout_s)

    def exchange(self, request: ApiRequest) -> tuple[ApiAnswer, Fault | None, Seen | None]:
        """Return the answer to a request, the fault of its delivery, and its record in the log."""
        if request.path.split("/")[0] == PREFIX:
            return self._control.answer(request), None, None
        seen = self._log.arrived(request)
        fault = self._take_fault(request)
        if fault is None:
            return self._api.answer(request), None, seen
        answer = self._api.answer(request) if fault.is_handled else ApiAnswer(200)
        return corrupt(fault, answer), fault, seen

    def answered(self, seen: Seen | None, answer: ApiAnswer) -> None:
        """Record that an answer is sent."""
        if seen is not None:
            self._log.answered(seen, answer)
