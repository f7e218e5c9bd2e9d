"""`FrameDataset`: frames one after the other, as arrays, shared among the workers of a data loader."""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from datetime import datetime
from typing import Any, Self

import numpy as np

from framedb.client.arguments import Array
from framedb.client.reopening import Reopening
from framedb.client.selection import Keys, Selection, Span
from framedb.frame import Frame

try:
    from torch.utils.data import IterableDataset, get_worker_info  # type: ignore[import-not-found]
except ImportError:  # a dataset all the same, for whatever takes an iterable
    IterableDataset = object

    def get_worker_info() -> Any:
        """There are no workers of torch without torch."""
        return None


def as_array(frame: Frame) -> Array:
    """An array as it was put; of any other frame its bytes (uint8), not decoded. A copy, which may be written to."""
    if frame.shape is None:
        return np.frombuffer(frame.view(), dtype=np.uint8).copy()
    return frame.array().copy()


class FrameDataset(IterableDataset):  # type: ignore[misc]
    """Frames by their keys, or those of a source and a time, each as `transform` makes it.

    With torch it is an `IterableDataset`: each worker of a `DataLoader` gets a share of its own. It can be pickled, and
    opens its connections anew in every process, forked or spawned. Frames that are gone are left out.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        transform: Callable[[Frame], Any] = as_array,
        url: str | None = None,
        token: str | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        """See `of_keys` and `of_source`."""
        self._selection = selection
        self._transform = transform
        self._reopening = Reopening(url, token=token, cache_bytes=cache_bytes)

    @classmethod
    def of_keys(cls, keys: Iterable[str], *, source: str | None = None, **options: Any) -> Self:
        """Frames in the order of their keys. `source` is needed for keys that do not tell it.

        Options: `transform`, a function of the frame (a top-level one, if workers are spawned); and `url`, `token` and
        `cache_bytes` as for `connect`. The cache is each worker's own.
        """
        return cls(Keys.of(keys, source=source), **options)

    @classmethod
    def of_source(cls, source: str, start: datetime, stop: datetime, **options: Any) -> Self:
        """Frames of the source captured in `start <= t < stop`, in order of capture. Options as for `of_keys`."""
        return cls(Span.of(source, start, stop), **options)

    def shard(self, index: int, number: int) -> Self:
        """The share of one of `number` processes, from 0 on: together they have every frame once. Connections are shared."""
        share = copy(self)
        share._selection = self._selection.shard(index, number)
        return share

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        mine = self._selection if worker is None else self._selection.shard(worker.id, worker.num_workers)
        yield from map(self._transform, mine.frames(self._reopening.db))

    def close(self) -> None:
        """Close this process's connections; iterating again opens new ones."""
        self._reopening.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
