"""``simulator``: the simulated cloud by itself, for this or any other client."""

import argparse
import signal
import sys
import threading

from wallbox2mqtt.errors import EXIT_FAILED, EXIT_OK, UsageError
from wallbox2mqtt.simulator import EMAIL, MODELS, PASSWORD, Simulator, fleet


def run(args: argparse.Namespace) -> int:
    """Simulate the cloud until told to end; return the exit code.

    Raises:
        UsageError: there is no such model.

    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    models = args.model or tuple(MODELS)
    if unknown := set(models) - set(MODELS):
        msg = f"--model: unknown {' '.join(sorted(unknown))}; known: {' '.join(MODELS)}"
        raise UsageError(msg)
    cloud = Simulator(chargers=fleet(args.chargers, models, lively=True), speed=args.speed)
    try:
        cloud.start(args.port)
    except OSError as error:
        problem = f"port {args.port} cannot be used ({error.strerror}); choose another with --port"
        print(f"wallbox2mqtt: {problem}", file=sys.stderr)
        return EXIT_FAILED
    with cloud:
        print(f"The cloud is simulated at {cloud.url} (both hosts), account {EMAIL} / {PASSWORD}")
        print(f"chargers {' '.join(str(number) for number in cloud.chargers)}; move them at {cloud.url}/_control/")
        print("Ctrl-C ends it.", flush=True)
        while not stop.wait(1.0):  # Python hears a signal that comes just as a wait begins only at its end
            pass
    return EXIT_OK
