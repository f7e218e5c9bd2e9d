"""Finding the master: what the living sentinels say, and what the server itself says of it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import redis

from framedb.resp.connection import close_redis, is_server_error, open_redis
from framedb.resp.endpoint import Endpoint
from framedb.resp.fast import execute_many
from framedb.resp.sentinel import MASTER_NAME

logger = logging.getLogger(__name__)
_AT_ONCE = 0.1  # seconds: a living sentinel answers in a few milliseconds, and one that hangs must not hold us up


@dataclass(frozen=True, slots=True)
class _Opinion:
    """Who is master, according to one sentinel."""

    epoch: int
    """Version of its configuration: a sentinel that was away has an older one."""
    address: tuple[str, int]
    down: bool
    """It gets no answer from that master."""


def find_master(
    sentinels: Sequence[tuple[str, int]],
    *,
    cluster: str | None = None,
    username: str | None = None,
    password: str | None = None,
    sockets: Mapping[str, str] | None = None,
    timeout: float = 1.0,
) -> Endpoint | None:
    """The living master, with the run_id it has now, by those sentinels; None if they know of none that is one.

    All are asked at once. What the newest configuration names is believed only if that server says itself that it is a
    master, and not one of another cluster than `cluster`. `sockets` are paths of Unix sockets by `host:port`; each answer
    is waited for up to `timeout` seconds.
    """
    looked_at: set[tuple[str, int]] = set()
    for opinions in _gathering(sentinels, password, timeout):
        for opinion in sorted(opinions, key=lambda each: -each.epoch):
            if opinion.down or opinion.address in looked_at:
                continue
            looked_at.add(opinion.address)
            host, port = opinion.address
            uds = (sockets or {}).get(f"{host}:{port}")
            found = verified_master(Endpoint(host, port, uds, username, password), cluster=cluster, timeout=timeout)
            if found is not None:
                return found
    return None


def verified_master(endpoint: Endpoint, *, cluster: str | None = None, timeout: float = 1.0) -> Endpoint | None:
    """The endpoint with the run_id its server has now, if that is a master that answers; None otherwise.

    `cluster`: and unless it is of another cluster. All of an installation have the same client password, and ports are
    used again: only the name its members replicate by tells whose a server is.
    """
    client = open_redis(replace(endpoint, uds=None) if endpoint.port else endpoint, timeout=timeout)
    try:
        role, info, replicates_as = execute_many(
            client, [("ROLE",), ("INFO", "server"), ("CONFIG", "GET", "masteruser")]
        )
    except (redis.RedisError, OSError) as exc:
        logger.debug("%s is no master: %s", endpoint, exc)
        return None
    finally:
        close_redis(client)
    if is_server_error(role) or is_server_error(info) or role[0] != b"master":
        return None
    if cluster is not None and _name(replicates_as) not in ("", cluster):
        logger.warning("not asking a server of another cluster", extra={"cluster": cluster, "server": str(endpoint)})
        return None
    return replace(endpoint, run_id=run_id_of(info))


def run_id_of(info: bytes) -> str | None:
    """The run_id in an answer to `INFO server`."""
    for line in info.split(b"\r\n"):
        if line.startswith(b"run_id:"):
            return line.removeprefix(b"run_id:").decode()
    return None


def _gathering(sentinels: Sequence[tuple[str, int]], password: str | None, timeout: float) -> Iterator[list[_Opinion]]:
    """What the sentinels say: those that answer at once, then, if that was not enough, all that answer in time."""
    if not sentinels:
        return
    threads = ThreadPoolExecutor(len(sentinels), thread_name_prefix="ask-sentinel")
    try:
        asked = [threads.submit(_ask, Endpoint(host, port, password=password), timeout) for host, port in sentinels]
        for patience in (_AT_ONCE, None):
            answered, late = wait(asked, timeout=patience)
            yield [opinion for each in answered if (opinion := each.result()) is not None]
            if not late:
                return
    finally:
        threads.shutdown(wait=False)  # one that hangs is not waited for: its thread ends with its timeout


def _ask(sentinel: Endpoint, timeout: float) -> _Opinion | None:
    client = open_redis(sentinel, timeout=timeout)
    try:
        address, fields = execute_many(
            client, [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME), ("SENTINEL", "MASTER", MASTER_NAME)]
        )
    except (redis.RedisError, OSError):
        return None
    finally:
        close_redis(client)
    if not address or is_server_error(address) or is_server_error(fields):
        return None
    known = dict(zip(fields[::2], fields[1::2], strict=True))
    promoted = (address[0].decode(), int(address[1]))
    epoch = int(known[b"config-epoch"])
    if promoted != (known[b"ip"].decode(), int(known[b"port"])):
        # In the middle of a failover it names the new master already; the other fields are still those of the old one.
        return _Opinion(epoch + 1, promoted, down=False)
    return _Opinion(epoch, promoted, down=b"s_down" in known[b"flags"].split(b","))


def _name(config: Any) -> str:
    with suppress(IndexError, TypeError, KeyError):
        return str(config[1].decode())
    return ""  # a server that does not tell its settings
