"""``python -m wallbox2mqtt``."""

import sys

from wallbox2mqtt.cli import main

if __name__ == "__main__":
    sys.exit(main())
