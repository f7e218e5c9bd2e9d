"""Errors as gRPC statuses: one table for every call but the two that answer in-band."""

import grpc

from framedb.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptDataError,
    DeadlineExceededError,
    EngineError,
    FrameDBError,
    InvalidInputError,
    NotAuthorizedError,
    NotFoundError,
    NotRegisteredError,
    NotReplicatedError,
    StaleWriterError,
    StoreFullError,
    StoreUnavailableError,
)

ERROR_KEY = "x-framedb-error"
"""Trailing metadata that names the error's class, where a status alone does not tell it."""


class TooLargeError(InvalidInputError):
    """More than one message may carry."""


class BusyError(FrameDBError):
    """As much goes on as this server does at once."""


STATUS: list[tuple[type[FrameDBError], grpc.StatusCode]] = [
    (TooLargeError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (BusyError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (StoreFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotAuthorizedError, grpc.StatusCode.UNAUTHENTICATED),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (AlreadyExistsError, grpc.StatusCode.ALREADY_EXISTS),
    (ConflictError, grpc.StatusCode.ABORTED),
    (StaleWriterError, grpc.StatusCode.ABORTED),
    (CorruptDataError, grpc.StatusCode.DATA_LOSS),
    (DeadlineExceededError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (StoreUnavailableError, grpc.StatusCode.UNAVAILABLE),
    (NotReplicatedError, grpc.StatusCode.UNAVAILABLE),
    (NotRegisteredError, grpc.StatusCode.UNAVAILABLE),
    (EngineError, grpc.StatusCode.UNAVAILABLE),
]
"""The first class that fits decides; anything else is INTERNAL."""

UNEXPECTED = "an unexpected failure: look for the request id in the log"


def status_of(exc: FrameDBError) -> grpc.StatusCode:
    """The status that says this error."""
    return next((status for kind, status in STATUS if isinstance(exc, kind)), grpc.StatusCode.INTERNAL)
