"""Any payload on any command topic: what reaches the cloud is what an oracle says that was written by hand.

The oracle knows nothing of the catalogue; it is the table of the contract in regular expressions. Each example goes
the whole way: message, command_handler, queue, writer, HTTP, the simulated cloud's log.
"""

import json
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock
from tests.fuzz.profile import fuzz, time_limit
from tests.hostile import HOSTILE
from tests.parts import Parts
from wallbox2mqtt.bridge.debounce import PAUSE_S
from wallbox2mqtt.simulator import ChargerSpec, Settings, Simulator

pytestmark = [time_limit, pytest.mark.slow]

ONE, QUASAR = 101, 102
MOST_A = 16
SPECS = [
    ChargerSpec(id=ONE, begin=(("unlock", None),), changes={"config_data.max_available_current": MOST_A}),
    ChargerSpec(
        id=QUASAR, model="quasar", begin=(("unlock", None),), changes={"config_data.max_available_current": MOST_A}
    ),
]
Sent = tuple[str, str, Any]

ON, OFF = {"1", "true", "on"}, {"0", "false", "off"}
ACTIONS = {"resume": 1, "pause": 2, "reboot": 3, "resume_schedule": 9}
PRICE = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
PLAIN = re.compile(r"[1-9][0-9]*")


def words(text: str, on: set[str], off: set[str]) -> int | None:
    lower = text.lower() if text.isascii() else ""
    return 1 if lower in on else 0 if lower in off else None


def current(text: str, *, mirrored: bool) -> int | None:
    magnitude = text.removeprefix("-") if mirrored else text
    return int(text) if PLAIN.fullmatch(magnitude) and 6 <= int(magnitude[:9]) <= MOST_A else None


def strict(text: str) -> dict[str, Any] | None:
    """An object without doubled keys, and without what only Python takes for JSON."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in items}) < len(items):
            raise ValueError
        return dict(items)

    def refuse(_: str) -> NoReturn:
        raise ValueError

    try:
        found = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found else None


def is_price(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and -1000 <= value <= 1_000_000


def priced(text: str) -> Any:  # noqa: ANN401 - a body
    if len(text) <= 40 and PRICE.fullmatch(text) and is_price(float(text)):
        return {"energy_price": rounded(text)}
    found = strict(text)
    if found is None or not found.keys() <= {"energy_price", "currency_id"}:
        return None
    currency = found.get("currency_id", 1)
    whole = isinstance(currency, int) and not isinstance(currency, bool) and currency >= 1
    if not is_price(found.get("energy_price", 0)) or not whole:
        return None
    return {key: rounded(str(value)) if key == "energy_price" else value for key, value in found.items()}


def rounded(text: str) -> float:
    return float(Decimal(text).quantize(Decimal("0.0001"), ROUND_HALF_UP)) + 0.0


def expected(charger: int, key: str, payload: bytes) -> Sent | None:
    """The request that the contract makes of this, or None: it reaches no cloud."""
    try:
        text = payload.decode().strip(" \t\r\n\v\f") if len(payload) <= 1024 else ""
    except UnicodeDecodeError:
        return None
    put, act = ("PUT", f"v2/charger/{charger}"), ("POST", f"v3/chargers/{charger}/remote-action")
    body: Any = None
    match key:
        case "locked":
            body, where = words(text, ON | {"lock"}, OFF | {"unlock"}), put
            body = None if body is None else {"locked": body}
        case "max_charging_current":
            body, where = current(text, mirrored=charger == QUASAR), put
            body = None if body is None else {"maxChargingCurrent": body}
        case "name":
            plain = text.translate(dict.fromkeys(map(ord, "\u200c\u200d\u00a0\u202f")))  # part of names, not printable
            body, where = ({"name": text} if plain and len(text) <= 64 and plain.isprintable() else None), put
        case "charging_enabled":
            body, where = words(text, ON, OFF), act
            body = None if body is None else {"action": 2 - body}
        case "action":
            lower = text.lower() if text.isascii() else ""
            number = ACTIONS.get(lower) or (int(lower) if lower in {"1", "2", "3", "9"} else None)
            body, where = (None if number is None else {"action": number}), act
        case "energy_price":
            body, where = priced(text), ("POST", f"chargers/config/{charger}")
        case _:
            return None
    return None if body is None else (*where, body)


KEYS = ["locked", "max_charging_current", "name", "charging_enabled", "action", "energy_price"]
STRANGE_KEYS = [
    "",
    "set",
    "status",
    "Locked",
    "locked/x",
    "availability",
    "basic/name",
    "firmware/x",
    "event",
    "x" * 300,
]

GOOD = """1 0 true FALSE on Off lock UNLOCK Resume pause reboot resume_schedule 9 3 6 16 17 5 -6 -16 0.25 -5 5.0001 -0.5
4.9999 name Gar\u00e4ge factory_reset update 36.5 1e-05
{"energy_price":0.5} {"energy_price":1,"currency_id":48}
{"energy_price":true}"""
good = st.sampled_from(GOOD.split())
around = st.sampled_from(["", " ", "\n", "\r\n", "\t", "\u00a0", "\0", "+", "-", "0", ".", "e1", "\u200b", "\uff11"])
near = st.builds(lambda before, text, after: (before + text + after).encode(), around, good, around)
numbers = st.one_of(st.integers(-40, 40), st.floats(-6, 6), st.decimals(-6, 6, places=4)).map(lambda n: str(n).encode())
objects = st.dictionaries(
    st.sampled_from(["energy_price", "currency_id", "locked", "x"]),
    st.one_of(st.integers(-6, 60), st.floats(-6, 6), st.booleans(), st.none(), st.text(max_size=3)),
    max_size=3,
).map(lambda found: json.dumps(found).encode())
payloads = st.one_of(
    near,
    numbers,
    objects,
    st.sampled_from(HOSTILE),
    st.text(max_size=70).map(lambda text: text.encode(errors="replace")),
) | st.binary(max_size=40)


@pytest.fixture
def parts(clock: FakeClock, tmp_path: Path) -> Iterator[Parts]:
    cloud = Simulator(chargers=SPECS, clock=clock, settings=Settings(reads_per_minute=None, writes_per_minute=None))
    with cloud:
        often: dict[str, Any] = {"reads_per_minute": 6000, "writes_per_minute": 60000, "poll_interval": 1e6}
        parts = Parts(cloud, clock, tmp_path, chargers=list(cloud.chargers), **often)
        for charger in cloud.chargers:
            parts.reader.want(charger)
        parts.run(10)
        assert all(parts.states.has_detail(charger) for charger in cloud.chargers)
        yield parts


@pytest.mark.parametrize("key", KEYS)
def test_the_oracle_lets_something_through(parts: Parts, key: str) -> None:
    """Else the test below would hold of a bridge that sends nothing."""
    reached = 0
    for payload in GOOD.split():
        parts.cloud.forget_requests()
        parts.send(f"{ONE}/{key}", payload)
        parts.clock.advance(PAUSE_S + 1)
        parts.settle()
        reached += [(one.method, one.path, one.body) for one in parts.sent_writes] == [
            expected(ONE, key, payload.encode())
        ]
    assert reached >= 2


@pytest.mark.parametrize("key", KEYS)
def test_everything_hostile(parts: Parts, key: str) -> None:
    for payload in HOSTILE:
        holds(parts, ONE, key, payload, retained=False)


@given(
    charger=st.sampled_from([ONE, QUASAR]),
    key=st.sampled_from(KEYS) | st.sampled_from(STRANGE_KEYS),
    payload=payloads,
    retained=st.sampled_from([False] * 9 + [True]),
)
@fuzz(2000)
def test_only_what_the_contract_says_reaches_the_cloud(
    parts: Parts, charger: int, key: str, payload: bytes, *, retained: bool
) -> None:
    holds(parts, charger, key, payload, retained=retained)


def holds(parts: Parts, charger: int, key: str, payload: bytes, *, retained: bool) -> None:
    parts.cloud.forget_requests()
    parts.answers.clear()
    wanted = None if retained else expected(charger, key, payload)
    parts.send(f"{charger}/{key}", payload, retained=retained)
    parts.clock.advance(PAUSE_S + 1)
    parts.settle()
    sent = [(one.method, one.path, one.body) for one in parts.sent_writes]
    statuses = [answer["status"] for _, answer, _ in parts.answers]
    assert sent in ([], [wanted]), f"sent {sent}, the contract says {wanted}"
    if key:
        assert len(statuses) == 1
    if wanted is None:
        assert not sent
        assert set(statuses) <= {"rejected"}
    elif not sent:
        # what is so already needs no request
        assert statuses == ["ok"]
        assert "action" not in wanted[2] or key == "charging_enabled"


@given(
    topic=st.lists(
        st.sampled_from(
            ["101", "102", "bridge", "locked", "set", "refresh", "", "0101", "-1", "9" * 30, "\u0661", "$SYS"]
        )
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="+#\0"), max_size=5),
        max_size=5,
    ).map("/".join),
    payload=st.sampled_from([b"1", b"unlock", b"reboot"]),
)
@fuzz(500)
def test_other_topics_never_reach_the_cloud(parts: Parts, topic: str, payload: bytes) -> None:
    parts.cloud.forget_requests()
    parts.published.clear()
    parts.answers.clear()
    parts.send(topic, payload)
    parts.clock.advance(PAUSE_S + 1)
    parts.settle()
    ours = [charger for charger in (ONE, QUASAR) if topic.startswith(f"{charger}/")]
    if parts.sent_writes:
        assert len(ours) == 1
        assert expected(ours[0], topic.partition("/")[2], payload) is not None
    for name in [*(name for name, _ in parts.published), *(name for name, _, _ in parts.answers)]:
        assert name.startswith(("w/bridge/", "w/101/", "w/102/")), name
        assert not {"+", "#", "\0"} & set(name), name
