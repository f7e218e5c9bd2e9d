"""What living sentinels are asked."""

from framedb.resp.connection import close_redis, open_redis, translated
from framedb.resp.endpoint import Endpoint

MASTER_NAME = "mymaster"
"""What every cluster of FrameDB calls its master."""
_TIMEOUT = 1.0  # seconds: a living sentinel answers in a few milliseconds


def sentinel_replicas(host: str, port: int, password: str | None) -> list[tuple[str, int, str]]:
    """Host, port and flags (`slave`, `s_down`, `disconnected`, ... joined by commas) of each replica a sentinel knows.

    Raises StoreUnavailableError if it does not answer.
    """
    sentinel = open_redis(Endpoint(host, port, password=password), timeout=_TIMEOUT)
    try:
        with translated(f"the sentinel at {host}:{port}"):
            known = [_fields(each) for each in sentinel.execute_command("SENTINEL", "REPLICAS", MASTER_NAME)]
    finally:
        close_redis(sentinel)
    return [(each["ip"], int(each["port"]), each["flags"]) for each in known]


def _fields(reply: list[bytes | str]) -> dict[str, str]:
    words = [_text(word) for word in reply]
    return dict(zip(words[::2], words[1::2], strict=True))


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word
