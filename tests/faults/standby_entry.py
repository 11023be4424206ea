"""One of two bridges as a process whose time passes faster: ``python -m tests.faults.standby_entry SPEED TIMING``.

The configuration comes from the environment; TIMING is a JSON object, and lengths in it are real seconds.
"""

import json
import logging
import os
import sys

from tests.fakes import FastClock
from wallbox2mqtt.cli.run import serve
from wallbox2mqtt.config import load, state_dir
from wallbox2mqtt.daemon.leadership import Timing
from wallbox2mqtt.daemon.standby import Standby


def main() -> int:
    """Run the bridge; return its exit code."""
    config = load(None, os.environ)
    logging.basicConfig(level="INFO", stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    clock, timing = FastClock(float(sys.argv[1])), Timing(**json.loads(sys.argv[2]))
    return serve(Standby(config, state_dir(config, os.environ), clock, timing=timing), lambda: load(None, os.environ))


if __name__ == "__main__":
    sys.exit(main())
