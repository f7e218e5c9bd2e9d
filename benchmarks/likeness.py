"""Whether two commands that extract every frame of a video make JPEGs of the same size and quality."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clip import FPS, ffmpeg

Extracting = Callable[[str], list[str]]
"""A command that fills this folder; the order of its files' names is that of the video."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a command made of a video."""

    size: int
    """Bytes of all JPEGs."""
    psnr: float
    """dB: against the video, over luma and chroma."""

    def is_like(self, other: "Made") -> bool:
        """Whether bytes are within 3 %, and PSNR within 0.1 dB."""
        return abs(self.psnr - other.psnr) <= 0.1 and abs(self.size / other.size - 1) <= 0.03


def check_likeness(video: Path, one: Extracting, other: Extracting) -> None:
    """Raise RuntimeError where they differ.

    PSNR is that of ffmpeg's own filter: all JPEGs, brought back to limited range, against the frames they were made from.
    """
    mine, theirs = _made(video, one), _made(video, other)
    if not mine.is_like(theirs):
        raise RuntimeError(f"the two do not make the same pictures: {mine}, {theirs}")


def _made(video: Path, command: Extracting) -> Made:
    with TemporaryDirectory(prefix="framedb-bench-") as folder:
        subprocess.run(command(folder), check=True, stdout=subprocess.DEVNULL)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        return Made(size, _psnr(video, f"{folder}/*.jpg"))


def _psnr(video: Path, jpegs: str) -> float:
    as_input = ("-framerate", str(FPS), "-pattern_type", "glob", "-i", jpegs)
    compared = "[1:v]scale=in_range=full:out_range=limited,format=yuv420p[jpegs];[0:v][jpegs]psnr"
    said = ffmpeg("-i", str(video), *as_input, "-lavfi", compared, "-f", "null", "-")
    found = re.search(r"PSNR .* average:([\d.]+)", said)
    assert found, said
    return float(found[1])
