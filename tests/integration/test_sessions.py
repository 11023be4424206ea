"""``wallbox2mqtt sessions``: what the bridge has read, or the cloud tells, in each form."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.fakes import A_DAY, FastClock
from wallbox2mqtt.cli.sessions import Period, Sessions, span_of
from wallbox2mqtt.cli.sessions_formats import COLUMNS, FORMATS, Line, as_evcc
from wallbox2mqtt.config import Config, Secret, WallboxConfig
from wallbox2mqtt.errors import UsageError
from wallbox2mqtt.history.archive import Archive
from wallbox2mqtt.history.entries import Entry
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Settings, Simulator
from wallbox2mqtt.storage import Storage

ONE = 900001
SPEED = 400.0
ENERGY = {"energy": 12_345_000, "green_energy": 2_345_000}
ENTRIES = (
    Entry("1", A_DAY, A_DAY + 7200, ENERGY, 2.5, "EUR", 7, "=1+1", 3600.0, 12_340_000, 1.75),
    Entry("2", A_DAY + 86_400, A_DAY + 90_000, {"energy": 0}),
)
LINES = [Line(ONE, entry, UTC) for entry in ENTRIES]


@pytest.fixture
def cloud() -> Iterator[Simulator]:
    chargers = [ChargerSpec(id=ONE, past_days=60), ChargerSpec(id=ONE + 1, past_days=60)]
    with Simulator(chargers=chargers, clock=FastClock(SPEED), settings=Settings(sessions_per_page=7)) as cloud:
        yield cloud


def sessions(cloud: Simulator, directory: Path, said: list[str]) -> Sessions:
    wallbox = WallboxConfig(
        email=EMAIL,
        password=Secret(PASSWORD),
        api_url=cloud.url,
        user_api_url=cloud.url,
        reads_per_minute=3,
        timeout=60 * SPEED,
    )
    return Sessions(Config(wallbox=wallbox), directory, FastClock(SPEED), said.append)


def asked(cloud: Simulator) -> int:
    return sum(one.path.startswith("v4/sessions") for one in cloud.requests)


def test_they_are_read_in_pages_within_the_budget(cloud: Simulator, tmp_path: Path) -> None:
    said: list[str] = []
    end = FastClock(SPEED).wall()
    lines = sessions(cloud, tmp_path, said).of(Period(0, end), ())
    known = [one for number in cloud.chargers for one in cloud.charger(number).history()]
    assert len(lines) == len(known) > 7
    assert (
        sum(line.entry.energy["energy"] for line in lines) == sum(round(one.energy_kwh * 1000) for one in known) * 1000
    )
    assert not [one for one in cloud.requests if one.limited]
    assert [line.entry.start for line in lines] == sorted(line.entry.start for line in lines)
    assert any("charger 2 of 2" in text for text in said)


def test_what_the_bridge_has_read_is_not_asked_again(cloud: Simulator, tmp_path: Path) -> None:
    said: list[str] = []
    asking = sessions(cloud, tmp_path, said)
    archive = Archive(Storage(tmp_path, asking._config.account))  # noqa: SLF001 - the same account
    now = FastClock(SPEED).wall()
    archive.add(ONE, 0, [ENTRIES[0]], now - 3600)
    archive.add(ONE, now - 3600, [ENTRIES[1]], now)
    lines = asking.of(Period(A_DAY - 1, A_DAY + 100_000), (ONE,))
    assert [line.entry for line in lines] == list(ENTRIES)
    assert asked(cloud) == 0
    assert re.fullmatch(r"as the bridge has read it until \d{4}-\d\d-\d\d \d\d:\d\d", said[0])


def test_what_the_bridge_read_long_ago_is_not_enough(cloud: Simulator, tmp_path: Path) -> None:
    asking = sessions(cloud, tmp_path, [])
    now = FastClock(SPEED).wall()
    Archive(Storage(tmp_path, asking._config.account)).add(ONE, 0, ENTRIES, now - 10 * 86_400)  # noqa: SLF001
    asking.of(Period(0, now), (ONE,))
    assert asked(cloud) > 0


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](LINES))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0] == {
        "charger": str(ONE),
        "start": datetime.fromtimestamp(A_DAY, UTC).isoformat(),
        "end": datetime.fromtimestamp(A_DAY + 7200, UTC).isoformat(),
        "energy_kwh": "12.345",
        "green_kwh": "2.345",
        "grid_kwh": "10.0",
        "discharged_kwh": "",
        "metered_kwh": "12.34",
        "charging_s": "3600",
        "cost": "2.5",
        "currency": "EUR",
        "price_kwh": "0.2025",
        "cost_real": "1.75",
        "user": "7",
        "user_name": "'=1+1",
    }, "a name is no formula"
    assert (rows[1]["energy_kwh"], rows[1]["price_kwh"], rows[1]["cost"]) == ("0.0", "", "")


def test_the_other_forms() -> None:
    assert json.loads(FORMATS["json"](LINES))[0]["user_name"] == "=1+1"
    table = FORMATS["table"](LINES).splitlines()
    assert table[-1] == "2 sessions, 12.345 kWh, 2.50 EUR, 0.00, real 1.75 of 1 sessions"
    assert FORMATS["table"]([]).splitlines()[-1] == "0 sessions, 0.000 kWh, no cost"
    evcc = list(csv.DictReader(io.StringIO(as_evcc(LINES))))
    assert (evcc[0]["Charged Energy (kWh)"], evcc[0]["Solar (%)"], evcc[0]["Charge Duration"]) == (
        "12.345",
        "19.0",
        "1:00:00",
    )


@pytest.mark.parametrize("lines", [[], LINES], ids=["none", "two"])
def test_the_page_is_whole(lines: list[Line]) -> None:
    page = FORMATS["html"](lines).removeprefix("<!doctype html>").replace('<meta charset="utf-8">', "")
    tree = ET.fromstring(page.strip())  # noqa: S314 - our own
    assert len(tree.findall(".//rect")) == len(lines)
    assert len(tree.findall("./table/tbody/tr")) == len(lines)


@pytest.mark.parametrize(
    ("first", "last", "month", "start", "end"),
    [
        ("2026-03-29", "2026-03-29", None, "2026-03-29", "2026-03-30"),
        (None, None, "2026-12", "2026-12-01", "2027-01-01"),
        (None, None, None, "2026-10-01", "2026-11-01"),
        ("2026-10-02", None, None, "2026-10-02", "2026-10-06T12:00:00"),
    ],
    ids=["a day", "a month", "this month", "until now"],
)
def test_spans(first: str | None, last: str | None, month: str | None, start: str, end: str) -> None:
    local = datetime.fromisoformat("2026-10-05T12:00:00").timestamp()
    span = span_of(first, last, month, local)
    assert span == Period(datetime.fromisoformat(start).timestamp(), datetime.fromisoformat(end).timestamp())


@pytest.mark.parametrize(
    ("first", "last", "month"),
    [("2026-13-01", None, None), (None, None, "October"), ("2026-10-01", None, "2026-10")],
    ids=["no day", "no month", "both"],
)
def test_what_is_no_span(first: str | None, last: str | None, month: str | None) -> None:
    with pytest.raises(UsageError):
        span_of(first, last, month, A_DAY)
