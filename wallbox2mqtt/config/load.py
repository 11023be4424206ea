"""Finding and reading the configuration. The environment overrides the file; every error names its key."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from wallbox2mqtt.config.credentials import is_empty_credential
from wallbox2mqtt.config.keys import KEYS, PREFIX, Key
from wallbox2mqtt.config.model import Config
from wallbox2mqtt.config.password_file import read_password, without_line_end
from wallbox2mqtt.config.yaml import YamlError, parse
from wallbox2mqtt.errors import ConfigError

PLACES = (Path("config.yaml"), Path("/etc/wallbox2mqtt/config.yaml"))
"""Where a configuration file is looked for when none is named."""

_FILE_VARIABLE = f"{PREFIX}CONFIG"
_VARIABLES = {key.variable: key for key in KEYS.values()}
_SERVICE_LINK = re.compile(rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_NO_BREAK_SPACE = "\u00a0"

_StructT = TypeVar("_StructT", bound=Struct)


class Given(NamedTuple):
    """A value as it was found; ``source`` names the key or variable that has to be corrected."""

    source: str
    value: object


def find(explicit: Path | None, environ: Mapping[str, str], places: Sequence[Path] = PLACES) -> Path | None:
    """Return the configuration file to use, or None where there is none and the environment has to be enough.

    Args:
        explicit: the file named on the command line, if any.
        environ: the environment; ``WALLBOX2MQTT_CONFIG`` names a file too.
        places: where to look when no file is named.

    Raises:
        ConfigError: a file was named that is not there.
    """
    source, named = "--config", explicit
    if named is None and environ.get(_FILE_VARIABLE):
        source, named = _FILE_VARIABLE, Path(environ[_FILE_VARIABLE])
    if named is None:
        return next((place for place in places if _why_absent(place) is None), None)
    if reason := _why_absent(named):
        message = f"{source}: {named}: {reason}; accepted is a file that can be read"
        raise ConfigError(message)
    return named


def load(path: Path | None, environ: Mapping[str, str], more: Mapping[str, Given] | None = None) -> Config:
    """Read the configuration from a file (None: there is none) and the environment.

    Args:
        path: of the file.
        environ: the environment.
        more: values by their key, which win over both.

    Raises:
        ConfigError: one line for each thing that is wrong: the key, what was found and what is accepted.
    """
    problems: list[str] = []
    given: dict[str, Given] = {}
    if path is not None:
        given.update(_from_mapping(_read_yaml(path), "", str(path), problems))
    given.update(_from_environment(environ, problems))
    given.update(more or {})
    values: dict[str, object] = {}
    told: set[str] = set()
    for name, (source, value) in given.items():
        if value is None and KEYS[name].required:
            continue  # as if it were not there: password_file may replace it, else it is reported as missing
        try:
            values[name] = KEYS[name].convert(value)
        except ValueError as error:
            problems.append(f"{source}: {error}")
            told.add(name)
    sources = {name: source for name, (source, _) in given.items()}
    for section in ("wallbox", "mqtt"):
        try:
            _read_password_file(section, values, sources)
        except ConfigError as error:
            problems.append(str(error))
            told.add(f"{section}.password")
    problems += _lacking(values, told, path)
    if problems:
        raise ConfigError("\n".join(problems))
    return _build(Config, "", values)


def state_dir(config: Config, environ: Mapping[str, str]) -> Path:
    """Return the directory for tokens and counters: as configured, else systemd's (the first), else below the home.

    Raises:
        ConfigError: none is configured, and the environment names neither.
    """
    if config.state_dir is not None:
        return config.state_dir
    if systemd := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(systemd)
    if home := environ.get("HOME"):
        return Path(home) / ".local/state/wallbox2mqtt"
    message = "state_dir: found nothing, nor $STATE_DIRECTORY or $HOME; accepted is a path"
    raise ConfigError(message)


def runtime_dir(environ: Mapping[str, str]) -> Path | None:
    """Return the directory for what does not outlive a boot, in memory and not on an SD card; None: there is none."""
    if systemd := environ.get("RUNTIME_DIRECTORY", "").split(":")[0]:
        return Path(systemd)
    user = environ.get("XDG_RUNTIME_DIR")
    return Path(user) / "wallbox2mqtt" if user and Path(user).is_dir() else None


def service_links(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that Kubernetes sets for a Service of the bridge's name: they are no configuration."""
    names = (name for name in environ if name.startswith(PREFIX) and name not in _VARIABLES)
    return [name for name in names if _SERVICE_LINK.fullmatch(name) or _is_service_address(name, environ[name])]


def _is_service_address(name: str, text: str) -> bool:
    return name.endswith("_PORT") and _SERVICE_ADDRESS.match(text) is not None


def _why_absent(path: Path) -> str | None:
    try:
        path.stat()
    except OSError as error:
        return error.strerror
    return None


def _read_yaml(path: Path) -> dict[object, object]:
    problem = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = parse(text)
    except OSError as error:
        problem = f"{error.strerror}; accepted is a file that can be read"
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8; accepted is YAML in UTF-8"
    except YamlError as error:
        problem = f"{error}{_hint(text)}"
    else:
        if document is None:
            return {}
        if isinstance(document, dict):
            return document
        problem = f"found no sections; accepted are the keys {', '.join(_names(''))}{_hint(text)}"
    # Outside the handlers: the errors hold what they could not read, and that may be a secret.
    message = f"{path}: {problem}"
    raise ConfigError(message)


def _hint(text: str) -> str:
    """Return what may be wrong with a text and cannot be seen: a no-break space, which web pages are full of."""
    before, found, _ = text.partition(_NO_BREAK_SPACE)
    line = before.count("\n") + 1
    return f"; line {line} has a no-break space, which looks like a blank and is none: type it anew" if found else ""


def _from_mapping(
    mapping: Mapping[object, object], prefix: str, file: str, problems: list[str]
) -> Iterator[tuple[str, Given]]:
    names = _names(prefix)
    for name, value in mapping.items():
        path = f"{prefix}{name}"
        source = f"{file}: {path}"
        if name not in names:
            hint = _hint(str(name)).replace("line 1 has", "its name has")
            problems.append(f"{source}: unknown key{_nearest(str(name), names)}; accepted are {', '.join(names)}{hint}")
        elif path in KEYS:
            yield path, Given(source, value)
        elif isinstance(value, dict):
            yield from _from_mapping(value, f"{path}.", file, problems)
        elif value is not None:  # a section of which every line is a comment is null
            hint = _hint(str(value)).replace("line 1 has", "its text has")
            problems.append(f"{source}: found no section; accepted are the keys {', '.join(_names(f'{path}.'))}{hint}")


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> Iterator[tuple[str, Given]]:
    ignored = {_FILE_VARIABLE, *service_links(environ)}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in ignored:
            continue
        if is_empty_credential(name, text, environ):
            continue
        if key := _VARIABLES.get(name):
            yield key.path, Given(name, _from_variable(key, text))
        else:
            names = f"{PREFIX} and the keys in capitals with __ between levels, such as {PREFIX}MQTT__HOST"
            problems.append(f"{name}: unknown variable{_nearest(name, _VARIABLES)}; accepted is {names}")


def _from_variable(key: Key, text: str) -> object:
    """Return the value of a variable: YAML, but text as it is, or a password like ``a: b #1`` would not survive."""
    text = without_line_end(text)
    if not text or (key.nullable and text in {"null", "~"}):
        return None
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    if key.is_text and not is_quoted and not (key.takes_list and text[0] == "["):
        return text
    if key.is_list and text[0] != "[":
        text = f"[{text}]"
    try:
        value = parse(text)
    except YamlError:
        return text
    return value if isinstance(value, str | list) or not key.is_text else text


def _read_password_file(section: str, values: dict[str, object], sources: Mapping[str, str]) -> None:
    password, file = f"{section}.password", f"{section}.password_file"
    path = values.get(file)
    if not isinstance(path, Path):
        return
    if values.get(password) is not None:
        message = f"{sources[password]}: found {sources[file]} as well; accepted is one of the two"
        raise ConfigError(message)
    try:
        values[password] = read_password(path)
    except ValueError as error:
        message = f"{sources[file]}: {path}: {error}; accepted is a file that holds the password in UTF-8"
        raise ConfigError(message) from None


def _lacking(values: Mapping[str, object], told: set[str], file: Path | None) -> Iterator[str]:
    """Return what is missing altogether, or beside something that was given; ``told``: keys of which more is known."""
    present = values.keys() | told
    missing = [key for key in KEYS.values() if key.required and not present & {key.path, f"{key.path}_file"}]
    for key in missing:
        instead = f"; or {key.path}_file" if f"{key.path}_file" in KEYS else ""
        yield f"{key.path}: found nothing; accepted is {key.accepts}, here or in {key.variable}{instead}"
    if missing and file is None:
        least = " and ".join(key.path for key in KEYS.values() if key.required)
        yield f"no configuration file: looked for {' and '.join(map(str, PLACES))}; the least that is needed is {least}"
    for name, partner in (
        ("mqtt.password", "mqtt.username"),  # MQTT 3.1.1 knows no password without a user name
        ("mqtt.tls.cert_file", "mqtt.tls.key_file"),
        ("mqtt.tls.key_file", "mqtt.tls.cert_file"),
    ):
        if values.get(name) is not None and values.get(partner) is None and partner not in told:
            yield f"{partner}: found nothing, but {name} is given; accepted are both or neither"


def _names(prefix: str) -> list[str]:
    """Return the keys and sections right below a prefix, such as ``mqtt.``."""
    below = (path.removeprefix(prefix).split(".")[0] for path in KEYS if path.startswith(prefix))
    return list(dict.fromkeys(below))


def _nearest(name: str, names: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, names, n=1)
    return f", did you mean {nearest[0]}" if nearest else ""


def _build(struct: type[_StructT], prefix: str, values: Mapping[str, object]) -> _StructT:
    arguments: dict[str, object] = {}
    for field in msgspec.structs.fields(struct):
        path = prefix + field.name
        if path in values:
            arguments[field.name] = values[path]
        elif path not in KEYS:
            arguments[field.name] = _build(field.type, f"{path}.", values)
    return struct(**arguments)
