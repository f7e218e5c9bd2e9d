"""Frames go from cameras to workers, whatever dies on the way."""

import itertools
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika
import pytest

from framedb.capture import Publisher
from framedb.client import FrameDB
from framedb.errors import StoreFullError
from framedb.frame import CameraKey, Frame, utc_now
from framedb.queueing.base import FrameQueue
from tests.acceptance.conftest import FRAMEDB, UpNode, node_on, until
from tests.engines.rabbitmq import RabbitMQ, running_rabbitmq

JOB = """
import os, time

def done(frame):
    with open("done.txt", "a") as file:
        file.write(frame.key + "\\n")

def slow(frame):
    time.sleep(2.5)
    done(frame)

def stuck_once(frame):
    if not os.path.exists("stuck.txt"):
        open("stuck.txt", "w").close()
        time.sleep(600)
    done(frame)

def failing(frame):
    raise RuntimeError("cannot look at this")
"""


class WorkProcess:
    """`framedb work` in a process of its own, in the node's folder."""

    def __init__(self, node: UpNode, function: str, *, hold: float = 1.0) -> None:
        (node.folder / "myjob.py").write_text(JOB)
        self.process = subprocess.Popen(
            [*FRAMEDB, "work", f"myjob:{function}", "--json", "--hold", str(hold)],
            cwd=node.folder, env={**node.environment, "FRAMEDB_URL": node.url}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.events: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.events.append(json.loads(line))

    def steps(self, step: str) -> list[dict[str, Any]]:
        """What it has told of that kind."""
        return [event for event in self.events if event["step"] == step]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Stop it; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        self._thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@contextmanager
def working(node: UpNode, function: str, *, hold: float = 1.0) -> Iterator[WorkProcess]:
    """A worker for the block."""
    worker = WorkProcess(node, function, hold=hold)
    try:
        yield worker
    finally:
        worker.end()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[UpNode]:
    """A node of its own."""
    with node_on(tmp_path, "--no-workers", FRAMEDB_FRAMES_MAXMEMORY_BYTES=str(64 * 2**20)) as up:
        yield up


def publish(db: FrameDB, queue: FrameQueue, number: int, *, camera: str = "gate", data: bytes = b"jpeg") -> list[Frame]:
    """Frames of a camera, stored and announced."""
    frames = []
    for _ in range(number):
        key = CameraKey("plant-a", camera, utc_now())
        frame = Frame(str(key), data, source=key.source, captured_at=key.captured_at, encoding="jpeg")
        db.connection(source=frame.source)
        assert Publisher(db.memory(frame.source), queue).publish(frame)
        frames.append(frame)
    return frames


def fill(db: FrameDB, queue: FrameQueue, stored: list[str], *, size: int) -> None:
    """Publish frames of that size until there is no room for another; their keys are added to `stored`."""
    for camera in itertools.cycle(("one", "two")):
        try:
            stored += [frame.key for frame in publish(db, queue, 1, camera=camera, data=b"x" * size)]
        except StoreFullError:
            return


def done(node: UpNode) -> list[str]:
    """Keys a worker has written down."""
    path = node.folder / "done.txt"
    return path.read_text().split() if path.exists() else []


def test_every_frame_is_worked_on_and_then_released(fresh: UpNode) -> None:
    with fresh.connect() as db, db.queue() as queue, working(fresh, "done"):
        frames = publish(db, queue, 30)
        until(lambda: len(done(fresh)) == 30, "the worker to do its work")
        assert sorted(done(fresh)) == sorted(frame.key for frame in frames)
        until(lambda: db.stats("plant-a:gate").count == 0, "the frames to be released")
        assert db.stats("plant-a:gate").drops == {}
        until(lambda: queue.depth() == 0, "the queue to be empty")


def test_a_frame_survives_the_death_of_its_worker(fresh: UpNode) -> None:
    with fresh.connect() as db, db.queue() as queue:
        (frame,) = publish(db, queue, 1)
        first = WorkProcess(fresh, "stuck_once")
        until(lambda: (fresh.folder / "stuck.txt").exists(), "the frame to be in its hands")
        first.end(signal.SIGKILL)
        assert db.get(frame.key) == frame
        with working(fresh, "stuck_once") as second:
            until(lambda: done(fresh) == [frame.key], "the frame to be delivered again")
            until(lambda: second.steps("done"), "the worker to tell")
            assert second.steps("done")[0]["attempt"] == 2


def test_no_frame_is_lost_while_workers_are_killed_again_and_again(fresh: UpNode, soak: int) -> None:
    announced: list[str] = []
    with fresh.connect() as db, db.queue() as queue:
        for _ in range(soak or 3):
            before = len(set(done(fresh)))
            worker = WorkProcess(fresh, "done")
            announced += [frame.key for frame in publish(db, queue, 50)]
            until(lambda before=before: len(set(done(fresh))) > before + 5, "the worker to be at work")  # type: ignore[misc]
            worker.end(signal.SIGKILL)
        with working(fresh, "done"):
            until(lambda: queue.depth() == 0, "another worker to finish", seconds=60)
        assert set(done(fresh)) == set(announced)
        assert db.stats("plant-a:gate").drops == {}


def test_a_slow_frame_is_not_worked_on_twice(fresh: UpNode) -> None:
    with fresh.connect() as db, db.queue() as queue, working(fresh, "slow"), working(fresh, "slow"):
        (frame,) = publish(db, queue, 1)
        until(lambda: queue.depth() == 0, "the frame to be acknowledged")
        assert done(fresh) == [frame.key]


def test_a_frame_nobody_can_work_on_is_set_aside_with_its_reason(fresh: UpNode) -> None:
    with fresh.connect() as db, db.queue() as queue, working(fresh, "failing") as worker:
        (frame,) = publish(db, queue, 1)
        (letter,) = until(queue.dead_letters, "the frame to be set aside", seconds=60)
        assert letter.announcement.key == frame.key
        assert "5" in letter.reason
        assert len(worker.steps("failed")) == 5
        assert db.get(frame.key) == frame


def test_a_worker_that_is_asked_to_stop_finishes_what_it_has(fresh: UpNode) -> None:
    with fresh.connect() as db, db.queue() as queue:
        worker = WorkProcess(fresh, "slow", hold=10.0)
        (frame,) = publish(db, queue, 1)
        until(lambda: worker.steps("taken"), "the frame to be taken")
        assert worker.end() == 0
        assert done(fresh) == [frame.key]
        assert queue.depth() == 0


def test_a_full_store_is_drained_by_the_workers_and_nothing_acknowledged_is_lost(fresh: UpNode) -> None:
    with fresh.connect() as db, db.queue() as queue:
        # Sources that may not drop: they fill the store to the brim between them.
        for camera in ("one", "two"):
            source = f"plant-a:{camera}"
            db.connection(source=source)
            db.memory(source).set_policy(source, _waiting())
        stored: list[str] = []
        fill(db, queue, stored, size=500_000)
        assert len(stored) > 100
        for size in (100_000, 10_000, 1_000):  # down to the last byte
            fill(db, queue, stored, size=size)

        with working(fresh, "done"), working(fresh, "done"):
            until(lambda: len(done(fresh)) >= len(stored), "the workers to drain the store", seconds=60)
        assert sorted(done(fresh)) == sorted(stored)
        assert db.stats("plant-a:one").drops == {}
        assert publish(db, queue, 1, camera="one", data=b"x" * 500_000)


def test_a_frame_that_was_stored_but_never_announced_is_announced_after_all(fresh: UpNode) -> None:
    with fresh.connect() as db, db.queue() as queue:
        key = CameraKey("plant-a", "gate", utc_now())
        frame = Frame(str(key), b"jpeg", source=key.source, captured_at=key.captured_at)
        db.memory(frame.source).put(frame, announce=True)  # and the writer dies here
        delivery = until(lambda: queue.take(timeout=1.0), "the sweeper to announce it", seconds=40)
        assert delivery.announcement.key == frame.key
        assert delivery.announcement.captured_at == frame.captured_at
        until(lambda: db.memory(frame.source).unannounced(older_than=0) == [], "it to be confirmed")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A RabbitMQ that may be stopped and started."""
    with running_rabbitmq() as server:
        yield server


def test_a_plain_consumer_reads_a_cameras_frames_from_rabbitmq_and_redis(tmp_path: Path, broker: RabbitMQ) -> None:
    with node_on(tmp_path, BROKER_URL=broker.url) as node:
        added = node.cli("camera", "add", "pharma-ng", "0", "test://testsrc2?size=320x240&rate=25", "--fps", "2")
        assert added.returncode == 0, added.stderr
        connection = pika.BlockingConnection(pika.URLParameters(broker.url))
        channel = connection.channel()
        channel.queue_declare(queue="frame_queue", durable=True)
        channel.basic_qos(prefetch_count=1)
        with node.connect() as db:
            redis = db.connection().master
        deliveries = channel.consume("frame_queue", inactivity_timeout=30)
        for method, properties, body in itertools.islice(deliveries, 3):
            assert method is not None, "no frame was announced"
            key = body.decode()
            assert key.startswith("frame:pharma-ng:0:")
            assert properties.delivery_mode == 2
            assert properties.headers["source"] == "pharma-ng:0"
            value = subprocess.run(
                ["redis-cli", "-h", redis.host, "-p", str(redis.port), "--no-auth-warning", "get", key],
                env={**node.environment, "REDISCLI_AUTH": redis.password or ""},
                capture_output=True,
                check=True,
            ).stdout[:-1]  # fmt: skip  (redis-cli ends with a newline)
            (tmp_path / "frame.jpg").write_bytes(value)
            size = subprocess.run(
                ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0",
                 str(tmp_path / "frame.jpg")],
                capture_output=True, text=True, check=True,
            ).stdout.strip()  # fmt: skip
            assert size == "mjpeg,320,240"
            channel.basic_ack(method.delivery_tag)
        channel.cancel()
        connection.close()


def test_capture_and_workers_go_on_when_the_broker_comes_back(tmp_path: Path, broker: RabbitMQ) -> None:
    with node_on(tmp_path, BROKER_URL=broker.url) as node, working(node, "done"):
        node.cli("camera", "add", "plant-a", "gate", "test://testsrc2?size=320x240&rate=25", "--fps", "5")
        until(lambda: len(done(node)) > 2, "frames before")
        broker.stop()
        before = len(done(node))
        broker.start()
        until(lambda: len(done(node)) > before + 5, "frames after", seconds=60)
        node.cli("camera", "remove", "plant-a:gate")
        with node.connect() as db:
            until(lambda: db.stats("plant-a:gate").count == 0, "every frame to be worked on", seconds=60)
            assert set(db.stats("plant-a:gate").drops) <= {"queue-full", "queue-unavailable", "slow"}


def _waiting() -> Any:
    from framedb.stores.policy import SourcePolicy

    return SourcePolicy(policy="wait")
