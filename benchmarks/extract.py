"""Frames of a 1080p H.264 file into JPEGs, whole commands: `framedb extract`, the ffmpeg program, and a loop with OpenCV.

The file has GOPs of 250 frames with B-frames. ffmpeg and OpenCV decode all of it, whatever is wanted of it. Where that is
every frame, both sides make the same pictures: it is looked at once, before the first round (see `likeness`).
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clip import FPS, Clip
from benchmarks.comparison import Comparison, Side
from benchmarks.likeness import check_likeness
from benchmarks.target import Target

CLIPS = {
    "chosen": Clip("1920x1080", parts=18),
    "all": Clip("1920x1080", parts=4),
    "likeness": Clip("1920x1080"),  # as long as names like 9.96.jpg are in order
}

FEW = "extract 1 frame per 5 s of 3 minutes of 1080p H.264 (GOP 250)"
FEWER = "extract 1 frame per 30 s of it"
LOOP = "OpenCV, a read() loop and imwrite"  # takes longer than ffmpeg; what is wanted beside that is wanted here too
COMPARISONS = [
    Comparison(FEW, "ffmpeg, fps=1/5", "5-s", "ffmpeg-5-s", at_least=2.5),
    Comparison(FEW, LOOP, "5-s", "opencv-5-s", at_least=2.5),
    Comparison(FEWER, "ffmpeg, fps=1/30", "30-s", "ffmpeg-30-s", at_least=8),
    Comparison(FEWER, LOOP, "30-s", "opencv-30-s", at_least=8),
    Comparison(f"{FEWER}: processor time", "ffmpeg, fps=1/30", "30-s-cpu", "ffmpeg-30-s-cpu", at_least=10),
    Comparison("extract every frame of 40 s of it", "ffmpeg, -q:v 3: JPEGs alike", "all", "ffmpeg-all", at_least=1.2),
]
TIMES = 1
ROUNDS = 3  # each takes a minute and a half

Command = Callable[[Path, int | None, str], list[str]]
"""Of a video, the seconds from one wanted frame to the next (None: every frame is), and the folder for the JPEGs."""


def prepare() -> None:
    """Make the clips, and see that every frame of one looks the same from both sides."""
    for clip in CLIPS.values():
        clip.path()
    video = CLIPS["likeness"].path()
    check_likeness(video, partial(ours, video, None), partial(ffmpeg, video, None))


def ours(video: Path, every: int | None, out: str) -> list[str]:
    """`framedb extract`."""
    chosen = ["--all"] if every is None else ["--every", f"{every}s"]
    return [sys.executable, "-m", "framedb", "extract", str(video), *chosen, "--out", out]


def ffmpeg(video: Path, every: int | None, out: str) -> list[str]:
    """The ffmpeg program, with its filter `fps` where it is to choose."""
    chosen = [] if every is None else ["-vf", f"fps=1/{every}"]
    return ["ffmpeg", "-nostdin", "-v", "error", "-i", str(video), *chosen, "-q:v", "3", f"{out}/%05d.jpg"]


def opencv(video: Path, every: int | None, out: str) -> list[str]:
    """The loop of `opencv_loop`."""
    return [sys.executable, "-m", "benchmarks.opencv_loop", str(video), str(every or 1 / FPS), out]


def clock(command: Command, every: int | None, target: Target, times: int) -> list[float]:
    """Seconds until the command has ended."""
    return [_run(command, every, time.perf_counter) for _ in range(times)]


def processor(command: Command, every: int | None, target: Target, times: int) -> list[float]:
    """Seconds of processor time the command takes, of all cores together."""
    return [_run(command, every, _processor_time_of_children) for _ in range(times)]


SIDES: dict[str, Side] = {
    "5-s": partial(clock, ours, 5),
    "30-s": partial(clock, ours, 30),
    "30-s-cpu": partial(processor, ours, 30),
    "all": partial(clock, ours, None),
    "ffmpeg-5-s": partial(clock, ffmpeg, 5),
    "ffmpeg-30-s": partial(clock, ffmpeg, 30),
    "ffmpeg-30-s-cpu": partial(processor, ffmpeg, 30),
    "ffmpeg-all": partial(clock, ffmpeg, None),
    "opencv-5-s": partial(clock, opencv, 5),
    "opencv-30-s": partial(clock, opencv, 30),
}


def _run(command: Command, every: int | None, now: Callable[[], float]) -> float:
    clip = CLIPS["all" if every is None else "chosen"]
    video = clip.path()
    with TemporaryDirectory(prefix="framedb-bench-") as out:
        began = now()
        subprocess.run(command(video, every, out), check=True, stdout=subprocess.DEVNULL)
        elapsed = now() - began
        made, wanted = len(list(Path(out).iterdir())), clip.frames if every is None else clip.seconds / every
    assert abs(made - wanted) <= 1, f"{made} frames instead of {wanted}"  # ffmpeg's filter rounds at the end
    return elapsed


def _processor_time_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
