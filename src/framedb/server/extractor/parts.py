"""What the routes of video jobs work with."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from framedb.config import Settings
from framedb.errors import NotFoundError
from framedb.extraction.contents import FrameContents
from framedb.extraction.jobs import Job, Jobs
from framedb.server.extractor.cache import Cache
from framedb.tiering.objects import Objects


@dataclass(frozen=True, slots=True)
class Extraction:
    """Jobs, their frames, and the cache. Whoever opened them closes them."""

    settings: Settings
    registry: Engine
    jobs: Jobs
    frames: FrameContents
    objects: Objects
    cache: Cache
    wake: Callable[[], object]
    """Tells workers that there is work."""

    def job(self, job_id: str) -> Job:
        """The job. Raises NotFoundError, in the words that clients compare."""
        try:
            return self.jobs.get(job_id)
        except NotFoundError as exc:
            raise NotFoundError("Job not found") from exc

    def keep(self, owner: str, name: str, value: bytes) -> None:
        """Put an answer about the job `owner`, or about several (`""`), into the cache; nothing of a job that is no more."""
        self.cache.put(owner, name, value)
        if owner and not self.jobs.exists(owner):  # it went while the answer was made
            self.cache.forget(owner)
