"""A broker of three nodes, killed in turn: is the bridge back, and what of commands and retained values is left.

Each round kills the node that the bridge uses, while commands go on through another one, and starts it again. NATS is
nats-server 2.10 (Debian 13), aedes needs node, redis-server and ``npm install aedes aedes-persistence-redis
mqemitter-redis`` in the directory that ``--modules`` names.
"""

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.rig import bridge, machine, table
from tests.mosquitto import Watcher, eventually, free_port
from tests.soak.commander import COMMAND_EACH_S, Commander, Tally
from wallbox2mqtt.simulator import Settings, Simulator

CHARGERS, ROUNDS, LONGEST_ROUNDS = 3, 6, 100
BACK_S, START_S, SAME_S = 30.0, 60.0, 150.0
"""``SAME_S``: a node of NATS gives what it had stored for up to two minutes."""
AFTER_S, BEFORE_S = 5.0, 3.0
WITNESS_QOS = {"nats": 0, "aedes": 1}
"""At which a witness misses nothing: aedes loses some at QoS 0, NATS gives at QoS 1 only what it has stored."""
VOLATILE = {"health", "last_poll", "reads_last_hour", "writes_last_hour", "cloud", "info", "last_sync", "handover"}
"""What changes while it is compared."""


class Process:
    """A program that is killed and started again, with its log in a file."""

    def __init__(self, command: Sequence[str], directory: Path, port: int) -> None:
        """Take the command; ``port``: where it listens."""
        self._command, self._directory, self.port = command, directory, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it may not listen yet."""
        with (self._directory / f"{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self._directory)  # noqa: S603

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None


def nats(directory: Path, program: str) -> list[Process]:
    """Return three nodes of NATS with JetStream."""
    routes = [free_port() for _ in range(3)]
    nodes = []
    for number, route in enumerate(routes, start=1):
        port, file = free_port(), directory / f"nats{number}.conf"
        others = ", ".join(f'"nats://127.0.0.1:{one}"' for one in routes)
        file.write_text(
            f"server_name: n{number}\nhost: 127.0.0.1\nport: {free_port()}\n"
            f'jetstream {{ store_dir: "{directory}/store{number}", max_mem: 64MB, max_file: 256MB }}\n'
            f"cluster {{ name: c, host: 127.0.0.1, port: {route}, routes: [{others}] }}\n"
            f"mqtt {{ host: 127.0.0.1, port: {port} }}\n",
            encoding="utf-8",
        )
        nodes.append(Process([program, "-c", str(file)], directory, port))
    return nodes


def aedes(directory: Path, modules: Path, stack: ExitStack) -> list[Process]:
    """Return three nodes of aedes over one Redis, which is started."""
    port = free_port()
    redis = Process(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], directory, port)
    redis.start()
    stack.callback(redis.kill)
    script = modules.resolve() / "aedes-node.mjs"
    shutil.copyfile(Path(__file__).with_name("aedes.mjs"), script)  # modules are found from where it lies
    stack.callback(script.unlink)
    ports = [free_port() for _ in range(3)]
    return [Process(["node", str(script), str(one), str(port)], directory, one) for one in ports]


def node_of(pid: int, nodes: Sequence[Process]) -> Process | None:
    """Return the node to which a process has a connection."""
    handles = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            handles.add(str(handle.readlink()))
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "01" and f"socket:[{fields[9]}]" in handles:
            port = int(fields[2].partition(":")[2], 16)
            for node in nodes:
                if node.port == port:
                    return node
    return None


@contextmanager
def listening(node: Process, topic: str, qos: int = 1) -> Iterator[Watcher]:
    """Return a watcher at a node, which may need a while until it takes one."""
    ends = time.monotonic() + START_S
    while True:
        watcher = Watcher(node.port, topic, v5=False, qos=qos)
        try:
            watcher.__enter__()
        except (OSError, AssertionError):  # no connection, or no answer
            watcher.__exit__()
            if time.monotonic() > ends:
                raise
        else:
            if not watcher.is_refused or time.monotonic() > ends:
                break
            watcher.__exit__()
        time.sleep(0.2)
    try:
        yield watcher
    finally:
        watcher.__exit__()


def served_after(node: Process) -> float:
    """Return after how many seconds a new client is given what it publishes; it gives up after a minute or so."""
    begun = time.monotonic()
    with contextlib.suppress(OSError, AssertionError), listening(node, "probe/#") as watcher:
        while not watcher.heard and time.monotonic() - begun < START_S:
            watcher.publish("probe/now", "yes")
            time.sleep(COMMAND_EACH_S)
    return time.monotonic() - begun


def retained(node: Process) -> dict[str, str]:
    """Return what a new subscriber of a node is given, but for what changes all the time."""
    with listening(node, "#") as watcher:
        time.sleep(2.0)
        stored = {one.topic: one.payload for one in watcher.heard if one.retained}
    return {topic: text for topic, text in stored.items() if topic.rpartition("/")[2] not in VOLATILE}


def are_same(nodes: Sequence[Process], cloud: Simulator, tally: Tally) -> bool:
    """Return whether all nodes give the same values and the names that the chargers have, and the bridge is there."""
    stored = [retained(node) for node in nodes]
    names = {f"wallbox/{number}/name": charger.detail()["name"] for number, charger in cloud.chargers.items()}
    tally.retained = len(stored[0])
    tally.differ = {topic for one in stored[1:] for topic, _ in stored[0].items() ^ one.items()}
    tally.differ |= {topic for topic, name in names.items() if stored[0].get(topic) != name}
    return not tally.differ and stored[0].get("wallbox/bridge/state") == "online"


def play(nodes: Sequence[Process], witness_qos: int, pid: int, cloud: Simulator, tally: Tally) -> None:
    """Kill the node in use while commands go on, wait until one is carried out, and start the node."""
    eventually(lambda: node_of(pid, nodes), "the bridge is connected", START_S)
    used = next(node for node in nodes if node is node_of(pid, nodes))
    other = next(node for node in nodes if node is not used)
    with ExitStack() as stack:
        witness = stack.enter_context(listening(other, "wallbox/#", witness_qos))
        sender = stack.enter_context(listening(other, "none", qos=0))
        watcher = stack.enter_context(listening(other, "wallbox/+/name/result"))
        commander = Commander(cloud, tally, (sender, watcher, witness))
        commander.go_on(START_S, until_back=True)
        commander.go_on(BEFORE_S)
        used.kill()
        with ThreadPoolExecutor() as pool:
            served = pool.submit(served_after, other)
            tally.back.append(commander.go_on(START_S, until_back=True))
            tally.served.append(served.result())
        commander.go_on(AFTER_S)
        used.start()
        commander.hear_out()
        started = time.monotonic()
        while not (is_same := are_same(nodes, cloud, tally)) and time.monotonic() - started < SAME_S:
            time.sleep(1.0)
    if is_same:
        tally.same.append(time.monotonic() - started)
    else:
        sys.stderr.write(f"differ: {len(tally.differ)}, such as {sorted(tally.differ)[:5]}\n")


def run(kind: str, program: str, modules: Path, rounds: int) -> tuple[Tally, Simulator]:
    """Play so many rounds with a cluster of this kind."""
    tally = Tally()
    cloud = Simulator(chargers=CHARGERS, settings=Settings(reads_per_minute=None, writes_per_minute=None))
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(cloud)
        nodes = nats(directory, program) if kind == "nats" else aedes(directory, modules, stack)
        for node in nodes:
            node.start()
            stack.callback(node.kill)
        for node in nodes:
            with listening(node, "#"):
                pass
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        settings = {"MQTT__HOST": hosts, "MQTT__PROTOCOL": "3.1.1", "WALLBOX__READS_PER_MINUTE": "60"}
        settings |= {"WALLBOX__POLL_INTERVAL": "1", "WALLBOX__WRITES_PER_MINUTE": "6000"}
        pid = stack.enter_context(bridge(cloud, nodes[0].port, directory / "state", **settings))
        for number in range(rounds):
            play(nodes, WITNESS_QOS[kind], pid, cloud, tally)
            sys.stderr.write(
                f"round {number + 1}: back after {tally.back[-1]:.1f} s, a new client {tally.served[-1]:.1f} s\n"
            )
    return tally, cloud


def spread(seconds: Sequence[float]) -> str:
    """Return the shortest and the longest of some times."""
    return f"{min(seconds, default=0.0):.1f} to {max(seconds, default=0.0):.1f} s"


def report(kind: str, tally: Tally, cloud: Simulator) -> tuple[str, bool]:
    """Return the table, and whether all is as wanted."""
    lost, back = tally.lost(cloud), sorted(tally.back)
    nobody = {name: where for name, where in lost.items() if "nobody" in where}
    answered = ", ".join(f"{count} {status}" for status, count in sorted(tally.answers.items()))
    rows = [
        ("nodes killed", str(len(back))),
        ("commands of all depths are answered again after", ", ".join(f"{one:.1f}" for one in back) + " s"),
        (f"so within {BACK_S:g} s", f"{sum(one < BACK_S for one in back)} times"),
        ("a new client served again after", spread(tally.served)),
        (
            "stored values the same on all nodes, names as they are",
            f"{len(tally.same)} times, {tally.retained} values",
        ),
        ("found so after the last answer within", spread(tally.same)),
        ("answered", answered),
        ("the longest answer took", f"{tally.longest:.1f} s"),
        ("answered twice", str(tally.twice)),
        ("carried out, the answer heard by nobody", str(len(nobody))),
        ("carried out, the answer missed by the listener at QoS 1, or late", str(len(lost) - len(nobody))),
        ("reached nobody while the bridge was away", str(len(tally.silent) - len(lost))),
    ]
    for name, where in lost.items():
        sys.stderr.write(f"{name}: {where}\n")
    is_good = back[-1] < BACK_S and len(tally.same) == len(back) and not nobody and not tally.twice
    return table((f"three nodes of {kind}", "here"), rows), is_good


def main() -> int:
    """Play, and print a table; 1 where something is not as wanted."""
    parser = argparse.ArgumentParser(prog="scripts/cluster", description=__doc__)
    parser.add_argument("kind", choices=("nats", "aedes"))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="at most 100 (%(default)s)")
    parser.add_argument("--nats", default="nats-server", metavar="PROGRAM", help="(%(default)s)")
    parser.add_argument("--modules", type=Path, default=Path(), metavar="DIRECTORY", help="where npm put aedes")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # else its brokers outlive it
    tally, cloud = run(args.kind, args.nats, args.modules, min(args.rounds, LONGEST_ROUNDS))
    text, is_good = report(args.kind, tally, cloud)
    sys.stdout.write(f"{text}\n\n{machine()}\n")
    return not is_good


if __name__ == "__main__":
    sys.exit(main())
