"""Pictures into JPEG, and back."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av import VideoFrame
from PIL import Image

from framedb.errors import MediaError
from framedb.media import JPEGEncoder, image_size, open_video

COLOURS = [(200, 30, 30), (20, 190, 40), (30, 60, 200), (250, 250, 250), (10, 10, 10), (128, 100, 90)]
BT601, BT709, BT2020 = 5, 1, 9
LIMITED, FULL = 1, 2


def read_by_others(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The JPEG as a library nobody here wrote reads it."""
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def picture_of(
    colour: tuple[int, int, int], *, size: tuple[int, int] = (64, 48), pixels: str = "yuv420p", matrix: int = BT601,
    full: bool = False,
) -> VideoFrame:  # fmt: skip
    """A picture of one colour, as a decoder would hand it out."""
    width, height = size
    rgb = VideoFrame.from_ndarray(np.full((height, width, 3), colour, np.uint8), format="rgb24")
    picture = rgb.reformat(format=pixels, dst_colorspace=matrix, dst_color_range=FULL if full else LIMITED)
    picture.colorspace, picture.color_range = matrix, FULL if full else LIMITED
    return picture


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [BT601, BT709, BT2020])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12"])
def test_colours_are_what_they_were(colour: tuple[int, int, int], full: bool, matrix: int, pixels: str) -> None:
    picture = picture_of(colour, pixels=pixels, matrix=matrix, full=full)
    seen = read_by_others(JPEGEncoder().encode(picture))
    assert np.abs(seen.astype(int) - colour).max() <= 5


@pytest.mark.parametrize("pixels", ["rgb24", "bgr24", "gray", "yuvj420p", "rgba"])
def test_other_pixel_formats_are_converted(pixels: str) -> None:
    rgb = VideoFrame.from_ndarray(np.full((48, 64, 3), 100, np.uint8), format="rgb24")
    seen = read_by_others(JPEGEncoder().encode(rgb.reformat(format=pixels)))
    assert np.abs(seen.astype(int) - 100).max() <= 3


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (161, 121), (640, 2)])
def test_odd_sizes_are_encoded_whole(size: tuple[int, int]) -> None:
    data = JPEGEncoder().encode(picture_of((90, 90, 90), size=size))
    assert read_by_others(data).shape == (size[1], size[0], 3)
    assert image_size(data) == size


def test_one_encoder_takes_one_size_after_the_other() -> None:
    encoder = JPEGEncoder()
    for size in [(64, 48), (320, 240), (64, 48), (64, 48)]:
        assert image_size(encoder.encode(picture_of((1, 2, 3), size=size))) == size


def test_the_picture_stays_as_it_was() -> None:
    with open_video("test://color?size=64x48&duration=0.2") as video:
        for picture in video.pictures():
            image = picture.image.reformat(format="yuvj420p")
            image.pts, image.pict_type = 1234, 2
            before = image.pts, image.time_base, image.pict_type, image.to_ndarray().tobytes()
            first = JPEGEncoder().encode(image)
            assert (image.pts, image.time_base, image.pict_type, image.to_ndarray().tobytes()) == before
            assert JPEGEncoder().encode(image) == first


def test_one_encoder_takes_pictures_of_every_type_and_moment() -> None:
    encoder = JPEGEncoder()
    pictures = [picture_of((9, 9, 9)) for _ in range(4)]
    for kind, picture, pts in zip((1, 2, 3, 2), pictures, (100, 100, 3, 50), strict=True):
        picture.pts, picture.pict_type = pts, kind
        assert image_size(encoder.encode(picture)) == (64, 48)
        assert (picture.pts, picture.pict_type) == (pts, kind)


def test_one_encoder_takes_all_pictures_of_a_video(clip: Path) -> None:
    encoder = JPEGEncoder()
    for _ in range(2):
        with open_video(str(clip)) as video:
            for picture in video.pictures():
                seen = read_by_others(encoder.encode(picture.image)).astype(int)
                assert np.abs(seen - picture.array()).mean() < 12  # its own pixels, less 4:2:0 at hard edges
                assert picture.image.pts == picture.pts
                assert picture.image.time_base == picture.time_base


def test_nothing_of_one_picture_is_in_the_next() -> None:
    encoder = JPEGEncoder()
    for size in [(1280, 720), (1280, 720), (640, 360), (1280, 720)]:
        for colour in [(250, 10, 10), (10, 10, 250), (10, 250, 10)]:
            picture = picture_of(colour, size=size)
            assert encoder.encode(picture) == JPEGEncoder().encode(picture)


def test_quality_is_a_quantizer() -> None:
    with open_video("test://testsrc2?size=320x240&duration=0.04") as video:
        image = next(video.pictures()).image
    sizes = [len(JPEGEncoder(quality=quality).encode(image)) for quality in (2, 3, 8, 31)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 2 * sizes[-1]


def test_a_picture_too_large_for_a_jpeg_is_refused() -> None:
    with pytest.raises(MediaError, match="too large"):
        JPEGEncoder().encode(VideoFrame(70000, 2, "gray"))
