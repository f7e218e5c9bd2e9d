"""How many cameras one core keeps up with (720p25 H.264 over RTSP, one JPEG a second of each): a capture, and OpenCV's loop.

A side takes one camera in real time, and says how many seconds of processor time its process spends on a second of the
stream: one core keeps up with as many cameras as that goes into one. Ours does what `framedb capture` does: it connects,
decodes what one frame a second needs, makes JPEGs, stores them and announces their keys. OpenCV's loop reads every frame,
encodes every 25th, and leaves it at that.

The camera is a GStreamer server in a process of its own, which sends a clip. Both sides get it over TCP from its beginning,
and are measured once they have found their pace, over as many seconds as the longest GOP has.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Event, Thread

from tests.engines.rtsp import RTSPCamera

import framedb
from benchmarks.clip import FPS, Clip
from benchmarks.comparison import Comparison, Side
from benchmarks.target import Target
from framedb.capture import Camera, CameraCapture, Publisher

CLIPS = {
    "short": Clip("1280x720", gop=FPS, b_frames=0, parts=4),
    "long-b": Clip("1280x720", gop=250, b_frames=3, parts=4),
    "long": Clip("1280x720", gop=250, b_frames=0, parts=4),
}
SECONDS = 10.0
"""Of the stream, that are measured at a time."""

WORK = "cameras (720p25 H.264, 1 fps out) a core keeps up with"
LOOP = "OpenCV, a read() loop and imencode"
COMPARISONS = [
    Comparison(f"{WORK}: GOP of 1 s", LOOP, "short", "opencv-short", at_least=5),
    Comparison(f"{WORK}: GOP of 10 s with B-frames", LOOP, "long-b", "opencv-long-b", at_least=2),
    Comparison(f"{WORK}: GOP of 10 s without", LOOP, "long", "opencv-long", at_least=1.2),
]
TIMES = 1
ROUNDS = 2  # each takes two minutes, and processor time hardly differs from one to the next

QUEUE = "bench_cameras"
WARM_UP = 2  # frames
PATIENCE = 30.0  # seconds for them to come


def prepare() -> None:
    """Make the clips."""
    for clip in CLIPS.values():
        clip.path()


def ours(clip: str, target: Target, times: int) -> list[float]:
    """`CameraCapture`, as `framedb capture` runs it."""
    # The rest of a GOP is dropped as soon as two keyframes have turned out to be what they say.
    warm_up = WARM_UP + CLIPS[clip].gop // FPS
    with _camera(clip) as url, framedb.connect(target.url) as db, db.queue(name=QUEUE) as queue:
        capture = CameraCapture(Camera("bench", clip, url, fps=1.0), Publisher(db.tiers, queue))
        return _processor_time(capture.run, lambda: capture.health().frames, times, warm_up=warm_up)


def opencv(clip: str, target: Target, times: int) -> list[float]:
    """`read()` of every frame, `imencode` of one a second."""
    jpegs: list[object] = []
    with _camera(clip) as url:
        return _processor_time(partial(_read, url, jpegs), lambda: len(jpegs), times, warm_up=WARM_UP)


SIDES: dict[str, Side] = {
    **{clip: partial(ours, clip) for clip in CLIPS},
    **{f"opencv-{clip}": partial(opencv, clip) for clip in CLIPS},
}


@contextmanager
def _camera(clip: str) -> Iterator[str]:
    """The URL of a camera that sends the clip."""
    camera = RTSPCamera(recording=CLIPS[clip].path())
    camera.start()
    try:
        yield camera.url
    finally:
        camera.stop()


def _read(url: str, jpegs: list[object], stop: Event) -> None:
    import cv2  # only here: it brings an FFmpeg of its own

    video = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    for number in count():
        read, frame = video.read()
        if not read or stop.is_set():
            break
        if number % FPS == 0:
            jpegs.append(cv2.imencode(".jpg", frame)[1])
    video.release()


def _processor_time(
    run: Callable[[Event], None], frames: Callable[[], int], times: int, *, warm_up: int
) -> list[float]:
    """Seconds of processor time that this process spends on a second of the stream, in so many stretches of it.

    `frames` tells how many `run` has kept; after `warm_up` of them the measuring begins.
    """
    stop = Event()
    thread = Thread(target=run, args=(stop,), daemon=True)
    thread.start()
    try:
        _wait(thread, lambda: frames() >= warm_up)
        return [_stretch(frames) for _ in range(times)]
    finally:
        stop.set()
        thread.join()


def _wait(thread: Thread, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("no frames come from the camera")
        time.sleep(0.05)


def _stretch(frames: Callable[[], int]) -> float:
    began, spent, had = time.monotonic(), time.process_time(), frames()
    time.sleep(SECONDS)
    elapsed, spent, kept = time.monotonic() - began, time.process_time() - spent, frames() - had
    if kept < int(elapsed * 0.9) - 1:
        raise RuntimeError(f"{kept} frames in {elapsed:.1f} s: this machine is too busy to keep up with one camera")
    return spent / elapsed
