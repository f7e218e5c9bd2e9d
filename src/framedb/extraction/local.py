"""A whole video on this machine, into a folder.

By threads: FFmpeg lets go of the interpreter while it works, and a process takes as long to start as a short video does.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread

from framedb.errors import MediaError
from framedb.extraction.naming import file_names
from framedb.extraction.plan import Segment, plan
from framedb.extraction.segment import extract
from framedb.extraction.selection import Selection
from framedb.media import VideoIndex, read_index

_SEGMENTS_EACH = 4  # for each thread, so that none waits long for the last one


@dataclass(frozen=True, slots=True)
class WrittenFrame:
    """A frame that is in its file."""

    index: int
    """0, 1, ... over the whole video."""
    time: float
    """Seconds since the first frame."""
    path: Path
    """The JPEG."""
    size: int
    """Bytes."""
    pts: int | None
    """Ticks; None where the stream has no timestamps."""
    width: int
    """Pixels, before any rotation."""
    height: int
    """Pixels, before any rotation."""
    keyframe: bool
    """Decodable by itself."""
    corrupt: bool
    """The decoder met damage in it."""


class LocalExtraction:
    """A video, what is wanted of it, and where that goes: the work begins with `run`."""

    def __init__(
        self, url: str, selection: Selection, out: Path, *, quality: int = 3, workers: int | None = None
    ) -> None:
        """`workers` are threads; None: as many as there are cores. Raises MediaError and InvalidInputError."""
        self._url, self._out, self._quality = url, out, quality
        self._workers = workers or os.cpu_count() or 1
        self.index: VideoIndex = read_index(url)
        """What the video is."""
        segments = self._workers * _SEGMENTS_EACH if self._workers > 1 else None
        self._segments = plan(self.index, selection, segments=segments)
        times = [target.time for segment in self._segments for target in segment.targets]
        self._names = file_names(times)
        self.total: int = len(times)
        """How many frames it will be, unless some cannot be decoded."""

    def run(self, *, should_stop: Callable[[], bool] = lambda: False) -> Iterator[WrittenFrame]:
        """Extract, and tell of each frame that is written, in no order, until `should_stop`.

        Raises MediaError when not one frame can be decoded, OSError when a file cannot be written.
        """
        self._out.mkdir(parents=True, exist_ok=True)
        written = 0
        workers = min(self._workers, len(self._segments))
        for frame in self._written(workers, should_stop):
            written += 1
            yield frame
        if not written and not should_stop():
            raise MediaError("not one of the frames could be decoded; is the video damaged?")

    def _written(self, workers: int, should_stop: Callable[[], bool]) -> Iterator[WrittenFrame]:
        # One decoder a thread; a single one may use all cores by itself, if it was left to us.
        threads = 1 if workers > 1 or self._workers == 1 else 0
        left: deque[Segment] = deque(self._segments)
        told: SimpleQueue[WrittenFrame | BaseException | None] = SimpleQueue()
        given_up = Event()

        def work() -> None:
            try:
                while left and not given_up.is_set():
                    with suppress(IndexError):  # another one took the last
                        for frame in self._write(left.popleft(), threads, lambda: given_up.is_set() or should_stop()):
                            told.put(frame)
                told.put(None)
            except BaseException as exc:  # noqa: BLE001  (raised where it is waited for)
                told.put(exc)

        running = [Thread(target=work, name=f"extract-{number}") for number in range(workers)]
        for thread in running:
            thread.start()
        try:
            ended = 0
            while ended < workers:
                item = told.get()
                if isinstance(item, BaseException):
                    raise item
                ended += item is None
                if item is not None:
                    yield item
        finally:
            given_up.set()
            for thread in running:
                thread.join()

    def _write(self, segment: Segment, threads: int, should_stop: Callable[[], bool]) -> Iterator[WrittenFrame]:
        frames = extract(self._url, segment, quality=self._quality, threads=threads, should_stop=should_stop)
        for frame in frames:
            path = self._out / self._names[frame.index]
            path.write_bytes(frame.data)
            yield WrittenFrame(
                frame.index, frame.time, path, len(frame.data), frame.pts, frame.width, frame.height, frame.keyframe,
                frame.corrupt,
            )  # fmt: skip
