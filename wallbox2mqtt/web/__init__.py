"""The status port: what the bridge knows, for people, probes and metrics. It shows and never commands."""

THREAD = "status port"
"""The name of the thread that serves it: the one thread whose death does not end the program."""
