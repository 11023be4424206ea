"""The account: both sign-ins, refresh, tokens and their ends as public clients use them."""

import base64
import binascii
import hashlib
import hmac
import itertools
import json
import threading
from collections.abc import Callable

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.simulator.messages import ApiAnswer, ApiRequest, RefusedError, json_answer
from wallbox2mqtt.simulator.settings import ON, Settings

USER_ID = 286113
UID = "01GZ0000000000000000286113"
_HEAD = {"typ": "JWT", "alg": "RS256"}
_SIGNATURE_BYTES = 256


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SimulatedAccount:
    """One account with its tokens. Thread-safe."""

    def __init__(self, email: str, password: str, clock: Clock, settings: Callable[[], Settings]) -> None:
        self.email = email
        self._password = password
        self._clock = clock
        self._settings = settings
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._ends: dict[str, float] = {}
        self._refresh_ends: dict[str, float] = {}

    def sign_in(self, request: ApiRequest) -> ApiAnswer:
        """Answer ``GET users/signin``, the present sign-in."""
        settings = self._settings()
        _check_host(request, settings)
        if not self._knows(request):
            raise RefusedError(403, "wrong credentials")
        return self._modern_tokens(settings)

    def refresh(self, request: ApiRequest) -> ApiAnswer:
        """Answer ``GET users/refresh-token``: both tokens are replaced, the old refresh token is spent."""
        settings = self._settings()
        _check_host(request, settings)
        with self._lock:
            ends = self._refresh_ends.pop(_bearer(request), None)
        if ends is None or ends <= self._clock.monotonic():
            raise RefusedError(settings.refresh_refusal, "the refresh token is not valid")
        return self._modern_tokens(settings)

    def legacy_sign_in(self, request: ApiRequest) -> ApiAnswer:
        """Answer ``POST`` or ``GET auth/token/user``, the one of the API document."""
        settings = self._settings()
        if settings.legacy_sign_in != ON:
            raise RefusedError(settings.legacy_sign_in, "no such sign-in")
        if not self._knows(request):
            raise RefusedError(401, "wrong credentials")
        token, ends = self._token(settings.token_life_s, self._ends)
        return json_answer({"jwt": token, "user_id": USER_ID, "ttl": int(ends), "error": False, "status": 200})

    def knows_token(self, request: ApiRequest) -> bool:
        """Return whether the request bears a token that is valid at present."""
        with self._lock:
            return self._ends.get(_bearer(request), float("-inf")) > self._clock.monotonic()

    def revoke_tokens(self) -> None:
        """End all access tokens now."""
        with self._lock:
            self._ends.clear()

    def revoke_refresh_tokens(self) -> None:
        """End all refresh tokens now; the cloud does so about every 24 h."""
        with self._lock:
            self._refresh_ends.clear()

    def _knows(self, request: ApiRequest) -> bool:
        """Return whether the Basic credentials, in UTF-8, are the account's."""
        scheme, _, encoded = request.header("Authorization").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        return scheme == "Basic" and hmac.compare_digest(given, f"{self.email}:{self._password}".encode())

    def _modern_tokens(self, settings: Settings) -> ApiAnswer:
        token, ends = self._token(settings.token_life_s, self._ends)
        refresh_token, refresh_ends = self._token(settings.refresh_life_s, self._refresh_ends)
        scale = 1 if settings.ttl == "s" else 1000  # seconds until about October 2022
        ttl = {"ttl": int(ends * scale), "refresh_token_ttl": int(refresh_ends * scale)}
        attributes = {
            "token": token,
            "refresh_token": refresh_token,
            "user_id": UID,
            **({} if settings.ttl == "missing" else ttl),
            "error": "false",
            "status": 200,
        }
        return json_answer({"data": {"type": "signin", "id": UID, "attributes": attributes}})

    def _token(self, life_s: float, register: dict[str, float]) -> tuple[str, float]:
        """Make a token that looks like the cloud's (RS256, 256 bytes of signature); return it and its end."""
        wall = self._clock.wall()
        with self._lock:
            claims = {
                "username": self.email,
                "uid": UID,
                "jti": next(self._numbers),
                "iat": int(wall),
                "exp": int(wall + life_s),
            }
            signed = ".".join(_part(json.dumps(part).encode()) for part in (_HEAD, claims))
            token = f"{signed}.{_part(hashlib.shake_256(signed.encode()).digest(_SIGNATURE_BYTES))}"
            now = self._clock.monotonic()
            for old in [old for old, ends in register.items() if ends <= now]:
                del register[old]
            register[token] = now + life_s
        return token, wall + life_s


def _bearer(request: ApiRequest) -> str:
    scheme, _, token = request.header("Authorization").partition(" ")
    return token if scheme == "Bearer" else ""


def _check_host(request: ApiRequest, settings: Settings) -> None:
    if settings.modern_sign_in != ON:
        raise RefusedError(settings.modern_sign_in, "no such sign-in")
    if request.header("Partner") != "wallbox":  # [?] that it is needed is known, the status is not
        raise RefusedError(403, "the header Partner is missing")
