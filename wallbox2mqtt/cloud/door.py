"""The cloud's door: every request passes here, within its budget, and every fault becomes one of our errors.

Source of the requests: the project's API document; the present sign-in and the list: public clients.
"""

import base64
import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import requests
import urllib3
from requests.auth import AuthBase

from wallbox2mqtt import __version__
from wallbox2mqtt.auth import SignInAnswer, TokenManager, Way
from wallbox2mqtt.budget import Budget
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.requests import Request
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.transport import Deadline, TooLargeError, new_session, read_body
from wallbox2mqtt.config import Secret, WallboxConfig
from wallbox2mqtt.errors import (
    AnswerLostError,
    BadAnswerError,
    CloudError,
    CloudTimeoutError,
    ConflictError,
    ConnectTimeoutError,
    ForbiddenError,
    MethodError,
    NotSentError,
    RateLimitedError,
    RequestRefusedError,
    ServerError,
    UnauthorizedError,
)

_LOG = logging.getLogger(__name__)

LARGEST_ANSWER = 2 * 1024 * 1024
FRESH_S = 20.0
"""A connection idle for longer may be dead without our knowing, and a remote action must not get lost on it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is one. ``begun``: when its request began, monotonic; ``server_time``: its Date, since 1970."""

    body: Json
    http_status: int
    begun: float
    server_time: float | None


class _Authorization(AuthBase):
    """Sets the header; as an AuthBase, because requests would put ``.netrc`` over a plain header."""

    def __init__(self, scheme: str, value: str) -> None:
        self._header = f"{scheme} {value}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class _Line:
    """One keep-alive line to the cloud, for one thread."""

    def __init__(self, config: WallboxConfig, clock: Clock) -> None:
        self._timeout_s, self._clock = config.timeout, clock
        self._deadline = Deadline()
        self._session = new_session(self._deadline)
        self._session.headers.update(
            {
                "Accept": "application/json, text/plain, */*",
                "User-Agent": f"wallbox2mqtt/{__version__}",
                "Content-Type": "application/json;charset=utf-8",
            }
        )
        self._used = -math.inf

    def send(
        self,
        method: str,
        url: str,
        auth: AuthBase,
        *,
        body: Json = None,
        headers: dict[str, str] | None = None,
        body_matters: bool = True,
    ) -> Answer:
        """Send a request and read its whole answer within one deadline.

        Raises:
            CloudError: one of its leaves, for every way in which this can fail.

        """
        if self._clock.monotonic() - self._used > FRESH_S:
            self._session.close()
        begun = self._clock.monotonic()
        self._deadline.set(self._timeout_s)
        try:
            response = self._session.request(
                method,
                url,
                data=None if body is None else json.dumps(body).encode(),
                auth=auth,
                headers=headers,
                timeout=self._timeout_s,
                allow_redirects=False,
                stream=True,
            )
            with response:
                raw = self._read(response, keep=body_matters)
        except (requests.RequestException, urllib3.exceptions.HTTPError, TooLargeError, OSError, ValueError) as error:
            # the connection may be in the middle of that answer
            self._session.close()
            raise _translated(error) from None
        finally:
            self._used = self._clock.monotonic()
        server_time = _http_time(response.headers.get("Date"))
        _raise_for(response, server_time, self._clock)
        return Answer(_decoded(raw, strict=body_matters), response.status_code, begun, server_time)

    def _read(self, response: requests.Response, *, keep: bool) -> bytes:
        """Read the answer. A write that was accepted is accepted, whatever becomes of the answer's text."""
        try:
            return read_body(response, LARGEST_ANSWER)
        except (urllib3.exceptions.HTTPError, TooLargeError, OSError, ValueError):
            if keep or not response.ok:
                raise
            self._session.close()
            return b""


class SignInLine:
    """The requests that bring tokens; the TokenManager's door."""

    def __init__(self, config: WallboxConfig, clock: Clock, password: Secret, writes: Budget) -> None:
        """Use a line of its own: whichever thread needs a token sends through it, one at a time."""
        self._line = _Line(config, clock)
        self._api, self._user_api = config.api_url, config.user_api_url
        # in UTF-8: requests' own encoding is Latin-1, and passwords with umlauts would be refused
        pair = f"{config.email}:{password.reveal()}".encode()
        self._basic = _Authorization("Basic", base64.b64encode(pair).decode())
        self._writes = writes

    def sign_in(self, way: Way) -> SignInAnswer:
        """Sign in with the account's credentials."""
        if way == "modern":
            return self._ask("GET", f"{self._user_api}/users/signin", self._basic, {"Partner": "wallbox"})
        with self._writes.request():
            return self._ask("POST", f"{self._api}/auth/token/user", self._basic)

    def refresh(self, token: Secret) -> SignInAnswer:
        """Trade a refresh token for a new pair."""
        bearer = _Authorization("Bearer", token.reveal())
        return self._ask("GET", f"{self._user_api}/users/refresh-token", bearer, {"Partner": "wallbox"})

    def _ask(self, method: str, url: str, auth: AuthBase, headers: dict[str, str] | None = None) -> SignInAnswer:
        try:
            answer = self._line.send(method, url, auth, headers=headers)
        except ForbiddenError as error:
            # only here does 403 mean that the credentials are bad
            raise UnauthorizedError(str(error), error.http_status) from None
        return SignInAnswer(answer.body, answer.server_time)


class Cloud:
    """The data requests, for one thread. Each counts in its budget from the first one on."""

    def __init__(
        self, config: WallboxConfig, tokens: TokenManager, reads: Budget, writes: Budget, clock: Clock
    ) -> None:
        """Take a line of its own to the cloud."""
        self._line = _Line(config, clock)
        self._api, self._tokens = config.api_url, tokens
        self._reads, self._writes = reads, writes
        self._basic_by_put = False

    def chargers(self) -> Answer:
        """Read the list of chargers: all of the account, with the values that change."""
        return self._send("GET", "v3/chargers/groups", self._reads)

    def detail(self, charger_id: int) -> Answer:
        """Read a charger's status document."""
        return self._send("GET", f"chargers/status/{charger_id}", self._reads)

    def basic(self, charger_id: int) -> Answer:
        """Read a charger's basic document; by the API document's PUT without a body, once GET was refused (405)."""
        path = f"v2/charger/{charger_id}"
        if self._basic_by_put:
            return self._send("PUT", path, self._writes)
        try:
            return self._send("GET", path, self._reads)
        except MethodError:
            self._basic_by_put = True
            return self._send("PUT", path, self._writes)

    def write(self, request: Request, charger_id: int, body: Json) -> Answer:
        """Send a command. Its answer's body is None where there is none that could be read."""
        path = request.path.format(id=charger_id)
        return self._send(request.method, path, self._writes, body=body, body_matters=False)

    def _send(self, method: str, path: str, budget: Budget, *, body: Json = None, body_matters: bool = True) -> Answer:
        budget.check()  # before a token is fetched for nothing, which may cost a write
        token = self._tokens.token()
        bearer = _Authorization("Bearer", token.reveal())
        with budget.request():
            try:
                answer = self._line.send(method, f"{self._api}/{path}", bearer, body=body, body_matters=body_matters)
            except UnauthorizedError:
                self._tokens.rejected(token)
                raise
        self._tokens.accepted(token)
        return answer


def _translated(error: Exception) -> CloudError:
    """Give our error for one of the libraries'; its text names only the kind: theirs may hold a header."""
    text = f"{type(error).__name__}"
    inner: object = error
    while isinstance(inner, Exception):
        if isinstance(inner, urllib3.exceptions.ConnectTimeoutError | requests.ConnectTimeout):
            return ConnectTimeoutError("no connection within the deadline")
        if isinstance(inner, urllib3.exceptions.NewConnectionError | urllib3.exceptions.NameResolutionError):
            return NotSentError("no connection to the cloud")
        if isinstance(inner, urllib3.exceptions.SSLError | requests.exceptions.SSLError):
            return NotSentError(f"no secure connection: {_tls_reason(inner)}")
        if isinstance(inner, urllib3.exceptions.ProxyError | requests.exceptions.ProxyError):
            return NotSentError("no connection to the proxy")
        if isinstance(inner, TimeoutError | urllib3.exceptions.ReadTimeoutError | requests.ReadTimeout):
            return CloudTimeoutError("no whole answer within the deadline")
        if isinstance(inner, TooLargeError):
            return BadAnswerError(str(inner))
        inner = getattr(inner, "reason", None) or next((a for a in inner.args if isinstance(a, Exception)), None)
    if isinstance(error, ValueError) and not isinstance(error, requests.ConnectionError):
        return BadAnswerError(f"the answer cannot be read: {text}")
    return AnswerLostError(f"the connection broke: {text}")


def _tls_reason(error: Exception) -> str:
    return "the certificate is not trusted" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "TLS failed"


_REFUSALS: dict[int, Callable[[str, int], CloudError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    405: MethodError,
    409: ConflictError,
}


def _raise_for(response: requests.Response, server_time: float | None, clock: Clock) -> None:
    status = response.status_code
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
        return
    text = f"the cloud answered {status}"
    if status == 429:  # noqa: PLR2004
        now = clock.wall() if server_time is None else server_time
        raise RateLimitedError(text, status, _retry_after_s(response.headers.get("Retry-After"), now))
    if status >= 500:  # noqa: PLR2004
        raise ServerError(text, status)
    if status >= 400:  # noqa: PLR2004
        raise _REFUSALS.get(status, RequestRefusedError)(text, status)
    msg = f"the cloud answered {status}, which is no answer to this request"
    raise BadAnswerError(msg, status)


def _http_time(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def _retry_after_s(text: str | None, now: float) -> float | None:
    """Give the wait that Retry-After asks for, in either of its forms; None where it asks for none."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text) if len(text) < 10 else math.inf  # noqa: PLR2004 - more than any life
    until = _http_time(text)
    return None if until is None else max(0.0, until - now)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        msg = f"a number too large: {text[:20]}"
        raise ValueError(msg)
    return number


def _no_constant(word: str) -> None:
    msg = f"{word} is no JSON"
    raise ValueError(msg)


def _decoded(raw: bytes, *, strict: bool) -> Json:
    """Decode an answer's JSON; what is none raises where it matters, else it is None.

    Raises:
        BadAnswerError: it is no JSON.

    """
    try:
        decoded: Json = json.loads(raw.decode(), parse_float=_finite, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if not strict:
            return None
        msg = f"the answer is no JSON: {type(error).__name__}"
        raise BadAnswerError(msg) from None
    return decoded
