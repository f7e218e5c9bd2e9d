"""The door to Redis and Valkey: connections, the fast path for large values, sentinels.

Here: how bytes reach a server of that protocol, and how its failures become FrameDB's errors. `import redis` is said here
and nowhere else. Not here: what the keys mean (`stores`, `queueing`), or which server to talk to (`routing`, `clusters`).
"""

from framedb.resp.connection import Redis, close_redis, open_redis, parse_redis_url, translated, transport
from framedb.resp.endpoint import NOWHERE, ClusterConnection, Endpoint
from framedb.resp.fast import execute_many, get_into, transaction
from framedb.resp.finding import find_master, verified_master
from framedb.resp.master import MasterClient
from framedb.resp.replication import Replicated, replicated_transaction

__all__ = [
    "NOWHERE",
    "ClusterConnection",
    "Endpoint",
    "MasterClient",
    "Redis",
    "Replicated",
    "close_redis",
    "execute_many",
    "find_master",
    "get_into",
    "open_redis",
    "parse_redis_url",
    "replicated_transaction",
    "transaction",
    "translated",
    "transport",
    "verified_master",
]
