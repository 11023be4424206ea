"""How old the state is: the figure for which the reading plan exists.

The mean, over chargers and time, of now minus the moment at which the shown energy became true, minus half the
step in which the truth moves. Time is scaled: the program and the cloud share a clock whose minute takes 3 s.
"""

import argparse
import queue
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.rig import free_port, machine, table
from tests.fakes import FastClock
from wallbox2mqtt.cli.demo import config_of
from wallbox2mqtt.cli.local_broker import HOST, LocalBroker
from wallbox2mqtt.config import HomeAssistantConfig, MqttConfig
from wallbox2mqtt.daemon.app import App
from wallbox2mqtt.mqtt import Connected, Event, Message, MqttConnection
from wallbox2mqtt.simulator import Settings, Simulator

STEP_S = 5.0
WARM_UP_S = 240.0
WANTED = {1: {1: 32, 3: 45, 10: 45, 100: 45}, 3: {1: 11, 3: 16, 10: 16, 100: 16}}
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

    def see(self, message: Message) -> None:
        """Take a published energy."""
        parts = message.topic.split("/")
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
        return sum(age.area for age in self.ages.values()) / sum(age.time for age in self.ages.values()) - STEP_S / 2


def measure(reads: int, chargers: int, speed: float, minutes: float) -> tuple[float, int]:
    """Run the program for a while; return the mean age in seconds, and how often the cloud refused."""
    clock = FastClock(speed)
    settings = Settings(reads_per_minute=reads, report_interval_s=STEP_S, token_life_s=900)
    cloud = Simulator(chargers=chargers, clock=clock, settings=settings)
    for number in cloud.chargers:
        cloud.charger(number).do("plug", 1000.0)
    with tempfile.TemporaryDirectory() as name, cloud, LocalBroker(free_port(), Path(name)) as broker:
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        mqtt = MqttConfig(host=HOST, port=broker.port, client_id="bench")
        listener = MqttConnection(mqtt, filters=["wallbox/+/added_energy"], on_event=events.put, clock=clock)
        listener.start()
        while not isinstance(events.get(timeout=_WAIT_S), Connected):
            pass
        config = config_of(cloud, broker, reads=reads, home_assistant=HomeAssistantConfig(discovery="off"))
        app = App(config, Path(name) / "state", clock)
        thread = threading.Thread(target=app.run, daemon=True)
        thread.start()
        watch = Watch(cloud, clock.monotonic() + WARM_UP_S)
        ends = watch.begin + minutes * 60
        while (left := ends - clock.monotonic()) > 0:
            try:
                event = events.get(timeout=clock.real_s(left))
            except queue.Empty:
                break
            if isinstance(event, Message):
                watch.see(event)
        mean = watch.mean(ends)
        app.stop()
        thread.join(_WAIT_S)
        listener.stop(timeout_s=1.0)
        if len(watch.ages) != chargers:
            raise SystemExit(f"only {len(watch.ages)} of {chargers} chargers were seen")  # noqa: EM102, TRY003
        return mean, sum(seen.limited for seen in cloud.requests)


def main() -> None:
    """Measure all, and print a table."""
    parser = argparse.ArgumentParser(prog="scripts/bench freshness", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="of the scaled time, each run (%(default)g)")
    parser.add_argument("--speed", type=float, default=20.0, help="how fast the time passes (%(default)g)")
    args = parser.parse_args()
    rows, refusals = [], 0
    for reads, wanted in WANTED.items():
        cells = []
        for chargers, limit in wanted.items():
            mean, refused = measure(reads, chargers, args.speed, args.minutes)
            refusals += refused
            cells.append(f"{mean:.1f} s (≤ {limit} s)")
        rows.append((f"{reads} a minute", *cells))
    print(table(("reads", *(f"{chargers} charging" for chargers in WANTED[1])), rows))
    print(f"\nRefusals: {refusals}. {machine()}; a minute as {60 / args.speed:g} s, {args.minutes:g} minutes a run,")
    print(f"after {WARM_UP_S:g} s of warm-up; the truth moves each {STEP_S:g} s.")


if __name__ == "__main__":
    main()
