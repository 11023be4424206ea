"""The whole worker in any order: commands, polls, faults, restarts, moves by others, time. Against a model.

The model knows: the account's budget, every command that was sent and what may become of it, and the simulated
cloud's own state, which is the truth. What the rules do to the cloud they do by HTTP, on loopback; time is a fake.
"""

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes import FakeClock
from tests.fuzz.profile import fuzz
from tests.parts import Parts, most_in_a_minute, reads_of, writes_of
from wallbox2mqtt.mqtt import Reply
from wallbox2mqtt.simulator import ChargerSpec, Fault, Seen, Settings, Simulator

CHARGERS = (101, 102)
READS, WRITES = 3, 5
SETTLE_S, MAX_AGE_S = 45.0, 120.0
QUIET_S = 4000.0
_OF_NO_EFFECT = {401, 429}

FIELDS: dict[str, tuple[str, ...]] = {
    "locked": ("0", "1"),
    "max_charging_current": ("6", "7", "10", "16"),
    "name": ("a", "b"),
    "energy_price": ("0.1", "0.2"),
    "charging_enabled": ("on", "off"),
    "action": ("resume_schedule", "reboot", "pause", "resume"),
    "refresh": ("x",),
    "max_charging_current ": ("6",),
}
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


class Worker(RuleBasedStateMachine):
    """The program between the two doors; ``answers`` outlives the restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.cloud = Simulator(
            chargers=[
                ChargerSpec(id=charger, begin=(("unlock", None),), changes={"config_data.auto_lock": 0})
                for charger in CHARGERS
            ],
            clock=self.clock,
            settings=Settings(reads_per_minute=READS, writes_per_minute=WRITES, token_life_s=900),
        )
        self.cloud.start()
        self.answers: list[tuple[str, dict[str, Any], bytes | None]] = []
        self.sent: list[Sent] = []
        self.dropped: set[int] = set()
        self.others: set[tuple[int, str]] = set()
        self.requests: list[Seen] = []
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
            timeout=0.3,
        )
        parts.answers = self.answers
        return parts

    def teardown(self) -> None:
        try:
            self.quiet()
        finally:
            self.cloud.stop()
            self.directory.cleanup()

    # What happens

    @initialize(seconds=st.sampled_from([0, 30, 200]))
    def begins(self, seconds: int) -> None:
        self.parts.run(seconds)

    @rule(charger=st.sampled_from(CHARGERS), key=st.sampled_from(sorted(FIELDS)), data=st.data())
    def commands(self, charger: int, key: str, data: st.DataObject) -> None:
        text = data.draw(st.sampled_from(FIELDS[key]))
        one = Sent(len(self.sent), charger, key, text)
        self.sent.append(one)
        self.parts.send(f"{charger}/{key}", text, reply=Reply("r", str(one.number).encode()))

    @rule(seconds=st.sampled_from([0.1, 1, 3, 10, 30, 61, 130]))
    def time_passes(self, seconds: float) -> None:
        self.parts.run(seconds)

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
            self.others.add((charger, "locked"))
        self.cloud.charger(charger).do(word)

    @rule()
    def tokens_are_revoked(self) -> None:
        self.cloud.revoke_tokens()
        self.cloud.revoke_refresh_tokens()

    @rule(lag_s=st.sampled_from([0.0, 5.0, 30.0]))
    def the_cloud_lags(self, lag_s: float) -> None:
        self.cloud.configure(lag_s=lag_s)

    @rule(seconds=st.sampled_from([-3600.0, 86400.0]))
    def the_wall_clock_jumps(self, seconds: float) -> None:
        self.clock.jump(seconds)
        # what was kept before would count as a day old for whoever starts within this minute
        self.parts.run(61)

    @rule()
    def the_broker_reconnects(self) -> None:
        self.parts.published.clear()
        self.parts.intake.subscribed()
        self.parts.bridge.announce()
        self.parts.picture.announce()

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
        finals = Counter(number for _, one, number in self.answers if number and one["reason"] != "not confirmed")
        later = Counter(number for _, one, number in self.answers if number and one["reason"] == "not confirmed")
        assert all(count == 1 for count in (*finals.values(), *later.values()))
        assert later.keys() <= finals.keys()

    @invariant()
    def no_action_comes_twice(self) -> None:
        """However many answers were lost: as many requests that may have had an effect as commands, at most."""
        for charger in CHARGERS:
            acted = [
                one
                for one in self.cloud.requests
                if one.charger == charger and one.path.endswith("remote-action") and one.status not in _OF_NO_EFFECT
            ]
            wishes = [one for one in self.sent if one.charger == charger and one.key in {"action", "charging_enabled"}]
            assert len(acted) <= len(wishes)

    # What must hold once all is quiet

    def quiet(self) -> None:
        self.cloud.clear_faults()
        self.cloud.configure(lag_s=0.0)
        self.parts.run(QUIET_S, each_s=60.0)
        self.all_are_answered()
        self.what_is_shown_is_true()
        self.the_last_one_has_won()

    def all_are_answered(self) -> None:
        answered = Counter(
            int(number) for _, one, number in self.answers if number and one["reason"] != "not confirmed"
        )
        for one in self.sent:
            if one.number not in self.dropped:
                assert answered[one.number] == 1, one

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
                if isinstance(value, float):
                    assert abs(float(shown) - value) < 1, key
                else:
                    assert shown == str(value), (charger, key)

    def the_last_one_has_won(self) -> None:
        """Of the last command of a field, if it was accepted and nobody else moved it since."""
        status = {int(number): one["status"] for _, one, number in self.answers if number}
        unsure = {(one.charger, one.key) for one in self.sent if status.get(one.number) != "ok"}
        unsure |= {(one.charger, one.key) for one in self.sent if one.number in self.dropped}
        last = {(one.charger, one.key): one for one in self.sent if one.key in {"max_charging_current", "name"}}
        for (charger, key), one in last.items():
            if status.get(one.number) == "ok" and (charger, key) not in unsure | self.others:
                detail: Any = self.cloud.charger(charger).detail()
                value = detail["name"] if key == "name" else detail["config_data"][key]
                assert str(value) == one.text, one


TestWorker = Worker.TestCase
TestWorker.settings = fuzz(40, steps=25, shrinks=False)
