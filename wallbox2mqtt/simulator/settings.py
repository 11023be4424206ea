"""How the simulated cloud behaves: what can be set before it starts and while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

ON = 200
_SIGN_IN = {ON, 404, 405, 410}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the cloud behaves: docs/simulator.md says what each of these is. Lengths of time are seconds."""

    modern_sign_in: int = ON
    legacy_sign_in: int = ON
    token_life_s: float = 900.0
    refresh_life_s: float = 30 * 86400.0
    ttl: Literal["ms", "s", "missing"] = "ms"
    refresh_refusal: int = 401
    reads_per_minute: int | None = 3
    writes_per_minute: int | None = 5
    refusal: Literal["429", "429 seconds", "429 date", "429 zero", "403"] = "429"
    lag_s: float = 0.0
    report_interval_s: float | None = None
    idle_report_interval_s: float | None = None
    reports_changes: bool = True
    may_write: bool = True
    answers: Literal["wish", "outcome"] = "wish"
    out_of_touch: Literal["ignored", "forbidden"] = "ignored"
    get_basic: bool = True
    read_by_put: int = ON
    month_totals: Literal["calendar", "text", "empty"] = "calendar"
    sessions_per_page: int = 1000
    session_delay_s: float = 0.0
    session_unit: Literal["kWh", "Wh"] = "kWh"
    sessions_by: Literal["start", "end"] = "start"
    schedule_ids: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        checks = {
            f"a sign-in is one of {sorted(_SIGN_IN)}": {self.modern_sign_in, self.legacy_sign_in} <= _SIGN_IN,
            "a PUT without a body is refused with 403, 405 or 429": self.read_by_put in {ON, 403, 405, 429},
            "a refresh is refused with 401 or 403": self.refresh_refusal in {401, 403},
            "lives and intervals are longer than 0 s": min(
                one
                for one in (
                    self.token_life_s,
                    self.refresh_life_s,
                    self.report_interval_s,
                    self.idle_report_interval_s,
                )
                if one is not None
            )
            > 0,
            "a page has a session at least": self.sessions_per_page > 0,
            "limits and lag are not negative": min(self.reads_per_minute or 0, self.writes_per_minute or 0, self.lag_s)
            >= 0,
        }
        for problem, holds in checks.items():
            if not holds:
                raise ValueError(problem)


def changed(base: T, changes: Mapping[str, object]) -> T:
    """Return a frozen dataclass with other values, each checked against its type.

    Raises:
        ValueError: a name or a value that it cannot have.

    """
    hints = get_type_hints(type(base))
    for name, value in changes.items():
        if name not in hints:
            msg = f"unknown: {name}; known: {', '.join(hints)}"
            raise ValueError(msg)
        if not _fits(value, hints[name]):
            msg = f"{name}: {value!r} is not of {hints[name]}"
            raise ValueError(msg)
    return replace(base, **changes)  # type: ignore[type-var]


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401 - a type hint has no type of its own
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin in {Union, UnionType}:
        return any(_fits(value, part) for part in get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, NoneType if hint is None else origin or hint)
