"""All errors of the program, as a tree, and its exit codes. Who catches one chooses by what to do about it.

Wallbox2MqttError
├── ConfigError                the user must act: exit code 78
├── UsageError                 the command line means nothing: exit code 1
├── InvalidPayloadError        a command that is refused; nothing was sent
├── BrokerError                the demo has no broker: the user must act
├── BudgetSpentError           a request to the cloud that was not sent: wait until the budget allows it
│   └── TooLateError           it would have come too late: nobody wants it any more
└── CloudError                 a request to the cloud that did not succeed
    ├── AuthError              credentials are refused: do not hammer
    ├── SignInError            no token for another reason: wait, the next try has its time
    ├── UnauthorizedError      the token is refused: get a new one, once
    ├── RateLimitedError       too many requests: wait
    ├── RequestRefusedError    4xx: never repeat
    │   ├── ForbiddenError     403: locked, no rights, run by OCPP, or too many requests
    │   ├── MethodError        405: the other form of this request may work
    │   └── ConflictError      409: already so
    ├── NotSentError           the cloud cannot have seen the request: may be sent again
    │   └── ConnectTimeoutError no connection within the deadline
    └── AnswerLostError        the cloud may have acted: only idempotent requests may be sent again
        ├── CloudTimeoutError  no whole answer within the deadline
        ├── ServerError        5xx
        └── BadAnswerError     3xx, not JSON, wrong shape, too large
"""

import math
import signal


class Wallbox2MqttError(Exception):
    """The root of all errors that this program raises itself."""


class ConfigError(Wallbox2MqttError):
    """Raised when the configuration is wrong; the text names the key, what was found and what is accepted."""


class UsageError(Wallbox2MqttError):
    """Raised when the arguments of a command mean nothing; the text says what is accepted."""


class InvalidPayloadError(Wallbox2MqttError):
    """Raised when a command's payload is not exactly what is accepted; the text says what is accepted."""


class BrokerError(Wallbox2MqttError):
    """Raised when the demo's broker could not be started; the text says what to do."""


class BudgetSpentError(Wallbox2MqttError):
    """Raised when a request may not start yet; nothing was sent. ``ready_in_s``: seconds until it may."""

    def __init__(self, ready_in_s: float) -> None:
        super().__init__(f"the budget allows no request for {ready_in_s:.1f} s")
        self.ready_in_s = ready_in_s


class TooLateError(BudgetSpentError):
    """Raised when what was asked for has become too old before it was sent; nothing was sent."""

    def __init__(self) -> None:
        super().__init__(math.inf)


class CloudError(Wallbox2MqttError):
    """Raised when a request to the cloud did not succeed.

    ``reason`` is the word that ``bridge/cloud_reason`` shows for it, ``http_status`` the answer's
    status or None where there was no answer. ``sent``: whether the request itself went out; it did not where
    there was no token for it.
    """

    reason: str = "bad_answer"
    sent = True

    def __init__(self, message: str, http_status: int | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status


class AuthError(CloudError):
    """Raised when the cloud refuses the credentials, or while the wait after such a refusal lasts."""

    reason = "auth_failed"


class SignInError(CloudError):
    """Raised when signing in failed for another reason than the credentials, or while the wait after that lasts."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnauthorizedError(CloudError):
    """Raised when the cloud refuses a token (401) that should have been good."""

    reason = "auth_failed"


class RateLimitedError(CloudError):
    """Raised when the cloud answers 429. ``retry_after_s``: the wait it asked for in seconds, or None."""

    reason = "rate_limited"

    def __init__(self, message: str, http_status: int | None = 429, retry_after_s: float | None = None) -> None:
        super().__init__(message, http_status)
        self.retry_after_s = retry_after_s


class RequestRefusedError(CloudError):
    """Raised when the cloud refuses this very request (4xx) and would refuse it again."""


class ForbiddenError(RequestRefusedError):
    """Raised on 403 of a data request: no rights, locked, already so, run by OCPP, or too many requests."""


class MethodError(RequestRefusedError):
    """Raised on 405: the endpoint is there, but not by this method."""


class ConflictError(RequestRefusedError):
    """Raised on 409: the charger is in a state that does not allow the request."""


class NotSentError(CloudError):
    """Raised when no connection came about, so that the cloud cannot have seen the request."""

    reason = "unreachable"


class ConnectTimeoutError(NotSentError):
    """Raised when nobody answered at the cloud's address within the deadline."""

    reason = "timeout"


class AnswerLostError(CloudError):
    """Raised when the request may have had its effect but no proper answer came back."""

    reason = "unreachable"


class CloudTimeoutError(AnswerLostError):
    """Raised when the whole answer was not there within the deadline."""

    reason = "timeout"


class ServerError(AnswerLostError):
    """Raised on 5xx."""

    reason = "http_5xx"


class BadAnswerError(AnswerLostError):
    """Raised when a response is invalid: a redirect, not JSON, the wrong shape, too large."""

    reason = "bad_answer"


CLOUD_REASONS = (
    "ok",
    "auth_failed",
    "bad_answer",
    "http_5xx",
    "no_chargers",
    "rate_limited",
    "timeout",
    "unreachable",
)
"""All words that ``bridge/cloud_reason`` can show."""

# Exit codes: what systemd, Docker and scripts go by. Those of sysexits.h where it has one.
EXIT_OK = 0
EXIT_FAILED = 1
EXIT_FAULT = 69
"""``check``, ``init`` or ``health`` found a fault (EX_UNAVAILABLE)."""
EXIT_CONFIG = 78
"""Only the user can help: systemd must not start the bridge again (EX_CONFIG)."""
EXIT_INTERRUPTED = 128 + signal.SIGINT
"""As a shell says it of a program that Ctrl-C ended."""
