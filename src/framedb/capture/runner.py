"""Running the cameras of an installation: each by one runner at a time, among as many runners as there are."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from framedb.capture.camera import Camera
from framedb.capture.cameras import Cameras
from framedb.capture.capture import CameraCapture
from framedb.capture.publisher import AnnouncingStore, Publisher
from framedb.errors import FrameDBError
from framedb.queueing.base import FrameQueue
from framedb.registry import Leases
from framedb.stores.memory import Fence

logger = logging.getLogger(__name__)

HOLD = 10.0
"""Seconds a camera stays with a runner that is silent; then another takes it over."""
_PERIOD = 2.0  # seconds between two looks at the registry, and between two reports


@dataclass(slots=True)
class _Running:
    camera: Camera
    capture: CameraCapture
    thread: threading.Thread
    stop: threading.Event
    token: int
    queue: FrameQueue


class CameraRunner:
    """Captures every registered camera nobody else captures, each in a thread, under a lease.

    The lease's token goes with every write, and a store that has seen a later one refuses it: so two runners' frames of
    one camera are never both accepted, whatever they believe.
    """

    def __init__(
        self,
        cameras: Cameras,
        leases: Leases,
        store: AnnouncingStore,
        cluster_of: Callable[[str], str],
        open_queue: Callable[[], FrameQueue],
        *,
        holder: str,
    ) -> None:
        """`cluster_of` answers the cluster of a source. `holder` names this runner."""
        self._cameras = cameras
        self._leases = leases
        self._store = store
        self._cluster_of = cluster_of
        self._open_queue = open_queue
        self._holder = holder
        self._running: dict[str, _Running] = {}
        self._wake = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Look after the cameras until `stop` is set; then give them back."""
        try:
            while not stop.is_set():
                try:
                    self._reconcile()
                except FrameDBError as exc:
                    logger.warning("could not look after the cameras: %s", exc)
                self._wake.wait(_PERIOD)
                self._wake.clear()
        finally:
            self._stop_all()

    def wake(self) -> None:
        """Look at the registry now: something has changed."""
        self._wake.set()

    def _reconcile(self) -> None:
        wanted = self._cameras.to_capture()
        for source, running in list(self._running.items()):
            ended = not running.thread.is_alive()
            held = self._leases.renew(_lease(source), running.token, HOLD)
            if wanted.get(source) != running.camera or not held:
                self._stop_one(source)
            elif not ended:
                self._cameras.report(running.capture.health())
        for source, camera in wanted.items():
            if source not in self._running:
                token = self._leases.acquire(_lease(source), self._holder, HOLD)
                if token is not None:
                    self._start(source, camera, token)

    def _start(self, source: str, camera: Camera, token: int) -> None:
        cluster = self._cluster_of(source)
        queue = self._open_queue()
        publisher = Publisher(self._store, queue, framedb_id=cluster, fence=lambda: Fence(token=token))
        capture = CameraCapture(camera, publisher)
        stop = threading.Event()

        def run() -> None:
            try:
                capture.run(stop)
            except FrameDBError as exc:
                logger.warning("camera stopped: %s", exc, extra={"source": source})
            except Exception:
                logger.exception("camera failed", extra={"source": source})
            finally:
                queue.close()
                self._report(capture)

        thread = threading.Thread(target=run, name=f"camera-{source}", daemon=True)
        self._running[source] = _Running(camera, capture, thread, stop, token, queue)
        thread.start()
        logger.info("camera taken", extra={"source": source, "token": token})

    def _report(self, capture: CameraCapture) -> None:
        try:
            self._cameras.report(capture.health())
        except FrameDBError as exc:
            logger.debug("could not report: %s", exc)

    def _stop_one(self, source: str) -> None:
        running = self._running.pop(source)
        running.stop.set()
        running.thread.join(timeout=HOLD)
        self._leases.release(_lease(source), running.token)

    def _stop_all(self) -> None:
        for running in self._running.values():
            running.stop.set()
        for source in list(self._running):
            try:
                self._stop_one(source)
            except FrameDBError as exc:
                logger.debug("could not give the camera back: %s", exc)


def _lease(source: str) -> str:
    return f"camera:{source}"
