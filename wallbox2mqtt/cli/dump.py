"""``dump``: an anonymised copy of the account's documents, for a bug report; within the budget, so it takes minutes."""

import argparse
import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wallbox2mqtt import __version__
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cli.anonymise import Anonymiser, Document
from wallbox2mqtt.cli.paced_reads import PacedReads, configured, only_command
from wallbox2mqtt.cli.private_file import write_private
from wallbox2mqtt.cli.report import say
from wallbox2mqtt.clock import Clock, SystemClock
from wallbox2mqtt.cloud import Account, CloudResponse
from wallbox2mqtt.cloud.documents import read_sweep
from wallbox2mqtt.config import Config
from wallbox2mqtt.errors import (
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    AuthError,
    BadAnswerError,
    CloudError,
    RateLimitedError,
    SignInError,
    UnauthorizedError,
)
from wallbox2mqtt.storage import Storage

_TRIES = 5
_REFUSED_S, _LONGEST_WAIT_S = 60.0, 900.0


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A document, or the error in its place. ``charger``: None for the list."""

    document: Document
    charger: int | None
    answer: CloudResponse | CloudError


class Dump:
    """Reads all documents once. ``say`` reports the progress."""

    def __init__(self, config: Config, directory: Path, clock: Clock, say: Callable[[str], None]) -> None:
        """Restore the token and the budgets that the bridge has left."""
        wallbox = config.wallbox
        self._config, self._say = wallbox, say
        store = Storage(directory, wallbox.account)
        account = Account(wallbox, clock, store, is_command=True)
        self.tokens, self._cloud, self._paced = account.tokens, account.client(), PacedReads(account, clock)
        self._fetched: list[_Fetched] = []
        self._total = 1

    def copy(self) -> dict[str, Json]:
        """Read everything and return the anonymised copy.

        Raises:
            AuthError: the credentials are refused.

        """
        for one in self._fetch():
            self._fetched.append(one)
            self._say_how_far()
        return self.so_far()

    def _say_how_far(self) -> None:
        done, left = len(self._fetched), self._total - len(self._fetched)
        if left:
            minutes = left * self._paced.interval_s / 60
            self._say(f"{done} of {self._total} documents, about {minutes:.0f} minutes left")

    @property
    def is_empty(self) -> bool:
        """Whether no document has come yet."""
        return not any(isinstance(one.answer, CloudResponse) for one in self._fetched)

    def so_far(self) -> dict[str, Json]:
        """Return the anonymised copy of what has been read."""
        bodies = [(one.document, one.answer.body) for one in self._fetched if isinstance(one.answer, CloudResponse)]
        email = self._config.email
        anonymiser = Anonymiser(bodies, [email, email.partition("@")[0], self._config.password.reveal()])
        documents: list[Json] = []
        for one in self._fetched:
            entry: dict[str, Json] = {"document": one.document}
            if one.charger is not None:
                entry["charger"] = anonymiser.number(one.charger)
            entry["http_status"] = one.answer.http_status
            if isinstance(one.answer, CloudError):
                entry |= {"reason": one.answer.reason, "error": str(one.answer)}
            else:
                entry["body"] = anonymiser.copy(one.document, one.answer.body)
            documents.append(entry)
        return {"wallbox2mqtt": __version__, "complete": len(documents) == self._total, "documents": documents}

    def _fetch(self) -> Iterator[_Fetched]:
        listed = self._ask("list", None, self._cloud.chargers)
        chargers = list(self._config.chargers)
        if not chargers and isinstance(listed.answer, CloudResponse):
            try:
                chargers = [charger.charger_id for charger in read_sweep(listed.answer.body)]
            except BadAnswerError as error:
                self._say(str(error))
        reads: dict[Document, Callable[[int], CloudResponse]] = {
            "detail": self._cloud.detail,
            "basic": self._cloud.basic,
            "schedules": self._cloud.schedules,
        }
        each = len(reads) * len(chargers)
        self._total, minutes = 1 + each, each * self._paced.interval_s / 60
        self._say(f"{len(chargers)} chargers, {len(reads)} documents each: about {minutes:.0f} minutes in the budget")
        yield listed
        for number, charger in enumerate(chargers, 1):
            self._say(f"charger {number} of {len(chargers)}")
            for document, read in reads.items():
                yield self._ask(document, charger, partial(read, charger))

    def _ask(self, document: Document, charger: int | None, read: Callable[[], CloudResponse]) -> _Fetched:
        """Read a document; a refusal that says «later» is waited for, any other error is part of the copy."""
        last: CloudError = BadAnswerError("not read")
        for _ in range(_TRIES):
            try:
                return _Fetched(document, charger, self._paced.read(read))
            except AuthError:
                raise
            except RateLimitedError as error:
                last = error
                self._paced.wait(min(error.retry_after_s or _REFUSED_S, _LONGEST_WAIT_S))
            except SignInError as error:
                last = error
                self._paced.wait(self.tokens.failed_wait_s())
            except UnauthorizedError as error:
                last = error  # the token is dropped: once more with a new one
            except CloudError as error:
                return _Fetched(document, charger, error)
        return _Fetched(document, charger, last)


def _why_not(output: Path) -> str | None:
    """Say why nothing could be written there; what is there is not touched."""
    if output.is_dir():
        return os.strerror(errno.EISDIR)
    if not _is_special(output):
        try:
            tempfile.TemporaryFile(dir=output.resolve().parent).close()
        except OSError as error:
            return error.strerror
    return None


def _is_special(output: Path) -> bool:
    """Return whether this is a device or a pipe, in whose place no file may be put."""
    return output.exists() and not output.is_file()


def _write(output: Path, text: str) -> None:
    if _is_special(output):
        output.write_text(text, encoding="utf-8")
    else:
        write_private(output.resolve(), text)


def _place(output: Path, *, is_whole: bool) -> Path:
    """Return where to write: a part of a copy does not take the place of what is there."""
    if is_whole or _is_special(output) or not output.exists() or not output.stat().st_size:
        return output
    return output.with_name(f"{output.name}.partial")


def run(args: argparse.Namespace) -> int:
    """Copy the documents to a file, or to standard output; return the exit code."""
    return copy_to(args.output, *configured(args.config), SystemClock())


def copy_to(output: Path | None, config: Config, directory: Path, clock: Clock) -> int:
    """Write the copy to a file, or to standard output; return the exit code."""
    # before the minutes that it takes
    if output is not None and (why := _why_not(output)):
        say(f"wallbox2mqtt: --output: {output}: {why}")
        return EXIT_FAILED
    with only_command(Storage(directory, config.wallbox.account), say):
        return _run(Dump(config, directory, clock, say), output)


def _run(dump: Dump, output: Path | None) -> int:
    say("the documents are read as slowly as the cloud wants it, in turn with the bridge where it runs")
    code = EXIT_OK
    try:
        dump.copy()
    except AuthError as error:
        say(f"wallbox2mqtt: {error}")
        code = EXIT_FAILED if dump.tokens.worked_before else EXIT_CONFIG
    except KeyboardInterrupt:
        say("stopped")
        code = EXIT_INTERRUPTED
    if code != EXIT_OK and dump.is_empty:
        say("nothing was read, nothing is written")
        return code
    copy = dump.so_far()
    text = json.dumps(copy, indent=2, ensure_ascii=False).encode(errors="replace").decode()
    if output is None:
        print(text)
    else:
        output = _place(output, is_whole=copy["complete"] is True)
        try:
            _write(output, f"{text}\n")
        except OSError as error:
            say(f"wallbox2mqtt: --output: {output}: {error.strerror}")
            return EXIT_FAILED
        say(f"written to {output}{'' if copy['complete'] else ', as far as it was read'}")
    say("names, numbers and places are replaced; look it over all the same before you send it")
    return code
