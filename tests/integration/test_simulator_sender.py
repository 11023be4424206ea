"""What tests without sockets hear of the simulated cloud is what a client with a socket hears."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.fakes import FakeClock
from tests.parts import timeout_for
from tests.simulator_sender import SimulatorSender
from wallbox2mqtt.catalogue.templates import PUT_CHARGER
from wallbox2mqtt.cloud import Account, CloudResponse
from wallbox2mqtt.cloud.transport import Transport
from wallbox2mqtt.config import Secret, WallboxConfig
from wallbox2mqtt.errors import CloudError
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Fault, Simulator
from wallbox2mqtt.simulator.faults import FaultKind
from wallbox2mqtt.storage import Storage

ID = 900001


Fields = dict[str, Any]
NewSender = Callable[[Simulator], Transport]
FAULTS: list[Fields] = [
    *({"kind": kind} for kind in get_args(FaultKind)),
    {"kind": "delay", "seconds": 0.01},
    {"kind": "drip", "seconds": 0.1},
    {"kind": "reset", "effect": True},
    *({"kind": "status", "status": status, "body": "json"} for status in (400, 401, 403, 404, 405, 409, 429, 500)),
    {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}},
]


def heard(ask: Callable[[], CloudResponse]) -> object:
    """What a client tells of a request."""
    try:
        return ask()
    except CloudError as error:
        # each cloud has a port of its own
        text = re.sub(r"127\.0\.0\.1:\d+", "the cloud", str(error))
        return type(error), text, error.reason, vars(error)


def outcome(new_sender: NewSender, directory: Path, *, fault: Fields | None = None, stopped: bool = False) -> object:
    """What a read and a write come to, and what the cloud has seen of them."""
    clock = FakeClock()
    with Simulator(chargers=[ChargerSpec(id=ID)], clock=clock) as cloud:
        config = WallboxConfig(
            email=EMAIL,
            password=Secret(PASSWORD),
            api_url=cloud.url,
            user_api_url=cloud.url,
            timeout=timeout_for(fault or {"kind": ""}),
        )
        client = Account(config, clock, Storage(directory, EMAIL), new_transport=lambda: new_sender(cloud)).client()
        client.chargers()
        clock.advance(100)
        if fault is not None:
            cloud.fault(Fault(path=f"*/{ID}", count=None, **fault))
        if stopped:
            cloud.stop()
        told = heard(lambda: client.detail(ID)), heard(lambda: client.write(PUT_CHARGER, ID, {"locked": 1}))
        return told, [replace(seen, headers={}) for seen in cloud.requests]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
def test_a_fault_is_heard_as_over_a_socket(fault: Fields, tmp_path: Path) -> None:
    over_socket = outcome(lambda _: Transport(), tmp_path / "1", fault=fault)
    assert outcome(SimulatorSender, tmp_path / "2", fault=fault) == over_socket


@pytest.mark.parametrize("stopped", [False, True], ids=["there", "not there"])
def test_a_cloud_without_faults_is_heard_as_over_a_socket(tmp_path: Path, *, stopped: bool) -> None:
    over_socket = outcome(lambda _: Transport(), tmp_path / "1", stopped=stopped)
    assert outcome(SimulatorSender, tmp_path / "2", stopped=stopped) == over_socket
