"""`FrameContents`: where the bytes of jobs' frames are, each content once.

The index of them is `job_frames`, which has all that a store would keep of a frame, and is written in the transaction that says
how far its job is: rows of a `FileStore` beside it would be the same ones once more, with a commit of their own. So jobs hold
contents of a `FrameFolder` by name, as such a store holds its own: where both are in one folder, they share them.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, select

from framedb.errors import FrameDBError, StoreUnavailableError
from framedb.frame import Frame
from framedb.registry import reading
from framedb.registry.tables import job_frames, jobs
from framedb.stores.base import KEEP
from framedb.stores.chunks import batched
from framedb.stores.files import FrameFolder
from framedb.stores.sql import SQLStore

logger = logging.getLogger(__name__)

_PREFIX = "job-frame:"
_KEY = re.compile(rf"{_PREFIX}[0-9a-f]{{64}}")  # others may have named theirs so
_TOGETHER = 128  # contents whose keys are held at once


class FrameContents(Protocol):
    """A `FrameFolder` on one machine, `SharedContents` on several. Every method may raise StoreError or what is below it."""

    @property
    def base(self) -> Path:
        """The folder on this machine."""

    def keep(self, data: bytes, job_id: str, name: str) -> str:
        """Put bytes into the folder for a job, under a name; their checksum."""

    def published(self, checksums: Collection[str]) -> AbstractContextManager[object]:
        """In the block, where their rows are written, contents of the folder are where everybody reads them, and stay."""

    def read(self, checksum: str, path: str) -> bytes | None:
        """The bytes of a job's frame, whose `path` is `<job_id>/<name>`; None: they are nowhere."""

    def remove_job(self, job_id: str, checksums: Collection[str] = ()) -> None:
        """Remove what a job that goes holds here; of these contents, everywhere, those that no other job has."""

    def jobs(self) -> list[str]:
        """Jobs that hold anything in the folder."""

    def is_of(self, owner: str) -> bool:
        """Whether this owner was the first to ask for the folder: what it does not know of, it may remove."""

    def sweep(self) -> int:
        """Remove what nobody holds: what was cut short left it; how many contents."""


class SharedContents:
    """Contents of jobs whose workers and services are on several machines.

    A persistent instance that all of them reach has each, under the key `job-frame:<checksum>`, before there is a row of it,
    and until the last row goes. The folder of a machine has what was extracted or asked for there: it can be removed at any
    time.
    """

    def __init__(
        self,
        folder: FrameFolder,
        registry: Engine,
        store: Callable[[], SQLStore],
        exclusively: Callable[[Sequence[str]], AbstractContextManager[None]],
    ) -> None:
        """`store` is the instance; in the block of `exclusively` no other process is in one of the same keys."""
        self._folder = folder
        self._registry = registry
        self._store = store
        self._exclusively = exclusively
        self.base = folder.base
        self.keep = folder.keep
        self.jobs = folder.jobs
        self.is_of = folder.is_of

    @contextmanager
    def published(self, checksums: Collection[str]) -> Iterator[None]:
        """As `FrameContents.published`. Whoever would remove them waits until the rows are written, and then sees these."""
        if not checksums:
            yield
            return
        keys = [_key(checksum) for checksum in checksums]
        with self._exclusively(keys):
            store = self._store()
            there = store.present(keys)
            new = (checksum for checksum in checksums if _key(checksum) not in there)
            store.put_many([Frame(_key(checksum), self._of_folder(checksum)) for checksum in new], ttl=KEEP)
            yield

    def read(self, checksum: str, path: str) -> bytes | None:
        """As `FrameContents.read`; then the folder has them too, if there is room."""
        data = self._folder.read(checksum, path)
        if data is None:
            found = self._store().get(_key(checksum))
            if found is None:
                return None
            data = bytes(found.data)
        self._hold(data, path)
        return data

    def remove_job(self, job_id: str, checksums: Collection[str] = ()) -> None:
        """As `FrameContents.remove_job`. Folders of other machines are for their own services to clear: see `Jobs.tidy`."""
        self._folder.remove_job(job_id, checksums)
        self._remove_unheld(checksums)

    def sweep(self) -> int:
        """As `FrameContents.sweep`: here, and in the instance."""
        kept = (key.removeprefix(_PREFIX) for key in self._store().scan(_PREFIX) if _KEY.fullmatch(key))
        return self._folder.sweep() + self._remove_unheld(kept)

    def _of_folder(self, checksum: str) -> bytes:
        data = self._folder.read(checksum)
        if data is None:
            raise StoreUnavailableError(
                f"frame {checksum} was removed from {self.base} while it was worked on: try again"
            )
        return data

    def _hold(self, data: bytes, path: str) -> None:
        """Let the job hold the bytes in the folder, if it does not yet."""
        job_id, _, name = path.partition("/")
        if self._folder.path(job_id, name).exists():
            return
        try:
            self._folder.keep(data, job_id, name)
        except FrameDBError as exc:  # whoever asked for them gets them all the same
            logger.warning("a frame could not be put into the folder: %s", exc, extra={"job_id": job_id})

    def _remove_unheld(self, checksums: Iterable[str]) -> int:
        """Remove from the instance what no job has; how many. Who adds such a content holds its key until its row is there."""
        removed = 0
        for page in batched(checksums, _TOGETHER):
            if not (unheld := self._unheld(page)):
                continue
            with self._exclusively([_key(checksum) for checksum in unheld]):
                removed += self._store().delete_many([_key(checksum) for checksum in self._unheld(unheld)])
        return removed

    def _unheld(self, checksums: Sequence[str]) -> list[str]:
        """Those that no job has but such as are going: of two that go at once, one removes what they shared."""
        query = select(job_frames.c.checksum).join(jobs, jobs.c.job_id == job_frames.c.job_id).distinct()
        with reading(self._registry) as connection:
            held = set(
                connection.scalars(query.where(job_frames.c.checksum.in_(checksums), jobs.c.status != "cancelled"))
            )
        return [checksum for checksum in checksums if checksum not in held]


def _key(checksum: str) -> str:
    return f"{_PREFIX}{checksum}"
