"""`Tunnel`: a port of this machine that leads to an address elsewhere.

FFmpeg looks names up by itself, follows where an RTSP server sends it, and waits for what does not come. Through a tunnel it
gets to the address that was looked at and to no other, and is let go of as soon as nobody wants the stream any more.
"""

import re
import select
import socket
import threading
from collections.abc import Callable
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Self

from framedb.errors import FrameDBError, InvalidInputError, MediaUnavailableError

_LOOK = 0.2  # seconds between two looks at whether to stop
_PIECE = 64 * 1024
_REDIRECT = re.compile(rb"RTSP/\d\.\d 3\d\d")
_LONGEST = 12  # bytes of that


class Tunnel:
    """Open while its `with` lasts, and until `should_stop`."""

    def __init__(self, address: str, port: int, *, name: str, timeout: float, should_stop: Callable[[], bool]) -> None:
        """`name` is that of the stream in messages; `timeout` are seconds to connect."""
        self._there = address, port
        self._name = name
        self._timeout = timeout
        self._should_stop = should_stop
        self._closing = threading.Event()
        self.failure: FrameDBError | None = None
        """Why nothing comes through."""
        tunnel = self

        class Handler(BaseRequestHandler):
            """A connection of FFmpeg's."""

            request: socket.socket

            def handle(self) -> None:
                """Carry what comes, to and fro."""
                tunnel._connect(self.request)

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="tunnel", daemon=True)

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return int(self._server.server_address[1])

    def _connect(self, here: socket.socket) -> None:
        try:
            with socket.create_connection(self._there, timeout=self._timeout) as there:
                self._carry(here, there)
        except (ConnectionResetError, BrokenPipeError):
            return  # one of the two has hung up, and the other learns of it now
        except OSError as exc:
            self.failure = MediaUnavailableError(f"{self._name} does not answer: {exc.strerror or type(exc).__name__}")

    def _carry(self, here: socket.socket, there: socket.socket) -> None:
        other = {here: there, there: here}
        end = b""
        while not (self._closing.is_set() or self._should_stop()):
            for each in select.select([here, there], [], [], _LOOK)[0]:
                if not (data := each.recv(_PIECE)):
                    return
                if each is there:
                    if _REDIRECT.search(end + data):
                        self.failure = InvalidInputError(
                            f"{self._name} sends us elsewhere: submit the URL it stands for"
                        )
                        return
                    end = (end + data)[-_LONGEST:]
                other[each].sendall(data)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
