"""How long a command takes through the bridge, how soon it starts, and what it costs to have it."""

import json
import queue
import tempfile
import time
from pathlib import Path

from tests.bench.rig import bridge, cpu_share, free_port, machine, percentile, resident_mib, table
from wallbox2mqtt.cli.local_broker import HOST, LocalBroker
from wallbox2mqtt.clock import SystemClock
from wallbox2mqtt.config import MqttConfig
from wallbox2mqtt.mqtt import Connected, Event, Message, MqttConnection
from wallbox2mqtt.simulator import Settings, Simulator

COMMANDS = 300
IDLE_S = 30.0
_WAIT_S = 20.0
_MANY_S = 120.0
_FREE = {
    "WALLBOX__STATUS_WRITES_PER_MINUTE": "0",
    "WALLBOX__READS_PER_MINUTE": "60000",
    "WALLBOX__WRITES_PER_MINUTE": "60000",
}


class Client:
    """An MQTT client that stamps what it receives with the clock of the cloud."""

    def __init__(self, port: int, clock: SystemClock) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        config = MqttConfig(host=HOST, port=port, client_id="bench")
        self.mqtt = MqttConnection(config, filters=["wallbox/#"], on_event=self.events.put, clock=clock)
        self.mqtt.start()
        while not isinstance(self.events.get(timeout=_WAIT_S), Connected):
            pass

    def wait(self, suffix: str) -> Message:
        """Wait for a message on a topic that ends like this."""
        while True:
            event = self.events.get(timeout=_WAIT_S)
            if isinstance(event, Message) and event.topic.endswith(suffix):
                return event


def main() -> None:
    """Measure, and print a table."""
    clock = SystemClock()
    cloud = Simulator(chargers=1, clock=clock, settings=Settings(reads_per_minute=None, writes_per_minute=None))
    fleet = Simulator(chargers=300, clock=clock, settings=Settings(reads_per_minute=None, writes_per_minute=None))
    with tempfile.TemporaryDirectory() as name, cloud, fleet, LocalBroker(free_port(), Path(name)) as broker:
        client = Client(broker.port, clock)
        rows = [*_one(cloud, broker.port, client, Path(name)), _many(fleet, broker.port, client, Path(name))]
        client.mqtt.stop(timeout_s=1.0)
    print(table(("measured", "here", "wanted"), rows))
    print(f"\n{machine()}; {broker.name} with set_tcp_nodelay; {COMMANDS} commands one after the other, on loopback")


def _one(cloud: Simulator, port: int, client: Client, directory: Path) -> list[tuple[str, str, str]]:
    begun = time.monotonic()
    with bridge(cloud, port, directory / "one", WALLBOX__POLL_INTERVAL="1", **_FREE):
        client.wait("/status")
        started = time.monotonic() - begun
        client.wait("/eco_smart")
        to_cloud, to_state, to_result = _commands(cloud, client)
    # idle at the pace that users have
    with bridge(cloud, port, directory / "idle", WALLBOX__CHARGERS=str(list(cloud.chargers))) as pid:
        client.wait("/eco_smart")
        share = cpu_share(pid, IDLE_S)
        memory = resident_mib(pid)
    return [
        ("command published → request at the cloud, p50", f"{percentile(to_cloud, 0.5):.1f} ms", "≤ 3 ms"),
        ("command published → request at the cloud, p99", f"{percentile(to_cloud, 0.99):.1f} ms", "≤ 10 ms"),
        ("request answered → state at a subscriber, p99", f"{percentile(to_state, 0.99):.1f} ms", "≤ 10 ms"),
        ("request answered → result at a subscriber, p99", f"{percentile(to_result, 0.99):.1f} ms", "≤ 10 ms"),
        ("start → first field published", f"{started:.2f} s", "≤ 1 s"),
        ("resident memory, one charger", f"{memory:.1f} MiB", "≤ 36 MiB"),
        ("processor time when idle, one charger", f"{share:.2f} %", "≤ 0.2 %"),
    ]


def _commands(cloud: Simulator, client: Client) -> tuple[list[float], list[float], list[float]]:
    charger = next(iter(cloud.chargers))
    to_cloud, to_state, to_result = [], [], []
    # an urgent one: a current waits for the end of a drag
    topic = f"wallbox/{charger}/locked/set"
    client.mqtt.publish(topic, "1", retain=False)
    client.wait("/locked/result")
    for number in range(COMMANDS):
        cloud.forget_requests()
        sent = cloud.clock.monotonic()
        client.mqtt.publish(topic, str(number % 2), retain=False)
        state = client.wait("/locked")
        result = client.wait("/locked/result")
        if json.loads(result.payload)["status"] != "ok":
            raise SystemExit(result.payload.decode())
        cloud.wait_for(lambda seen: any(s.method == "PUT" and s.answered_at for s in seen), _WAIT_S)
        write = next(seen for seen in cloud.requests if seen.method == "PUT")
        answered = write.answered_at or write.at
        to_cloud.append(1000 * (write.at - sent))
        to_state.append(1000 * (state.arrived - answered))
        to_result.append(1000 * (result.arrived - answered))
    return to_cloud, to_state, to_result


def _many(cloud: Simulator, port: int, client: Client, directory: Path) -> tuple[str, str, str]:
    settings = _FREE | {"WALLBOX__POLL_INTERVAL": "0.02"}
    with bridge(cloud, port, directory / "many", **settings) as pid:
        client.wait("/cloud_reason")
        client.mqtt.publish("wallbox/bridge/refresh/set", "everything", retain=False)
        ends, seen = time.monotonic() + _MANY_S, set[str]()
        while len(seen) < len(cloud.chargers):
            # only the detail has it
            seen.add(client.wait("/depot_price").topic)
            if time.monotonic() > ends:
                raise SystemExit(f"only {len(seen)} details within {_MANY_S:g} s")  # noqa: EM102, TRY003 - a bench ends
        memory = resident_mib(pid)
    return (f"resident memory, {len(cloud.chargers)} chargers, all details read", f"{memory:.1f} MiB", "≤ 45 MiB")


if __name__ == "__main__":
    main()
