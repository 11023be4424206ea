"""systemd hands files to the service as copies of the start, its credentials. The unit says where they come from.

``CREDENTIALS_DIRECTORY`` has the copies, ``CONFIGURATION_DIRECTORY`` the files that operators know, and
``RELOAD_DIRECTORY`` the newer copies that ``systemctl reload`` makes.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from wallbox2mqtt.config.keys import PREFIX

_HANDED_OVER = r"config\.yaml|wallbox-password|mqtt-password"
"""What the unit hands over by the name that it has in ``/etc``; operators may add others."""


def as_operators_know_it(text: str, environ: Mapping[str, str]) -> str:
    """Return a message with the files in ``/etc`` in place of their copies."""
    home = environ.get("CONFIGURATION_DIRECTORY", "")
    for copies in (environ.get("CREDENTIALS_DIRECTORY"), environ.get("RELOAD_DIRECTORY")):
        if home and copies:
            text = re.sub(rf"{re.escape(copies)}(?=/({_HANDED_OVER})\b)", lambda _: home, text)
    return text


def is_empty_credential(name: str, text: str, environ: Mapping[str, str]) -> bool:
    """Return whether a variable names an empty copy: the unit hands over both passwords, be they used or not."""
    if not name.endswith("__PASSWORD_FILE"):
        return False
    file = Path(text)
    copies = {environ.get("CREDENTIALS_DIRECTORY"), environ.get("RELOAD_DIRECTORY")}
    return str(file.parent) in copies and file.is_file() and not file.stat().st_size


def reloaded(file: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, dict[str, str]]:
    """Return configuration file and environment with the newest copies in place of those of the start."""
    start, newest = environ.get("CREDENTIALS_DIRECTORY"), environ.get("RELOAD_DIRECTORY")

    def moved(text: str) -> str:
        if not start or not newest or Path(text).parent != Path(start):
            return text
        newer = Path(newest) / Path(text).name
        return str(newer) if newer.is_file() else text

    moved_environ = {name: moved(text) if name.startswith(PREFIX) else text for name, text in environ.items()}
    return None if file is None else Path(moved(str(file))), moved_environ
