"""What tests ask sentinels, beyond what the product does."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis

from framedb.resp import Endpoint, Redis, close_redis, open_redis, translated
from framedb.resp.sentinel import MASTER_NAME

_TIMEOUT = 1.0


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


def check_quorum(host: str, port: int, password: str | None) -> str | None:
    """None if the sentinels that this one sees can fail over; else why not. Raises StoreUnavailableError."""
    with _asking(host, port, password) as sentinel:
        try:
            sentinel.execute_command("SENTINEL", "CKQUORUM", MASTER_NAME)
        except redis.ResponseError as exc:
            return str(exc)
    return None


def failover(host: str, port: int, password: str | None) -> None:
    """Have a sentinel make another member master, without asking the others.

    Raises StoreError if there is none that can be, or a failover is under way.
    """
    with _asking(host, port, password) as sentinel:
        sentinel.execute_command("SENTINEL", "FAILOVER", MASTER_NAME)


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
