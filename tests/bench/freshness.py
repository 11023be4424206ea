"""How old the state is: the figure for which the reading plan exists.

The mean, over chargers and time, of now minus the moment at which the shown energy was true. Against the cloud's truth:
it moves in small steps, half of one is left out. Against the charger's: it reports each 30 s. Beside it, how long a
change of the lock takes to be seen. Time is scaled: the program and the cloud share a clock whose minute takes 3 s.
"""

import argparse
import queue
import statistics
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from tests.bench.rig import free_port, machine, table
from tests.fakes import FastClock
from wallbox2mqtt.cli.demo import config_of
from wallbox2mqtt.cli.local_broker import HOST, LocalBroker
from wallbox2mqtt.config import HomeAssistantConfig, MqttConfig
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.mqtt import Connected, Event, Message, MqttConnection
from wallbox2mqtt.simulator import Settings, Simulator

STEP_S, REPORT_S = 5.0, 30.0
WARM_UP_S = 240.0
"""So long is left out, after the time in which every second read is a status document that was never read."""
CHARGERS = (1, 3, 10, 100)
WANTED = {1: (32, 45, 45, 45), 2: (17, 23, 23, 23), 3: (11, 16, 16, 16)}
"""Against the cloud's truth: seconds by reads a minute, for each of the numbers of chargers."""
CHANGE_S = 97.0
"""The lock changes so often: no multiple of any interval."""
_WAIT_S = 20.0


@dataclass
class Age:
    """The age of one charger's shown energy, integrated over time."""

    since: float | None = None
    looked: float = 0.0
    area: float = 0.0
    time: float = 0.0

    def until(self, now: float) -> None:
        """Go on to a moment."""
        if self.since is not None and now > self.looked:
            self.area += (now - self.looked) * ((now + self.looked) / 2 - self.since)
            self.time += now - self.looked
        self.looked = now


@dataclass
class Watch:
    """Listens to the energies, and knows since when each is true."""

    cloud: Simulator
    begin: float
    ages: dict[int, Age] = field(default_factory=dict)
    locks: bool = False
    changed: float | None = None
    delays: list[float] = field(default_factory=list)

    def change(self, now: float) -> None:
        """Lock or unlock the first charger, as somebody does in the app; it reports that at once."""
        if self.changed is None:
            charger = self.cloud.charger(next(iter(self.cloud.chargers)))
            self.locks = not self.locks
            charger.do("lock" if self.locks else "unlock")
            self.changed = now

    def see(self, message: Message) -> None:
        """Take a published energy, or the lock of the first charger."""
        parts = message.topic.split("/")
        if parts[1] == str(next(iter(self.cloud.chargers))) and parts[2:] == ["locked"] and self.changed is not None:
            self.delays.append(message.arrived - self.changed)
            self.changed = None
        if parts[2:] != ["added_energy"] or not parts[1].isdecimal():
            return
        age = self.ages.setdefault(int(parts[1]), Age(looked=self.begin))
        age.until(max(message.arrived, self.begin))
        age.since = self._true_since(int(parts[1]), float(message.payload), message.arrived)

    def _true_since(self, charger: int, energy: float, now: float) -> float | None:
        for back in range(100):
            truth = self.cloud.charger(charger).truth(now - back * STEP_S)
            if truth.energy_kwh <= energy + 1e-6:
                return truth.since
        if now < self.begin:
            return None  # what was before the session is not remembered
        raise SystemExit(f"{energy} kWh of charger {charger} was never true")  # noqa: EM102, TRY003 - a bench ends

    def mean(self, now: float) -> float:
        """Return the mean age over chargers and time."""
        for age in self.ages.values():
            age.until(now)
        return sum(age.area for age in self.ages.values()) / sum(age.time for age in self.ages.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is measured, and how. ``status_writes``: extra status reads a minute."""

    reads: int
    chargers: int
    report_s: float
    status_writes: int
    changes: bool
    speed: float
    minutes: float


def measure(run: Run) -> tuple[float, float, int]:
    """Run the program for a while; return the mean age, the mean delay of a change, and how often it was refused."""
    clock, chargers = FastClock(run.speed), run.chargers
    settings = Settings(reads_per_minute=run.reads, report_interval_s=run.report_s, token_life_s=900)
    cloud = Simulator(chargers=chargers, clock=clock, settings=settings)
    for number in cloud.chargers:
        cloud.charger(number).do("plug", 1000.0)
    with tempfile.TemporaryDirectory() as name, cloud, LocalBroker(free_port(), Path(name)) as broker:
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        mqtt = MqttConfig(host=HOST, port=broker.port, client_id="bench")
        listener = MqttConnection(
            mqtt, filters=["wallbox/+/added_energy", "wallbox/+/locked"], on_event=events.put, clock=clock
        )
        listener.start()
        while not isinstance(events.get(timeout=_WAIT_S), Connected):
            pass
        config = config_of(cloud, broker, reads=run.reads, home_assistant=HomeAssistantConfig(discovery="off"))
        config = replace(config, wallbox=replace(config.wallbox, status_writes_per_minute=run.status_writes))
        app = App(config, Path(name) / "state", clock)
        thread = threading.Thread(target=app.run, daemon=True)
        thread.start()
        warm_up_s = WARM_UP_S + (2 * chargers * 60 / run.reads if chargers > 1 else 0)
        watch = Watch(cloud, clock.monotonic() + warm_up_s)
        ends, change_at = watch.begin + run.minutes * 60, watch.begin
        while (now := clock.monotonic()) < ends:
            if run.changes and now >= change_at:
                watch.change(now)
                change_at += CHANGE_S
            try:
                event = events.get(timeout=clock.real_s((min(ends, change_at) if run.changes else ends) - now))
            except queue.Empty:
                continue
            if isinstance(event, Message):
                watch.see(event)
        mean = watch.mean(ends)
        app.stop()
        thread.join(_WAIT_S)
        listener.stop(timeout_s=1.0)
        if len(watch.ages) != chargers:
            raise SystemExit(f"only {len(watch.ages)} of {chargers} chargers were seen")  # noqa: EM102, TRY003
        delay = statistics.fmean(watch.delays) if watch.delays else float("nan")
        return mean, delay, sum(seen.limited for seen in cloud.requests)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="scripts/bench freshness", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="of the scaled time, each run (%(default)g)")
    parser.add_argument("--speed", type=float, default=20.0, help="how fast the time passes (%(default)g)")
    parser.add_argument("--reads", type=int, nargs="+", default=[*WANTED], help="a minute: 1, 2, 3 (all)")
    parser.add_argument("--chargers", type=int, nargs="+", default=[1, 3, 10], help="also 100 (%(default)s)")
    parser.add_argument("--reports", action="store_true", help="against a charger that reports each 30 s")
    parser.add_argument("--changes", action="store_true", help="how long a change of the lock takes to be seen")
    parser.add_argument("--status-writes", type=int, default=1, help="extra status reads a minute (%(default)d)")
    args = parser.parse_args()
    rows, refusals = [], 0
    for reads in args.reads:
        cells = []
        for chargers in args.chargers:
            run = Run(
                reads=reads,
                chargers=chargers,
                report_s=REPORT_S if args.reports else STEP_S,
                status_writes=args.status_writes,
                changes=args.changes,
                speed=args.speed,
                minutes=args.minutes,
            )
            mean, delay, refused = measure(run)
            refusals += refused
            if args.changes:
                cells.append(f"{delay:.1f} s")
            elif args.reports:
                cells.append(f"{mean:.1f} s")
            else:
                cells.append(f"{mean - STEP_S / 2:.1f} s (≤ {WANTED[reads][CHARGERS.index(chargers)]} s)")
        rows.append((f"{reads} a minute", *cells))
    print(table(("reads", *(f"{chargers} charging" for chargers in args.chargers)), rows))
    truth = f"the charger reports each {REPORT_S:g} s" if args.reports else f"the truth moves each {STEP_S:g} s"
    print(f"\nRefusals: {refusals}. {machine()}; a minute as {60 / args.speed:g} s, {args.minutes:g} minutes a run,")
    print(f"after the first status documents and {WARM_UP_S:g} s more; {truth};")
    print(f"{args.status_writes} status reads a minute.")


if __name__ == "__main__":
    main()
