"""What every call passes: who is let in, an id, its deadline, the log, and errors as statuses."""

import hmac
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias
from uuid import uuid4

import grpc
from google.protobuf.message import DecodeError

from framedb.errors import DeadlineExceededError, FrameDBError, InvalidInputError, NotAuthorizedError
from framedb.redaction import redacted
from framedb.server.authorization import presented
from framedb.server.grpc.replies import ERROR_KEY, UNEXPECTED, status_of

logger = logging.getLogger(__name__)
access = logging.getLogger("framedb.access")

REQUEST_ID_KEY = "x-request-id"
"""Metadata that carries a call's id: the caller's own, or the one it was given."""

# An orchestrator's probes carry no token, and these tell no secret.
HEALTH = "/grpc.health.v1.Health/"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NO_TOKEN = "a valid token is needed: send the metadata `authorization: Bearer $FRAMEDB_TOKEN`"  # noqa: S105

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Handler | None]"


class TokenInterceptor(grpc.ServerInterceptor):
    """Lets in the holder of the token; without one, everybody who reaches the port."""

    def __init__(self, token: str | None) -> None:
        self._token = token.encode() if token else None

    def intercept_service(self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The call's handler, or one that refuses before a message is received."""
        if self._token is None or handler_call_details.method.startswith(HEALTH):
            return continuation(handler_call_details)
        if hmac.compare_digest(presented(_metadata(handler_call_details).get("authorization", "")), self._token):
            return continuation(handler_call_details)
        return grpc.stream_unary_rpc_method_handler(_not_authorized)


class CallInterceptor(grpc.ServerInterceptor):
    """Gives each call an id, does not begin one that is too late, turns errors into statuses, and writes the access log."""

    def intercept_service(self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The call's handler, with all that around it."""
        handler = continuation(handler_call_details)
        # Watching health takes no thread, which only the plain handler says.
        if handler is None or handler_call_details.method.startswith(HEALTH):
            return handler
        return _around(handler, handler_call_details)


def _around(handler: Handler, details: grpc.HandlerCallDetails) -> Handler:
    plain: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

    def one(request: Any, context: grpc.ServicerContext) -> Any:
        with _call(details, request, context):
            return plain(request, context)

    def many(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        with _call(details, request, context):
            yield from plain(request, context)

    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    wrapped: Handler = make(
        many if handler.response_streaming else one,
        request_deserializer=_decoding(handler.request_deserializer),
        response_serializer=handler.response_serializer,
    )
    return wrapped


@contextmanager
def _call(details: grpc.HandlerCallDetails, request: Any, context: grpc.ServicerContext) -> Iterator[None]:
    given = _metadata(details).get(REQUEST_ID_KEY, "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    started = time.perf_counter()
    status = grpc.StatusCode.OK
    trailing = [(REQUEST_ID_KEY, request_id)]
    context.set_trailing_metadata(tuple(trailing))
    try:
        if isinstance(request, Undecodable):
            raise InvalidInputError(
                f"the message cannot be decoded ({request.why}): keys and metadata must be valid UTF-8"
            )
        _check_deadline(context)
        yield
    except FrameDBError as exc:
        status = status_of(exc)
        if status is grpc.StatusCode.INTERNAL:
            logger.exception("failure", extra={"request_id": request_id})
        context.set_trailing_metadata((*trailing, (ERROR_KEY, type(exc).__name__)))
        context.abort(status, redacted(str(exc)))
    except (grpc.RpcError, GeneratorExit):  # nobody is there to be told
        status = grpc.StatusCode.CANCELLED
        raise
    except Exception:
        status = grpc.StatusCode.INTERNAL
        logger.exception("unexpected failure", extra={"request_id": request_id})
        context.abort(status, UNEXPECTED)
    finally:
        access.info(
            "request",
            extra={
                "request_id": request_id,
                "method": "gRPC",
                "path": details.method,
                "status": status.name,
                "ms": round((time.perf_counter() - started) * 1000, 2),
            },
        )


class Undecodable:
    """What came instead of a message."""

    def __init__(self, why: str) -> None:
        self.why = why


def _decoding(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """grpcio answers bytes that are no message, such as a key that is no UTF-8, as a fault of its own."""
    if deserialize is None:
        return None

    def decode(data: bytes) -> Any:
        try:
            return deserialize(data)
        except (DecodeError, ValueError) as exc:
            return Undecodable(str(exc))

    return decode


def _check_deadline(context: grpc.ServicerContext) -> None:
    remaining = context.time_remaining()
    if remaining is not None and remaining <= 0:
        raise DeadlineExceededError("the call's deadline was over before it could begin: nothing was done")


def _not_authorized(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
    context.set_trailing_metadata(((ERROR_KEY, NotAuthorizedError.__name__),))
    context.abort(grpc.StatusCode.UNAUTHENTICATED, _NO_TOKEN)


def _metadata(details: grpc.HandlerCallDetails) -> dict[str, str]:
    return {key: value for key, value in details.invocation_metadata or () if isinstance(value, str)}
