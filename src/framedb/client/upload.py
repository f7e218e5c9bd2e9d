"""`Upload`: an object that is sent on its way while it is still being written."""

import threading
from collections.abc import Callable, Iterator
from queue import Queue

from framedb.errors import InvalidInputError

_AHEAD = 2  # pieces that wait to be sent; then the writer does


class Upload:
    """What is pushed here is pulled by a call in another thread. `finish` or `discard` ends it."""

    def __init__(self, put: Callable[[Iterator[bytes]], object]) -> None:
        """`put` stores what an iterator gives; if that raises, it stores nothing."""
        self._put = put
        self._pieces: Queue[bytes | None] = Queue(_AHEAD)
        self._ended = False
        self._discarded = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="framedb-upload", daemon=True)
        self._thread.start()

    def send(self, piece: bytes) -> None:
        """Send some bytes; waits while others are on their way. Raises why the upload has failed."""
        if self._failure is not None:
            raise self._failure
        self._pieces.put(piece)

    def finish(self) -> None:
        """That was all: the object can be read. Raises why it cannot."""
        self._end()
        if self._failure is not None:
            raise self._failure

    def discard(self) -> None:
        """Leave nothing of it."""
        self._discarded = True
        self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._pieces.put(None)
        self._thread.join()

    def _run(self) -> None:
        pieces = self._taken()
        try:
            self._put(pieces)
        except BaseException as exc:  # noqa: BLE001  # whatever it is, it is the writer's to know
            self._failure = exc
            # Whoever writes must not wait for room that nobody makes any more.
            while not (self._ended and self._pieces.empty()):
                self._pieces.get()

    def _taken(self) -> Iterator[bytes]:
        while (piece := self._pieces.get()) is not None:
            yield piece
        if self._discarded:
            raise InvalidInputError(
                "this object was discarded"
            )  # in the middle of the request: the node stores nothing
