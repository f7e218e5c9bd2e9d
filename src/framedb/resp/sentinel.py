"""Asking living sentinels who the master is."""

from collections.abc import Sequence

import redis

from framedb.resp.connection import close_redis, open_redis
from framedb.resp.endpoint import Endpoint

MASTER_NAME = "mymaster"
"""What every cluster of FrameDB calls its master."""


def ask_sentinels(
    sentinels: Sequence[tuple[str, int]], *, password: str | None, timeout: float = 1.0
) -> tuple[str, int] | None:
    """Host and port of the master, from the first sentinel that answers; None if none does, or none knows."""
    for host, port in sentinels:
        client = open_redis(Endpoint(host, port, password=password), timeout=timeout)
        try:
            answer = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
        except (redis.RedisError, OSError):
            continue
        finally:
            close_redis(client)
        if answer:
            name, number = answer
            return (name.decode() if isinstance(name, bytes) else name), int(number)
    return None
