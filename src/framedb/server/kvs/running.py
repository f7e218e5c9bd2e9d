"""`KvsServer`: the application on granian, on a thread with a loop of its own."""

import asyncio
import atexit
import logging
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.log import LogLevels
from granian.server.embed import Server

from framedb.errors import EngineError
from framedb.server.kvs.app import KvsApp
from framedb.server.kvs.native_threads import NativeThreads

logger = logging.getLogger(__name__)

_CONNECTIONS = 10_000  # at once; granian's own bound is 128, and watchers stay
_BACKLOG = 1024  # connections waiting to be accepted: a thousand watchers may come back at once
_PATIENCE = 5.0  # seconds for requests under way when it stops
_DEAF_MS = 30_000  # a client that takes nothing for so long is cut off by the system
_QUIET = 30  # seconds until the system asks a silent client whether it is still there
# Granian would set up the logging of the whole process otherwise, and close its handlers.
_LOGGING = {"incremental": True, "handlers": {}, "loggers": {"_granian": {}}}


class KvsServer:
    """Serves an application on a listening socket, which it takes over. Can be started once."""

    def __init__(self, app: KvsApp, listening: socket.socket, *, certificate: tuple[Path, Path] | None = None) -> None:
        """`certificate`: files of the chain and of its key, as PEM, for TLS."""
        self._app = app
        self._certificate = certificate
        self.address: tuple[str, int] = listening.getsockname()[:2]
        """Host and port it listens on."""
        self._listening = listening
        self._thread = threading.Thread(target=self._run, name="framedb-kvs", daemon=True)
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    def start(self) -> None:
        """Begin to answer. Raises EngineError if that is not possible."""
        _set_options(self._listening)
        self._thread.start()
        self._started.result()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Close WebSockets with 1001, answer what is under way, and end. Nothing is served once this returns."""
        atexit.unregister(self.stop)
        if self._thread.is_alive():
            loop, stopping = self._started.result()
            with suppress(RuntimeError):  # it has just ended by itself
                loop.call_soon_threadsafe(stopping.set)
            self._thread.join()

    def _run(self) -> None:
        natives = NativeThreads()
        try:
            asyncio.run(self._serve())
        except Exception as exc:
            logger.exception("the web server of the key-value store broke off")
            if not self._started.done():
                self._started.set_exception(EngineError(f"the key-value store cannot be served: {exc}"))
        if not natives.wait(_PATIENCE):
            logger.warning("threads of the web server were left behind")

    async def _serve(self) -> None:
        stopping = asyncio.Event()
        server = _Embedded(self._app, self._listening, self._certificate)
        serving = asyncio.create_task(server.serve())
        asked = asyncio.create_task(stopping.wait())
        self._started.set_result((asyncio.get_running_loop(), stopping))
        await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if serving.done():
            serving.result()
        await self._app.close()
        server.stop()  # type: ignore[no-untyped-call]
        _, late = await asyncio.wait({serving}, timeout=_PATIENCE)
        if late:
            logger.warning("requests under way were left behind: they took longer than %.0f s", _PATIENCE)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Embedded(Server):
    """Granian's, on a socket that is bound already: its own would share its port with another program of ours unsaid."""

    def __init__(self, app: KvsApp, listening: socket.socket, certificate: tuple[Path, Path] | None) -> None:
        cert, key = certificate or (None, None)
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            backpressure=_CONNECTIONS,
            log_level=LogLevels.error,
            log_dictconfig=_LOGGING,
            ssl_cert=cert,
            ssl_key=key,
            ssl_protocol_min=SSLProtocols.tls12,
        )
        self._listening = listening

    def _init_shared_socket(self) -> None:
        # Granian closes the descriptor when it ends.
        self._shd: Any = SocketHolder(self._listening.detach(), False, _BACKLOG)  # type: ignore[call-arg]


def _set_options(listening: socket.socket) -> None:
    """What accepted connections inherit: the end of clients that are gone, or take nothing."""
    listening.listen(_BACKLOG)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _QUIET),
        ("TCP_KEEPINTVL", _QUIET // 3),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", _DEAF_MS),
    ):
        if hasattr(socket, name):  # Linux has them all
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
