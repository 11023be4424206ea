"""What a sign-in returns: a token, how long it is valid, and how it is kept. No requests here."""

import base64
import json
from dataclasses import dataclass
from typing import Literal, TypeGuard

from wallbox2mqtt.catalogue.quantities import Json, is_number
from wallbox2mqtt.config import Secret
from wallbox2mqtt.errors import BadAnswerError
from wallbox2mqtt.log import HIDDEN
from wallbox2mqtt.storage import number

Way = Literal["modern", "legacy"]

NO_TOKEN = Secret("")
UNTOLD_LIFE_S = 60.0
_A_DAY_S = 86_400.0
_MILLISECONDS = 1e11
"""Times since 1970 above this are milliseconds: as seconds they would be in the year 5138."""


@dataclass(frozen=True, slots=True)
class SignInAnswer:
    """The response to a sign-in or a refresh: its JSON, and the server's time (seconds since 1970), if told."""

    body: Json
    server_time: float | None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a sign-in returned; times are the clock's monotonic seconds. Replaced as a whole, never changed.

    ``begun``: when the token came. ``renew``: when to ask for the next one.
    """

    token: Secret = NO_TOKEN
    begun: float = 0.0
    ends: float = 0.0
    renew: float = 0.0
    refresh_token: Secret | None = None
    refresh_ends: float = 0.0

    def __post_init__(self) -> None:
        """Keep both out of the log."""
        HIDDEN.add(self.token.reveal(), self.refresh_token.reveal() if self.refresh_token is not None else "")

    def kept(self, now: float) -> dict[str, Json]:
        """Return what of it is written down; ``now``: monotonic."""
        if self.token == NO_TOKEN:
            return {}
        kept: dict[str, Json] = {
            "token": self.token.reveal(),
            "life_s": self.ends - now,
            "renew_s": self.renew - now,
        }
        if self.refresh_token is not None:
            kept |= {"refresh_token": self.refresh_token.reveal(), "refresh_life_s": self.refresh_ends - now}
        return kept


NO_GRANT = Grant()
"""Nothing that was ever good."""


def restored(kept: dict[str, Json], now: float, age_s: float) -> Grant:
    """Return the grant that was written down so long ago, if there is one."""
    token, refresh = kept.get("token"), kept.get("refresh_token")
    if not _is_header_text(token):
        return NO_GRANT
    return Grant(
        token=Secret(token),
        begun=now - age_s,
        ends=now + number(kept, "life_s", 0.0) - age_s,
        renew=now + number(kept, "renew_s", 0.0) - age_s,
        refresh_token=Secret(refresh) if _is_header_text(refresh) else None,
        refresh_ends=now + number(kept, "refresh_life_s", 0.0) - age_s,
    )


def granted(response: SignInAnswer, way: Way, now: float, wall: float) -> Grant:
    """Return what a response gives; ``now`` and ``wall``: this machine's monotonic and wall clock.

    Raises:
        BadAnswerError: it has no token.

    """
    values = _values(response.body)
    token = values.get("token" if way == "modern" else "jwt")
    if not _is_header_text(token):
        msg = f"the response to the sign-in {way} has no token"
        raise BadAnswerError(msg)
    # the Date header has whole seconds: what it cut off would make the token live longer than it does
    server = wall if response.server_time is None else response.server_time + 1.0
    life = _life_s(token, values.get("ttl"), server)
    refresh = values.get("refresh_token")
    refresh_life = _until_s(values.get("refresh_token_ttl"), server)
    return Grant(
        token=Secret(token),
        begun=now,
        ends=now + life,
        renew=now + life - min(30.0, life / 10),
        refresh_token=Secret(refresh) if way == "modern" and _is_header_text(refresh) else None,
        refresh_ends=now + (_A_DAY_S if refresh_life is None else refresh_life),
    )


def _values(body: Json) -> dict[str, Json]:
    """Return the answer's words: those of ``data.attributes`` (modern) or its own (legacy)."""
    if not isinstance(body, dict):
        return {}
    data = body.get("data")
    attributes = data.get("attributes") if isinstance(data, dict) else None
    return attributes if isinstance(attributes, dict) else body


def _life_s(token: str, ttl: Json, server: float) -> float:
    """Return how long a token is valid from now: by its ttl, else by the JWT's ``exp``, else 60 s."""
    for end in (ttl, _jwt_exp(token)):
        life = _until_s(end, server)
        if life is not None:
            return life
    return UNTOLD_LIFE_S


def _until_s(end: Json, server: float) -> float | None:
    """Return the seconds until an absolute time; None where it is no time that lies ahead."""
    if not is_number(end):
        return None
    left = (end / 1000 if end > _MILLISECONDS else end) - server
    return max(0.0, left) if left > -2.0 else None  # noqa: PLR2004 - the second added above, and rounding


def _jwt_exp(token: str) -> Json:
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    return claims.get("exp") if isinstance(claims, dict) else None


def _is_header_text(token: Json) -> TypeGuard[str]:
    """A token goes into a header as it is; a line break in it would make two headers of one."""
    return isinstance(token, str) and token != "" and token.isascii() and token.isprintable() and " " not in token
