"""Errors as HTTP answers: one table of statuses, for every API."""

import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

from framedb.errors import (
    AlreadyExistsError,
    ConflictError,
    DeadlineExceededError,
    EngineError,
    FrameDBError,
    InsufficientRoomError,
    InvalidInputError,
    MediaError,
    NodeUnavailableError,
    NotAuthorizedError,
    NotFoundError,
    NotRegisteredError,
    NotReplicatedError,
    QueueFullError,
    QueueUnavailableError,
    StaleWriterError,
    StoreFullError,
    StoreUnavailableError,
)
from framedb.server.envelopes import Envelope, envelope_of

logger = logging.getLogger(__name__)

ERROR_HEADER = "X-FrameDB-Error"
"""Names the error's class, where a status alone does not tell it."""

STATUS: list[tuple[type[FrameDBError], int]] = [
    (InvalidInputError, 400),
    (InsufficientRoomError, 400),
    (NotAuthorizedError, 401),
    (NotFoundError, 404),
    (AlreadyExistsError, 409),
    (ConflictError, 409),
    (StaleWriterError, 409),
    (MediaError, 422),
    (StoreUnavailableError, 503),
    (QueueUnavailableError, 503),
    (NodeUnavailableError, 503),
    (EngineError, 503),
    (NotReplicatedError, 503),
    (NotRegisteredError, 503),
    (DeadlineExceededError, 504),
    (StoreFullError, 507),
    (QueueFullError, 507),
]
"""The first class that fits decides; anything else is a 500 of ours."""

_UNEXPECTED = "an unexpected failure: look for the request id in the log"


def add_replies(app: FastAPI, *, legacy_status: bool = False) -> None:
    """Every failure is answered in the envelope of its API.

    `legacy_status`: handled failures of the published APIs are answered with status 200, as earlier deployments did.
    """
    app.state.legacy_status = legacy_status
    app.add_exception_handler(FrameDBError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def failure(scope: Scope, status: int, why: Any, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """The answer to a request that failed."""
    body = envelope_of(scope["path"]).failure(why, request_id(scope))
    return JSONResponse(body, status_code=status, headers=headers)


def unexpected(scope: Scope, exc: Exception) -> JSONResponse:
    """The answer to a fault of ours, which is logged with the request's id."""
    logger.error("unexpected failure", exc_info=exc, extra={"request_id": request_id(scope)})
    return failure(scope, 500, _UNEXPECTED)


def request_id(scope: Scope) -> str:
    """The id the guard gave the request."""
    return str(scope.get("framedb.request_id") or uuid4().hex)


async def _refused(request: Request, exc: Exception) -> JSONResponse:
    status = next((status for kind, status in STATUS if isinstance(exc, kind)), 500)
    if status >= 500:
        logger.error("%s", exc, extra={"request_id": request_id(request.scope), "status": status})
    return _handled(request, status, str(exc), kind=type(exc))


async def _invalid(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)
    envelope = envelope_of(request.scope["path"])
    if envelope.as_fastapi:
        # Not what was given: it may hold a password, or a NaN, which JSON cannot say.
        problems = [{key: error[key] for key in ("type", "loc", "msg")} for error in exc.errors()]
        return _handled(request, 422, problems, kind=InvalidInputError)
    return _handled(request, 400, "; ".join(_problems(exc.errors(), envelope)), kind=InvalidInputError)


async def _http(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)
    if exc.status_code == 404:
        return failure(request.scope, 404, f"there is no {request.scope['path']} here: see /docs")
    if exc.status_code == 405:
        allowed = _allowed(request, exc)
        why = f"{request.method} is not possible here: use {allowed}"
        return failure(request.scope, 405, why, headers={"Allow": allowed})
    if exc.status_code == 400:  # FastAPI's own word for a body that Python's JSON parser gave up on
        return _handled(request, 400, "the body is no JSON that can be read", kind=InvalidInputError)
    return failure(request.scope, exc.status_code, str(exc.detail), headers=dict(exc.headers or {}))


async def _unexpected(request: Request, exc: Exception) -> JSONResponse:
    return unexpected(request.scope, exc)


def _handled(request: Request, status: int, why: Any, *, kind: type[Exception]) -> JSONResponse:
    if request.app.state.legacy_status and envelope_of(request.scope["path"]).published:
        status = 200
    return failure(request.scope, status, why, headers={ERROR_HEADER: kind.__name__})


def _problems(errors: Any, envelope: Envelope) -> Iterator[str]:
    """What is wrong, by field. A missing field is told alone: clients compare the text."""
    for error in errors:
        name = ".".join(map(str, error["loc"][1:]))
        if error["type"] == "missing" and name:
            yield envelope.missing.format(name)
            return
    for error in errors:
        yield _problem(error)


def _problem(error: Any) -> str:
    place, *names = error["loc"]
    name = ".".join(map(str, names))
    kind = error["type"]
    if kind == "json_invalid":
        return f"the body is no JSON: {error['ctx']['error']} at character {name}"
    if place == "body" and not name:
        return "the body must be a JSON object, sent with Content-Type: application/json"
    if kind == "extra_forbidden":
        return f"Unknown field {name}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    return f"{name}: {error['msg']}"


def _allowed(request: Request, exc: HTTPException) -> str:
    """Methods of the path, as OpenAPI lists them. Starlette names only those of the first route that fits."""
    path = getattr(request.scope.get("route"), "path_format", None)
    methods = request.app.openapi()["paths"].get(path, {})
    return ", ".join(sorted(map(str.upper, methods))) or (exc.headers or {}).get("Allow", "GET")
