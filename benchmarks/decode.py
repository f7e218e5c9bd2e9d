"""Chosen frames of a 1080p H.264 file as RGB arrays, by one process: `pictures_at`, and decord2's `get_batch`.

decord2 makes no JPEGs, so there are none on either side; the arrays are the same to the byte. Both begin with a path, and find
out where the frames are; what they import is there already. Each uses as many threads as it likes.
"""

import time
from functools import partial

from benchmarks.clip import FPS, Clip
from benchmarks.comparison import Comparison, Side
from benchmarks.target import Target
from framedb.media import pictures_at, read_index

CLIP = Clip("1920x1080", parts=18)

COMPARISONS = [
    Comparison(
        "decode 1 frame per 5 s of 3 minutes of 1080p H.264 (GOP 250)",
        "decord2, get_batch",
        "5-s",
        "decord2-5-s",
        at_least=1.3,
    ),
    Comparison("decode 1 frame per 30 s of it", "decord2, get_batch", "30-s", "decord2-30-s", at_least=1.3),
]
TIMES = 1
ROUNDS = 3


def prepare() -> None:
    """Make the clip."""
    CLIP.path()


def ours(every: int, target: Target, times: int) -> list[float]:
    """`read_index`, then `pictures_at`."""
    return [_ours(every) for _ in range(times)]


def decord2(every: int, target: Target, times: int) -> list[float]:
    """`VideoReader`, then `get_batch`."""
    return [_decord2(every) for _ in range(times)]


SIDES: dict[str, Side] = {
    "5-s": partial(ours, 5),
    "30-s": partial(ours, 30),
    "decord2-5-s": partial(decord2, 5),
    "decord2-30-s": partial(decord2, 30),
}


def _ours(every: int) -> float:
    video, numbers = str(CLIP.path()), _numbers(every)
    began = time.perf_counter()
    index = read_index(video)
    arrays = [picture.array() for picture in pictures_at(video, index, index.pts[numbers].tolist())]
    elapsed = time.perf_counter() - began
    assert len(arrays) == len(numbers)
    return elapsed


def _decord2(every: int) -> float:
    import decord  # type: ignore[import-untyped]  # only here: it brings an FFmpeg of its own

    video, numbers = str(CLIP.path()), _numbers(every)
    began = time.perf_counter()
    arrays = decord.VideoReader(video).get_batch(numbers).asnumpy()
    elapsed = time.perf_counter() - began
    assert len(arrays) == len(numbers)
    return elapsed


def _numbers(every: int) -> list[int]:
    """Of the frames, in order of presentation."""
    return list(range(0, CLIP.frames, every * FPS))
