"""Limited range into full range."""

import numpy as np
from av import VideoFrame

from framedb.media.full_range import FullRange

SAMPLES = np.arange(256, dtype=np.float64)


def stretched(plane: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What becomes of each possible sample of a plane, in a picture whose lines have an odd number of them."""
    picture = VideoFrame.from_ndarray(np.repeat(np.arange(256, dtype=np.uint8), 2)[:, None].repeat(3, axis=1), "gray")
    limited = picture.reformat(format="yuv420p", src_color_range=1, dst_color_range=1)
    for each in limited.planes:
        lines = np.frombuffer(memoryview(each), np.uint8).reshape(each.height, each.line_size)
        lines[:] = np.linspace(0, 255, each.height).round().astype(np.uint8)[:, None]
    full = FullRange().of(limited).planes[plane]
    lines = np.frombuffer(memoryview(full), np.uint8).reshape(full.height, full.line_size)[:, : full.width]
    assert (lines == lines[:, :1]).all()
    assert len(np.unique(np.linspace(0, 255, full.height).round())) == 256
    return lines[:: full.height // 256, 0].astype(np.float64)


def test_luma_is_stretched_to_all_values() -> None:
    exact = (SAMPLES.clip(16, 235) - 16) * 255 / 219
    assert np.abs(stretched(0) - exact).max() < 0.7


def test_chroma_is_stretched_around_no_colour() -> None:
    exact = ((SAMPLES.clip(16, 240) - 128) * 255 / 224 + 128).clip(0, 255)
    assert np.abs(stretched(1) - exact).max() < 0.7
    assert stretched(2)[128] == 128
