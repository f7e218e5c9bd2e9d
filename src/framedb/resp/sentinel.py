"""What living sentinels are asked and told."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import redis

from framedb.resp.connection import Redis, close_redis, open_redis, translated
from framedb.resp.endpoint import Endpoint

MASTER_NAME = "mymaster"
"""What every cluster of FrameDB calls its master."""
_TIMEOUT = 1.0  # seconds: a living sentinel answers in a few milliseconds


def ask_sentinels(
    sentinels: Sequence[tuple[str, int]], *, password: str | None, timeout: float = _TIMEOUT
) -> tuple[str, int] | None:
    """Host and port of the master that most of the sentinels name; None if none answers, or none knows.

    One of them may be behind: it is asked on until more than half say the same.
    """
    named: Counter[tuple[str, int]] = Counter()
    for host, port in sentinels:
        client = open_redis(Endpoint(host, port, password=password), timeout=timeout)
        try:
            answer = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
        except (redis.RedisError, OSError):
            continue
        finally:
            close_redis(client)
        if answer:
            address = _text(answer[0]), int(answer[1])
            named[address] += 1
            if 2 * named[address] > len(sentinels):
                return address
    return max(named, key=named.__getitem__, default=None)


def sentinel_master(host: str, port: int, password: str | None) -> dict[str, str]:
    """All that a sentinel says of the master, by name: `ip`, `port`, `flags`, `quorum`, `num-slaves`, ...

    Raises StoreUnavailableError if it does not answer, StoreError if it watches over none.
    """
    with _asking(host, port, password) as sentinel:
        return _fields(sentinel.execute_command("SENTINEL", "MASTER", MASTER_NAME))


def sentinel_replicas(host: str, port: int, password: str | None) -> list[tuple[str, int, str]]:
    """Host, port and flags (`slave`, `s_down`, `disconnected`, ... joined by commas) of each replica a sentinel knows.

    Raises StoreUnavailableError if it does not answer.
    """
    with _asking(host, port, password) as sentinel:
        known = [_fields(each) for each in sentinel.execute_command("SENTINEL", "REPLICAS", MASTER_NAME)]
    return [(each["ip"], int(each["port"]), each["flags"]) for each in known]


def check_quorum(host: str, port: int, password: str | None) -> str | None:
    """None if the sentinels that this one sees can fail over; else why not. Raises StoreUnavailableError."""
    with _asking(host, port, password) as sentinel:
        try:
            sentinel.execute_command("SENTINEL", "CKQUORUM", MASTER_NAME)
        except redis.ResponseError as exc:
            return str(exc)
    return None


def reset(host: str, port: int, password: str | None) -> None:
    """Have a sentinel forget replicas and sentinels, and find those that live again: one sentinel at a time."""
    with _asking(host, port, password) as sentinel:
        sentinel.execute_command("SENTINEL", "RESET", MASTER_NAME)


def failover(host: str, port: int, password: str | None) -> None:
    """Have a sentinel make another member master, without asking the others.

    Raises StoreError if there is none that can be, or a failover is under way.
    """
    with _asking(host, port, password) as sentinel:
        sentinel.execute_command("SENTINEL", "FAILOVER", MASTER_NAME)


def set_options(host: str, port: int, password: str | None, options: Mapping[str, str]) -> None:
    """Set options of a running sentinel. Raises StoreError for a value it refuses; those before it are set then."""
    with _asking(host, port, password) as sentinel:
        for name, value in options.items():
            sentinel.execute_command("SENTINEL", "SET", MASTER_NAME, name, value)


@contextmanager
def _asking(host: str, port: int, password: str | None) -> Iterator[Redis]:
    client = open_redis(Endpoint(host, port, password=password), timeout=_TIMEOUT)
    try:
        with translated(f"the sentinel at {host}:{port}"):
            yield client
    finally:
        close_redis(client)


def _fields(reply: list[bytes | str]) -> dict[str, str]:
    words = [_text(word) for word in reply]
    return dict(zip(words[::2], words[1::2], strict=True))


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word
