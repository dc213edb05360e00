"""How the API writes what it answers: JSON by orjson, and every fault as one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match

from igentai.errors import IgentaiError, NoUsableProvider, OutputsBusy, StorageError, TopicError, UsageError

_MAX_FAULT_LENGTH: Final = 300

# First match wins: subclasses stand before their bases.
_STATUS_OF: Final[Sequence[tuple[type[IgentaiError], int]]] = (
    (TopicError, 409),
    (OutputsBusy, 409),
    (UsageError, 400),
    (NoUsableProvider, 503),
    (StorageError, 503),
)


class JsonResponse(JSONResponse):
    """JSON of plain documents; NaN and infinity become null. A JSONResponse, by which FastAPI knows it for JSON."""

    def render(self, content: Any) -> bytes:
        return json_bytes(content)


def json_bytes(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


def fault(status: int, text: str, headers: dict[str, str] | None = None) -> JsonResponse:
    """`{"error": one line}`."""
    line = " ".join(text.split())
    if len(line) > _MAX_FAULT_LENGTH:
        line = line[: _MAX_FAULT_LENGTH - 1] + "…"
    return JsonResponse({"error": line}, status_code=status, headers=headers)


def answer_faults(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make every error that leaves a route one line with the right status. `routes`: those of the app's routers."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return fault(422, _first_problem(error))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"allow": ", ".join(sorted(_methods(routes, request)))}
        return fault(error.status_code, str(error.detail), headers)

    @app.exception_handler(IgentaiError)
    async def deliberate(_request: Request, error: IgentaiError) -> Response:
        return fault(status_of(error), str(error))


def _methods(routes: Iterable[BaseRoute], request: Request) -> set[str]:
    """What may be done at a path: each of its methods is a route of its own, and the first one answered."""
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in matching for method in getattr(route, "methods", None) or ()} or {"GET"}


def status_of(error: IgentaiError) -> int:
    """The HTTP status of a deliberate error; 500 for one that is no fault of the request."""
    return next((status for kind, status in _STATUS_OF if isinstance(error, kind)), 500)


def _first_problem(error: RequestValidationError) -> str:
    """`name: what is wrong`, without the value: it may be long, hostile or secret."""
    problems = error.errors()
    if not problems:
        return "the request is not valid"
    problem = problems[0]
    if problem["type"] == "json_invalid":
        return "the body is not valid JSON"
    where = ".".join(str(part) for part in problem["loc"] if part not in {"body", "query", "path"})
    return f"{where or 'body'}: {problem['msg']}"
