"""`Reopening`: a database for objects that travel between processes."""

import os
from typing import Any

from framedb.client.database import FrameDB, connect


class Reopening:
    """Opens a database when it is first used, and anew in each process: after a fork as after unpickling.

    Connections cannot be shared between processes: two would read each other's answers.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, cache_bytes: int | None = None) -> None:
        """As `connect`. The token is pickled with it; leave it out, and `FRAMEDB_TOKEN` of the other process is used."""
        self._given: dict[str, Any] = {"url": url, "token": token, "cache_bytes": cache_bytes}
        self._opened: tuple[int, FrameDB] | None = None

    @property
    def db(self) -> FrameDB:
        """The database of this process."""
        if self._opened is None or self._opened[0] != os.getpid():
            # After a fork the parent's is left alone: it is still the parent's.
            self._opened = os.getpid(), connect(**self._given)
        return self._opened[1]

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        if self._opened is not None and self._opened[0] == os.getpid():
            self._opened[1].close()
        self._opened = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}
