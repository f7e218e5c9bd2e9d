"""A segment of a plan into JPEGs: what a worker does."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from framedb.extraction.plan import Segment, Target
from framedb.media import ExactDecoder, JPEGEncoder, Picture, oriented


@dataclass(frozen=True, slots=True)
class ExtractedFrame:
    """A frame of a video, as a JPEG."""

    index: int
    """0, 1, ... over the whole video."""
    time: float
    """Seconds since the first frame, as in the plan."""
    pts: int | None
    """Ticks of `time_base`; None where the stream has no timestamps."""
    time_base: Fraction
    """Seconds per tick of `pts`."""
    width: int
    """Pixels, before any rotation."""
    height: int
    """Pixels, before any rotation."""
    keyframe: bool
    """Decodable by itself."""
    corrupt: bool
    """The decoder met damage in it."""
    data: bytes = field(repr=False)
    """The JPEG. A video's rotation is in its EXIF header; the pixels are not turned."""


def extract(
    url: str,
    segment: Segment,
    *,
    quality: int = 3,
    threads: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[ExtractedFrame]:
    """The frames of a segment, until `should_stop`, which is looked at between packets.

    Fewer come than there are targets where the video is damaged; a frame that damage replaced comes after the others of its
    run. `quality` is that of `JPEGEncoder`, `threads` that of `ExactDecoder`. Raises MediaError when nothing can be read.
    """
    targets: defaultdict[int, list[Target]] = defaultdict(list)
    for target in segment.targets:
        targets[target.pts].append(target)
    encoder = JPEGEncoder(quality=quality)
    with ExactDecoder(url, threads=threads, should_stop=should_stop) as decoder:
        for run in segment.runs:
            for pts, picture in decoder.pictures(run):
                if should_stop():
                    return
                data = oriented(encoder.encode(picture.image), picture.rotation)
                for target in targets[pts]:
                    yield extracted(target.index, target.time, picture, data)


def extracted(index: int, time: float, picture: Picture, data: bytes) -> ExtractedFrame:
    """A decoded frame with its place and its JPEG."""
    return ExtractedFrame(
        index, time, picture.pts, picture.time_base, picture.width, picture.height, picture.keyframe, picture.corrupt, data
    )  # fmt: skip
