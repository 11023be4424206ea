"""What becomes of a request: JSON, or one of our errors. Nothing here opens a connection."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NoReturn
from urllib.parse import urlsplit

import urllib3

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cloud.diagnosis import causes, why_not_connected
from wallbox2mqtt.cloud.requests_alone import requests
from wallbox2mqtt.cloud.transport import RawResponse, TransportError, UnfitResponseError
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

DEEPEST = 64
"""Levels of lists and objects in a response; the cloud's own have seven."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_TIMEOUTS = (TimeoutError, urllib3.exceptions.TimeoutError, requests.Timeout)


def translated(error: TransportError, url: str, wall: float) -> CloudError:
    """Return our error for one of the libraries'. ``wall``: what this machine's clock says, seconds since 1970."""
    if error.sent:
        return CloudTimeoutError("no whole answer within the deadline") if error.late else unreadable(error.cause)
    found = list(causes(error.cause))
    # urllib3 makes a refused connection and an unknown host kinds of a time-out
    is_new = any(isinstance(one, urllib3.exceptions.NewConnectionError) for one in found)
    if error.late or (any(isinstance(one, _TIMEOUTS) for one in found) and not is_new):
        return ConnectTimeoutError(f"no connection to {urlsplit(url).hostname} within the deadline")
    return NotSentError(why_not_connected(error.cause, url, wall))


def unreadable(error: Exception) -> AnswerLostError:
    """Return our error for a response that could not be read."""
    if any(isinstance(cause, _TIMEOUTS) for cause in causes(error)):
        return CloudTimeoutError("no whole answer within the deadline")
    if isinstance(error, UnfitResponseError):
        return BadAnswerError(str(error))
    if isinstance(error, urllib3.exceptions.InvalidHeader):
        return BadAnswerError(f"the answer cannot be read: {type(error).__name__}")
    return AnswerLostError(f"the connection broke: {type(error).__name__}")


_REFUSALS: dict[int, Callable[[str, int], CloudError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    405: MethodError,
    409: ConflictError,
}


Check = Callable[[RawResponse, float], None]


def check_status(response: RawResponse, now: float) -> None:
    """Raise the error of a status that is not 2xx; ``now`` is the time by which a Retry-After date is measured.

    Raises:
        CloudError: one of its leaves.

    """
    status = response.status
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
        return
    text = f"the cloud answered {status}"
    if status == 429:  # noqa: PLR2004 - HTTP's own numbers
        raise RateLimitedError(text, status, _retry_after_s(response.headers.get("Retry-After"), now))
    if status >= 500:  # noqa: PLR2004
        raise ServerError(text, status)
    if status >= 400:  # noqa: PLR2004
        raise _REFUSALS.get(status, RequestRefusedError)(text, status)
    msg = f"{text}, which is no answer to this request"
    raise BadAnswerError(msg, status)


def check_sign_in(response: RawResponse, now: float) -> None:
    """Raise the error of a sign-in's or refresh's status that is not 2xx.

    Raises:
        UnauthorizedError: the sign-in itself refuses what it was given, which is final.
        CloudError: another leaf, also where a 401 or 403 is of something that stands before the sign-in.

    """
    status = response.status
    if status not in {401, 403}:
        check_status(response, now)
        return
    text = f"the cloud answered {status}"
    said = _object(response.body)
    if said is not None and _LIMIT.search(json.dumps(said)):
        raise RateLimitedError(text, status, _retry_after_s(response.headers.get("Retry-After"), now))
    if said is None or (said and said.keys() <= _GATEWAY and not _CREDENTIALS.search(json.dumps(said))):
        msg = f"{text}, but not about the credentials"
        raise BadAnswerError(msg, status)
    raise UnauthorizedError(text, status)


_LIMIT = re.compile(r"limit|too many|throttl|quota", re.IGNORECASE)
_GATEWAY = frozenset({"message", "Message"})
"""All that is in the JSON of gateways (Amazon's for one) which do not let a request through."""
_CREDENTIALS = re.compile(
    r"credential|password|e-?mail|username|unauthori[sz]ed|unauthenticated|log.?in", re.IGNORECASE
)


def _object(body: bytes | Exception) -> dict[str, Json] | None:
    """Return a refusal's JSON object, an empty one where it says nothing; None where it is anything else: a page."""
    try:
        found = json.loads(body) if isinstance(body, bytes) and body.strip() else {}
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def http_time(text: str | None) -> float | None:
    """Return seconds since 1970 of an HTTP date; None where there is none, or none that can be read."""
    if not text:
        return None
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _retry_after_s(text: str | None, now: float) -> float | None:
    """Return the wait that Retry-After asks for, in either of its forms; None where it asks for none."""
    if not text:
        return None
    # what counts as blank for str.strip is more than for float: a control character must not make an error of it
    if (digits := text.strip()).isdecimal():
        return float(digits) if len(digits) < 10 else math.inf  # noqa: PLR2004 - more than any life
    until = http_time(text)
    return None if until is None else max(0.0, until - now)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        msg = f"a number too large: {text[:20]}"
        raise ValueError(msg)
    return number


def _no_constant(word: str) -> NoReturn:
    msg = f"{word} is no JSON"
    raise ValueError(msg)


def _is_deep(body: bytes) -> bool:
    """Return whether brackets are nested deeper than in any document.

    Decoders follow them as deep as their stack goes: Python 3.14 takes 20 MiB for it, and 3.13 crashes where threads
    have a small one.
    """
    depth = 0
    for bracket in body.translate(None, _NO_BRACKETS):
        depth = depth + 1 if bracket in b"[{" else max(0, depth - 1)
        if depth > DEEPEST:
            return True
    return False


def decoded(body: bytes | Exception) -> Json:
    """Decode a response's JSON.

    Raises:
        BadAnswerError: it is no JSON.
        AnswerLostError: it could not be read to its end.

    """
    if isinstance(body, Exception):
        raise unreadable(body)
    # those of strings count only where it matters: to leave them out takes longer than to decode
    if _is_deep(body) and _is_deep(_STRINGS.sub(b"", body)):
        msg = f"the answer is no JSON of the cloud's: nested deeper than {DEEPEST} levels"
        raise BadAnswerError(msg)
    try:
        document: Json = json.loads(body.decode(), parse_float=_finite, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        msg = f"the answer is no JSON: {type(error).__name__}"
        raise BadAnswerError(msg) from None
    return document
