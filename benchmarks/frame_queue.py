"""How long a bare key takes from a publisher's `announce` to a waiting worker's `take`, on both backends.

    python -m benchmarks.frame_queue [--count 1000]

Publisher and worker are two processes. Each key is sent when the worker waits again, so that nothing queues up; confirms
are on, and RabbitMQ's messages are persistent. Starts a Valkey and a RabbitMQ of its own, and stops them.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from tests.engines.rabbitmq import running_rabbitmq
from tests.engines.valkey import running_valkey

from framedb.queueing.base import Announcement
from framedb.queueing.opening import open_queue
from framedb.resp import Endpoint

WARM_UP = 50
PAUSE = 0.003  # seconds until the next key: the worker is waiting again by then


def work(control: Endpoint, broker_url: str | None, results: Connection) -> None:
    """Take keys, which are the time they were sent at, and answer how many nanoseconds ago that was."""
    with open_queue(control, broker_url=broker_url) as queue:
        results.send(0)
        while (delivery := queue.take(timeout=10)) is not None:
            took = time.monotonic_ns() - int(delivery.announcement.key)  # one clock for all processes of a machine
            queue.acknowledge(delivery)
            results.send(took)


def measure(control: Endpoint, broker_url: str | None, count: int) -> tuple[list[int], list[int]]:
    """Nanoseconds of each `announce`, and of each way from announce to take."""
    context = multiprocessing.get_context("spawn")
    results, sender = context.Pipe(duplex=False)
    worker = context.Process(target=work, args=(control, broker_url, sender), daemon=True)
    worker.start()
    announcing, handing = [], []
    with open_queue(control, broker_url=broker_url) as queue:
        results.recv()
        for number in range(WARM_UP + count):
            time.sleep(PAUSE)
            sent = time.monotonic_ns()
            queue.announce([Announcement(str(sent), source="_")])
            announced = time.monotonic_ns() - sent
            took = results.recv()
            if number >= WARM_UP:
                announcing.append(announced)
                handing.append(took)
    worker.terminate()
    worker.join()
    return announcing, handing


def report(backend: str, announcing: Sequence[int], handing: Sequence[int]) -> None:
    """One line."""
    print(
        f"{backend:<9} announce -> take  p50 {_p(handing, 50):6.3f} ms  p99 {_p(handing, 99):6.3f} ms"
        f"   announce confirmed  p50 {_p(announcing, 50):6.3f} ms  p99 {_p(announcing, 99):6.3f} ms"
    )


def main() -> None:
    """Measure both backends and print a line of each."""
    parser = argparse.ArgumentParser(description="Latency of the frame queue.")
    parser.add_argument("--count", type=int, default=1000, help="keys per backend (default: %(default)s)")
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder, running_valkey(Path(folder)) as control:
        report("streams", *measure(control, None, count))
        with running_rabbitmq() as broker:
            report("rabbitmq", *measure(control, broker.url, count))


def _p(nanoseconds: Sequence[int], percent: int) -> float:
    return statistics.quantiles(nanoseconds, n=100, method="inclusive")[percent - 1] / 1e6


if __name__ == "__main__":
    main()
