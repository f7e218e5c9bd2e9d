"""A store, a queue, and cameras that run beside the test."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from framedb.capture import Camera, CameraCapture, CameraHealth, Publisher
from framedb.capture.backoff import Backoff
from framedb.errors import FrameDBError
from framedb.frame import Frame
from framedb.queueing.base import FrameQueue
from framedb.queueing.streams import StreamsQueue
from framedb.resp import Endpoint, MasterClient, Redis
from framedb.stores.memory import Fence, MemoryStore
from tests.unit.media.clips import write_clip


def eventually(condition: Callable[[], object], *, within: float = 20.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.02)


@dataclass
class RunningCamera:
    """A camera captured in a thread."""

    capturing: CameraCapture
    stop: threading.Event
    thread: threading.Thread
    failures: list[FrameDBError]

    @property
    def health(self) -> CameraHealth:
        """How it is doing."""
        return self.capturing.health()

    def finish(self) -> None:
        """Stop it, and wait until it has."""
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


StartCamera = Callable[..., RunningCamera]


@pytest.fixture
def store(redis: Redis, valkey: Endpoint) -> Iterator[MemoryStore]:
    """An empty store."""
    with MemoryStore(MasterClient.fixed(valkey, wait=0.2)) as memory:
        yield memory


@pytest.fixture
def queue(redis: Redis) -> Iterator[FrameQueue]:
    """An empty queue."""
    with StreamsQueue(redis) as streams:
        yield streams


@pytest.fixture
def start_camera(store: MemoryStore, queue: FrameQueue) -> Iterator[StartCamera]:
    """Captures a camera beside the test: `start_camera(Camera(...))`; stopped after it."""
    running: list[RunningCamera] = []

    def start(
        camera: Camera,
        *,
        store: MemoryStore = store,
        queue: FrameQueue = queue,
        fence: Callable[[], Fence | None] | None = None,
    ) -> RunningCamera:
        publisher = Publisher(store, queue, fence=fence)
        capturing = CameraCapture(camera, publisher, backoff=Backoff(first=0.1, longest=0.5))
        stop, failures = threading.Event(), list[FrameDBError]()

        def run() -> None:
            try:
                capturing.run(stop)
            except FrameDBError as exc:
                failures.append(exc)

        started = RunningCamera(capturing, stop, threading.Thread(target=run), failures)
        running.append(started)
        started.thread.start()
        return started

    yield start
    for camera in running:
        camera.finish()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of H.264 at 25 fps."""
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", seconds=2, gop=10)


def frames_of(store: MemoryStore, source: str) -> list[Frame]:
    """All frames of a source, in order of capture."""
    keys = sorted(store.scan(source=source))
    return [frame for frame in store.get_many(keys) if frame is not None]


def take_all(queue: FrameQueue) -> list[str]:
    """Keys waiting in the queue; acknowledged."""
    keys = []
    while (delivery := queue.take(timeout=0.0)) is not None:
        keys.append(delivery.announcement.key)
        queue.acknowledge(delivery)
    return keys
