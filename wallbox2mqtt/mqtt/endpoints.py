"""Where the broker is: of several, and of several addresses of a name, which one is tried next."""

import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple


class BrokerAddress(NamedTuple):
    """One address. ``host``: the name by which it was found, which its certificate has."""

    host: str
    port: int
    address: str


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Endpoints:
    """Tries them in turn, beginning with the last one that worked. On paho's thread."""

    def __init__(self, brokers: Sequence[tuple[str, int]], look_up: Callable[[str, int], list[str]] = _look_up) -> None:
        """Start with the first of the brokers; ``look_up`` returns the addresses of a name, or raises OSError."""
        self._brokers, self._look_up = brokers, look_up
        self._round: deque[BrokerAddress] = deque()
        self._good: BrokerAddress | None = None
        self.present: BrokerAddress | None = None

    def next(self) -> BrokerAddress:
        """Return where to connect now; names are looked up anew in each round.

        Raises:
            OSError: no name can be looked up.

        """
        if not self._round:
            self._begin_round()
        self.present = self._round.popleft()
        return self.present

    @property
    def is_round_over(self) -> bool:
        """Whether each was tried since one of them served."""
        return not self._round

    def _begin_round(self) -> None:
        problem: OSError | None = None
        for host, port in self._brokers:
            try:
                self._round += [BrokerAddress(host, port, address) for address in self._look_up(host, port)]
            except (OSError, ValueError) as error:
                problem = error if isinstance(error, OSError) else OSError(f"{host}: {error}")
        if self._good is not None:
            self._round = deque([self._good, *(one for one in self._round if one != self._good)])
        if not self._round:
            raise problem or OSError("no address")

    def serves(self) -> None:
        """Record that the present one does what it is asked: it is tried first when it is lost."""
        if self._good != self.present or self._round:
            self._good = self.present
            self._round.clear()

    def fails(self) -> None:
        """Record that the present one accepts connections and does nothing."""
        self._good = None
