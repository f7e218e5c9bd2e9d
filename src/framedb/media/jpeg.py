"""Pictures into JPEG."""

from fractions import Fraction

from av import VideoFrame
from av.codec import CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from framedb.errors import MediaError
from framedb.media.full_range import FullRange

_MAX_SIDE = 65500
_TIME_BASE = Fraction(1, 25)  # of no meaning: a JPEG has no time
# A JPEG's colours are BT.601, and it has no way to say otherwise (JFIF 1.02). Video that does not name its matrix is left
# alone: guessing it by size would change what other tools show.
_MATRICES = {1: Colorspace.ITU709, 7: Colorspace.SMPTE240M, 9: Colorspace.BT2020, 10: Colorspace.BT2020}


class JPEGEncoder:
    """Encodes pictures of any size and pixel format; keeps its encoder for as long as the size stays. One thread at a time.

    Colours come out right: full range, BT.601, 4:2:0, from limited or full range, BT.709 and BT.2020, other chroma formats
    and ten bits. Pixels are not turned: a video's rotation is for whoever shows it.
    """

    def __init__(self, *, quality: int = 3) -> None:
        """`quality` is FFmpeg's quantizer, 2 (best) to 31; 3 is what `ffmpeg -q:v 3` makes."""
        self._quality = min(31, max(1, quality))
        self._context: VideoCodecContext | None = None
        self._encoded = 0
        self._full_range = FullRange()
        self._reformatter = VideoReformatter()  # kept: a frame's own one plans its tables anew for each frame

    def encode(self, image: VideoFrame) -> bytes:
        """The picture as a JPEG. Raises MediaError when it cannot be encoded."""
        width, height = image.width, image.height
        if max(width, height) > _MAX_SIDE:
            raise MediaError(f"{width}x{height} is too large for a JPEG (at most {_MAX_SIDE} a side); scale it first")
        own = image.pts, image.time_base, image.pict_type
        try:
            full = self._as_jpeg_stores_it(image)  # may be `image` itself
            # The encoder takes no timestamp twice, nor an earlier one; and it would try to obey a P or B.
            self._encoded += 1
            full.pts, full.time_base, full.pict_type = self._encoded, _TIME_BASE, 0
            packets = self._encoder(width, height).encode(full)
        except (FFmpegError, ValueError) as exc:
            self._context = None
            raise MediaError(f"a {width}x{height} {image.format.name} picture cannot be made a JPEG: {exc}") from exc
        finally:
            image.pts, image.pict_type = own[0], own[2]
            if own[1] is not None:
                image.time_base = own[1]
        return bytes(packets[0])

    def _encoder(self, width: int, height: int) -> VideoCodecContext:
        context = self._context
        if context is None or (context.width, context.height) != (width, height):
            context = CodecContext.create("mjpeg", "w")
            context.width, context.height, context.pix_fmt = width, height, "yuvj420p"
            context.time_base = _TIME_BASE
            context.qmin = context.qmax = self._quality
            context.thread_count = 1
            self._context = context
        return context

    def _as_jpeg_stores_it(self, image: VideoFrame) -> VideoFrame:
        """Full range, BT.601, 4:2:0. Only what has to change does: a change of matrix costs twice a change of range."""
        matrix = _MATRICES.get(image.colorspace)
        if matrix is None and image.format.name == "yuv420p" and image.color_range != ColorRange.JPEG:
            return self._full_range.of(image)
        if matrix is None or image.format.is_rgb:
            return self._reformatter.reformat(image, format="yuvj420p", dst_color_range="JPEG", threads=1)
        return self._reformatter.reformat(
            image,
            format="yuvj420p",
            src_colorspace=matrix,
            dst_colorspace=Colorspace.ITU601,
            dst_color_range="JPEG",
            threads=1,
        )
