"""The registry: the tables that say which clusters there are, where sources and objects lie, who holds what.

Here: opening a SQL database, the tables and their migrations, leases. Not here: what the rows mean for a reader or writer
(`routing`, `placement`), nor the frames themselves (`stores`).
"""

from framedb.registry.engine import open_engine, reading, sqlite_url, translated, write, writing
from framedb.registry.leases import Lease, Leases
from framedb.registry.migrations import upgrade

__all__ = [
    "Lease",
    "Leases",
    "open_engine",
    "reading",
    "sqlite_url",
    "translated",
    "upgrade",
    "write",
    "writing",
]
