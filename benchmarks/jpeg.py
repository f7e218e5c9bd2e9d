"""JPEG encoders side by side: bytes, PSNR and milliseconds of one 1080p picture. Run: python -m benchmarks.jpeg [VIDEO]

Each starts from the decoder's own picture (yuv420p, limited range), so conversions count. PSNR is of the luma plane, which
all of them keep whole, against the same picture in full range.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from av import VideoFrame
from PIL import Image

from framedb.media import JPEGEncoder, open_video

ROUNDS = 15


def main() -> None:
    """Print one line per encoder and quality."""
    url = sys.argv[1] if len(sys.argv) > 1 else "test://mandelbrot?size=1920x1080&rate=25"
    with open_video(url) as video:
        decoded = [picture.image for picture, _ in zip(video.pictures(), range(10), strict=False)][-1]
    image = decoded.reformat(format="yuv420p", dst_color_range="MPEG", dst_colorspace="ITU601")
    truth = plane(image.reformat(format="yuvj420p", dst_color_range="JPEG"), 0).astype(np.int32)
    print(f"{image.width}x{image.height}, {'encoder':>28}      bytes  PSNR dB      ms")
    for name, encode in encoders():
        data = encode(image)
        seen = np.asarray(Image.open(BytesIO(data)).convert("YCbCr"))[:, :, 0]
        error = np.mean((seen.astype(np.int32) - truth) ** 2)
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            encode(image)
            times.append(time.perf_counter() - began)
        print(f"{name:>40} {len(data):10,} {10 * np.log10(255**2 / error):8.2f} {min(times) * 1000:7.2f}")


def encoders() -> list[tuple[str, Callable[[VideoFrame], bytes]]]:
    """Encoders by name."""
    found: list[tuple[str, Callable[[VideoFrame], bytes]]] = []
    for quality in (2, 3, 5):
        found.append((f"FrameDB (PyAV mjpeg, q {quality})", JPEGEncoder(quality=quality).encode))
    for percent in (80, 85, 90):
        found.append((f"simplejpeg, planes, {percent} %", partial(planes, percent=percent)))
        found.append((f"simplejpeg, RGB, {percent} %", partial(rgb, percent=percent)))
        found.append((f"Pillow, RGB, {percent} %", partial(pillow, percent=percent)))
    return found


def plane(image: VideoFrame, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """One plane's pixels, without the padding of its lines."""
    found = image.planes[number]
    padded = np.frombuffer(memoryview(found), np.uint8).reshape(found.height, found.line_size)
    return padded[:, : found.width]


def planes(image: VideoFrame, percent: int) -> bytes:
    """libjpeg-turbo from YUV planes, made full range first."""
    full = image.reformat(format="yuvj420p", dst_color_range="JPEG")
    return bytes(simplejpeg.encode_jpeg_yuv_planes(plane(full, 0), plane(full, 1), plane(full, 2), percent))


def rgb(image: VideoFrame, percent: int) -> bytes:
    """libjpeg-turbo from RGB."""
    array = np.ascontiguousarray(image.to_ndarray(format="rgb24"))
    return bytes(simplejpeg.encode_jpeg(array, percent, colorsubsampling="420"))


def pillow(image: VideoFrame, percent: int) -> bytes:
    """Pillow from RGB."""
    buffer = BytesIO()
    Image.fromarray(image.to_ndarray(format="rgb24")).save(buffer, "JPEG", quality=percent, subsampling=2)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
