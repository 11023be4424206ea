"""Tries the account: the sign-in and the list of chargers, within the bridge's budget."""

from collections.abc import Callable, Iterator
from pathlib import Path

from wallbox2mqtt.bridge.registry import NO_CHARGERS, Registry, kept_problems
from wallbox2mqtt.catalogue.statuses import OUT_OF_TOUCH
from wallbox2mqtt.cli.paced_reads import only_command, pause
from wallbox2mqtt.cli.report import Finding
from wallbox2mqtt.clock import Clock
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.cloud.documents import Listed, read_sweep
from wallbox2mqtt.cloud.read_rate import ANOTHER_CLIENT
from wallbox2mqtt.config import WallboxConfig
from wallbox2mqtt.errors import AuthError, BudgetSpentError, CloudError, RateLimitedError
from wallbox2mqtt.storage import Storage

LONGEST_WAIT_S = 130.0
_SIGN_IN, _CHARGERS = "sign-in", "chargers"
_ADD_ONE = "add the charger to this account in the Wallbox app, or use the account that has it"
_ASK_OWNER = "ask the charger's owner to give this account more rights in the Wallbox app"
_LATER = "try again in a minute"
_NEXT = {
    "unreachable": "check this machine's way to the internet: DNS, firewall, proxy (https_proxy)",
    "timeout": "the cloud is slow or blocked: try again, or raise wallbox.timeout",
    "http_5xx": "the cloud is in trouble: try again later",
    "bad_answer": "something else answers in the cloud's place (a proxy, a portal), or the vendor changed its API",
    "rate_limited": "too many requests, also by other clients of this account: wait 15 minutes, or ask less often",
    "auth_failed": "check wallbox.email and wallbox.password by signing in at my.wallbox.com",
}


class AccountCheck:
    """An account to try. Spends one read, and a write for the old sign-in; what it spends, the bridge will know."""

    def __init__(
        self,
        config: WallboxConfig,
        state_dir: Path,
        clock: Clock,
        wait_note: Callable[[str], None],
        *,
        tries_password: bool = False,
    ) -> None:
        """Restore token and budgets of the last run.

        Args:
            config: of the account.
            state_dir: of the bridge.
            clock: tells and waits.
            wait_note: is told when something has to be waited for.
            tries_password: whether to sign in, even with a token of the last run.

        """
        self._tries_password = tries_password
        self._storage = Storage(state_dir, config.account)
        self._config, self._clock, self._wait_note = config, clock, wait_note
        self._restore()
        self.listed: list[Listed] = []
        self.is_refused = False

    def _restore(self) -> None:
        self._account = Account(self._config, self._clock, self._storage, is_command=True)
        if self._tries_password:
            self._account.tokens.drop()

    def try_out(self) -> Iterator[Finding]:
        """Sign in, and list the chargers."""
        with only_command(self._storage, self._wait_note):
            self._restore()  # another command may have asked since
            yield from self._try_out()

    def _try_out(self) -> Iterator[Finding]:
        sign_in = self._sign_in()
        yield sign_in
        if sign_in.verdict == "ok":
            yield from self._chargers()
        if self._account.clock_check.error is not None:
            yield Finding("clock", "warning", self._account.clock_check.error, "set this machine's clock, best by NTP")
        if self._account.rate.is_shared:
            yield Finding("reads", "warning", ANOTHER_CLIENT, "stop the other client, or let it ask less often")

    def kept(self) -> str:
        """Say which sign-in is in use, and how long its token is valid, without asking the cloud."""
        tokens = self._account.tokens
        return f"{tokens.way} sign-in, the token lives for {_length(tokens.life_s)}"

    def known_chargers(self) -> list[int]:
        """Return the chargers of the last listing, without asking the cloud."""
        return Registry(self._config.chargers, self._clock, self._storage).chargers

    def _sign_in(self) -> Finding:
        tokens = self._account.tokens
        if tokens.failed_wait_s() > 0:
            failure = tokens.failure
            return Finding(_SIGN_IN, "fault", str(failure), _NEXT.get(failure.reason, ""))
        if (wait := tokens.refused_wait_s()) > 0:
            self.is_refused = True
            text = f"the cloud refused these credentials; the next try is allowed in {_length(wait)}"
            return Finding(_SIGN_IN, "fault", text, _NEXT["auth_failed"])
        if tokens.spends_a_write() and not self._waited(self._account.writes.ready_in_s):
            return Finding(_SIGN_IN, "warning", "not tried: the budget of writes is spent", _LATER)
        try:
            tokens.token()
        except BudgetSpentError as error:
            return Finding(_SIGN_IN, "warning", f"not tried: {error}", _LATER)
        except CloudError as error:
            self.is_refused = isinstance(error, AuthError)
            return Finding(_SIGN_IN, "fault", str(error), _NEXT.get(error.reason, ""))
        return Finding(_SIGN_IN, "ok", self.kept())

    def _chargers(self) -> Iterator[Finding]:
        if not self._waited(self._account.reads.ready_in_s):
            yield Finding(_CHARGERS, "warning", "not listed: the budget of reads is spent", "try again later")
            return
        try:
            self.listed = read_sweep(self._account.client().chargers().body)
        except BudgetSpentError as error:
            yield Finding(_CHARGERS, "warning", f"not listed: {error}", _LATER)
            return
        except RateLimitedError as error:
            yield Finding(_CHARGERS, "warning", str(error), _NEXT[error.reason])
            return
        except CloudError as error:
            yield Finding(_CHARGERS, "fault", str(error), _NEXT.get(error.reason, ""))
            return
        if not self.listed:
            yield Finding(_CHARGERS, "fault", NO_CHARGERS, _ADD_ONE)
        self._remember()
        problems = kept_problems(self._storage)
        for charger in self.listed:
            yield _charger(charger)
            if (problem := problems.get(charger.charger_id)) is not None:
                yield Finding(_CHARGERS, "warning", problem, _ASK_OWNER)
        for missing in set(self._config.chargers) - {charger.charger_id for charger in self.listed}:
            text = f"the account has no charger {missing}"
            yield Finding(_CHARGERS, "fault", text, "take it out of wallbox.chargers, or share it with this account")

    def _remember(self) -> None:
        """Keep the chargers for a first run of the bridge, which then starts with what users wait for."""
        registry = Registry(self._config.chargers, self._clock, self._storage)
        if not registry.chargers:
            registry.record_list(charger.charger_id for charger in self.listed)

    def _waited(self, ready_in_s: Callable[[], float]) -> bool:
        """Wait for the budget; False when it would take too long."""
        if ready_in_s() > LONGEST_WAIT_S:
            return False
        while (wait := ready_in_s()) > 0:
            self._wait_note(f"waiting {wait:.0f} s: the budget of the account allows no request before")
            pause(self._clock, wait)
        return True


def _charger(charger: Listed) -> Finding:
    values = charger.reading.values
    status = values.get("status_id")
    where = "offline" if status in OUT_OF_TOUCH else "online"
    firmware = values.get("software/currentVersion") or "unknown"
    text = f"{charger.charger_id} {charger.name!r} {charger.model or 'unknown model'}, firmware {firmware}, {where}"
    if where == "offline":
        return Finding(_CHARGERS, "warning", text, "bring it back to its Wi-Fi or cable: the cloud hears nothing of it")
    return Finding(_CHARGERS, "ok", text)


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - two minutes
