"""A password in a file of its own, which may change while the program runs."""

import re
from pathlib import Path

import msgspec

from wallbox2mqtt.config.model import Config
from wallbox2mqtt.config.secret import Secret


def without_line_end(text: str) -> str:
    """Return a text without the line end that editors and ``echo`` add; others may be meant."""
    return re.sub(r"\r?\n\Z", "", text)


def read_password(path: Path) -> Secret:
    """Return the password that a file holds.

    Raises:
        ValueError: there is none; the text says why.

    """
    text = ""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "not UTF-8"
    else:
        reason = "empty"
    if text := without_line_end(text):
        return Secret(text)
    # outside the handlers: the errors hold what they could not read, and that may be a secret
    raise ValueError(reason)


class PasswordFile:
    """Looks at the file again and again. If it cannot be read for now, nothing changes."""

    def __init__(self, path: Path | None, password: Secret | None) -> None:
        """Start with what was read from it; ``path``: None where the password stands elsewhere."""
        self.follow(path, password)

    def follow(self, path: Path | None, password: Secret | None) -> None:
        """Look at this file from now on, which held this password a moment ago."""
        self._path, self._taken, self._candidate = path, password, password

    def newest(self) -> Secret | None:
        """Return what the file holds now; None where it cannot be told. A pipe is read only once, at the start."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            return read_password(self._path)
        except ValueError:
            return None

    def changed(self) -> Secret | None:
        """Return another password than before, once, when it was found twice in a row: it may be being written."""
        newest, before = self.newest(), self._candidate
        self._candidate = newest
        if newest is None or newest == self._taken or newest != before:
            return None
        self._taken = newest
        return newest


def with_passwords(config: Config, wallbox: Secret, mqtt: Secret | None) -> Config:
    """Return the configuration with these passwords."""
    replace = msgspec.structs.replace
    return replace(config, wallbox=replace(config.wallbox, password=wallbox), mqtt=replace(config.mqtt, password=mqtt))
