"""Pushing 64 JPEGs of 200 KB in one batch."""

import framedb
from benchmarks.comparison import Comparison, Side
from benchmarks.frames import SOURCE, frame_key, jpegs, plain_key
from benchmarks.stopwatch import stopwatch
from benchmarks.target import Target
from framedb.frame import Frame, from_microseconds
from framedb.stores.base import FrameStore

NUMBER, SIZE = 64, 200_000
FIRST = 1000  # behind the keys of the 1080p frames
PIPELINE = "redis-py pipeline with hiredis, fresh process"
COMPARISONS = [
    Comparison("push 64 JPEGs of 200 KB, Unix socket", PIPELINE, "sdk", "redis-py", at_least=2.5),
    Comparison("push 64 JPEGs of 200 KB, TCP", PIPELINE, "sdk-tcp", "redis-py-tcp", at_least=2),
]
TIMES = 40


def sdk(target: Target, times: int) -> list[float]:
    """`framedb.connect` and `put_many`."""
    with framedb.connect(target.url) as db:
        return _put_many(db, times)


def sdk_tcp(target: Target, times: int) -> list[float]:
    """The same from another machine."""
    with target.over_tcp() as tiers:
        return _put_many(tiers, times)


def redis_py(target: Target, times: int) -> list[float]:
    """A pipeline of plain `SET`s."""
    return _pipeline(target, times, tcp=False)


def redis_py_tcp(target: Target, times: int) -> list[float]:
    """The same over TCP."""
    return _pipeline(target, times, tcp=True)


SIDES: dict[str, Side] = {"sdk": sdk, "sdk-tcp": sdk_tcp, "redis-py": redis_py, "redis-py-tcp": redis_py_tcp}


def _put_many(db: "framedb.FrameDB | FrameStore", times: int) -> list[float]:
    named = [(frame_key(FIRST + number), data) for number, data in enumerate(jpegs(NUMBER, SIZE))]
    captured_at = from_microseconds(1_750_000_000_000_000)

    def push(number: int) -> None:
        frames = [Frame(key, data, source=SOURCE, captured_at=captured_at, encoding="jpeg") for key, data in named]
        assert all(db.put_many(frames))

    return stopwatch(push, times)


def _pipeline(target: Target, times: int, *, tcp: bool) -> list[float]:
    named = [(plain_key(FIRST + number), data) for number, data in enumerate(jpegs(NUMBER, SIZE))]
    with target.redis_py(tcp=tcp) as redis:

        def push(number: int) -> None:
            with redis.pipeline(transaction=False) as pipe:
                for key, data in named:
                    pipe.set(key, data)
                assert all(pipe.execute())

        return stopwatch(push, times)
