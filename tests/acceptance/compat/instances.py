"""In-memory instances of a node, as a Redis client sees them."""

import urllib3

from framedb.resp import close_redis, open_redis, parse_redis_url
from tests.acceptance.conftest import UpNode

http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=120))


class Instance:
    """An in-memory instance, as a Redis client sees it."""

    def __init__(self, url: str) -> None:
        self.redis = open_redis(parse_redis_url(url))

    def clients(self) -> int:
        """Connections of clients, our own not counted."""
        return sum(client["name"] != "ours" for client in self.redis.client_list(_type="normal")) - 1

    def __enter__(self) -> "Instance":
        return self

    def __exit__(self, *_: object) -> None:
        close_redis(self.redis)


def url_of(up: UpNode, framedb_id: str) -> str:
    answer = http.request("GET", f"{up.url}/global/framedb/instances/{framedb_id}").json()
    return str(answer["data"]["public_url"])


def memory(up: UpNode, framedb_id: str) -> Instance:
    return Instance(url_of(up, framedb_id))
