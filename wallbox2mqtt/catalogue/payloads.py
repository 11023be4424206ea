"""What a command accepts: formats of payloads, each with a parser and a sentence that says what it accepts.

Refusal is the default: a payload without exactly the format raises, nothing is guessed or coerced (another client reads
``abc`` on its lock topic as 0, which unlocks). Limits may depend on the charger, so parsers get a view of it: its
fields as last known.
"""

import decimal
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from wallbox2mqtt.catalogue.quantities import Json, is_number
from wallbox2mqtt.catalogue.values import Values, is_quasar
from wallbox2mqtt.errors import InvalidPayloadError

MAX_PAYLOAD_BYTES = 1024
_WHITE_SPACE = " \t\r\n\v\f"
_JOINERS = frozenset("\u200c\u200d\u00a0\u202f")
"""Not printable, and yet part of names: what joins emoji and letters, and spaces at which no line is broken."""
_WHOLE = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_LONGEST_DECIMAL = 40
"""Characters of a number; a float as programs print it has 24."""


class PayloadFormat(Protocol):
    """What a command accepts."""

    def accepts(self, view: Values) -> str:
        """Say what is accepted by a charger, in words that finish the sentence «accepted: …»."""

    def parse(self, text: str, view: Values) -> Json:
        """Return the intent that the text names, in the form in which the field shows it.

        Raises:
            InvalidPayloadError: the text does not have the format.

        """


def read_payload(payload: bytes, longest: int = MAX_PAYLOAD_BYTES) -> str:
    """Return the text of a payload without the white space around it.

    Raises:
        InvalidPayloadError: it is larger than ``longest`` bytes or no UTF-8.

    """
    if len(payload) > longest:
        msg = f"the payload is larger than {longest} bytes"
        raise InvalidPayloadError(msg)
    try:
        return payload.decode().strip(_WHITE_SPACE)
    except UnicodeDecodeError:
        msg = "the payload is not UTF-8 text"
        raise InvalidPayloadError(msg) from None


def refuse(form: PayloadFormat, text: str, view: Values) -> NoReturn:
    """Refuse a payload, and say what is accepted.

    Raises:
        InvalidPayloadError: always.

    """
    shown = text if len(text) <= 40 else text[:40] + "…"  # noqa: PLR2004 - what fits into a line of a log
    msg = f"{shown!r} is not accepted; accepted: {form.accepts(view)}"
    raise InvalidPayloadError(msg)


@dataclass(frozen=True, slots=True)
class Choice:
    """Some words, in any case; each stands for a value."""

    values: tuple[tuple[str, Json], ...]

    def accepts(self, view: Values) -> str:  # noqa: ARG002 - the words are the same for all chargers
        """List the words."""
        return " ".join(word for word, _ in self.values)

    def parse(self, text: str, view: Values) -> Json:
        """Return the value of the word."""
        # only ASCII is folded: the Kelvin sign, lower-cased, is a «k» and would make a «lock» of something else
        for word, value in self.values:
            if text.isascii() and text.lower() == word:
                return value
        refuse(self, text, view)


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest number that a charger accepts: the first of these fields that is known, else ``default``.

    ``mirrored``: a bidirectional charger accepts the negative range too (Quasar: discharge).
    """

    default: int
    fields: tuple[str, ...] = ()
    mirrored: bool = False

    def of(self, view: Values) -> int:
        """Return the limit of a charger."""
        for key in self.fields:
            value = view.get(key)
            if is_number(value) and value > 0:
                return int(value)
        return self.default

    def is_mirrored(self, view: Values) -> bool:
        """Return whether the charger accepts the negative range."""
        return self.mirrored and is_quasar(view)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in plain digits."""

    minimum: int
    maximum: Limit | None
    unit: str = ""

    def accepts(self, view: Values) -> str:
        """Name the range of this charger."""
        unit = f" {self.unit}" if self.unit else ""
        if self.maximum is None:
            return f"a whole number from {self.minimum}"
        top = self.maximum.of(view)
        mirror = f" or from {-top} to {-self.minimum}" if self.maximum.is_mirrored(view) else ""
        return f"a whole number from {self.minimum} to {top}{mirror}{unit}"

    def parse(self, text: str, view: Values) -> Json:
        """Return the number."""
        if not _WHOLE.fullmatch(text) or len(text) > 9:  # noqa: PLR2004 - no limit is that large
            refuse(self, text, view)
        number = int(text)
        size = abs(number) if self.maximum is not None and self.maximum.is_mirrored(view) else number
        if size < self.minimum or (self.maximum is not None and size > self.maximum.of(view)):
            refuse(self, text, view)
        return number


@dataclass(frozen=True, slots=True)
class Decimal:
    """A number, rounded to a few decimals; with an exponent too, because automations print 1e-05."""

    minimum: int
    maximum: int
    places: int

    def accepts(self, view: Values) -> str:  # noqa: ARG002 - the range is the same for all chargers
        """Name the range."""
        return f"a number from {self.minimum} to {self.maximum}, rounded to {self.places} decimals"

    def parse(self, text: str, view: Values) -> Json:
        """Return the number, as an int where it is written as one."""
        if not _DECIMAL.fullmatch(text) or len(text) > _LONGEST_DECIMAL:
            refuse(self, text, view)
        exact = decimal.Decimal(text)
        if not self.minimum <= exact <= self.maximum:
            refuse(self, text, view)
        rounded = exact.quantize(decimal.Decimal(1).scaleb(-self.places), decimal.ROUND_HALF_UP)
        number = int(text) if text.removeprefix("-").isdigit() else float(rounded)
        return number + 0  # -0.0 becomes 0.0


@dataclass(frozen=True, slots=True)
class Name:
    """Printable text."""

    longest: int

    def accepts(self, view: Values) -> str:  # noqa: ARG002 - the length is the same for all chargers
        """Name the length."""
        return f"1 to {self.longest} printable characters"

    def parse(self, text: str, view: Values) -> Json:
        """Return the text."""
        plain = "".join(one for one in text if one not in _JOINERS)
        if not plain or not plain.isprintable() or len(text) > self.longest:
            refuse(self, text, view)
        return text


class Anything:
    """Any payload; the message itself is the command."""

    def accepts(self, view: Values) -> str:  # noqa: ARG002 - the same for all chargers
        """Say so."""
        return "anything"

    def parse(self, text: str, view: Values) -> Json:  # noqa: ARG002 - no text is looked at
        """Return nothing."""
        return None


class _Digits(str):
    """A JSON number as it was written, so that its value is checked like a number of a plain payload."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object of one or more of these keys, each with the format of its value (numbers only)."""

    formats: tuple[tuple[str, PayloadFormat], ...]

    def accepts(self, view: Values) -> str:
        """List the keys with what each takes."""
        keys = "; ".join(f'"{key}": {form.accepts(view)}' for key, form in self.formats)
        return f"a JSON object of one or more of {keys}"

    def parse(self, text: str, view: Values) -> Json:
        """Return the object."""
        formats = dict(self.formats)
        intent: dict[str, Json] = {}
        for key, digits in self._pairs(text, view):
            if key not in formats or key in intent or not isinstance(digits, _Digits):
                refuse(self, text, view)
            try:
                intent[key] = formats[key].parse(str(digits), view)
            except InvalidPayloadError as error:
                msg = f"{key}: {error}"
                raise InvalidPayloadError(msg) from None
        if not intent:
            refuse(self, text, view)
        return intent

    def _pairs(self, text: str, view: Values) -> Iterable[tuple[str, object]]:
        try:
            pairs = json.loads(
                text,
                parse_int=_Digits,
                parse_float=_Digits,
                parse_constant=lambda word: word,
                object_pairs_hook=_Pairs,
            )
        except (ValueError, RecursionError):
            refuse(self, text, view)
        if not isinstance(pairs, _Pairs):
            refuse(self, text, view)
        return pairs


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object in order, the doubled ones too."""


@dataclass(frozen=True, slots=True)
class Either:
    """A plain format, or a JSON object if the payload begins with a brace."""

    plain: PayloadFormat
    members: JsonObject

    def accepts(self, view: Values) -> str:
        """Name both."""
        return f"{self.plain.accepts(view)}, or {self.members.accepts(view)}"

    def parse(self, text: str, view: Values) -> Json:
        """Return the number, or the object."""
        if text.startswith("{"):
            return self.members.parse(text, view)
        try:
            return self.plain.parse(text, view)
        except InvalidPayloadError:
            refuse(self, text, view)


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers between which a charger accepts some, and the step between two of them."""

    least: float
    most: float
    step: float


def range_of(form: PayloadFormat, view: Values) -> Range | None:
    """Return the range that a slider can show; None where the format has no such range.

    A mirrored range has a gap around 0 that a slider cannot show.
    """
    match form:
        case Either(plain=plain):
            return range_of(plain, view)
        case Integer(minimum=least, maximum=Limit() as limit):
            most = limit.of(view)
            return Range(-most if limit.is_mirrored(view) else least, most, 1)
        case Decimal(minimum=least, maximum=most, places=places):
            return Range(least, most, 10**-places)
    return None
