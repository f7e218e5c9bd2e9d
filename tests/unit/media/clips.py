"""Small videos with real GOPs, made on the spot."""

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream


def write_clip(
    path: Path,
    *,
    seconds: float = 4.0,
    fps: int = 25,
    gop: int = 25,
    b_frames: int = 0,
    codec: str = "libx264",
    size: tuple[int, int] = (160, 120),
    options: dict[str, str] | None = None,
) -> Path:
    """A moving test pattern, encoded. `gop` is exact: no keyframes between."""
    width, height = size
    source = f"testsrc2=size={width}x{height}:rate={fps}:duration={seconds}"
    with av.open(source, format="lavfi") as pattern, av.open(str(path), "w") as output:
        stream = cast(VideoStream, output.add_stream(codec, rate=fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        quiet = {"preset": "veryfast", "sc_threshold": "0"}
        if codec == "libx265":
            quiet = {"preset": "ultrafast", "x265-params": f"log-level=none:keyint={gop}:min-keyint={gop}"}
        stream.options = {**quiet, **(options or {})}
        for frame in pattern.decode(video=0):
            picture = frame.reformat(format="yuv420p")
            picture.pict_type = 0  # lavfi says I for every frame, and the encoder would obey
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


def write_sound(path: Path, *, cover: bytes | None = None) -> Path:
    """A second of silence, with a cover picture if given."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=44100)
        picture = None
        if cover is not None:
            picture = output.add_stream("mjpeg")
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024 * 2), np.int16), format="s16", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = 44100, Fraction(1, 44100), 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if picture is not None:
            packet = av.Packet(cover)
            packet.stream, packet.pts, packet.dts = picture, 0, 0
            output.mux(packet)
    return path
