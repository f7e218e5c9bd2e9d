"""Test videos, made with the ffmpeg program and libx264: once each, and kept in the folder for temporary files."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from framedb.media import read_index

FPS = 25
PART_SECONDS = 10
FOLDER = Path(gettempdir())
"""Where the videos are kept."""


@dataclass(frozen=True, slots=True)
class Clip:
    """An H.264 video that moves everywhere and has some noise, as what a camera sees has."""

    size: str
    """Pixels: `1920x1080`."""
    gop: int = 250
    """Frames from one keyframe to the next; so many times that fill a part."""
    b_frames: int = 3
    """B-frames in a row, at most."""
    parts: int = 1
    """Its length, in equal parts of 10 s."""

    @property
    def seconds(self) -> int:
        """Its length."""
        return self.parts * PART_SECONDS

    @property
    def frames(self) -> int:
        """How many it has."""
        return self.seconds * FPS

    def path(self) -> Path:
        """The file, which is made if it is not there."""
        made = FOLDER / f"framedb-bench-{self.size}-gop{self.gop}-b{self.b_frames}-{self.parts}.mp4"
        if not made.exists():
            with TemporaryDirectory(dir=FOLDER, prefix="framedb-bench-") as folder:
                shutil.move(self._make(Path(folder)), made)
        return made

    def _make(self, folder: Path) -> Path:
        part, listed, whole = (folder / name for name in ("part.mp4", "list.txt", "whole.mp4"))
        source = f"testsrc2=size={self.size}:rate={FPS}:duration={PART_SECONDS},noise=alls=6:allf=t"
        encoding = ["-c:v", "libx264", "-preset", "superfast", "-crf", "28", "-pix_fmt", "yuv420p"]
        # x264 puts keyframes where a picture differs: not here, so that GOPs have the length they should.
        gops = ["-g", str(self.gop), "-bf", str(self.b_frames), "-sc_threshold", "0"]
        ffmpeg("-y", "-f", "lavfi", "-i", source, *encoding, *gops, str(part))
        listed.write_text(f"file '{part}'\n" * self.parts)
        ffmpeg("-y", "-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", str(whole))
        self._check(whole)
        return whole

    def _check(self, made: Path) -> None:
        """The frames of a test source come as keyframes, and a video of nothing else would prove nothing."""
        index = read_index(str(made))
        reordered = bool((index.position[1:] < index.position[:-1]).any())
        expected = self.frames, self.frames // self.gop, self.b_frames > 0
        assert (len(index), int(index.keyframe.sum()), reordered) == expected


def ffmpeg(*arguments: str) -> str:
    """Run the ffmpeg program; what it says."""
    command = ["ffmpeg", "-nostdin", "-nostats", "-v", "info", *arguments]
    return subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True).stderr
