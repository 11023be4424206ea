"""``run --home-assistant-app``: options that Home Assistant hands over, and the broker that its Supervisor knows."""

import http.client
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from wallbox2mqtt.config import Config, Given
from wallbox2mqtt.config import load as load_with
from wallbox2mqtt.errors import ConfigError
from wallbox2mqtt.log import HIDDEN

_LOG = logging.getLogger(__name__)

OPTIONS = {
    "email": "wallbox.email",
    "password": "wallbox.password",
    "chargers": "wallbox.chargers",
    "reads_per_minute": "wallbox.reads_per_minute",
    "mqtt_host": "mqtt.host",
    "mqtt_port": "mqtt.port",
    "mqtt_username": "mqtt.username",
    "mqtt_password": "mqtt.password",
    "mqtt_tls": "mqtt.tls.enabled",
    "base_topic": "mqtt.base_topic",
    "language": "home_assistant.language",
    "unlock_before_resume": "commands.unlock_before_resume",
    "allow_factory_reset": "commands.allow_factory_reset",
    "log_level": "log.level",
}
"""The app's options, and the key of the configuration that each one sets."""
_NEEDED = ("email", "password")
_OWN_BROKER = ("mqtt_port", "mqtt_username", "mqtt_password", "mqtt_tls")
_SERVICE = {
    "host": "mqtt.host",
    "port": "mqtt.port",
    "username": "mqtt.username",
    "password": "mqtt.password",
    "ssl": "mqtt.tls.enabled",
}
_APP: dict[str, object] = {"web.listen": "0.0.0.0:8099", "web.clients": ["172.30.32.2"]}
"""The status page, where the Supervisor's ingress looks for it, and for nobody else: it has asked who is there."""
_SET_HOST = "or set the option mqtt_host for a broker of your own"
_TRIES, _PAUSE_S = 3, 2.0
_LARGEST = 64 * 1024


class Place(NamedTuple):
    """Where things are; a test has others. ``extra``: the configuration file in the app's folder."""

    data: Path = Path("/data")
    extra: Path = Path("/config/wallbox2mqtt.yaml")
    supervisor: tuple[str, int] = ("supervisor", 80)
    timeout_s: float = 10.0


PLACE = Place()


def load(file: Path | None, environ: Mapping[str, str], place: Place = PLACE) -> Config:
    """Read the configuration as Home Assistant has it.

    Args:
        file: for keys that are no options; None: the one in the app's folder, if there is one.
        environ: the environment.
        place: where things are.

    Raises:
        ConfigError: an option is wrong, named in the text; or there is no broker.

    """
    options = _options(place.data / "options.json")
    given = {OPTIONS[name]: Given(f"option {name}", value) for name, value in options.items()}
    given |= {key: Given("the app", value) for key, value in _APP.items()}
    given["state_dir"] = Given("the app", str(place.data))
    if "mqtt_host" not in options:
        given |= _service(place, environ.get("SUPERVISOR_TOKEN", ""))
    return load_with(file or (place.extra if place.extra.exists() else None), environ, given)


def _options(path: Path) -> dict[str, object]:
    """Return the options that are set, as YAML would bring them.

    Raises:
        ConfigError: there are none, or one is missing.

    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        msg = f"{path}: {error.strerror}; --home-assistant-app is for apps of Home Assistant, whose options are there"
        raise ConfigError(msg) from None
    except ValueError:
        found = None  # the error holds what it could not read
    if not isinstance(found, dict):
        msg = f"{path}: this is no JSON object; save the app's options again"
        raise ConfigError(msg)
    if unknown := sorted(set(found) - set(OPTIONS)):
        _LOG.warning("ignored options of another version of the app: %s", " ".join(unknown))
    options = {name: _as_text(value) for name, value in found.items() if name in OPTIONS and value not in (None, "")}
    if missing := _missing(options):
        raise ConfigError("\n".join(missing))
    return options


def _as_text(value: object) -> object:
    """Return what YAML would bring: all but lists is text."""
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _missing(options: Mapping[str, object]) -> list[str]:
    problems = [
        f"option {name}: found nothing; accepted is the account's {name}" for name in _NEEDED if name not in options
    ]
    if "mqtt_host" not in options:
        problems += [
            f"option {name}: found without mqtt_host; accepted are all of your own broker, or none for Home Assistant's"
            for name in _OWN_BROKER
            if name in options and options[name] != "false"
        ]
    elif "mqtt_password" in options and "mqtt_username" not in options:
        problems.append("option mqtt_username: found nothing, but mqtt_password is given; accepted are both or neither")
    return problems


def _service(place: Place, token: str) -> dict[str, Given]:
    """Return the broker that the Supervisor knows.

    Raises:
        ConfigError: it knows none, or does not answer.

    """
    HIDDEN.keep(token)
    data = _asked(place, token)
    found = {_SERVICE[name]: value for name, value in data.items() if name in _SERVICE and value not in (None, "")}
    return {key: Given("the Supervisor's MQTT service", _as_text(value)) for key, value in found.items()}


def _asked(place: Place, token: str) -> Mapping[str, object]:
    problem = ""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S * place.timeout_s / 10)
        try:
            status, body = _get(place, token)
        except (OSError, http.client.HTTPException) as error:
            problem = f"it does not answer ({type(error).__name__})"
            continue
        if status == http.HTTPStatus.BAD_REQUEST:
            msg = f"Home Assistant knows no MQTT broker: install the app Mosquitto broker and start it, {_SET_HOST}"
            raise ConfigError(msg)
        if status == http.HTTPStatus.OK and (data := _data(body)) is not None:
            return data
        problem = f"it answered {status}"
        if status in {http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
            break
    msg = f"the Supervisor does not tell its MQTT service: {problem}; restart the app, {_SET_HOST}"
    raise ConfigError(msg)


def _get(place: Place, token: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*place.supervisor, timeout=place.timeout_s)
    try:
        connection.request("GET", "/services/mqtt", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read(_LARGEST)
    finally:
        connection.close()


def _data(body: bytes) -> Mapping[str, object] | None:
    """Return the service's data; None where the answer has another form or names no host."""
    try:
        data = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError):
        return None
    return data if isinstance(data, dict) and data.get("host") else None
