"""What others may say to the bridge is limited: ids, response topics, floods, and documents of a cloud gone mad."""

import gc
import itertools
import json
import queue
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from tests.fakes import FakeClock, FixedTokens
from tests.parts import Parts
from tests.stub_cloud import StubCloud
from wallbox2mqtt.bridge.kept_keys import MAX_FIELDS
from wallbox2mqtt.bridge.state import ChargerStates
from wallbox2mqtt.catalogue import FIELDS, Json
from wallbox2mqtt.catalogue.quantities import LARGEST_ID, is_charger_id
from wallbox2mqtt.catalogue.templates import POST_CONFIG, PUT_CHARGER, PUT_ECO_SMART, REMOTE_ACTION
from wallbox2mqtt.cloud import Account, CloudClient
from wallbox2mqtt.cloud.documents import MAX_CHARGERS, Origin, Reading, read_basic, read_detail, read_sweep
from wallbox2mqtt.config import Secret, WallboxConfig
from wallbox2mqtt.errors import BadAnswerError
from wallbox2mqtt.mqtt import Connected, Message, Reply
from wallbox2mqtt.mqtt.inbox import MOST_BYTES, MOST_MESSAGES, Inbox
from wallbox2mqtt.simulator import Settings, Simulator
from wallbox2mqtt.storage import Storage
from wallbox2mqtt.topics import LONGEST_REPLY, Topics

NO_IDS: list[Any] = [
    0, -1, True, None, 1.0, "1", "1/../../users/me", b"1", [1], LARGEST_ID + 1, 10**4000, "\u0661", "1\r\nX: y",
]  # fmt: skip
LARGEST = 512 * 1024
"""Of the documents here: a quarter of what the cloud may send, as what they cost grows with their size."""


ASK: dict[str, Callable[[CloudClient, Any], object]] = {
    "detail": lambda cloud, one: cloud.detail(one),
    "basic": lambda cloud, one: cloud.basic(one),
    **{
        request.path: lambda cloud, one, request=request: cloud.write(request, one, {})  # type: ignore[misc]
        for request in (PUT_CHARGER, POST_CONFIG, REMOTE_ACTION, PUT_ECO_SMART)
    },
}


@pytest.mark.parametrize("no_id", NO_IDS, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
def test_nothing_but_an_id_enters_a_path(
    tmp_path: Path, ask: Callable[[CloudClient, Any], object], no_id: object
) -> None:
    clock, secret, store = FakeClock(), Secret("p"), Storage(tmp_path, "a")
    with StubCloud() as server:
        config = WallboxConfig(email="a@example.org", password=secret, api_url=server.url, user_api_url=server.url)
        cloud = Account(config, clock, store, FixedTokens()).client()
        with pytest.raises(ValueError, match="not the id of a charger"):
            ask(cloud, no_id)
        assert server.seen == []
        ask(cloud, LARGEST_ID)
        assert str(LARGEST_ID) in server.seen[0].path


@pytest.mark.parametrize("no_id", [*NO_IDS[:4], 1.0, "1", [1], LARGEST_ID + 1], ids=lambda value: repr(value)[:20])
def test_a_charger_of_the_list_has_an_id(no_id: Json) -> None:
    document: Json = {"result": {"groups": [{"chargers": [{"id": no_id}, {"id": 7}]}]}}
    assert [listed.charger_id for listed in read_sweep(document)] == [7]


def test_ids_that_were_kept_are_checked_too(tmp_path: Path) -> None:
    with Simulator() as cloud:
        parts = Parts(cloud, FakeClock(), tmp_path)
        parts.registry._storage.write("chargers", {"ids": [True, -1, "7/../x", 10**30, 7]})  # noqa: SLF001 - as a thief would
        assert Parts(cloud, FakeClock(), tmp_path).registry.chargers == [7]


@given(st.text(max_size=30) | st.from_regex(r"\A[0-9]{1,25}\Z"))
def test_the_level_of_a_topic_is_an_id_or_none(level: str) -> None:
    command = Topics("w").parse_command(f"w/{level}/locked/set")
    charger = None if command is None else command.charger_id
    assert charger is None or (is_charger_id(charger) and str(charger) == level)


# --- where answers go

REPLIES = {
    "answers/here": True,
    "w": True,
    "w/replies/abc": True,
    "other/7/locked/set": True,
    "x/$SYS": True,
    "": False,
    "a/+/b": False,
    "a/#": False,
    "$SYS/broker": False,
    "$share/g/t": False,
    "w/7/locked/set": False,
    "w/7/locked": False,
    "w/7/locked/result": False,
    "w/bridge/state": False,
    "w/bridge/refresh/set": False,
    "w/anything/locked/set": False,
    "w/set": False,
    "homeassistant/device/x/config": False,
    "homeassistant/status": False,
    "homeassistants/x": True,
    "line\nbreak": False,
    "bell\x07": False,
    "nul\0": False,
    "x" * LONGEST_REPLY: True,
    "x" * (LONGEST_REPLY + 1): False,
    "é" * LONGEST_REPLY: False,
}


@pytest.mark.parametrize(("topic", "may"), REPLIES.items(), ids=lambda value: repr(value)[:30])
def test_response_topics(topic: str, *, may: bool) -> None:
    assert Topics("w").may_reply_to(topic) is may


LEVELS = st.sampled_from(["w", "7", "bridge", "state", "locked", "set", "result", "x", ""])


@given(
    st.text(max_size=40) | st.lists(LEVELS, max_size=8).map("/".join) | st.lists(LEVELS).map("/".join).map("w/".__add__)
)
def test_the_bridge_is_never_made_to_command_itself(topic: str) -> None:
    """Judged as a broker does it, by the filters that the bridge subscribes to, and by what it publishes."""
    topics = Topics("w")
    if topics.may_reply_to(topic):
        assert not [wanted for wanted in topics.command_filters() if topic_matches_sub(wanted, topic)]
        assert not topic_matches_sub("w/7/#", topic)
        assert not topic_matches_sub("w/bridge/#", topic)


ONE = 900001


@pytest.mark.parametrize(
    ("reply", "answered"),
    [
        (Reply("me/answers", None), True),
        (Reply("me/answers", b"c" * LONGEST_REPLY), True),
        (Reply("me/answers", b"c" * (LONGEST_REPLY + 1)), False),
        (Reply(f"w/{ONE}/locked/set", None), False),
        (Reply("w/bridge/state", b"c"), False),
    ],
    ids=["plain", "correlation", "much correlation", "itself", "of the bridge"],
)
def test_the_command_counts_wherever_the_answer_must_not_go(
    tmp_path: Path, reply: Reply, caplog: pytest.LogCaptureFixture, *, answered: bool
) -> None:
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    with Simulator(settings=settings) as cloud:
        parts = Parts(cloud, FakeClock(), tmp_path, reads_per_minute=100)
        parts.run(10)
        wished = 0 if parts.last(f"{ONE}/locked") == "1" else 1
        parts.send(f"{ONE}/locked", str(wished), reply=reply)
        parts.run(10)
    assert parts.results_of("locked") == [("ok", wished, None)]
    given_to = [(topic, correlation) for topic, _, correlation in parts.answers if topic != f"w/{ONE}/locked/result"]
    assert given_to == ([(reply.topic, reply.correlation)] if answered else [])
    assert ("no answer goes to this response topic" in caplog.text) is not answered


# --- floods


def message(topic: str = "w/7/locked/set", payload: bytes = b"1", reply: Reply | None = None) -> Message:
    return Message(topic, payload, retained=False, arrived=0.0, reply=reply)


def taken(inbox: Inbox[Any]) -> list[Any]:
    found = []
    try:
        while True:
            found.append(inbox.get())
    except queue.Empty:
        return found


def test_messages_are_bounded_in_number_and_order_is_kept() -> None:
    inbox: Inbox[Any] = Inbox()
    sent = [message(payload=str(number).encode()) for number in range(MOST_MESSAGES + 5)]
    for one in sent:
        inbox.put(one)
    inbox.put(Connected())
    assert inbox.dropped() == 5
    assert inbox.dropped() == 0
    assert taken(inbox) == [*sent[:MOST_MESSAGES], Connected()]
    inbox.put(sent[0])
    assert taken(inbox) == [sent[0]]


@pytest.mark.parametrize(
    "large",
    [message(topic="w" * 60_000), message(reply=Reply("t" * 60_000, None)), message(reply=Reply("t", b"c" * 60_000))],
    ids=["topics", "response topics", "correlation data"],
)
def test_messages_are_bounded_in_bytes(large: Message) -> None:
    inbox: Inbox[Any] = Inbox()
    for _ in range(1000):
        inbox.put(large)
    kept = len(taken(inbox))
    assert (kept + 1) * 60_000 > MOST_BYTES * 0.9
    assert kept * 60_000 <= MOST_BYTES
    assert inbox.dropped() == 1000 - kept
    inbox.put(large)
    assert taken(inbox) == [large]


def test_what_the_program_says_itself_is_never_dropped() -> None:
    inbox: Inbox[Any] = Inbox()
    for _ in range(MOST_MESSAGES + 10):
        inbox.put(message())
        inbox.put(Connected())
    assert taken(inbox).count(Connected()) == MOST_MESSAGES + 10


def test_an_empty_inbox_waits_no_longer_than_asked() -> None:
    begun = time.monotonic()
    with pytest.raises(queue.Empty):
        Inbox[Any]().get(timeout=0.05)
    assert time.monotonic() - begun < 5


# --- documents of a cloud gone mad


def filled(part: str, before: str = '{"status_id":161,', after: str = "}") -> Json:
    """As many parts as fit into a large answer; ``%d`` in a part is its number."""
    numbered = (part % number if "%d" in part else part for number in itertools.count())
    parts, size = [], len(before) + len(after)
    for one in numbered:
        size += len(one) + 1
        if size > LARGEST:
            break
        parts.append(one)
    document: Json = json.loads(before + ",".join(parts) + after)
    return document


DETAILS: dict[str, Callable[[], Json]] = {
    "keys": lambda: filled('"k%d":0'),
    "keys in config_data": lambda: filled('"k%d":0', '{"status_id":161,"config_data":{', "}}"),
    "long keys": lambda: filled('"%d' + "x" * 60_000 + '":0'),
    "one long key": lambda: {"status_id": 161, "x" * (LARGEST - 100): 0},
    "long text": lambda: {"status_id": 161, "name": "x" * (LARGEST - 100)},
    "control characters": lambda: filled('"\\u0000\\n\\u001b[2J%d":"\\u0000\\r\\n\\ud800"'),
    "objects": lambda: filled('"k%d":{"a":{"b":{"c":0}}}'),
    "a list": lambda: filled("[]", '{"status_id":161,"tariffs":[', "]}"),
    "a list of objects": lambda: filled('{"a":1}', '{"status_id":161,"list":[', "]}"),
    "levels": lambda: json.loads('{"status_id":161,"a":' + '{"a":' * 400 + "0" + "}" * 401),
    "digits": lambda: {"status_id": 161, **{f"n{number}": 10**4000 for number in range(100)}},
    "rows of the wrong kind": lambda: {"status_id": 161, **{key: ["x"] for key in FIELDS if "/" not in key}},
}


# what a document may cost: 32 times its size for a moment, 2 MiB for good, and a time that no slow machine needs
# for what grows with the size (a tenth of a second here) but that what grows with its square exceeds by far
KEPT, PEAK, CPU_S = 4 * LARGEST, 32 * LARGEST, 15.0


@contextmanager
def affordable() -> Iterator[None]:
    """Nothing in it takes too much processor time (of this process: others may be busy), nor too much memory."""
    gc.collect()
    tracemalloc.start()
    begun = time.process_time()
    try:
        yield
        assert time.process_time() - begun < CPU_S
        gc.collect()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < KEPT
    assert peak < PEAK


@pytest.mark.slow
@pytest.mark.parametrize("make", DETAILS.values(), ids=DETAILS)
def test_time_and_memory_for_a_detail_are_bounded(make: Callable[[], Json]) -> None:
    document = make()
    published: list[int] = []
    states = ChargerStates(Topics("w"), lambda topic, text: published.append(len(topic) + len(text)), 45.0)
    with affordable():
        states.take_reading(7, read_detail(document), 1.0, None)
    assert len(states.view(7)) <= MAX_FIELDS + len(FIELDS)
    assert sum(published) < 3 * LARGEST


CHANGING: dict[str, Callable[[int], dict[str, Json]]] = {
    "keys": lambda number: {f"key{number}x{index}": number for index in range(5_000)},
    "long keys": lambda number: {f"{number}x{index}" + "x" * 60_000: 0 for index in range(8)},
    "one long key": lambda number: {f"{number}" + "x" * (LARGEST - 100): 0},
    "long texts": lambda number: {f"key{number}": "x" * (LARGEST - 100)},
}


@pytest.mark.slow
@pytest.mark.parametrize("make", CHANGING.values(), ids=CHANGING)
def test_what_changes_each_time_does_not_pile_up(make: Callable[[int], dict[str, Json]]) -> None:
    states = ChargerStates(Topics("w"), lambda *_: None, 45.0)

    def read(times: int) -> None:
        for number in range(times):
            states.take_reading(7, read_detail({"status_id": 161, **make(number)}), float(number), None)

    read(2)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        read(15)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(states.view(7)) <= MAX_FIELDS + len(FIELDS)
    assert after - before < 4 * LARGEST


LISTS: dict[str, Callable[[], Json]] = {
    "chargers": lambda: filled('{"id":1%d}', '{"result":{"groups":[{"chargers":[', "]}]}}"),
    "one charger": lambda: filled('{"id":7}', '{"result":{"groups":[{"chargers":[', "]}]}}"),
    "groups": lambda: filled("{}", '{"result":{"groups":[', "]}}"),
    "groups of one": lambda: filled('{"chargers":[{"id":1%d}]}', '{"result":{"groups":[', "]}}"),
    "nothing": lambda: filled("0", '{"result":{"groups":[{"chargers":[', "]}]}}"),
}


@pytest.mark.parametrize("make", LISTS.values(), ids=LISTS)
def test_time_and_memory_for_a_list_are_bounded(make: Callable[[], Json]) -> None:
    document = make()
    with affordable():
        listing = read_sweep(document)
        assert len(listing) <= MAX_CHARGERS


def test_a_basic_document_of_many_keys() -> None:
    states = ChargerStates(Topics("w"), lambda *_: None, 45.0)
    document = filled('"k%d":0', '{"data":{"chargerData":{', "}}}")
    states.take_reading(7, read_basic(document), 1.0, None)
    assert len(states.view(7)) <= MAX_FIELDS + len(FIELDS)


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12) | st.integers(), max_size=8))
def test_document_keys_never_become_bridge_topics(document: dict[str, Json]) -> None:
    topics = Topics("w")
    published: list[str] = []
    states = ChargerStates(topics, lambda topic, _: published.append(topic), 45.0)
    try:
        reading = read_detail({"status_id": 161, **document})
    except BadAnswerError:
        reading = Reading({}, origin=Origin.DETAIL)
    states.take_reading(7, reading, 1.0, None)
    for topic in published:
        assert topic.startswith("w/7/")
        assert topics.parse_command(topic) is None
        assert not {"+", "#", "\0", "\n"} & set(topic)
        assert not topic.endswith("/result")
