"""Fakes at the program's own seams (time, the sign-in), and somebody who calls the simulated cloud."""

import json
import threading
import time
from base64 import b64encode
from typing import Self

import requests

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.clock import SystemClock, boot_time
from wallbox2mqtt.cloud.grant import SignInAnswer, Way
from wallbox2mqtt.config import Secret
from wallbox2mqtt.simulator import EMAIL, PASSWORD

A_DAY = 1_791_201_600.0
"""Monday, 5 October 2026, 12:00:00 UTC."""

_LONGEST_WAIT_S = 30.0


class FakeClock:
    """A clock that stands until it is told to go on. Waits end when it has passed them, or when they are notified."""

    def __init__(self, monotonic: float = 1000.0, wall: float = A_DAY) -> None:
        self._lock = threading.Lock()
        self._monotonic, self._wall = monotonic, wall
        self._waiting: list[threading.Condition] = []

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake who waits. The caller must not hold a condition that somebody waits on."""
        with self._lock:
            self._monotonic += seconds
            self._wall += seconds
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back; no time passes."""
        with self._lock:
            self._wall += seconds

    def real_s(self, seconds: float) -> float:
        """Sockets know nothing of this clock: their time-outs are as long as they say, to a limit."""
        return min(seconds, _LONGEST_WAIT_S)

    def wait(self, condition: threading.Condition, timeout: float | None) -> bool:
        """Wait on a condition that the caller holds; False when the fake time ran out (or 30 real seconds did)."""
        with self._lock:
            self._waiting.append(condition)
            ends = None if timeout is None else self._monotonic + timeout
        try:
            # whoever advances the clock from now on has to take the condition, which is ours until the wait begins
            if ends is not None and self._monotonic >= ends:
                return False
            woken = condition.wait(_LONGEST_WAIT_S)
            return woken and (ends is None or self._monotonic < ends)
        finally:
            with self._lock:
                self._waiting.remove(condition)


class FastClock(SystemClock):
    """A clock that runs faster than the machine's (a minute as 3 s: ``speed=20``), from now on."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._wall_start, self._start = time.time(), boot_time()

    def monotonic(self) -> float:
        return self._start + (boot_time() - self._start) * self._speed

    def wall(self) -> float:
        return self._wall_start + (time.time() - self._wall_start) * self._speed

    def real_s(self, seconds: float) -> float:
        return super().real_s(seconds / self._speed)


class FixedTokens:
    """A sign-in without a network: token-1, token-2 …."""

    def __init__(self) -> None:
        self.asked = 0

    def sign_in(self, way: Way) -> SignInAnswer:
        del way
        self.asked += 1
        return SignInAnswer({"data": {"attributes": {"token": f"token-{self.asked}"}}}, None)

    def refresh(self, token: Secret) -> SignInAnswer:
        raise NotImplementedError

    def set_password(self, password: Secret) -> None:
        raise NotImplementedError


class Caller:
    """Somebody who calls the simulated cloud by plain HTTP, so that no code of the bridge is between a test and it."""

    def __init__(self, url: str, email: str = EMAIL, password: str = PASSWORD) -> None:
        self.url = url
        self.credentials = (email, password)
        self.session = requests.Session()
        self.session.trust_env = False
        self.token = self.refresh_token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def basic_auth(self) -> dict[str, str]:
        """The header, in UTF-8."""
        return {"Authorization": f"Basic {b64encode(':'.join(self.credentials).encode()).decode()}"}

    def sign_in(self) -> requests.Response:
        """The present sign-in; its tokens are used from now on."""
        answer = self.send("GET", "users/signin", headers={**self.basic_auth(), "Partner": "wallbox"})
        self._take(answer)
        return answer

    def refresh(self) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.refresh_token}", "Partner": "wallbox"}
        answer = self.send("GET", "users/refresh-token", headers=headers)
        self._take(answer)
        return answer

    def legacy_sign_in(self, method: str = "POST") -> requests.Response:
        answer = self.send(method, "auth/token/user", headers=self.basic_auth())
        if answer.ok:
            self.token = answer.json()["jwt"]
        return answer

    def call(self, method: str, path: str, body: "Json | bytes" = None, timeout: float = 10) -> requests.Response:
        """A data request with the token."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json;charset=utf-8"}
        return self.send(method, path, body, headers=headers, timeout=timeout)

    def send(
        self, method: str, path: str, body: "Json | bytes" = None, *, headers: dict[str, str], timeout: float = 10
    ) -> requests.Response:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return self.session.request(
            method, f"{self.url}/{path}", data=data, headers=headers, timeout=timeout, allow_redirects=False
        )

    def _take(self, answer: requests.Response) -> None:
        if answer.ok:
            attributes = answer.json()["data"]["attributes"]
            self.token, self.refresh_token = attributes["token"], attributes["refresh_token"]
