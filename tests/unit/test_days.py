"""The days and the last sessions of a charger, of what is kept of the cloud's history."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.fakes import A_DAY
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.history.archive import Archive, Kept
from wallbox2mqtt.history.days import DAYS, SESSIONS, Day, PastDays, RecentPast, recent_past
from wallbox2mqtt.history.entries import Entry
from wallbox2mqtt.storage import Storage

ONE = 101
A_DAY_S = 86_400.0
FAR_EAST = timezone(timedelta(hours=13))


def entry(days_ago: float, kwh: float = 1.0, cost: float | None = 0.5) -> Entry:
    start = A_DAY - days_ago * A_DAY_S
    name = "Somebody"
    return Entry(str(days_ago), start, start + 60, {"energy": round(kwh * 1e6)}, cost, "EUR", 7, name)


class TestDays:
    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            pytest.param([], (), id="none"),
            pytest.param([entry(0), entry(0.1, 2.5)], (Day("2026-10-05", 3.5, 1.0),), id="two-of-a-day"),
            pytest.param([entry(0, cost=None)], (Day("2026-10-05", 1.0, None),), id="no-cost"),
            pytest.param([replace(entry(0), cost_real=0.75)], (Day("2026-10-05", 1.0, 0.75),), id="real-cost"),
            pytest.param(
                [entry(0), entry(2)], (Day("2026-10-03", 1.0, 0.5), Day("2026-10-05", 1.0, 0.5)), id="oldest-first"
            ),
            pytest.param([entry(DAYS)], (), id="too-old"),
            pytest.param([entry(DAYS - 1)], (Day("2026-09-05", 1.0, 0.5),), id="just-not-too-old"),
        ],
    )
    def test_of(self, entries: list[Entry], expected: tuple[Day, ...]) -> None:
        assert recent_past(entries, A_DAY, UTC).days == expected

    @pytest.mark.parametrize("start", [1e18, -1e12, 1e300, A_DAY + 3 * A_DAY_S])
    def test_what_is_no_date_is_left_out(self, start: float) -> None:
        wrong = replace(entry(0), start=start)
        assert recent_past([wrong, entry(0)], A_DAY, UTC) == recent_past([entry(0)], A_DAY, UTC)

    def test_a_day_is_one_of_the_charger(self) -> None:
        assert recent_past([entry(0)], A_DAY, FAR_EAST).days == (Day("2026-10-06", 1.0, 0.5),)

    def test_last_sessions(self) -> None:
        sessions = recent_past([entry(days) for days in range(40)], A_DAY, UTC).sessions
        assert len(sessions) == SESSIONS
        assert sessions[-1].start == A_DAY
        assert "Somebody" not in repr(sessions)


@pytest.mark.parametrize(
    "broken", [3, {}, {"id": "2", "start": 1, "end": 2}, {"id": "2", "start": "x", "end": 2, "energy": {}}]
)
def test_what_is_no_session_is_left_out(tmp_path: Path, broken: Json) -> None:
    storage = Storage(tmp_path, "account")
    kept: list[Json] = [asdict(entry(0)), broken]
    storage.write("history", {"chargers": {str(ONE): {"start": 0, "read": 1, "entries": kept}, "7": broken}})
    assert Archive(storage).chargers() == {ONE: Kept(0, 1, (entry(0),))}


def test_read_again_when_it_has_changed(tmp_path: Path) -> None:
    storage = Storage(tmp_path, "account")
    zones: list[int] = []

    def zone_of(charger_id: int) -> timezone:
        zones.append(charger_id)
        return UTC

    past = PastDays(storage, zone_of, lambda: A_DAY)
    assert past.of(ONE) == RecentPast()
    Archive(storage).add(ONE, A_DAY - A_DAY_S, [entry(0)], A_DAY)
    assert past.of(ONE).days == (Day(datetime.fromtimestamp(A_DAY, UTC).date().isoformat(), 1.0, 0.5),)
    assert past.of(ONE + 1) == RecentPast()
    assert zones == [ONE]
