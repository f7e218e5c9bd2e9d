"""What a video is, without decoding it."""

from dataclasses import dataclass

from framedb.media.video import open_video


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a video says of itself."""

    width: int
    """Pixels, as coded."""
    height: int
    """Pixels, as coded."""
    codec: str
    """FFmpeg's name: `h264`, `hevc`, ..."""
    fps: float | None
    """Frames per second on average; None where it is not known."""
    duration: float | None
    """Seconds; None for a camera, and where the file does not say."""
    live: bool
    """A camera: it has its own pace and no end."""


def probe(url: str, *, open_timeout: float = 10.0) -> MediaInfo:
    """Open the video, look, and close it. Raises as `open_video`."""
    with open_video(url, open_timeout=open_timeout) as video:
        return MediaInfo(video.width, video.height, video.codec, video.fps, video.duration, video.live)
