"""Which way up a JPEG is shown, without touching its pixels."""

_SOI = b"\xff\xd8"
# EXIF 2.32, table 4: the value for pixels that are to be turned by so many degrees counterclockwise.
_ORIENTATION = {90: 8, 180: 3, 270: 6}


def oriented(jpeg: bytes, rotation: int) -> bytes:
    """The JPEG with an EXIF header that has viewers turn it by `rotation` degrees counterclockwise; unchanged for 0."""
    value = _ORIENTATION.get(rotation % 360)
    if value is None or not jpeg.startswith(_SOI):
        return jpeg
    # One directory with one entry: tag 0x0112, type SHORT, count 1.
    tiff = b"MM\0*\0\0\0\x08" + b"\0\x01" + b"\x01\x12\0\x03\0\0\0\x01" + bytes((0, value, 0, 0)) + bytes(4)
    header = b"Exif\0\0" + tiff
    return _SOI + b"\xff\xe1" + (len(header) + 2).to_bytes(2, "big") + header + jpeg[2:]


def rotation_of(jpeg: bytes) -> int:
    """Degrees counterclockwise by which viewers turn a JPEG that `oriented` made; 0 for any other."""
    head = jpeg[: len(oriented(_SOI, 90))]
    return next((degrees for degrees in _ORIENTATION if head == oriented(_SOI, degrees)), 0)
