"""What is kept in state_dir: private, whole or not at all, and never a reason to stop."""

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
from wallbox2mqtt.storage import Storage

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


def test_a_link_in_place_of_the_temporary_file_is_not_followed(store: Storage, tmp_path: Path) -> None:
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
        writer.join(10)
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
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert all("cannot keep" in record.message and record.exc_info is None for record in caplog.records)


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


@given(st.dictionaries(st.text(), json_values))
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
