"""What the active bridge leaves to its successor: the budget's last minute, the pace, refusals. No secret is in it.

All times are seconds before the message: two machines need not agree on what time it is.
"""

import json
from dataclasses import dataclass

from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import is_charger_id, is_number
from wallbox2mqtt.cloud.budget import Budget
from wallbox2mqtt.cloud.turns import times_of

VERSION = 1
LONGEST_BYTES = 4096
"""A longer one is not of a bridge."""
HIGHEST_TERM = 10**12
MOST_CHARGERS = 100
"""More are found by the successor's own list."""
_LONGEST_NAME, _MOST_AT_ONCE = 64, 1000


class HandoverError(Exception):
    """Raised when a message is no handover; the text says why."""


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """The claim of a bridge to be the active one. Of two the greater one is right.

    ``is_owner``: it never stands by. ``term``: how many have taken over before it, as far as it has heard.
    ``instance``: a name at random, another one for each process.
    """

    is_owner: bool
    term: int
    instance: str


@dataclass(frozen=True, slots=True)
class Used:
    """What was asked of a budget: how long ago requests ended, and how many are under way."""

    ages: tuple[float, ...]
    under_way: int

    def at(self, passed_s: float) -> list[float]:
        """Return the ages so much later; a request that was under way may have ended just now."""
        return [age + passed_s for age in self.ages] + [0.0] * self.under_way


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A handover as it was heard."""

    claim: Claim
    chargers: tuple[int, ...]
    reads: Used
    writes: Used
    rate: dict[str, Json]
    pace: dict[str, Json]
    write_pace: dict[str, Json]
    failed_sign_ins: int
    sign_in_wait_s: float
    token_age_s: float | None


def written(bridge: Bridge, claim: Claim) -> dict[str, Json]:
    """Return what a bridge that makes this claim leaves if it ends now."""
    shared = bridge.shared
    age = shared.tokens.age_s
    return {
        "version": VERSION,
        "instance": claim.instance,
        "owner": claim.is_owner,
        "term": claim.term,
        "chargers": list[Json](shared.registry.chargers[:MOST_CHARGERS]),
        "reads": _used(shared.reads),
        "writes": _used(shared.writes),
        "rate": shared.rate.found(),
        "pace": bridge.backoff.told(),
        "write_pace": bridge.write_backoff.told(),
        "failed_sign_ins": shared.tokens.failures,
        "sign_in_wait_s": round(shared.tokens.failed_wait_s(), 1),
        "token_age_s": None if age is None else round(age),
    }


def _used(budget: Budget) -> dict[str, Json]:
    ages, under_way = budget.last_window()
    return {"ages": [[age, count] for age, count in ages], "under_way": under_way}


def stamp(bridge: Bridge) -> tuple[object, ...]:
    """Return what tells one state of a bridge from another: it changes by what happens, not by the time that passes."""
    shared = bridge.shared
    asked = [(budget.total, budget.last_window()[1]) for budget in (shared.reads, shared.writes)]
    refused = (bridge.backoff.refused_total, bridge.write_backoff.refused_total, shared.tokens.failures)
    return (*asked, *refused, shared.reads.per_minute, shared.tokens.sign_ins)


def parse(payload: bytes) -> Handover:
    """Read a message that anybody may have published.

    Raises:
        HandoverError: it is no handover.

    """
    if not 0 < len(payload) <= LONGEST_BYTES:
        msg = f"longer than {LONGEST_BYTES} bytes" if payload else "there is none"
        raise HandoverError(msg)
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError) as error:
        msg = f"no JSON: {type(error).__name__}"
        raise HandoverError(msg) from None
    if not isinstance(content, dict) or content.get("version") != VERSION or (handover := _heard(content)) is None:
        msg = f"a part of version {VERSION} is missing, or of the wrong kind"
        raise HandoverError(msg)
    return handover


def _heard(content: dict[str, Json]) -> Handover | None:
    claim, reads, writes = _claim(content), _used_in(content.get("reads")), _used_in(content.get("writes"))
    age_s = content.get("token_age_s")
    match content:
        case {
            "chargers": list(chargers),
            "rate": dict(rate),
            "pace": dict(pace),
            "write_pace": dict(write_pace),
            "failed_sign_ins": int() | float() as failed_sign_ins,
            "sign_in_wait_s": int() | float() as sign_in_wait_s,
        } if claim and reads and writes and len(chargers) <= MOST_CHARGERS and all(map(is_charger_id, chargers)):
            amounts = failed_sign_ins, sign_in_wait_s, 0 if age_s is None else age_s
            return (
                None
                if not all(map(_is_amount, amounts))
                else Handover(
                    claim=claim,
                    chargers=tuple(filter(is_charger_id, chargers)),
                    reads=reads,
                    writes=writes,
                    rate=rate,
                    pace=pace,
                    write_pace=write_pace,
                    failed_sign_ins=int(failed_sign_ins),
                    sign_in_wait_s=float(sign_in_wait_s),
                    token_age_s=float(age_s) if is_number(age_s) else None,
                )
            )
    return None


def _claim(content: dict[str, Json]) -> Claim | None:
    match content:
        case {"owner": bool(owner), "term": int(term), "instance": str(instance)} if _is_amount(term):
            is_name = 0 < len(instance) <= _LONGEST_NAME and instance.isascii()
            return Claim(owner, term, instance) if is_name else None
    return None


def _used_in(content: Json) -> Used | None:
    match content:
        case {"ages": list(entries), "under_way": int(under_way)} if 0 <= under_way <= _MOST_AT_ONCE:
            ages = [times_of(entry, _MOST_AT_ONCE) for entry in entries]
            return Used(tuple(max(0.0, age) for group in ages for age in group), under_way) if all(ages) else None
    return None


def _is_amount(amount: Json) -> bool:
    return is_number(amount) and 0 <= amount <= HIGHEST_TERM


def adopt(bridge: Bridge, handover: Handover, passed_s: float) -> None:
    """Go on where another bridge ended; ``passed_s``: how old its message is at least."""
    shared = bridge.shared
    shared.registry.adopt(handover.chargers)
    shared.reads.adopt(handover.reads.at(passed_s))
    shared.writes.adopt(handover.writes.at(passed_s))
    shared.rate.adopt(handover.rate)
    bridge.backoff.set_budget_interval(shared.reads.interval_s)
    bridge.backoff.adopt(handover.pace)
    bridge.write_backoff.adopt(handover.write_pace)
    shared.tokens.adopt(handover.failed_sign_ins, max(0.0, handover.sign_in_wait_s - passed_s))


def count_as_spent(bridge: Bridge) -> None:
    """Count the budgets as spent: nobody knows what another bridge has asked."""
    bridge.shared.reads.spend()
    bridge.shared.writes.spend()
