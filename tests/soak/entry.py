"""The bridge as a process whose time passes faster: ``python -m tests.soak.entry SPEED``."""

import logging
import os
import sys

from tests.fakes import FastClock
from wallbox2mqtt.cli.run import serve
from wallbox2mqtt.config import load, state_dir
from wallbox2mqtt.daemon.app import App


def main() -> int:
    """Run the bridge of the environment's configuration; return its exit code."""
    config = load(None, os.environ)
    logging.basicConfig(level=config.log.level.upper(), stream=sys.stderr)
    return serve(
        App(config, state_dir(config, os.environ), FastClock(float(sys.argv[1]))), lambda: load(None, os.environ)
    )


if __name__ == "__main__":
    sys.exit(main())
