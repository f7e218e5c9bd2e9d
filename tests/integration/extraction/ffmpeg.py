"""Videos made by the ffmpeg program, and what it says is in them."""

import hashlib
import subprocess
from pathlib import Path

import numpy as np

from framedb.media import Picture


def make(path: Path, *options: str, seconds: float = 4.0, size: str = "192x108", fps: int = 25) -> Path:
    """A video of moving things and noise, so that no two frames are alike, encoded with these options."""
    source = f"testsrc2=size={size}:rate={fps}:duration={seconds},noise=alls=12:allf=t:all_seed=7"
    run("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", *options, str(path))
    return path


def run(*arguments: str) -> str:
    """Run ffmpeg; what it prints on standard output."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def decoded(path: Path) -> list[tuple[float, str]]:
    """Every frame that ffmpeg decodes, in order of presentation: its time in seconds, and a digest of its pixels."""
    options = ["-map", "0:v:0", "-fps_mode", "passthrough", "-copyts", "-enc_time_base", "-1", "-f", "framemd5", "-"]
    lines = run("-noautorotate", "-i", str(path), *options).splitlines()
    seconds = 0.0
    frames = []
    for line in lines:
        if line.startswith("#tb 0:"):
            ticks, second = line.split(":")[1].split("/")
            seconds = int(ticks) / int(second)
        if not line.startswith("#"):
            fields = line.split(",")
            frames.append((int(fields[2]) * seconds, fields[5].strip()))
    return frames


def digest(picture: Picture) -> str:
    """The digest of a picture's pixels, as ffmpeg makes it."""
    made = hashlib.md5(usedforsecurity=False)
    for number, plane in enumerate(picture.image.planes):
        component = picture.image.format.components[number]
        deep = 2 if component.bits > 8 else 1
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        made.update(lines[: plane.height, : plane.width * deep].tobytes())
    return made.hexdigest()
