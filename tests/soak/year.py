"""Years of sessions, seed by seed: ``python -m tests.soak.year --years 20``. Minutes each; not part of the tests.

Each is played in simulated time with the bridge's ledgers, and compared with an account that is kept apart.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.year import a_year
from tests.year_bridge import PlayedYear
from tests.year_checks import problems_of


def main() -> int:
    """Play the years that the command line asks for; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="year", description=__doc__)
    parser.add_argument("--years", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="of the first year")
    parser.add_argument("--stays", type=int, default=300, help="sessions a year")
    parser.add_argument("--poll", type=int, default=120, help="seconds between reads while a car is there")
    parser.add_argument("--idle", type=int, default=3600, help="seconds between reads else")
    args = parser.parse_args()
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    logging.disable()
    wrong = 0
    for seed in range(args.seed, args.seed + args.years):
        with tempfile.TemporaryDirectory() as directory:
            year = a_year(seed, stays=args.stays, quasar=seed % 2 == 0)
            played = PlayedYear(year, Path(directory), seed, poll_s=args.poll, idle_s=args.idle)
            played.play()
            found = problems_of(played)
        kwh, count = year.total(2**40) / 1000, len(year.stays)
        sys.stdout.write(f"seed {seed}: {count} sessions, {kwh} kWh, {played.kills} kills, {len(found)} problems\n")
        sys.stdout.writelines(f"  {problem:.400}\n" for problem in found[:10])
        sys.stdout.flush()
        wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
