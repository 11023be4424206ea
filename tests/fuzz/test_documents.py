"""Any JSON in place of any part of any document: nothing crashes, what is retained stays well formed, and one good
document of each kind makes the state true again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock
from tests.fuzz.profile import fuzz, time_limit
from tests.hostile import json_values
from tests.parts import Parts
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.simulator import ChargerSpec, Settings, Simulator

pytestmark = [time_limit, pytest.mark.slow]

ONE, TWO = 101, 102
SPECS = [ChargerSpec(id=ONE, model="pulsar-plus-2026"), ChargerSpec(id=TWO, model="old")]


def paths_of(node: Json, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, the whole of it included."""
    yield here
    items: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in items:
        yield from paths_of(inner, (*here, key))


def put(node: Any, path: tuple[str | int, ...], value: Json) -> Any:  # noqa: ANN401 - any JSON
    if not path:
        return value
    copy: Any = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = put(copy[path[0]], path[1:], value)
    return copy


class Recorded:
    """Answers of a cloud by document, each as a test wants it; all else is the simulator's."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        charger = simulator.charger(ONE)
        self.good: dict[str, Json] = {
            "detail": json.loads(json.dumps(charger.detail())),
            "basic": {"data": {"chargerData": json.loads(json.dumps(charger.basic())), "users": []}},
            "list": {
                "result": {
                    "groups": [
                        {"id": 1, "chargers": [json.loads(json.dumps(charger.listed())), {"id": TWO}]},
                        {"id": 2},
                    ]
                }
            },
        }


@pytest.fixture
def parts(clock: FakeClock, tmp_path: Path) -> Iterator[Parts]:
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    with Simulator(chargers=SPECS, clock=clock, settings=settings) as cloud:
        parts = Parts(cloud, clock, tmp_path, reads_per_minute=6000, poll_interval=1e6)
        parts.run(10)
        yield parts


def read(parts: Parts, kind: str, document: Json) -> bool:
    """Let the reader's own code read this document, as if it had come; return whether it was one."""
    from wallbox2mqtt.bridge.target import Document, Target  # noqa: PLC0415
    from wallbox2mqtt.cloud import CloudResponse  # noqa: PLC0415
    from wallbox2mqtt.errors import BadAnswerError  # noqa: PLC0415

    parts.clock.advance(1.0)
    target = Target({"detail": Document.DETAIL, "basic": Document.BASIC, "list": Document.LIST}[kind], ONE)
    answer = CloudResponse(document, 200, parts.clock.monotonic(), parts.clock.wall())
    try:
        parts.reader.readings.take(target, answer, parts.pace.interval_s)
    except BadAnswerError:
        return False
    return True


def well_formed(published: list[tuple[str, str]]) -> None:
    for topic, payload in published:
        levels = topic.split("/")
        assert levels[0] == "w"
        assert levels[1] in {"bridge", "101", "102"} or levels[1].isdecimal(), topic
        assert not {"+", "#", "\0"} & set(topic), topic
        assert len(topic.encode()) < 65536
        assert all(level and not level.startswith("$") for level in levels), topic
        assert levels[-1] not in {"set", "result"}, topic
        assert payload, "an empty retained payload deletes the topic"
        payload.encode()


SAMPLE = Recorded(Simulator(chargers=SPECS)).good
PLACES = [(kind, path) for kind, document in SAMPLE.items() for path in paths_of(document)]


@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), json_values), min_size=1, max_size=4))
@fuzz(250)
def test_any_json_in_any_place(parts: Parts, changes: list[tuple[tuple[str, tuple[str | int, ...]], Json]]) -> None:
    parts.published.clear()
    for (kind, path), value in changes:
        document: Json = json.loads(json.dumps(put(SAMPLE[kind], path, value)))
        read(parts, kind, document)
    well_formed(parts.published)
    for key in ("locked", "max_charging_current", "icp_max_current", "config", "eco_smart"):
        # limits and bodies come from what was read, whatever it was
        parts.send(f"{ONE}/{key}", "1" if key != "config" else '{"home_sharing": 1}')
    # the list first: until it is read again, what it has changed counts against a detail that only repeats itself
    assert read(parts, "list", SAMPLE["list"])
    assert read(parts, "detail", SAMPLE["detail"])
    shown = parts.states.view(ONE)
    detail = SAMPLE["detail"]
    assert isinstance(detail, dict)
    for key in ("status_id", "charging_power", "added_energy", "name", "cost"):
        assert shown[key] == detail[key], key
    parts.queue.drain()


@given(
    kind=st.sampled_from(["detail", "basic", "list"]),
    extra=st.dictionaries(st.text(max_size=12), json_values, max_size=5),
    inside=st.booleans(),
)
@fuzz(150)
def test_any_key_that_nobody_knows(parts: Parts, kind: str, extra: dict[str, Json], *, inside: bool) -> None:
    parts.published.clear()
    path: tuple[str | int, ...] = ()
    if inside:
        path = {"detail": ("config_data",), "basic": ("data", "chargerData"), "list": ("result", "groups", 0)}[kind]
    node: Any = SAMPLE[kind]
    for step in path:
        node = node[step]
    read(parts, kind, json.loads(json.dumps(put(SAMPLE[kind], path, {**extra, **node}))))
    well_formed(parts.published)
    assert not [topic for topic, _ in parts.published if topic.endswith(("/availability", "/event"))] or all(
        text in {"online", "offline"} for topic, text in parts.published if topic.endswith("/availability")
    )


FRAGMENTS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1",
    "{",
    "}",
    "[",
    "]",
    '"a":',
    ",",
    '"\\ud800"',
    "null",
]


@given(
    raw=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(lambda text: text.encode(errors="replace")),
        st.lists(st.sampled_from(FRAGMENTS), max_size=6).map(lambda parts: "".join(parts).encode()),
        st.sampled_from(FRAGMENTS).map(lambda part: f'{{"a":[{part}]}}'.encode()),
    )
)
@fuzz(200)
def test_any_bytes_instead_of_a_document(raw: bytes) -> None:
    from wallbox2mqtt.cloud.responses import decoded  # noqa: PLC0415
    from wallbox2mqtt.errors import BadAnswerError  # noqa: PLC0415

    try:
        document = decoded(raw)
    except BadAnswerError:
        return
    assert json.loads(json.dumps(document, allow_nan=False)) == document
