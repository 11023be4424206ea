"""The status port: what the bridge knows, for people, probes and metrics. It is read-only."""

THREAD = "status port"
"""The name of the thread that serves it: the one thread whose death does not end the program."""
