"""Faults on demand: what networks, proxies and a failing cloud do to a request or its answer."""

import fnmatch
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from wallbox2mqtt.simulator import paths
from wallbox2mqtt.simulator.messages import HTML_TYPE, ApiAnswer, ApiRequest, json_answer
from wallbox2mqtt.simulator.paths import Document

FaultKind = Literal[
    "delay",
    "hang",
    "drip",
    "reset",
    "status",
    "redirect",
    "truncated",
    "cut",
    "html",
    "content_type",
    "wrong_types",
    "null",
    "list",
    "huge",
    "deep",
    "nan",
    "numbers_as_text",
    "duplicate_keys",
    "invalid_utf8",
]

HTML = b"<!DOCTYPE html><html><head><title>503</title></head><body><h1>Service unavailable</h1></body></html>"
HUGE_BYTES = 10 * 1024 * 1024
DEPTH = 100_000

_INSTEAD_OF_HANDLING = frozenset({"hang", "reset", "status", "redirect"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of the next ``count`` requests (None: until cleared) that match ``method`` and ``path`` (with ``*``).

    docs/simulator.md says what each kind does. Seconds are real ones, as the time-outs of clients are.
    """

    kind: FaultKind
    path: str = "*"
    method: str = "*"
    count: int | None = 1
    seconds: float = 1.0
    status: int = 503
    body: Literal["html", "json", "message", "empty"] = "html"
    text: str = "on demand"
    headers: dict[str, str] = field(default_factory=dict)
    location: str = "http://redirected.invalid/"
    fields: dict[str, Any] = field(default_factory=dict)
    effect: bool = False
    has_body: bool | None = None

    def __post_init__(self) -> None:
        """Check the kind and the count."""
        if self.kind not in get_args(FaultKind):
            msg = f"kind {self.kind!r} is not one of {', '.join(get_args(FaultKind))}"
            raise ValueError(msg)
        if self.count is not None and self.count < 1:
            msg = f'count is at least 1, or null for "until cleared", not {self.count}'
            raise ValueError(msg)

    @property
    def is_handled(self) -> bool:
        """Return whether the cloud handles the request."""
        return self.effect or self.kind not in _INSTEAD_OF_HANDLING

    def applies_to(self, request: ApiRequest) -> bool:
        """Return whether the fault applies to a request."""
        if self.has_body is not None and self.has_body != bool(request.body):
            return False
        return self.method in {"*", request.method} and fnmatch.fnmatchcase(request.path, self.path.strip("/"))


def corrupt(fault: Fault, answer: ApiAnswer) -> ApiAnswer:
    """Return the answer as the fault corrupts it; faults of time and connection leave it as it is."""
    corruption = _CORRUPTIONS.get(fault.kind)
    corrupted = answer if corruption is None else corruption(fault, answer)
    return replace(corrupted, headers={**corrupted.headers, **fault.headers})


def _status(fault: Fault, _: ApiAnswer) -> ApiAnswer:
    match fault.body:
        case "html":
            return ApiAnswer(fault.status, HTML, HTML_TYPE)
        case "json":
            return json_answer({"error": True, "code": fault.status, "msg": fault.text}, fault.status)
        case "message":
            return json_answer({"message": fault.text}, fault.status)
        case _:
            return ApiAnswer(fault.status)


def _wrong_types(fault: Fault, answer: ApiAnswer) -> ApiAnswer:
    document: Document = json.loads(answer.body)
    groups = paths.get(document, "result.groups")
    if isinstance(groups, list):
        for group in groups:
            if isinstance(group, dict) and isinstance(chargers := group["chargers"], list):
                group["chargers"] = [dict(paths.update(one, fault.fields)) for one in chargers if isinstance(one, dict)]
    else:
        document = paths.update(document, fault.fields)
    return replace(json_answer(document, answer.status), headers=answer.headers)


def _numbers_as_text(_: Fault, answer: ApiAnswer) -> ApiAnswer:
    """Write each number as text."""
    document = json.loads(answer.body, parse_int=str, parse_float=str)
    return replace(answer, body=json.dumps(document, ensure_ascii=False).encode())


def _nan(_: Fault, answer: ApiAnswer) -> ApiAnswer:
    """Replace each number by one that JSON does not have."""
    document = json.loads(answer.body, parse_int=lambda _: float("nan"), parse_float=lambda _: float("inf"))
    return replace(answer, body=json.dumps(document).encode())


def _duplicate_keys(_: Fault, answer: ApiAnswer) -> ApiAnswer:
    """Write every key of the top twice, first with null."""
    document = json.loads(answer.body)
    nulls = ",".join(f"{json.dumps(key)}:null" for key in document) if isinstance(document, dict) else ""
    return replace(answer, body=b"{" + nulls.encode() + b"," + answer.body[1:] if nulls else answer.body)


_CORRUPTIONS: Mapping[str, Callable[[Fault, ApiAnswer], ApiAnswer]] = {
    "status": _status,
    "redirect": lambda fault, _: ApiAnswer(302, headers={"Location": fault.location}),
    "truncated": lambda _, answer: replace(answer, body=answer.body[: len(answer.body) // 2]),
    "html": lambda _, answer: replace(answer, status=200, body=HTML, content_type=HTML_TYPE),
    "content_type": lambda _, answer: replace(answer, content_type="text/plain"),
    "wrong_types": _wrong_types,
    "null": lambda _, answer: replace(answer, body=b"null"),
    "list": lambda _, answer: replace(answer, body=b"[" + answer.body + b"]"),
    "huge": lambda _, answer: replace(answer, body=b'{"padding":"' + b"x" * HUGE_BYTES + b'"}'),
    "deep": lambda _, answer: replace(answer, body=b"[" * DEPTH + b"]" * DEPTH),
    "nan": _nan,
    "numbers_as_text": _numbers_as_text,
    "duplicate_keys": _duplicate_keys,
    "invalid_utf8": lambda _, answer: replace(answer, body=answer.body.replace(b'"', b'"\xff', 1)),
}
