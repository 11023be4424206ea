"""The form in which ledgers are kept in ``state_dir``: one file, so that a sum and its counter never part."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TypeVar

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import is_number
from wallbox2mqtt.history.past import Past
from wallbox2mqtt.history.records import COUNTERS, EVENT_TYPES, Counter, Ledger, Session

_T = TypeVar("_T")


def to_json(part: Ledger | Past) -> dict[str, Json]:
    """Return a ledger, or its past, as it is kept."""
    return asdict(part)


def past_from(kept: Json) -> Past:
    """Return the past that was kept of a ledger.

    Raises:
        ValueError: it is none.

    """
    finished, settled = (kept.get("finished"), kept.get("settled")) if isinstance(kept, dict) else (None, None)
    if not isinstance(kept, dict) or not isinstance(finished, list) or not isinstance(settled, dict):
        msg = "a past: expected its sessions and its entries"
        raise ValueError(msg)  # noqa: TRY004
    sessions = [_session(one) for one in finished]
    return Past(
        seeded=_number(kept, "seeded"),
        since=_number(kept, "since") or 0.0,
        read=_number(kept, "read"),
        finished=tuple(one for one in sessions if one is not None),
        settled={key: end for key in settled if (end := _number(settled, key)) is not None},
        corrections=_by_counter(kept.get("corrections"), _signed),
        shown=_by_counter(kept.get("shown"), _whole),
    )


def ledger_from(kept: Json) -> Ledger:
    """Return a ledger that was kept.

    Raises:
        ValueError: it is none.

    """
    if not isinstance(kept, dict):
        msg = f"found {type(kept).__name__}, expected an object"
        raise ValueError(msg)  # noqa: TRY004 - to whoever reads a file, each wrong form is the same fault
    return Ledger(
        at=_number(kept, "at"),
        time_s=_number(kept, "time_s"),
        counters=_by_counter(kept.get("counters"), _counter),
        session=_session(kept.get("session")),
        last=_session(kept.get("last")),
        plugged=kept.get("plugged") is True,
        in_error=kept.get("in_error") is True,
        doubted=_number(kept, "doubted"),
        reached=_number(kept, "reached"),
    )


def _number(kept: Mapping[str, Json], name: str) -> float | None:
    value = kept.get(name)
    if value is None:
        return None
    if not is_number(value):
        msg = f"{name}: found {type(value).__name__}, expected a number"
        raise ValueError(msg)
    return value


def _whole(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        msg = f"found {type(value).__name__}, expected a whole number from 0"
        raise ValueError(msg)
    return value


def _signed(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"found {type(value).__name__}, expected a whole number"
        raise ValueError(msg)  # noqa: TRY004
    return value


def _by_counter(kept: Json, read: Callable[[Json], _T]) -> dict[str, _T]:
    if not isinstance(kept, dict):
        msg = f"counters: found {type(kept).__name__}, expected an object"
        raise ValueError(msg)  # noqa: TRY004
    return {name: read(value) for name, value in kept.items() if name in COUNTERS}


def _counter(kept: Json) -> Counter:
    if not isinstance(kept, dict):
        msg = f"a counter: found {type(kept).__name__}, expected an object"
        raise ValueError(msg)  # noqa: TRY004
    before = kept.get("before")
    return Counter(_whole(kept.get("total")), _whole(kept.get("shown")), None if before is None else _whole(before))


def _session(kept: Json) -> Session | None:
    if kept is None:
        return None
    if not isinstance(kept, dict):
        msg = f"a session: found {type(kept).__name__}, expected an object"
        raise ValueError(msg)  # noqa: TRY004
    start, state, user = _number(kept, "start"), kept.get("state"), kept.get("user")
    if start is None or not isinstance(state, str) or state not in EVENT_TYPES:
        msg = "a session: expected its start and its state"
        raise ValueError(msg)
    return Session(
        start=start,
        end=_number(kept, "end"),
        state=state,
        energy=_by_counter(kept.get("energy"), _whole),
        cost=_number(kept, "cost"),
        peak_kw=_number(kept, "peak_kw"),
        user=None if user is None else _whole(user),
        cost_real=_number(kept, "cost_real"),
        unseen=kept.get("unseen") is True,
        read=_number(kept, "read"),
    )
