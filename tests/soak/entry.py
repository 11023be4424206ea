"""The bridge as a process whose time passes faster: ``python -m tests.soak.entry SPEED FILE``.

The file tells how many bytes are in use: with PYTHONMALLOC=malloc all of them pass glibc's allocator, which counts
them. What is resident says less: it grows in steps, with arenas that keep what was freed.
"""

import ctypes
import logging
import os
import sys
import threading
import time
from pathlib import Path

from tests.fakes import FastClock
from wallbox2mqtt.cli.run import serve
from wallbox2mqtt.config import load, state_dir
from wallbox2mqtt.daemon.app import App

_EACH_S = 0.5
_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _MallInfo(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS.split())


def tell_used(file: Path) -> None:
    """Write the bytes in use to a file, over and over."""
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = _MallInfo
    new = file.with_suffix(".new")
    while True:
        info = ask()
        new.write_text(str(info.uordblks + info.hblkhd), encoding="ascii")
        new.replace(file)
        time.sleep(_EACH_S)


def main() -> int:
    """Run the bridge of the environment's configuration; return its exit code."""
    threading.Thread(target=tell_used, args=(Path(sys.argv[2]),), daemon=True).start()
    config = load(None, os.environ)
    logging.basicConfig(level=config.log.level.upper(), stream=sys.stderr)
    return serve(
        App(config, state_dir(config, os.environ), FastClock(float(sys.argv[1]))), lambda: load(None, os.environ)
    )


if __name__ == "__main__":
    sys.exit(main())
