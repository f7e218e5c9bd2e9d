"""Handing a 50 KB JPEG from a writer to a waiting worker: bytes over the store, key over the queue.

Writer and worker are two processes, and each frame is sent when the worker waits again, so that nothing queues up.
"""

import multiprocessing
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection

import framedb
from benchmarks.comparison import Comparison, Side
from benchmarks.frames import jpegs
from benchmarks.stopwatch import WARM_UP
from benchmarks.target import Target
from framedb.capture.publisher import Publisher
from framedb.frame import Frame
from framedb.queueing.base import Announcement
from framedb.worker import Worker

SOURCE = "bench:hand"
QUEUE = "bench_hand_over"
PAUSE = 0.003  # seconds until the next one: the worker waits again by then
COMPARISONS = [
    Comparison(
        "hand a 50 KB JPEG from writer to worker",
        "publish + consume of the bare key, streams",
        "frame",
        "key",
        at_most=2,
    )
]
TIMES = 100


def frame(target: Target, times: int) -> list[float]:
    """`Publisher.publish` here, a `Worker` there: until its handler has the frame."""
    (data,) = jpegs(1, 50_000)
    with framedb.connect(target.url) as db, db.queue(name=QUEUE) as queue:
        publisher = Publisher(db.memory(SOURCE), queue)
        return _hand_over(target, _work, lambda key: publisher.publish(Frame(key, data, source=SOURCE)), times)


def key(target: Target, times: int) -> list[float]:
    """`announce` here, `take` there."""
    with framedb.connect(target.url) as db, db.queue(name=QUEUE) as queue:
        return _hand_over(target, _take, lambda key: queue.announce([Announcement(key, SOURCE)]), times)


SIDES: dict[str, Side] = {"frame": frame, "key": key}


def _hand_over(
    target: Target, worker: Callable[[Target, Connection], None], send: Callable[[str], object], times: int
) -> list[float]:
    """Seconds from before `send(key)` until it came, as the worker tells. The key is the time, by the machine's one clock."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=worker, args=(target, there), daemon=True)
    process.start()
    here.recv()
    seconds = []
    for _ in range(WARM_UP + times):
        time.sleep(PAUSE)
        send(str(time.monotonic_ns()))
        seconds.append(here.recv() / 1e9)
    here.send("enough")
    process.join()
    return seconds[WARM_UP:]


def _work(target: Target, results: Connection) -> None:
    with framedb.connect(target.url) as db:
        stop = threading.Event()
        worker = Worker(db, lambda: db.queue(name=QUEUE), lambda frame: results.send(_age(frame.key)))
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        results.send("ready")
        results.recv()
        stop.set()
        thread.join()


def _take(target: Target, results: Connection) -> None:
    with ExitStack() as stack:
        db = stack.enter_context(framedb.connect(target.url))
        queue = stack.enter_context(db.queue(name=QUEUE))
        results.send("ready")
        while not results.poll():
            delivery = queue.take(timeout=0.5)
            if delivery is not None:
                results.send(_age(delivery.announcement.key))
                queue.acknowledge(delivery)


def _age(key: str) -> int:
    return time.monotonic_ns() - int(key)
