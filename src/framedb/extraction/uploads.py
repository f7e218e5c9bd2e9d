"""Uploaded videos: objects under names of ours, which go with their jobs."""

import re
from collections.abc import Iterator
from datetime import datetime

from uuid_utils import uuid7

from framedb.tiering.objects import Objects

_PREFIX = "upload:"
_KEY = re.compile(r"upload:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[a-z0-9]{1,8}")  # others may have named theirs so
_PAGE = 1000


def new_upload_key(suffix: str) -> str:
    """A key that no upload had before; `suffix`, such as `.mp4`, is of the video's own name."""
    return f"{_PREFIX}{uuid7()}{suffix}"


def uploads_before(objects: Objects, moment: datetime) -> Iterator[str]:
    """Keys of the uploads that were whole before that time, with a job or without."""
    after = ""
    while page := objects.list(_PREFIX, after=after, limit=_PAGE):
        yield from (each.key for each in page if each.stored_at < moment and _KEY.fullmatch(each.key))
        after = page[-1].key
