"""``schema``: the JSON schema of the configuration, for editors."""

import argparse
import json

from wallbox2mqtt.config import schema
from wallbox2mqtt.errors import EXIT_OK


def run(_: argparse.Namespace) -> int:
    """Print it; return the exit code."""
    print(json.dumps(schema(), indent=2))
    return EXIT_OK
