"""The TokenManager: one token for all threads, renewed before it ends. It knows nothing of HTTP.

Both of the cloud's sign-ins are known: the present one (``modern``) and that of the API document (``legacy``). How long
a token is valid is taken from its response, measured against the clock of the server that said it, because ours may be
wrong. Every sign-in or refresh that fails is followed by a wait, which all threads share and which is kept over
restarts: sign-ins have no budget at the cloud's end, and a host in trouble must not be asked by each command.
"""

import hashlib
import logging
import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from wallbox2mqtt.catalogue.quantities import Json
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.backoff import RetryDelay
from wallbox2mqtt.cloud.grant import NO_GRANT, Grant, SignInAnswer, Way, granted, restored
from wallbox2mqtt.config import Secret
from wallbox2mqtt.errors import (
    CLOUD_REASONS,
    AuthError,
    BadAnswerError,
    CloudError,
    RateLimitedError,
    RequestRefusedError,
    SignInError,
    UnauthorizedError,
)
from wallbox2mqtt.log import HIDDEN, RepeatedFault
from wallbox2mqtt.storage import Storage, age_s, number
from wallbox2mqtt.watchdog import WatchedLock

_LOG = logging.getLogger(__name__)

WAYS: tuple[Way, Way] = ("modern", "legacy")
_GONE = frozenset({404, 405, 410})
"""Statuses that say that this sign-in is not offered: the other one is tried."""
_REFUSED_S = (60.0, 3600.0)
"""The first and the longest wait after refused credentials."""
_FAILED_S = (3.0, 900.0)
"""The first and the longest wait after any other failure, each up to a third shorter at random."""
_FILE = "tokens"


class TokenSource(Protocol):
    """The requests that bring tokens. Refused credentials or tokens raise UnauthorizedError."""

    def sign_in(self, way: Way) -> SignInAnswer:
        """Sign in with the account's credentials."""

    def refresh(self, token: Secret) -> SignInAnswer:
        """Trade a refresh token for a new pair (modern only)."""

    def set_password(self, password: Secret) -> None:
        """Sign in with this password from now on."""


class TokenManager:
    """Hands out a token that is good now. One renewal happens however many threads ask."""

    def __init__(  # noqa: PLR0913 - the last two are for tests and for passwords in files
        self,
        source: TokenSource,
        clock: Clock,
        storage: Storage,
        sign_in: str,
        password: Secret,
        *,
        spread: Callable[[], float] = random.random,
        newest_password: Callable[[], Secret | None] = lambda: None,
    ) -> None:
        """Restore the token of the last run.

        ``spread``: 0 to 1, what spreads the waits of many bridges. ``newest_password``: returns what the password's
        file holds now; None where there is none that can be read.
        """
        self._source, self._clock, self._storage = source, clock, storage
        self._password, self._newest_password = password, newest_password
        self._ways: tuple[Way, ...] = WAYS if sign_in == "auto" else tuple(way for way in WAYS if way == sign_in)
        self._lock = WatchedLock()
        self._refused, self._failed = RetryDelay(*_REFUSED_S, clock), RetryDelay(*_FAILED_S, clock, spread)
        self._failure_text, self._failure_reason = "", "unreachable"
        self._unauthorized = 0
        begins, ends = "the refresh token is refused, signing in", "refresh tokens are accepted"
        self._trouble = RepeatedFault(_LOG, begins, ends, clock)
        self.sign_ins = 0
        self.way: Way = self._ways[0]
        self._restore(storage.read(_FILE))

    def token(self) -> Secret:
        """Return a token that is good now.

        Raises:
            AuthError: the credentials are refused, or the wait after that lasts.
            SignInError: there is no token for another reason, or the wait after that lasts.
            BudgetSpentError: the sign-in counts as a write, and none may start now.

        """
        if self._clock.monotonic() < (grant := self._grant).renew:
            return grant.token
        with self._lock:
            grant = self._grant  # another thread may have renewed it while this one waited for the lock
            return (grant if self._clock.monotonic() < grant.renew else self._renewed(grant)).token

    def drop(self) -> None:
        """Drop the token, so that the next one tells whether the password is right."""
        with self._lock:
            self._grant = NO_GRANT

    def set_password(self, password: Secret) -> bool:
        """Sign in with this from now on; return whether it is another one. Refusals of the one before do not count."""
        with self._lock:
            if password == self._password:
                return False
            HIDDEN.keep(password.reveal())
            self._password = password
            self._source.set_password(password)
            self._refused.succeeded()
            self._keep()
            return True

    def unauthorized(self, token: Secret, *, by_read: bool = True) -> None:
        """Record that the cloud answered 401 to this token; a newer one stays.

        The first time it is dropped. A token fresh from a sign-in that is refused as well is kept: it may be this one
        request that is not allowed. Only when the reads after it are refused too does that count like refused
        credentials; else signing in would go on for ever. ``by_read``: whether a read was refused, or a command.
        """
        with self._lock:
            grant, before = self._grant, self._unauthorized
            if grant.token != token:
                return
            self._unauthorized += by_read or before == 0
            if before == 0:
                # without the token: another thread may hear the same refusal of it a moment later
                refresh = replace(NO_GRANT, refresh_token=grant.refresh_token, refresh_ends=grant.refresh_ends)
                self._grant = NO_GRANT if self._refused.failures else refresh
            elif before > 1 and by_read:
                self._grant = NO_GRANT
                self._refused.failed()
                self._keep()

    def accepted(self, token: Secret) -> None:
        """Record that a request with this token was accepted."""
        if self._unauthorized or self._refused.failures:
            with self._lock:
                if self._grant.token == token:
                    self._unauthorized = 0
                    if self._refused.failures:
                        self._refused.succeeded()
                        self._keep()

    def spends_a_write(self) -> bool:
        """Return whether the next ``token()`` will use the API document's sign-in, which counts as a write."""
        return self.way == "legacy" and self._clock.monotonic() >= self._grant.renew

    def wait_s(self) -> float:
        """Return the seconds until the next sign-in may be tried; 0 when it may now, or when none is needed."""
        return max(self.refused_wait_s(), self.failed_wait_s())

    def refused_wait_s(self) -> float:
        """Return the seconds until refused credentials may be tried again."""
        return self._refused.left_s

    def failed_wait_s(self) -> float:
        """Return the seconds until a sign-in that failed otherwise may be tried again: a command may wait for that."""
        return 0.0 if self.life_s > 0 else self._failed.left_s

    @property
    def failures(self) -> int:
        """How many sign-ins failed in a row, those with refused credentials apart."""
        return self._failed.failures

    @property
    def failure(self) -> SignInError:
        """What went wrong with the last sign-in that failed."""
        text = f"signing in failed{self._failure_text}; the next try is in {self._failed.left_s:.0f} s"
        return SignInError(text, self._failure_reason)

    @property
    def life_s(self) -> float:
        """Seconds for which the present token is good; 0 without one."""
        return max(0.0, self._grant.ends - self._clock.monotonic())

    @property
    def age_s(self) -> float | None:
        """How old the present token is, as far as this run knows; None without one."""
        grant = self._grant
        return None if grant is NO_GRANT else max(0.0, self._clock.monotonic() - grant.begun)

    def adopt(self, failures: int, wait_s: float) -> None:
        """Wait as long as another one would before the next sign-in: so many have failed in a row."""
        with self._lock:
            if failures > self._failed.failures:
                self._failed.restore(failures, wait_s)
                self._keep()

    def _renewed(self, grant: Grant) -> Grant:
        if (left := self._refused.left_s) > 0:
            msg = f"the cloud refused the credentials; the next try is in {left:.0f} s"
            raise AuthError(msg)
        if self._failed.left_s <= 0:
            try:
                return self._refreshed(grant) or self._signed_in()
            except AuthError:
                raise
            except CloudError as error:
                self._failure_text, self._failure_reason = f": {error}", error.reason
                self._failed.failed((error.retry_after_s or 0.0) if isinstance(error, RateLimitedError) else 0.0)
                self._keep()
        if self._clock.monotonic() < grant.ends:
            return grant  # it is good for a little longer
        raise self.failure

    def _refreshed(self, grant: Grant) -> Grant | None:
        """Return what the refresh token is traded for; None where there is none that is good."""
        if grant.refresh_token is None or self._clock.monotonic() >= grant.refresh_ends:
            return None
        if self._failed.is_longest:
            return None  # a refresh that is out of order for half an hour: the sign-in may work
        try:
            renewed = self._granted(self._source.refresh(grant.refresh_token), "modern", "refresh token")
        except (UnauthorizedError, RequestRefusedError) as error:
            self._trouble.occurs("refused", f"http_status={error.http_status}", logging.INFO)
            self._grant = replace(grant, refresh_token=None)
            return None
        self._trouble.ended()
        return renewed

    def _signed_in(self) -> Grant:
        for _ in self._ways:
            try:
                return self._granted(self._source.sign_in(self.way), self.way, "password")
            except UnauthorizedError as error:
                if (newest := self._newest_password()) is not None and self.set_password(newest):
                    _LOG.info("refused, but the password's file has another one by now: signing in with that")
                    return self._signed_in()
                self._refused.failed()
                self._keep()
                msg = f"the cloud refused the credentials (sign-in {self.way}): check e-mail and password"
                raise AuthError(msg, error.http_status) from None
            except RequestRefusedError as error:
                if error.http_status not in _GONE:
                    raise
                _LOG.info("this sign-in is not offered way=%s http_status=%s", self.way, error.http_status)
                self.way = next((way for way in self._ways if way != self.way), self.way)
                if self._failed.failures:
                    raise  # the other one is tried after the next wait
        msg = f"the cloud offers none of the sign-ins {' '.join(self._ways)}"
        raise BadAnswerError(msg)

    def _granted(self, response: SignInAnswer, way: Way, by: str) -> Grant:
        self._grant = granted(response, way, self._clock.monotonic(), self._clock.wall())
        self.way, self.by, self.worked_before = way, by, True
        self._failed.succeeded()
        self.sign_ins += 1
        self._keep()
        _LOG.debug("new token way=%s life_s=%.0f", way, self.life_s)
        return self._grant

    def _keep(self) -> None:
        kept: dict[str, Json] = {"way": self.way, "saved": self._clock.wall(), "worked": self.worked_before}
        kept |= self._grant.kept(self._clock.monotonic())
        if failures := self._failed.failures:
            kept |= {"failures": failures, "retry_s": self._failed.left_s, "reason": self._failure_reason}
        if refusals := self._refused.failures:
            salt = os.urandom(16)
            kept |= {"refusals": refusals, "wait_s": self._refused.left_s}
            kept |= {"salt": salt.hex(), "password": self._fingerprint(salt)}
        self._storage.write(_FILE, kept)

    def _fingerprint(self, salt: bytes) -> str:
        """Return what tells whether a refusal was of this very password, without keeping it: slow to guess from."""
        return hashlib.pbkdf2_hmac("sha256", self._password.reveal().encode(), salt, 100_000).hex()

    def _is_of_this_password(self, kept: dict[str, Json]) -> bool:
        try:
            return self._fingerprint(bytes.fromhex(str(kept["salt"]))) == kept.get("password")
        except (KeyError, ValueError):
            return False

    def _restore(self, kept: dict[str, Json]) -> None:
        age = age_s(kept, self._clock.wall())
        self.worked_before = kept.get("worked") is True
        self.way = next((way for way in self._ways if way == kept.get("way")), self.way)
        self._grant = restored(kept, self._clock.monotonic(), age)
        self.by = "none" if self._grant is NO_GRANT else "last run"
        """What the present token was had by: a password, a refresh token, or the last run, which kept it."""
        self._failed.restore(number(kept, "failures"), number(kept, "retry_s") - age)
        self._failure_reason = next((one for one in CLOUD_REASONS if one == kept.get("reason")), "unreachable")
        if (wait := self._failed.left_s) > 0:
            _LOG.warning("the last sign-in failed, it is tried again in_s=%.0f reason=%s", wait, self._failure_reason)
        if self._is_of_this_password(kept):
            self._refused.restore(number(kept, "refusals"), number(kept, "wait_s") - age)
            if (wait := self._refused.left_s) > 0:
                _LOG.warning("the cloud has refused these credentials before, it is asked again in_s=%.0f", wait)
