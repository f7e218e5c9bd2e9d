"""Smaller JPEGs, and sheets of them."""

import io

import numpy as np
import pytest
from av import VideoFrame
from PIL import Image, ImageOps

from framedb.errors import NotVideoError
from framedb.media import JPEGEncoder, SheetLayout, contact_sheet, decode_image, image_size, oriented, scaled
from framedb.media.orientation import rotation_of


def picture(width: int, height: int, colour: tuple[int, int, int] = (200, 60, 30)) -> bytes:
    """A JPEG of one colour, with a black right half."""
    pixels = np.full((height, width, 3), colour, np.uint8)
    pixels[:, width // 2 :] = 0
    return JPEGEncoder().encode(VideoFrame.from_ndarray(pixels, "rgb24"))


@pytest.mark.parametrize("size", [(1920, 1080), (320, 180), (101, 77), (64, 640), (4000, 30)])
@pytest.mark.parametrize("width", [16, 63, 100])
def test_a_smaller_picture_has_the_width_the_shape_and_the_colours(size: tuple[int, int], width: int) -> None:
    large = picture(*size)
    small = scaled(large, width=width)
    if width >= size[0]:
        assert small == large
        return
    assert image_size(small) == (width, max(1, round(size[1] * width / size[0])))
    pixels = decode_image(small)
    assert pixels[0, 0].tolist() == pytest.approx((200, 60, 30), abs=12)
    assert pixels[-1, -1].tolist() == pytest.approx((0, 0, 0), abs=12)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_rotation_stays_and_the_width_is_that_which_is_shown(rotation: int) -> None:
    turned = oriented(picture(400, 200), rotation)
    assert rotation_of(turned) == rotation
    small = scaled(turned, width=50)
    assert rotation_of(small) == rotation
    assert image_size(small) == ((50, 25) if rotation in (0, 180) else (100, 50))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_on_a_sheet_are_turned_as_viewers_turn_them(rotation: int) -> None:
    turned = oriented(picture(400, 400), rotation)
    with Image.open(io.BytesIO(turned)) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("L").resize((64, 64)), np.int16)
    shown = decode_image(contact_sheet([turned], SheetLayout(3, 64)), format="gray")[4:68, 4:68].astype(np.int16)
    assert abs(wanted - shown).mean() < 6


def test_pictures_of_other_shapes_are_shown_whole() -> None:
    sheet = decode_image(contact_sheet([picture(160, 90), picture(90, 160)], SheetLayout(2, 160)), format="gray")
    assert sheet.shape == (98, 332)
    assert sheet[50, 172].item() == pytest.approx(32, abs=6)  # the bar beside the upright one
    assert sheet[50, 235].item() > 60


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_what_is_no_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(NotVideoError):
        scaled(data, width=10)
    with pytest.raises(NotVideoError):
        contact_sheet([data], SheetLayout(1, 10))


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(NotVideoError, match="no picture"):
        contact_sheet([], SheetLayout(1, 10))
