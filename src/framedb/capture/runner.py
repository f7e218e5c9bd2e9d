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
    ended: threading.Event
    token: int


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
        for source, camera in wanted.items():  # new ones first: somebody has just added them, and waits
            if source not in self._running:
                self._take(source, camera)
        ours = []
        for source, running in list(self._running.items()):
            held = self._leases.renew(_lease(source), running.token, HOLD)
            if held:
                ours.append(running.capture)
            if wanted.get(source) != running.camera or not held:
                running.stop.set()
            if running.stop.is_set() and running.ended.is_set():  # a silent one takes its time, and the others go on
                self._give_back(source)
        self._cameras.report(capture.health() for capture in ours)

    def _take(self, source: str, camera: Camera) -> None:
        """Capture the camera, unless another runner does. What is wrong with one is nothing to the others."""
        try:
            token = self._leases.acquire(_lease(source), self._holder, HOLD)
            if token is not None:
                self._start(source, camera, token)
        except FrameDBError as exc:
            logger.warning("camera not started: %s", exc, extra={"source": source})

    def _start(self, source: str, camera: Camera, token: int) -> None:
        cluster = self._cluster_of(source)
        queue = self._open_queue()
        publisher = Publisher(self._store, queue, framedb_id=cluster, fence=lambda: Fence(token=token))
        capture = CameraCapture(camera, publisher, on_change=self.wake)
        stop, ended = threading.Event(), threading.Event()

        def run() -> None:
            try:
                capture.run(stop)
            except FrameDBError as exc:
                logger.warning("camera stopped: %s", exc, extra={"source": source})
            except Exception:
                logger.exception("camera failed", extra={"source": source})
            finally:
                queue.close()
                ended.set()
                self.wake()

        thread = threading.Thread(target=run, name=f"camera-{source}", daemon=True)
        self._running[source] = _Running(camera, capture, thread, stop, ended, token)
        thread.start()
        logger.info("camera taken", extra={"source": source, "token": token})

    def _give_back(self, source: str) -> None:
        running = self._running.pop(source)
        self._leases.release(_lease(source), running.token)
        self.wake()  # it may be wanted again

    def _stop_all(self) -> None:
        for running in self._running.values():
            running.stop.set()
        for source, running in list(self._running.items()):
            running.thread.join(timeout=HOLD)
            try:
                self._cameras.report([running.capture.health()])
                self._give_back(source)
            except FrameDBError as exc:
                logger.debug("could not give the camera back: %s", exc)


def _lease(source: str) -> str:
    return f"camera:{source}"
