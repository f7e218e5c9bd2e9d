"""Jobs with workers that really work on them, over a registry and a folder of their own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from typing_extensions import Buffer

from framedb.extraction.claims import Claims
from framedb.extraction.jobs import Job, Jobs
from framedb.extraction.notices import Notices
from framedb.extraction.relay import Relay
from framedb.extraction.sources import VideoSource
from framedb.stores.files import FrameFolder
from framedb.worker.job_worker import JobWorker


@dataclass(frozen=True)
class Workshop:
    """What a test needs."""

    engine: Engine
    jobs: Jobs
    folder: FrameFolder
    objects: dict[str, bytes]
    """Uploads, by key."""

    @contextmanager
    def worker(self, *, threads: int = 2, max_concurrent: int = 5) -> Iterator[JobWorker]:
        """A worker in this process."""
        claims = Claims(self.engine, max_concurrent=max_concurrent)
        notices = Notices(self.engine, self.jobs, allow_private=True)
        with Relay(self.read_object, hosts=["127.0.0.1", "localhost"], allow_private=True) as relay:
            worker = JobWorker(claims, self.jobs, self.folder, relay, notices, threads=threads, period=0.1)
            worker.start()
            try:
                yield worker
            finally:
                worker.stop()

    def read_object(self, key: str, offset: int, length: int | None) -> tuple[int, Iterator[Buffer]] | None:
        """As `Relay` wants it."""
        data = self.objects.get(key)
        if data is None:
            return None
        return len(data), iter([data[offset : None if length is None else offset + length]])

    def ended(self, job_id: str) -> Job:
        """The job, once it has ended."""
        until(lambda: self.jobs.get(job_id).ended, f"job {job_id} to end")
        return self.jobs.get(job_id)

    def files(self) -> list[Path]:
        """Every file of the folder, its marks aside."""
        return [each for each in self.folder.base.rglob("*") if each.is_file() and not each.name.startswith(".")]


def workshop(engine: Engine, folder: Path) -> Workshop:
    """An empty one."""
    frames, objects = FrameFolder(folder), dict[str, bytes]()
    return Workshop(engine, Jobs(engine, frames, remove_object=lambda key: objects.pop(key, None)), frames, objects)


def file(path: Path) -> VideoSource:
    """A video in a file."""
    return VideoSource("file", str(path.resolve()), path.name)


def until(condition: Callable[[], object], what: str, *, seconds: float = 60.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)
