"""The examples with a real Prometheus: it scrapes a bridge at a simulated cloud, and every query has to give a series.

On 127.0.0.1 only; at the end the processes that were started are ended by their ids.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
import yaml

from tests.bench.rig import table
from tests.command import COMMAND, environment, with_account
from tests.mosquitto import Broker, Watcher, free_port
from tests.unit.test_examples_metrics import EXAMPLES, alerts, queries
from wallbox2mqtt.simulator import ChargerSpec, Fault, Settings, Simulator

LIMIT_S = 120.0
FREE = Settings(reads_per_minute=None, writes_per_minute=None)
CHARGERS = [
    ChargerSpec(id=900001, name="Garage", begin=(("unlock", None), ("plug", 30)), past_days=60),
    ChargerSpec(id=900002, name="Carport", begin=(("unplug", None), ("unlock", None)), past_days=60),
]


def promtool(*arguments: str, stdin: bytes = b"") -> None:
    """Run a check that has to pass."""
    done = subprocess.run(  # noqa: S603 - arguments of our own
        [_program("promtool"), *arguments],
        cwd=EXAMPLES / "prometheus",
        input=stdin,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"promtool {' '.join(arguments)} failed:\n{(done.stdout + done.stderr).decode()}")
    print(f"ok  promtool {' '.join(arguments)}")


def _program(name: str) -> str:
    if (found := shutil.which(name)) is None:
        sys.exit(f"{name} is not installed: apt install prometheus")
    return found


@contextmanager
def running(arguments: list[str], environ: Mapping[str, str] | None, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for as long as it is needed."""
    with log.open("wb") as file:
        process = subprocess.Popen(arguments, stdout=file, stderr=file, env=environ)  # noqa: S603 - our own, and Prometheus
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


class Prometheus:
    """A Prometheus with the example's configuration, but that it asks this bridge, each second."""

    def __init__(self, directory: Path, bridge: int) -> None:
        self.port, self._directory = free_port(), directory
        config: dict[str, Any] = yaml.safe_load((EXAMPLES / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(EXAMPLES / "prometheus/rules.yml")]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{bridge}"]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")

    @property
    def arguments(self) -> list[str]:
        """Its command line."""
        return [
            _program("prometheus"),
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - whatever it answers
        """Return the data of an answer of its API."""
        answer = requests.get(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(parameters)}", timeout=10)
        document = answer.json()
        if document["status"] != "success":
            sys.exit(f"{parameters}: {document.get('error')}")
        return document["data"]

    def series(self, query: str) -> int:
        """Return how many series a query gives."""
        return len(self.ask("query", query=query)["result"])


def wait_until_ready(url: str) -> None:
    """Wait until something answers."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    sys.exit(f"{url} does not answer")


def make_something_happen(cloud: Simulator, watcher: Watcher) -> None:
    """Send a command that succeeds and one that is rejected, and let the cloud fail once."""
    watcher.publish("wallbox/900001/max_charging_current/set", str(10 + int(time.monotonic()) % 6))
    watcher.publish("wallbox/900001/max_charging_current/set", "much")
    cloud.fault(Fault(kind="status", status=503, path="v3/chargers/groups"))


def with_panels(expression: str) -> str:
    """Put in what Grafana puts in."""
    return expression.replace("$charger", ".*")


def all_series(prometheus: Prometheus, cloud: Simulator, watcher: Watcher) -> dict[str, int]:
    """Return how many series each panel's query gives, as soon as all give some."""
    wanted = {where: with_panels(query) for where, query in queries().items() if where.startswith("panel")}
    found: dict[str, int] = {}
    ends = time.monotonic() + LIMIT_S
    while time.monotonic() < ends:
        make_something_happen(cloud, watcher)
        time.sleep(3)
        found = {where: prometheus.series(query) for where, query in wanted.items()}
        if all(found.values()):
            break
    return found


def main() -> None:
    """Try it all, print what each query gives, and fail where one gives nothing."""
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "rules.yml")
    promtool("test", "rules", "rules_test.yml")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cloud = stack.enter_context(Simulator(chargers=CHARGERS, settings=FREE))
        broker = Broker(directory).start()
        stack.callback(broker.stop)
        watcher = stack.enter_context(Watcher(broker.port))
        port = free_port()
        environ = with_account(environment(cloud, directory), broker.port, WALLBOX2MQTT_WEB__LISTEN=f"127.0.0.1:{port}")
        environ |= {"WALLBOX2MQTT_WALLBOX__POLL_INTERVAL": "0.5", "WALLBOX2MQTT_WALLBOX__WRITES_PER_MINUTE": "1000"}
        bridge = stack.enter_context(running([*COMMAND, "run"], environ, directory / "bridge.log"))
        wait_until_ready(f"http://127.0.0.1:{port}/metrics")
        prometheus = Prometheus(directory, port)
        stack.enter_context(running(prometheus.arguments, None, directory / "prometheus.log"))
        wait_until_ready(f"http://127.0.0.1:{prometheus.port}/-/ready")
        found = all_series(prometheus, cloud, watcher)
        promtool("check", "metrics", stdin=requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).content)
        print(table(("query", "series"), [(where, str(count)) for where, count in found.items()]))
        for name, rule in alerts().items():
            prometheus.ask("query", query=rule["expr"])
            print(f"ok  the expression of {name} is evaluated")
        bridge.terminate()
        bridge.wait(10)
        time.sleep(4)
        states = {one["labels"]["alertname"]: one["state"] for one in prometheus.ask("alerts")["alerts"]}
        print(f"alerts after the bridge has ended: {json.dumps(states)}")
    if not all(found.values()) or states.get("WallboxBridgeDown") != "pending":
        sys.exit("not all is as it should be")


if __name__ == "__main__":
    main()
