"""The demo as a process: what it prints, and how it ends."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mosquitto import find_mosquitto, free_port

pytestmark = pytest.mark.broker


@pytest.mark.slow
@pytest.mark.parametrize("speed", ["20", "100000"])
def test_shows_a_car_that_charges_and_ends_by_itself(tmp_path: Path, speed: str) -> None:
    find_mosquitto()
    command = [sys.executable, "-m", "wallbox2mqtt", "demo", "--port", str(free_port()), "--speed", speed, "--for", "8"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.endswith("The demo has ended.\n")
    assert "mosquitto_pub" in done.stdout
    energies = [float(text) for text in re.findall(r"900001  added_energy +(\S+) kWh", done.stdout)]
    assert energies
    if speed == "20":
        assert energies == sorted(energies)
        assert len(energies) > 3  # the bridge asks each second
