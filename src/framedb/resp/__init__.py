"""The door to Redis and Valkey: connections, the fast path for large values, sentinels.

Here: how bytes reach a server of that protocol, and how its failures become FrameDB's errors. `import redis` is said here
and nowhere else. Not here: what the keys mean (`stores`, `queueing`), or which server to talk to (`routing`, `clusters`).
"""

from framedb.resp.connection import Redis, close_redis, open_redis, parse_redis_url, translated, transport
from framedb.resp.endpoint import ClusterConnection, Endpoint
from framedb.resp.fast import execute_many, get_into, transaction
from framedb.resp.master import MasterClient
from framedb.resp.sentinel import ask_sentinels

__all__ = [
    "ClusterConnection",
    "Endpoint",
    "MasterClient",
    "Redis",
    "ask_sentinels",
    "close_redis",
    "execute_many",
    "get_into",
    "open_redis",
    "parse_redis_url",
    "transaction",
    "translated",
    "transport",
]
