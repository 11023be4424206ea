"""Which of several brokers and addresses is tried next."""

from dataclasses import dataclass, field

import pytest

from wallbox2mqtt.mqtt.endpoints import BrokerAddress, Endpoints

A1, A2, B = (
    BrokerAddress("a", 1883, "10.0.0.1"),
    BrokerAddress("a", 1883, "10.0.0.2"),
    BrokerAddress("b", 1884, "10.0.1.1"),
)


@dataclass
class Names:
    """A name service that may be broken."""

    known: dict[str, list[str]] = field(default_factory=lambda: {"a": ["10.0.0.1", "10.0.0.2"], "b": ["10.0.1.1"]})

    def look_up(self, host: str, _port: int) -> list[str]:
        if host not in self.known:
            raise OSError(host)
        return self.known[host]


def make(names: Names) -> Endpoints:
    return Endpoints([("a", 1883), ("b", 1884)], names.look_up)


def test_each_in_turn_and_again() -> None:
    endpoints = make(Names())
    assert [endpoints.next() for _ in range(6)] == [A1, A2, B, A1, A2, B]


def test_the_last_good_address_is_tried_first() -> None:
    endpoints = make(Names())
    assert [endpoints.next() for _ in range(3)][-1] == B
    endpoints.serves()
    assert [endpoints.next() for _ in range(3)] == [B, A1, A2]


def test_one_that_is_mute_is_left() -> None:
    endpoints = make(Names())
    endpoints.next()
    endpoints.serves()
    assert endpoints.next() == A1
    endpoints.fails()
    assert [endpoints.next() for _ in range(2)] == [A2, B]


def test_a_name_that_nobody_knows_costs_no_other() -> None:
    names = Names()
    del names.known["a"]
    endpoints = make(names)
    assert endpoints.next() == B
    names.known["a"] = ["10.0.0.9"]
    assert endpoints.next() == BrokerAddress("a", 1883, "10.0.0.9")


def test_the_last_good_address_is_tried_without_name_look_up() -> None:
    names = Names()
    endpoints = make(names)
    endpoints.next()
    endpoints.serves()
    names.known = {}
    assert endpoints.next() == A1
    endpoints.fails()
    with pytest.raises(OSError, match="b"):
        endpoints.next()
