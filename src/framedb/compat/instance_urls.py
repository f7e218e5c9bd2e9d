"""URLs of in-memory instances, as the registry tells them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from framedb.errors import StoreUnavailableError
from framedb.resp import ClusterConnection, parse_redis_url, verified_master

_SENTINEL_SCHEME = "redis+sentinel://"
_ASK = 1.0  # seconds the master may take to answer


def connection_of(instance: Mapping[str, Any], *, site: str) -> ClusterConnection:
    """How to reach the master of the instance: by its `local_url` at its own site, else its `public_url`.

    Raises StoreUnavailableError while no master of it answers.
    """
    name = str(instance["framedb_id"])
    url = url_of(instance, site=site)
    told = None if not url else parse_redis_url(url)
    # Known by its run_id a master is not confused with whatever listens at its address later.
    master = None if told is None else verified_master(told, timeout=_ASK)
    if master is None:
        raise StoreUnavailableError(f"no master of instance {name} answers: try again, or look at its members")
    return ClusterConnection(
        name, master, sentinels=_sentinels(instance.get("sentinel_url")), epoch=None, durable=False
    )


def url_of(instance: Mapping[str, Any], *, site: str) -> str | None:
    """The URL that reaches it from that site."""
    nearer, other = ("local_url", "public_url") if instance.get("cluster_id") == site else ("public_url", "local_url")
    return instance.get(nearer) or instance.get(other)


def password_of(instance: Mapping[str, Any]) -> str:
    """The clients' password, or nothing where there is none."""
    url = instance.get("local_url") or instance.get("public_url") or instance.get("sentinel_url") or ""
    return unquote(urlsplit(url).password or "")


def _sentinels(url: str | None) -> list[tuple[str, int]]:
    """Those of `redis+sentinel://:password@host:port,host:port/mymaster/0`."""
    if not url or not url.startswith(_SENTINEL_SCHEME):
        return []
    addresses = url.removeprefix(_SENTINEL_SCHEME).rpartition("@")[2].partition("/")[0]
    pairs = [address.rpartition(":") for address in addresses.split(",") if address]
    return [(host.strip("[]"), int(port)) for host, _, port in pairs if port.isdigit()]
