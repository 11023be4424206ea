"""A password's file that gets another one while the program runs."""

import os
from pathlib import Path

import pytest

from wallbox2mqtt.config import PasswordFile, Secret

OLD, NEW = Secret("the old one"), Secret("the new one")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{OLD.reveal()}\n", encoding="utf-8")
    return path


def looks(file: PasswordFile, times: int = 3) -> list[Secret | None]:
    return [file.changed() for _ in range(times)]


def test_another_one_is_told_once_when_it_was_found_twice(path: Path) -> None:
    file = PasswordFile(path, OLD)
    assert looks(file) == [None] * 3
    path.write_text("the n", encoding="utf-8")
    assert file.changed() is None, "it may be being written"
    path.write_text(NEW.reveal(), encoding="utf-8")
    assert looks(file, 4) == [None, NEW, None, None]
    assert file.newest() == NEW


def test_a_link_that_leads_elsewhere(path: Path, tmp_path: Path) -> None:
    """So Kubernetes exchanges secrets."""
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(path)
    file = PasswordFile(link, OLD)
    other.write_text(NEW.reveal(), encoding="utf-8")
    link.unlink()
    link.symlink_to(other)
    assert looks(file) == [None, NEW, None]


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"], ids=["gone", "empty", "a line end", "no UTF-8"])
def test_what_cannot_be_read_changes_nothing(path: Path, content: bytes | None) -> None:
    file = PasswordFile(path, OLD)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert (looks(file), file.newest()) == ([None] * 3, None)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert PasswordFile(tmp_path / "pipe", OLD).changed() is None


def test_none() -> None:
    assert looks(PasswordFile(None, OLD)) == [None] * 3


def test_another_file_from_now_on(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(NEW.reveal(), encoding="utf-8")
    file = PasswordFile(path, OLD)
    file.follow(other, NEW)
    assert looks(file) == [None] * 3
