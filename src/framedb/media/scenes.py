"""Where a video's scenes change."""

from collections.abc import Callable

import numpy as np

from framedb.media.index import Ticks, VideoIndex
from framedb.media.video import open_video

_SIDE = 64  # pixels a frame is scaled to: changes of scene are large
_BINS = 32


def scene_changes(index: VideoIndex, threshold: float, *, should_stop: Callable[[], bool] = lambda: False) -> Ticks:
    """pts of the first frame, and of each whose brightness is spread differently from the one before it.

    The difference is that of the luma histograms of both frames, from 0 to 1. All of the video is decoded.
    """
    found: list[int] = []
    before: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None
    with open_video(index.url) as video:
        for number, picture in enumerate(video.pictures()):
            if should_stop():
                break
            grey = picture.image.reformat(width=_SIDE, height=_SIDE, format="gray").to_ndarray()
            now = np.histogram(grey, bins=_BINS, range=(0, 256))[0] / grey.size
            if before is None or np.abs(now - before).sum() / 2 > threshold:
                found.append(number if not index.timed or picture.pts is None else picture.pts)
            before = now
    return np.intersect1d(np.array(found, dtype=np.int64), index.pts)
