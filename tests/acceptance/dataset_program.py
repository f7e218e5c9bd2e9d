"""A training program of several processes: each prints the sums of the arrays in its share.

    python -m tests.acceptance.dataset_program URL fork|spawn NUMBER

The dataset has been used before the processes begin, as programs do that look at the first picture.
"""

import multiprocessing
import sys

import numpy as np

from framedb import Frame, FrameDataset
from framedb.frame import from_microseconds

KEYS = [f"dataset:{number}" for number in range(20)]
SPAN = (from_microseconds(0), from_microseconds(1_000_000))


def total(frame: Frame) -> int:
    """What a picture comes to."""
    return int(np.sum(frame.array()))


def share(dataset: FrameDataset, index: int, number: int) -> list[int]:
    """Of one process."""
    with dataset.shard(index, number) as mine:
        return list(mine)


def main(url: str, method: str, number: int) -> None:
    """Print the share of each process on a line, first by keys, then by time."""
    context = multiprocessing.get_context(method)
    for dataset in (
        FrameDataset.of_keys(KEYS, source="dataset", transform=total, url=url),
        FrameDataset.of_source("dataset", *SPAN, transform=total, url=url),
    ):
        first = next(iter(dataset))
        with context.Pool(number) as pool:
            shares = pool.starmap(share, [(dataset, index, number) for index in range(number)])
        assert next(iter(dataset)) == first  # the parent's own connections are as they were
        dataset.close()
        for each in shares:
            print(*each)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
