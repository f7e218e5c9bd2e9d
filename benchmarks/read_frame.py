"""Reading a 1080p frame of 6.2 MB into an array the caller holds."""

import numpy as np

import framedb
from benchmarks.comparison import Comparison, Side
from benchmarks.frames import KEYS, SOURCE, frame_key, picture
from benchmarks.heap import warm
from benchmarks.stopwatch import stopwatch
from benchmarks.target import Target

UNIX, TCP = "read a 1080p frame into an array, Unix socket", "read a 1080p frame into an array, TCP"
COPY = "redis-py with hiredis, get + copy"
COMPARISONS = [
    Comparison(UNIX, f"{COPY}, fresh process", "sdk", "redis-py", at_least=2),
    Comparison(UNIX, f"{COPY}, warm heap", "sdk", "redis-py-warm", at_least=2),  # ours takes nothing from the heap
    Comparison(TCP, f"{COPY}, fresh process", "sdk-tcp", "redis-py-tcp", at_least=1.3),
    Comparison(TCP, f"{COPY}, warm heap", "sdk-tcp", "redis-py-tcp-warm", at_least=1.3),
]
TIMES = 60


def sdk(target: Target, times: int) -> list[float]:
    """`framedb.connect` and `get_into`."""
    into = np.empty_like(picture()).data
    keys = _written(target)
    with framedb.connect(target.url) as db:
        return stopwatch(lambda number: db.get_into(keys[number % KEYS], into), times)


def sdk_tcp(target: Target, times: int) -> list[float]:
    """The same from another machine."""
    into = np.empty_like(picture()).data
    keys = _written(target)
    with target.over_tcp() as tiers:
        return stopwatch(lambda number: tiers.get_into(keys[number % KEYS], into), times)


def redis_py(target: Target, times: int) -> list[float]:
    """`GET`, and a copy into the array."""
    return _get_and_copy(target, times, tcp=False)


def redis_py_tcp(target: Target, times: int) -> list[float]:
    """The same over TCP."""
    return _get_and_copy(target, times, tcp=True)


SIDES: dict[str, Side] = {
    "sdk": sdk,
    "sdk-tcp": sdk_tcp,
    "redis-py": redis_py,
    "redis-py-warm": warm(redis_py),
    "redis-py-tcp": redis_py_tcp,
    "redis-py-tcp-warm": warm(redis_py_tcp),
}


def _get_and_copy(target: Target, times: int, *, tcp: bool) -> list[float]:
    into = np.empty_like(picture()).reshape(-1)
    keys = _written(target)
    with target.redis_py(tcp=tcp) as redis:

        def read(number: int) -> None:
            into[:] = np.frombuffer(redis.get(keys[number % KEYS]), np.uint8)

        return stopwatch(read, times)


def _written(target: Target) -> list[str]:
    """Keys that hold a frame each, for whoever reads."""
    keys = [frame_key(number) for number in range(KEYS)]
    with framedb.connect(target.url) as db:
        for key in set(keys).difference(db.scan(source=SOURCE)):
            db.put(key, picture())
    return keys
