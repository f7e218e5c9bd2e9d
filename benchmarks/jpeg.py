"""JPEG encoders side by side: bytes, PSNR and milliseconds of one 1080p picture. Run: python -m benchmarks.jpeg [VIDEO]

Each starts from the decoder's own picture (yuv420p, limited range), so conversions count. PSNR is of the luma plane, which
all of them keep whole, against the same picture in full range.
"""

import sys
import time
from collections.abc import Callable
from io import BytesIO

import numpy as np
import simplejpeg
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
    truth = luma(image.reformat(format="yuvj420p", dst_color_range="JPEG"))
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
        found.append((f"simplejpeg, planes, {percent} %", lambda image, percent=percent: planes(image, percent)))
        found.append((f"simplejpeg, RGB, {percent} %", lambda image, percent=percent: rgb(image, percent)))
        found.append((f"Pillow, RGB, {percent} %", lambda image, percent=percent: pillow(image, percent)))
    return found


def luma(image: VideoFrame) -> np.ndarray:
    """The first plane."""
    plane = image.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].astype(np.int32)


def planes(image: VideoFrame, percent: int) -> bytes:
    """libjpeg-turbo from YUV planes, made full range first."""
    full = image.reformat(format="yuvj420p", dst_color_range="JPEG")
    y, u, v = (
        np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in full.planes
    )  # fmt: skip
    return bytes(simplejpeg.encode_jpeg_yuv_planes(y, u, v, percent))


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
