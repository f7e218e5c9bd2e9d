"""The page's own files, as they lie in the package."""

import hashlib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import PurePath
from typing import Self

# Not by `mimetypes`: that asks the machine's own tables, and a script of another type is not run.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    data: bytes = field(repr=False)
    media_type: str
    """Of HTTP's `Content-Type`."""
    version: str
    """Another one for other bytes."""

    @classmethod
    def of(cls, data: bytes, media_type: str) -> Self:
        """These bytes."""
        return cls(data, media_type, hashlib.sha256(data).hexdigest()[:16])


def read_assets() -> dict[str, Asset]:
    """Every file by its name. They are few and small, and are kept in memory."""
    return {
        each.name: Asset.of(each.read_bytes(), _TYPES[suffix])
        for each in (files("framedb.server.ui") / "static").iterdir()
        if (suffix := PurePath(each.name).suffix) in _TYPES
    }
