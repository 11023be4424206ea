"""Copies of the cloud's documents for bug reports, which identify nobody.

Whatever is not proven harmless is replaced, in keys that nobody knew too. Harmless is a value at the place of a row
of the catalogue that is not private, if it is a quantity or one of the API's own words. Structure, types and the
names of keys stay. The same original gets the same replacement in all documents of one copy.
"""

import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, Literal

from wallbox2mqtt.catalogue import FIELDS, Field, Json, Scalar
from wallbox2mqtt.catalogue.slots import key_of

Document = Literal["list", "detail", "basic", "schedules"]

_ITEM: Final = "[]"
_PREFIXES: dict[Document, str] = {
    "list": f"result.groups.{_ITEM}.chargers.{_ITEM}.",
    "detail": "",
    "basic": "data.chargerData.",
    "schedules": f"schedules.{_ITEM}.",
}
_SLOT = {"enable": "enabled", "start": "start", "stop": "stop", "max_current": "current", "max_energy": "energy"}
"""A schedule's keys at the cloud, and the parts whose rows say what they are."""
_DEEPEST = 30
_LONGEST_TEXT = 40
_PRECISE_BELOW = 10_000
"""Quantities from here on keep two digits: ids are as long as that."""
_FEWEST_DIGITS = 4
_SHORTEST_IN_KEY = 5
_KEPT_SIGNS = frozenset(" -_.:@/,+")

_API_NAME = re.compile(r"[a-z][A-Za-z_]{0,39}")
_FORMS = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.0+)?(\+00:00)?"  # a time
    r"|([01]\d|2[0-3])[0-5]\d"  # a time of day
    r"|\d{1,2}\.\d{1,3}\.\d{1,3}"  # a version; an address has one number more
    r"|[a-z]{2,4}\d(_\d{1,2}\.\d{1,3}\.\d{1,3})?\.tar"  # the file of a version
    r"|ocpp_\d\.\dj?"
    r"|[A-Z]{2}[A-Z0-9]{1,2}(-[A-Z0-9]{1,3}){6}"  # a part number, which is of a model
)
_WORDS = frozenset(
    {
        *("amp", "kw", "wifi", "ethernet", "mobile", "4g", "bluetooth", "none", "wallbox", "ocpp", "private", "public"),
        *("ac", "dc", "guest", "admin", "super-admin", "basic", "business", "standard", "premium", "kwh", "wh"),
        *("chademo", "ccs", "type 1", "type 2", "type 2/socket", "type 2/cable"),
        *("pulsar", "pulsarplus", "pulsarmax", "pulsarpro", "copper", "coppersb", "copperc"),
        *("commander", "commander2", "quasar", "quasar2"),
        *("default_feature", "power_boost", "mobile_connectivity", "charger_subgroups", "user_subgroups"),
        *("dynamic_power_sharing", "payments", "set_up_included", "bulk_actions", "automatic_reporting"),
        *("billing", "statistics"),
        *("eur", "gbp", "usd", "chf", "sek", "nok", "dkk", "pln", "czk", "huf", "aud", "cad", "nzd", "mxn", "brl"),
        *("€", "£", "$", "kr", "zł"),
    }
)
"""The API's own words, in small letters."""


def _rows(document: Document) -> dict[str, Field]:
    if document == "schedules":
        return {_PREFIXES[document] + key: FIELDS[key_of(0, part)] for key, part in _SLOT.items()}
    rows = {}
    for row in FIELDS.values():
        path = {"list": row.sweep, "detail": row.detail, "basic": row.basic}[document]
        if path is not None:
            rows[_PREFIXES[document] + path] = row
    return rows


_ROWS: dict[Document, dict[str, Field]] = {document: _rows(document) for document in _PREFIXES}
_NAMES = frozenset(name for rows in _ROWS.values() for path in rows for name in path.split(".")) | {"users"}
_EXAMPLES = frozenset(
    text
    for row in FIELDS.values()
    if not row.private
    for text in (row.example, *row.words)
    if isinstance(text, str) and not text.isdigit()
)


class Anonymiser:
    """Replaces in all documents of one copy, which it has to see before."""

    def __init__(self, documents: Iterable[tuple[Document, Json]], secrets: Iterable[str] = ()) -> None:
        """Look at the documents; ``secrets``: more that must not be shown, such as the account's e-mail address."""
        self._numbers: dict[int, int] = {}
        self._texts: dict[str, str] = {}
        self._ids: set[int] = set()
        self._secrets = {text.casefold() for text in secrets if text}
        self._taken: set[int | str] = set()
        self._private_words: set[str] = set(self._secrets)
        for document, body in documents:
            for row, value in _leaves(body, "", _ROWS[document], None):
                self._look(row, value)

    def _look(self, row: Field | None, value: Json) -> None:
        if isinstance(value, bool) or not isinstance(value, int | str):
            return
        number = int(value) if isinstance(value, str) and _is_plain_number(value) else value
        self._taken |= {value, number}
        if row is not None and not row.private:
            return
        if isinstance(number, int):
            self._ids.add(number)
        elif not _is_harmless_text(number):
            self._secrets.add(number.casefold())
            if row is not None:
                self._private_words.add(number.casefold())

    def copy(self, document: Document, body: Json) -> Json:
        """Return a copy of a document."""
        return self._copy(body, "", _ROWS[document], None, 0)

    def _copy(self, value: Json, path: str, rows: Mapping[str, Field], row: Field | None, depth: int) -> Json:
        if isinstance(value, dict | list) and value and depth >= _DEEPEST:
            return "(deeper than anything known)"
        if isinstance(value, dict):
            copied: dict[str, Json] = {}
            for key, inner in value.items():
                at = f"{path}.{key}" if path else key
                copied[_free(self._key(key), copied)] = self._copy(inner, at, rows, rows.get(at), depth + 1)
            return copied
        if isinstance(value, list):
            return [self._copy(inner, f"{path}.{_ITEM}", rows, row, depth + 1) for inner in value]
        return self._leaf(value, None if row is None or row.private else row)

    def _leaf(self, value: Scalar, harmless: Field | None) -> Json:
        if value is None or isinstance(value, bool) or value == "":
            return value
        if isinstance(value, str):
            return self._text(value, harmless)
        if isinstance(value, float):
            return 0.5 if harmless is None else _rounded(value)
        if harmless is None or (abs(value) in self._ids and len(str(abs(value))) >= _FEWEST_DIGITS):
            return self.number(value)
        return _rounded(value)

    def _text(self, text: str, harmless: Field | None) -> str:
        if _is_plain_number(text):
            number = int(text)
            is_id = harmless is None or (number in self._ids and len(text) >= _FEWEST_DIGITS)
            return str(self.number(number) if is_id else _rounded(number))
        if harmless is not None and _is_harmless_text(text):
            return text
        if text not in self._texts:
            self._texts[text] = _free(_masked(text), self._taken)
            self._taken.add(self._texts[text])
        return self._texts[text]

    def number(self, number: int) -> int:
        """Return another number of as many digits; one digit tells nothing and stays."""
        size = abs(number)
        if size < 10:  # noqa: PLR2004 - one digit
            return number
        if size not in self._numbers:
            new = 10 ** (min(len(str(size)), 18) - 1)
            while new in self._taken or -new in self._taken:
                new += 1
            self._taken.add(new)
            self._numbers[size] = new
        return self._numbers[size] if number > 0 else -self._numbers[size]

    def _key(self, name: str) -> str:
        """Return a key's name: those of the API stay; one made of somebody's name or number does not."""
        if name in _NAMES:
            return name
        low = name.casefold()
        told = low in self._secrets or any(word in low for word in self._private_words if len(word) >= _SHORTEST_IN_KEY)
        if _API_NAME.fullmatch(name) and not told:
            return name
        return str(self.number(int(name))) if _is_plain_number(name) else _masked(name)


def _leaves(
    value: Json, path: str, rows: Mapping[str, Field], row: Field | None, depth: int = 0
) -> Iterator[tuple[Field | None, Json]]:
    """Return every leaf with the row of its place; names of keys that are numbers too."""
    if isinstance(value, dict | list) and depth >= _DEEPEST:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if _is_plain_number(key):
                yield None, key
            at = f"{path}.{key}" if path else key
            yield from _leaves(inner, at, rows, rows.get(at), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{path}.{_ITEM}", rows, row, depth + 1)
    else:
        yield row, value


def _free(name: str, taken: Container[object]) -> str:
    new, count = name, 1
    while new in taken:
        count += 1
        new = f"{name}~{count}"
    return new


def _is_plain_number(text: str) -> bool:
    """Whether a text is a whole number as the API writes them; such may be an id that elsewhere is a number."""
    return text.isascii() and text.isdigit() and (text == "0" or text[0] != "0") and len(text) <= 100  # noqa: PLR2004


def _is_harmless_text(text: str) -> bool:
    return text in _EXAMPLES or text.lower() in _WORDS or _FORMS.fullmatch(text) is not None


def _rounded(number: float) -> int | float:
    """Return a quantity, precise where it is small; the long ones might be something else after all."""
    if abs(number) < _PRECISE_BELOW:
        return round(number, 3)
    if abs(number) > sys.float_info.max / 10:
        return 0
    rough = float(f"{number:.1e}")
    return int(rough) if isinstance(number, int) else rough


def _masked(text: str) -> str:
    """Return the pattern of a text: X and x for letters, 0 for digits."""

    def sign(one: str) -> str:
        if one.isalpha():
            return "X" if one.isupper() else "x"
        return "0" if one.isdigit() else one if one in _KEPT_SIGNS else "?"

    masked = "".join(sign(one) for one in text[:_LONGEST_TEXT])
    if not any(one in "Xx0" for one in masked) or masked == text:
        masked = ("?" if "?" not in text else "#") * len(masked)
    return masked + ("…" if len(text) > _LONGEST_TEXT else "")
