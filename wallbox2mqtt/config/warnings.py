"""What makes a configuration that works unsafe: said at each start, with the key and what to do."""

import ipaddress
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from wallbox2mqtt.config import Config, MqttConfig, service_links

_OTHERS = stat.S_IRWXO
"""Rights of everybody. Those of the group are the usual way to share a file with a service's user."""
_CONTAINER_SECRETS = Path("/run/secrets")
"""Docker and Podman put them there, readable by all: of a container whose only user is the bridge."""


def precautions(config: Config, file: Path | None, state_dir: Path, environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each thing that is not safe.

    ``file``: where the configuration was read from; None: from the environment alone. The environment may hold the
    passwords instead of it.
    """
    about_files = [*_files(config, file, environ), *_directory(state_dir)]
    return [*_standby(config), *_connections(config), *about_files, *_environment(environ)]


def _standby(config: Config) -> Iterator[str]:
    if config.standby and config.mqtt.client_id == MqttConfig().client_id:
        yield (
            f"standby is true and mqtt.client_id is the default, {config.mqtt.client_id}: the other bridge needs "
            "another one, two of one id end each other's connections"
        )


def _connections(config: Config) -> Iterator[str]:
    mqtt, wallbox = config.mqtt, config.wallbox
    if mqtt.password is not None and not mqtt.tls.enabled and not all(_is_loopback(host) for host, _ in mqtt.brokers):
        yield (
            f"mqtt.tls.enabled is false: the password goes to {mqtt.host} for everybody on the way to read; "
            "enable TLS, or give the bridge a user that may do no more than it has to"
        )
    if mqtt.tls.enabled and not mqtt.tls.verify:
        yield (
            "mqtt.tls.verify is false: anybody on the way can pretend to be the broker, read the password and send "
            "commands; name the broker's authority in mqtt.tls.ca_file instead"
        )
    for key in ("api_url", "user_api_url"):
        url = urlsplit(getattr(wallbox, key))
        if url.scheme == "http" and not _is_loopback(url.hostname or ""):
            yield f"wallbox.{key} is http: the password of the account and the tokens go out in clear; use https"


def _is_loopback(host: str) -> bool:
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _files(config: Config, file: Path | None, environ: Mapping[str, str]) -> Iterator[str]:
    secrets: dict[str, Path | None] = {
        "wallbox.password_file": config.wallbox.password_file,
        "mqtt.password_file": config.mqtt.password_file,
        "mqtt.tls.key_file": config.mqtt.tls.key_file,
    }
    if _holds_a_password(config, environ):
        secrets["the configuration file"] = file
    for name, path in secrets.items():
        if path is not None and not path.is_relative_to(_CONTAINER_SECRETS) and (mode := _mode(path)) & _OTHERS:
            yield f"{name} holds a secret and is open to every user of this machine (mode {mode:o}): chmod o= {path}"


def _holds_a_password(config: Config, environ: Mapping[str, str]) -> bool:
    """Return whether the file has a password of its own: it came from no other file and no variable."""
    return any(
        section.password is not None and section.password_file is None and not environ.get(variable)
        for section, variable in (
            (config.wallbox, "WALLBOX2MQTT_WALLBOX__PASSWORD"),
            (config.mqtt, "WALLBOX2MQTT_MQTT__PASSWORD"),
        )
    )


def _directory(state_dir: Path) -> Iterator[str]:
    if _is_ours(state_dir) and (mode := _mode(state_dir)) & _OTHERS:
        yield (
            f"state_dir holds the account's tokens and is open to every user of this machine (mode {mode:o}): "
            f"chmod o= {state_dir}; in a systemd unit StateDirectoryMode=0700"
        )


def _is_ours(path: Path) -> bool:
    """Return whether the directory is of the user that runs this: nobody else's rights are to be changed."""
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _mode(path: Path) -> int:
    """Return the rights; none where there is no such file."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _environment(environ: Mapping[str, str]) -> Iterator[str]:
    if links := service_links(environ):
        yield f"ignored what Kubernetes sets for a Service: {', '.join(links)}; enableServiceLinks: false ends it"
