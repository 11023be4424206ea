"""What survives a restart: small JSON files in ``state_dir``, one set an account, readable by the owner only."""

import contextlib
import hashlib
import json
import logging
import os
import time
from pathlib import Path
from typing import BinaryIO

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import is_number

_LOG = logging.getLogger(__name__)

_LITTER_S = 60.0


class Storage:
    """The files of one account. Nothing here raises: a bridge without a state directory works, but forgets."""

    def __init__(self, directory: Path, account: str) -> None:
        """Name the files after the account, in a form that does not tell it."""
        self._directory = directory
        self._account = hashlib.sha256(account.encode()).hexdigest()[:12]
        self._broken: set[str] = set()
        self._tidy()

    def _tidy(self) -> None:
        """Remove what processes left behind that were killed while they wrote."""
        for litter in self._directory.glob(f"{self._account}-*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - litter.stat().st_mtime > _LITTER_S:
                    litter.unlink()

    def path(self, name: str) -> Path:
        """Return the file of a name."""
        return self._directory / f"{self._account}-{name}.json"

    def read(self, name: str) -> dict[str, Json]:
        """Return what was kept under a name; empty where nothing was, or where the file is damaged (a warning)."""
        try:
            kept = json.loads(self.path(name).read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            _LOG.warning("ignored a damaged state file file=%s error=%s", self.path(name), type(error).__name__)
            return {}
        if not isinstance(kept, dict):
            _LOG.warning("ignored a damaged state file file=%s error=no object", self.path(name))
            return {}
        return kept

    def _open(self, path: Path) -> BinaryIO:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        try:
            handle = os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, flags, 0o600)
        if os.geteuid() == 0:
            # what root's «check» leaves in a service's directory, the service has to be able to read
            owner = self._directory.stat()
            with contextlib.suppress(OSError):
                os.fchown(handle, owner.st_uid, owner.st_gid)
        return os.fdopen(handle, "wb")

    def write(self, name: str, content: dict[str, Json]) -> None:
        """Keep this under a name: mode 0600, all or nothing. What cannot be kept is said once."""
        path = self.path(name)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        text = json.dumps(content).encode()
        try:
            with self._open(temporary) as file:
                file.write(text)
            temporary.replace(path)
        except OSError as error:
            if name not in self._broken:
                _LOG.warning("cannot keep state file=%s error=%s", path, error.strerror)
            self._broken.add(name)
        else:
            self._broken.discard(name)

    def link(self, name: str, target: Path) -> None:
        """Let a name lead to a file that is kept elsewhere. What cannot be linked is said."""
        path = self.path(name)
        if path == target:
            return
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.symlink_to(target)
        except OSError as error:
            _LOG.warning("cannot keep state file=%s error=%s", path, error.strerror)


def age_s(kept: dict[str, Json], wall: float) -> float:
    """Return how long ago this was ``saved`` (since 1970); a clock that went back makes nothing older than it was."""
    return max(0.0, wall - number(kept, "saved", wall))


def number(kept: dict[str, Json], name: str, default: float = 0.0) -> float:
    """Return a number that was kept; the default where it is missing or none."""
    value = kept.get(name)
    return float(value) if isinstance(value, int | float) and is_number(value) else default
