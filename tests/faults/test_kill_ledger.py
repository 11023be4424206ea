"""``kill -9`` of a process that books energy; ``python -m tests.soak.kill_ledger --kills 500`` does it more often."""

import subprocess
import sys
from pathlib import Path

from tests.mosquitto import LIMIT_S


def test_no_wh_is_lost_or_doubled() -> None:
    command = [sys.executable, "-m", "tests.soak.kill_ledger", "--kills", "25", "--seed", "2"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=4 * LIMIT_S, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert "25 kills" in done.stdout
