"""What systemd hears, at a real socket."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mosquitto import LIMIT_S
from wallbox2mqtt.daemon.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as systemd has it, and its name as the environment gives it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@wallbox2mqtt-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        sock.settimeout(LIMIT_S)
        yield sock, name


def test_states_arrive_in_one_message(systemd: tuple[socket.socket, str]) -> None:
    sock, name = systemd
    Notifier({"NOTIFY_SOCKET": name}).tell(READY="1", STATUS="two chargers\nMAINPID=1\r")
    assert sock.recv(4096) == b"READY=1\nSTATUS=two chargers MAINPID=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}])
def test_nobody_listens(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    Notifier(environ).tell(READY="1")
    assert not caplog.records


def test_a_socket_that_is_gone_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    for _ in range(3):
        notifier.tell(WATCHDOG="1")
    assert len(caplog.records) == 1


def test_a_full_socket_blocks_nobody(systemd: tuple[socket.socket, str]) -> None:
    sock, name = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    for _ in range(2000):
        notifier.tell(WATCHDOG="1")
    assert sock.recv(4096) == b"WATCHDOG=1"
