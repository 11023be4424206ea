"""What survives a restart: small JSON files in ``state_dir``, a set for each account, for the owner only."""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import secrets
import stat
import time
from pathlib import Path

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.catalogue.quantities import is_number

_LOG = logging.getLogger(__name__)

VERSION = 1
"""The version of the files' form. One without a version is of a program before there were versions."""
_LITTER_S = 60.0
_LARGEST = 16 * 1024 * 1024


class StateError(Exception):
    """Raised when a file is there and cannot be used; the text says why."""


class Disk:
    """The steps of writing a file all or nothing. A test puts one in its place that loses its power."""

    def create(self, path: Path) -> int:
        """Make a file that was not there."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def write(self, handle: int, content: bytes) -> None:
        """Write all of this."""
        while content:
            content = content[os.write(handle, content) :]

    def sync(self, handle: int) -> None:
        """Wait until what was written outlives a power cut."""
        os.fsync(handle)

    def replace(self, source: Path, target: Path) -> None:
        """Put a file in another one's place."""
        source.replace(target)

    def sync_directory(self, directory: Path) -> None:
        """Wait until the names in a directory outlive a power cut."""
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


DISK = Disk()


class Storage:
    """The files of one account. Writing never raises: a bridge without a state directory works, but forgets."""

    def __init__(self, directory: Path, account: str, runtime: Path | None = None, disk: Disk = DISK) -> None:
        """Name the files after the account, in a form that does not tell it.

        ``runtime``: a directory in memory, for what changes often and need not outlive a boot; None: there is none.
        """
        self.runtime = runtime
        self._directory, self._account, self._disk = directory, account, disk
        self._prefix = hashlib.sha256(account.encode()).hexdigest()[:12]
        self._unknown: set[str] = set()
        self._told: set[int | None] = set()
        self._lock: int | None = None
        self.is_new = not any(directory.glob(f"{self._prefix}-*.json"))
        """Whether nothing was kept for this account before."""
        self._tidy()

    def elsewhere(self, directory: Path) -> "Storage":
        """Return the account's files in another directory."""
        return Storage(directory, self._account, disk=self._disk)

    def _tidy(self) -> None:
        """Remove what processes left behind that were killed while they wrote."""
        for litter in self._directory.glob(f"{self._prefix}-*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - litter.lstat().st_mtime > _LITTER_S:
                    litter.unlink()

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    @property
    def keeps(self) -> bool:
        """Whether what was written last is kept."""
        return not self._told

    def path(self, name: str) -> Path:
        """Return the file of a name."""
        return self._directory / f"{self._prefix}-{name}.json"

    def read(self, name: str) -> dict[str, Json]:
        """Return what was kept under a name; empty where nothing was, or where it cannot be used (a warning)."""
        try:
            return self.load(name) or {}
        except StateError as error:
            _LOG.warning("ignored a state file file=%s error=%s", self.path(name), error)
            return {}

    def load(self, name: str) -> dict[str, Json] | None:
        """Return what was kept under a name; None where nothing was.

        Raises:
            StateError: something was, and it cannot be used.

        """
        try:
            kept = json.loads(read_file(self.path(name)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StateError(trouble(error, self._directory)) from None
        except (ValueError, RecursionError) as error:
            msg = f"damaged: {type(error).__name__}"
            raise StateError(msg) from None
        if not isinstance(kept, dict):
            msg = "damaged: no object"
            raise StateError(msg)
        version = kept.pop("version", VERSION)
        if version != VERSION:
            self._unknown.add(name)
            msg = f"its version is {version!s:.20}, known is {VERSION}; it is set aside when there is a new one"
            raise StateError(msg)
        return kept

    def write(self, name: str, content: dict[str, Json], *, durable: bool = False) -> bool:
        """Keep this under a name: mode 0600, all or nothing; what is kept already is not written again.

        Args:
            name: of the file.
            content: a JSON object.
            durable: whether it has to outlive a power cut.

        Returns:
            whether it is kept; why it is not is told once.

        """
        path, text = self.path(name), json.dumps({"version": VERSION, **content}).encode()
        with contextlib.suppress(OSError):
            if read_file(path) == text:
                return True
        try:
            if name in self._unknown:
                path.replace(path.with_suffix(".json.unknown"))
                self._unknown.discard(name)
            self._replace(path, text, durable=durable)
        except OSError as error:
            if error.errno not in self._told:
                _LOG.warning("cannot keep state, it is forgotten at a restart: %s", trouble(error, self._directory))
            self._told.add(error.errno)
            return False
        self._told.clear()
        return True

    def _replace(self, path: Path, text: bytes, *, durable: bool) -> None:
        # a name that nobody can have put there before
        temporary = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
        handle = self._create(temporary)
        try:
            try:
                _give_to_owner(handle, self._directory)
                self._disk.write(handle, text)
                if durable:
                    self._disk.sync(handle)
            finally:
                os.close(handle)
            self._disk.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            self._disk.sync_directory(self._directory)

    def _create(self, path: Path) -> int:
        try:
            return self._disk.create(path)
        except FileNotFoundError:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._disk.sync_directory(self._directory.parent)
            return self._disk.create(path)

    def discard(self, name: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(OSError):
            self.path(name).unlink()

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

    def lock(self, name: str = "", *, wait: bool = False) -> bool:
        """Take the account's files, or what has this name of it, for this process; returns whether no other one has it.

        Where no lock can be had (no such directory, a file system without locks) there is none.
        """
        if self._lock is None:
            try:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                self._lock = os.open(self._directory / f"{self._prefix}{name}.lock", flags, 0o600)
                _give_to_owner(self._lock, self._directory)
            except OSError:
                return True
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def unlock(self) -> None:
        """Release to the next process what was taken."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _give_to_owner(handle: int, directory: Path) -> None:
    """Hand a file that root makes to the owner of its directory: the service has to be able to read it."""
    if os.geteuid() == 0:
        owner = directory.stat()
        with contextlib.suppress(OSError):
            os.fchown(handle, owner.st_uid, owner.st_gid)


def read_file(path: Path) -> bytes:
    """Read a file that may have been put there by somebody else: no link is followed, no pipe waited for.

    Raises:
        OSError: it cannot be read, or is no regular file.

    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read(min(found.st_size, _LARGEST))  # room for all that it asks for is made at once


def trouble(error: OSError, directory: Path) -> str:
    """Return what keeps a file from being read or written, and the command that fixes it, in one line."""
    there = next((path for path in (directory, *directory.parents) if os.path.lexists(path)), directory)
    match error.errno:
        case errno.EACCES | errno.EPERM:
            uid, owner = os.geteuid(), there.lstat().st_uid
            if uid == owner:
                return f"{there} belongs to uid {uid}, which runs this, but may not be used by it: chmod u+rwx {there}"
            return f"uid {uid} runs this, {there} belongs to uid {owner}: sudo chown -R {uid} {there}"
        case errno.ENOSPC | errno.EDQUOT:
            return f"no room for {directory}: make some, df -h {there} shows how much there is"
        case errno.EROFS:
            return f"{there} is on a read-only file system: mount it for writing, or set state_dir"
    return f"{error.strerror}: set state_dir to a directory that can be written, not {directory}"


def age_s(kept: dict[str, Json], wall: float) -> float:
    """Return how long ago this was ``saved`` (since 1970); a clock that went back makes nothing older than it was."""
    return max(0.0, wall - number(kept, "saved", wall))


def number(kept: dict[str, Json], name: str, default: float = 0.0) -> float:
    """Return a number that was kept; the default where it is missing or none."""
    value = kept.get(name)
    return float(value) if is_number(value) else default
