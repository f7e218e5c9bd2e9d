"""The libraries of functions that servers of frames are given, and calling them."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from framedb.resp import Redis, execute_many
from framedb.resp.connection import is_missing_function, is_server_error

_LIBRARIES = ("frames.lua", "moves.lua", "references.lua", "objects.lua", "streams.lua")


def load_functions(redis: Redis) -> None:
    """Give the server every library it does not have yet."""
    for library in _LIBRARIES:
        try:
            redis.function_load(_text(library))
        except Exception as exc:
            if "already exists" not in str(exc):
                raise


def call_function(redis: Redis, function: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    """What the function answers, by its name without the `fdb_`; a server that does not know it is given it.

    Raises the server's error.
    """
    command = ("FCALL", f"fdb_{function}", len(keys), *keys, *arguments)
    (reply,) = execute_many(redis, [command])
    if is_missing_function(reply):
        load_functions(redis)
        (reply,) = execute_many(redis, [command])
    if is_server_error(reply):
        raise reply
    return reply.decode() if isinstance(reply, bytes) else reply


def raised(replies: list[Any]) -> list[Any]:
    """The replies. Raises the first that is an error of the server."""
    for reply in replies:
        if is_server_error(reply):
            raise reply
    return replies


@cache
def _text(library: str) -> str:
    return files("framedb.stores").joinpath(library).read_text()
