"""Hours of random faults at a scaled pace: what of memory, threads, file handles and commands is left at the end.

The bridge runs as a process of its own whose clock is faster, against a simulated cloud with the same pace and a
real mosquitto. Every few seconds something breaks, for a while, the sign-in more often than all else; commands go on
all the time. Bounded in time and number, on 127.0.0.1 only; at its end the processes that it started are ended by
their ids.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.rig import machine, resident_mib, table
from tests.fakes import FastClock
from tests.mosquitto import Broker, Watcher
from tests.soak.sign_ins import SICK, SignIns
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Fault, Seen, Settings, Simulator

CHARGERS = 3
USED = "used"
WARM_UP = 0.4
LONGEST_HOURS = 24.0
MOST_KIB = 50.0
_LEAST_DAYS = 2.0
_COMMAND_EACH_S, _CALM_S, _FAULT_S = 0.25, (0.5, 2.0), (0.2, 1.5)
_ANSWER_S, _ACKNOWLEDGE_S = 60.0, 0.5
_HALT_S, _START_S = 20.0, 3.0
_DAY_S = 86_400.0


@dataclass
class Tally:
    """What is counted."""

    faults: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    doubled: int = 0
    lost: int = 0
    twice: int = 0
    resident: list[float] = field(default_factory=list)
    samples: list[tuple[float, float]] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    sign_ins: SignIns = field(default_factory=SignIns)


@dataclass
class Commander:
    """Sends commands, one for each charger and field at a time, and counts what becomes of them."""

    cloud: Simulator
    watcher: Watcher
    tally: Tally
    chance: random.Random
    waiting: dict[str, tuple[float, int]] = field(default_factory=dict)
    answered: float = 0.0
    trouble: str = ""

    @property
    def is_quiet(self) -> bool:
        """Whether all is answered, and the broker has had time to acknowledge it: else it is answered once more."""
        return not self.waiting and time.monotonic() - self.answered > _ACKNOWLEDGE_S

    def send(self) -> None:
        """Send one, unless all wait for an answer."""
        charger = self.chance.choice(list(self.cloud.chargers))
        key, text = self.chance.choice(
            [
                ("action", "resume_schedule"),
                ("max_charging_current", str(self.chance.randint(6, 16))),
                ("locked", self.chance.choice("01")),
                ("name", f"Box {self.chance.randint(1, 999)}"),
                ("max_charging_current", "1e1"),
                ("refresh", "now"),
            ]
        )
        topic = f"wallbox/{charger}/{key}"
        if topic in self.waiting:
            return
        self.waiting[topic] = (time.monotonic(), self._actions(charger))
        self.tally.sent += 1
        self.watcher.publish(f"{topic}/set", text)

    def _actions(self, charger: int) -> int:
        return sum(seen.charger == charger and _is_action(seen) for seen in self.cloud.requests)

    def collect(self) -> None:
        """Take the answers that came; a command without one for long is lost."""
        heard = self.watcher.heard
        self.watcher.forget()
        for one in heard:
            topic = one.topic.removesuffix("/result")
            if topic == one.topic or one.retained:
                continue
            answer: dict[str, Any] = json.loads(one.payload)
            if answer["reason"] == "not confirmed":
                self.tally.answered["not confirmed"] += 1
            elif topic not in self.waiting:
                self.tally.twice += 1
                sys.stderr.write(f"answered twice: {one.topic} {one.payload} last fault: {self.trouble}\n")
            else:
                _, before = self.waiting.pop(topic)
                self.answered = time.monotonic()
                self.tally.answered[answer["status"]] += 1
                charger, key = topic.split("/")[1:3]
                if key == "action" and self._actions(int(charger)) - before > 1:
                    self.tally.doubled += 1
        now = time.monotonic()
        for topic in [topic for topic, (at, _) in self.waiting.items() if now - at > _ANSWER_S]:
            del self.waiting[topic]
            self.tally.lost += 1


def _is_action(seen: Seen) -> bool:
    """A request that may have had its effect: one that was refused for its token or as too many had none."""
    return seen.path.endswith("remote-action") and seen.status not in {401, 429}


class Troubles:
    """The faults: each begins, and gives how it ends."""

    def __init__(self, cloud: Simulator, broker: Broker, state: Watcher, chance: random.Random) -> None:
        """Take what can be broken; ``state`` listens whether the bridge is at the broker."""
        self._cloud, self._broker, self._state, self._chance = cloud, broker, state, chance
        kinds: list[tuple[str, Callable[[], Callable[[], None]]]] = [
            ("cloud outage", self._outage),
            ("cloud: tokens revoked", self._revoked),
            ("broker restarted, wiped", self._restart),
            ("broker frozen", self._frozen),
            ("cloud: refuses all reads", self._limited),
        ]
        faults = ["reset", "hang", "truncated", "cut", "html", "null", "list", "deep", "nan", "invalid_utf8", "huge"]
        faults += ["status", "redirect", "delay", "duplicate_keys"]
        kinds += [(f"cloud: {kind}", partial(self._fault, kind)) for kind in faults]
        kinds += [(f"sign-in: {name}", partial(self._sick, fault)) for name, fault in SICK.items()]
        self._kinds = kinds

    def choose(self) -> tuple[str, Callable[[], Callable[[], None]]]:
        """Return the name of one, and how it begins."""
        return self._chance.choice(self._kinds)

    def bridge_listens(self) -> bool:
        """Return whether the bridge is at the broker: what is commanded before that reaches nobody."""
        return self._state.last().get("wallbox/bridge/state") == "online"

    def _fault(self, kind: Any) -> Callable[[], None]:  # noqa: ANN401 - one of the simulator's words
        status = self._chance.choice([500, 502, 503, 404, 409, 400])
        effect = self._chance.random() < 0.5 and kind in {"reset", "hang", "status"}
        self._cloud.fault(Fault(kind=kind, count=None, status=status, seconds=0.1, effect=effect))
        return self._cloud.clear_faults

    def _sick(self, fault: dict[str, Any]) -> Callable[[], None]:
        self._cloud.fault(Fault(**{"path": "users/*", "count": None, **fault}))
        self._cloud.revoke_tokens()
        return self._cloud.clear_faults

    def _outage(self) -> Callable[[], None]:
        port = self._cloud.port
        self._cloud.stop()
        return lambda: _ignore(self._cloud.start(port))

    def _revoked(self) -> Callable[[], None]:
        self._cloud.revoke_refresh_tokens()
        self._cloud.revoke_tokens()
        return lambda: None

    def _restart(self) -> Callable[[], None]:
        self._broker.stop()
        self._state.forget()
        return lambda: _ignore(self._broker.start())

    def _frozen(self) -> Callable[[], None]:
        self._broker.freeze(frozen=True)
        return lambda: self._broker.freeze(frozen=False)

    def _limited(self) -> Callable[[], None]:
        self._cloud.configure(reads_per_minute=0)
        return lambda: self._cloud.configure(reads_per_minute=None)


def _ignore(_: object) -> None:
    """Take a value that nobody needs."""


def start(cloud: Simulator, broker: Broker, directory: Path, speed: float) -> subprocess.Popen[bytes]:
    """Start the bridge with everything at the pace of the scaled time."""
    variables = {
        "WALLBOX__EMAIL": EMAIL,
        "WALLBOX__PASSWORD": PASSWORD,
        "WALLBOX__API_URL": cloud.url,
        "WALLBOX__USER_API_URL": cloud.url,
        "WALLBOX__TIMEOUT": "0.5",
        "WALLBOX__READS_PER_MINUTE": "3",
        "WALLBOX__WRITES_PER_MINUTE": "5",
        "WALLBOX__POLL_INTERVAL": "20",
        "COMMANDS__MAX_AGE_S": str(10 * speed),
        "MQTT__HOST": "127.0.0.1",
        "MQTT__PORT": str(broker.port),
        "MQTT__KEEPALIVE": "5",
        "STATE_DIR": str(directory / "state"),
        "LOG__LEVEL": "warning",
    }
    environment = {
        **os.environ,
        "PYTHONMALLOC": "malloc",
        **{f"WALLBOX2MQTT_{name}": text for name, text in variables.items()},
    }
    with (directory / "bridge.log").open("wb") as log:
        command = [sys.executable, "-m", "tests.soak.entry", str(speed), str(directory / USED)]
        return subprocess.Popen(command, env=environment, stderr=log)  # noqa: S603 - our own program


def look(pid: int, used: Path, day: float, tally: Tally) -> None:
    """Note memory, threads and file handles of the bridge."""
    if not used.exists():
        return
    tally.samples.append((day, int(used.read_text(encoding="ascii")) / 2**20))
    tally.resident.append(resident_mib(pid))
    tally.threads.append(len(list(Path(f"/proc/{pid}/task").iterdir())))
    tally.handles.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))


def slope_kib(samples: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line that fits best, in KiB a day."""
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return 1024 * sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0


def soak(seconds: float, speed: float, seed: int) -> tuple[Tally, float]:
    """Run for so many real seconds; return what was counted, and the simulated days."""
    tally, chance, clock = Tally(), random.Random(seed), FastClock(speed)  # noqa: S311 - repeatable, hides nothing
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    cloud = Simulator(chargers=CHARGERS, clock=clock, settings=settings)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(cloud)
        broker = Broker(directory).start()
        stack.callback(broker.stop)
        watcher = stack.enter_context(Watcher(broker.port, "wallbox/+/+/result"))
        state = stack.enter_context(Watcher(broker.port, "wallbox/bridge/state"))
        bridge = start(cloud, broker, directory, speed)
        stack.callback(halt, bridge)
        commander = Commander(cloud, watcher, tally, chance)
        begun = clock.monotonic()

        def day() -> float:
            return (clock.monotonic() - begun) / _DAY_S

        def sample() -> None:
            look(bridge.pid, directory / USED, day(), tally)
            tally.sign_ins.look(cloud.requests)

        run(bridge, Troubles(cloud, broker, state, chance), commander, seconds, sample)
        days = day()
        ends = time.monotonic() + _ANSWER_S
        while commander.waiting and time.monotonic() < ends:
            commander.collect()
            time.sleep(0.05)
        tally.lost += len(commander.waiting)
    return tally, days


def run(
    bridge: subprocess.Popen[bytes],
    troubles: Troubles,
    commander: Commander,
    seconds: float,
    look: Callable[[], None],
) -> None:
    """Break and mend, command and count, for so long."""
    ends = time.monotonic() + seconds
    command, sample = time.monotonic() + _START_S, time.monotonic()
    trouble = RepeatedFault(troubles, commander)
    while (now := time.monotonic()) < ends:
        if bridge.poll() is not None:
            raise SystemExit(f"the bridge ended with {bridge.returncode}")  # noqa: EM102, TRY003 - a soak ends
        trouble.look(now)
        if now >= command and not trouble.is_the_brokers and troubles.bridge_listens():
            command = now + _COMMAND_EACH_S
            commander.send()
        if now >= sample:
            sample = now + 1.0
            look()
        commander.collect()
        time.sleep(0.02)
    trouble.over()


class RepeatedFault:
    """The present fault, or the calm until the next.

    Before one of the broker's all commands are answered: the answers that it forgets would count as lost, and those
    that it has not acknowledged come again.
    """

    def __init__(self, troubles: Troubles, commander: Commander) -> None:
        """Start calm."""
        self._troubles, self._commander = troubles, commander
        self._turn = time.monotonic() + _START_S
        self._next = troubles.choose()
        self._end: Callable[[], None] | None = None

    @property
    def is_the_brokers(self) -> bool:
        """Whether the broker is in trouble, or will be next and very soon."""
        name, _ = self._next
        return name.startswith("broker") and (self._end is not None or time.monotonic() >= self._turn)

    def look(self, now: float) -> None:
        """Start or end what is due."""
        if now < self._turn or (self._end is None and self.is_the_brokers and not self._commander.is_quiet):
            return
        chance = self._commander.chance
        if self._end is None:
            name, begin = self._next
            self._commander.tally.faults[name] += 1
            self._commander.trouble = name
            self._end = begin()
            self._turn = now + chance.uniform(*_FAULT_S)
        else:
            self.over()
            self._turn = now + chance.uniform(*_CALM_S)

    def over(self) -> None:
        """End the present one."""
        if self._end is not None:
            self._end()
        self._end, self._next = None, self._troubles.choose()


def halt(bridge: subprocess.Popen[bytes]) -> None:
    """End the bridge, by its id."""
    bridge.terminate()
    try:
        bridge.wait(_HALT_S)
    except subprocess.TimeoutExpired:
        bridge.kill()
        bridge.wait()


def warmed(tally: Tally) -> Sequence[tuple[float, float]]:
    """Return what was seen of memory after the warm-up."""
    return tally.samples[int(len(tally.samples) * WARM_UP) :]


def report(tally: Tally, days: float, speed: float, seconds: float) -> str:
    """Return the table."""
    warm = warmed(tally)
    start = len(tally.samples) - len(warm)
    rows = [
        ("simulated", f"{days * 24:.0f} h ({days:.1f} days) in {seconds / 60:.1f} min, a minute as {60 / speed:.3g} s"),
        ("faults", f"{sum(tally.faults.values())} of {len(tally.faults)} kinds"),
        ("commands sent", str(tally.sent)),
        ("answered", ", ".join(f"{count} {status}" for status, count in sorted(tally.answered.items()))),
        ("remote actions doubled", str(tally.doubled)),
        ("answered twice", str(tally.twice)),
        ("without an answer", str(tally.lost)),
        ("threads", f"{min(tally.threads[start:])} to {max(tally.threads[start:])}"),
        ("requests for tokens", f"{tally.sign_ins.asked}, {tally.sign_ins.too_soon} of them too soon after a failure"),
        ("file handles", f"{min(tally.handles[start:])} to {max(tally.handles[start:])}"),
        ("memory in use", f"{warm[0][1]:.1f} MiB after warm-up, {warm[-1][1]:.1f} MiB at the end"),
        ("resident", f"{tally.resident[start]:.1f} MiB after warm-up, at most {max(tally.resident):.1f} MiB"),
        ("memory slope", f"{slope_kib(warm):.1f} KiB a simulated day (wanted: below {MOST_KIB:g})"),
    ]
    return table(("soaked", "here"), rows)


def main() -> int:
    """Soak, and print a table; 1 where a command was lost or doubled, or memory grows."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1 / 6, help="real ones, at most 24 (%(default).2g)")
    parser.add_argument("--speed", type=float, default=1000.0, help="how fast the time passes (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (%(default)s)")
    args = parser.parse_args()
    seconds = min(args.hours, LONGEST_HOURS) * 3600
    tally, days = soak(seconds, args.speed, args.seed)
    sys.stdout.write(f"{report(tally, days, args.speed, seconds)}\n\n{machine()}\n")
    # over less than two days the documents that come and go are more than any slope
    grows = days >= _LEAST_DAYS and slope_kib(warmed(tally)) >= MOST_KIB
    return 1 if grows or tally.lost or tally.doubled or tally.twice or tally.sign_ins.too_soon else 0


if __name__ == "__main__":
    sys.exit(main())
