"""`Releaser`: lowers reference counts of one source in a thread; and `Unlinker`, which empties the queue of what is to go."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from uuid import uuid4

from framedb.compat.work import WorkQueue
from framedb.errors import FrameDBError, InvalidInputError, NotFoundError
from framedb.stores.references import Release
from framedb.tiering.references import SharedFrames

logger = logging.getLogger(__name__)

_PAGE = 500  # counts in one round trip
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries; the last one for ever
_IDLE = 0.2  # seconds until an empty queue is looked at again

Report = Callable[[str, str, BaseException | None], None]


class Releaser:
    """One thread, in the order of the batches. One that failed is tried until it has succeeded, and counts once."""

    def __init__(self, source: str, frames: SharedFrames, *, queue: Callable[[], bool], report: Report) -> None:
        """`queue` tells whether what is released is to be unlinked by somebody else."""
        self._source = source
        self._frames = frames
        self._queue = queue
        self._report = report
        self._consumer = uuid4().hex
        self._step = 0
        self._batches: WorkQueue[list[Release]] = WorkQueue()
        self._until = float("inf")  # when to give up, once it is closed
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"framedb-release-{source}", daemon=True)
        self._thread.start()

    def submit(self, keys: Mapping[str, tuple[int, Sequence[str]]]) -> None:
        """Have counts lowered: `{"ref__P": (by, sizes)}`; waits while 500 batches are waiting. Raises InvalidInputError."""
        self._batches.put(list(_releases(keys)))

    def close(self, wait: float) -> None:
        """Take no more batches; those that wait are still tried, for so many seconds."""
        self._until = time.monotonic() + wait
        self._batches.close()
        self._closed.set()
        self._thread.join(wait + 1.0)

    def _run(self) -> None:
        while (batch := self._batches.take()) is not None:
            numbered = iter([self._numbered(release) for release in batch])
            while page := list(islice(numbered, _PAGE)):
                self._release(page)

    def _numbered(self, release: Release) -> Release:
        self._step += 1
        return replace(release, step=self._step)

    def _release(self, page: list[Release]) -> None:
        tries = 0
        while True:
            try:
                results = self._frames.release_shared(self._source, page, consumer=self._consumer, queue=self._queue())
            except NotFoundError as exc:
                self._report("framedb_release", f"source {self._source} is not there, nor are its frames", exc)
                return
            except FrameDBError as exc:
                self._report("framedb_release", f"frames of source {self._source} are not released yet", exc)
            else:
                for result in results:
                    if result.startswith("refused:"):
                        self._report("framedb_release", f"source {self._source}: {result[8:]}", None)
                return
            left = self._until - time.monotonic()
            if left <= 0:
                self._report("framedb_release", f"source {self._source}: {len(page)} frames are left to expire", None)
                return
            pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
            tries += 1
            if self._closed.is_set():
                time.sleep(min(pause, left))
            else:
                self._closed.wait(pause)


class Unlinker:
    """One thread that unlinks what was queued on the clusters of these sources."""

    def __init__(self, frames: SharedFrames, *, report: Report) -> None:
        self._frames = frames
        self._report = report
        self._sources: list[str] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="framedb-unlink", daemon=True)
        self._thread.start()

    def add(self, source: str) -> None:
        """Look after the cluster of this source, too."""
        if source not in self._sources:
            self._sources.append(source)

    def close(self, wait: float) -> None:
        """End, after at most so many seconds."""
        self._closed.set()
        self._thread.join(wait)

    def _run(self) -> None:
        while not self._closed.is_set():
            taken = sum(self._unlink(source) for source in list(self._sources))
            if not taken:
                self._closed.wait(_IDLE)

    def _unlink(self, source: str) -> int:
        try:
            return self._frames.unlink_queued(source)
        except FrameDBError as exc:
            self._report("framedb_unlink", f"released frames of source {source} are not unlinked yet", exc)
            return 0


def _releases(keys: Mapping[str, tuple[int, Sequence[str]]]) -> Iterator[Release]:
    """Raises InvalidInputError for what does not say how much is released, and of what."""
    if not isinstance(keys, Mapping):
        raise InvalidInputError("give counts as {'ref__<prefix>': (by, ['416x416', ...])}")
    for key, value in keys.items():
        try:
            by, sizes = value
        except (TypeError, ValueError):
            raise InvalidInputError(f"{key!r}: give (by, ['416x416', ...])") from None
        yield Release.of(key, by, sizes, step=0)
