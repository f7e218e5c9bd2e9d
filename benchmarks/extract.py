"""Frames of a 1080p H.264 file into JPEGs, whole commands: `framedb extract` and the ffmpeg program.

Run: python -m benchmarks.extract [ROUNDS]. No node is needed for it.

The clip is three minutes with GOPs of 250 frames and B-frames, made once and kept in the folder for temporary files.
"""

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from benchmarks.comparison import Comparison, figure

PART_SECONDS, PARTS = 20, 9
SIZE = "1920x1080"
SHORT_PARTS = 2  # every frame of these: they take long enough
ROUNDS = 3

COMPARISONS = [
    Comparison(
        "extract 1 frame per 5 s of 3 minutes of 1080p H.264", "ffmpeg, fps=1/5", "5-s", "ffmpeg-5-s", at_least=2.5
    ),
    Comparison("extract 1 frame per 30 s of it", "ffmpeg, fps=1/30", "30-s", "ffmpeg-30-s", at_least=8),
    Comparison("processor time of that", "ffmpeg, fps=1/30", "30-s-cpu", "ffmpeg-30-s-cpu", at_least=10),
    Comparison("extract every frame of 40 s of it", "ffmpeg, -q:v 3", "all", "ffmpeg-all", at_least=1.2),
]


def main() -> None:
    """Print each comparison: the ratio, and the seconds of both sides."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    for parts in (PARTS, SHORT_PARTS):
        clip(parts)
    for row in COMPARISONS:
        measured: dict[str, list[float]] = {side: [] for side in row.sides}
        for _ in range(rounds):
            for side in row.sides:
                measured[side].append(SIDES[side]())
        done = figure(row, measured)
        print(
            f"{row.work}, against {row.against}: {row.written(done.value)}, wanted {row.wanted} "
            f"({done.ours:.2f} and {done.theirs:.2f} s)"
        )


def clip(parts: int) -> Path:
    """The video, of that many equal parts."""
    made = Path(gettempdir()) / f"framedb-bench-{SIZE}-{PART_SECONDS}s-{parts}.mp4"
    if made.exists():
        return made
    with TemporaryDirectory(dir=made.parent, prefix="framedb-bench-") as folder:
        part, listed, whole = (Path(folder) / name for name in ("part.mp4", "list.txt", "whole.mp4"))
        source = f"testsrc2=size={SIZE}:rate=25:duration={PART_SECONDS},noise=alls=6:allf=t"
        encoding = ["-c:v", "libx264", "-preset", "superfast", "-crf", "28", "-g", "250", "-bf", "3"]
        # x264 puts keyframes where a picture differs: not here, so that GOPs have the length they should.
        _ffmpeg("-f", "lavfi", "-i", source, *encoding, "-sc_threshold", "0", "-pix_fmt", "yuv420p", str(part))
        listed.write_text(f"file '{part}'\n" * parts)
        _ffmpeg("-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", str(whole))
        shutil.move(whole, made)
    return made


def ours(options: tuple[str, ...], parts: int, cpu: bool) -> float:
    """`framedb extract` with these options."""
    program = [sys.executable, "-m", "framedb", "extract", str(clip(parts)), *options, "--out", "{out}"]
    return _measured(program, cpu=cpu)


def ffmpeg(options: tuple[str, ...], parts: int, cpu: bool) -> float:
    """The ffmpeg program with these options."""
    program = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(clip(parts)), *options, "-q:v", "3", "{out}/%d.jpg"]
    return _measured(program, cpu=cpu)


def _measured(command: list[str], *, cpu: bool) -> float:
    """Seconds the command takes, on the clock or of the processors."""
    with TemporaryDirectory(prefix="framedb-bench-") as out:
        began, spent = time.perf_counter(), _processor()
        subprocess.run([word.replace("{out}", out) for word in command], check=True, stdout=subprocess.DEVNULL)
        elapsed, spent = time.perf_counter() - began, _processor() - spent
        assert any(Path(out).iterdir())
    return spent if cpu else elapsed


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments], check=True)


SIDES: dict[str, Callable[[], float]] = {
    "5-s": partial(ours, ("--every", "5"), PARTS, False),
    "30-s": partial(ours, ("--every", "30"), PARTS, False),
    "30-s-cpu": partial(ours, ("--every", "30"), PARTS, True),
    "all": partial(ours, ("--all",), SHORT_PARTS, False),
    "ffmpeg-5-s": partial(ffmpeg, ("-vf", "fps=1/5"), PARTS, False),
    "ffmpeg-30-s": partial(ffmpeg, ("-vf", "fps=1/30"), PARTS, False),
    "ffmpeg-30-s-cpu": partial(ffmpeg, ("-vf", "fps=1/30"), PARTS, True),
    "ffmpeg-all": partial(ffmpeg, (), SHORT_PARTS, False),
}


if __name__ == "__main__":
    main()
