"""Which function answers which path."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.web.http import EVENTS, JSON, Handler, Request, Response, json_response, refusal

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
"""The types of the page's files by the ends of their names; no other file is served."""
_INDEX = "index.html"
_JUST_NOW_S = 1.0

Verdict = Callable[[], tuple[list[str], str]]
"""Returns what is wrong, in words, and how things stand."""

NOT_FOUND = refusal(HTTPStatus.NOT_FOUND, "there is nothing here")
NO_METRICS = refusal(
    HTTPStatus.NOT_FOUND, "there are no metrics without prometheus-client: pip install 'wallbox2mqtt[metrics]'"
)


def router(routes: Mapping[str, Handler]) -> Handler:
    """Return what answers each path by its handler, and all others by «not found»."""

    def route(request: Request) -> Response:
        handler = routes.get(request.path)
        return NOT_FOUND if handler is None else handler(request)

    return route


def files(directory: Path = STATIC) -> dict[str, Handler]:
    """Return the handlers of the page's files: those that are there now, so no path of a request gets to the disk."""
    found = {path.name: path for path in sorted(directory.glob("[!.]*")) if path.suffix in TYPES}
    routes = {f"/static/{name}": _file(path) for name, path in found.items()}
    return routes | ({"/": _file(found[_INDEX])} if _INDEX in found else {})


def _file(path: Path) -> Handler:
    def serve(_: Request) -> Response:
        try:
            return Response(path.read_bytes(), TYPES[path.suffix], cache="no-cache")
        except OSError:
            # the program is being replaced by another version
            return NOT_FOUND

    return serve


def verdict(ask: Verdict) -> Handler:
    """Return the handler of a probe: 200 where all is well, else 503, and the words as JSON."""

    def serve(_: Request) -> Response:
        document = health_document(*ask())
        return json_response(document, HTTPStatus.OK if document["healthy"] else HTTPStatus.SERVICE_UNAVAILABLE)

    return serve


def health_document(problems: list[str], state: str) -> dict[str, Json]:
    """Return a verdict as ``health --json`` has it."""
    return {"healthy": not problems, "problems": list[Json](problems), "state": state or None}


def stream(_: Request) -> Response:
    """Answer with the events, which never end."""
    return Response(b"retry: 3000\n\n", EVENTS, headers={"X-Accel-Buffering": "no"}, streams=True)


def document(make: Callable[[], bytes], content_type: str = JSON, now: Callable[[], float] = time.monotonic) -> Handler:
    """Return the handler of a document that is made when it is asked for, but not more than once a second.

    Who asks without a pause costs no more than who asks each second. ``now``: real seconds.
    """
    made, at = b"", float("-inf")

    def serve(_: Request) -> Response:
        nonlocal made, at
        if now() - at >= _JUST_NOW_S:
            made, at = make(), now()
        return Response(made, content_type)

    return serve
