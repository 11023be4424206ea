"""Many accounts on one machine: what their processes take of memory and processor, and how long a start takes.

``scripts/bench fleet --accounts N`` starts N bridges at once, each with an account of its own, at the pace that users
have. What 200 take is worked out from that, and said so.
"""

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench.rig import bridge, cpu_s, free_port, machine, resident_mib, table
from tests.mosquitto import Watcher
from wallbox2mqtt.cli.local_broker import LocalBroker
from wallbox2mqtt.simulator import Settings, Simulator

ACCOUNTS, MOST_ACCOUNTS, FLEET = 20, 50, 200
START_S, SETTLE_S, IDLE_S = 180.0, 10.0, 40.0


def pss_mib(pid: int) -> float:
    """Return what a process has of memory, with its share of what it has in common with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def started(watcher: Watcher, accounts: int) -> float:
    """Wait until each account has published its charger's status; return the time of the last."""
    first: dict[str, float] = {}
    ends = time.monotonic() + START_S
    while len(first) < accounts and time.monotonic() < ends:
        for one in watcher.heard:
            first.setdefault(one.topic.split("/")[0], one.at)
        time.sleep(0.1)
    if len(first) < accounts:
        msg = f"only {len(first)} of {accounts} have started after {START_S:g} s"
        raise SystemExit(msg)
    return max(first.values())


def measure(accounts: int) -> list[tuple[str, str, str]]:
    """Run so many bridges; return the rows of the table."""
    cloud = Simulator(chargers=1, settings=Settings(reads_per_minute=None, writes_per_minute=None))
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(cloud)
        broker = stack.enter_context(LocalBroker(free_port(), directory))
        watcher = stack.enter_context(Watcher(broker.port, "+/+/status"))
        begun = time.monotonic()
        pids = [
            stack.enter_context(
                bridge(
                    cloud,
                    broker.port,
                    directory / str(number),
                    MQTT__CLIENT_ID=f"fleet-{number}",
                    MQTT__BASE_TOPIC=f"fleet-{number}",
                    HOME_ASSISTANT__PREFIX=f"ha-{number}",
                )
            )
            for number in range(accounts)
        ]
        start = started(watcher, accounts) - begun
        used_to_start = sum(map(cpu_s, pids))
        time.sleep(SETTLE_S)
        before, at = sum(map(cpu_s, pids)), time.monotonic()
        time.sleep(IDLE_S)
        share = 100 * (sum(map(cpu_s, pids)) - before) / (time.monotonic() - at)
        memory, own = sum(map(resident_mib, pids)), sum(map(pss_mib, pids))
    times = FLEET / accounts
    return [
        ("all at once: each has published its charger", f"{start:.1f} s", "—"),
        ("processor time of the starts", f"{used_to_start:.1f} s", f"{used_to_start * times:.0f} s"),
        ("memory, resident", f"{memory:.0f} MiB", f"{memory * times / 1024:.1f} GiB"),
        ("memory, common pages counted once", f"{own:.0f} MiB", f"{own * times / 1024:.1f} GiB"),
        ("processor when idle, of one core", f"{share:.1f} %", f"{share * times:.0f} %"),
    ]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="scripts/bench fleet", description=__doc__)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS, help="at most 50 (%(default)s)")
    accounts = min(parser.parse_args().accounts, MOST_ACCOUNTS)
    rows = measure(accounts)
    print(table(("measured", f"{accounts} accounts", f"{FLEET} accounts, by multiplying"), rows))
    print(f"\n{machine()}; one charger each, cloud and broker on the same machine")


if __name__ == "__main__":
    main()
