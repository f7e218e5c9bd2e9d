"""Writing a 1080p frame of 6.2 MB: bytes, index and policy in one transaction, through the SDK."""

import socket
from collections.abc import Sequence

import framedb
from benchmarks.comparison import Comparison, Side
from benchmarks.frames import KEYS, SOURCE, frame_key, picture, plain_key
from benchmarks.heap import warm
from benchmarks.stopwatch import stopwatch
from benchmarks.target import Target
from framedb.frame import Frame, to_microseconds
from framedb.stores.row import pack_row

WORK = "write a 1080p frame, Unix socket"
COMPARISONS = [
    Comparison(WORK, "raw socket, scatter-gather sendmsg of the same commands", "sdk", "raw", at_least=0.85),
    Comparison(WORK, "redis-py with hiredis, set(bytes), fresh process", "sdk", "redis-py", at_least=5),
    Comparison(WORK, "redis-py with hiredis, set(bytes), warm heap", "sdk-warm", "redis-py-warm", at_least=1.5),
]
TIMES = 60


def sdk(target: Target, times: int) -> list[float]:
    """`framedb.connect` and `put`."""
    array = picture()
    keys = [frame_key(number) for number in range(KEYS)]
    with framedb.connect(target.url) as db:
        return stopwatch(lambda number: db.put(keys[number % KEYS], array), times)


def raw(target: Target, times: int) -> list[float]:
    """The very commands `put` sends, packed beforehand: nothing but `sendmsg`, and reading until the reply is there."""
    array = picture()
    with framedb.connect(target.url) as db:
        db.put(frame_key(0), array)  # the server has been given the index functions
        epoch = db.connection(source=SOURCE).epoch
    messages = [_transaction(Frame.from_array(frame_key(number), array), epoch) for number in range(KEYS)]
    with target.raw_socket() as connection:
        return stopwatch(lambda number: _converse(connection, messages[number % KEYS]), times)


def redis_py(target: Target, times: int) -> list[float]:
    """A plain `SET`, of bytes that lie ready."""
    data = picture().tobytes()
    with target.redis_py() as redis:
        return stopwatch(lambda number: redis.set(plain_key(number % KEYS), data), times)


SIDES: dict[str, Side] = {
    "sdk": sdk,
    "raw": raw,
    "redis-py": redis_py,
    "sdk-warm": warm(sdk),
    "redis-py-warm": warm(redis_py),
}


def _transaction(frame: Frame, epoch: int | None) -> list[bytes | memoryview]:
    captured_at = to_microseconds(Frame(frame.key, b"").captured_at)
    fence = ("" if epoch is None else epoch, "")
    index = ("FCALL", "fdb_v1_index", 1, frame.key, frame.source, *fence, "", captured_at, -1, pack_row(frame))
    value = frame.view()
    before = _packed("MULTI") + _packed("SET", frame.key, b"")[: -len(b"$0\r\n\r\n")] + f"${len(value)}\r\n".encode()
    return [before, value, b"\r\n" + _packed(*index) + _packed("EXEC")]


def _packed(*parts: str | int | bytes) -> bytes:
    encoded = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded)


def _converse(connection: socket.socket, message: Sequence[bytes | memoryview]) -> None:
    left = [memoryview(part) for part in message]
    while left:
        sent = connection.sendmsg(left)
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if left:
            left[0] = left[0][sent:]
    reply = connection.recv(4096)
    while not reply.endswith(b"*2\r\n+OK\r\n*1\r\n$6\r\nstored\r\n"):
        assert b"-" not in reply, reply
        reply += connection.recv(4096)
