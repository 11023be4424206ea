"""Writing files that only their owner may read."""

import os
import secrets
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Write for the owner's eyes only, all or nothing: what was there stays until the new is whole.

    Raises:
        OSError: it could not be written, and nothing was.

    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
