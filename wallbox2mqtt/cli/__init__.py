"""The command line."""

from wallbox2mqtt.cli.main import main

__all__ = ["main"]
