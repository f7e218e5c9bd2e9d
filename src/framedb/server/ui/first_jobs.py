"""The jobs that the page is handed out with."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from framedb.errors import FrameDBError
from framedb.extraction.jobs import Job, Jobs
from framedb.extraction.selection import Selection
from framedb.frame import from_microseconds

logger = logging.getLogger(__name__)

PAGE = 20
"""Jobs that are shown at first, and how many more at a time."""


_NEVER = from_microseconds(0)
BLANK = Job("", "pending", "", Selection(every=True), None, 0, _NEVER, _NEVER, None, None, webhook=False)
"""For the card that the page's script copies."""


@dataclass(frozen=True, slots=True)
class FirstJobs:
    """The newest jobs."""

    jobs: Sequence[Job]
    known: bool
    """False: the registry did not answer, and there may be some."""
    page: int = PAGE

    @property
    def more(self) -> bool:
        """There may be older ones."""
        return len(self.jobs) == self.page


def first_jobs(jobs: Jobs) -> FirstJobs:
    """They. A page without them is better than none: its script asks again, and tells what is wrong."""
    try:
        return FirstJobs(jobs.list(limit=PAGE), known=True)
    except FrameDBError as exc:
        logger.warning("the page is sent without jobs: %s", exc)
        return FirstJobs((), known=False)


def name_of(source: str) -> str:
    """The last part of a path or URL; a source that ends in none is its own name."""
    return re.split("[?#]", source)[0].rstrip("/").rpartition("/")[2] or source
