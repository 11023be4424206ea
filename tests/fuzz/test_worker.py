"""The whole worker in any order: commands, polls, faults, restarts, moves by others, time. Against a model.

The model knows: the account's budget, every command that was sent and what may become of it, and the simulated
cloud's own state, which is the truth. What the rules do to the cloud they do by HTTP, on loopback; time is a fake.
"""

import itertools
import json
import math
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes import FakeClock
from tests.fuzz.profile import fuzz, time_limit
from tests.parts import Parts, most_in_a_minute, reads_of, writes_of
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.slots import DAYS
from wallbox2mqtt.mqtt import Reply
from wallbox2mqtt.simulator import ChargerSpec, Fault, Settings, Simulator

pytestmark = [time_limit, pytest.mark.slow]

CHARGERS = (101, 102)
READS, WRITES = 3, 5
SETTLE_S, MAX_AGE_S = 45.0, 120.0
QUIET_S, SETTLED_S = 4000.0, 400.0
RESTARTS_S = 140.0
"""More than the simulated charger takes from the request to being back, the lag of the cloud included."""
_OF_NO_EFFECT = {401, 429}
_LATER = "not confirmed", "the charger made"
"""How the reasons of second answers begin: what came of an accepted command, where only a later reading shows it."""

NOON: dict[str, Json] = {
    "id": 0,
    "enable": False,
    "start": "1200",
    "stop": "1400",
    "days": dict.fromkeys(DAYS, True),
    "max_current": 16,
    "max_energy": 0,
}
FIELDS: dict[str, tuple[str, ...]] = {
    "locked": ("0", "1"),
    "max_charging_current": ("6", "7", "10", "16"),
    "name": ("a", "b"),
    "energy_price": ("0.1", "0.2"),
    "charging_enabled": ("on", "off"),
    "action": ("resume_schedule", "reboot", "pause", "resume"),
    "refresh": ("x",),
    "max_charging_current ": ("6",),
    "schedule/0/current": ("10", "12", "99"),
    "schedules": (json.dumps(NOON), json.dumps([{**NOON, "max_current": 14}])),
}
WIRE = {
    "locked": "locked",
    "max_charging_current": "maxChargingCurrent",
    "name": "name",
    "energy_price": "energy_price",
}
LASTING: dict[str, tuple[str, str]] = {
    "locked": ("PUT", "v2/charger/*"),
    "max_charging_current": ("PUT", "v2/charger/*"),
    "name": ("PUT", "v2/charger/*"),
    "energy_price": ("POST", "chargers/config/*"),
}
"""Fields that stay as a command leaves them, and the request that does it."""

REQUESTS = LASTING | dict.fromkeys(("action", "charging_enabled"), ("POST", "v3/chargers/*/remote-action"))

ACTIONS = {
    ("charging_enabled", "on"): 1,
    ("charging_enabled", "off"): 2,
    ("action", "resume"): 1,
    ("action", "pause"): 2,
    ("action", "reboot"): 3,
    ("action", "resume_schedule"): 9,
}
"""The number in the body, by hand."""

TRUTH = {
    "locked": ("config_data", "locked"),
    "max_charging_current": ("config_data", "max_charging_current"),
    "name": ("name",),
    "energy_price": ("config_data", "energy_price"),
    "status_id": ("status_id",),
    "added_energy": ("added_energy",),
    "charging_power": ("charging_power",),
    "icp_max_current": ("config_data", "icp_max_current"),
}
MEASUREMENTS = {"added_energy", "charging_power"}
"""What a charging car changes all the time."""
FAULTS = st.sampled_from(
    ["reset", "status", "truncated", "null", "list", "deep", "nan", "html", "invalid_utf8", "redirect", "cut"]
)


@dataclass(frozen=True)
class Sent:
    """A command that was sent: its number comes back as correlation data."""

    number: int
    charger: int
    key: str
    text: str


@dataclass(frozen=True)
class Loss:
    """So many answers to requests for a field are lost, and so many seconds later something else is wished."""

    charger: int
    key: str
    kind: Literal["reset", "status", "cut"]
    tries: int
    seconds: float


LOSSES = st.builds(
    Loss,
    charger=st.sampled_from(CHARGERS),
    key=st.sampled_from(sorted(REQUESTS)),
    kind=st.sampled_from(["reset", "status", "cut"]),
    tries=st.sampled_from([1, 2, 2]),
    seconds=st.sampled_from([0.1, 3, 10, 61]),
)


class Worker(RuleBasedStateMachine):
    """The program between the two doors; ``answers`` outlives the restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.cloud = Simulator(
            chargers=[
                ChargerSpec(
                    id=charger,
                    begin=(("unlock", None), ("schedules", [NOON])),
                    changes={"config_data.auto_lock": 0},
                )
                for charger in CHARGERS
            ],
            clock=self.clock,
            settings=Settings(reads_per_minute=READS, writes_per_minute=WRITES, token_life_s=900),
        )
        self.cloud.start()
        self.answers: list[tuple[str, dict[str, Any], bytes | None]] = []
        self.sent: list[Sent] = []
        self.dropped: set[int] = set()
        self.others: list[tuple[int, Sent]] = []
        self.lag_s = 0.0
        self.parts = self.new_parts()

    def new_parts(self) -> Parts:
        parts = Parts(
            self.cloud,
            self.clock,
            Path(self.directory.name),
            reads_per_minute=READS,
            writes_per_minute=WRITES,
            poll_interval=60,
            settle_s=SETTLE_S,
            max_age_s=MAX_AGE_S,
        )
        parts.answers = self.answers
        return parts

    def run(self, seconds: float, each_s: float = 5.0) -> None:
        """Let time pass, and let main look at schedules."""
        self.parts.run(seconds, each_s, then=self.parts.schedules.look)

    def teardown(self) -> None:
        try:
            self.quiet()
        finally:
            self.cloud.stop()
            self.directory.cleanup()

    # What happens

    @initialize(seconds=st.sampled_from([0, 30, 200]), loss=st.none() | LOSSES, data=st.data())
    def begins(self, seconds: int, loss: Loss | None, data: st.DataObject) -> None:
        """Every other story begins with a lost answer: how often a rule comes is up to chance."""
        self.run(seconds)
        if loss is not None:
            self.lose(loss, data)

    @rule(charger=st.sampled_from(CHARGERS), key=st.sampled_from(sorted(FIELDS)), data=st.data())
    def commands(self, charger: int, key: str, data: st.DataObject) -> None:
        self.command(charger, key, data.draw(st.sampled_from(FIELDS[key])))

    def command(self, charger: int, key: str, text: str) -> None:
        one = Sent(len(self.sent), charger, key, text)
        self.sent.append(one)
        self.parts.send(f"{charger}/{key}", text, reply=Reply("r", str(one.number).encode()))

    @rule(loss=LOSSES, data=st.data())
    def an_answer_is_lost_and_it_is_taken_back(self, loss: Loss, data: st.DataObject) -> None:
        self.lose(loss, data)

    def lose(self, loss: Loss, data: st.DataObject) -> None:
        """As a user does it who sees that his command has failed, though it had its effect."""
        method, path = REQUESTS[loss.key]
        shown = self.parts.last(f"{loss.charger}/{loss.key}")
        # drawn whatever is shown: what came of real sockets until now must not decide how much is drawn
        first, second = data.draw(st.sampled_from(list(itertools.permutations(FIELDS[loss.key], 2))))
        if loss.key in LASTING and shown is not None:
            first, second = (second if first == shown else first), shown
        self.cloud.fault(Fault(kind=loss.kind, method=method, path=path, count=loss.tries, effect=True))
        self.command(loss.charger, loss.key, first)
        self.run(loss.seconds)
        self.command(loss.charger, loss.key, second)

    @rule(seconds=st.sampled_from([0.1, 1, 3, 10, 30, 61, 130]))
    def time_passes(self, seconds: float) -> None:
        self.run(seconds)

    @rule(
        kind=FAULTS,
        count=st.sampled_from([1, 2, 5]),
        status=st.sampled_from([500, 503, 401, 403, 409, 404, 429]),
        path=st.sampled_from(["*", "chargers/status/*", "v3/*", "v2/*", "users/*"]),
        effect=st.booleans(),
    )
    def breaks(self, kind: Any, count: int, status: int, path: str, *, effect: bool) -> None:  # noqa: ANN401
        does = effect and kind in {"reset", "status", "redirect"} and status not in _OF_NO_EFFECT | {403, 409, 404}
        self.cloud.fault(Fault(kind=kind, count=count, status=status, path=path, effect=does, body="json"))

    @rule()
    def mends(self) -> None:
        self.cloud.clear_faults()

    @rule(charger=st.sampled_from(CHARGERS), word=st.sampled_from(["plug", "unplug", "lock", "unlock", "sun"]))
    def somebody_else_moves(self, charger: int, word: str) -> None:
        if word in {"lock", "unlock"}:
            self.others.append((len(self.sent), Sent(-1, charger, "locked", "1" if word == "lock" else "0")))
        self.cloud.charger(charger).do(word)

    @rule()
    def tokens_are_revoked(self) -> None:
        self.cloud.revoke_tokens()
        self.cloud.revoke_refresh_tokens()

    @rule(lag_s=st.sampled_from([0.0, 5.0, 30.0]))
    def the_cloud_lags(self, lag_s: float) -> None:
        if lag_s < self.lag_s:
            # until nothing waits and all has had its effect: else the older of two writes would win in the cloud
            self.run(MAX_AGE_S + self.lag_s + 1)
        self.cloud.configure(lag_s=lag_s)
        self.lag_s = lag_s

    @rule(seconds=st.sampled_from([-3600.0, 86400.0]))
    def the_wall_clock_jumps(self, seconds: float) -> None:
        self.clock.jump(seconds)
        # what was kept before would count as a day old for whoever starts within this minute
        self.run(61)

    @rule()
    def the_broker_reconnects(self) -> None:
        self.parts.published.clear()
        self.parts.bridge.announce()
        list(self.parts.states.announcing())

    @precondition(lambda self: self.sent)
    @rule()
    def restarts(self) -> None:
        """As kill -9 does it: who waited gets no answer, and must not get one twice."""
        answered = {number for _, _, number in self.answers if number is not None}
        self.dropped |= {one.number for one in self.sent if str(one.number).encode() not in answered}
        self.parts = self.new_parts()

    # What must hold, always

    @invariant()
    def the_budget_is_law(self) -> None:
        seen = list(self.cloud.requests)
        assert most_in_a_minute([one for one in reads_of(seen) if not one.path.startswith("auth/")]) <= READS
        assert most_in_a_minute(writes_of(seen)) <= WRITES

    @invariant()
    def each_has_one_answer_at_most(self) -> None:
        answers: dict[bytes, list[dict[str, Any]]] = {}
        for _, one, number in self.answers:
            if number:
                answers.setdefault(number, []).append(one)
        for first, *later in answers.values():
            assert first["reason"] != "not confirmed"
            assert len(later) <= 1
            assert all((one["reason"] or "").startswith(_LATER) for one in later), later

    @invariant()
    def no_action_comes_twice(self) -> None:
        """However many answers were lost: a request that may have had an effect for each command that asked for it.

        Of the commands count only those that were sent: not what was superseded, refused, too old or so already.
        """
        acted: Counter[tuple[int | None, Any]] = Counter()
        for one in self.cloud.requests:
            if one.path.endswith("remote-action") and one.status not in _OF_NO_EFFECT:
                assert isinstance(one.body, dict)
                acted[one.charger, one.body["action"]] += 1
        answers = self.finals()
        asked: Counter[tuple[int | None, Any]] = Counter(
            (one.charger, ACTIONS[one.key, one.text])
            for one in self.sent
            if (one.key, one.text) in ACTIONS and _was_sent(answers.get(one.number))
        )
        assert acted <= asked, acted - asked

    def finals(self) -> dict[int, dict[str, Any]]:
        """The answer of each command, by its number, without what may come later."""
        return {int(number): one for _, one, number in reversed(self.answers) if number}

    # What must hold once all is quiet

    def quiet(self) -> None:
        self.cloud.clear_faults()
        self.run(QUIET_S, each_s=60.0)
        # a car may become full, or a charger be back, just before the end: until nothing has happened for a while
        for _ in range(20):
            before = self.statuses()
            self.run(SETTLED_S, each_s=60.0)
            if self.statuses() == before:
                break
        self.all_are_answered()
        self.what_is_shown_is_true()
        self.the_schedules_are_true()
        self.the_last_one_has_won()

    def statuses(self) -> list[Any]:
        return [self.cloud.charger(charger).detail()["status_id"] for charger in CHARGERS]

    def all_are_answered(self) -> None:
        answered = self.finals()
        for one in self.sent:
            if one.number not in self.dropped:
                assert one.number in answered, one

    def what_is_shown_is_true(self) -> None:
        for charger in CHARGERS:
            detail: Any = json.loads(json.dumps(self.cloud.charger(charger).detail()))
            for key, path in TRUTH.items():
                value: Any = detail
                for step in path:
                    value = value[step]
                shown = self.parts.last(f"{charger}/{key}")
                assert shown is not None, key
                if key == "icp_max_current":
                    value = abs(value)
                if key in MEASUREMENTS:
                    assert abs(float(shown) - value) < 1, key
                else:
                    assert shown == str(value), (charger, key)

    def the_schedules_are_true(self) -> None:
        for charger in CHARGERS:
            (slot,) = self.cloud.charger(charger).state().schedules
            assert self.parts.last(f"{charger}/schedule/0/current") == str(slot.most_a)

    def the_last_one_has_won(self) -> None:
        """A field is as its last accepted command wished, unless something after that may have changed it."""
        answers = self.finals()
        for charger in CHARGERS:
            detail: Any = self.cloud.charger(charger).detail()
            for key in LASTING:
                story = [one for one in self.sent if (one.charger, one.key) == (charger, key)]
                last = next((one for one in reversed(story) if answers.get(one.number, {}).get("status") == "ok"), None)
                if last is None or self.was_restarting(charger, key):
                    continue
                # one that was so already was judged by a reading: what came unseen may be newer than that
                judged = answers[last.number]["http_status"] is None
                unsure = [one for one in story if one.number > last.number and _may_count(answers.get(one.number))]
                unsure += [one for one in story if judged and one.number in self.dropped]
                unsure += [
                    move
                    for before, move in self.others
                    if (move.charger, move.key) == (charger, key) and (judged or before > last.number)
                ]
                value = detail["name"] if key == "name" else detail["config_data"][key]
                assert str(value) in {last.text, *(one.text for one in unsure)}, (last, answers[last.number])

    def was_restarting(self, charger: int, key: str) -> bool:
        """Return whether the newest request for a field reached a charger that restarts: it is accepted and lost."""
        own = [one for one in self.cloud.requests if one.charger == charger and isinstance(one.body, dict)]
        reboots = [one.at for one in own if one.body == {"action": ACTIONS["action", "reboot"]}]
        wrote = max((one.at for one in own if isinstance(one.body, dict) and WIRE[key] in one.body), default=-math.inf)
        return any(0 <= wrote - at <= RESTARTS_S for at in reboots)


def _was_sent(answer: dict[str, Any] | None) -> bool:
    """Return whether an action may have had its effect: it only waits, or waits again, as long as it had none."""
    waited = answer is not None and (answer["status"] == "superseded" or answer["reason"] == "expired")
    return _may_count(answer) and not waited


def _may_count(answer: dict[str, Any] | None) -> bool:
    """Return whether any other command may have had an effect; one that got no answer may have.

    One that waits for its second try may be superseded or become too old after a first one that had an effect.
    """
    if answer is None:
        return True
    return answer["http_status"] is not None or answer["status"] in {"failed", "superseded"}


TestWorker = Worker.TestCase
TestWorker.settings = fuzz(40, steps=25, shrinks=False)
