"""What energy really costs: prices of a topic, and sessions that are priced by them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import A_DAY, FakeClock
from tests.unit.test_ledger import CHARGING, READY, Bench, Played, reading
from wallbox2mqtt.config import TariffConfig
from wallbox2mqtt.history import Prices
from wallbox2mqtt.history.archive import Archive
from wallbox2mqtt.history.ledger import step
from wallbox2mqtt.history.prices import price_of
from wallbox2mqtt.history.records import Ledger

HOUR = 3600
KWH = 1_000_000
TARIFF = TariffConfig(topic="market/price", solar_price=0.08)


def prices(*told: tuple[float, str]) -> Prices:
    found = Prices(TARIFF, FakeClock())
    for at, text in told:
        found.take(text.encode(), at)
    return found


@pytest.mark.parametrize("text", ["0.25", " 0.25\n", "25e-2", "+.25", "0.250"])
def test_a_price_is_a_number(text: str) -> None:
    assert prices((0, text)).cost(KWH, 0, 0, 60) == 0.25


@given(st.binary(max_size=60) | st.from_regex(r"[-+0-9.eE]{1,50}").map(str.encode))
def test_whatever_comes_is_a_finite_price_or_none(payload: bytes) -> None:
    price = price_of(payload)
    assert price is None or abs(price) <= 1e9


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nan",
        b"inf",
        b"1e30",
        b"1_0",
        b"0,25",
        b"0.25 EUR",
        b'{"price": 0.25}',
        b"unavailable",
        b"\xff",
        b"9" * 20,
    ],
)
def test_an_invalid_price_keeps_the_last_one(payload: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    found = prices((0, "0.25"))
    for at in (10, 20, 30):
        found.take(payload, at)
    assert found.cost(KWH, 0, 40, 60) == 0.25
    assert caplog.text.count("a price on tariff.topic is no number, the last one is kept topic=market/price") == 1
    found.take(b"0.5", 60)
    assert "has prices again times=3" in caplog.text


@pytest.mark.parametrize(
    ("start", "end", "price"),
    [
        (100, 160, 0.2),
        (1000, 1000, 0.2),
        (HOUR, HOUR + 60, 0.4),
        (HOUR - 30, HOUR + 30, 0.3),
        (HOUR - 45, HOUR + 15, 0.25),
        (-60, 60, None),
        (-60, -30, None),
        (100, 3 * HOUR, None),
        (HOUR, 9 * HOUR, 0.4),
    ],
    ids=["within", "no time", "later", "half", "a quarter", "partly before", "before", "several, for long", "one"],
)
def test_a_step_has_the_price_of_its_time(start: float, end: float, price: float | None) -> None:
    cost = prices((0, "0.2"), (HOUR, "0.4")).cost(KWH, 0, start, end)
    assert cost == (None if price is None else pytest.approx(price))


def test_solar_energy_needs_no_grid_price() -> None:
    assert prices((0, "0.3")).cost(KWH, KWH, 0, 60) == pytest.approx(0.38)
    assert prices((0, "-0.3")).cost(KWH, 0, 0, 60) == pytest.approx(-0.3)
    assert prices().cost(0, KWH, 0, 60) == pytest.approx(0.08)


def test_a_price_outlives_only_a_short_time_without_broker() -> None:
    found = prices((0, "0.2"))
    found.disconnected(100)
    assert found.cost(KWH, 0, 800, 900) == 0.2
    assert found.cost(KWH, 0, 1000, 1060) is None
    found.connected(600)
    assert found.cost(KWH, 0, 9000, 9060) == 0.2
    found.disconnected(10_000)
    found.connected(20_000)
    assert found.cost(KWH, 0, 20_000, 20_060) is None
    found.take(b"0.2", 20_100)
    assert found.cost(KWH, 0, 20_100, 20_160) == 0.2
    assert found.cost(KWH, 0, 10_000, 20_160) is None, "it may have been another one meanwhile"


def test_a_clock_that_goes_back_makes_no_negative_time() -> None:
    found = prices((1000, "0.2"), (500, "0.4"))
    assert found.cost(KWH, 0, 1000, 1060) == pytest.approx(0.4)


def test_a_charger_out_of_touch_counts_from_the_last_report() -> None:
    """Three hours in one step, at two prices: nobody knows what of it flowed when."""
    found, ledger = prices((0, "0.2"), (2 * HOUR, "0.4")), Ledger()
    offline = [reading(60 * minute, 5, 0, 60) for minute in range(2, 180)]
    steps = [reading(0, READY, 0, 0), reading(60, CHARGING, 0, 30), *offline, reading(3 * HOUR, CHARGING, 9, 3 * HOUR)]
    for one in steps:
        ledger, _ = step(ledger, one, found.cost)
    assert ledger.session is not None
    assert ledger.session.cost_real is None
    assert ledger.total("energy") == 9 * KWH


def test_a_session_costs_what_its_steps_did(tmp_path: Path) -> None:
    """Over a restart of the bridge, and as it is kept for ``wallbox2mqtt sessions``."""
    bench, charger = Bench(tmp_path, tariff=TARIFF), Played()
    bench.read(charger)
    bench.prices.take(b"0.2", A_DAY)
    charger.act("plug", 60, 0)
    bench.read(charger)
    charger.act("go on", 600, 3000)
    bench.read(charger)
    assert bench.states.view(101)["session/cost_real"] == 0.48
    bench.start()
    bench.prices.connected(A_DAY + 665)
    bench.prices.take(b"0.4", A_DAY + charger.at)
    charger.act("go on", 600, 3000)
    bench.read(charger)
    assert bench.states.view(101)["session/cost_real"] == pytest.approx(1.36)
    charger.act("unplug", 60, 0)
    bench.read(charger)
    view = bench.states.view(101)
    assert (view["session/cost_real"], view["last_session/cost_real"]) == (None, 1.36)
    assert [event["cost_real"] for event in bench.events] == [0, 0, 1.36, 1.36]
    charger.act("go on", 200, 0)
    bench.read(charger)
    for _ in range(2):  # it stays when the entry is read again
        (entry,) = Archive(bench.storage).chargers()[101].entries
        assert entry.cost_real == pytest.approx(1.36)
        charger.act("go on", 100_000, 0)
        bench.read(charger)


def test_what_was_not_seen_whole_has_no_real_cost(tmp_path: Path) -> None:
    bench, charger = Bench(tmp_path, tariff=TARIFF), Played()
    bench.prices.take(b"0.2", A_DAY)
    bench.read(charger)
    charger.act("plug", 60, 0)
    bench.read(charger)
    charger.act("unplug", 600, 3000)
    charger.act("plug", 600, 0)
    charger.act("unplug", 600, 1000)
    bench.read(charger)
    charger.act("go on", 700, 0)
    bench.read(charger)
    assert bench.shown[-1] == 4.0
    entries = Archive(bench.storage).chargers()[101].entries
    assert [entry.cost_real for entry in entries] == [None, None]


def test_without_a_topic_nothing_is_priced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench, charger = Bench(tmp_path), Played()
    bench.read(charger)
    charger.act("plug", 60, 0)
    charger.act("go on", 600, 3000)
    bench.read(charger)
    assert bench.states.view(101)["session/cost_real"] is None
    assert "price" not in caplog.text


def test_without_a_price_it_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench, charger = Bench(tmp_path, tariff=TARIFF), Played()
    bench.read(charger)
    for _ in range(3):
        charger.act("plug", 60, 0)
        bench.read(charger)
        charger.act("unplug", 600, 3000)
        bench.read(charger)
    assert caplog.text.count("the price of energy is not known") == 1
    assert bench.states.view(101)["last_session/cost_real"] is None


@pytest.mark.parametrize("kept", [None, 3, {}, [3, None], [{"since": 0}], [{"since": "a", "until": 1, "price": 1}]])
def test_damaged_prices_are_left_out(kept: object) -> None:
    found = prices()
    found.restore(json.loads(json.dumps(kept)))
    assert found.cost(KWH, 0, 0, 1) is None
