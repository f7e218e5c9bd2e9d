"""What the demo's workers do: how much moved since the frame before."""

import numpy as np

from framedb.frame import Frame
from framedb.media import decode_image

_last: dict[str, np.ndarray] = {}


def motion(frame: Frame) -> float:
    """Mean absolute difference, 0 to 255, to the last frame of the same camera this worker saw; 0 for the first."""
    small = decode_image(frame.data, format="gray")[::4, ::4].astype(np.int16)
    last = _last.get(frame.source)
    _last[frame.source] = small
    if last is None or last.shape != small.shape:
        return 0.0
    return float(np.abs(small - last).mean())
