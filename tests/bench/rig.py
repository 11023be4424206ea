"""What the benchmarks run on: a broker, a simulated cloud, and the bridge as a process of its own."""

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wallbox2mqtt.cli.local_broker import HOST
from wallbox2mqtt.simulator import EMAIL, PASSWORD, Simulator


def machine() -> str:
    """Name the machine, for under a table."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores of {model}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def bridge(cloud: Simulator, port: int, state_dir: Path, **settings: str) -> Iterator[int]:
    """Run the bridge as a process; return its id. ``settings``: environment variables without their prefix."""
    variables = {
        "WALLBOX__EMAIL": EMAIL,
        "WALLBOX__PASSWORD": PASSWORD,
        "WALLBOX__API_URL": cloud.url,
        "WALLBOX__USER_API_URL": cloud.url,
        "MQTT__HOST": HOST,
        "MQTT__PORT": str(port),
        "STATE_DIR": str(state_dir),
        "LOG__LEVEL": "warning",
        **settings,
    }
    environment = {**os.environ, **{f"WALLBOX2MQTT_{name}": value for name, value in variables.items()}}
    process = subprocess.Popen([sys.executable, "-m", "wallbox2mqtt", "run"], env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_share(pid: int, seconds: float) -> float:
    """Watch a process for a while; return the share of one core that it used, in percent."""
    begun, used = time.monotonic(), cpu_s(pid)
    time.sleep(seconds)
    return 100 * (cpu_s(pid) - used) / (time.monotonic() - begun)


def free_port() -> int:
    """Return a port of the loopback that is free."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
