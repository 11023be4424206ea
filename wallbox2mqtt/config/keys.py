"""What the fields of the structs say about each key: its type, its limits in words, its variable's name."""

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import msgspec.inspect as info
from msgspec import Struct

from wallbox2mqtt.config.model import Config
from wallbox2mqtt.config.secret import Secret
from wallbox2mqtt.config.yaml import Quoted

PREFIX = "WALLBOX2MQTT_"
_SHOWN_CHARACTERS = 60
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_WHOLE = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


class Key(NamedTuple):
    """One key of the configuration, with all that its field says."""

    path: str
    annotation: Any
    required: bool
    types: tuple[info.Type, ...]
    extra: dict[str, Any]

    @property
    def variable(self) -> str:
        """Name of the environment variable that sets this key."""
        return PREFIX + self.path.upper().replace(".", "__")

    @property
    def accepts(self) -> str:
        """What is accepted, in words that a user understands."""
        words: str = self.extra.get("accepts") or _in_words(self.types[0])
        return f"{words}, or null" if self.nullable else words

    @property
    def nullable(self) -> bool:
        """Whether null is a value of this key."""
        return info.NoneType() in self.types

    @property
    def is_text(self) -> bool:
        """Whether a text, a secret or a path is wanted."""
        return isinstance(self.types[0], info.StrType | info.CustomType)

    @property
    def is_list(self) -> bool:
        """Whether a list is wanted."""
        return isinstance(self.types[0], info.VarTupleType)

    @property
    def takes_list(self) -> bool:
        """Whether a list stands for a text that joins its items."""
        return "joins" in self.extra

    @property
    def is_secret(self) -> bool:
        """Whether the value must not be shown."""
        return isinstance(self.types[0], info.CustomType) and self.types[0].cls is Secret

    def value_in(self, config: Config) -> object:
        """Return the value that a configuration has for this key."""
        found: object = config
        for name in self.path.split("."):
            found = getattr(found, name)
        return found

    def convert(self, value: object) -> object:
        """Return the value that YAML or the environment gave, checked and in its proper type.

        Raises:
            ValueError: it is not accepted; the text says what was found and what is accepted.
        """
        try:
            return self._convert(value)
        except (msgspec.ValidationError, ValueError):
            problem = f"found {self._found(value)}; accepted is {self.accepts}"
        # Outside the handler, so that an error which quotes a secret is no context of this one.
        raise ValueError(problem)

    def _convert(self, value: object) -> object:
        if self.takes_list and isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = self.extra["joins"].join(value)
        converted = msgspec.convert(self._typed(value), self.annotation, dec_hook=_from_text)
        if isinstance(converted, str) and not _is_plain(converted):
            raise ValueError
        if isinstance(converted, float) and not math.isfinite(converted):
            raise ValueError
        then: Callable[[Any], object] | None = self.extra.get("then")
        return converted if then is None or converted is None else then(converted)

    def _typed(self, value: object) -> object:
        """Return a value as the first of the key's types that can read it does; else as it was written."""
        readings = (_read_as(type_, value) for type_ in self.types)
        return next((read for read in readings if type(read) is not type(value)), _read_as(self.types[0], value))

    def _found(self, value: object) -> str:
        if isinstance(value, list) and isinstance(self.types[0], info.VarTupleType):
            wrong = (item for item in value if not self._takes_item(item))
            return f"{self._found(next(wrong, ', '.join(map(str, value))))} in the list"
        if value is None:
            return "nothing"
        if not isinstance(value, str):
            return "a list" if isinstance(value, list) else "a section"
        what = "text" if self.is_text else _what(value)
        return f"{what} ({'***' if self.is_secret else _shown(value, quoted=what == 'text')}){self._advice(value)}"

    def _advice(self, value: str) -> str:
        """Return what to do about a number that is written as none."""
        if self.is_text or not _NUMBER.fullmatch(value):
            return ""
        if isinstance(value, Quoted):
            return ", leave the quotes out (in a list of Compose they belong to the value)"
        return ", leave the leading zeros out" if re.match(r"-?0[0-9]", value) else ""

    def _takes_item(self, item: object) -> bool:
        try:
            msgspec.convert(self._typed([item]), self.annotation)
        except msgspec.ValidationError:
            return False
        return True


def _walk(struct: type[Struct], prefix: str) -> Iterator[Key]:
    for field in msgspec.structs.fields(struct):
        path = prefix + field.name
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from _walk(field.type, f"{path}.")
        else:
            types, extra = _unwrap(info.type_info(field.type))
            yield Key(path, field.type, field.required, types, extra)


def _unwrap(type_: info.Type) -> tuple[tuple[info.Type, ...], dict[str, Any]]:
    """Return the bare types of a field, what is wanted first, and the ``extra`` of all its ``Meta``."""
    if isinstance(type_, info.Metadata):
        types, extra = _unwrap(type_.type)
        return types, extra | (type_.extra or {})
    if isinstance(type_, info.UnionType):
        first, second = (_unwrap(member) for member in type_.types)
        return first[0] + second[0], first[1] | second[1]
    return (type_,), {}


def _in_words(type_: info.Type) -> str:
    match type_:
        case info.BoolType():
            return "true or false"
        case info.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case info.IntType(ge=least, le=most):
            return f"a whole number from {least}" + (f" to {most}" if most is not None else "")
        case info.FloatType(gt=None, ge=least):
            return "a number" + (f" from {least}" if least is not None else "")
        case info.FloatType(gt=below):
            return f"a number above {below}"
        case info.VarTupleType(item_type=item):
            return f"a list in [], each item {_in_words(item)}"
        case info.CustomType(cls=cls) if cls is Path:
            return "a path"
        case _:
            return "text that is not empty"


def _read_as(type_: info.Type, value: object) -> object:
    """Return a value as the type of its key reads it; what is not of that type stays text."""
    if isinstance(value, list) and isinstance(type_, info.VarTupleType):
        return [_read_as(type_.item_type, item) for item in value]
    if not isinstance(value, str):
        return value
    if isinstance(value, Quoted):
        return str(value)
    match type_:
        case info.BoolType():
            return _BOOLEANS.get(value.lower(), value)
        case info.IntType() if _WHOLE.fullmatch(value):
            return int(value)
        case info.FloatType() if _NUMBER.fullmatch(value):
            return float(value)
        case info.LiteralType(values=values) if value not in values and _BOOLEANS.get(value.lower()) is False:
            return "off"
        case _:
            return value


def _what(value: str) -> str:
    """Return what a text looks like to people."""
    if isinstance(value, Quoted):
        return "text"
    if value.lower() in _BOOLEANS:
        return "a truth value"
    return "a number" if _NUMBER.fullmatch(value) else "text"


def _from_text(kind: type, value: object) -> object:
    if not isinstance(value, str) or not value:
        raise ValueError
    if kind is Secret:
        value.encode()  # the environment may hold bytes that are not UTF-8
        return Secret(value)
    if not _is_plain(value):
        raise ValueError
    try:
        return Path(value).expanduser()
    except RuntimeError:  # no such home directory
        raise ValueError from None


def _is_plain(text: str) -> bool:
    """Whether a text is free of control characters and of bytes that were not UTF-8."""
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)


def _shown(value: str, *, quoted: bool) -> str:
    """Return a value as an error text may show it: short, without the password that an address may carry."""
    text = re.sub(r"//.*@", "//***@", value)
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 1] + "…"
    return repr(text) if quoted else text


KEYS = {key.path: key for key in _walk(Config, "")}
"""All keys by their path, such as ``mqtt.port``."""
