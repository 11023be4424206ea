"""What can change while the bridge runs: passwords, budgets and log level by SIGHUP, passwords also by their file."""

import logging
from collections.abc import Callable
from typing import Protocol

from wallbox2mqtt.bridge.bridge import Bridge
from wallbox2mqtt.cloud import Account
from wallbox2mqtt.config import Config, PasswordFile, Secret
from wallbox2mqtt.config.keys import KEYS
from wallbox2mqtt.config.password_file import with_passwords
from wallbox2mqtt.errors import ConfigError
from wallbox2mqtt.log import HIDDEN

_LOG = logging.getLogger(__name__)

LOGIN = {"mqtt.password", "mqtt.username"}
BUDGETS = {"wallbox.reads_per_minute", "wallbox.writes_per_minute", "wallbox.status_writes_per_minute"}
AT_ONCE = LOGIN | BUDGETS | {"wallbox.password", "log.level"}
FILES = {"wallbox.password_file", "mqtt.password_file"}
"""What counts is whether the password in the file is another one."""


class BrokerLogin(Protocol):
    """Who signs in at the broker."""

    def set_credentials(self, username: str | None, password: Secret | None) -> None:
        """Use these from the next connection on."""


class Reloader:
    """Takes over what has changed. Main calls it."""

    def __init__(self, config: Config, account: Account, bridge: Bridge, mqtt: BrokerLogin) -> None:
        """Start with the configuration that the program was started with."""
        self._latest, self._account, self._bridge, self._mqtt = config, account, bridge, mqtt
        self._broker_file = PasswordFile(config.mqtt.password_file, config.mqtt.password)

    def look(self) -> None:
        """Look, once a second, whether a password's file has got another one."""
        if (new := self._account.password_file.changed()) is not None:
            _LOG.info("the password's file has another one, it is used now key=wallbox.password_file")
            self._use_password(new)
        if (new := self._broker_file.changed()) is not None:
            _LOG.info("the password's file has another one, it is used now key=mqtt.password_file")
            self._use_login(self._latest.mqtt.username, new)

    def reload(self, load: Callable[[], Config]) -> None:
        """Read the configuration again and take over what can be."""
        if (new := loaded(load)) is None:
            return
        told = changed_keys(self._latest, new)
        changed = set(told)
        self._account.password_file.follow(new.wallbox.password_file, new.wallbox.password)
        self._broker_file.follow(new.mqtt.password_file, new.mqtt.password)
        if "wallbox.password" in changed:
            self._use_password(new.wallbox.password)
        if LOGIN & changed:
            self._use_login(new.mqtt.username, new.mqtt.password)
        if BUDGETS & changed:
            self._bridge.set_budgets(new.wallbox)
        logging.getLogger().setLevel(new.log.level.upper())
        tell(told)
        self._latest = new

    def _use_password(self, password: Secret) -> None:
        self._account.tokens.set_password(password)
        self._latest = with_passwords(self._latest, password, self._latest.mqtt.password)
        self._bridge.shared.queue.wakeup.set()
        self._bridge.reader.wakeup.set()

    def _use_login(self, username: str | None, password: Secret | None) -> None:
        if password is not None:
            HIDDEN.keep(password.reveal())
        self._mqtt.set_credentials(username, password)
        self._latest = with_passwords(self._latest, self._latest.wallbox.password, password)


def loaded(load: Callable[[], Config]) -> Config | None:
    """Return the configuration that is read again; None where it is wrong, which is said."""
    try:
        return load()
    except ConfigError as error:
        _LOG.error("the configuration that was read again is wrong, the old one stays in use error=%r", str(error))
        return None


def changed_keys(old: Config, new: Config) -> list[str]:
    """Return the keys that have another value, by their paths."""
    return [path for path, key in KEYS.items() if path not in FILES and key.value_in(old) != key.value_in(new)]


def tell(changed: list[str]) -> None:
    """Say what has changed, and what of it needs a restart; never a value."""
    if not changed:
        _LOG.info("the configuration was read again, nothing has changed")
    used, waiting = ([path for path in changed if (path in AT_ONCE) is at_once] for at_once in (True, False))
    for text, keys in (("these are used now", used), ("these need a restart", waiting)):
        if keys:
            _LOG.info("the configuration was read again, %s keys=%s", text, ",".join(keys))
