"""Encoded images into arrays."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from framedb.errors import NotVideoError
from framedb.media import decode_image, image_size

_RAMP = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
PICTURE = np.dstack([_RAMP, _RAMP // 2, _RAMP // 4])


def encoded(kind: str, **options: object) -> bytes:
    """The picture, as Pillow writes it."""
    buffer = BytesIO()
    Image.fromarray(PICTURE).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_lossless_image_is_read_exactly(kind: str) -> None:
    assert np.array_equal(decode_image(encoded(kind)), PICTURE)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_lossy_image_is_read_closely(kind: str) -> None:
    pixels = decode_image(encoded(kind, quality=95))
    assert pixels.shape == PICTURE.shape
    assert np.abs(pixels.astype(int) - PICTURE).mean() < 3


def test_a_progressive_and_a_grey_jpeg_are_read() -> None:
    assert decode_image(encoded("JPEG", progressive=True)).shape == (48, 64, 3)
    buffer = BytesIO()
    Image.fromarray(PICTURE[:, :, 0]).save(buffer, "JPEG")
    assert decode_image(buffer.getvalue()).shape == (48, 64, 3)


def test_the_order_of_colours_is_the_one_asked_for() -> None:
    data = encoded("PNG")
    assert np.array_equal(decode_image(data, format="bgr24"), PICTURE[:, :, ::-1])
    assert decode_image(data, format="gray").shape == (48, 64)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_the_older_base64_text_of_a_jpeg_is_recognised(wrap: type) -> None:
    data = encoded("JPEG")
    assert np.array_equal(decode_image(wrap(base64.b64encode(data))), decode_image(data))
    assert image_size(wrap(base64.b64encode(data))) == (64, 48)


def test_the_size_is_read_from_the_header() -> None:
    assert image_size(encoded("JPEG")) == image_size(encoded("PNG")) == (64, 48)
    assert image_size(encoded("JPEG", exif=b"Exif\0\0" + bytes(3000))[:4000]) == (64, 48)
    assert image_size(encoded("BMP")) is None
    assert image_size(b"") is None
    assert image_size(encoded("JPEG")[:6]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        bytes(100),
        b"/9j/ not base64 at all %%%",
        b"\xff\xd8\xff\xe0" + bytes(200),
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n",
    ],
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(NotVideoError):
        decode_image(data)


def test_a_jpeg_that_was_cut_off_is_refused() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    with pytest.raises(NotVideoError):
        decode_image(buffer.getvalue()[:5000])
