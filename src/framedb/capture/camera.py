"""A camera: what to capture, and how."""

from dataclasses import dataclass, field
from typing import Literal

from framedb.errors import InvalidInputError
from framedb.frame import camera_source
from framedb.media import parse_url

Encoding = Literal["jpeg", "base64-jpeg"]


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera, or a video file played as one. Raises InvalidInputError for names, URLs and rates that cannot be used."""

    site: str
    """Where it is; no colon."""
    name: str
    """Its name there; no colon."""
    url: str = field(repr=False)
    """`rtsp://`, `http://`, a path, `/dev/video0`, `test://testsrc2` (see `media.parse_url`). It may hold a password."""
    fps: float | None = 1.0
    """Frames per second to keep; None: every frame."""
    encoding: Encoding = "jpeg"
    """What frames are kept as; `base64-jpeg` is text, for consumers of the older form."""
    quality: int = 3
    """FFmpeg's JPEG quantizer: 2 (best) to 31."""
    loop: bool = False
    """A file starts over at its end. Cameras have none."""
    ttl: float | None = None
    """Seconds a frame is kept if nobody acknowledges it; None: the source's own default."""
    open_timeout: float = 10.0
    """Seconds for connecting until the first pictures are there. Some cameras take five to wake up."""
    read_timeout: float = 10.0
    """Seconds of silence after which a stream counts as stalled. Longer than a keyframe interval of a still scene."""
    max_waiting: int = 16
    """Frames kept here while the store or the queue makes us wait: a failover at one frame per second, three times over."""

    def __post_init__(self) -> None:
        camera_source(self.site, self.name)
        parse_url(self.url)
        if self.fps is not None and not 1e-4 <= self.fps <= 1000:
            raise InvalidInputError(
                f"{self.fps} frames per second: give a rate between 0.0001 and 1000, or none for all"
            )
        if self.encoding not in ("jpeg", "base64-jpeg"):
            raise InvalidInputError(f"encoding {self.encoding!r} is not known: use jpeg or base64-jpeg")
        if not 1 <= self.quality <= 31:
            raise InvalidInputError(f"quality {self.quality} is not known: use 2 (best) to 31")
        if (
            min(self.open_timeout, self.read_timeout) <= 0
            or self.max_waiting < 1
            or (self.ttl is not None and self.ttl <= 0)
        ):
            raise InvalidInputError("timeouts, ttl and max_waiting of a camera are greater than zero")

    @property
    def source(self) -> str:
        """The source its frames belong to."""
        return camera_source(self.site, self.name)

    @property
    def live(self) -> bool:
        """It has its own pace and no end; otherwise it is a file, played at its own speed."""
        return parse_url(self.url).live
