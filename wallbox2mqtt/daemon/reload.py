"""What of a configuration that was read again can be used at once: passwords and the log's level."""

import logging
from collections.abc import Iterator

from wallbox2mqtt.config import Config
from wallbox2mqtt.config.keys import KEYS

_LOG = logging.getLogger(__name__)

PASSWORDS = {"wallbox.password", "mqtt.password", "mqtt.username"}
AT_ONCE = PASSWORDS | {"log.level", "wallbox.password_file", "mqtt.password_file"}


def changed_keys(old: Config, new: Config) -> list[str]:
    """Return the keys that have another value, by their paths."""
    return [path for path, key in KEYS.items() if key.value_in(old) != key.value_in(new)]


def tell(changed: list[str]) -> None:
    """Say what has changed, and what of it needs a restart; never a value."""
    if not changed:
        _LOG.info("the configuration was read again, nothing has changed")
    for text, keys in _parts(changed):
        _LOG.info("%s keys=%s", text, ",".join(keys))


def _parts(changed: list[str]) -> Iterator[tuple[str, list[str]]]:
    if used := [path for path in changed if path in AT_ONCE]:
        yield "the configuration was read again, these are used now", used
    if waiting := [path for path in changed if path not in AT_ONCE]:
        yield "the configuration was read again, these need a restart", waiting
