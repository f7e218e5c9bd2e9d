"""JPEGs made smaller, and many laid out on one sheet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from av import Packet, VideoFrame
from av.codec import CodecContext
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter

from framedb.errors import NotVideoError
from framedb.media.image import image_size
from framedb.media.jpeg import JPEGEncoder
from framedb.media.orientation import oriented, rotation_of

_QUALITY = 4  # a small picture shows its blocks sooner than a large one
_GAP = 4  # pixels between the pictures of a sheet
_GROUND = 32  # of 255: dark, as behind films


def scaled(jpeg: bytes, *, width: int) -> bytes:
    """The JPEG `width` pixels wide as it is shown, its EXIF rotation kept; itself where it is not wider than that.

    Raises NotVideoError for what is no JPEG, or a damaged one.
    """
    size = _size(jpeg)
    rotation = rotation_of(jpeg)
    wide, high = size if rotation % 180 == 0 else size[::-1]
    if wide <= width:
        return jpeg
    height = max(1, round(high * width / wide))
    wanted = (width, height) if rotation % 180 == 0 else (height, width)
    picture = VideoReformatter().reformat(
        _decoded(jpeg, size, wanted),
        *wanted,
        format="yuvj420p",
        interpolation=Interpolation.AREA,
        dst_color_range="JPEG",
        threads=1,
    )
    return oriented(JPEGEncoder(quality=_QUALITY).encode(picture), rotation)


@dataclass(frozen=True, slots=True)
class SheetLayout:
    """How pictures lie on a sheet."""

    columns: int
    width: int
    """Pixels of each picture."""


def contact_sheet(jpegs: Iterable[bytes], layout: SheetLayout) -> bytes:
    """All the pictures on one JPEG, row by row, each turned as it is shown; the first one's shape is that of every place,
    up to twice as high as wide.

    Raises NotVideoError for what is no JPEG, and where there is none at all.
    """
    tiles: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
    place = (0, 0)
    for jpeg in jpegs:
        if not tiles:
            wide, high = _shown_size(jpeg)
            place = layout.width, max(1, min(2 * layout.width, round(high * layout.width / wide)))
        tiles.append(_tile(jpeg, *place))
    if not tiles:
        raise NotVideoError("there is no picture to lay on a sheet")
    return JPEGEncoder(quality=_QUALITY).encode(VideoFrame.from_ndarray(_laid_out(tiles, layout.columns), "rgb24"))


def _laid_out(tiles: list[np.ndarray[Any, np.dtype[np.uint8]]], columns: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    high, wide = tiles[0].shape[:2]
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (high + _GAP) + _GAP, columns * (wide + _GAP) + _GAP, 3), _GROUND, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = _GAP + number // columns * (high + _GAP), _GAP + number % columns * (wide + _GAP)
        sheet[top : top + high, left : left + wide] = tile
    return sheet


def _tile(jpeg: bytes, width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture within a place of that size, with bars where its shape is another."""
    wide, high = _shown_size(jpeg)
    rotation = rotation_of(jpeg)
    scale = min(width / wide, height / high)
    inner = max(1, min(width, round(wide * scale))), max(1, min(height, round(high * scale)))
    wanted = inner if rotation % 180 == 0 else inner[::-1]
    picture = VideoReformatter().reformat(
        _decoded(jpeg, _size(jpeg), wanted), *wanted, format="rgb24", interpolation=Interpolation.AREA, threads=1
    )
    turned = np.rot90(picture.to_ndarray(), rotation // 90)
    tile = np.full((height, width, 3), _GROUND, np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    tile[top : top + inner[1], left : left + inner[0]] = turned
    return tile


def _decoded(jpeg: bytes, size: tuple[int, int], wanted: tuple[int, int]) -> VideoFrame:
    context = CodecContext.create("mjpeg", "r")
    context.thread_count = 1
    # Halves, quarters and eighths come out of the decoder for less work than the whole.
    halvings = next((by for by in (3, 2, 1) if size[0] >> by >= wanted[0] and size[1] >> by >= wanted[1]), 0)
    context.options = {"lowres": str(halvings)}
    try:
        frames = context.decode(Packet(jpeg)) or context.decode(None)
    except (FFmpegError, ValueError) as exc:
        raise NotVideoError(f"these {len(jpeg)} bytes are no JPEG that can be decoded") from exc
    if not frames:
        raise NotVideoError(f"these {len(jpeg)} bytes are a damaged JPEG; was it written whole?")
    return frames[0]


def _shown_size(jpeg: bytes) -> tuple[int, int]:
    wide, high = _size(jpeg)
    return (wide, high) if rotation_of(jpeg) % 180 == 0 else (high, wide)


def _size(jpeg: bytes) -> tuple[int, int]:
    size = image_size(jpeg) if jpeg.startswith(b"\xff\xd8") else None
    if size is None or not all(size):
        raise NotVideoError(f"these {len(jpeg)} bytes are no JPEG")
    return size
