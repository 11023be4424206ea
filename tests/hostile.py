"""Payloads that no command may accept, and JSON of every shape: what a broker or a cloud may bring."""

from hypothesis import strategies as st

from wallbox2mqtt.catalogue import Json

KELVIN = "\u212a"
"""The Kelvin sign: lower-cased it is a «k»."""

# Refused by every command that does not take any text. No word, no plain number, no JSON object that is one.
HOSTILE_TEXTS = (
    "", " ", "\n", "\t \r\n", "\0", "1\0", "\0001", "+1", "+16", "++16", "--16", "+-6", "016", "00", "01", "007",
    "-016",
    "1e1", "1E1", "16e0", "1.6e1", "2E+1", "16.", ".5", ".", "-", "+", "-.5", "1,5", "1_0", "1 6", "1\t6", "1\u00a06",
    "\u00a01", "1\u200b", "\ufeff1", "0x10", "0b1", "0o7", "10h", "16A", "16 A", "16a", "1/2", "1;0", "1\n0", "1 0",
    "10000000000",
    "99999999999999999999999999", "-99999999999999999999999999", "1" * 400, "1" * 1000, "\uff11\uff16", "\uff11",
    "\u0661\u0666",
    "\u0967", "\u00b9", "\u00bd", "\u2460", "\u4e00", "NaN", "nan", "-nan", "inf", "-inf", "Infinity", "-Infinity",
    "null", "None",
    "undefined", "yes", "no", "y", "n", "t", "f", "enabled", "TRUE!", "true false", "on off", "on,off", "o n",
    "\u041en", "tr\u00fce",
    f"loc{KELVIN}", f"unloc{KELVIN}", "lo\u0441k", "lock.", "locked", "truee", "\u0131nstall", "\u017fecond", "'on'",
    '"on"',
    '"1"', '"16"', "'1'", "[]", "[1]", "[16]", "{", "}", "{}", "{ }", "{1}", "{on}", '{"": 1}', '{"value": 1}',
    '{"action": 1}',
    '[{"energy_price": 1}]', "{null}", "\x7f", "\x1b[0m", "$(reboot)", "; rm -rf /", "../../etc", "<xml/>", "%s%n",
    "a" * 1000,
)  # fmt: skip
HOSTILE: tuple[bytes, ...] = (
    *(text.encode() for text in HOSTILE_TEXTS),
    b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"1\xff", b"\xff1", b"lock\x80", b"\xc3",
    b"\xfe\xff\x001",
    b"1\x001\x00", b"1" + b" " * 1024, b" " * 1025, b"1" * 1025, b"x" * 100_000, "\u00e9".encode("latin-1"),
    b'{"energy_price": 1\xff}',
)  # fmt: skip

scalars: st.SearchStrategy[Json] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)

strange: st.SearchStrategy[Json] = st.sampled_from(
    [10**400, -(10**400), 1e308, "\ud800", "", "None", "a" * 500, True, -1, 0.5]
)

json_values: st.SearchStrategy[Json] = st.recursive(
    scalars | strange,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
"""Any JSON, as Python's json gives it."""
