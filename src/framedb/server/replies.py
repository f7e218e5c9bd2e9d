"""Errors as HTTP answers: the one table of FrameDB's own API (`/v1`)."""

import logging
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from framedb.errors import (
    AlreadyExistsError,
    DeadlineExceededError,
    FrameDBError,
    InvalidInputError,
    MediaError,
    NotAuthorizedError,
    NotFoundError,
    QueueFullError,
    QueueUnavailableError,
    StaleWriterError,
    StoreFullError,
    StoreUnavailableError,
)

logger = logging.getLogger(__name__)

STATUS: list[tuple[type[FrameDBError], int]] = [
    (InvalidInputError, 400),
    (NotAuthorizedError, 401),
    (NotFoundError, 404),
    (AlreadyExistsError, 409),
    (StaleWriterError, 409),
    (MediaError, 422),
    (StoreUnavailableError, 503),
    (QueueUnavailableError, 503),
    (DeadlineExceededError, 504),
    (StoreFullError, 507),
    (QueueFullError, 507),
]
"""The first class that fits decides; anything else is a 500 of ours."""


def add_replies(app: FastAPI) -> None:
    """Every failure is answered as `{"error": why, "request_id": ...}`."""
    app.add_exception_handler(FrameDBError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def request_id(request: Request) -> str:
    """The id the guard gave the request."""
    return str(request.scope.get("framedb.request_id") or uuid4().hex)


def _reply(request: Request, status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error, "request_id": request_id(request)}, status_code=status)


async def _refused(request: Request, exc: Exception) -> JSONResponse:
    status = next((status for kind, status in STATUS if isinstance(exc, kind)), 500)
    if status >= 500:
        logger.error("%s", exc, extra={"request_id": request_id(request), "status": status})
    return _reply(request, status, str(exc))


async def _invalid(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)
    problems = "; ".join(f"{'.'.join(map(str, error['loc'][1:])) or 'body'}: {error['msg']}" for error in exc.errors())
    return _reply(request, 400, problems)


async def _http(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)
    return _reply(request, exc.status_code, str(exc.detail))


async def _unexpected(request: Request, exc: Exception) -> JSONResponse:
    logger.error("unexpected failure", exc_info=exc, extra={"request_id": request_id(request)})
    return _reply(request, 500, "an unexpected failure: look for the request id in the node's log")
