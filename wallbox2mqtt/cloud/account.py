"""One account at the cloud: its budgets, its token and its clients, put together in one place."""

from collections.abc import Callable

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud.auth import TokenManager, TokenSource
from wallbox2mqtt.cloud.budget import Budget
from wallbox2mqtt.cloud.client import CloudClient, Connection, SignInClient
from wallbox2mqtt.cloud.diagnosis import ClockCheck
from wallbox2mqtt.cloud.read_rate import MOST, ReadRate
from wallbox2mqtt.cloud.request_log import RequestLog
from wallbox2mqtt.cloud.responses import Check, check_sign_in, check_status
from wallbox2mqtt.cloud.transport import Transport
from wallbox2mqtt.config import PasswordFile, WallboxConfig
from wallbox2mqtt.storage import Storage


class Account:
    """What all requests of an account share. Each part has a lock of its own."""

    def __init__(
        self,
        config: WallboxConfig,
        clock: Clock,
        store: Storage,
        token_source: TokenSource | None = None,
        new_transport: Callable[[], Transport] = Transport,
        *,
        is_command: bool = False,
    ) -> None:
        """Restore token and budgets of the last run.

        ``token_source``: instead of the cloud's own sign-in. ``new_transport``: makes one client's way to the cloud.
        ``is_command``: whether this is a command, which asks in turn with a bridge that may run.
        """
        self._config, self._clock, self._new_transport = config, clock, new_transport
        self._admit: Callable[[], None] = lambda: None
        per_minute = config.reads_per_minute
        self.reads = Budget(
            "reads", 1 if per_minute == "auto" else per_minute, clock, store, most=MOST, is_command=is_command
        )
        self.rate = ReadRate(per_minute, config.poll_interval, self.reads, clock, store)
        self.writes = Budget("writes", config.writes_per_minute, clock, store, is_command=is_command)
        self.clock_check = ClockCheck(clock)
        self.requests = RequestLog(clock)
        source = token_source or self.sign_in_client()
        self.password_file = PasswordFile(config.password_file, config.password)
        newest = self.password_file.newest
        self.tokens = TokenManager(source, clock, store, config.sign_in, config.password, newest_password=newest)

    def client(self) -> CloudClient:
        """Return a client for one more thread, with a connection of its own."""
        return CloudClient(
            self._config,
            self._connection(check_status),
            tokens=self.tokens,
            reads=self.reads,
            writes=self.writes,
            log=self.requests,
        )

    def sign_in_client(self) -> SignInClient:
        """Return what brings tokens, with a connection of its own."""
        return SignInClient(self._config, self._connection(check_sign_in), self.writes, self.requests)

    def set_gate(self, held_s: Callable[[], float], admit: Callable[[], None]) -> None:
        """Ask nothing for so many seconds, and nothing that is not admitted at the moment when it is sent.

        Args:
            held_s: returns the seconds, without a wait.
            admit: raises BudgetSpentError where a request may not be sent now.

        """
        self.reads.held_s = self.writes.held_s = held_s
        self._admit = admit

    def _connection(self, check: Check) -> Connection:
        return Connection(self._config, self._clock, self.clock_check, self._new_transport(), check, self._admit_now)

    def _admit_now(self) -> None:
        self._admit()
