"""Which streams let a decoder skip the pictures that no other one refers to."""

from av.video.codeccontext import VideoCodecContext

_SAFE = {"h264", "mpeg2video", "mpeg4", "vp9"}
_HEVC_SPS = 33


def disposable_pictures_can_be_skipped(context: VideoCodecContext) -> bool:
    """Whether skipping them leaves every other picture as it is.

    In HEVC a picture without references within its temporal layer may still be referred to from a higher one, so there must
    be one layer only, and known to be.
    """
    if context.name in _SAFE:
        return True
    return context.name == "hevc" and _hevc_layers(context.extradata or b"") == 1


def _hevc_layers(extradata: bytes) -> int | None:
    """Temporal layers, from the decoder configuration (ISO/IEC 14496-15, 8.3.3) or else the SPS (H.265, 7.3.2.2)."""
    if len(extradata) > 22 and extradata[0] == 1:
        return (extradata[21] >> 3 & 0b111) or None
    start = extradata.find(b"\x00\x00\x01")
    while 0 <= start < len(extradata) - 6:
        if extradata[start + 3] >> 1 & 0b111111 == _HEVC_SPS:
            return (extradata[start + 5] >> 1 & 0b111) + 1
        start = extradata.find(b"\x00\x00\x01", start + 3)
    return None
