"""How far a SQLite file may grow: the disk is never filled to its last byte.

A database on a full disk cannot even be emptied: to remove rows SQLite writes to its log, and the log has no room. What
else is on the disk fails too: the registry, the servers' own files, logs. So a file that keeps frames stops earlier. Its
own free pages are used first: whoever deletes frames makes room, though the file never becomes smaller.
"""

import os
from pathlib import Path

from sqlalchemy import Connection

from framedb.disk import LEFT_TO_OTHERS, room

_LOG_PAGES = 1000  # after which the log is written into the file: SQLite's own default
_LIMITED = "framedb_limited"
_UNLIMITED_PAGES = 2**32 - 2


def log_pages(path: Path, page_size: int) -> int:
    """After how many pages the log is to be written into the file: on a small disk there must be room for both."""
    disk = os.statvfs(path)
    return max(1, min(_LOG_PAGES, disk.f_blocks * disk.f_frsize // 16 // page_size))


def limit_growth(connection: Connection, path: Path) -> None:
    """Let the file grow only while the disk has room to spare; beyond that SQLite says that it is full."""
    left = room(path)
    if left > LEFT_TO_OTHERS:
        if connection.info.pop(_LIMITED, False):
            connection.exec_driver_sql(f"PRAGMA max_page_count = {_UNLIMITED_PAGES}")
        return
    page_size = int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    only_in_log = max(0, pages * page_size - path.stat().st_size)
    more = max(0, left - only_in_log) // (2 * page_size)  # a page needs room in the log, and then in the file
    connection.exec_driver_sql(f"PRAGMA max_page_count = {max(1, pages + more)}")
    connection.info[_LIMITED] = True
