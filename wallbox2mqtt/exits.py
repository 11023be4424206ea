"""The exit codes: what systemd, Docker and scripts go by. Those of sysexits.h where it has one."""

import signal

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_FAULT = 69
"""``check``, ``init`` or ``health`` found a fault (EX_UNAVAILABLE)."""
EXIT_CONFIG = 78
"""Only the user can help: systemd must not start the bridge again (EX_CONFIG)."""
EXIT_INTERRUPTED = 128 + signal.SIGINT
"""As a shell says it of a program that Ctrl-C ended."""
