"""One camera, captured until it is told to stop."""

import base64
import logging
import threading
import time
from collections.abc import Callable

from framedb.capture.backoff import Backoff
from framedb.capture.camera import Camera
from framedb.capture.clock import DistinctTimes, LiveClock
from framedb.capture.health import CameraHealth, HealthRecord, State
from framedb.capture.outbox import Outbox
from framedb.capture.publisher import AnnouncingStore, Publisher
from framedb.errors import MediaError, MediaTimeoutError, MediaUnavailableError
from framedb.frame import CameraKey, Frame
from framedb.media import JPEGEncoder, Picture, Video, open_video
from framedb.queueing.base import FrameQueue
from framedb.redaction import redacted

logger = logging.getLogger(__name__)

_STEADY = 10.0  # seconds: a connection that held as long begins the backoff anew when it is lost
_BEHIND = 2.0  # seconds a played file may lag before its clock gives up catching up


def capture(
    camera: Camera, store: AnnouncingStore, queue: FrameQueue, stop: threading.Event, *, framedb_id: str = "local"
) -> CameraHealth:
    """Capture until `stop` is set, or a file ends; how it went. Raises as `CameraCapture.run`."""
    running = CameraCapture(camera, Publisher(store, queue, framedb_id=framedb_id))
    running.run(stop)
    return running.health()


class _Stopped(Exception):  # noqa: N818  (no error: it leaves the middle of a read)
    pass


class CameraCapture:
    """Captures one camera: connects, samples, encodes, publishes, and connects again whenever the camera is lost."""

    def __init__(
        self,
        camera: Camera,
        publisher: Publisher,
        *,
        backoff: Backoff | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_change` is called, from the capturing thread, when the camera's state has become another one."""
        self.camera = camera
        self._publisher = publisher
        self._backoff = backoff or Backoff()
        self._health = HealthRecord(camera.source, fps=camera.fps)
        self._on_change = on_change
        self._encoder = JPEGEncoder(quality=camera.quality)
        self._times = DistinctTimes()

    def health(self) -> CameraHealth:
        """How it is doing; any thread may ask."""
        return self._health.snapshot()

    def run(self, stop: threading.Event) -> None:
        """Capture until `stop` is set, or a file ends.

        A camera that cannot be reached is tried again for as long as it takes. Raises MediaError for a file that cannot be
        played, StaleWriterError once somebody else captures this camera. A silent camera delays the stop by its timeouts.
        """
        outbox = Outbox(
            self._publisher,
            self._health,
            source=self.camera.source,
            ttl=self.camera.ttl,
            max_waiting=self.camera.max_waiting,
        )
        try:
            with outbox:
                (self._run_live if self.camera.live else self._run_file)(outbox, stop)
        except _Stopped:
            pass
        except MediaError as exc:
            self._enter("failed", exc)
            raise
        if outbox.failure is not None:
            self._enter("failed", outbox.failure)
            raise outbox.failure
        self._enter("stopped" if stop.is_set() else "finished")

    def _run_live(self, outbox: Outbox, stop: threading.Event) -> None:
        while not stop.is_set():
            connected_at: float | None = None
            try:
                with self._open() as video:
                    connected_at = time.monotonic()
                    self._follow(video, outbox, stop)
                raise MediaUnavailableError(f"{video.source.name}: the stream ended; is the camera still on?")
            except MediaError as exc:
                if connected_at is not None:
                    self._health.lost(stalled=isinstance(exc, MediaTimeoutError))
                    if time.monotonic() - connected_at >= _STEADY:
                        self._backoff.worked()
                self._enter("reconnecting", exc)
                stop.wait(self._backoff.failed())

    def _follow(self, video: Video, outbox: Outbox, stop: threading.Event) -> None:
        clock = LiveClock()
        # Packets may keep coming without one picture among them.
        patience = max(30.0, 10 / self.camera.fps if self.camera.fps else 0.0)
        last_picture = time.monotonic()

        def on_packet(pts_seconds: float | None) -> None:
            self._check(outbox, stop)
            clock.arrived(pts_seconds, time.time())
            if time.monotonic() - last_picture > patience:
                raise MediaTimeoutError(f"{video.source.name} sends data, but no picture in {patience:g} s; restart it")

        for picture in video.pictures(fps=self.camera.fps, on_packet=on_packet):
            last_picture = time.monotonic()
            self._keep(picture, clock.time_of(picture.pts_seconds, time.time()), outbox)
            self._enter("running")

    def _run_file(self, outbox: Outbox, stop: threading.Event) -> None:
        pace = _Pace(time.time())
        while True:
            with self._open() as video:
                self._play(video, pace, outbox, stop)
                # A file of one picture must not be played at full speed either.
                end = pace.end_lap(frame_interval=1 / (video.fps or 25))
            self._wait_until(end, outbox, stop)
            if not self.camera.loop:
                return

    def _play(self, video: Video, pace: "_Pace", outbox: Outbox, stop: threading.Event) -> None:
        def on_packet(pts_seconds: float | None) -> None:
            self._check(outbox, stop)
            pace.saw(pts_seconds)

        for picture in video.pictures(fps=self.camera.fps, on_packet=on_packet):
            at = pace.time_of(picture.pts_seconds, time.time())
            self._wait_until(at, outbox, stop)
            self._keep(picture, at, outbox)
            self._enter("running")

    def _keep(self, picture: Picture, at: float, outbox: Outbox) -> None:
        try:
            data = self._encoder.encode(picture.image)
        except MediaError as exc:
            self._health.troubled(exc)
            self._health.dropped("unencodable")
            return
        captured_at = self._times.next(at)
        outbox.put(
            Frame(
                str(CameraKey(self.camera.site, self.camera.name, captured_at)),
                base64.b64encode(data) if self.camera.encoding == "base64-jpeg" else data,
                source=self.camera.source,
                captured_at=captured_at,
                encoding=self.camera.encoding,
                width=picture.width,
                height=picture.height,
                pts=picture.pts,
                time_base=picture.time_base,
                keyframe=picture.keyframe,
                corrupt=picture.corrupt,
            )
        )
        self._health.captured(captured_at)

    def _open(self) -> Video:
        camera = self.camera
        return open_video(camera.url, open_timeout=camera.open_timeout, read_timeout=camera.read_timeout)

    def _check(self, outbox: Outbox, stop: threading.Event) -> None:
        if stop.is_set() or outbox.failure is not None:
            raise _Stopped

    def _wait_until(self, at: float, outbox: Outbox, stop: threading.Event) -> None:
        stop.wait(max(0.0, at - time.time()))
        self._check(outbox, stop)

    def _enter(self, state: State, error: Exception | None = None) -> None:
        if not self._health.enter(state, error=error):
            return
        self._on_change()
        level = logging.WARNING if error is not None else logging.INFO
        logger.log(
            level, "camera %s is %s%s", self.camera.source, state, f": {redacted(str(error))}" if error else "",
            extra={"source": self.camera.source, "state": state},
        )  # fmt: skip


class _Pace:
    """When each frame of a played file is due: its start plus its pts, one lap after the other."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._first: float | None = None
        self._last = 0.0

    def saw(self, pts_seconds: float | None) -> None:
        """A packet of this lap was read."""
        if pts_seconds is not None:
            self._first = pts_seconds if self._first is None else self._first
            self._last = max(self._last, pts_seconds - self._first)

    def time_of(self, pts_seconds: float | None, now: float) -> float:
        """When the frame is due, in seconds since 1970."""
        if pts_seconds is None or self._first is None:
            return now
        due = self._start + pts_seconds - self._first
        if now - due > _BEHIND:  # this machine cannot keep up: play on from here
            self._start += now - due
            return now
        return due

    def end_lap(self, *, frame_interval: float) -> float:
        """When the next lap begins."""
        self._start += self._last + frame_interval
        self._first, self._last = None, 0.0
        return self._start
