"""Which Redis the cache is in."""

from framedb.config import MiB, Settings
from framedb.resp import Endpoint, parse_redis_url
from framedb.server.extractor.cache import Cache
from framedb.server.extractor.cache_redis import RedisCache


def open_cache(settings: Settings, control: Endpoint | None = None) -> Cache:
    """The cache in the Redis of REDIS_URL, of REDIS_HOST, or on the node's `control` server; without a node, on this machine's.

    Nothing is asked yet: a Redis that is not there is one that is away.
    """
    max_bytes = settings.max_cache_size_mb * MiB
    endpoint, db = _place(settings, control)
    redis = RedisCache(endpoint, max_bytes=max_bytes, ttl=settings.cache_ttl, db=db)
    return Cache(redis, max_bytes=max_bytes, ttl=settings.cache_ttl)


def _place(settings: Settings, control: Endpoint | None) -> tuple[Endpoint, int]:
    if settings.redis_url is not None:
        return parse_redis_url(settings.redis_url.get_secret_value()), 0
    if settings.redis_host is None and control is not None:
        return control, 0
    return Endpoint(settings.redis_host or "localhost", settings.redis_port), settings.redis_db
