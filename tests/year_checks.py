"""What is wrong with what a bridge has told of a year that was played."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from tests.year import END, Year, seconds, within
from tests.year_bridge import CONFIG, ONE, PlayedYear
from wallbox2mqtt.cli.sessions import Period, Sessions
from wallbox2mqtt.cli.sessions_formats import FORMATS

_NEXT_BEGAN = "the next session began"
_SLACK_S = 120
"""The cloud may show the last session for so long."""
SUMS = {"energy_total": "in", "energy_green_total": "sun", "energy_discharged_total": "out"}
Event = dict[str, Any]


def problems_of(played: PlayedYear) -> list[str]:
    """Sums to the Wh, months, events one by one, and the file line by line."""
    return [*_of_sums(played), *_of_months(played), *_of_events(played), *_of_file(played)]


def _of_sums(played: PlayedYear) -> Iterator[str]:
    for key, what in SUMS.items():
        yield from of_course(key, played.sums[key], partial(played.year.total, what=what))
        shown, true = round(float(played.heard[key]) * 1000), played.year.total(END, what)
        if shown != true:
            yield f"{key}: {shown} Wh, of {true}"


def of_course(key: str, shown: list[tuple[int, float]], true: Callable[[int], int]) -> Iterator[str]:
    """A counter for life neither falls nor has more than has flowed, not even for a while."""
    sums = [kwh for _, kwh in shown]
    if sums != sorted(sums):
        yield f"{key} falls"
    high = ((at, round(kwh * 1000) - true(at)) for at, kwh in shown)
    if first := next((f"{key} has {wh} Wh more than has flowed at {at}" for at, wh in high if wh > 0), None):
        yield first


def _of_months(played: PlayedYear) -> Iterator[str]:
    for (year, month), (kwh, count) in played.months.items():
        true_kwh, true_count = played.year.month(year, month, END)
        if (round(kwh * 1000), count) != (round(true_kwh * 1000), true_count):
            yield f"{year}-{month}: {kwh} kWh in {count} sessions, of {true_kwh} in {true_count}"


def _of_events(played: PlayedYear) -> Iterator[str]:
    for word in ("started", "finished"):
        found, strangers = by_stay(played.year, played.events, word)
        yield from (f"{word}: invented or twice: {event}" for event in strangers)
        yield from (f"{word}: never told: {stay}" for stay in played.year.stays if stay.number not in found)
        if word == "finished":
            yield from (text for number, event in found.items() if (text := _of_end(played, number, event)))
    live = [one for one in played.events if not one["from_history"]]
    for before, event in pairwise(live):
        if event["event_type"] == before["event_type"] and event["event_type"] != "error":
            yield f"{event['event_type']} twice in a row: {before['at']} {event['at']}"
    yield from (text for event in live if (text := _of_state(played, event)))


def by_stay(year: Year, told: list[Event], word: str) -> tuple[dict[int, Event], list[Event]]:
    """The events of a type by the sessions that they are of, and those that are of none."""
    found: dict[int, Event] = {}
    left: list[Event] = []
    events = [one for one in told if one["event_type"] == word]
    for event in events:
        at = seconds(event["start"])
        fits = (one for one in year.stays if one.plug - _SLACK_S <= at <= one.unplug)
        own = next((one for one in fits if one.number not in found), None)
        if own is None:
            left.append(event)
        else:
            found[own.number] = event
    strangers = []
    for event in left:
        # nobody saw it begin: it was since the last look
        first, last = seconds(event["start"]), seconds(event["end"] or event["at"])
        fits = (one for one in reversed(year.stays) if first <= one.plug <= last)
        own = next((one for one in fits if one.number not in found), None)
        if own is None:
            strangers.append(event)
        else:
            found[own.number] = event
    return found, strangers


def _of_end(played: PlayedYear, number: int, event: Event) -> str:
    """A session that ended before its counter's next reading, and whose next one began, may look like one."""
    stay, next_plug = played.year.stays[number - 1], min((one.plug for one in played.year.stays[number:]), default=END)
    silences = played.year.silences
    if not any(stay.unplug <= read < next_plug and not within(read, silences) for read in played.reads):
        return ""
    wh, true = round(event["energy"] * 1000), stay.wh(stay.unplug)
    # of a session that nobody saw begin the counter may look like the last one's that went on
    was_seen = seconds(event["start"]) >= stay.plug - _SLACK_S
    whole = event["from_history"] or (was_seen and not stay.resets and event["reason"] != _NEXT_BEGAN)
    return f"finished with {wh} Wh of {true}: {event} {stay}" if wh > true or (whole and wh != true) else ""


def _of_state(played: PlayedYear, event: Event) -> str:
    """What is told of the moment has to be so then, as the cloud shows it."""
    kind, at = event["event_type"], seconds(event["at"])
    flows = {194: True, 196: True, 181: False, 182: False}.get(int(str(played.year.document(at)["status_id"])))
    wrong = {"charging": flows is not True, "paused": flows is not False, "unplugged": flows is not None}
    return f"{kind} at {event['at']}, and it is not so" if wrong.get(kind) else ""


def _of_file(played: PlayedYear) -> Iterator[str]:
    said: list[str] = []
    lines = Sessions(CONFIG, played.directory, played.clock, said.append).of(Period(0, END), (ONE,))
    text = FORMATS["csv"](lines).splitlines()[1:]
    for number, (line, true) in enumerate(zip(text, expected := list(played.year.csv(ONE)), strict=False), 1):
        if line != true:
            yield f"line {number}: {line}, expected {true}"
    if len(text) != len(expected):
        yield f"{len(text)} lines, expected {len(expected)}"
