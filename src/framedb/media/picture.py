"""One decoded frame, with its own place in time."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from av import VideoFrame


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame, as it comes out of a video."""

    image: VideoFrame = field(repr=False, compare=False)
    """The decoder's own picture, in the pixel format of the stream; `JPEGEncoder` takes it as it is."""
    pts: int | None
    """Ticks of `time_base`; None where the stream has no timestamps."""
    time_base: Fraction
    """Seconds per tick of `pts`."""
    keyframe: bool
    """Decodable by itself."""
    corrupt: bool
    """The decoder met damage in it."""

    @property
    def pts_seconds(self) -> float | None:
        """`pts` in seconds, or None."""
        return None if self.pts is None else float(self.pts * self.time_base)

    @property
    def width(self) -> int:
        """Pixels, as coded: before any rotation."""
        return self.image.width

    @property
    def height(self) -> int:
        """Pixels, as coded: before any rotation."""
        return self.image.height

    @property
    def rotation(self) -> int:
        """Degrees, counterclockwise, a player would turn the picture by. The pixels here are not turned."""
        return self.image.rotation

    def array(self, *, format: str = "rgb24") -> np.ndarray[Any, np.dtype[np.uint8]]:  # noqa: A002  (the field's word)
        """A numpy uint8 array, HxWx3 for `rgb24` and `bgr24`, HxW for `gray`: a copy."""
        return np.asarray(self.image.to_ndarray(format=format), dtype=np.uint8)
