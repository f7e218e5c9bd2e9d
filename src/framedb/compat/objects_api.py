"""`ObjectsAPI`: objects and stream items through the object service, over gRPC."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import grpc
from typing_extensions import Buffer
from uuid_utils import uuid7

from framedb.compat.channel import LARGEST_MESSAGE_BYTES, Address, code_of, is_for_good, open_channel, told
from framedb.config import MiB, read_settings
from framedb.errors import InvalidInputError
from framedb.proto import objects_pb2 as messages
from framedb.proto.objects_pb2_grpc import ObjectServiceStub

_DEADLINE = 60.0  # seconds of one call
_SLOWEST = 2 * MiB  # bytes a second, by which a call with much data is given longer
_WAIT = 15.0  # seconds a service that does not answer is waited for: a failover takes up to 5
_PAUSES = (0.1, 0.2, 0.5, 1.0)
_PIECE_BYTES = MiB


class ObjectsAPI:
    """Writes through the object service. Thread-safe; it keeps a connection open, so close it, or use it in a `with`.

    Each write answers with `success`, `message` and `key`, also when nobody answers the call.
    """

    def __init__(self, grpc_address: str) -> None:
        """`grpc_address` is `host:port`, or `grpcs://host:port` for TLS, which then trusts `FRAMEDB_TLS_CA`.

        Nothing is opened before the first call; `FRAMEDB_TOKEN` goes with each.
        """
        settings = read_settings()
        token = settings.token.get_secret_value() if settings.token else None
        self._address = Address.parse(grpc_address)
        self._headers = (("authorization", f"Bearer {token}"),) if token else ()
        self._channel = open_channel(self._address, settings)
        self._stub = ObjectServiceStub(self._channel)
        self._closed = threading.Event()

    def write_to_memory(
        self, framedb_id: str, data: Buffer, key: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> messages.SetObjectResponse:
        """Store an object in an in-memory instance. Without a key it gets a generated one, which the answer carries."""
        return self._write("in-memory", framedb_id, data, key, metadata)

    def write_to_persistent(
        self, framedb_id: str, data: Buffer, key: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> messages.SetObjectResponse:
        """Store an object in a persistent instance. Without a key it gets a generated one, which the answer carries."""
        return self._write("storage", framedb_id, data, key, metadata)

    def write_to_stream(
        self, framedb_id: str, data: Buffer, key: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> messages.SetObjectResponse:
        """Add an item to the stream called `key`. It is not sent twice: one whose answer was lost may be there."""
        return self._write("stream", framedb_id, data, key, metadata)

    def close(self) -> None:
        """Close the connection."""
        self._closed.set()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write(
        self, type_: str, framedb_id: str, data: Buffer, key: str | None, metadata: Mapping[str, Any] | None
    ) -> messages.SetObjectResponse:
        # Made here, so that a write that is repeated is the same one.
        key = str(uuid7()) if key is None or key == "" else key
        try:
            _check_text("the key", key)
            _check_text("framedb_id", framedb_id or "")
            document, view = _as_json(metadata), _as_bytes(data)
        except InvalidInputError as exc:
            return _failed(key if _is_text(key) else repr(key), f"Write failed: {exc}")
        seconds = _DEADLINE + view.nbytes / _SLOWEST
        try:
            if view.nbytes > LARGEST_MESSAGE_BYTES and type_ != "stream":
                return self._repeated(lambda: self._put(key, framedb_id, type_, document, view, seconds), once=False)
            written = messages.Object(
                key=key,
                framedb_id=framedb_id or "",
                data=data if isinstance(data, bytes) else bytes(view),
                metadata=document,
                type=type_,
            )
            request = messages.SetObjectRequest(object=written)
            return self._repeated(lambda: self._set(request, seconds), once=type_ == "stream")
        except grpc.RpcError as exc:
            return _failed(key, f"Write failed: {told(self._address, exc)}")
        except ValueError as exc:  # the channel is closed
            return _failed(key, f"Write failed: {exc}")

    def _set(self, request: messages.SetObjectRequest, seconds: float) -> messages.SetObjectResponse:
        answer: messages.SetObjectResponse = self._stub.SetObject(request, timeout=seconds, metadata=self._headers)
        return answer

    def _put(
        self, key: str, framedb_id: str, type_: str, metadata: str, data: memoryview, seconds: float
    ) -> messages.SetObjectResponse:
        def parts() -> Iterator[messages.PutObjectRequest]:
            header = messages.PutObjectHeader(
                key=key, framedb_id=framedb_id or "", type=type_, metadata=metadata, size=data.nbytes
            )
            yield messages.PutObjectRequest(header=header)
            for start in range(0, data.nbytes, _PIECE_BYTES):
                yield messages.PutObjectRequest(data=bytes(data[start : start + _PIECE_BYTES]))
            yield messages.PutObjectRequest(end=messages.PutObjectEnd())

        answer = self._stub.PutObject(parts(), timeout=seconds, metadata=self._headers)
        return messages.SetObjectResponse(
            success=True, message=f"Object stored and routed successfully (key={answer.key})", key=answer.key
        )

    def _repeated(self, call: Any, *, once: bool) -> messages.SetObjectResponse:
        """What the service answers; it is waited for, for a bounded time. `once`: the call must not be made twice."""
        deadline = time.monotonic() + _WAIT
        if once:
            self._await_connection(_WAIT)
        tries = 0
        while True:
            try:
                answer: messages.SetObjectResponse = call()
                return answer
            except grpc.RpcError as exc:
                if once or code_of(exc) is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise
                if is_for_good(self._address, exc):
                    raise
            if self._closed.wait(_PAUSES[min(tries, len(_PAUSES) - 1)]):
                deadline = 0.0  # once more, to be told that it is closed
            tries += 1

    def _await_connection(self, seconds: float) -> None:
        """If there is none in time the call finds out."""
        ready = grpc.channel_ready_future(self._channel)
        try:
            ready.result(timeout=seconds)
        except grpc.FutureTimeoutError:
            ready.cancel()


def _as_json(metadata: Mapping[str, Any] | None) -> str:
    if metadata is None:
        return ""
    if not isinstance(metadata, Mapping):
        raise InvalidInputError(f"metadata must be a JSON object, such as a dict, not {type(metadata).__name__}")
    try:
        return json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise InvalidInputError(f"metadata must be a JSON object: {exc}") from exc


def _as_bytes(data: Buffer) -> memoryview:
    try:
        view = memoryview(data)
    except TypeError as exc:
        raise InvalidInputError(f"data must be bytes, not {type(data).__name__} (text: `.encode()`)") from exc
    return view.cast("B") if view.nbytes else memoryview(b"")


def _check_text(what: str, text: str) -> None:
    if not _is_text(text):
        raise InvalidInputError(f"{what} must be text that is valid UTF-8, not {text!r}")


def _is_text(text: object) -> bool:
    return isinstance(text, str) and not any("\ud800" <= character <= "\udfff" for character in text)


def _failed(key: str, why: str) -> messages.SetObjectResponse:
    return messages.SetObjectResponse(success=False, message=why, key=key)
