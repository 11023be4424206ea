"""What is kept in state_dir: private, whole or not at all, and never a reason to stop."""

import errno
import json
import logging
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import json_values
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.cli.check import why_not_kept
from wallbox2mqtt.storage import Disk, Storage, trouble

ACCOUNT = "someone@example.org"


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "state", ACCOUNT)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_kept_is_found_again(store: Storage, tmp_path: Path) -> None:
    store.write("tokens", {"a": 1, "b": ["€", None, 0.5]})
    again = Storage(tmp_path / "state", ACCOUNT)
    assert again.read("tokens") == {"a": 1, "b": ["€", None, 0.5]}
    store.write("tokens", {})
    assert again.read("tokens") == {}


def test_nothing_kept_is_empty_and_no_warning(store: Storage, caplog: pytest.LogCaptureFixture) -> None:
    assert store.read("tokens") == {}
    assert not caplog.records


def test_names_and_accounts_are_apart(store: Storage, tmp_path: Path) -> None:
    other = Storage(tmp_path / "state", "other@example.org")
    store.write("reads", {"a": 1})
    assert store.read("writes") == {}
    assert other.read("reads") == {}
    assert other.path("reads") != store.path("reads")


def test_file_names_do_not_tell_the_account(store: Storage) -> None:
    assert "someone" not in str(store.path("tokens"))


def test_only_the_owner_may_read(store: Storage) -> None:
    before = os.umask(0)
    try:
        store.write("tokens", {"a": 1})
    finally:
        os.umask(before)
    assert mode(store.path("tokens")) == 0o600
    assert mode(store.path("tokens").parent) == 0o700


def test_a_file_that_all_could_read_is_made_private(store: Storage) -> None:
    store.write("tokens", {"a": 1})
    store.path("tokens").chmod(0o644)
    store.write("tokens", {"a": 2})
    assert mode(store.path("tokens")) == 0o600


def test_nothing_else_is_left_in_the_directory(store: Storage) -> None:
    for number in range(3):
        store.write("tokens", {"a": number})
    assert [file.name for file in store.path("tokens").parent.iterdir()] == [store.path("tokens").name]


def test_a_link_is_replaced_and_not_followed(store: Storage, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    store.path("tokens").parent.mkdir()
    store.path("tokens").symlink_to(victim)
    store.write("tokens", {"a": 1})
    assert victim.read_text(encoding="utf-8") == "precious"
    assert store.read("tokens") == {"a": 1}


def test_a_link_instead_of_the_temporary_file_is_not_followed(store: Storage, tmp_path: Path) -> None:
    """Else whoever may write to the directory could have any file overwritten."""
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    path = store.path("tokens")
    path.parent.mkdir()
    path.with_suffix(f".{os.getpid()}.tmp").symlink_to(victim)
    store.write("tokens", {"a": 1})
    assert victim.read_text(encoding="utf-8") == "precious"


def test_only_old_litter_is_tidied_up(store: Storage) -> None:
    """What is fresh may be another process', which is writing it now."""
    path = store.path("tokens")
    path.parent.mkdir()
    fresh, old = path.with_suffix(".1.tmp"), path.with_suffix(".2.tmp")
    for file in (fresh, old):
        file.write_text("half", encoding="utf-8")
    os.utime(old, (0, 0))
    Storage(path.parent, ACCOUNT)
    assert fresh.exists()
    assert not old.exists()


def test_a_temporary_file_left_by_a_crash_is_no_obstacle(store: Storage) -> None:
    path = store.path("tokens")
    path.parent.mkdir()
    path.with_suffix(f".{os.getpid()}.tmp").write_text("half", encoding="utf-8")
    store.write("tokens", {"a": 1})
    assert store.read("tokens") == {"a": 1}


def test_readers_never_see_half_a_file(store: Storage, caplog: pytest.LogCaptureFixture) -> None:
    store.write("tokens", {"text": "x" * 100_000})
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            store.write("tokens", {"text": "x" * 100_000})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            assert len(str(store.read("tokens")["text"])) == 100_000
    finally:
        stop.set()
        writer.join(30)
    assert not caplog.records


@pytest.mark.parametrize(
    "content",
    [
        b"", b" ", b"{", b'{"a": 1', b'{"a": 1}}', b"null", b"[]", b"1", b'"text"', b"\xff\xfe", b"\0" * 100,
        b"{'a': 1}",
        b"<html>", b"[" * 100_000, b'{"a":' * 50_000, b'{"a": 1' + b"0" * 5000 + b"}",
    ],
    ids=lambda content: repr(content[:12]),
)  # fmt: skip
def test_a_damaged_file_is_ignored_with_a_warning(
    store: Storage, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.write("tokens", {"a": 1})
    store.path("tokens").write_bytes(content)
    assert store.read("tokens") == {}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "damaged" in record.message
    assert record.exc_info is None
    store.write("tokens", {"a": 2})
    assert store.read("tokens") == {"a": 2}


def test_a_directory_in_place_of_the_file(store: Storage, caplog: pytest.LogCaptureFixture) -> None:
    store.path("tokens").mkdir(parents=True)
    assert store.read("tokens") == {}
    store.write("tokens", {"a": 1})
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def test_what_cannot_be_kept_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # below a regular file nobody can write, not even root
    file = tmp_path / "file"
    file.touch()
    store = Storage(file / "state", ACCOUNT)
    for _ in range(3):
        store.write("tokens", {"a": 1})
    store.write("reads", {"a": 1})
    (record,) = caplog.records
    assert "cannot keep" in record.message
    assert "set state_dir" in record.message
    assert record.exc_info is None


def test_what_cannot_be_kept_again_is_said_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "state"
    store = Storage(file, ACCOUNT)
    for _ in range(2):
        file.touch()
        store.write("tokens", {"a": 1})
        file.unlink()
        store.write("tokens", {"a": 1})
        store.path("tokens").unlink()
        file.rmdir()
    assert len(caplog.records) == 2


@given(st.dictionaries(st.text().filter(lambda key: key != "version"), json_values))  # that one is the storage's own
def test_any_object_is_kept(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Json]) -> None:
    store = Storage(tmp_path_factory.getbasetemp() / "any", ACCOUNT)
    store.write("x", content)
    assert json.dumps(store.read("x")) == json.dumps(content)


@given(st.binary(max_size=200))
def test_any_file_is_read_or_ignored(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    store = Storage(tmp_path_factory.getbasetemp() / "any", ACCOUNT)
    store.write("y", {})
    store.path("y").write_bytes(content)
    assert isinstance(store.read("y"), dict)


def test_what_root_leaves_is_the_owner_s(tmp_path: Path) -> None:
    # only root can give files away; everybody else owns what he writes
    owner = (12345, 12346) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(tmp_path, *owner)
    store = Storage(tmp_path, "account")
    store.write("tokens", {"a": 1})
    found = store.path("tokens").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (*owner, 0o600)


# --- what somebody else may have put there


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_nothing_is_written_through_a_name_that_was_there(store: Storage, tmp_path: Path, link: str) -> None:
    """The names of temporary files cannot be guessed, and one that is there is not used."""
    names = set()
    for number in range(3):
        store.write("tokens", {"a": number})
        names.add(store.path("tokens").stat().st_ino)
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    store.path("tokens").unlink()
    getattr(store.path("tokens"), link)(victim)
    store.write("tokens", {"a": 5})
    assert victim.read_text(encoding="utf-8") == "precious"
    assert store.read("tokens") == {"a": 5}
    assert mode(store.path("tokens")) == 0o600


def test_a_pipe_is_not_waited_for(store: Storage, caplog: pytest.LogCaptureFixture) -> None:
    store.path("tokens").parent.mkdir()
    os.mkfifo(store.path("tokens"))
    assert store.read("tokens") == {}
    assert "no regular file" in caplog.text
    store.write("tokens", {"a": 1})
    assert store.read("tokens") == {"a": 1}


def test_an_existing_temporary_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("precious", encoding="utf-8")
    with pytest.raises(FileExistsError):
        Disk().create(tmp_path / "x")


# --- versions


def test_files_have_a_version(store: Storage) -> None:
    store.write("tokens", {"a": 1})
    assert json.loads(store.path("tokens").read_bytes()) == {"version": 1, "a": 1}


def test_a_file_of_before_there_were_versions_is_read(store: Storage) -> None:
    store.path("tokens").parent.mkdir()
    store.path("tokens").write_text('{"a": 1}', encoding="utf-8")
    assert store.read("tokens") == {"a": 1}


@pytest.mark.parametrize("version", [2, "1", None, 1.5, [1]], ids=repr)
def test_an_unknown_version_is_set_aside(store: Storage, caplog: pytest.LogCaptureFixture, version: Json) -> None:
    store.path("tokens").parent.mkdir()
    text = json.dumps({"version": version, "a": 1})
    store.path("tokens").write_text(text, encoding="utf-8")
    assert store.read("tokens") == {}
    assert "version" in caplog.text
    assert "damaged" not in caplog.text
    store.write("tokens", {"a": 2})
    assert store.path("tokens").with_suffix(".json.unknown").read_text(encoding="utf-8") == text
    assert store.read("tokens") == {"a": 2}


# --- what is kept already


def test_what_has_not_changed_is_not_written(store: Storage, tmp_path: Path) -> None:
    store.write("tokens", {"a": 1})
    before = store.path("tokens").stat().st_ino
    store.write("tokens", {"a": 1})
    again = Storage(tmp_path / "state", ACCOUNT)
    assert again.read("tokens") == {"a": 1}
    again.write("tokens", {"a": 1})
    assert store.path("tokens").stat().st_ino == before
    store.path("tokens").unlink()
    store.write("tokens", {"a": 1})
    assert store.read("tokens") == {"a": 1}, "it was gone"
    store.write("tokens", {"a": 2})
    assert store.read("tokens") == {"a": 2}


# --- what keeps it from being kept


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "no room for {}: make some, df -h {} shows how much there is"),
        (errno.EDQUOT, "no room for {}: make some, df -h {} shows how much there is"),
        (errno.EROFS, "{} is on a read-only file system: mount it for writing, or set state_dir"),
        (errno.EIO, "Input/output error: set state_dir to a directory that can be written, not {}"),
    ],
    ids=["no room", "quota", "read-only", "other"],
)
def test_trouble_in_words(tmp_path: Path, number: int, expected: str) -> None:
    assert trouble(OSError(number, os.strerror(number)), tmp_path) == expected.format(tmp_path, tmp_path)


def test_a_foreign_directory_is_named_with_its_fix(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, 12345)
        owner, uid = 12345, 0
        expected = f"uid {uid} runs this, {tmp_path} belongs to uid {owner}: sudo chown -R {uid} {tmp_path}"
    else:
        uid = os.geteuid()
        expected = (
            f"{tmp_path} belongs to uid {uid}, which runs this, but may not be used by it: chmod u+rwx {tmp_path}"
        )
    assert trouble(PermissionError(errno.EACCES, "Permission denied"), tmp_path / "not" / "there") == expected


def test_whether_files_can_be_kept_is_tried(tmp_path: Path) -> None:
    assert why_not_kept(tmp_path) is None
    assert why_not_kept(tmp_path / "not" / "there") is None
    (tmp_path / "file").touch()
    assert "Not a directory" in str(why_not_kept(tmp_path / "file" / "state"))
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


# --- one process


def test_one_process_an_account(store: Storage, tmp_path: Path) -> None:
    assert store.lock()
    assert store.lock(), "it is ours"
    second, other = Storage(tmp_path / "state", ACCOUNT), Storage(tmp_path / "state", "other@example.org")
    assert not second.lock()
    assert other.lock(), "another account is another set of files"
    store.unlock()
    assert second.lock()
    for one in (second, other):
        one.unlock()


def test_where_there_is_no_lock_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert Storage(tmp_path / "file" / "state", ACCOUNT).lock()
