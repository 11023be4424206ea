"""The cloud's client: every request passes here, within its budget, and every fault becomes one of our errors.

Source of the requests: the project's API document; the present sign-in and the list: public clients.
"""

import base64
import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from wallbox2mqtt import __version__
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import is_charger_id
from wallbox2mqtt.catalogue.templates import RequestTemplate
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.auth import TokenManager
from wallbox2mqtt.cloud.budget import Budget
from wallbox2mqtt.cloud.diagnosis import ClockCheck
from wallbox2mqtt.cloud.grant import SignInAnswer, Way
from wallbox2mqtt.cloud.request_log import RequestLog
from wallbox2mqtt.cloud.responses import Check, decoded, http_time, translated
from wallbox2mqtt.cloud.transport import RawResponse, Transport, TransportError
from wallbox2mqtt.config import Secret, WallboxConfig
from wallbox2mqtt.errors import (
    AnswerLostError,
    BadAnswerError,
    BudgetSpentError,
    CloudError,
    MethodError,
    TooLateError,
    UnauthorizedError,
)
from wallbox2mqtt.log import HIDDEN
from wallbox2mqtt.watchdog import LOOK_UP_S, allow_blocking

_LOG = logging.getLogger(__name__)

LONGEST_TIMEOUT_S = 86_400.0
"""A day: sockets refuse to wait for centuries, which the configuration may ask for."""
FRESH_S = 20.0
"""A connection idle for longer may be dead without our knowing, and a remote action must not get lost on it."""
_HEADERS = {
    "Accept": "application/json, text/plain, */*",
    "Accept-Encoding": "gzip",
    "Connection": "keep-alive",
    "Content-Type": "application/json;charset=utf-8",
    "User-Agent": f"wallbox2mqtt/{__version__}",
}


@dataclass(frozen=True, slots=True)
class CloudResponse:
    """A successful response. ``begun``: when its request began, monotonic; ``server_time``: its Date, since 1970."""

    body: Json
    http_status: int
    begun: float
    server_time: float | None


class Connection:
    """One keep-alive connection to the cloud, for one thread."""

    def __init__(
        self,
        config: WallboxConfig,
        clock: Clock,
        clock_check: ClockCheck,
        transport: Transport,
        check: Check,
        admit: Callable[[], None],
    ) -> None:
        """Start without a connection.

        ``admit`` raises BudgetSpentError where nothing may be sent now, and is asked when a request is about to leave.
        """
        self._clock_check, self._check, self._admit = clock_check, check, admit
        self._timeout_s, self._clock = min(config.timeout, LONGEST_TIMEOUT_S), clock
        self._transport = transport
        self._used = -math.inf

    def send(
        self,
        method: str,
        url: str,
        authorization: str,
        *,
        body: Json = None,
        headers: dict[str, str] | None = None,
        expires: float | None = None,
    ) -> CloudResponse:
        """Send a request and read its whole response within one deadline.

        ``expires``: of a command, from when on it may not leave, monotonic; its response needs no body.

        Raises:
            CloudError: one of its leaves, for every way in which this can fail.
            BudgetSpentError: nothing may be sent now, and nothing was.

        """

        def admit() -> None:
            self._admit()
            if expires is not None and self._clock.monotonic() >= expires:
                raise TooLateError

        if self._clock.monotonic() - self._used > FRESH_S:
            self._transport.close()
        begun = self._clock.monotonic()
        headers = {**_HEADERS, **(headers or {}), "Authorization": authorization}
        response = self._exchange(method, url, headers, None if body is None else json.dumps(body).encode(), admit)
        server_time = http_time(response.headers.get("Date"))
        self._clock_check.compare(server_time)
        try:
            self._check(response, self._clock.wall() if server_time is None else server_time)
        except BadAnswerError:
            # what comes next on this connection may belong to what was not asked, and not to the next request
            self._transport.close()
            raise
        return CloudResponse(_document(response.body, keep=expires is None), response.status, begun, server_time)

    def _exchange(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, admit: Callable[[], None]
    ) -> RawResponse:
        status: int | None = None
        begun = self._clock.monotonic()
        try:
            with allow_blocking(self._timeout_s + LOOK_UP_S):
                response = self._transport.send(method, url, headers, body, self._timeout_s, admit)
            status = response.status
        except TransportError as error:
            raise translated(error, url, self._clock.wall()) from None
        finally:
            self._used = self._clock.monotonic()
            took_ms = (self._used - begun) * 1000
            # the path alone: a query, a header or a body may hold what is nobody's business
            _LOG.debug("request method=%s path=%s http_status=%s ms=%.0f", method, urlsplit(url).path, status, took_ms)
        return response


def _document(body: bytes | Exception, *, keep: bool) -> Json:
    """Return a response's JSON; None where it is not needed and there is none that can be read."""
    try:
        return decoded(body)
    except AnswerLostError:
        if keep:
            raise
        return None


def _checked(charger_id: object) -> int:
    """Return the id if it is one: nothing else enters a path, whatever the types said on the way."""
    if not is_charger_id(charger_id):
        msg = f"not the id of a charger: {type(charger_id).__name__}"
        raise ValueError(msg)
    return charger_id


class SignInClient:
    """The requests that bring tokens, for the TokenManager."""

    def __init__(self, config: WallboxConfig, connection: Connection, writes: Budget, log: RequestLog) -> None:
        """Use a connection of its own: whichever thread needs a token sends through it, one at a time."""
        self._connection, self._log = connection, log
        self._api, self._user_api = config.api_url, config.user_api_url
        self._email, self._writes = config.email, writes
        self.set_password(config.password)

    def set_password(self, password: Secret) -> None:
        """Sign in with this password from now on."""
        # in UTF-8: requests' own encoding is Latin-1, and passwords with umlauts would be refused
        pair = f"{self._email}:{password.reveal()}".encode()
        encoded = base64.b64encode(pair).decode()
        # the password itself is already hidden from the log; hide it in the form of the header, too
        HIDDEN.keep(encoded.rstrip("="))
        self._basic = f"Basic {encoded}"

    def sign_in(self, way: Way) -> SignInAnswer:
        """Sign in with the account's credentials."""
        if way == "modern":
            with self._log.request("sign_in", "sign_in"):
                return self._ask("GET", f"{self._user_api}/users/signin", self._basic, {"Partner": "wallbox"})
        with self._writes.request(), self._log.request("write", "sign_in"):
            return self._ask("POST", f"{self._api}/auth/token/user", self._basic)

    def refresh(self, token: Secret) -> SignInAnswer:
        """Trade a refresh token for a new pair."""
        bearer = f"Bearer {token.reveal()}"
        with self._log.request("sign_in", "refresh"):
            return self._ask("GET", f"{self._user_api}/users/refresh-token", bearer, {"Partner": "wallbox"})

    def _ask(self, method: str, url: str, authorization: str, headers: dict[str, str] | None = None) -> SignInAnswer:
        answer = self._connection.send(method, url, authorization, headers=headers)
        return SignInAnswer(answer.body, answer.server_time)


class CloudClient:
    """The data requests, for one thread. Each counts in its budget from the first one on."""

    def __init__(
        self,
        config: WallboxConfig,
        connection: Connection,
        *,
        tokens: TokenManager,
        reads: Budget,
        writes: Budget,
        log: RequestLog,
    ) -> None:
        """Use a connection of its own."""
        self._connection, self._log = connection, log
        self._api, self._tokens = config.api_url, tokens
        self._reads, self._writes = reads, writes
        self._basic_by_put = False

    def chargers(self) -> CloudResponse:
        """Read the list of chargers: all of the account, with the values that change."""
        return self._send("list", "GET", "v3/chargers/groups", self._reads)

    def detail(self, charger_id: int) -> CloudResponse:
        """Read a charger's status document."""
        return self._send("detail", "GET", f"chargers/status/{_checked(charger_id)}", self._reads)

    def basic_ready_in_s(self) -> float:
        """Return the seconds until a basic document may be read: by PUT it must leave the write for urgent commands."""
        return self._writes.ready_in_s(spare=1) if self._basic_by_put else 0.0

    def basic(self, charger_id: int) -> CloudResponse:
        """Read a charger's basic document; by the API document's PUT without a body, once GET was refused (405)."""
        path = f"v2/charger/{_checked(charger_id)}"
        if self._basic_by_put:
            return self._send("basic", "PUT", path, self._writes)
        try:
            return self._send("basic", "GET", path, self._reads)
        except MethodError:
            self._basic_by_put = True
            if (ready := self.basic_ready_in_s()) > 0:
                raise BudgetSpentError(ready) from None
            return self._send("basic", "PUT", path, self._writes)

    def status(self, charger_id: int) -> CloudResponse:
        """Read a charger's basic document by the API document's PUT without a body, which counts as a write."""
        return self._send("status", "PUT", f"v2/charger/{_checked(charger_id)}", self._writes)

    def sessions(self, charger_id: int, start: int, end: int, limit: int, offset: int) -> CloudResponse:
        """Read a page of a charger's sessions from ``start`` to ``end``, seconds since 1970."""
        span = f"start_date={start:d}&end_date={end:d}&limit={limit:d}&offset={offset:d}"
        path = f"v4/sessions/stats?charger={_checked(charger_id)}&{span}"
        return self._send("sessions", "GET", path, self._reads)

    def schedules(self, charger_id: int) -> CloudResponse:
        """Read a charger's schedules."""
        return self._send("schedules", "GET", f"chargers/{_checked(charger_id)}/schedules", self._reads)

    def write(self, request: RequestTemplate, charger_id: int, body: Json, expires: float = math.inf) -> CloudResponse:
        """Send a command, unless it is too old (``expires``, monotonic) when it is about to leave.

        The body is None where there is none that could be read.
        """
        path = request.path.format(id=_checked(charger_id))
        return self._send("command", request.method, path, self._writes, body=body, expires=expires)

    def _send(
        self, kind: str, method: str, path: str, budget: Budget, *, body: Json = None, expires: float | None = None
    ) -> CloudResponse:
        budget.check()  # before a token is fetched for nothing, which may cost a write
        try:
            token = self._tokens.token()
        except CloudError as error:
            error.sent = False
            raise
        bearer = f"Bearer {token.reveal()}"
        name = "read" if budget is self._reads else "write"
        with budget.request(), self._log.request(name, kind):
            try:
                answer = self._connection.send(method, f"{self._api}/{path}", bearer, body=body, expires=expires)
            except UnauthorizedError:
                self._tokens.unauthorized(token, by_read=budget is self._reads)
                raise
        self._tokens.accepted(token)
        return answer
