"""Many take-overs of two bridges whose time passes faster: ``python -m tests.soak.standby --times 100``.

Each is a process. The active one is killed, halted, stopped in order or cut off from the broker, or both are killed, in
turn at random; each time the other one has to work and to answer a command. At the end the simulated cloud tells what
both have asked. Bounded in number, on 127.0.0.1 only; the processes that it starts are ended by their ids.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from http import HTTPStatus
from pathlib import Path

from tests.faults.proxy import Proxy
from tests.mosquitto import Broker, eventually
from tests.parts import most_in_a_minute, reads_of, writes_of
from tests.standby import STATE, Bridge, NoResultError, Pair

WAYS = ("kill", "halt", "stop", "cut off", "both at once")


class Soak:
    """Two bridges behind a proxy each, and what was done to them."""

    def __init__(self, pair: Pair, proxies: dict[str, Proxy], seed: int) -> None:
        """Start both."""
        self.pair, self._proxies, self._chance = pair, proxies, random.Random(seed)  # noqa: S311 - hides nothing
        self.done: Counter[str] = Counter()
        self.way = "start"
        self.longest_s, self.answered = 0.0, Counter[str]()
        self._both_start()
        self._answers()

    def _both_start(self) -> None:
        before = sum(bridge.take_overs for bridge in self.pair.bridges)
        for bridge in self.pair.bridges:
            bridge.start()
        eventually(lambda: sum(bridge.take_overs for bridge in self.pair.bridges) > before, "one works", 60.0)

    def _answers(self) -> None:
        eventually(lambda: self.pair.watcher.last().get(STATE) == "online", "one is online")
        ends = self._ends_of_the_active()
        try:
            result = self.pair.command()
        except NoResultError:
            # a machine that leaves a process without time for a second and a half of the keepalive ends its connection
            if self._ends_of_the_active() == ends:
                raise
            self.answered["sent while nobody was connected"] += 1
        else:
            self.answered[f"{result['status']} {result['reason'] or ''}".strip()] += 1

    def _ends_of_the_active(self) -> dict[str, int]:
        """Return how often the broker has given up each of the bridges that work, for want of a ping."""
        log = (self.pair.broker.directory / "mosquitto.log").read_text(encoding="utf-8", errors="replace")
        return {
            bridge.name: log.count(f"Client {bridge.name} has exceeded timeout")
            for bridge in self.pair.bridges
            if not self._proxies[bridge.name].silent
        }

    def _active(self) -> Bridge | None:
        return next((bridge for bridge in self.pair.bridges if bridge.instance == self.pair.instance()), None)

    def turn(self) -> None:
        """Do something to the active one, and see that one works."""
        active = self._active()
        assert active is not None
        other = next(bridge for bridge in self.pair.bridges if bridge is not active)
        way = self.way = self._chance.choice(WAYS)
        time.sleep(self._chance.uniform(0.0, 1.5))
        begun, before = time.monotonic(), other.take_overs
        self._do(way, active, other)
        if way != "both at once":
            other.says("connected to the broker", before + 1)
        self.longest_s = max(self.longest_s, time.monotonic() - begun)
        self._answers()
        self._mend(way, active)
        self._answers()
        self.done[way] += 1

    def _do(self, way: str, active: Bridge, other: Bridge) -> None:
        match way:
            case "kill":
                active.kill()
            case "halt":
                active.signal(signal.SIGSTOP)
            case "stop":
                active.signal(signal.SIGTERM)
            case "cut off":
                self._proxies[active.name].silent = True
            case "both at once":
                for bridge in (active, other):
                    bridge.kill()
                self._both_start()

    def _mend(self, way: str, bridge: Bridge) -> None:
        stood_by = bridge.text().count("standing by broker=")
        match way:
            case "kill" | "stop":
                bridge.kill()
                bridge.start()
            case "halt":
                bridge.signal(signal.SIGCONT)
            case "cut off":
                self._proxies[bridge.name].silent = False
                self._proxies[bridge.name].cut()
            case _:
                return
        bridge.says("standing by broker=", stood_by + 1)

    def last_lines(self) -> str:
        """Return what was done last, and the last lines of both logs and of what the broker brought."""
        logs = [line for bridge in self.pair.bridges for line in (bridge.name, *bridge.text().splitlines()[-25:])]
        heard = [f"{one.at:.2f} {one.topic} {one.payload[:120]}" for one in self.pair.watcher.heard[-60:]]
        return "\n".join([self.way, *logs, *heard, ""])

    def told(self) -> str:
        """Return the figures."""
        seen = self.pair.cloud.requests
        refused = sum(one.status == HTTPStatus.TOO_MANY_REQUESTS for one in seen)
        sign_ins = sum(one.path == "users/signin" for one in seen)
        return (
            f"{sum(self.done.values())} take-overs {dict(self.done)}, the longest {self.longest_s:.1f} s; "
            f"commands {dict(self.answered)}; {len(reads_of(seen))} reads, {len(writes_of(seen))} writes, "
            f"{sign_ins} sign-ins; in the busiest minute {most_in_a_minute(reads_of(seen))} reads, "
            f"{most_in_a_minute(writes_of(seen))} writes; {refused} refused"
        )


def main() -> int:
    """Do so many turns; return 1 where something was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100, choices=range(1, 1001), metavar="1-1000")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        broker = Broker(directory).start()
        try:
            with Proxy(broker.port) as first, Proxy(broker.port) as second:
                proxies = {"bridge-a": first, "bridge-b": second}
                ports = {name: proxy.port for name, proxy in proxies.items()}
                with Pair(directory, broker, ports) as pair:
                    soak = Soak(pair, proxies, args.seed)
                    try:
                        for _ in range(args.times):
                            soak.turn()
                    except AssertionError:
                        sys.stderr.write(soak.last_lines())
                        raise
                    finally:
                        sys.stdout.write(f"{soak.told()}\n")
                    return int(any(one.status == HTTPStatus.TOO_MANY_REQUESTS for one in pair.cloud.requests))
        finally:
            broker.stop()


if __name__ == "__main__":
    sys.exit(main())
