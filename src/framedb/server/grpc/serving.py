"""`ObjectServer`: the service on a port, with health and reflection beside it."""

import logging
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from framedb.config import MiB
from framedb.errors import PortInUseError
from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import add_ObjectServiceServicer_to_server
from framedb.server.grpc.in_band import LARGEST_UNARY_BYTES
from framedb.server.grpc.interceptors import CallInterceptor, TokenInterceptor
from framedb.server.grpc.limits import Patience, Slots
from framedb.server.grpc.object_service import ObjectService
from framedb.server.listening import address_of, bound
from framedb.tiering.objects import Objects

logger = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["ObjectService"].full_name
"""The service's name, to health checks and reflection."""

MAX_MESSAGE_BYTES = LARGEST_UNARY_BYTES + 64 * MiB
"""Twice what may be stored: an object that is a little too large is told so in words, and not cut off by the library."""

_THREADS = 64  # each call has one; those beyond wait their turn
_TRANSFERS = 24  # uploads and downloads at once: each holds up to 24 MiB, and most of them a connection to a database
_WAITS = 24  # calls that wait for an item of a stream. The other threads are for what is short, and for health
_MAX_CALLS = 2 * _THREADS  # beyond these a call is refused at once
_PATIENCE = 60.0  # seconds a peer may do nothing in the middle of a transfer
_GRACE = 5.0  # seconds that calls under way may take to finish when the server stops
_OTHER_PORT = "another with --grpc-port"

_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second server on the port is an error, not a partner
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A peer that is gone without a word is found within 40 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Clients may ask as often; the library's own 5 minutes end the connection of one that does.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 5),
)


class ObjectServer:
    """The object service over gRPC. Use it in a `with`, or start and stop it."""

    def __init__(
        self,
        objects: Objects,
        *,
        host: str = "127.0.0.1",
        port: int = 50051,
        token: str | None = None,
        tls: tuple[bytes, bytes] | None = None,
        transfers: int = _TRANSFERS,
        waits: int = _WAITS,
        patience: float = _PATIENCE,
    ) -> None:
        """A server that is bound to its port, and answers once it is started. `port` 0 is any free one.

        `tls` is certificate chain and private key, as PEM. `patience` is in seconds. Raises PortInUseError. Whether `host`
        may be served without a token is decided by whoever calls.
        """
        self._patience = Patience(patience)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc")
        self._server = grpc.server(
            self._threads,
            interceptors=[TokenInterceptor(token), CallInterceptor()],
            options=_OPTIONS,
            maximum_concurrent_rpcs=_MAX_CALLS,
        )
        self._transfers = Slots(transfers, "uploads and downloads")
        self._waits = Slots(waits, "waiting reads of streams")
        service = ObjectService(objects, transfers=self._transfers, waits=self._waits, patience=self._patience)
        add_ObjectServiceServicer_to_server(service, self._server)
        self._health_threads = ThreadPoolExecutor(1, thread_name_prefix="grpc-health")
        # Whoever watches health takes no thread of the others.
        self._health = health.HealthServicer(
            experimental_non_blocking=True, experimental_thread_pool=self._health_threads
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        try:
            self.port = self._bind(host, port, tls)
        except BaseException:
            self._close()
            raise
        self.address = address_of(host, self.port)
        """Where it is reached."""

    def start(self) -> Self:
        """Answer from now on."""
        self._server.start()
        for name in ("", SERVICE):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        logger.info("object service runs", extra={"port": self.port})
        return self

    @property
    def transferring(self) -> int:
        """Uploads and downloads under way."""
        return self._transfers.used

    @property
    def waiting(self) -> int:
        """Calls that wait for an item of a stream."""
        return self._waits.used

    def wait(self) -> None:
        """Until it is stopped."""
        self._server.wait_for_termination()

    def stop(self, grace: float = _GRACE) -> None:
        """Take no more calls, let those under way finish within `grace` seconds, and end the others."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
        self._close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _bind(self, host: str, port: int, tls: tuple[bytes, bytes] | None) -> int:
        bound(host, port, other=_OTHER_PORT).close()  # gRPC tells nothing but that it failed, and not the reason
        address = address_of(host, port)
        try:
            if tls is None:
                return self._server.add_insecure_port(address)
            chain, key = tls
            return self._server.add_secure_port(address, grpc.ssl_server_credentials([(key, chain)]))
        except RuntimeError as exc:
            raise PortInUseError(f"cannot listen on {address}: choose {_OTHER_PORT}") from exc

    def _close(self) -> None:
        self._server.stop(None).wait()
        self._patience.close()
        self._threads.shutdown(wait=True)
        self._health_threads.shutdown(wait=True)
